"""What became of a matrix since it was last looked up: releases that came, releases that left, and why. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from packaging.version import Version

from .domain import Cell
from .expansion import Expansion
from .minor_lines import series_of
from .table import PYTHON
from .window import Window


@dataclass(frozen=True)
class Left:
    """A release that is on no axis any more."""

    version: str
    reason: str

    def words(self) -> str:
        return f"{self.version} ({self.reason})"


@dataclass(frozen=True)
class AxisRenewal:
    axis: str
    came: tuple[str, ...]
    """Oldest first."""
    left: tuple[Left, ...]

    def words(self) -> str:
        """`transformers: 5.2.0 came; 4.36.2 left (out of the window spec-0)`."""
        said = [f"{', '.join(self.came)} came"] if self.came else []
        if self.left:
            said.append(f"{', '.join(each.words() for each in self.left)} left")
        return f"{self.axis}: {'; '.join(said)}"


@dataclass(frozen=True)
class Renewal:
    axes: tuple[AxisRenewal, ...]
    """Those on which something changed."""
    new: tuple[Cell, ...]
    """Cells that were not there."""
    gone: tuple[Cell, ...]

    @property
    def came(self) -> tuple[tuple[str, str], ...]:
        """Axis and release of everything that came."""
        return tuple((each.axis, version) for each in self.axes for version in each.came)

    def lines(self) -> list[str]:
        """What changed, in words."""
        if not self.axes and not self.new and not self.gone:
            return ["Nothing changed: the index has no release that the table lacks, and none left."]
        return [*(each.words() for each in self.axes), f"{len(self.new)} cells are new, {len(self.gone)} are gone"]


def renewal_of(before: Expansion | None, after: Expansion, window: Window | None = None) -> Renewal:
    """What came and what left between two look-ups of one matrix; before the first everything is new."""
    old = before.cells if before is not None else ()
    known, now = {cell.id for cell in old}, {cell.id for cell in after.cells}
    then, today = _versions(old), _versions(after.cells)
    axes = []
    for axis in dict.fromkeys((*today, *then)):
        had, has = then.get(axis, set()), today.get(axis, set())
        left = tuple(Left(version, _reason(axis, version, has, after, window)) for version in _ordered(had - has))
        if has - had or left:
            axes.append(AxisRenewal(axis, _ordered(has - had), left))
    return Renewal(
        tuple(axes), tuple(cell for cell in after.cells if cell.id not in known),
        tuple(cell for cell in old if cell.id not in now),
    )  # fmt: skip


def _versions(cells: Iterable[Cell]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for cell in cells:
        for axis, version in ((PYTHON, cell.python), *cell.versions.items()):
            found.setdefault(axis, set()).add(version)
    return found


def _ordered(versions: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(versions, key=Version))


def _reason(axis: str, version: str, now: set[str], after: Expansion, window: Window | None) -> str:
    if axis != PYTHON:
        if version not in after.known.get(axis, (version,)):
            return "the index has it no more, or it was yanked"
        newer = [other for other in now if Version(other) > Version(version) and series_of(other) == series_of(version)]
        if newer:
            return f"{_ordered(newer)[-1]} takes its place"
    elif any(cell.python == version for cell, _ in after.excluded):
        return "left out, for the reason that the plan tells"
    return f"out of the window {window}" if window is not None else "the matrix asks for others"
