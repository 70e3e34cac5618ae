"""A project's own tests instead of the cycle: one command in the environment of every cell, its failures recognised.

What comes of it is about the project as much as about the packages, so it is told and logged, and never stored among
the measurements.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from .domain import Cell, Outcome, Resolution, printable
from .errors import MachineError, UsageError
from .executor import run_cells
from .explanation import explain_stream
from .pipeline import Run
from .plain_words import Explanation
from .slot import Slot

POLL_SECONDS = 0.05
GRACE_SECONDS = 3.0


@dataclass(frozen=True)
class Command:
    """What is run in every environment."""

    words: tuple[str, ...]
    folder: Path
    """Where it is run; this folder and its `src` are on PYTHONPATH, so the project itself need not be installed."""
    logs: Path
    """Where each cell's output is kept."""
    seconds: float = 1800.0
    """After which it is ended."""


@dataclass(frozen=True)
class CommandResult:
    """What a command did in one cell's environment."""

    cell: Cell
    outcome: Outcome
    seconds: float = 0.0
    ending: str = ""
    """How it ended, where that was not well; or why it was not run."""
    explanation: Explanation | None = None
    log: Path | None = None

    @property
    def signature(self) -> str | None:
        return self.explanation.signature.id if self.explanation and self.explanation.signature else None

    def as_line(self) -> str:
        """`CELL fail 12.3 s exit code 1: Cache only has 0 layers [cache-layers-empty]`"""
        told = f"{self.cell.id} {self.outcome}" + (f" {self.seconds:.1f} s" if self.seconds else "")
        if self.outcome is Outcome.PASS:
            return told
        if self.explanation and self.explanation.signature:
            return f"{told} {self.ending}: {self.explanation.signature.title} [{self.signature}]"
        raised = self.explanation.diagnosis.exception if self.explanation and self.explanation.diagnosis else None
        what = f": {raised.type}: {raised.message.strip().splitlines()[0][:160]}" if raised and raised.message else ""
        return printable(f"{told} {self.ending}{what}" + (f" (see {self.log})" if self.log else ""))


def command_of(text: str, folder: Path, logs: Path, seconds: float = 1800.0) -> Command:
    """Raises UsageError where `text` is not a command."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--command {text!r}: {error}", "Quote it as a shell would take it.") from None
    if not words:
        raise UsageError("--command is empty", 'Example: --command "pytest -x"')
    return Command(tuple(words), folder.resolve(), logs, seconds)


def run_command(
    run: Run,
    cells: Iterable[Cell],
    command: Command,
    told: Callable[[CommandResult], None] = lambda result: None,
) -> tuple[CommandResult, ...]:
    """Run `command` in the environment of every cell. Raises the machine's error where nothing can go on."""
    cells = tuple(cells)
    expansion = run.store.expansion(run.matrix.digest) or run.expand()
    answers = run.resolve(cells, expansion.released)
    results: dict[Cell, CommandResult] = {}
    guard = threading.Lock()

    def keep(result: CommandResult) -> None:
        with guard:
            results[result.cell] = result
            told(result)

    waiting = []
    for cell in cells:
        answer = answers[cell]
        if isinstance(answer, MachineError):
            keep(CommandResult(cell, Outcome.ERROR, ending=answer.what))
        elif answer.lock is None:
            keep(CommandResult(cell, Outcome.UNRESOLVABLE, ending=answer.reason[:400]))
        else:
            waiting.append(cell)

    def run_cell(cell: Cell, slot: Slot, worker: int, stop: threading.Event) -> None:
        answer = answers[cell]
        assert isinstance(answer, Resolution) and answer.lock is not None
        try:
            python = slot.prepare(answer.lock, run.uv)
            try:
                result = _ran(cell, python, command, stop)
            finally:
                slot.heal(run.uv)
        except MachineError as error:
            result = CommandResult(cell, Outcome.ERROR, ending=error.what)
        if result is not None:
            keep(result)

    run_cells(waiting, run.cache / "environments", run.jobs, run_cell)
    return tuple(results[cell] for cell in cells)


def _ran(cell: Cell, python: Path, command: Command, stop: threading.Event) -> CommandResult | None:
    """None where the run was asked to stop meanwhile."""
    command.logs.mkdir(parents=True, exist_ok=True)
    log = command.logs / f"{cell.id}.log"
    began = time.monotonic()
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                command.words,
                cwd=command.folder,
                env=command_environment(python, command.folder, os.environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise UsageError(
                f"{command.words[0]} cannot be run in the environment of {cell.id}: {error.strerror or error}",
                "Have it installed with --with: compatcheck run --command 'pytest -x' --with pytest",
            ) from None
        try:
            late = _waited(process, began + command.seconds, stop)
        finally:
            _ended(process)
    if stop.is_set():
        return None
    seconds = round(time.monotonic() - began, 1)
    if process.returncode == 0 and not late:
        return CommandResult(cell, Outcome.PASS, seconds, log=log)
    with log.open("rb") as stream:
        explanation = explain_stream(stream)
    ending = f"still running after {command.seconds:.0f} s" if late else _ending(process.returncode)
    return CommandResult(cell, Outcome.FAIL, seconds, ending, replace(explanation, versions=_versions(cell)), log)


def _versions(cell: Cell) -> dict[str, str]:
    return {**cell.versions, "python": cell.python}


def command_environment(python: Path, folder: Path, outside: Mapping[str, str]) -> dict[str, str]:
    """The variables of the caller, with the cell's environment active and the project importable."""
    kept = {name: value for name, value in outside.items() if name not in ("PYTHONHOME", "CONDA_PREFIX")}
    sources = [str(each) for each in (folder / "src", folder) if each.is_dir()]
    return {
        **kept,
        "PATH": os.pathsep.join([str(python.parent), outside.get("PATH", os.defpath)]),
        "VIRTUAL_ENV": str(python.parent.parent),
        "PYTHONPATH": os.pathsep.join(sources),
    }


def _waited(process: subprocess.Popen[bytes], until: float, stop: threading.Event) -> bool:
    """Whether it was still running at the end of its time."""
    while process.poll() is None:
        if stop.is_set():
            return False
        if time.monotonic() > until:
            return True
        stop.wait(POLL_SECONDS)
    return False


def _ended(process: subprocess.Popen[bytes]) -> None:
    """End what is left of the command and its children."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except (ProcessLookupError, PermissionError):
            break
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"ended by signal {-code}"
