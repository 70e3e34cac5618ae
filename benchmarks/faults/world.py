"""The world misbehaves: the index, the disk, the clock, the caches, the interpreter, the surroundings.

Each trial is the real command line over stub packages. What the machine is to blame for must be an `error` with a
remedy, never a `fail`; no traceback; and once the trouble is over, going on gives the report of an undisturbed run.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from minimatrix.index import LocalIndex

from .probes import small_disk
from .stub_world import CELLS, ROOT, StubWorld
from .trials import Trials

Trial = Callable[["_Bench", StubWorld], str]
NOT_TRIED = "this machine does not allow it: not tried"
WELL = sorted(["pass"] * 5 + ["fail"] * 3)
"""Outcomes of the undisturbed run."""


class _Bench:
    """What the trials share."""

    def __init__(self, folder: Path, index: LocalIndex, rng: random.Random) -> None:
        self.folder, self.index, self.rng = folder, index, rng
        whole = StubWorld(folder / "whole", index.url, folder / "uv")
        done = whole.run()
        if done.returncode or (outcomes := sorted(whole.outcomes())) != sorted(WELL):
            raise RuntimeError(f"the undisturbed run: {done.stderr[-300:]} {outcomes}")
        self.expected = whole.report()


def world(rounds: int, rng: random.Random, only: Collection[str] = ()) -> list[Trials]:
    """All trials, or those whose rows are named in `only`."""
    rows = {name: row for name in TRIALS if (row := Trials(f"world: {name}")).name in only or not only}
    with tempfile.TemporaryDirectory() as name, LocalIndex() as index:
        bench = _Bench(Path(name), index, rng)
        for number in range(rounds):
            for row in rows:
                place = StubWorld(
                    Path(name) / f"{number}-{len(list(Path(name).iterdir()))}", index.url, Path(name) / "uv"
                )
                with rows[row].clock() as trials:
                    trials.count(TRIALS[row](bench, place))
                index.calm()
                if rows[row].broken:
                    continue  # kept for whoever looks
                place.remove()
    return list(rows.values())


def _orderly(done: subprocess.CompletedProcess[str], codes: tuple[int, ...] = (0, 4)) -> str:
    said = done.stdout + done.stderr
    if "Traceback" in said or "unexpected error" in said:
        return f"a traceback: {said[-400:]}"
    return "" if done.returncode in codes else f"exit code {done.returncode}: {said[-300:]}"


def _goes_on(bench: _Bench, place: StubWorld) -> str:
    """The trouble is over: the same command again, and the report is the undisturbed one."""
    again = place.run()
    if again.returncode:
        return f"going on: exit code {again.returncode}: {again.stderr[-300:]}"
    if place.report() != bench.expected:
        return "going on: the report differs"
    if set(place.attempts()) != {0}:
        return f"attempts {place.attempts()}"
    return "; ".join([*place.half_synced(), *place.left_behind(3)])


def _blames_nobody(place: StubWorld) -> str:
    """Whatever is known meanwhile is true: the cells that fail are those that always do."""
    try:
        outcomes = place.outcomes()
    except RuntimeError:
        return ""  # no report, because nothing is known at all
    more = outcomes.count("fail") > WELL.count("fail") or outcomes.count("unresolvable")
    return f"outcomes {outcomes}" if more else ""


# ---------------------------------------------------------------------- the index


def _index(**trouble: Any) -> Trial:
    def trial(bench: _Bench, place: StubWorld) -> str:
        """Wheels, metadata or pages, for some packages or all, for a while or all the time."""
        place.uv_cache = place.folder / "cold-uv"
        times = bench.rng.choice([None, 1, 2, 5])
        if trouble.get("delay"):
            times = 3
        pattern = bench.rng.choice(["/files/*.whl", "/files/peft-*.whl", "/simple/peft/", "/simple/*", "/files/*"])
        if trouble.get("tampered") or trouble.get("cut"):
            pattern = bench.rng.choice(["/files/*.whl", "/files/peft-*.whl", "/files/transformers-*.whl"])
        bench.index.disturb(pattern, times=times, **trouble)
        done = place.run()
        codes = (0, 4, 2) if trouble.get("status") == 404 and pattern.startswith("/simple") else (0, 4)
        told = _orderly(done, codes) or _blames_nobody(place)
        if done.returncode and "run again" not in (done.stdout + done.stderr).lower() and trouble.get("status") != 404:
            told = told or f"no remedy is named: {done.stderr[-200:]}"
        bench.index.calm()
        return (told or _goes_on(bench, place)) and f"{pattern}, {times} times: {told or _goes_on(bench, place)}"

    return trial


def _index_down(bench: _Bench, place: StubWorld) -> str:
    """Gone from the start, or going away at a random moment; then there again."""
    place.uv_cache = place.folder / "cold-uv"
    if bench.rng.random() < 0.3:
        bench.index.go_down()
        done = place.run()
        told = _orderly(done, (4,))
    else:
        running = place.start()
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(timeout=bench.rng.uniform(0.5, 8))
        bench.index.go_down()
        said, _ = running.communicate(timeout=300)
        told = _orderly(subprocess.CompletedProcess([], running.returncode, said, ""))
    bench.index.come_up()
    return told or _blames_nobody(place) or _goes_on(bench, place)


def _index_comes_back(bench: _Bench, place: StubWorld) -> str:
    """Busy for a moment: with uv's usual retries the run does not even notice."""
    place.uv_cache = place.folder / "cold-uv"
    bench.index.disturb("/simple/*", status=503, times=1)
    bench.index.disturb("/files/peft-*.whl", status=503, times=1)
    done = place.run(UV_HTTP_RETRIES="3")
    return _orderly(done, (0,)) or ("" if place.report() == bench.expected else "the report differs")


# ---------------------------------------------------------------------- the disk


def _filled(place: Path, leave: int) -> None:
    """Fill the file system of a folder but for `leave` bytes."""
    free = shutil.disk_usage(place).free - leave
    with (place / "filler").open("wb") as file:
        while free > 0:
            free -= file.write(b"x" * min(free, 2**20))


def _disk_full(which: str) -> Trial:
    def trial(bench: _Bench, place: StubWorld) -> str:
        """A small file system under one of the places, with too little room for the work."""
        folders = {"install": place.cache, "store": place.folder / "small", "lock": place.temporary}
        small = folders.get(which, place.temporary)
        with small_disk(small, 24) as mounted:
            if not mounted:
                return NOT_TRIED
            if which == "store":
                place.store = small / "store.sqlite3"
            if which == "install":
                place.uv_cache = small / "uv"  # so that files are linked, as they should be, and still need room
            if which == "probe":
                warmed = place.run("--only", "5.0.0-peft0.1.1")
                if warmed.returncode:
                    return f"warming: {warmed.stderr[-200:]}"
            # one page: Python takes another folder for temporary files where not one byte can be written
            leave = {"lock": 4096, "probe": 20_000, "store": 40_000}.get(which, bench.rng.randrange(0, 400_000))
            _filled(small, leave)
            done = place.run()
            told = _orderly(done, (4,)) or _blames_nobody(place)
            if "disk is full" not in done.stdout + done.stderr and "no space left" not in done.stdout + done.stderr:
                told = told or f"not named: {(done.stdout + done.stderr)[-300:]}"
            (small / "filler").unlink()
            return told or _goes_on(bench, place)

    return trial


def _disk_full_report(bench: _Bench, place: StubWorld) -> str:
    """The old report stays whole, and the new one is written once there is room."""
    if told := _orderly(place.run(), (0,)):
        return told
    small = place.folder / "small"
    with small_disk(small, 8) as mounted:
        if not mounted:
            return NOT_TRIED
        words = [*place.words("report", "--reports", str(small / "reports"))]
        first = place.done(words)
        if first.returncode:
            return f"the first report: {first.stderr[-200:]}"
        files = {path: path.read_bytes() for path in small.rglob("*") if path.is_file()}
        _filled(small, bench.rng.randrange(0, 30_000))
        full = place.done(words)
        told = _orderly(full, (4,)) or ("" if "disk is full" in full.stderr else f"not named: {full.stderr[-200:]}")
        torn = [path.name for path, content in files.items() if not path.is_file() or path.read_bytes() != content]
        (small / "filler").unlink()
        again = place.done(words)
        left = [path.name for path in small.rglob("*.new")]
        return told or (f"torn: {torn}" if torn else "") or _orderly(again, (0,)) or (f"left {left}" if left else "")


# ---------------------------------------------------------------------- clock, caches, interpreter

BACKWARDS = textwrap.dedent(
    """
    import datetime, sys, time
    real, asked = time.time, [0]
    def back():
        asked[0] += 1
        return real() - 5400.0 * asked[0]  # an hour and a half earlier each time it is asked
    class Backwards(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls.fromtimestamp(back(), tz)
    datetime.datetime = Backwards
    time.time = back
    from compatcheck.cli import main
    sys.exit(main(sys.argv[1:]))
    """
)


def _clock_backwards(bench: _Bench, place: StubWorld) -> str:
    """Every look at the clock is an hour and a half before the last one."""
    words = [sys.executable, "-c", BACKWARDS, *place.words("run", "--plain", "--again")[3:]]
    for _ in range(2):
        if told := _orderly(place.done(words), (0,)):
            return told
    if place.attempts() != sorted([0] * CELLS + [1] * CELLS):
        return f"attempts {place.attempts()}"
    return "" if place.report() == bench.expected else "the report differs"


@contextlib.contextmanager
def _read_only(folder: Path) -> Iterator[bool]:
    """A folder that nothing can be written into, for root too; False where this machine does not allow it."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        folder.chmod(0o500)
        try:
            yield True
        finally:
            folder.chmod(0o700)
        return
    bind = subprocess.run(["mount", "--bind", str(folder), str(folder)], capture_output=True)
    done = subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], capture_output=True)
    try:
        yield bind.returncode == done.returncode == 0
    finally:
        if bind.returncode == 0:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def _read_only_place(which: str) -> Trial:
    def trial(bench: _Bench, place: StubWorld) -> str:
        folders = {"cache": place.cache, "uv's cache": place.folder / "own-uv", "store": place.folder / "kept"}
        folder = folders[which]
        if which == "uv's cache":
            place.uv_cache = folder
        if which == "store":
            place.store = folder / "store.sqlite3"
        with _read_only(folder) as possible:
            if not possible:
                return NOT_TRIED
            told = _orderly(place.run(), (4,)) or _blames_nobody(place)
        return told or _goes_on(bench, place)

    return trial


def _corrupted(which: str) -> Trial:
    def trial(bench: _Bench, place: StubWorld) -> str:
        """Random files of the cache are cut, garbled, emptied or removed between two halves of a run."""
        place.uv_cache = place.folder / "own-uv"
        half = place.run("--only", "4.44.0")
        if half.returncode:
            return f"the first half: {half.stderr[-200:]}"
        root = place.uv_cache if which == "uv's cache" else place.cache
        files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
        files = [path for path in files if path.suffix != ".lock" and path.name != ".gitignore"]
        for path in bench.rng.sample(files, min(len(files), bench.rng.randrange(1, 30))):
            content = bytearray(path.read_bytes())
            match bench.rng.randrange(4):
                case 0:
                    content = content[: bench.rng.randrange(len(content) + 1)]
                case 1:
                    content[: len(content)] = bench.rng.randbytes(len(content))
                case 2:
                    content = bytearray()
                case _:
                    path.unlink()
                    continue
            with path.open("r+b") as file:  # in place: links of the same file are hit too
                file.truncate(0)
                file.write(content)
        told = _orderly(place.run()) or _blames_nobody(place)
        return told or _goes_on(bench, place)

    return trial


def _interpreter_gone(bench: _Bench, place: StubWorld) -> str:
    """The interpreter of the slots disappears between two halves of a run; a matrix asks for a Python that is none."""
    half = place.run("--only", "4.44.0")
    for python in (place.cache / "environments").glob("*/env/bin/python*"):
        python.unlink()
    told = _orderly(half, (0,)) or _orderly(place.run("--only", "5.0.0"), (0,)) or _goes_on(bench, place)
    place.matrix.write_text(place.matrix.read_text().replace('python = ["3.11"]', 'python = ["3.11", "3.99"]'))
    missing = place.run()
    told = told or _orderly(missing, (0,))
    return told or ("" if "Python 3.99 is not installed" in missing.stdout + missing.stderr else "not named")


def _no_uv(bench: _Bench, place: StubWorld) -> str:
    code = (
        "import sys, uv\n"
        "def gone(): raise FileNotFoundError('uv')\n"
        "uv.find_uv_bin = gone\n"
        "from compatcheck.cli import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    done = place.done([sys.executable, "-c", code, *place.words("run", "--plain")[3:]])
    told = _orderly(done, (4,)) or _blames_nobody(place)
    return (
        told
        or ("" if "pip install uv" in done.stderr else f"no remedy: {done.stderr[-200:]}")
        or _goes_on(bench, place)
    )


# ---------------------------------------------------------------------- the surroundings


def _surroundings(bench: _Bench, place: StubWorld) -> str:
    """No HOME, a locale of C, a path with spaces, quotes and letters of other scripts."""
    odd = StubWorld(place.folder / "a b's “ü” 提示", bench.index.url, place.uv_cache)
    environment = {name: value for name, value in odd.environment.items() if name not in ("HOME", "LANG", "USER")}
    for locale in ({"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}):
        for words in (odd.words("run", "--plain"), odd.words("report", "--reports", str(odd.folder / "reports"))):
            done = subprocess.run(
                words, env={**environment, **locale}, capture_output=True, text=True, errors="replace", cwd=ROOT
            )
            if told := _orderly(done, (0,)):
                return told
    return _goes_on(bench, odd)


def _garbled_store(bench: _Bench, place: StubWorld) -> str:
    """A store that is no database, or one with a damaged page, is refused in one line, and not made worse."""
    if told := _orderly(place.run("--only", "4.44.0"), (0,)):
        return told
    with closing(sqlite3.connect(place.store)) as rows:
        rows.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = place.store.read_bytes()
    content = bytearray(whole)
    start = bench.rng.randrange(len(content) - 64)
    content[start : start + 4096] = bench.rng.randbytes(len(content[start : start + 4096]))
    place.store.write_bytes(content)
    told = _orderly(place.run(), (0, 4))
    if not told:
        told = _orderly(place.done(place.words("report", "--stdout", "--format", "json")), (0, 2, 4))
    for path in place.folder.glob("store.sqlite3*"):
        if path.is_file():
            path.unlink()
    place.store.write_bytes(whole)
    return told or _goes_on(bench, place)


TRIALS: dict[str, Trial] = {
    "the index is down, or goes away at a random moment": _index_down,
    "the index is slow": _index(delay=1.5),
    "the index answers 404": _index(status=404),
    "the index answers 500": _index(status=500),
    "the index answers garbage": _index(body=b"\x00<<garbage{{" * 50),
    "wheels with a wrong hash": _index(tampered=True),
    "the connection breaks off in the middle of a wheel": _index(cut=True),
    "the index is busy for a moment (retries)": _index_comes_back,
    "disk full during install": _disk_full("install"),
    "disk full during lock": _disk_full("lock"),
    "disk full while the probe runs": _disk_full("probe"),
    "disk full at the store": _disk_full("store"),
    "disk full at the report": _disk_full_report,
    "the clock goes backwards": _clock_backwards,
    "read-only cache": _read_only_place("cache"),
    "read-only cache of uv": _read_only_place("uv's cache"),
    "read-only store": _read_only_place("store"),
    "uv's cache corrupted at random places": _corrupted("uv's cache"),
    "environments corrupted at random places": _corrupted("environments"),
    "a damaged page in the store": _garbled_store,
    "the interpreter is gone": _interpreter_gone,
    "no uv": _no_uv,
    "HOME unset, locale C, a path with spaces and Unicode": _surroundings,
}
