"""What is to be expected of a combination that was not run: inferred, or as another release of the same line. Pure.

It never decides: what was not run stays unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from packaging.version import Version

from .domain import CORE, Basis, Outcome, Policy
from .inferred_grid import InferredGrid, Kind
from .known import KnownCell, KnownTable
from .measured_cells import closest, differences_of
from .minor_lines import same_line

_SAYS = {
    Outcome.PASS: "works",
    Outcome.FAIL: "fails",
    Outcome.WRONG: "gives a wrong result",
    Outcome.UNRESOLVABLE: "cannot be installed",
}

_OTHERS = {Policy.TODAY: "the newest other packages", Policy.CONTEMPORARY: "the other packages of each release's days"}


@dataclass(frozen=True)
class Expected:
    """What is to be expected, and why."""

    ground: KnownCell | Kind
    """A cell that was run, or what a grid infers."""
    grid: InferredGrid | None
    """The grid, where it is inferred."""
    instead: Mapping[str, str]
    """Of the versions that were asked about, those for which another release of the same line stands."""
    beside: Mapping[str, str]
    """Of the other packages that were asked about, those that had another version in the run."""
    pythons: tuple[int, int] = (0, 0)
    """Where another Python stands for the one that was asked about: `KnownTable.python_pairs`."""

    @property
    def outcome(self) -> Outcome:
        return self.ground.outcome

    @property
    def signature(self) -> str | None:
        return self.ground.signature

    @property
    def basis(self) -> Basis:
        return Basis.MEASURED if isinstance(self.ground, KnownCell) else Basis.INFERRED

    @property
    def confidence(self) -> float | None:
        """Of what is inferred."""
        return None if isinstance(self.ground, KnownCell) else self.ground.confidence

    def words(self) -> str:
        """`works, as with transformers 4.46.3 instead (measured 2026-11-26, beside numpy 2.4.6)`, or `fails
        (cache-layers-empty): inferred from 355 runs of 2026-11-26 beside the newest other packages, confidence 0.97;
        0 of 32 such cells drawn by chance went otherwise`.
        """
        told = _SAYS[self.outcome] + (f" ({self.signature})" if self.signature else "")
        if self.instead:
            told += ", as with " + ", ".join(f"{name} {version}" for name, version in self.instead.items()) + " instead"
        pairs, differing = self.pythons
        part = (
            f"; of {pairs} pairs of cells that differ in Python alone {differing or 'none'} went otherwise"
            if pairs
            else ""
        )
        if isinstance(self.ground, KnownCell):
            others = ", ".join(f"{name} {version}" for name, version in self.beside.items())
            beside = f", beside {others}" if others else ""
            return f"{told} (measured {self.ground.measured or self.ground.source.generated}{beside}){part}"
        grid = self.grid
        assert grid is not None
        runs = f"{grid.runs:,} runs of {grid.generated} beside {_OTHERS[grid.policy]}"
        audit = f"; {grid.missed} of {grid.audited} such cells drawn by chance went otherwise" if grid.audited else ""
        return f"{told}: inferred from {runs}, confidence {self.ground.confidence:.2f}{audit}{part}"

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        grid = self.grid
        return {
            "outcome": str(self.outcome),
            "signature": self.signature,
            "basis": str(self.basis),
            "confidence": self.confidence,
            "instead": dict(self.instead),
            "beside": dict(self.beside),
            "runs": grid.runs if grid else None,
            "audit": {"drawn": grid.audited, "missed": grid.missed} if grid else None,
            "python_pairs": {"compared": self.pythons[0], "differ": self.pythons[1]} if self.pythons[0] else None,
        }


def expected(asked: Mapping[str, str], python: str | None, table: KnownTable) -> Expected | None:
    """What is to be expected of `asked` (exact versions of the three); None where nothing is.

    These very versions come before the newest releases of the same minor lines, this Python before the nearest other
    one, and what was run before what is inferred.
    """
    pythons = _nearest_first(python, table.every_python)
    points = [{name: asked[name] for name in CORE}]
    for axes in (table.axes, *(grid.axes for grid in table.inferred)):
        points.append({name: same_line(asked[name], axes[name]) or asked[name] for name in CORE})
    for versions, on in product(points, pythons):
        instead = {name: version for name, version in versions.items() if version != asked[name]}
        cells = [cell for cell in table.at({**asked, **versions}, on) if cell.outcome in _SAYS]
        pairs = (0, 0)
        if python not in (None, on):
            instead["Python"], pairs = on, table.python_pairs
            # whether it can be installed is Python's own matter
            cells = [cell for cell in cells if cell.outcome is not Outcome.UNRESOLVABLE]
        if cells:
            cell = closest(cells, asked)
            beside = {each.package: each.measured for each in differences_of(cell, asked)}
            return Expected(cell, None, instead, beside, pairs)
        for grid in table.inferred:
            if grid.python == on and (kind := grid.at(versions)):
                return Expected(kind, grid, instead, {}, pairs)
    return None


def _nearest_first(python: str | None, pythons: Sequence[str]) -> list[str]:
    """The Pythons (the oldest first), from the named one outwards; the newest first where none is named."""
    newest_first = list(reversed(pythons))
    if python is None:
        return newest_first
    return sorted(newest_first, key=lambda each: abs(Version(each).minor - Version(python).minor))
