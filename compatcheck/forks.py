"""Cells as forks of processes that have imported their lower layers: this side of `zygote.py`.

One worker has one slot, and for it at most two such processes: one with torch and what it pulls in, and, forked from
that, one with all that the cells of a batch share. Each says before every fork whether what it has imported is still
what the environment holds; where it is not, it is replaced.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import probe, zygote
from .domain import Digest, Lock
from .keeping import Kept, tree_mib
from .layers import LOWEST, Shared
from .runner import MARK, probe_environment
from .scratch import scratch
from .slot import Slot, top_modules

ANSWER_SECONDS = 120.0
"""Imports from a cold disk take their time."""
END_SECONDS = 3.0
MESSAGE_CAP = 4 * 2**20


class Unforkable(Exception):
    """No child of such a process would be as good as a cold process; the text says why."""


class ForkedProcess:
    """A probe that is a child of a zygote, with what the runner asks of a subprocess."""

    def __init__(self, parent: Parent, pid: int) -> None:
        self.pid = pid
        self._parent = parent
        self._code: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, or the negative number of the signal. Raises subprocess.TimeoutExpired."""
        if self._code is None:
            try:
                status = int(self._parent.answer(timeout)["ended"])
            except TimeoutError:
                raise subprocess.TimeoutExpired("probe", timeout or 0.0) from None
            except Unforkable:
                # the zygote is gone, and its children with it
                status = int(signal.SIGKILL)
            self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def send_signal(self, number: int) -> None:
        if self._code is None:
            os.kill(self.pid, number)

    def mib(self, limit: float) -> float:
        """Resident memory of the probe and its children, MiB."""
        return tree_mib(self.pid, limit)

    def end(self) -> None:
        """End it and its process group; who has left that is found by the mark, or at last by the zygote's keeper."""
        with suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self.wait(END_SECONDS)

    @property
    def ended(self) -> bool:
        return self._code is not None


class Parent:
    """One zygote: a source of probes for the runner."""

    def __init__(self, control: socket.socket, home: Path, process: Kept | None = None) -> None:
        self.home = home
        self.modules: list[str] = []
        """Top-level modules that it holds."""
        self.failed: list[str] = []
        """Modules that the last `load` could not import."""
        self.learn: Path | None = None
        """Where the next probe is to note what it has loaded."""
        self._control, self._process = control, process
        self._child: ForkedProcess | None = None

    @classmethod
    def started(cls, python: Path, folder: Path) -> Parent:
        """Raises Unforkable."""
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        home, own = folder / "home", folder / "layers"
        home.mkdir()
        own.mkdir()
        # what imports write (torch.distributed makes modules) must outlive the home of each cell; and one thread for
        # numpy's OpenBLAS, which starts as many as there are cores when it is loaded
        environment = {**probe_environment(python, home, "0" * 32), "TMPDIR": str(own), "OPENBLAS_NUM_THREADS": "1"}
        with there, (folder / "said").open("ab") as said, (folder / "complained").open("ab") as complained:
            try:
                process = Kept(
                    [python, "-I", zygote.__file__, str(there.fileno()), MARK, probe.__file__], folder=home,
                    environment=environment, given=there.fileno(), output=said, complaints=complained,
                )  # fmt: skip
            except OSError as error:
                here.close()
                raise Unforkable(f"it could not be started: {error}") from None
        parent = cls(here, home, process)
        try:
            parent.answer(ANSWER_SECONDS)
        except TimeoutError:
            parent.close()
            raise Unforkable("it did not answer") from None
        return parent

    # ------------------------------------------------------------------ requests

    def load(self, modules: Iterable[str], guarded: Iterable[str]) -> None:
        """Import `modules`, and nothing of what is `guarded`. Raises Unforkable."""
        said = self._asked({"do": "load", "modules": list(modules), "guarded": sorted(guarded)})
        if said["poisoned"]:
            raise Unforkable(f"{said['poisoned'][0]} hid that it wanted something of an upper layer")
        if said["threads"] != 1:
            raise Unforkable(f"{said['threads']} threads are alive after the imports")
        self.modules = said["tops"]
        self.failed = [str(each).partition(":")[0] for each in said["failed"]]

    def split(self) -> Parent:
        """A copy. Raises Unforkable."""
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with there:
                self._asked({"do": "split"}, [there.fileno()])
        except Unforkable:
            here.close()
            raise
        copy = Parent(here, self.home)
        copy.modules = list(self.modules)
        return copy

    def objections(self) -> list[str]:
        """What in the environment is no longer as it was imported. Raises Unforkable."""
        return [str(each) for each in self._asked({"do": "check"})["objections"]]

    # ------------------------------------------------------------------ for the runner

    @property
    def events(self) -> int | None:
        return zygote.EVENTS

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """The folder with the home that its imports have seen, emptied."""
        # the folder itself stays: the imports were made with it as the working folder
        for entry in self.home.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink()
        yield self.home.parent

    def start(self, request: Path, environment: dict[str, str], streams: Sequence[int]) -> ForkedProcess:
        """A child that runs the probe. `streams` are standard input, output, error, and the events'. Raises OSError."""
        try:
            said = self._asked(
                {
                    "do": "run",
                    "request": str(request),
                    "home": str(self.home),
                    "environment": environment,
                    "learn": str(self.learn) if self.learn else "",
                },
                streams,
            )
        except Unforkable as error:
            raise OSError(str(error)) from None
        self._child = ForkedProcess(self, int(said["pid"]))
        return self._child

    def close(self) -> None:
        """Ends it, with whatever it has forked."""
        self._control.close()
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(END_SECONDS)
            self._process.end()

    # ------------------------------------------------------------------ messages

    def answer(self, seconds: float | None) -> dict[str, Any]:
        """The next message. Raises TimeoutError, or Unforkable where the process is gone."""
        self._control.settimeout(seconds)
        try:
            data = self._control.recv(MESSAGE_CAP)
        except TimeoutError:
            raise
        except OSError as error:
            raise Unforkable(f"its socket is broken: {error}") from None
        if not data:
            raise Unforkable("it has ended")
        said: dict[str, Any] = json.loads(data)
        return said

    def _asked(self, request: dict[str, Any], descriptors: Sequence[int] = ()) -> dict[str, Any]:
        if self._child is not None and not self._child.ended:
            raise Unforkable("its last child has not ended")
        try:
            socket.send_fds(self._control, [json.dumps(request).encode()], list(descriptors))
            said = self.answer(ANSWER_SECONDS)
        except TimeoutError:
            raise Unforkable("it did not answer in time") from None
        except OSError as error:
            raise Unforkable(f"its socket is broken: {error}") from None
        if "refused" in said:
            raise Unforkable(said["refused"])
        return said


@dataclass
class Forking:
    """What the workers of one run know together of forking."""

    shared: Shared
    off: dict[Digest, str] = field(default_factory=dict)
    """Layers that are not forked from any more, and why."""
    learned: dict[str, list[str]] = field(default_factory=dict)
    """The lowest layer to the modules that a cell on it has loaded last, in the order of their imports."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def turn_off(self, layer: Digest, reason: str) -> None:
        with self.lock:
            self.off.setdefault(layer, reason)


class WarmSlot:
    """The zygotes of one slot."""

    def __init__(self, slot: Slot, forking: Forking) -> None:
        self.slot, self.forking = slot, forking
        self._kept = ExitStack()
        self._lowest: tuple[str, Parent] | None = None
        self._middle: tuple[Digest, Parent] | None = None

    def source(self, lock: Lock) -> Parent | None:
        """What to fork the cell of `lock` from, which the slot holds now; None: nothing, run it cold."""
        shared = self.forking.shared
        layer = shared.middle_of(lock)
        alone = shared.lowest[shared.lowest_of(lock)] < 2
        if alone or layer in self.forking.off or not sys.platform.startswith("linux"):
            return None
        try:
            return self._middle_for(lock, layer) if shared.middle[layer] > 1 else self._lowest_for(lock)
        except Unforkable as reason:
            self.close()
            self.forking.turn_off(layer, str(reason))
            return None

    def learn(self, lock: Lock, parent: Parent) -> None:
        """Take over what the first cell of a layer has loaded, so that the next ones find it loaded."""
        if parent.learn is None:
            return
        try:
            names = json.loads(parent.learn.read_text())
        except (OSError, ValueError):
            return
        parent.learn.unlink()
        parent.learn = None
        self.forking.learned[self.forking.shared.lowest_of(lock)] = names
        try:
            parent.load(names, self._guarded())
        except Unforkable as reason:
            self.close()
            self.forking.turn_off(self.forking.shared.middle_of(lock), str(reason))

    def close(self) -> None:
        for held in (self._middle, self._lowest):
            if held is not None:
                held[1].close()
        self._middle = self._lowest = None
        self._kept.close()

    def _guarded(self) -> set[str]:
        return top_modules(self.slot.environment, self.forking.shared.upper)

    def _middle_for(self, lock: Lock, layer: Digest) -> Parent:
        if self._middle is not None and (self._middle[0] != layer or self._middle[1].objections()):
            self._middle[1].close()
            self._middle = None
        if self._middle is None:
            parent = self._lowest_for(lock).split()
            self._middle = layer, parent
            parent.load(self._learned(lock), self._guarded())
            parent.learn = parent.home.parent / "loaded.json"
            if objections := parent.objections():
                raise Unforkable(f"what it imports does not stay: {objections[0]}")
        return self._middle[1]

    def _lowest_for(self, lock: Lock) -> Parent:
        name = self.forking.shared.lowest_of(lock)
        if self._lowest is not None and (self._lowest[0] != name or self._lowest[1].objections()):
            self.close()
        if self._lowest is None:
            parent = Parent.started(self.slot.python, self._kept.enter_context(scratch()))
            self._lowest = name, parent
            parent.load([LOWEST], ())
        _, parent = self._lowest
        own = set(parent.modules)
        parent.load([each for each in self._learned(lock) if each.partition(".")[0] in own], self._guarded())
        return parent

    def _learned(self, lock: Lock) -> list[str]:
        return self.forking.learned.get(self.forking.shared.lowest_of(lock), [])
