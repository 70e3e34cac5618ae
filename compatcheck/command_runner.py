"""A command of the user's in the environment of a lock: its exit status and its last traceback are the verdict.

Exit status 0 is a pass, 125 says that this lock cannot be judged (as for `git bisect run`), any other is a failure
with the traceback's signature. A command that a signal ends, or that takes too long, is a failure of another kind:
it never counts as the one that was asked about, unless that is what the failing lock itself shows.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from .classify import diagnose_log
from .domain import Digest, Lock, Outcome, printable
from .environment import Uv
from .errors import DiskFull, IndexUnavailable, InterpreterMissing, MachineError, UsageError
from .executor import slot_for
from .laboratory import place_of
from .logtext import read_text
from .signatures import Catalogue
from .traceback_text import last_traceback
from .trials import Verdict

NOT_JUDGED = 125
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
    runs: int = 0
    _locks: dict[Digest, Lock] = field(default_factory=dict)
    _done: dict[Digest, list[Done]] = field(default_factory=dict)

    def verdict(self, lock: Lock, repetition: int) -> Verdict:
        done = self._done.setdefault(lock.digest, [])
        self._locks[lock.digest] = lock
        while len(done) <= repetition:
            done.append(self._run(lock))
        return done[repetition].verdict

    def lock(self, digest: str) -> Lock | None:
        return self._locks.get(Digest(digest))

    def shown(self, lock: Lock) -> str:
        """The last traceback of the first run of `lock`, or the end of what it wrote."""
        return last_traceback(self._done[lock.digest][0].output)

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
            return Verdict(Outcome.ERROR, evidence=digest, note=f"exit status {NOT_JUDGED}: not to be judged")
        if code is None:
            return Verdict(Outcome.FAIL, "timed-out", digest, f"it took longer than {self.seconds:.0f} s")
        if code < 0:
            return Verdict(Outcome.FAIL, f"ended-by-{_signal(-code)}", digest)
        _, diagnosis = diagnose_log(read_text(text, self.catalogue.needles), self.catalogue)
        if diagnosis is None:
            return Verdict(Outcome.FAIL, f"exit-status-{code}", digest)
        return Verdict(Outcome.FAIL, diagnosis.signature or f"unknown-{diagnosis.fingerprint[:8]}", digest)


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
