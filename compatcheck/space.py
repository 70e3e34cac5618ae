"""The cells of a matrix as places in an array: every axis with its versions in order, oldest first.

Not every place need be a cell: rules leave some out. A place is a number from 0 to `size`, in the order of the axes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
import numpy.typing as npt
from packaging.version import Version

from .domain import CORE, Cell, pin_id, python_id
from .table import PYTHON

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Space:
    axes: tuple[str, ...]
    """Python first, then the packages, torch, transformers and peft first among them."""
    versions: tuple[tuple[str, ...], ...]
    """For each axis its versions, oldest first."""
    exists: Bools
    """By place: whether it is a cell of the matrix."""

    @cached_property
    def shape(self) -> tuple[int, ...]:
        return tuple(map(len, self.versions))

    @property
    def size(self) -> int:
        return int(self.exists.size)

    @cached_property
    def count(self) -> int:
        """How many cells there are."""
        return int(self.exists.sum())

    @cached_property
    def _ranks(self) -> tuple[dict[str, int], ...]:
        return tuple({version: rank for rank, version in enumerate(versions)} for versions in self.versions)

    def place(self, cell: Cell) -> int | None:
        """Where a cell of the space lies; None where it is none of them."""
        place = self.anywhere(cell)
        return place if place is not None and self.exists[place] else None

    def anywhere(self, cell: Cell) -> int | None:
        """Where a cell lies, whether it is one of the space or not; None where its versions are on no axis."""
        place = 0
        for axis, ranks in zip(self.axes, self._ranks, strict=True):
            rank = ranks.get(cell.python if axis == PYTHON else cell.versions.get(axis, ""))
            if rank is None:
                return None
            place = place * len(ranks) + rank
        return place

    def cell(self, place: int) -> Cell:
        named = dict(zip(self.axes, self.point(place), strict=True))
        python = named.pop(PYTHON)
        return Cell(python, named)

    def point(self, place: int) -> tuple[str, ...]:
        """The versions at a place, in the order of the axes."""
        ranks = np.unravel_index(place, self.shape)
        return tuple(versions[int(rank)] for versions, rank in zip(self.versions, ranks, strict=True))

    def ids(self, places: Sequence[int] | Ints) -> Iterator[str]:
        """The identifiers of the cells at some places."""
        pieces = [
            [(python_id(version) if axis == PYTHON else pin_id(axis, version)) for version in versions]
            for axis, versions in zip(self.axes, self.versions, strict=True)
        ]
        columns = (
            map(each.__getitem__, ranks) for each, ranks in zip(pieces, self.ranks(places).T.tolist(), strict=True)
        )
        return map("-".join, zip(*columns, strict=True))

    def ranks(self, places: Sequence[int] | Ints) -> Ints:
        """One row a place: its rank on every axis."""
        return np.stack(np.unravel_index(np.asarray(places, dtype=np.int64), self.shape), axis=1)

    def alike(self, place: int, axes: int) -> slice:
        """The places that have the first `axes` versions of this one."""
        length = prod(self.shape[axes:])
        return slice(place // length * length, (place // length + 1) * length)

    def places(self) -> Ints:
        """The places that are cells."""
        return np.flatnonzero(self.exists)


def space_of(cells: Iterable[Cell], beside: Iterable[Cell] = ()) -> Space:
    """The space that holds `cells`. All must name the same packages.

    `beside`: cells that have a place, too, so that something may be known there, and are no cells of the space.
    """
    cells, beside = tuple(cells), tuple(beside)
    packages = sorted({name for cell in cells for name in cell.versions}, key=lambda name: (name not in CORE, name))
    packages.sort(key=lambda name: CORE.index(name) if name in CORE else len(CORE))
    axes = (PYTHON, *packages)
    placed = (*cells, *beside)
    versions = [tuple(sorted({cell.python for cell in placed}, key=Version))]
    versions += [tuple(sorted({cell.versions[name] for cell in placed}, key=Version)) for name in packages]
    space = Space(axes, tuple(versions), np.ones(int(np.prod([len(each) for each in versions])), dtype=np.bool_))
    if len(cells) == space.size:
        return space
    exists = np.zeros(space.size, dtype=np.bool_)
    for cell in cells:
        place = space.anywhere(cell)
        assert place is not None
        exists[place] = True
    return Space(axes, tuple(versions), exists)
