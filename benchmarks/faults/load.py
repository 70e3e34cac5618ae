"""Much of everything: observations, cells of a report, lines of progress, bytes of a store."""

from __future__ import annotations

import os
import pty
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from . import many_cells
from .stub_world import ROOT
from .trials import Trials


def load(cells: int, store_gib: float) -> list[Trials]:
    return [_through_store(cells), *_report(cells), _progress(10_000), _large_store(store_gib)]


def _mib() -> float:
    return float(psutil.Process().memory_info().rss) / 2**20


def _through_store(count: int) -> Trials:
    """Many observations through the store, and read again one by one: memory stays flat."""
    import made_up

    from compatcheck.domain import digest_of
    from compatcheck.store import Store

    trials = Trials(f"load: {count:,} observations through the store, memory flat")
    with trials.clock(), tempfile.TemporaryDirectory() as name, Store(Path(name) / "store.sqlite3") as store:
        seen, samples = made_up.observation(), []
        for number in range(count):
            lock = made_up.lock(made_up.cell(peft=f"0.{number % 500}.{number // 500}"))
            store.save_observation(lock, digest_of("load"), seen)
            if number % max(1, count // 20) == 0:
                samples.append(_mib())
        read = 0
        for number, _ in enumerate(store.every_observation()):
            read += 1
            if number % max(1, count // 20) == 0:
                samples.append(_mib())
        trials.count("" if read == count else f"{read} of {count} read again")
        grown = max(samples[2:]) - samples[1]
        trials.count("" if grown < 30 else f"memory grew by {grown:.0f} MiB")
        trials.note = f"grew by {grown:.0f} MiB between a twentieth and the end"
    return trials


MOST_KIB = 5.0
"""Memory that a report may take for each cell more."""


def _report(cells: int) -> list[Trials]:
    """A report over many cells, and over a fifth of them: a cell more takes a few KiB, however many there are."""
    trials = Trials(f"load: a report over {cells:,} cells")
    with trials.clock():
        peaks: dict[int, int] = {}
        for count in (cells // 5, cells):
            with tempfile.TemporaryDirectory() as name:
                paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests", ROOT / "benchmarks")))
                for part in ("store", "report"):
                    words = [sys.executable, "-m", many_cells.__name__, part, str(count), name]
                    done = subprocess.run(
                        words, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths}
                    )
                    if done.returncode:
                        trials.count(f"{count} cells: {done.stderr[-600:]}")
                        return [trials]
            told, size, peak = map(int, done.stdout.split())
            peaks[told] = peak
            trials.count("" if told > 0.9 * count and size else f"{told} cells, {size} MiB of reports")
        (few, low), (many, high) = sorted(peaks.items())
        each = (high - low) * 1024 / (many - few)
        trials.count("" if each <= MOST_KIB else f"{each:.1f} KiB a cell")
        trials.note = f"{low} MiB for {few:,}, {high} MiB for {many:,} cells: {each:.1f} KiB a cell"
    return [trials]


def _progress(lines: int) -> Trials:
    """Cells finished one after the other before a terminal that calls itself dumb: a line each, no escape sequence."""
    trials = Trials(f"load: {lines:,} lines of progress on a dumb terminal")
    code = (
        f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'tests')!r}]\n"
        "import made_up\n"
        "from compatcheck.progress import chosen_progress\n"
        f"shown = chosen_progress(sys.stderr); shown.resolving(0); shown.running({lines}, 0)\n"
        f"for number in range({lines}):\n"
        "    cell = made_up.cell(peft=f'0.{number}.0'); shown.preparing(cell, 0)\n"
        "    shown.finished(made_up.result(cell, made_up.observation()), 0)\n"
        "shown.done()"
    )
    with trials.clock():
        above, below = pty.openpty()
        process = subprocess.Popen([sys.executable, "-c", code], stderr=below, env={**os.environ, "TERM": "dumb"})
        os.close(below)
        told = b""
        try:
            while block := os.read(above, 65536):
                told += block
        except OSError:
            pass  # how a terminal ends
        os.close(above)
        process.wait()
        counted = sum(line.startswith(b"[") for line in told.splitlines())
        trials.count("" if counted == lines and process.returncode == 0 else f"{counted} lines, {told[-200:]!r}")
        trials.count("an escape sequence" if b"\x1b" in told else "")
    return trials


def _large_store(gib: float) -> Trials:
    """A store with large rows opens, answers and takes a row without being read through: bytes read are counted."""
    import made_up

    from compatcheck.domain import digest_of
    from compatcheck.store import Store

    trials = Trials(f"load: a store of {gib:g} GiB opens at once")
    with trials.clock(), tempfile.TemporaryDirectory() as name:
        if shutil.disk_usage(name).free < (gib + 5) * 2**30:
            trials.count("too little disk: not tried")
            return trials
        path = Path(name) / "store.sqlite3"
        with Store(path) as store:
            store.save_observation(made_up.lock(made_up.cell()), digest_of("s"), made_up.observation())
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute("PRAGMA synchronous=OFF")
        for number in range(round(gib * 64)):
            connection.execute("INSERT INTO locks VALUES (?, zeroblob(16777216))", (f"large-{number}",))
        connection.commit()
        connection.close()
        before, began = _read(), time.process_time()
        with Store(path) as store:
            seen = store.observations(made_up.lock(made_up.cell()), digest_of("s"), 1, made_up.MACHINE.platform)
            store.save_trouble(made_up.cell(), digest_of("x"), "p", "a row more")
        seconds, read = time.process_time() - began, (_read() - before) / 2**20
        trials.count("" if len(seen) == 1 else f"{len(seen)} observations")
        trials.count("" if read < 16 else f"{read:.0f} MiB were read")
        trials.note = (
            f"{path.stat().st_size / 2**30:.1f} GiB on disk; {read:.1f} MiB read, {1000 * seconds:.0f} ms of CPU"
        )
    return trials


def _read() -> int:
    """Bytes that this process has asked the system for."""
    return int(psutil.Process().io_counters().read_chars)
