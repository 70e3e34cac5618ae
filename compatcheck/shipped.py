"""The known table: which combinations were measured and what came of them, as it travels with the package.

One JSON file, `data/table.json`: cells, where they come from, and the locks they ran with. `load_table` reads it, or
another one from a path or an address; nothing here needs torch, and only an address needs a network.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from .domain import CORE, Basis, Digest, Distribution, Lock, Outcome, Stage
from .errors import InputError, MachineError, UsageError
from .inferred_grid import InferredGrid, problem
from .known import COMPANIONS, KnownCell, KnownTable, Source
from .parse import structured

SCHEMA = 1
"""Of the file. It rises when a field changes its meaning or goes away."""
KIND = "compatcheck-table"
SHIPPED = Path(__file__).resolve().parent / "data" / "table.json"
TIMEOUT = 30.0
"""Seconds in which a server must say something, and within which the whole table must be here."""
CHUNK = 1024 * 1024
LARGEST = 64 * 1024 * 1024
"""Bytes of a table; more is no table."""
REMEDY = "Name a table that this compatcheck has written, or leave --table away for the shipped one."

# what a table consists of is imported from here by those who load one
__all__ = ["COMPANIONS", "SHIPPED", "KnownCell", "KnownTable", "load_table", "table_of_text"]


@dataclass(frozen=True)
class CellRow:
    """A cell as the file has it: what is as usual is left out."""

    source: int
    python: str
    versions: dict[str, str]
    outcome: Outcome
    signature: str | None = None
    fingerprint: str | None = None
    stage: Stage | None = None
    basis: Basis = Basis.MEASURED
    lock: str | None = None
    measured: date | None = None
    attempts: int = 1
    agreeing: int = 1
    caveat: str | None = None
    workaround: str | None = None
    beside: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LockRow:
    """A lock as the file has it."""

    python: str
    platform: str
    items: tuple[int, ...]
    """Places among the file's distributions."""


@dataclass(frozen=True)
class Document:
    """The file."""

    kind: str
    schema: int
    compatcheck: str
    sources: tuple[Source, ...]
    released: dict[str, date]
    cells: tuple[CellRow, ...]
    locks: dict[str, LockRow] = field(default_factory=dict)
    distributions: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    """Name, version, hashes: every one once, however many locks hold it."""
    scattered: tuple[CellRow, ...] = ()
    """Measured cells of explored matrices."""
    inferred: tuple[InferredGrid, ...] = ()


class _Locks(Mapping[Digest, Lock]):
    """The locks of a document, put together when they are asked for."""

    def __init__(self, document: Document, name: str) -> None:
        self._document, self._name = document, name

    def __getitem__(self, digest: Digest) -> Lock:
        row = self._document.locks[digest]
        try:
            parts = [self._document.distributions[place] for place in row.items]
        except IndexError:
            raise InputError(self._name, [f"locks.{digest}: names a distribution that is not there"], REMEDY) from None
        lock = Lock(row.python, row.platform, tuple(Distribution(*part) for part in parts))
        if lock.digest != digest:
            raise InputError(self._name, [f"locks.{digest}: its content is that of {lock.digest}"], REMEDY)
        return lock

    def __iter__(self) -> Any:
        return iter(self._document.locks)

    def __len__(self) -> int:
        return len(self._document.locks)


def load_table(source: Path | str | None = None) -> KnownTable:
    """The shipped table, or the one at a path or an http(s) address.

    Raises InputError where it is not a table of this schema, MachineError where an address does not answer.

    >>> from datetime import timedelta
    >>> table = load_table()
    >>> table.age(table.newest + timedelta(days=3))
    3
    """
    if source is None:
        return _shipped()
    name = str(source)
    if name.startswith(("http://", "https://")):
        return table_of_text(_fetched(name), name)
    if "://" in name:
        raise InputError(name, ["an address must begin with http:// or https://"], REMEDY)
    path = Path(source)
    try:
        return table_of_text(path.read_bytes(), name)
    except FileNotFoundError:
        raise InputError(name, ["no such file"], REMEDY) from None
    except OSError as error:
        raise InputError(name, [f"cannot be read: {error.strerror or error}"], REMEDY) from None


@cache
def _shipped() -> KnownTable:
    return table_of_text(SHIPPED.read_bytes(), "the shipped table")


def table_of_text(body: bytes, name: str) -> KnownTable:
    """The table in the bytes of a file. Raises InputError in one line."""
    try:
        data = json.loads(body)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InputError(name, [f"not a whole JSON file: {error}"], REMEDY) from None
    if not isinstance(data, dict) or data.get("kind") != KIND:
        raise InputError(name, [f"not a table of compatcheck (no `kind` of {KIND!r})"], REMEDY)
    if data.get("schema") != SCHEMA:
        raise InputError(
            name,
            [f"is of schema {data.get('schema')!r}, this compatcheck reads {SCHEMA}"],
            "Upgrade compatcheck, or name another table.",
        )
    document = structured(data, Document, name, strict=False, remedy=REMEDY)
    wrong = [f"inferred[{place}].{told}" for place, grid in enumerate(document.inferred) if (told := problem(grid))]
    if wrong:
        raise InputError(name, wrong, REMEDY)
    cells, scattered = (
        tuple(_cell(row, f"{section}[{place}]", document, name) for place, row in enumerate(rows))
        for section, rows in (("cells", document.cells), ("scattered", document.scattered))
    )
    return KnownTable(
        name,
        cells,
        document.released,
        _Locks(document, name),
        frozenset(package for package, _, _ in document.distributions),
        scattered,
        document.inferred,
    )


def _cell(row: CellRow, place: str, document: Document, name: str) -> KnownCell:
    problems = [package for package in CORE if package not in row.versions]
    if problems:
        raise InputError(name, [f"{place}.versions: {', '.join(problems)} is missing"], REMEDY)
    if not 0 <= row.source < len(document.sources):
        raise InputError(name, [f"{place}.source: there is no source {row.source}"], REMEDY)
    try:
        for version in (row.python, *row.versions.values()):
            _checked(version)
    except InvalidVersion as error:
        raise InputError(name, [f"{place}.versions: {error}"], REMEDY) from None
    return KnownCell(
        row.python, row.versions, row.outcome, document.sources[row.source], row.signature, row.fingerprint, row.stage,
        row.basis, Digest(row.lock) if row.lock else None, row.measured, row.attempts, row.agreeing, row.caveat,
        row.workaround, row.beside,
    )  # fmt: skip


@lru_cache(maxsize=4096)
def _checked(version: str) -> None:
    """Raises InvalidVersion. The same few versions come back in every cell of a table."""
    Version(version)


def _fetched(url: str) -> bytes:
    import time
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import urlopen

    until, body = time.monotonic() + TIMEOUT, b""
    try:
        with urlopen(url, timeout=TIMEOUT) as answer:
            # read1: what has arrived, so that a server that trickles is noticed
            while part := answer.read1(CHUNK):
                body += part
                if len(body) > LARGEST:
                    raise InputError(url, [f"larger than {LARGEST // 1024**2} MiB"], REMEDY)
                if time.monotonic() > until:
                    raise TimeoutError(f"it took longer than {TIMEOUT:.0f} s")
    except HTTPError as error:
        raise InputError(url, [f"the server answers {error.code} {error.reason}"], REMEDY) from None
    except (OSError, HTTPException) as error:
        raise MachineError(
            f"the table at {url} cannot be fetched: {getattr(error, 'reason', None) or error}",
            "Check the network, or name a file.",
        ) from None
    except ValueError as error:
        raise UsageError(f"{url}: not an address: {error}", REMEDY) from None
    return body
