"""What the store keeps as bytes: packed, and read back with the eyes of one who did not write it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeVar

from packaging.version import InvalidVersion, Version

from .domain import Cell, Lock
from .errors import StoreError
from .expansion import Expansion
from .parse import structured, unstructured
from .table import PYTHON

T = TypeVar("T")

LARGE = 1_000
"""Cells from which on those of a matrix are kept by column."""


def packed(value: Any) -> bytes:
    return zlib.compress(json.dumps(unstructured(value), separators=(",", ":")).encode())


def packed_expansion(expansion: Expansion) -> bytes:
    """The cells of a large one by column: each axis its versions once, and the place of every cell's among them."""
    cells = expansion.cells
    names = tuple(cells[0].versions) if cells else ()
    if len(cells) < LARGE or any(tuple(cell.versions) != names for cell in cells):
        return packed(expansion)
    columns = {}
    for name in (PYTHON, *names):
        ranks: dict[str, int] = {}
        said = (cell.python if name == PYTHON else cell.versions[name] for cell in cells)
        places = [ranks.setdefault(version, len(ranks)) for version in said]
        columns[name] = [list(ranks), places]
    return packed({**unstructured(replace(expansion, cells=())), "columns": columns})


def _cells_of(columns: Any) -> tuple[Cell, ...]:
    """Raises ValueError where they are not what `packed_expansion` writes."""
    try:
        pythons, *others = ([versions[place] for place in places] for versions, places in columns.values())
        _, *names = columns
        pins: dict[tuple[str, ...], dict[str, str]] = {}  # the Pythons share them
        return tuple(
            Cell(python, pins.get(of) or pins.setdefault(of, dict(zip(names, of, strict=True))))
            for python, of in zip(pythons, zip(*others, strict=True), strict=True)
        )
    except (TypeError, LookupError, AttributeError) as error:
        raise ValueError(f"columns: {error}") from None


def unpacked(body: bytes, kind: type[T]) -> T:
    """Raises StoreError where it is not what this package writes: the file is damaged, or somebody has made it up."""
    try:
        data = json.loads(zlib.decompress(body))
        columns = data.pop("columns", None) if isinstance(data, dict) else None
        value: Any = structured(data, kind, "store", strict=False)
        if columns is not None and isinstance(value, Expansion):
            value = replace(value, cells=_cells_of(columns))
    except (zlib.error, ValueError, RecursionError) as error:
        raise _made_up(f"an entry cannot be read: {error}") from None
    for version in _versions_of(value):
        if not _is_version(version):
            raise _made_up(f"{version!r} is no version")
    known: T = value
    return known


def _versions_of(value: object) -> Iterator[str]:
    """What the rest of the package takes for versions without asking."""
    if isinstance(value, Lock):
        yield from (item.version for item in value.distributions)
    elif isinstance(value, Expansion):
        for cell in (*value.cells, *(cell for cell, _ in value.excluded)):
            yield from cell.versions.values()
        for releases in value.known.values():
            yield from releases


@lru_cache(maxsize=2**16)
def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return text == text.strip()  # Version allows blanks around it


def _made_up(what: str) -> StoreError:
    return StoreError(f"the store does not hold what it should: {what}", "Move it away and run again.")
