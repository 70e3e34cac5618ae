"""The probe as a subprocess under limits -> an observation.

The probe gets a keeper, a session of its own, a scrubbed environment, no standard input, and pipes that are always
drained and capped. Whatever it does, this module returns within the limits and says how the process ended.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from typing import Protocol as Interface

import psutil

from . import probe
from .domain import (
    Ending,
    EndingKind,
    Limits,
    Observation,
    Scenario,
    StageRecord,
    Status,
    printable,
)
from .errors import MachineError, refused_by_disk
from .keeping import Kept
from .machine import this_machine
from .masking import masked
from .memory_curve import MemoryCurve
from .memory_evidence import oom_kills, room_mib
from .parse import unstructured
from .probe_disk import ProbeDisk
from .protocol import Heard, Protocol, Tail, silent
from .scratch import scratch
from .traceback_text import INSTALLED

POLL_SECONDS = 0.02
SAMPLE_SECONDS = 0.25
CURVE_LENGTH = 60
"""Looks at the memory that are kept of a probe that did not come to its end."""
GRACE_SECONDS = 3.0
"""Between the signal that makes a hanging probe show its stack, and SIGKILL."""
MARK = "COMPATCHECK_PROBE"
"""An environment variable by which every descendant of a probe is found, even one that left its process group."""


@dataclass(frozen=True)
class Work:
    """What a probe is given."""

    scenario: Scenario
    model: Path
    """A directory with the model and its tokenizer."""
    texts: tuple[str, ...]


class Process(Interface):
    """A probe that is under way: what the runner asks of it."""

    pid: int

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, or the negative number of the signal. Raises subprocess.TimeoutExpired."""

    def send_signal(self, number: int) -> None: ...

    def mib(self, limit: float) -> float:
        """Resident memory with its children; what they share is counted once where the sum passes `limit`."""

    def end(self) -> None:
        """End it, and what it has started, as far as that is known."""


class Source(Interface):
    """Where the process of a probe comes from."""

    @property
    def events(self) -> int | None:
        """The descriptor that the probe writes its events to; None: the one that it is given."""

    def folder(self) -> AbstractContextManager[Path]:
        """The probe's own folder; a `home` in it, if there is one, is empty."""

    def start(self, request: Path, environment: dict[str, str], streams: Sequence[int]) -> Process:
        """Start the probe. `streams` are standard input, output and error, and the events'. Raises OSError."""


@dataclass(frozen=True)
class Cold:
    """A new process of an interpreter: the reference."""

    python: Path

    @property
    def events(self) -> int | None:
        return None

    def folder(self) -> AbstractContextManager[Path]:
        return scratch()

    def start(self, request: Path, environment: dict[str, str], streams: Sequence[int]) -> Process:
        _, output, complaints, given = streams
        return Kept(
            [self.python, "-I", probe.__file__, request], folder=Path(environment["HOME"]), environment=environment,
            given=given, output=output, complaints=complaints,
        )  # fmt: skip


class Stopped(Exception):
    """The run was asked to stop while the probe was under way; there is no observation."""


def observe(
    python: Path,
    work: Work,
    limits: Limits,
    heard: Heard = silent,
    stop: threading.Event | None = None,
    source: Source | None = None,
) -> Observation:
    """Run the probe with the interpreter `python`, in a new process or one from `source`.

    Raises MachineError where it cannot even be started, Stopped where `stop` is set before it ends.
    """
    try:
        where: Source = source or Cold(python)
        with where.folder() as folder:
            return _Run(python, work, limits, heard, folder, stop or threading.Event(), where).observation()
    except OSError as error:
        raise refused_by_disk(error, "the probe cannot be given its files") from None


def probe_environment(python: Path, home: Path, mark: str) -> dict[str, str]:
    """Everything that a probe sees of the environment: no tokens, no PYTHONPATH, the hub offline, CUDA hidden."""
    return {
        "PATH": f"{python.parent}{os.pathsep}/usr/local/bin{os.pathsep}/usr/bin{os.pathsep}/bin",
        "HOME": str(home),
        "TMPDIR": str(home),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "CUDA_VISIBLE_DEVICES": "",
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "TERM": "dumb",
        MARK: mark,
    }


class _Run:
    """One run of the probe: threads drain its pipes while the main loop watches the limits."""

    def __init__(
        self,
        python: Path,
        work: Work,
        limits: Limits,
        heard: Heard,
        folder: Path,
        stop: threading.Event,
        source: Source,
    ) -> None:
        self.source = source
        self.python, self.work, self.limits, self.folder, self.stop = python, work, limits, folder, stop
        self.mark = uuid.uuid4().hex
        self.protocol = Protocol(heard, self._scrubbed)
        self.streams = {"stdout": Tail(), "stderr": Tail()}
        self.flooded = False
        self.peak_mib = 0.0
        self.last_mib = 0.0
        self.curve: deque[tuple[float, float]] = deque(maxlen=CURVE_LENGTH)
        """Seconds and resident memory at the last looks."""
        self.whole_curve = MemoryCurve()
        self.room_mib = 0.0
        self.disk = ProbeDisk(folder)

    def observation(self) -> Observation:
        started, began = datetime.now(timezone.utc), time.monotonic()
        oom_before, self.room_mib = oom_kills(), room_mib()
        process, threads = self._start()
        try:
            ending = self._watch(process)
        finally:
            self._end_all(process)
            # also when the run is stopped: an interpreter that ends while daemon threads read may end by SIGSEGV
            for thread in threads:
                thread.join(GRACE_SECONDS)
        if ending.kind is EndingKind.SIGNALLED and ending.signal == "SIGKILL" and oom_kills() > oom_before:
            ending = replace(ending, kind=EndingKind.OUT_OF_MEMORY, detail="the kernel's out-of-memory killer ended it")
        if ending.kind is EndingKind.COMPLETED and not self.protocol.done:
            ending = replace(ending, kind=EndingKind.EXITED, detail="it exited before it was done")
        if self.flooded and ending.kind is not EndingKind.FLOODED:
            ending = replace(ending, kind=EndingKind.FLOODED, detail="it wrote too much to the protocol")
        return self._record(started, time.monotonic() - began, self.disk.told(ending, self.protocol.stages))

    def _start(self) -> tuple[Process, list[threading.Thread]]:
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        pipes = [os.pipe() for _ in range(3)]
        events = pipes[2][1] if self.source.events is None else self.source.events
        request = self.folder / "request.json"
        request.write_text(
            json.dumps(
                {
                    "events_fd": events,
                    "model": str(self.work.model),
                    "texts": list(self.work.texts),
                    "work": str(home),
                    "scenario": unstructured(self.work.scenario),
                }
            )
        )
        nothing = os.open(os.devnull, os.O_RDONLY)
        environment = probe_environment(self.python, home, self.mark)
        try:
            process = self.source.start(request, environment, [nothing, *(writing for _, writing in pipes)])
        except OSError as error:
            for reading, _ in pipes:
                os.close(reading)
            raise MachineError(
                f"the probe could not be started: {error}", "Run again; the slot is made anew."
            ) from None
        finally:
            for descriptor in (nothing, *(writing for _, writing in pipes)):
                os.close(descriptor)
        (output, _), (complaints, _), (told, _) = pipes
        threads = [
            threading.Thread(target=self._drain, args=(output, self.streams["stdout"]), daemon=True),
            threading.Thread(target=self._drain, args=(complaints, self.streams["stderr"]), daemon=True),
            threading.Thread(target=self._listen, args=(told,), daemon=True),
        ]
        for thread in threads:
            thread.start()
        return process, threads

    def _drain(self, descriptor: int, into: Tail) -> None:
        try:
            while block := os.read(descriptor, 65536):
                into.add(block)
        except OSError:
            return
        finally:
            os.close(descriptor)

    def _listen(self, descriptor: int) -> None:
        rest, protocol = b"", self.protocol
        try:
            while block := os.read(descriptor, 65536):
                protocol.received += len(block)
                if protocol.received > protocol.TOTAL_CAP:
                    self.flooded = True
                    continue
                *lines, rest = (rest + block).split(b"\n")
                for line in lines:
                    protocol.take(line)
                if len(rest) > protocol.LINE_CAP:
                    protocol.broken += 1
                    rest = b""
            protocol.broken += bool(rest)
        except OSError:
            return
        finally:
            os.close(descriptor)

    def _watch(self, process: Process) -> Ending:
        """Wait for the end of the process, and bring it about where a limit is passed."""
        began, sampled = time.monotonic(), 0.0
        while True:
            try:
                return _ending(process.wait(POLL_SECONDS))
            except subprocess.TimeoutExpired:
                pass
            if self.stop.is_set():
                raise Stopped
            now = time.monotonic()
            if now - sampled >= SAMPLE_SECONDS:
                sampled = now
                self.last_mib = process.mib(self.limits.memory_mib)
                self.peak_mib = max(self.peak_mib, self.last_mib)
                self.curve.append((round(now - began, 2), round(self.last_mib, 1)))
                self.whole_curve.add(now - began, self.last_mib, self.protocol.under_way)
                if self.last_mib > self.limits.memory_mib:
                    said = f"{self.last_mib:.0f} MiB where {self.limits.memory_mib} MiB is the limit"
                    return Ending(EndingKind.OUT_OF_MEMORY, detail=said)
                if written := self.disk.too_much():
                    return Ending(EndingKind.FLOODED, detail=written)
            if self.flooded:
                return Ending(EndingKind.FLOODED, detail="it wrote too much to the protocol")
            since = max(self.protocol.since, began)
            if now - since > self.limits.stage_seconds:
                self._show_stack(process)
                stage = self.protocol.under_way
                where = f"in {stage}" if stage else "between stages"
                return Ending(EndingKind.TIMED_OUT, detail=f"{self.limits.stage_seconds:.0f} s passed {where}")

    def _show_stack(self, process: Process) -> None:
        """SIGABRT makes faulthandler write where the probe hangs; then there is a little time to write it."""
        process.send_signal(signal.SIGABRT)
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            pass

    def _end_all(self, process: Process) -> None:
        """End the probe and every descendant, also those that left the group of a fork or whose keeper was killed."""
        for _ in range(20):
            process.end()
            left = list(_marked(self.mark))
            for each in left:
                # it may have ended by itself in the meantime
                with suppress(OSError, psutil.Error):
                    each.kill()
            if not left:
                break
            time.sleep(0.05)

    def _scrubbed(self, value: Any) -> Any:
        """`value` without the paths and secrets of this machine, and without control characters in its texts."""
        if isinstance(value, str):
            text = value.replace(str(self.folder), "<work>").replace(str(self.work.model), "<model>")
            return printable(masked(INSTALLED.sub(r"\1", text)))
        if isinstance(value, list):
            return [self._scrubbed(each) for each in value]
        if isinstance(value, dict):
            return {name: self._scrubbed(each) for name, each in value.items()}
        return value

    def _record(self, started: datetime, seconds: float, ending: Ending) -> Observation:
        protocol = self.protocol
        stages = list(protocol.stages)
        if protocol.under_way is not None:
            stages.append(StageRecord(protocol.under_way, Status.DIED, round(time.monotonic() - protocol.since, 3)))
        facts = dict(protocol.facts)
        if protocol.broken:
            facts["broken_protocol_lines"] = protocol.broken
        if ending.kind is not EndingKind.COMPLETED:
            facts["memory"] = {
                "limit_mib": self.limits.memory_mib,
                "room_mib": round(min(self.room_mib, self.limits.memory_mib), 1),
                "curve_mib": [list(each) for each in self.curve],
            }
        peaks = [record.peak_rss_mib for record in stages if record.peak_rss_mib is not None]
        return Observation(
            started=started,
            machine=this_machine(),
            probe_version=probe.PROBE_VERSION,
            stages=tuple(stages),
            modes=tuple(protocol.modes),
            checks=tuple(protocol.checks),
            ending=ending,
            imported=protocol.imported,
            facts=facts,
            seconds=round(seconds, 3),
            peak_rss_mib=round(max([self.peak_mib, *peaks]), 1),
            output_tail=self._scrubbed(_shortened(self.streams)),
            memory_curve=tuple(self.whole_curve.points),
        )


def _ending(code: int) -> Ending:
    if code == 0:
        return Ending(EndingKind.COMPLETED, code=0)
    if code > 0:
        return Ending(EndingKind.EXITED, code=code)
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return Ending(EndingKind.SIGNALLED, signal=name)


def _marked(mark: str) -> Iterator[psutil.Process]:
    """The processes of this user that carry the probe's mark in their environment."""
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                yield process
        except psutil.Error:
            continue


def _shortened(streams: Mapping[str, Tail]) -> str:
    """The end of both streams, standard error last."""
    return "\n".join(text for name in ("stdout", "stderr") if (text := streams[name].text().strip()))[-24_000:]
