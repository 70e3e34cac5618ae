"""SIGKILL at random moments, for a run, for nox, and for what they have started.

The report must then say what that of an undisturbed run says, no finished cell may have run twice (a cell whose probe
was killed looks like a crash, and is run until two runs agree), no slot may be half-synced, and no process or
temporary file may be left.
"""

from __future__ import annotations

import contextlib
import math
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from minimatrix.index import LocalIndex

from .stub_world import ROOT, StubWorld
from .trials import Trials

VICTIMS = ("compatcheck", "nox", "a probe", "the keeper of a probe", "uv", "another child")


def kills(count: int, rng: random.Random, deadline: float = math.inf) -> list[Trials]:
    """`count` kills, none begun after `deadline` (time.monotonic), every third in a run that nox has started.

    One row for each kind of victim.
    """
    rows = {victim: Trials(f"kill -9 of {victim} at a random moment of a run over stub packages") for victim in VICTIMS}
    with tempfile.TemporaryDirectory() as name, LocalIndex() as index:
        folder = Path(name)
        whole = StubWorld(folder / "whole", index.url, folder / "uv")
        by_nox = count > 2
        usual = {False: _lasted(whole, nox=False)}
        expected = whole.report()
        if by_nox:
            _nox(StubWorld(folder / "warm", index.url, folder / "uv"), folder, again=False).wait()
            usual[True] = _lasted(StubWorld(folder / "whole-nox", index.url, folder / "uv"), nox=True, home=folder)
        for number in range(count):
            if time.monotonic() > deadline:
                break
            world = StubWorld(folder / f"killed-{number}", index.url, folder / "uv")
            nox = by_nox and number % 3 == 2
            began = time.monotonic()
            try:
                victim = _killed(world, folder, nox, rng, usual[nox])
                problems = _problems(world, expected)
            except Exception as error:
                victim, problems = "another child", [f"{type(error).__name__}: {str(error)[:200]}"]
            rows[victim].count("; ".join(problems) and f"round {number}: {'; '.join(problems)}")
            rows[victim].seconds += time.monotonic() - began
            world.remove()
    return [row for row in rows.values() if row.tried]


def _nox(world: StubWorld, home: Path, again: bool = True) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "nox", "-f", str(ROOT / "noxfile.py"), "--envdir", str(home / "nox"), "-s", "matrix"]
    words += [*(["-R"] if again else []), "--", str(world.matrix), "--plain", "--jobs", "2", *world.places]
    return subprocess.Popen(
        words, env=world.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        text=True, cwd=ROOT,
    )  # fmt: skip


def _lasted(world: StubWorld, nox: bool, home: Path | None = None) -> float:
    """Seconds of an undisturbed run."""
    began = time.monotonic()
    running = _nox(world, home) if nox and home else world.start("--jobs", "2")
    running.communicate()
    if running.returncode:
        raise RuntimeError(f"the undisturbed run ended with {running.returncode}")
    return time.monotonic() - began


def _killed(world: StubWorld, home: Path, nox: bool, rng: random.Random, usual: float, jobs: str = "2") -> str:
    """Kill something of a run at a random moment, end the rest a little later, and let it go on; what was killed."""
    running = _nox(world, home) if nox else world.start("--jobs", jobs)
    time.sleep(rng.uniform(0.05, max(0.1, usual)))
    victim = kill_one(running.pid, rng, nox)
    with contextlib.suppress(subprocess.TimeoutExpired):
        running.communicate(timeout=rng.uniform(0.1, usual))
    running.kill()
    running.wait()
    done = world.run("--jobs", jobs, seconds=1200)
    if done.returncode:
        raise RuntimeError(f"going on ended with {done.returncode}: {done.stderr[-300:]}")
    return victim


def kill_one(pid: int, rng: random.Random, nox: bool) -> str:
    """SIGKILL for the run itself or one of its descendants, each kind as likely; which kind it was."""
    kinds: dict[str, list[psutil.Process]] = {}
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                kinds.setdefault(kind_of(each), []).append(each)
    if not kinds:
        return "nox" if nox else "compatcheck"
    kind = rng.choice(sorted(kinds))
    with contextlib.suppress(psutil.Error):
        rng.choice(kinds[kind]).send_signal(signal.SIGKILL)
    return kind


def kind_of(process: psutil.Process) -> str:
    words = process.cmdline()
    names = [Path(word).name for word in words[:6]]
    if "keeper.py" in names:
        return "the keeper of a probe"
    if "probe.py" in names:
        return "a probe"
    if names[:1] == ["uv"]:
        return "uv"
    if "nox" in names:
        return "nox"
    return "compatcheck" if "compatcheck" in names else "another child"


def _problems(world: StubWorld, expected: dict[str, Any]) -> list[str]:
    problems = []
    if world.report() != expected:
        problems.append("the report differs")
    # each cell ran once; or one probe was killed: its cell was run again until two runs agreed
    once = [0] * world.cells
    if (attempts := world.attempts()) not in (once, [*once, 1, 2]):
        problems.append(f"attempts {attempts}")
    problems += world.half_synced()
    if left := world.left_behind():
        problems.append(f"left behind: {left[:3]}")
    return problems
