"""A written report taken for what it was made from: the cells, their locks, and what was seen of those that were run.

What a report holds of an observation is said here, and nowhere else:

* compatibility.json has outcome, stages, checks, ending, versions, time and memory of every run, the machine, and all
  that a diagnosis is made from: the whole chain of exceptions with its frames, the facts that signatures ask for, and
  the output of a process that died. Such an observation is `complete`: it is recognised anew like any other.
* A report of before it had these (its cells have no `facts`) has of what was raised the exception that decided, without
  frames. Its failures keep the name that they were given while all was there (classify.diagnose), and it does not tell
  how the cells were kept apart. Of the cells that were drawn for the audit it tells those that something is claimed of:
  another counts as material then, and what lies at the edge of being claimed may come out otherwise.
* Of several runs of one lock it has the one that counts, and how many there were (domain.Retold).
* locks/ has every lock as its digest is made of it; what a wheel's size and date are, it has not.
* What was not run is not taken: inferred cells are inferred again, those that the machine had trouble with are unknown.
* What blame by experiment came to stands in `experiments`, the locks that it rests on in evidence/.
* The course of memory and the seconds of each way to generate stay behind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timezone
from pathlib import Path
from typing import IO, Any

from packaging.version import Version

from ..conclusion import ChosenCell
from ..domain import (
    Basis,
    Cell,
    Digest,
    Frame,
    Lock,
    Mode,
    ModeRecord,
    Observation,
    Outcome,
    Policy,
    Raised,
    Resolution,
    Retold,
    StageRecord,
    Status,
)
from ..errors import InputError
from ..expansion import Expansion
from ..experiment import Experiment
from ..explore import Role
from ..lock_text import is_version, lock_of_text
from ..parse import structured
from ..table import TELLING
from . import written
from .document import SCHEMA
from .json_stream import CHUNK, JsonStream
from .reread import FILE, REMEDY, TESTED

LOCKS, EVIDENCE = "locks", "evidence"
_DIGEST = re.compile(r"[0-9a-f]{16}")
_PYTHON = re.compile(r"3\.\d{1,2}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class RetoldCell:
    """A cell of which the report has a lock, a refusal or a run."""

    cell: Cell
    resolution: Resolution
    observation: Observation | None


@dataclass(frozen=True)
class RetoldReport:
    source: str
    matrix: str
    """The matrix file's name, without its ending."""
    policy: Policy
    extras: tuple[str, ...]
    scenario: Mapping[str, Any]
    """As the report has it, with `material` and `probe`."""
    platform: str
    generated: datetime
    expansion: Expansion
    cells: tuple[RetoldCell, ...]
    """Those of which anything is known."""
    choices: tuple[ChosenCell, ...]
    """What is known of why cells were run; of an older report those of the audit alone."""
    experiments: tuple[Experiment, ...]
    evidence: tuple[Lock, ...]
    """Locks that the experiments rest on."""

    @property
    def runs(self) -> int:
        return sum(each.observation is not None for each in self.cells)


def load_retold(path: Path) -> RetoldReport:
    """The report at `path`: its folder, or the compatibility.json in it.

    Raises InputError, with the path to the bad field.
    """
    with _opened(path) as text:
        return _Reader(_file(path), iter(lambda: text.read(CHUNK), "")).read()


@dataclass(frozen=True)
class Summary:
    """What stands in a report before its cells."""

    matrix: str = ""
    scenario: Mapping[str, Any] = field(default_factory=dict)
    totals: Mapping[Outcome, int] = field(default_factory=dict)

    @property
    def found(self) -> int:
        """The cells that tell something of the packages, without the inferred ones."""
        return sum(count for outcome, count in self.totals.items() if outcome in TESTED)


def load_summary(path: Path) -> Summary:
    """Of the report at `path`, of one or of several scenarios. Raises InputError."""
    data: dict[str, Any] = {}
    with _opened(path) as text:
        stream = JsonStream(iter(lambda: text.read(CHUNK), ""))
        try:
            for name in stream.members():
                if name == "cells":
                    break
                data[name] = stream.value()
        except UnicodeDecodeError:
            raise
        except (ValueError, RecursionError) as error:
            raise InputError(str(path), [f"not JSON: {error}"], REMEDY) from None
    return structured(data, Summary, str(path), strict=False, remedy=REMEDY)


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    """The compatibility.json of a report, or in its folder. Raises InputError where it cannot be read."""
    file = _file(path)
    try:
        with file.open(encoding="utf-8") as text:
            yield text
    except FileNotFoundError:
        raise InputError(str(file), ["no such file"], REMEDY) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(str(file), [f"cannot be read: {error}"], REMEDY) from None


def _file(path: Path) -> Path:
    return path / FILE if path.is_dir() else path


class _Reader:
    """Reads one report, cell by cell; what is not taken is passed over."""

    def __init__(self, file: Path, pieces: Iterable[str]) -> None:
        self._file, self._source = file, str(file)
        self._stream = JsonStream(pieces)
        self._cells: dict[str, Cell] = {}
        self._told: dict[int, tuple[Cell, written.Told]] = {}
        """The number of a cell to what is told of it, where that is taken."""
        self._tracebacks: dict[str, tuple[Raised, ...]] = {}

    def read(self) -> RetoldReport:
        data: dict[str, Any] = {}
        try:
            for name in self._stream.members():
                if name in ("cells", "tracebacks"):
                    if not self._stream.is_list:
                        raise self._refusal(f"{name}: not a list")
                    take = self._take_cell if name == "cells" else self._take_traceback
                    for number, each in enumerate(self._stream.items()):
                        take(number, each)
                else:
                    data[name] = self._stream.value()
        except UnicodeDecodeError:
            raise
        except (ValueError, RecursionError) as error:
            raise self._refusal(f"not JSON: {error}") from None
        head = self._structured(data, written.Head)
        if head.schema > SCHEMA:
            raise self._refusal(f"schema: {head.schema} is newer than {SCHEMA}")
        if not self._cells:
            raise self._refusal("cells: missing")
        cells = tuple(self._retold(f"cells[{number}]", *each, head) for number, each in self._told.items())
        return RetoldReport(
            self._source, head.matrix, head.policy, head.extras, head.scenario,
            head.platform[0].platform if head.platform else "", head.generated, self._expansion(head, data),
            cells, self._choices(data.get("exploration")), *self._experiments(data),
        )  # fmt: skip

    def _take_cell(self, number: int, data: Any) -> None:
        place = f"cells[{number}]"
        cell = self._cell(place, data)
        if self._cells.setdefault(cell.id, cell) is not cell:
            raise self._refusal(f"{place}.id: {cell.id!r} stands there twice")
        if data.get("lock") is not None or data.get("started") is not None or data.get("outcome") == "unresolvable":
            told = self._structured(data, written.Told, place)
            # an inferred cell may have a lock of its own, and what is inferred of it stays behind
            if told.lock is not None or told.basis is Basis.MEASURED:
                self._told[number] = cell, told

    def _cell(self, place: str, data: Any) -> Cell:
        found = self._structured(data, written.Place, place)
        cell = Cell(found.python, dict(found.versions))
        if not _PYTHON.fullmatch(cell.python):
            raise self._refusal(f"{place}.python: {cell.python!r} is no minor version of Python")
        for package, version in cell.versions.items():
            if not _NAME.fullmatch(package) or not is_version(version):
                raise self._refusal(f"{place}.versions.{package}: {version!r} is no version of a package")
        if cell.id != found.id:
            raise self._refusal(f"{place}.id: {found.id!r} is not the cell of these versions, {cell.id}")
        return cell

    def _take_traceback(self, number: int, data: Any) -> None:
        found = self._structured(data, written.Traceback, f"tracebacks[{number}]")
        self._tracebacks[found.digest] = tuple(
            Raised(each.type, each.module, each.message, tuple(Frame(*frame) for frame in each.frames), each.code)
            for each in found.chain
        )

    def _retold(self, place: str, cell: Cell, told: written.Told, head: written.Head) -> RetoldCell:
        if told.lock is None:
            if told.outcome is not Outcome.UNRESOLVABLE or not told.reason:
                raise self._refusal(f"{place}.lock: there is none, and the resolver's reason is missing")
            return RetoldCell(cell, Resolution(None, told.reason, told.resolved), None)
        file = self._file.with_name(LOCKS) / f"{cell.id}.txt"
        lock = self._lock(f"{place}.lock", file, told.lock)
        pinned = {name: Version(lock.versions[name]).public for name in cell.versions if name in lock.versions}
        if lock.python != cell.python or pinned != cell.versions:
            raise self._refusal(f"{place}.lock: {file} is the lock of another cell")
        seen = None
        if told.basis is Basis.MEASURED and told.outcome in TELLING:
            seen = self._observation(place, told, head)
            if seen.machine.platform != lock.platform:
                raise self._refusal(f"{place}.machine: {seen.machine.platform}, and its lock is for {lock.platform}")
        return RetoldCell(cell, Resolution(lock, "", told.resolved), seen)

    def _lock(self, place: str, file: Path, digest: str) -> Lock:
        try:
            lock = lock_of_text(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, ValueError) as error:
            raise self._refusal(f"{place}: {file} cannot be read: {error}") from None
        if lock.digest != digest:
            raise self._refusal(f"{place}: {digest}, and {file} is {lock.digest}")
        return lock

    def _observation(self, place: str, told: written.Told, head: written.Head) -> Observation:
        if told.started is None or told.ending is None or told.seconds is None or told.peak_rss_mib is None:
            raise self._refusal(f"{place}: started, ending, seconds and peak_rss_mib of a run are wanted")
        if not 0 <= told.machine < len(head.platform):
            raise self._refusal(f"{place}.machine: platform has no {told.machine}")
        if not 1 <= told.agreeing <= told.attempts:
            raise self._refusal(f"{place}.agreeing: {told.agreeing} of {told.attempts} attempts")
        complete = told.facts is not None
        retold = Retold(told.attempts, told.agreeing)
        if not complete:
            name = Digest(told.fingerprint) if told.fingerprint is not None else None
            retold = replace(retold, complete=False, signature=told.signature, fingerprint=name)
        seen = Observation(
            told.started, head.platform[told.machine], head.scenario.get("probe", 0),
            self._stages(place, told, complete), tuple(_modes(told.modes)), told.checks, told.ending, told.imported,
            told.facts or {}, told.seconds, told.peak_rss_mib, told.output or "", retold=retold,
        )  # fmt: skip
        found: list[tuple[str, object, object]] = [
            ("outcome", seen.outcome, told.outcome),
            ("stage", seen.stage, told.stage),
            *((f"modes.{mode}", seen.mode(mode), told.modes.get(mode)) for mode in Mode),
        ]
        if problems := [
            f"{place}.{name}: {said}, and what was seen comes to {is_}" for name, is_, said in found if is_ != said
        ]:
            raise InputError(self._source, problems, REMEDY)
        return seen

    def _stages(self, place: str, told: written.Told, complete: bool) -> tuple[StageRecord, ...]:
        """With what was raised at the one that stopped the cycle."""
        chain: tuple[Raised, ...] = ()
        if told.traceback is not None:
            if told.traceback not in self._tracebacks:
                raise self._refusal(f"{place}.traceback: {told.traceback} is not among the tracebacks")
            chain = self._tracebacks[told.traceback]
        elif told.exception is not None and complete:
            raise self._refusal(f"{place}.traceback: missing, and there is an exception")
        elif told.exception is not None:
            chain = (Raised(told.exception.type, "", told.exception.message),)
        if not chain:
            return told.stages
        stopped = next((n for n, each in enumerate(told.stages) if each.status is not Status.OK), None)
        if stopped is None:
            raise self._refusal(f"{place}.stages: something was raised, and every stage went well")
        return tuple(
            replace(each, chain=chain) if n == stopped else each for n, each in enumerate(told.stages)
        )  # fmt: skip

    def _expansion(self, head: written.Head, data: Mapping[str, Any]) -> Expansion:
        excluded = []
        for number, each in enumerate(self._list(data, "excluded")):
            place = f"excluded[{number}]"
            # older reports name the cell alone: the matrix file leaves it out again when it is looked up
            if isinstance(each, dict) and "versions" in each:
                excluded.append((self._cell(place, each), self._structured(each, written.Excluded, place).reason))
        released = {
            release: datetime.combine(day, time(), timezone.utc) for release, day in head.released.items()
        }  # fmt: skip
        return Expansion(
            tuple(self._cells.values()), released, tuple(excluded), head.requires, head.releases, head.requires_python
        )

    def _experiments(self, data: Mapping[str, Any]) -> tuple[tuple[Experiment, ...], tuple[Lock, ...]]:
        found = tuple(
            self._structured(each, Experiment, f"experiments[{number}]")
            for number, each in enumerate(self._list(data, "experiments"))
        )
        locks = {}
        for number, each in enumerate(found):
            for digest in each.evidence:
                file = self._file.with_name(EVIDENCE) / f"{digest}.txt"
                # of a cell's own lock the evidence is the cell
                if digest not in locks and _DIGEST.fullmatch(digest) and file.is_file():
                    locks[digest] = self._lock(f"experiments[{number}].found", file, digest)
        return found, tuple(locks.values())

    def _choices(self, data: Any) -> tuple[ChosenCell, ...]:
        if data is None:
            return ()
        found = self._structured(data, written.Exploration, "exploration")
        if found.choices is None:
            return tuple(
                ChosenCell(each.id, str(Role.AUDIT), str(each.inferred), each.inferred_signature, 0.0, 0)
                for each in found.audit.cells
            )
        return tuple(
            ChosenCell(
                each.id, str(each.role), str(each.outcome) if each.outcome else None, each.signature, each.share,
                each.known,
            )
            for each in found.choices
        )  # fmt: skip

    def _list(self, data: Mapping[str, Any], name: str) -> list[Any]:
        """The list of that name; an empty one where there is none."""
        found = data.get(name, [])
        if not isinstance(found, list):
            raise self._refusal(f"{name}: not a list")
        return found

    def _structured(self, data: Any, kind: Any, place: str = "") -> Any:
        try:
            return structured(data, kind, self._source, strict=False)
        except InputError as error:
            problems = [f"{place}.{each}" for each in error.problems] if place else error.problems
            raise InputError(self._source, problems, REMEDY) from None

    def _refusal(self, problem: str) -> InputError:
        return InputError(self._source, [problem], REMEDY)


def _modes(modes: Mapping[str, str | None]) -> Iterator[ModeRecord]:
    """The ways to generate that were tried; how long each took is not told."""
    for mode in Mode:
        if (said := modes.get(mode)) is not None:
            yield ModeRecord(mode, Status.FAILED if said == Outcome.FAIL else Status.OK, 0.0)
