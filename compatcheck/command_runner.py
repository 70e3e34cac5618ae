"""A command of the user's in the environment of a lock: its exit status and its last traceback are the verdict.

Exit status 0 is a pass, 125 says that this lock cannot be judged (as for `git bisect run`), any other is a failure
with the traceback's signature. A command that a signal ends, or that takes too long, is a failure of another kind:
it never counts as the one that was asked about, unless that is what the failing lock itself shows.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from .catalogues import Catalogue
from .classify import diagnose_log
from .domain import Digest, Lock, Outcome, printable
from .environment import Uv
from .errors import (
    DiskFull,
    IndexUnavailable,
    InputError,
    InterpreterMissing,
    MachineError,
    UsageError,
    refused_by_disk,
)
from .executor import slot_for
from .laboratory import place_of
from .logtext import read_text
from .parse import structured, unstructured
from .traceback_text import last_traceback
from .trials import Verdict

NOT_JUDGED = 125
SKIPPED = f"exit status {NOT_JUDGED}: not to be judged"
OUTPUT_CAP = 2 * 2**20
"""Bytes of output that are read, from the end."""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    verdict: Verdict
    output: str
    """The end of standard output and error, in the order in which they came."""


@dataclass
class CommandRunner:
    command: str
    uv: Uv
    environments: Path
    catalogue: Catalogue
    seconds: float = 600.0
    say: Callable[[str], None] = lambda _: None
    journal: Path | None = None
    """A file of JSON lines in which every run is kept: what stands there for this command is not run again."""
    runs: int = 0
    _locks: dict[Digest, Lock] = field(default_factory=dict)
    _done: dict[Digest, list[Done]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.journal is not None and self.journal.exists():
            for digest, done in _kept(self.journal, self.command):
                self._done.setdefault(digest, []).append(done)

    def verdict(self, lock: Lock, repetition: int) -> Verdict:
        done = self._done.setdefault(lock.digest, [])
        self._locks[lock.digest] = lock
        while len(done) <= repetition:
            done.append(self._run(lock))
            self._keep(lock.digest, done[-1])
        return done[repetition].verdict

    def lock(self, digest: str) -> Lock | None:
        return self._locks.get(Digest(digest))

    def shown(self, lock: Lock) -> str:
        """The last traceback of the first run of `lock`, or the end of what it wrote."""
        return last_traceback(self._done[lock.digest][0].output)

    def _keep(self, digest: Digest, done: Done) -> None:
        if self.journal is None or (done.verdict.outcome is Outcome.ERROR and done.verdict.note != SKIPPED):
            return  # the machine's trouble is no answer: another day it may be gone
        line = {"command": self.command, "lock": digest, "verdict": unstructured(done.verdict), "output": done.output}
        try:
            self.journal.parent.mkdir(parents=True, exist_ok=True)
            with self.journal.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise refused_by_disk(error, f"the journal {self.journal} cannot be written") from None

    def _run(self, lock: Lock) -> Done:
        self.runs += 1
        try:
            with slot_for(place_of(lock), self.environments) as slot:
                python = slot.prepare(lock, self.uv)
                try:
                    done = self._ended(python, lock.digest)
                finally:
                    slot.heal(self.uv)
        except (DiskFull, IndexUnavailable, InterpreterMissing):
            raise
        except MachineError as error:
            done = Done(Verdict(Outcome.ERROR, evidence=lock.digest, note=error.what), error.what)
        self.say(f"run {self.runs}: {lock.digest} {done.verdict.outcome} {done.verdict.signature or ''}".rstrip())
        return done

    def _ended(self, python: Path, digest: Digest) -> Done:
        with tempfile.TemporaryFile() as output:
            try:
                process = subprocess.Popen(
                    shlex.split(self.command), env=_environment(python), stdin=subprocess.DEVNULL, stdout=output,
                    stderr=subprocess.STDOUT, start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                raise UsageError(
                    f"the command {self.command!r} cannot be started: {error}", "It is run in this folder, by no shell."
                ) from None
            code = self._waited(process)
            text = _end_of(output)
        return Done(self._judged(code, text, digest), text)

    def _waited(self, process: subprocess.Popen[bytes]) -> int | None:
        """The exit status; None where it took too long. Whatever it left running is ended."""
        try:
            return process.wait(self.seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
            process.wait()

    def _judged(self, code: int | None, text: str, digest: Digest) -> Verdict:
        if code == 0:
            return Verdict(Outcome.PASS, evidence=digest)
        if code == NOT_JUDGED:
            return Verdict(Outcome.ERROR, evidence=digest, note=SKIPPED)
        if code is None:
            return Verdict(Outcome.FAIL, "timed-out", digest, f"it took longer than {self.seconds:.0f} s")
        if code < 0:
            return Verdict(Outcome.FAIL, f"ended-by-{_signal(-code)}", digest)
        _, diagnosis = diagnose_log(read_text(text, self.catalogue.needles), self.catalogue)
        if diagnosis is None:
            return Verdict(Outcome.FAIL, f"exit-status-{code}", digest)
        return Verdict(Outcome.FAIL, diagnosis.signature or f"unknown-{diagnosis.fingerprint[:8]}", digest)


def _kept(journal: Path, command: str) -> Iterator[tuple[Digest, Done]]:
    """The runs of `command` that a journal holds. A last line that was cut off goes. Raises InputError."""
    try:
        text = journal.read_text(encoding="utf-8")
        whole, _, rest = text.rpartition("\n")
        if rest:
            journal.write_text(f"{whole}\n" if whole else "", encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(str(journal), [f"cannot be read: {error}"]) from None
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            entry = json.loads(line)
        except ValueError:
            raise InputError(
                str(journal), [f"line {number}: not JSON"], "Name a journal that `compatcheck bisect` has written."
            ) from None
        kept = structured(entry, _Line, f"{journal}: line {number}")
        if kept.command == command:
            yield kept.lock, Done(kept.verdict, kept.output)


@dataclass(frozen=True)
class _Line:
    command: str
    lock: Digest
    verdict: Verdict
    output: str


def _environment(python: Path) -> dict[str, str]:
    """The user's own, with the environment under test in front, as an activated one would be."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    path = f"{python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {**kept, "PATH": path, "VIRTUAL_ENV": str(python.parent.parent), "PYTHONNOUSERSITE": "1"}


def _end_of(file: IO[bytes]) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - OUTPUT_CAP))
    return printable(file.read().decode(errors="replace").replace("\r\n", "\n"))


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal-{number}"
