"""A process under a keeper (see keeper.py): when it ends, or this process does, nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil

from . import keeper as keeper_script

GRACE_SECONDS = 10.0
"""For a keeper to end all that is below it."""


class Kept:
    """A process that is started under a keeper. `pid` is its own, and the leader of a session of its own.

    `given` is a descriptor that it inherits; its standard output and error go to `output` and `complaints`. Raises
    OSError where it cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        folder: Path,
        environment: Mapping[str, str],
        given: int,
        output: int | IO[bytes],
        complaints: int | IO[bytes],
    ) -> None:
        reading, writing = os.pipe()
        words = [sys.executable, "-I", "-S", keeper_script.__file__, str(writing), str(given), *map(str, command)]
        try:
            self._keeper = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=output, stderr=complaints, cwd=folder, env=dict(environment),
                pass_fds=(writing, given), start_new_session=True,
            )  # fmt: skip
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self._told, self._heard = reading, b""
        self._code: int | None = None
        word, _, rest = self._line().partition(" ")
        if word != "began":
            self.end()
            raise OSError(rest or "its keeper ended")
        self.pid = int(rest)

    def _line(self) -> str:
        """The next thing that the keeper tells; empty where it is gone."""
        while b"\n" not in self._heard:
            block = os.read(self._told, 4096)
            if not block:
                break
            self._heard += block
        line, _, self._heard = self._heard.partition(b"\n")
        return line.decode("utf-8", "replace")

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, or minus the signal's number. Raises subprocess.TimeoutExpired.

        All that the process has started is gone by then.
        """
        self._keeper.wait(timeout)
        if self._code is None:
            word, _, rest = self._line().partition(" ")
            # a keeper that was killed has taken the process with it
            self._code = int(rest) if word == "ended" else -signal.SIGKILL
            os.close(self._told)
        return self._code

    def mib(self, limit: float) -> float:
        """Resident memory of the process and of all that it has started, MiB."""
        return tree_mib(self._keeper.pid, limit, itself=False)

    def send_signal(self, number: int) -> None:
        if self._code is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def end(self) -> None:
        """End it with all that it has started."""
        assert self._keeper.stdin is not None
        with suppress(OSError):
            self._keeper.stdin.close()
        try:
            self._keeper.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            self._keeper.wait()
        self.wait()


def tree_mib(pid: int, limit: float, itself: bool = True) -> float:
    """Resident memory of the descendants of a process, and of `itself`, MiB; 0 where it is gone.

    Pages that several processes share are counted once only where the sum passes `limit`: that look is slow.
    """
    try:
        process = psutil.Process(pid)
        tree = [*([process] if itself else []), *process.children(recursive=True)]
    except psutil.Error:
        return 0.0
    total = _summed(tree, lambda each: each.memory_info().rss)
    if total <= limit:
        return total
    return _summed(tree, lambda each: getattr(each.memory_full_info(), "pss", None) or each.memory_info().rss)


def _summed(tree: Sequence[psutil.Process], of: Callable[[psutil.Process], int]) -> float:
    total = 0
    for each in tree:
        with suppress(psutil.Error):
            total += of(each)
    return total / 2**20
