"""What is held of the cells of an explored matrix that were not run, and how far such words have proved right. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from .domain import Outcome
from .inference_audit import Audit


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What is inferred of one cell."""

    outcome: Outcome
    signature: str | None
    """The key of the failure class; None for a pass, and where only the outcome is held."""
    confidence: float
    """From 0 to 1 that the outcome is right, before any audit: from predictions of measured cells by the others."""
    rests_on: tuple[str, ...] = ()
    """Identifiers of the likest measured cells that say the same, the likest first."""
    against: tuple[str, ...] = ()
    """The likest measured cell that says something else, where it is among the likest of all."""
    declared: str = ""
    """What a release declares, where that alone decides: `transformers 5.0.0 requires python >=3.10.0`."""
    source: str = ""
    """What stands in a release's source, where that decides."""

    def grounds(self) -> str:
        """What it rests on, in words."""
        if self.said:
            return self.said
        against = f"; against it {', '.join(self.against)}" if self.against else ""
        return f"{', '.join(self.rests_on)}{against}"

    @property
    def said(self) -> str:
        """What a release declares, or has in its source, where that decides."""
        return self.declared or (f"read in the source: {self.source}" if self.source else "")

    def words(self) -> str:
        """`inferred, confidence 0.93`."""
        return f"inferred, confidence {self.confidence:.2f}"


@dataclass(frozen=True)
class ChosenCell:
    """Why a cell of an explored matrix was run (see explore.Choice)."""

    cell_id: str
    role: str
    outcome: str | None
    """What it was thought to be."""
    signature: str | None
    share: float
    known: int


@dataclass(frozen=True)
class Explored:
    """A matrix of which few cells were run."""

    conclusions: Mapping[str, Conclusion] = field(default_factory=dict)
    """The identifier of a cell to what is inferred of it. A cell that is neither here nor measured is untested."""
    audit: Audit = field(default_factory=lambda: Audit(()))
    choices: tuple[ChosenCell, ...] = ()
    """Why cells were run, in the order in which they were chosen."""

    @cached_property
    def totals(self) -> Counter[Outcome]:
        """The inferred cells by outcome."""
        return Counter(each.outcome for each in self.conclusions.values())

    @property
    def claimed(self) -> float | None:
        """The accuracy that is claimed for the inferred cells: their mean confidence; None where there are none."""
        if not self.conclusions:
            return None
        return sum(each.confidence for each in self.conclusions.values()) / len(self.conclusions)
