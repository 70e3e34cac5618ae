"""What is to be expected of a combination that was not run: inferred, or as another release of the same line. Pure.

It never decides: what was not run stays unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .domain import CORE, Basis, Outcome, Policy
from .inferred_grid import InferredGrid, Kind, same_line
from .known import KnownCell, KnownTable

_SAYS = {
    Outcome.PASS: "works",
    Outcome.FAIL: "fails",
    Outcome.WRONG: "gives a wrong result",
    Outcome.UNRESOLVABLE: "cannot be installed",
}

_OTHERS = {Policy.TODAY: "the newest other packages", Policy.CONTEMPORARY: "the other packages of each release's days"}


@dataclass(frozen=True)
class Expected:
    """Its ground is one of two: a cell that was run, or a grid in which it is inferred."""

    ground: KnownCell | tuple[InferredGrid, Kind]
    instead: Mapping[str, str]
    """Of the versions that were asked about, those for which another release of the same line stands."""
    beside: Mapping[str, str]
    """Of the other packages that were asked about, those that had another version in the run."""

    @property
    def outcome(self) -> Outcome:
        return self.ground.outcome if isinstance(self.ground, KnownCell) else self.ground[1].outcome

    @property
    def signature(self) -> str | None:
        return self.ground.signature if isinstance(self.ground, KnownCell) else self.ground[1].signature

    @property
    def basis(self) -> Basis:
        return Basis.MEASURED if isinstance(self.ground, KnownCell) else Basis.INFERRED

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
        grid, kind = self.ground
        runs = f"{grid.runs:,} runs of {grid.generated} beside {_OTHERS[grid.policy]}"
        audit = f"; {grid.missed} of {grid.audited} such cells drawn by chance went otherwise" if grid.audited else ""
        return f"{told}: inferred from {runs}, confidence {kind.confidence:.2f}{audit}"

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        grid, kind = (None, None) if isinstance(self.ground, KnownCell) else self.ground
        return {
            "outcome": str(self.outcome),
            "signature": self.signature,
            "basis": str(self.basis),
            "confidence": kind.confidence if kind else None,
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

    def expect(ground: KnownCell | tuple[InferredGrid, Kind], versions: Mapping[str, str], on: str) -> Expected:
        instead = {name: version for name, version in versions.items() if version != asked[name]}
        beside = ground.beside if isinstance(ground, KnownCell) else {}
        others = {name: version for name, version in beside.items() if asked.get(name) not in (None, version)}
        return Expected(ground, instead | ({"Python": on} if elsewhere else {}), others)

    points = [{name: asked[name] for name in CORE}]
    for axes in (table.axes, *(grid.axes for grid in grids)):
        points.append({name: same_line(asked[name], axes[name]) or asked[name] for name in CORE})
    for versions in points:
        cells = [cell for cell in table.at({**asked, **versions}, which) if cell.outcome in _SAYS]
        if cells:
            cell = min(cells, key=lambda each: (not each.source.own, each.policy is not Policy.TODAY))
            return expect(cell, versions, cell.python)
        for grid in grids:
            if kind := grid.at(versions):
                return expect((grid, kind), versions, grid.python)
    return None
