"""What an exploration holds of the cells that it did not run, as it travels with the known table: a grid. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import product

from .domain import CORE, Outcome, Policy

NOTHING = "."
"""In a row: the cell was run, or nothing is claimed of it."""


@dataclass(frozen=True)
class Kind:
    """What is inferred of some cells."""

    outcome: Outcome
    confidence: float
    signature: str | None = None


@dataclass(frozen=True)
class InferredGrid:
    """One Python's part of an explored matrix.

    >>> grid = InferredGrid("full", "3.11", Policy.TODAY, date(2026, 11, 26), 355, 32, 0,
    ...     {"torch": ("2.6.0",), "transformers": ("4.50.3", "4.51.3"), "peft": ("0.14.0", "0.15.2")},
    ...     (Kind(Outcome.PASS, 0.97),), (". .", ". 0"))
    >>> str(grid.at({"torch": "2.6.0", "transformers": "4.51.3", "peft": "0.15.2"}).outcome)
    'pass'
    >>> grid.at({"torch": "2.6.0", "transformers": "4.51.3", "peft": "0.14.0"}) is None
    True
    """

    matrix: str
    python: str
    policy: Policy
    generated: date
    """When its newest run was made."""
    runs: int
    """Cells that were run."""
    audited: int
    """Inferred cells that were drawn by chance and then run."""
    missed: int
    """Those of them whose outcome was another."""
    axes: Mapping[str, tuple[str, ...]] = field(repr=False)
    """torch, transformers and peft with their versions, oldest first."""
    kinds: tuple[Kind, ...] = field(repr=False)
    rows: tuple[str, ...] = field(repr=False)
    """A row for each torch with each transformers, with a number of `kinds` or `.` for each peft."""

    def at(self, versions: Mapping[str, str]) -> Kind | None:
        """What is inferred of these versions; None where nothing is, or one is on no axis."""
        try:
            torch, transformers, peft = (self.axes[name].index(versions[name]) for name in CORE)
        except ValueError:
            return None
        told = self.rows[torch * len(self.axes["transformers"]) + transformers].split()[peft]
        return None if told == NOTHING else self.kinds[int(told)]

    def points(self) -> Iterator[dict[str, str]]:
        """The versions of which something is inferred."""
        for point in product(*(self.axes[name] for name in CORE)):
            versions = dict(zip(CORE, point, strict=True))
            if self.at(versions) is not None:
                yield versions


def problem(grid: InferredGrid) -> str:
    """What is wrong with a grid that was read; empty where nothing is."""
    missing = [name for name in CORE if name not in grid.axes]
    if missing:
        return f"axes: {', '.join(missing)} is missing"
    torch, transformers, peft = (len(grid.axes[name]) for name in CORE)
    if len(grid.rows) != torch * transformers:
        return f"rows: {len(grid.rows)} instead of {torch} x {transformers}"
    allowed = {NOTHING, *map(str, range(len(grid.kinds)))}
    for number, row in enumerate(grid.rows):
        told = row.split()
        if len(told) != peft or not allowed.issuperset(told):
            return f"rows[{number}]: not {peft} numbers of kinds"
    return ""
