"""Several at once on one store and cache: no cell run twice, no environment shared by two probes, no deadlock."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import psutil
from minimatrix.index import LocalIndex

from .kills import _nox
from .stub_world import CELLS, StubWorld
from .trials import Trials


class Watch:
    """Looks, as often as it can, whether two probes use one environment."""

    def __init__(self, world: StubWorld) -> None:
        self.folder = str(world.cache / "environments")
        self.shared: set[str] = set()
        self.seen: set[int] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._end.wait(0.02):
            used: Counter[str] = Counter()
            for process in psutil.process_iter():
                try:
                    words = process.cmdline()
                except psutil.Error:
                    continue
                # a child of a probe in the moment after its fork has the same command line
                if len(words) > 2 and words[0].startswith(self.folder) and "probe.py" in words[2]:
                    self.seen.add(process.pid)
                    used[words[0]] += 1
            self.shared |= {python for python, times in used.items() if times > 1}


def together(rounds: int, rng: random.Random) -> list[Trials]:
    rows = [
        Trials("four `compatcheck run` on one matrix, store and cache"),
        Trials("two `nox` on one matrix, store and cache"),
        Trials("locks that a killed process held are taken over"),
    ]
    with tempfile.TemporaryDirectory() as name, LocalIndex() as index:
        folder = Path(name)
        _nox(StubWorld(folder / "warm", index.url, folder / "uv"), folder, again=False).wait()
        for number in range(rounds):
            world = StubWorld(folder / f"four-{number}", index.url, folder / "uv")
            with rows[0].clock():
                rows[0].count(_at_once(world, [world.start() for _ in range(4)]))
            world = StubWorld(folder / f"nox-{number}", index.url, folder / "uv")
            with rows[1].clock():
                rows[1].count(_at_once(world, [_nox(world, folder) for _ in range(2)]))
            world = StubWorld(folder / f"stale-{number}", index.url, folder / "uv")
            with rows[2].clock():
                rows[2].count(_taken_over(world, rng))
    return rows


def _at_once(world: StubWorld, running: list[subprocess.Popen[str]]) -> str:
    with Watch(world) as watch:
        try:
            for each in running:
                each.communicate(timeout=300)
        except subprocess.TimeoutExpired:
            return "deadlock: not done after 300 s"
        finally:
            for each in running:
                each.kill()
    problems = [f"exit code {each.returncode}" for each in running if each.returncode]
    if (attempts := world.attempts()) != [0] * CELLS:
        problems.append(f"attempts {attempts}")
    if watch.shared:
        problems.append(f"two probes in {watch.shared}")
    if len(watch.seen) < CELLS // 2:
        problems.append(f"the watch saw only {len(watch.seen)} probes")
    return "; ".join([*problems, *world.half_synced(), *world.left_behind()])


HOLDER = """
import sys, time
from pathlib import Path
from filelock import FileLock
held = [FileLock(path) for path in sys.argv[1:]]
for each in held:
    Path(each.lock_file).parent.mkdir(parents=True, exist_ok=True)
    each.acquire()
print("held", flush=True)
time.sleep(600)
"""


def _taken_over(world: StubWorld, rng: random.Random) -> str:
    """All locks that a first run has taken are held by a process; while it lives, others wait, then they go on."""
    first = world.run()
    if first.returncode:
        return f"the first run: {first.stderr[-200:]}"
    locks = sorted(map(str, [*world.folder.glob("*.claims/*.lock"), *world.cache.rglob("*.lock")]))
    if len(locks) < CELLS:
        return f"only {len(locks)} locks"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, *locks], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    holder.stdout.readline()
    # the claims are held, so cells wait; another slot is free, so the environment does not
    running = world.start("--again")
    time.sleep(rng.uniform(1, 3))
    waited = running.poll() is None and world.attempts() == [0] * CELLS
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    try:
        said, _ = running.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        running.kill()
        return "a dead process's locks were not taken over in 120 s"
    if running.returncode:
        return f"exit code {running.returncode}: {said[-200:]}"
    if not waited:
        return "a cell was run while another process held its claim"
    expected = sorted([0] * CELLS + [1] * CELLS)
    return "" if world.attempts() == expected else f"attempts {world.attempts()}"
