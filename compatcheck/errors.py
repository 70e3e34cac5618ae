"""One tree of errors: what happened, what to do about it, and the exit code of the command line.

An error here is compatcheck's own, the user's input's or the machine's. A cell that does not work is never an
error: it is an observation with an outcome.
"""

from __future__ import annotations

import errno
import re
from typing import ClassVar

EXIT_DONE = 0
EXIT_NEGATIVE = 1
"""The finding asked about is negative (for example: the cell that was run does not pass)."""
EXIT_USAGE = 2
EXIT_UNEXPECTED = 3
EXIT_MACHINE = 4
EXIT_UNKNOWN = 5
"""Nothing is known of what was asked about, and the caller wants to know (`--strict`)."""
EXIT_INTERRUPTED = 130


class CompatcheckError(Exception):
    """Base of every error that compatcheck raises on purpose.

    `what` says what happened in one line; `remedy` says what to do, and may be empty only where `what` says it.
    """

    exit_code: ClassVar[int] = EXIT_UNEXPECTED

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what}\n  {self.remedy}" if self.remedy else self.what


class UsageError(CompatcheckError):
    """What was asked for makes no sense: a bad option, an unknown cell, a file that does not parse."""

    exit_code = EXIT_USAGE


class InputError(UsageError):
    """A file or document does not have the form it must have. `problems` hold one line a field, path first."""

    def __init__(self, source: str, problems: list[str], remedy: str = "") -> None:
        self.source = source
        self.problems = problems
        super().__init__(f"{source}: " + "; ".join(problems), remedy)


class MachineError(CompatcheckError):
    """The machine's fault or the network's: no index, no disk, no interpreter. Never counted against a package."""

    exit_code = EXIT_MACHINE


class IndexUnavailable(MachineError):
    """The package index did not answer, or answered with an error."""


class DiskFull(MachineError):
    """No space is left where something had to be written."""


class MemoryShort(MachineError):
    """A cycle would take more memory than there is, or than its limit."""


class InterpreterMissing(MachineError):
    """A Python version that the matrix names is not installed on this machine."""


class StoreError(MachineError):
    """The store cannot be opened, or was written by a newer compatcheck."""


DISK_FULL = re.compile(r"No space left on device|os error 28|Disk quota exceeded", re.IGNORECASE)
"""How the system, Python and uv say that the disk is full."""


def refused_by_disk(error: OSError, what: str) -> MachineError:
    """The error to raise where the file system refused to do `what`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT) or DISK_FULL.search(str(error)):
        return DiskFull(f"{what}: the disk is full", "Free some space and run again: what is measured is kept.")
    return MachineError(f"{what}: {error}", "Mend that and run again: what is measured is kept.")
