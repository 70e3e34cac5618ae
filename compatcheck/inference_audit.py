"""How often the inferred cells are wrong: found by running some of them, chosen by chance and by nothing else. Pure.

A cell that was drawn for the audit never enters the inference that it judges. An audit that finds a miss is retired:
its cells become material like any other, the table is explored further, and a fresh audit is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt

from .domain import Outcome

Z = 1.959964
"""Of the normal distribution: 95 % of the probability lies within so many standard deviations."""


@dataclass(frozen=True)
class Interval:
    """A share, and the 95 % interval in which the true one lies (Wilson, 1927)."""

    hits: int
    count: int

    @property
    def share(self) -> float | None:
        return self.hits / self.count if self.count else None

    @property
    def low(self) -> float:
        return max(0.0, self._middle - self._width) if self.count else 0.0

    @property
    def high(self) -> float:
        return min(1.0, self._middle + self._width) if self.count else 1.0

    @property
    def _middle(self) -> float:
        return (self.hits + Z * Z / 2) / (self.count + Z * Z)

    @property
    def _width(self) -> float:
        share = self.hits / self.count
        return Z * sqrt(self.count * share * (1 - share) + Z * Z / 4) / (self.count + Z * Z)

    def words(self) -> str:
        """`38 of 40 (95 %; 84 % to 99 %)`."""
        if not self.count:
            return "none was drawn"
        share = self.hits / self.count
        return f"{self.hits} of {self.count} ({share:.1%}; 95 % interval {self.low:.1%} to {self.high:.1%})"


@dataclass(frozen=True)
class Audited:
    """A cell that was inferred, and then run."""

    cell_id: str
    inferred: Outcome
    inferred_signature: str | None
    measured: Outcome
    measured_signature: str | None

    @property
    def outcome_holds(self) -> bool:
        return self.inferred is self.measured

    @property
    def signature_holds(self) -> bool:
        return self.outcome_holds and self.inferred_signature == self.measured_signature


@dataclass(frozen=True)
class Audit:
    cells: tuple[Audited, ...]
    """Drawn by chance among the inferred cells; in none of the grounds."""
    retired: tuple[Interval, ...] = ()
    """Earlier audits that found a miss, as they were then. Their cells are material now."""

    @property
    def outcome(self) -> Interval:
        return _interval(cell.outcome_holds for cell in self.cells)

    @property
    def signature(self) -> Interval:
        return _interval(cell.signature_holds for cell in self.cells)

    @property
    def by_outcome(self) -> dict[Outcome, Interval]:
        """For each outcome that was inferred: how often it was the true one."""
        found = sorted({cell.inferred for cell in self.cells}, key=list(Outcome).index)
        return {each: _interval(cell.outcome_holds for cell in self.cells if cell.inferred is each) for each in found}

    @property
    def misses(self) -> tuple[Audited, ...]:
        return tuple(cell for cell in self.cells if not cell.outcome_holds)


def _interval(holds: Iterable[bool]) -> Interval:
    seen: Sequence[bool] = tuple(holds)
    return Interval(sum(seen), len(seen))
