"""What is to be expected of a combination that was not run: inferred, or as another release of the same line. Pure.

It never decides: what was not run stays unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
        if isinstance(self.ground, KnownCell):
            others = ", ".join(f"{name} {version}" for name, version in self.beside.items())
            beside = f", beside {others}" if others else ""
            return f"{told} (measured {self.ground.measured or self.ground.source.generated}{beside})"
        grid = self.grid
        assert grid is not None
        runs = f"{grid.runs:,} runs of {grid.generated} beside {_OTHERS[grid.policy]}"
        audit = f"; {grid.missed} of {grid.audited} such cells drawn by chance went otherwise" if grid.audited else ""
        return f"{told}: inferred from {runs}, confidence {self.ground.confidence:.2f}{audit}"

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
        }


def expected(asked: Mapping[str, str], python: str | None, table: KnownTable) -> Expected | None:
    """What is to be expected of `asked` (exact versions of the three); None where nothing is.

    These very versions come before the newest releases of the same minor lines, and what was run before what is
    inferred. Where nothing was run on this Python, another stands for it.
    """
    elsewhere = python is not None and python not in table.pythons
    which = None if elsewhere else python
    grids = [grid for grid in table.inferred if which in (None, grid.python)]

    def expect(ground: KnownCell | Kind, grid: InferredGrid | None, versions: Mapping[str, str], on: str) -> Expected:
        instead = {name: version for name, version in versions.items() if version != asked[name]}
        others = differences_of(ground, asked) if isinstance(ground, KnownCell) else ()
        beside = {each.package: each.measured for each in others}
        return Expected(ground, grid, instead | ({"Python": on} if elsewhere else {}), beside)

    points = [{name: asked[name] for name in CORE}]
    for axes in (table.axes, *(grid.axes for grid in grids)):
        points.append({name: same_line(asked[name], axes[name]) or asked[name] for name in CORE})
    for versions in points:
        cells = [cell for cell in table.at({**asked, **versions}, which) if cell.outcome in _SAYS]
        if cells:
            cell = closest(cells, asked)
            return expect(cell, None, versions, cell.python)
        for grid in grids:
            if kind := grid.at(versions):
                return expect(kind, grid, versions, grid.python)
    return None
