"""Whether two models say the same of the same cells: the one that screens, and the one that confirms. Pure.

Compared are cells in which the cycle ran with both. A cell that cannot be installed says nothing about a model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from .domain import Outcome, Stage, Status, Word
from .interval import Interval

TELLING = (Outcome.PASS, Outcome.FAIL, Outcome.WRONG)
"""The outcomes of a cycle that was run."""


class Likeness(Word):
    """How far two findings about one cell agree. What differs first, decides."""

    OTHER_OUTCOME = "other-outcome"
    OTHER_STAGE = "other-stage"
    OTHER_FAILURE = "other-failure"
    SAME = "same"
    UNTESTED = "untested"
    """At least one of the two has not been run."""


@dataclass(frozen=True)
class Spent:
    """What one stage of one run took."""

    stage: Stage
    status: Status
    seconds: float
    peak_rss_mib: float | None


@dataclass(frozen=True)
class Finding:
    """What one model says of one cell."""

    outcome: Outcome
    stage: str | None = None
    failure: str | None = None
    """The signature, or `unknown-` with the fingerprint of a failure that has no name; None for a pass."""
    lock: str | None = None
    """The digest of the lock that was run."""
    spent: tuple[Spent, ...] = ()

    @property
    def tested(self) -> bool:
        return self.outcome in TELLING

    def words(self) -> str:
        """`fail in generate (cache-layers-empty)`."""
        where = f" in {self.stage}" if self.stage and self.outcome is Outcome.FAIL else ""
        return f"{self.outcome}{where}" + (f" ({self.failure})" if self.failure else "")


@dataclass(frozen=True)
class Pair:
    """One cell with both models."""

    cell: str
    own: Finding
    other: Finding

    @property
    def likeness(self) -> Likeness:
        if not (self.own.tested and self.other.tested):
            return Likeness.UNTESTED
        if self.own.outcome is not self.other.outcome:
            return Likeness.OTHER_OUTCOME
        if self.own.stage != self.other.stage:
            return Likeness.OTHER_STAGE
        return Likeness.SAME if self.own.failure == self.other.failure else Likeness.OTHER_FAILURE

    @property
    def same_lock(self) -> bool:
        """Whether both ran the very same distributions: where not, these may be why they differ."""
        return self.own.lock is not None and self.own.lock == self.other.lock


@dataclass(frozen=True)
class Cost:
    """What a stage takes with either model, over the compared cells in which it went well with both."""

    stage: Stage
    cells: int
    own_seconds: float
    """The median."""
    other_seconds: float
    own_peak_mib: float
    """The highest."""
    other_peak_mib: float


@dataclass(frozen=True)
class Agreement:
    own: str
    """The model of the report."""
    other: str
    """The model that it is compared with."""
    pairs: tuple[Pair, ...]
    """Every cell that both reports have."""

    @cached_property
    def compared(self) -> tuple[Pair, ...]:
        return tuple(pair for pair in self.pairs if pair.likeness is not Likeness.UNTESTED)

    @cached_property
    def ordered(self) -> tuple[Pair, ...]:
        """The findings first: another outcome, then another stage, then another failure; then those that agree."""
        order = list(Likeness)
        return tuple(sorted(self.pairs, key=lambda pair: order.index(pair.likeness)))

    @property
    def disagreements(self) -> tuple[Pair, ...]:
        return tuple(pair for pair in self.ordered if pair.likeness not in (Likeness.SAME, Likeness.UNTESTED))

    @property
    def untested(self) -> int:
        """Cells that only one of the two has run, or neither."""
        return len(self.pairs) - len(self.compared)

    @property
    def outcome(self) -> Interval:
        return Interval.of(pair.likeness is not Likeness.OTHER_OUTCOME for pair in self.compared)

    @property
    def stage(self) -> Interval:
        """Outcome and stage."""
        good = (Likeness.OTHER_FAILURE, Likeness.SAME)
        return Interval.of(pair.likeness in good for pair in self.compared)

    @property
    def failure(self) -> Interval:
        """Outcome, stage and signature: all that is compared."""
        return Interval.of(pair.likeness is Likeness.SAME for pair in self.compared)

    @property
    def other_locks(self) -> int:
        """Compared cells that were not run with the very same distributions."""
        return sum(not pair.same_lock for pair in self.compared)

    def by_failure(self) -> dict[str, Interval]:
        """Each failure that the other model shows, `pass` among them, to how often this one shows the same."""
        groups: dict[str, list[bool]] = {}
        for pair in self.compared:
            groups.setdefault(pair.other.failure or str(pair.other.outcome), []).append(pair.likeness is Likeness.SAME)
        return {name: Interval.of(held) for name, held in sorted(groups.items(), key=lambda item: -len(item[1]))}

    def costs(self) -> tuple[Cost, ...]:
        """Stage by stage; a stage that no compared cell has passed with both models is left out."""
        return tuple(cost for stage in Stage if (cost := self._cost(stage)) is not None)

    def _cost(self, stage: Stage) -> Cost | None:
        both = [
            (own, other)
            for pair in self.compared
            if (own := _passed(pair.own, stage)) is not None and (other := _passed(pair.other, stage)) is not None
        ]
        if not both:
            return None
        return Cost(
            stage,
            len(both),
            median(own.seconds for own, _ in both),
            median(other.seconds for _, other in both),
            max(own.peak_rss_mib or 0.0 for own, _ in both),
            max(other.peak_rss_mib or 0.0 for _, other in both),
        )


def _passed(finding: Finding, stage: Stage) -> Spent | None:
    return next((each for each in finding.spent if each.stage is stage and each.status is Status.OK), None)


def agreement_of(
    own: str,
    found: Mapping[str, Finding],
    other: str,
    others: Mapping[str, Finding],
    cells: Iterable[str] | None = None,
) -> Agreement:
    """`found` with the model `own` against `others` with the model `other`, by the cells' identifiers.

    `cells` are those that were to be compared; None: all that both know.
    """
    untested = Finding(Outcome.UNTESTED)
    wanted = tuple(cells) if cells is not None else tuple(cell for cell in found if cell in others)
    return Agreement(
        own, other, tuple(Pair(cell, found.get(cell, untested), others.get(cell, untested)) for cell in wanted)
    )
