"""The known table: which combinations were measured and what came of them, as it travels with the package.

One JSON file, `data/table.json`: cells, where they come from, and the locks they ran with. `load_table` reads it, or
another one from a path or an address; nothing here needs torch, and only an address needs a network.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from .domain import CORE, Basis, Digest, Distribution, Lock, Outcome, Policy, Stage
from .errors import InputError, MachineError, UsageError
from .parse import structured

SCHEMA = 1
"""Of the file. It rises when a field changes its meaning or goes away."""
KIND = "compatcheck-table"
SHIPPED = Path(__file__).resolve().parent / "data" / "table.json"
TIMEOUT = 30.0
"""Seconds for a table at an address."""
LARGEST = 64 * 1024 * 1024
"""Bytes of a table; more is no table."""
COMPANIONS = ("accelerate", "tokenizers", "safetensors", "huggingface-hub", "numpy")
"""The packages beside the three that a cell remembers: a verdict says where they differ."""
REMEDY = "Name a table that this compatcheck has written, or leave --table away for the shipped one."


@dataclass(frozen=True)
class Source:
    """One measurement that cells of the table come from."""

    matrix: str
    policy: Policy
    platform: str
    """`linux-x86_64`."""
    model: str
    generated: date
    """When its newest observation was made."""
    own: bool = False
    """A run of this machine's own store, not a shipped one."""


@dataclass(frozen=True)
class KnownCell:
    """One combination of the table."""

    python: str
    """Major and minor version, `3.11`."""
    versions: Mapping[str, str]
    """Package to exact version: torch, transformers, peft, and other axes where the matrix had some."""
    outcome: Outcome
    source: Source
    signature: str | None = None
    """The identifier of a signature of the catalogue; None for a pass and for an unknown failure."""
    fingerprint: str | None = None
    """Of a failure that the catalogue does not know."""
    stage: Stage | None = None
    """Where it went wrong."""
    basis: Basis = Basis.MEASURED
    lock: Digest | None = None
    """Names the lock that was run: `KnownTable.lock` has it, where it travels along."""
    measured: date | None = None
    """The day of the run."""
    attempts: int = 1
    agreeing: int = 1
    """In how many of the attempts it went as the outcome says."""
    caveat: str | None = None
    """The mode of generate that does not work although the cell passes."""
    workaround: str | None = None
    """The mode that works although the cell does not pass."""
    beside: Mapping[str, str] = field(default_factory=dict)
    """Companions (accelerate, tokenizers ...) to the versions they had in the run."""

    @property
    def policy(self) -> Policy:
        return self.source.policy

    @property
    def steady(self) -> bool:
        """Whether every attempt went the same way."""
        return self.agreeing >= self.attempts

    @property
    def works(self) -> bool:
        """Whether it may be recommended."""
        return self.outcome is Outcome.PASS and self.steady

    @property
    def caveats(self) -> tuple[str, ...]:
        """What a verdict on this cell must not leave out, in words."""
        said = []
        if self.caveat:
            said.append(f"generate with use_cache={self.caveat == 'cached'} does not give the right result")
        if self.workaround:
            said.append(f"generate with use_cache={self.workaround == 'cached'} gives the right result")
        if not self.steady:
            said.append(f"{self.attempts - self.agreeing} of {self.attempts} runs went otherwise")
        if self.basis is Basis.INFERRED:
            said.append("inferred from its neighbours, not run")
        return tuple(said)

    @cached_property
    def key(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """What makes two cells the same combination."""
        return self.python, tuple(sorted(self.versions.items()))

    def words(self) -> str:
        """`torch 2.6.0, transformers 4.51.3, peft 0.15.2 on Python 3.11`."""
        return ", ".join(f"{name} {version}" for name, version in self.versions.items()) + f" on Python {self.python}"


@dataclass(frozen=True)
class KnownTable:
    """Everything that is known, immutable.

    >>> table = load_table()
    >>> "2.6.0" in table.axes["torch"]
    True
    >>> {each.python for each in table.at({"torch": "2.6.0", "transformers": "4.49.0", "peft": "0.15.2"})}
    {'3.11'}
    """

    name: str
    """Where it was read from."""
    cells: tuple[KnownCell, ...]
    released: Mapping[str, date] = field(default_factory=dict)
    """`torch 2.6.0` to the day it was released."""
    locks: Mapping[Digest, Lock] = field(default_factory=dict, repr=False)
    locked_names: frozenset[str] = field(default=frozenset(), repr=False)
    """Every package that stands in one of the locks."""

    @cached_property
    def axes(self) -> dict[str, tuple[str, ...]]:
        """Package to the versions that stand in the table, oldest first."""
        found: dict[str, set[str]] = {name: set() for name in CORE}
        for cell in self.cells:
            for name, version in cell.versions.items():
                found.setdefault(name, set()).add(version)
        return {name: tuple(sorted(versions, key=Version)) for name, versions in found.items()}

    @cached_property
    def pythons(self) -> tuple[str, ...]:
        """The Pythons that stand in the table, oldest first."""
        return tuple(sorted({cell.python for cell in self.cells}, key=Version))

    @cached_property
    def packages(self) -> frozenset[str]:
        """Every package that the table can say anything of: the axes and the companions."""
        return frozenset({*self.axes, *COMPANIONS, *(name for cell in self.cells for name in cell.beside)})

    @cached_property
    def known_names(self) -> frozenset[str]:
        """`packages`, and every other package that a lock of the table holds."""
        return self.packages | self.locked_names

    @cached_property
    def newest(self) -> date | None:
        """When the newest of its measurements was made."""
        return max((cell.measured or cell.source.generated for cell in self.cells), default=None)

    def age(self, today: date) -> int:
        """Days since the newest measurement; 0 where the clock stands before it."""
        return max(0, (today - self.newest).days) if self.newest else 0

    def at(self, versions: Mapping[str, str], python: str | None = None) -> tuple[KnownCell, ...]:
        """The cells of exactly these versions; several where Pythons or policies differ."""
        return tuple(
            cell
            for cell in self._by_versions.get(tuple(versions.get(name, "") for name in CORE), ())
            if python in (None, cell.python) and all(versions.get(name, cell.versions[name]) == cell.versions[name]
                                                     for name in cell.versions)
        )  # fmt: skip

    @cached_property
    def _by_versions(self) -> dict[tuple[str, ...], list[KnownCell]]:
        found: dict[tuple[str, ...], list[KnownCell]] = {}
        for cell in self.cells:
            found.setdefault(tuple(cell.versions.get(name, "") for name in CORE), []).append(cell)
        return found

    def lock(self, cell: KnownCell) -> Lock | None:
        """The complete lock that `cell` ran with; None where it does not travel with the table."""
        return self.locks.get(cell.lock) if cell.lock else None

    def with_own(self, other: KnownTable) -> KnownTable:
        """This table with `other`'s cells, which take precedence over those of the same combination and policy."""
        fresh = {(cell.key, cell.policy) for cell in other.cells}
        kept = tuple(cell for cell in self.cells if (cell.key, cell.policy) not in fresh)
        return replace(
            self,
            cells=(*other.cells, *kept),
            released={**other.released, **self.released},
            locks=_Chained(self.locks, other.locks),
            locked_names=self.locked_names | other.locked_names,
        )


class _Chained(Mapping[Digest, Lock]):
    """Two mappings of locks as one, without reading either."""

    def __init__(self, one: Mapping[Digest, Lock], other: Mapping[Digest, Lock]) -> None:
        self._both = (one, other)

    def __getitem__(self, digest: Digest) -> Lock:
        one, other = self._both
        return one[digest] if digest in one else other[digest]

    def __iter__(self) -> Any:
        return iter({**dict.fromkeys(self._both[0]), **dict.fromkeys(self._both[1])})

    def __len__(self) -> int:
        return len(set(self._both[0]) | set(self._both[1]))


# ------------------------------------------------------------------ the file


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
    """
    if source is None:
        return _shipped()
    name = str(source)
    if name.startswith(("http://", "https://")):
        return table_of_text(_fetched(name), name)
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
    return KnownTable(
        name,
        tuple(_cell(row, place, document, name) for place, row in enumerate(document.cells)),
        document.released,
        _Locks(document, name),
        frozenset(package for package, _, _ in document.distributions),
    )


def _cell(row: CellRow, place: int, document: Document, name: str) -> KnownCell:
    problems = [package for package in CORE if package not in row.versions]
    if problems:
        raise InputError(name, [f"cells[{place}].versions: {', '.join(problems)} is missing"], REMEDY)
    if not 0 <= row.source < len(document.sources):
        raise InputError(name, [f"cells[{place}].source: there is no source {row.source}"], REMEDY)
    try:
        for version in (row.python, *row.versions.values()):
            Version(version)
    except InvalidVersion as error:
        raise InputError(name, [f"cells[{place}].versions: {error}"], REMEDY) from None
    return KnownCell(
        row.python, row.versions, row.outcome, document.sources[row.source], row.signature, row.fingerprint, row.stage,
        row.basis, Digest(row.lock) if row.lock else None, row.measured, row.attempts, row.agreeing, row.caveat,
        row.workaround, row.beside,
    )  # fmt: skip


def _fetched(url: str) -> bytes:
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import urlopen

    try:
        with urlopen(url, timeout=TIMEOUT) as answer:
            body: bytes = answer.read(LARGEST + 1)
    except HTTPError as error:
        raise InputError(url, [f"the server answers {error.code} {error.reason}"], REMEDY) from None
    except (OSError, HTTPException) as error:
        raise MachineError(
            f"the table at {url} cannot be fetched: {getattr(error, 'reason', None) or error}",
            "Check the network, or name a file.",
        ) from None
    except ValueError as error:
        raise UsageError(f"{url}: not an address: {error}", REMEDY) from None
    if len(body) > LARGEST:
        raise InputError(url, [f"larger than {LARGEST // 1024**2} MiB"], REMEDY)
    return body
