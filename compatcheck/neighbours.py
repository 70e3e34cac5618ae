"""The measured combinations around one that was not measured. Pure."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

from packaging.version import Version

from .domain import CORE
from .known import KnownCell, KnownTable

MOST = 8


def neighbours(asked: Mapping[str, str], python: str | None, table: KnownTable) -> list[list[KnownCell]]:
    """The combinations on both sides of every version that is not in the table, each with all its measurements.

    The nearest first; of those as near, the one whose versions are all older and the one whose are all newer lead.
    Where there is none, the two nearest of the whole table.
    """
    names = [name for name in table.axes if name in asked]
    around = [_around(asked[name], table.axes[name]) for name in names]
    pythons: Iterable[str | None] = _around(python, table.pythons) if python else (None,)
    points = [dict(zip(names, point, strict=True)) for point in itertools.product(*around)]
    cells = [cell for which in pythons for point in points for cell in table.at(point, which)]
    found: dict[Hashable, list[KnownCell]] = {}
    for cell in cells or table.cells:
        found.setdefault(cell.key, []).append(cell)
    distance = _distances(asked, table)
    nearest = sorted(found.values(), key=lambda same: distance(same[0]))
    return nearest[: MOST if cells else 2]


def _around(version: str, among: Sequence[str]) -> tuple[str, ...]:
    """`version` itself where it is there, else the ones before and after it."""
    if version in among:
        return (version,)
    place = bisect.bisect([Version(each) for each in among], Version(version))
    return tuple(among[max(0, place - 1) : place + 1])


def _distances(asked: Mapping[str, str], table: KnownTable) -> Callable[[KnownCell], tuple[int, float, bool]]:
    """How many versions of a cell differ, over how many of the table's versions together, and whether both ways."""
    apart: dict[tuple[str, str], float] = {}
    for name in CORE:
        axis = [Version(each) for each in table.axes[name]]
        place = bisect.bisect_left(axis, Version(asked[name]))
        here = place if place < len(axis) and axis[place] == Version(asked[name]) else place - 0.5
        apart |= {(name, version): rank - here for rank, version in enumerate(table.axes[name])}

    def distance(cell: KnownCell) -> tuple[int, float, bool]:
        steps = [apart[name, cell.versions[name]] for name in CORE]
        return sum(map(bool, steps)), sum(map(abs, steps)), min(steps) < 0 < max(steps)

    return distance
