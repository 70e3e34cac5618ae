"""The nearest combination that passed: what a report on a bad one ends with."""

from __future__ import annotations

from collections.abc import Mapping

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from .shipped import KnownCell, KnownTable


def nearest_working(
    versions: Mapping[str, str],
    table: KnownTable,
    python: str | None = None,
    ranges: Mapping[str, SpecifierSet] | None = None,
) -> KnownCell | None:
    """The combination that passed and differs least from `versions`: in few packages, and then by few releases.

    Of two that are as near the one with the newer packages. `ranges` are what it has to lie within. None where there
    is no such one.
    """
    candidates = [
        cell
        for cell in table.cells
        if cell.works
        and python in (None, cell.python)
        and all(each.contains(cell.versions[name], True) for name, each in (ranges or {}).items())
    ]
    return min(candidates, key=lambda cell: _apart(cell, versions, table), default=None)


def _apart(cell: KnownCell, versions: Mapping[str, str], table: KnownTable) -> tuple[int, int, tuple[int, ...]]:
    """How many packages differ, by how many of the table's releases together, and how new the cell is."""
    changed, steps, newness = 0, 0, []
    for name, axis in table.axes.items():
        if name not in cell.versions or name not in versions:
            continue
        wanted, place = Version(versions[name]), axis.index(cell.versions[name])
        changed += Version(cell.versions[name]) != wanted
        steps += abs(sum(Version(each) < wanted for each in axis) - place)
        newness.append(-place)
    return changed, steps, tuple(newness)


def pins(cell: KnownCell) -> str:
    """`torch==2.6.0 transformers==4.51.3 peft==0.15.2`"""
    return " ".join(f"{name}=={version}" for name, version in cell.versions.items())
