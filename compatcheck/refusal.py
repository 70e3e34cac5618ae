"""Cells that cannot be installed, read from what the releases declare: no resolver is asked. Pure.

Only what one release says of the Python or of another release on the axes is read. What follows from the packages
beside them, the resolver finds where such a cell is chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from .declared import declared_specifier
from .space import Ints, Space
from .table import PYTHON


def declared_refusals(
    space: Space, requires: Mapping[str, Sequence[str]], requires_python: Mapping[str, str]
) -> dict[int, str]:
    """By place why it cannot be installed: `transformers 5.0.0 requires python >=3.10.0`.

    `requires`: `peft 0.12.0` to its Requires-Dist; `requires_python`: the same to its Requires-Python.
    """
    places = np.arange(space.size, dtype=np.int64).reshape(space.shape)
    found: dict[int, str] = {}
    for one, other in product(range(len(space.axes)), repeat=2):
        if one == other or space.axes[one] == PYTHON:
            continue
        for rank, version in enumerate(space.versions[one]):
            release = f"{space.axes[one]} {version}"
            for refused, said in _refused(space, release, other, requires, requires_python):
                window: list[slice | int] = [slice(None)] * len(space.axes)
                window[one], window[other] = rank, refused
                inside: Ints = places[tuple(window)].ravel()
                for place in inside[space.exists[inside]]:
                    found.setdefault(int(place), said)
    return found


def _refused(
    space: Space, release: str, other: int, requires: Mapping[str, Sequence[str]], requires_python: Mapping[str, str]
) -> Iterator[tuple[int, str]]:
    """The ranks of an axis that a release refuses, with what it says."""
    axis = space.axes[other]
    if axis == PYTHON:
        specifier = requires_python.get(release)
    else:
        # the same whatever the Python: markers on the core packages would be an answer for the resolver
        said = {declared_specifier(_always(requires.get(release, ())), axis, python) for python in space.versions[0]}
        specifier = said.pop() if len(said) == 1 else None
    if not specifier:
        return
    try:
        wanted = SpecifierSet(specifier)
    except InvalidSpecifier:
        return
    for rank, version in enumerate(space.versions[other]):
        # of a Python only the minor version is fixed: a newer patch is as good as any
        tried = f"{version}.99" if axis == PYTHON else version
        if not wanted.contains(tried, prereleases=True):
            yield rank, f"{release} requires {axis} {specifier}"


def _always(requires: Sequence[str]) -> list[str]:
    """Without what only an extra asks for: nobody installs it here."""
    return [line for line in requires if "extra ==" not in line and "extra==" not in line]
