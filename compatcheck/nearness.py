"""How near a working cell is to what is asked, and which of two that are as near is preferred. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from packaging.version import Version

from .domain import CORE, Basis, Policy
from .known import KnownCell, KnownTable
from .measured_cells import whatever_python
from .request import PYTHON, Prefer, Request

Rank = Callable[[KnownCell], tuple[Any, ...]]
"""What to sort cells by, the best first."""


def rank_of(prefer: Prefer, table: KnownTable) -> Rank:
    """What a preference sorts the working cells by."""
    places = {name: {version: place for place, version in enumerate(axis)} for name, axis in table.axes.items()}

    @cache
    def behind(name: str, version: str) -> float:
        newest = table.axes[name][-1]
        here, last = table.released.get(f"{name} {version}"), table.released.get(f"{name} {newest}")
        return (last - here).days if here and last else len(places[name]) - 1 - places[name][version]

    def age(cell: KnownCell) -> float:
        """Days by which the releases are behind the newest of their packages; places, where dates are not known."""
        return sum(behind(name, version) for name, version in cell.versions.items())

    def common(cell: KnownCell) -> tuple[Any, ...]:
        return (
            not cell.source.own,
            cell.policy is not Policy.TODAY,
            tuple(-part for part in Version(cell.python).release),
        )

    def newest(cell: KnownCell) -> tuple[Any, ...]:
        return (cell.basis is not Basis.MEASURED, age(cell), *common(cell))

    def oldest(cell: KnownCell) -> tuple[Any, ...]:
        return (cell.basis is not Basis.MEASURED, -age(cell), *common(cell))

    def stable(cell: KnownCell) -> tuple[Any, ...]:
        shaky = bool(cell.caveat), -_surrounded(cell, table)
        return (cell.basis is not Basis.MEASURED, *shaky, age(cell), *common(cell))

    return {Prefer.NEWEST: newest, Prefer.OLDEST: oldest, Prefer.STABLE: stable}[prefer]


def _surrounded(cell: KnownCell, table: KnownTable) -> float:
    """The share of the cell's neighbours, one version away along one axis, that work."""
    near: list[bool] = []
    for name, version in cell.versions.items():
        axis = table.axes[name]
        place = axis.index(version)
        for other in axis[max(0, place - 1) : place] + axis[place + 1 : place + 2]:
            found = with_version(name, other, cell, table)
            near += [any(each.works for each in found)] if found else []
    return sum(near) / len(near) if near else 0.0


def with_version(name: str, version: str, cell: KnownCell, table: KnownTable) -> Sequence[KnownCell]:
    """The cells that differ from `cell` in this version alone, on its Python, or where there is none on any."""
    versions = {**cell.versions, name: version}
    return table.at(versions, cell.python) or whatever_python(table.at(versions))


def how_far(cell: KnownCell, missed: Sequence[str], steps_of: Callable[[str, str], float]) -> tuple[Any, ...]:
    """How far a working cell is from the request: the Python gives last, then as few packages as can be, torch late."""
    core = [name for name in missed if name in CORE]
    steps = sum(steps_of(name, cell.versions[name]) for name in core)
    return PYTHON in missed, len(core), "torch" in core, len(missed), steps


def steps_between(asked: Request, table: KnownTable, name: str, version: str) -> float:
    """How many measured versions lie between `version` and the nearest end of what is asked."""
    axis = table.axes[name]
    place = axis.index(version)
    allowed = [other for other, each in enumerate(axis) if asked.admits(name, each)]
    if allowed:
        return min(abs(place - other) for other in allowed)
    named = [Version(each.version.removesuffix(".*")) for each in asked.ranges[name]]
    between = [sum(Version(each) < wanted for each in axis) - 0.5 for wanted in named]
    return min((abs(place - other) for other in between), default=len(axis))
