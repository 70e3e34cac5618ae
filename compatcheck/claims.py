"""What the report claims, tried again: a random sample of its statements of blame, both ends run once more."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .attribution import Blame
from .domain import Outcome

Seen = tuple[Outcome, str | None]
"""Outcome and failure class."""


@dataclass(frozen=True)
class Claim:
    """Two cells that differ in one package and fare differently."""

    says: str
    good: str
    """The cell in which the failure is gone."""
    bad: str


@dataclass(frozen=True)
class End:
    cell: str
    claimed: Seen
    seen: Seen

    @property
    def holds(self) -> bool:
        return self.claimed == self.seen


@dataclass(frozen=True)
class Trial:
    claim: Claim
    good: End
    bad: End

    @property
    def holds(self) -> bool:
        return self.good.holds and self.bad.holds


def claims_of(blames: Mapping[str, Blame]) -> tuple[Claim, ...]:
    """Every pair of cells that some blame rests on, once, in the order of the cells."""
    found: dict[tuple[str, str], Claim] = {}
    for blame in blames.values():
        for pair in blame.evidence:
            found.setdefault((pair.good, pair.bad), Claim(pair.says, pair.good, pair.bad))
    return tuple(found.values())


def sampled(claims: Sequence[Claim], size: int, seed: int) -> tuple[Claim, ...]:
    """`size` claims by chance, all of them where there are no more; the same for the same seed."""
    chosen = random.Random(seed).sample(range(len(claims)), min(size, len(claims)))
    return tuple(claims[place] for place in sorted(chosen))


def cells_of(claims: Sequence[Claim]) -> tuple[str, ...]:
    """The cells that must be run to try the claims, each once."""
    return tuple(dict.fromkeys(cell for claim in claims for cell in (claim.good, claim.bad)))


def tried(claims: Sequence[Claim], claimed: Mapping[str, Seen], seen: Mapping[str, Seen]) -> tuple[Trial, ...]:
    """Each claim with what its cells showed when they were run again."""
    return tuple(
        Trial(claim, *(End(cell, claimed[cell], seen[cell]) for cell in (claim.good, claim.bad))) for claim in claims
    )
