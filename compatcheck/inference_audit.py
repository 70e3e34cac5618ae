"""How often the inferred cells are wrong: found by running some of them, chosen by chance and by nothing else. Pure.

A cell that was drawn for the audit never enters the inference that it judges. An audit that finds a miss is retired:
its cells become material like any other, the table is explored further, and a fresh audit is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from .domain import Outcome
from .interval import Interval


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

    @property
    def unnamed(self) -> bool:
        """Rightly inferred to fail, and no more: its failure has a name, and none was claimed."""
        return self.outcome_holds and self.inferred_signature is None and self.measured_signature is not None


@dataclass(frozen=True)
class Audit:
    cells: tuple[Audited, ...]
    """Drawn by chance among the inferred cells; in none of the grounds."""
    retired: tuple[Interval, ...] = ()
    """Earlier audits that found a miss, as they were then. Their cells are material now."""

    @property
    def outcome(self) -> Interval:
        return Interval.of(cell.outcome_holds for cell in self.cells)

    @property
    def signature(self) -> Interval:
        return Interval.of(cell.signature_holds for cell in self.cells)

    @property
    def names(self) -> Interval:
        """Of the failures that were inferred by name, outcome and all: how often it was the true one."""
        return Interval.of(
            cell.signature_holds for cell in self.cells if cell.outcome_holds and cell.inferred_signature is not None
        )

    @property
    def unnamed(self) -> int:
        """Cells that were rightly inferred to fail without a name being claimed."""
        return sum(cell.unnamed for cell in self.cells)

    @cached_property
    def by_outcome(self) -> dict[Outcome, Interval]:
        """For each outcome that was inferred: how often it was the true one."""
        found = sorted({cell.inferred for cell in self.cells}, key=list(Outcome).index)
        return {each: Interval.of(cell.outcome_holds for cell in self.cells if cell.inferred is each) for each in found}

    @property
    def errors(self) -> Interval:
        """How often the inferred outcome was not the true one."""
        return self.outcome.missed

    def words(self) -> str:
        """The error rate, in one sentence."""
        if not self.cells:
            return "None of them has been run for an audit, so how often they are wrong is not known."
        return f"Audit: of those drawn by chance and then run, the inferred outcome was wrong in {self.errors.words()}."

    @property
    def misses(self) -> tuple[Audited, ...]:
        return tuple(cell for cell in self.cells if not cell.outcome_holds)

    @property
    def misnamed(self) -> tuple[Audited, ...]:
        """Rightly inferred to fail, by the name of another failure."""
        return tuple(cell for cell in self.cells if cell.outcome_holds and not (cell.signature_holds or cell.unnamed))
