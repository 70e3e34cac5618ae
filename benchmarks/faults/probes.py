"""Probes that misbehave, through the whole pipeline: lock, slot, runner, store.

Each fault is a stub release that does it for real. The cell must end within its limits as what it is; then a clean
cell runs in the same slot, and must pass in an environment whose files are as they were.
"""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import psutil
from minimatrix.index import LocalIndex
from minimatrix.releases import NEW, with_fault

from compatcheck import probe_disk
from compatcheck.domain import PROBE_STAGES, EndingKind, Limits, Outcome, Scenario
from compatcheck.matrix import Index, Matrix
from compatcheck.pipeline import Run
from compatcheck.store import Store

from .stub_world import PYTHON
from .trials import Trials

DIED, EXITED, HUNG = EndingKind.SIGNALLED, EndingKind.EXITED, EndingKind.TIMED_OUT
MEMORY, FLOODED, WELL = EndingKind.OUT_OF_MEMORY, EndingKind.FLOODED, EndingKind.COMPLETED
FAIL, PASS = Outcome.FAIL, Outcome.PASS


@dataclass(frozen=True)
class Fault:
    """What a release does, and what must be seen of it."""

    row: str
    fault: str
    kind: EndingKind
    outcome: Outcome = FAIL
    signal: str | None = None

    @property
    def stage(self) -> str:
        return self.fault.rpartition("-in-")[2]


FAULTS = (
    Fault("segmentation fault", "segfault-in-train", DIED, signal="SIGSEGV"),
    Fault("segmentation fault", "segfault-in-import", DIED, signal="SIGSEGV"),
    Fault("abort", "abort-in-train", DIED, signal="SIGABRT"),
    Fault("illegal instruction", "illegal-instruction-in-train", DIED, signal="SIGILL"),
    Fault("illegal instruction", "illegal-instruction-in-import", DIED, signal="SIGILL"),
    Fault("killed by somebody", "sigkill-in-train", DIED, signal="SIGKILL"),
    Fault("exit 0 without finishing", "exit-zero-in-train", EXITED),
    *(Fault("hang, in each of the eight stages", f"hang-in-{stage}", HUNG) for stage in PROBE_STAGES),
    Fault("hang that ignores SIGTERM", "hang-ignoring-sigterm-in-train", HUNG),
    Fault("hang that takes all of a processor", "spin-in-train", HUNG),
    Fault("10 GB allocation, in the probe and in its child", "allocate-memory-in-train", MEMORY),
    Fault("10 GB allocation, in the probe and in its child", "allocate-in-child-in-train", MEMORY),
    Fault("slow leak", "slow-leak-in-train", MEMORY),
    Fault("1 GiB on standard output", "torrent-stdout-in-train", WELL, PASS),
    Fault("1 GiB on standard error", "torrent-stderr-in-train", WELL, PASS),
    Fault("fork storm: fifty children; children of children for five seconds", "fork-storm-in-train", WELL, PASS),
    Fault("fork storm: fifty children; children of children for five seconds", "endless-storm-in-train", WELL, PASS),
    Fault("daemonised child (fork twice, setsid)", "daemonised-child-in-train", WELL, PASS),
    Fault("daemonised child without environment and descriptors", "unmarked-daemon-in-train", WELL, PASS),
    Fault("closes its own pipes", "closes-pipes-in-train", EXITED),
    Fault("protocol: broken lines", "garbage-protocol-in-train", WELL, PASS),
    Fault("protocol: broken lines", "torn-protocol-in-train", EXITED),
    Fault("protocol: an enormous line, and 64 MiB of lines", "enormous-line-in-train", WELL, PASS),
    Fault("protocol: an enormous line, and 64 MiB of lines", "flood-protocol-in-train", FLOODED),
    Fault("protocol: an enormous line, and 64 MiB of lines", "flood-protocol-lines-in-train", FLOODED),
    Fault("protocol: lies", "lies-and-dies-in-train", DIED, signal="SIGSEGV"),
    Fault("protocol: lies", "lies-and-leaves-in-train", EXITED),
    Fault("protocol: lies", "lies-in-numbers-in-train", WELL, PASS),
    Fault("writes into site-packages", "writes-into-site-packages-in-train", WELL, PASS),
    Fault("changes a neighbour's, torch's or the environment's files", "spoils-neighbour-in-train", WELL, PASS),
    Fault("changes a neighbour's, torch's or the environment's files", "spoils-torch-in-train", WELL, PASS),
    Fault("changes a neighbour's, torch's or the environment's files", "spoils-settings-in-train", WELL, PASS),
    Fault("changes directory", "chdir-in-train", WELL, PASS),
    Fault("deletes its files: the package's, its working folder", "deletes-own-files-in-train", WELL, PASS),
    Fault("deletes its files: the package's, its working folder", "deletes-work-in-train", WELL, PASS),
    Fault("fills the disk: a quota; a small file system", "fills-disk-in-train", FLOODED),
)
LIMITS, PATIENT = Limits(stage_seconds=2.5, memory_mib=300), Limits(stage_seconds=40, memory_mib=300)
"""Only what hangs is to meet the limit of time."""
LIMIT_OF_ALL = 90.0
"""Seconds in which even a fault that is confirmed by a second run is over, on a busy machine too."""


def probes(rounds: int, rng: random.Random) -> list[Trials]:
    rows = {fault.row: Trials(f"probe: {fault.row}") for fault in FAULTS}
    with tempfile.TemporaryDirectory() as name, LocalIndex() as index, _own_settings(Path(name)):
        for _ in range(rounds):
            for fault in FAULTS:
                with rows[fault.row].clock() as row:
                    row.count(_tried(fault, Path(name), index.url))
        disk = rows["fills the disk: a quota; a small file system"]
        with disk.clock():
            disk.count(_small_disk(Path(name), index.url))
    return list(rows.values())


@contextlib.contextmanager
def _own_settings(folder: Path) -> Iterator[None]:
    """A uv cache and temporary folder of its own, no retries, and a small quota for what a probe may write."""
    before, quota = dict(os.environ), probe_disk.DISK_MIB
    (folder / "tmp").mkdir()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ.update(UV_CACHE_DIR=str(folder / "uv"), UV_HTTP_RETRIES="0", TMPDIR=str(folder / "tmp"))
    tempfile.tempdir = None
    probe_disk.DISK_MIB = 128
    try:
        yield
    finally:
        probe_disk.DISK_MIB = quota
        os.environ.clear()
        os.environ.update(before)
        tempfile.tempdir = None


def _run(folder: Path, url: str, versions: dict[str, str], store: Store, limits: Limits = PATIENT) -> Run:
    axes = {package: (version,) for package, version in versions.items()}
    scenario = Scenario(epochs=2, new_tokens=6)
    matrix = Matrix("stub", axes, python=(PYTHON,), index=Index(url=url), limits=limits, scenario=scenario)
    run = Run(matrix, store, folder / "cache")
    run.forced = True  # a limit below what the cycle of real packages would take
    return run


def _tried(fault: Fault, folder: Path, url: str) -> str:
    release = with_fault(fault.fault)
    versions = {**NEW, release.package: release.version}
    with Store(folder / "store.sqlite3") as store:
        clean = _run(folder, url, NEW, store)
        dirty = _run(folder, url, versions, store, LIMITS if fault.kind is HUNG else PATIENT)
        clean.run(clean.expand().cells)
        before = _files(folder)
        began = time.monotonic()
        (result,) = dirty.run(dirty.expand().cells, again=True).values()
        took = time.monotonic() - began
        (after,) = clean.run(clean.expand().cells, again=True).values()
    seen = result.observation
    problems = []
    if seen is None:
        return f"{fault.fault}: {result.trouble}"
    found = (seen.ending.kind, seen.outcome, seen.ending.signal if fault.signal else None)
    if found != (fault.kind, fault.outcome, fault.signal):
        problems.append(f"recorded as {' '.join(map(str, found))} ({seen.ending.detail})")
    # who forges the ends of stages and dies, dies where he says that he is
    if fault.outcome is FAIL and str(seen.stage) != fault.stage and "lies-and-dies" not in fault.fault:
        problems.append(f"in {seen.stage}")
    if took > LIMIT_OF_ALL:
        problems.append(f"took {took:.0f} s")
    if fault.kind in (DIED, HUNG, MEMORY) and result.attempts < 2:
        problems.append("not confirmed by a second run")
    if after.outcome is not PASS:
        problems.append(f"the next cell: {after.outcome} {after.trouble}")
    if _files(folder) != before:
        problems.append("the slot's files are not as they were")
    problems += left_of(folder)
    return "; ".join(problems) and f"{fault.fault}: {'; '.join(problems)}"


def _files(folder: Path) -> dict[str, str]:
    """Every file of the clean cell's environment but its bytecode, by content."""
    (environment,) = (folder / "cache" / "environments").glob(f"py{PYTHON}-torch{NEW['torch']}-0/env")
    return {
        str(path.relative_to(environment)): sha256(path.read_bytes()).hexdigest()
        for path in environment.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and path.name not in ("INSTALLER", "REQUESTED")
    }


@contextlib.contextmanager
def small_disk(place: Path, mib: int) -> Iterator[bool]:
    """A file system of `mib` MiB at `place`, while within; False where this machine does not let us mount one."""
    place.mkdir(parents=True, exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "compatcheck-test", str(place)]
    mounted = os.geteuid() == 0 and subprocess.run(words, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(place)], check=True)


def _small_disk(folder: Path, url: str) -> str:
    """A probe that fills a file system of 96 MiB, its temporary folder."""
    with small_disk(folder / "small", 96) as mounted:
        if not mounted:
            return "this machine lets nobody mount a small file system: not tried"
        usual, tempfile.tempdir = os.environ["TMPDIR"], str(folder / "small")
        try:
            release = with_fault("fills-disk-in-train")
            with Store(folder / "small.sqlite3") as store:
                run = _run(folder, url, {**NEW, release.package: release.version}, store)
                (result,) = run.run(run.expand().cells).values()
        finally:
            tempfile.tempdir = usual
        left = [path.name for path in (folder / "small").iterdir()]
    if result.observation is None or result.observation.ending.kind is not FLOODED:
        return f"a small file system: {result.observation and result.observation.ending} {result.trouble}"
    return f"left {left}" if left else ""


def left_of(folder: Path) -> list[str]:
    """Processes and temporary files that a probe has left."""
    left = [f"left {path.name}" for path in (folder / "tmp").glob("compatcheck-*")]
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if str(folder) in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                left.append(f"left {process.cmdline()}")
            elif process.name() == "sleep" and process.cmdline() == ["sleep", "60"] and process.ppid() == 1:
                left.append("left a daemon")
    return left
