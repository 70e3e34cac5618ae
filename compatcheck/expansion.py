"""The cells of a matrix: its versions looked up on the index, its Pythons on this machine."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import product

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from .domain import CORE, Cell
from .errors import InputError, InterpreterMissing
from .machine import interpreter
from .matrix import RANGE, Matrix, Rule
from .releases import Release, ReleaseSource, newest_of_each_minor
from .window import supported_pythons, supported_releases


@dataclass(frozen=True)
class Expansion:
    """A matrix with its versions looked up."""

    cells: tuple[Cell, ...]
    """In the order in which neighbours share the most: python, torch, transformers, peft."""
    released: Mapping[str, datetime]
    """`torch 2.6.0` to when it was released, where the index says."""
    excluded: tuple[tuple[Cell, str], ...] = ()
    """Cells left out, each with the reason its rule gives."""
    declared: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """`peft 0.12.0` to what its wheel says it requires, as written; a release whose wheel was not read is missing."""
    known: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Axis to all its final releases on the index, oldest first, whether the matrix has them or not."""
    requires_python: Mapping[str, str] = field(default_factory=dict)
    """`transformers 5.0.0` to the Pythons that it asks for, where the index says."""


def expanded(matrix: Matrix, source: ReleaseSource) -> Expansion:
    """The cells of `matrix`. Raises InputError where a version does not exist on the index."""
    problems: list[str] = []
    released: dict[str, datetime] = {}
    axes: dict[str, tuple[str, ...]] = {}
    window = matrix.window
    for package, entries in matrix.axes.items():
        known = source.releases(package)
        chosen: dict[str, None] = {}
        for place, entry in enumerate(entries):
            # a version that is named stands, however old it is
            supported = supported_releases(known, window) if window and RANGE.fullmatch(entry) else known
            versions = _versions(entry, supported)
            if not versions:
                problems.append(f"axes.{package}[{place}]: {_nothing(package, entry, known)}")
            chosen.update(dict.fromkeys(versions))
        axes[package] = tuple(sorted(chosen, key=Version))
        released |= _dates(package, chosen, known)
    for place, cell in enumerate(matrix.include):
        for package, version in cell.versions.items():
            known = source.releases(package)
            if not _versions(version, known):
                problems.append(f"include[{place}].versions.{package}: {_nothing(package, version, known)}")
            released |= _dates(package, [version], known)
    if problems:
        raise InputError(f"matrix {matrix.name}", problems)
    core_first = [*CORE, *(package for package in axes if package not in CORE)]
    pythons = supported_pythons(matrix.python, window) if window else matrix.python
    pins = [
        dict(zip(core_first, versions, strict=True))
        for versions in product(*(axes[package] for package in core_first))
    ]  # fmt: skip
    cells = [Cell(python, each) for python in pythons for each in pins]
    cells += [cell for cell in matrix.include if cell not in cells]
    excluded = [(cell, rule.reason) for cell in cells if (rule := _excluding(matrix, cell))]
    out = {cell for cell, _ in excluded}
    known_releases = {package: tuple(each.version for each in source.releases(package)) for package in axes}
    needs = {
        f"{package} {each.version}": each.requires_python
        for package, versions in axes.items()
        for each in source.releases(package)
        if each.version in versions and each.requires_python
    }
    kept = tuple(cell for cell in cells if cell not in out)
    return Expansion(kept, released, tuple(excluded), known=known_releases, requires_python=needs)


def _dates(package: str, versions: Iterable[str], known: Iterable[Release]) -> dict[str, datetime]:
    dates = {each.version: each.uploaded for each in known}
    return {f"{package} {each}": date for each in versions if (date := dates.get(each)) is not None}


def _excluding(matrix: Matrix, cell: Cell) -> Rule | None:
    return next((rule for rule in matrix.exclude if rule.matches(cell)), None)


def _versions(entry: str, known: tuple[Release, ...]) -> list[str]:
    if entry == "newest":
        return [known[-1].version] if known else []
    if ranged := RANGE.fullmatch(entry):
        specifier = SpecifierSet(ranged[2])
        kept = newest_of_each_minor(known, specifier) if ranged[1] != "all" else known
        return [each.version for each in kept if each.parsed in specifier]
    wanted = Version(entry)
    return [each.version for each in known if each.parsed == wanted]


def _nothing(package: str, entry: str, known: tuple[Release, ...]) -> str:
    if not known:
        return f"the index has no wheel of {canonicalize_name(package)}"
    near = sorted(known, key=lambda each: _distance(entry, each.version))[:3]
    return f"{package} has no release {entry} (near it: {', '.join(each.version for each in near)})"


def _distance(entry: str, version: str) -> tuple[int, ...]:
    numbers = [int(each) for each in re.findall(r"\d+", entry)][:3]
    return tuple(abs(one - other) for one, other in zip(numbers, Version(version).release, strict=False))


def without_missing_pythons(expansion: Expansion) -> Expansion:
    """Without the cells whose Python is not on this machine: they stand among the excluded, with the reason.

    Raises InterpreterMissing where none of the Pythons is there.
    """
    missing: dict[str, InterpreterMissing] = {}
    for python in dict.fromkeys(cell.python for cell in expansion.cells):
        try:
            interpreter(python)
        except InterpreterMissing as error:
            missing[python] = error
    if not missing:
        return expansion
    kept = tuple(cell for cell in expansion.cells if cell.python not in missing)
    if not kept:
        raise next(iter(missing.values()))
    left_out = tuple((cell, missing[cell.python].what) for cell in expansion.cells if cell.python in missing)
    return replace(expansion, cells=kept, excluded=(*expansion.excluded, *left_out))
