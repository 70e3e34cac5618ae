"""A written report read again: what a comparison and a badge need of a compatibility.json."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from ..agreement import Spent
from ..domain import Basis, Machine, Outcome
from ..errors import InputError, UsageError
from ..parse import structured
from .document import SCHEMA
from .json_stream import CHUNK, JsonStream

FILE = "compatibility.json"
TESTED = (Outcome.PASS, Outcome.FAIL, Outcome.WRONG, Outcome.UNRESOLVABLE)
"""The outcomes that are a finding about the packages."""
REMEDY = "A compatibility.json is wanted, as `compatcheck report` writes it."


@dataclass(frozen=True, slots=True)
class Told:
    """What a report tells of a cell, wherever it stands: thousands that were not run share it."""

    outcome: Outcome
    basis: Basis = Basis.MEASURED
    stage: str | None = None
    signature: str | None = None
    fingerprint: str | None = None
    workaround: str | None = None
    caveat: str | None = None
    attempts: int = 1
    agreeing: int = 1
    imported: Mapping[str, str] = field(default_factory=dict)
    lock: str | None = None
    stages: tuple[Spent, ...] = ()

    @property
    def tested(self) -> bool:
        return self.basis is Basis.MEASURED and self.outcome in TESTED

    @property
    def flaky(self) -> bool:
        """Whether runs of one and the same lock did not agree."""
        return self.agreeing < self.attempts

    @property
    def failure(self) -> str | None:
        """The signature, or the fingerprint of an unknown failure; None for a pass."""
        return self.signature or (f"unknown-{self.fingerprint[:8]}" if self.fingerprint else None)


@dataclass(frozen=True, slots=True)
class ReportedCell:
    """One cell as a report tells it."""

    id: str
    python: str
    releases: tuple[tuple[str, str], ...]
    """Packages with their versions: pairs, because many cells share them."""
    told: Told

    @property
    def versions(self) -> Mapping[str, str]:
        return dict(self.releases)

    @property
    def outcome(self) -> Outcome:
        return self.told.outcome


@dataclass(frozen=True)
class Reported:
    """One report."""

    schema: int
    compatcheck: str
    generated: str
    matrix: str
    policy: str
    extras: tuple[str, ...]
    platform: tuple[Machine, ...]
    scenario: Mapping[str, Any]
    cells: tuple[ReportedCell, ...]

    @property
    def measured(self) -> tuple[ReportedCell, ...]:
        """The cells without the inferred ones."""
        return tuple(cell for cell in self.cells if cell.told.basis is Basis.MEASURED)


def reported(text: str, source: str) -> Reported:
    """The report that `text` holds. Raises InputError."""
    return reread((text,), source)


def reread(pieces: Iterable[str], source: str) -> Reported:
    """The report whose text comes in pieces: of each cell only what is asked of it is kept. Raises InputError."""
    stream, cells = JsonStream(pieces), _Cells(source)
    data: dict[str, Any] = {}
    try:
        for name in stream.members():
            if name == "cells":
                if not stream.is_list:
                    raise InputError(source, ["cells: not a list"], REMEDY)
                data[name] = []
                for number, each in enumerate(stream.items()):
                    cells.take(number, each)
                continue
            value = stream.value()
            if name in _ASKED:
                data[name] = value
            if name == "schema" and isinstance(value, int) and value > SCHEMA:
                raise InputError(
                    source, [f"schema: {value} is newer than {SCHEMA}"], "Upgrade compatcheck to read this report."
                )
    except UnicodeDecodeError:
        raise
    except ValueError as error:
        raise InputError(source, [f"not JSON: {error}"], REMEDY) from None
    return replace(structured(data, Reported, source, strict=False, remedy=REMEDY), cells=tuple(cells.found.values()))


MOST = 4096
"""Different things told of cells that were not run that are remembered at a time."""
_ASKED = {each.name for each in fields(Reported)}
_told = itemgetter(*(each.name for each in fields(Told)))


@dataclass(frozen=True)
class _Place:
    id: str
    python: str
    versions: Mapping[str, str]


class _Cells:
    """Cells as they are read. What is alike in them is kept once."""

    def __init__(self, source: str) -> None:
        self.found: dict[str, ReportedCell] = {}
        self._source = source
        self._alike: dict[str, Told] = {}
        self._shared: dict[Any, Any] = {}

    def take(self, number: int, data: Any) -> None:
        try:
            told = self._told_of(data)
            if not _is_place(data):
                structured(data, _Place, self._source, strict=False)
        except InputError as error:
            raise self._refusal(number, error.problems) from None
        name, same = data["id"], self._shared.setdefault
        if name in self.found:
            raise self._refusal(number, [f"id: {name!r} stands there twice"])
        releases = tuple([same(pair, pair) for pair in data["versions"].items()])
        self.found[name] = ReportedCell(name, same(data["python"], data["python"]), releases, told)

    def _told_of(self, data: Any) -> Told:
        try:
            asked = "" if data["stages"] else repr(_told(data))  # what was run is like no other
        except (KeyError, TypeError):
            asked = ""
        if not asked:
            return structured(data, Told, self._source, strict=False)
        if (told := self._alike.get(asked)) is None:
            if len(self._alike) >= MOST:
                self._alike.clear()
            told = self._alike[asked] = structured(data, Told, self._source, strict=False)
        return told

    def _refusal(self, number: int, problems: list[str]) -> InputError:
        return InputError(self._source, [f"cells[{number}].{each}" for each in problems], REMEDY)


def _is_place(data: dict[str, Any]) -> bool:
    """Whether it says where a cell stands, in the right types."""
    name, python, versions = map(data.get, ("id", "python", "versions"))
    return isinstance(versions, dict) and {*map(type, (name, python, *versions.values()))} == {str}


def load_reported(where: str, path: str = f"reports/{FILE}") -> Reported:
    """The report at `where`: a file, a directory that holds one, or a git revision of `path`. Raises InputError."""
    place = Path(where)
    if place.is_dir():
        place = next((each for each in (place / FILE, place / path) if each.is_file()), place / FILE)
    if place.exists() or place.suffix == ".json":
        try:
            with place.open(encoding="utf-8") as file:
                return reread(iter(lambda: file.read(CHUNK), ""), str(place))
        except FileNotFoundError:
            raise InputError(str(place), ["no such file"], "Write it with `compatcheck report`.") from None
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(str(place), [f"cannot be read: {error}"]) from None
    with TemporaryFile("w+", encoding="utf-8", errors="replace") as file:
        _committed(where, path, file)
        return reread(iter(lambda: file.read(CHUNK), ""), f"{where}:{path}")


def _committed(revision: str, path: str, file: IO[str]) -> None:
    """Into `file` the text of `path`, relative to the working directory, as git has it at `revision`."""
    what = f"{revision!r} is neither a file, nor a directory with a {FILE}, nor a git revision that has {path}"
    if revision.startswith("-") or ":" in revision:
        raise UsageError(what, "A revision is a branch, a tag, a commit or an expression such as HEAD~3.")
    command = ["git", "show", f"{revision}:./{path}"]
    try:
        done = subprocess.run(command, stdout=file, stderr=subprocess.PIPE, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(what, f"git could not be asked: {error}") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise UsageError(what, f"git says: {said[0]}" if said else "git did not say why.")
    file.seek(0)
