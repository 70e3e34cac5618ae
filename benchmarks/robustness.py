"""Faults injected for real, counted: kill -9 at random moments, torn stores, bad input, hostile text, load.

    nox -s robustness [-- --kills 100] [--seed 1] [--write reports/robustness.md]

Kills: a run over stub packages is ended by SIGKILL, itself, its uv or its probe, at a random moment, and started again.
The report must then say what that of an undisturbed run says, no finished cell may have run twice (a cell whose probe
was killed is run again until two runs agree), and no process or temporary file may be left. Exit code 1 where anything
did not hold.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import psutil
from tabulate import tabulate

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
import made_up
from minimatrix.index import LocalIndex

from compatcheck.cli import main as command_line
from compatcheck.domain import Raised, digest_of
from compatcheck.errors import CompatcheckError, StoreError
from compatcheck.explanation import explain
from compatcheck.machine import this_machine
from compatcheck.matrix import load_matrix
from compatcheck.protocol import Protocol
from compatcheck.report.cell_text import cell_lines
from compatcheck.report.files import report_files
from compatcheck.report.junit import junit_text
from compatcheck.report.pictures import picture_files
from compatcheck.shipped import load_table
from compatcheck.store import Store

MATRIX = """
python = ["3.11"]
[axes]
torch = ["newest"]
transformers = ["4.44.0", "5.0.0"]
peft = ["0.1.0", "0.1.1", "0.2.0", "newest"]
[scenario]
epochs = 2
new_tokens = 6
[limits]
stage_seconds = 20
memory_mib = 1024
[index]
url = "{url}"
"""
CELLS = 8
CLOCKED = ("started", "seconds", "peak_rss_mib", "resolved", "stages", "attempts", "agreeing")
"""What may differ between two runs of the same thing."""
ATTEMPTS = ([0] * CELLS, [*[0] * CELLS, 1, 2])
"""Each cell ran once; or one probe was killed, which looks like a crash: its cell was run again until two agree."""
HOSTILE = (
    "</script><img src=x onerror=alert(1)>", "\x1b[31mred\x1b[0m", "\u202egnp.exe", "=HYPERLINK(1)", "`x` | <b> [a](b)",
    "\ud800 half a pair", "\x00\x07\x08", "&lt;b&gt; ]]> <!--", "é\u0301" * 50, "x" * 1_000_000,
)  # fmt: skip


@dataclass
class Trials:
    """What was tried and what did not hold."""

    name: str
    tried: int = 0
    broken: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def note(self, problem: str) -> None:
        """One more was tried; `problem` is empty where it held."""
        self.tried += 1
        if problem:
            self.broken.append(problem)


@contextlib.contextmanager
def clocked(trials: Trials) -> Iterator[Trials]:
    began = time.monotonic()
    yield trials
    trials.seconds = time.monotonic() - began


# ---------------------------------------------------------------------- kill -9


def kills(count: int, rng: random.Random) -> Trials:
    with clocked(Trials("kill -9 of run, uv or probe at a random moment")) as trials, LocalIndex() as index:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "stub.toml").write_text(MATRIX.format(url=index.url))
            began = time.monotonic()
            whole = reported(folder, "whole", rounds=0, rng=rng)[0]
            usual = time.monotonic() - began
            for number in range(count):
                seen, attempts, left = reported(folder, f"killed-{number}", rounds=1, rng=rng, within=usual)
                problems = []
                if seen != whole:
                    problems.append("the report differs")
                if attempts not in ATTEMPTS:
                    problems.append(f"attempts {attempts}")
                if left:
                    problems.append(f"left behind: {left[:3]}")
                trials.note("; ".join(problems) and f"round {number}: {'; '.join(problems)}")
                shutil.rmtree(folder / f"killed-{number}", ignore_errors=True)
    return trials


def reported(
    folder: Path, name: str, rounds: int, rng: random.Random, within: float = 0.0
) -> tuple[dict, list[int], list[str]]:
    """The report of a run that is killed `rounds` times and then let through, its attempts, and what is left behind."""
    place = folder / name
    temporary = place / "tmp"
    temporary.mkdir(parents=True)
    places = ["--store", str(place / "store.sqlite3"), "--cache", str(place / "cache")]
    environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "compatcheck", "run", str(folder / "stub.toml"), "--plain", "--jobs", "2", *places]
    for _ in range(rounds):
        running = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.05, max(0.1, within)))
        kill_one(running.pid, rng)
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(timeout=rng.uniform(0.1, within))
        running.kill()
        running.wait()
    subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    words = [sys.executable, "-m", "compatcheck", "report", str(folder / "stub.toml"), "--stdout", "--format", "json"]
    done = subprocess.run([*words, *places], env=environment, capture_output=True, text=True, check=True)
    seen = json.loads(done.stdout)
    del seen["generated"]
    for cell in seen["cells"]:
        for clock in CLOCKED:
            del cell[clock]
    with contextlib.closing(sqlite3.connect(place / "store.sqlite3")) as rows:
        attempts = sorted(row[0] for row in rows.execute("SELECT attempt FROM observations"))
    return seen, attempts, left_behind(place)


def kill_one(pid: int, rng: random.Random) -> None:
    """SIGKILL for the run itself or one of its descendants."""
    try:
        process = psutil.Process(pid)
        victims = [process, *process.children(recursive=True)]
        rng.choice(victims).send_signal(signal.SIGKILL)
    except psutil.NoSuchProcess:
        return


def left_behind(place: Path) -> list[str]:
    """Processes that speak of the folder, and temporary files in it."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and (living := list(speaking_of(str(place)))):
        time.sleep(0.1)
    temporary = [str(path) for path in (place / "tmp").glob("compatcheck-*")]
    return [*living, *temporary, *(str(path) for path in place.rglob("*.new"))]


def speaking_of(text: str) -> Iterator[str]:
    for process in psutil.process_iter(["cmdline"]):
        words = " ".join(process.info["cmdline"] or ())
        if text in words and process.pid != os.getpid():
            yield f"process {process.pid} {words[:120]}"


# ---------------------------------------------------------------------- torn stores


def torn_stores(count: int, rng: random.Random) -> Trials:
    """Copies of a store as a loss of power may leave them: the log of pending writes cut at any byte."""
    with clocked(Trials("power lost: copies of a store with its write-ahead log cut anywhere")) as trials:
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "store.sqlite3"
            with Store(path) as store:
                copies = []
                for number in range(30):
                    each = made_up.cell(peft=f"0.{number}.0")
                    store.save_observation(made_up.lock(each), digest_of(str(number)), made_up.observation())
                    copies.append((path.read_bytes(), Path(f"{path}-wal").read_bytes(), number + 1))
            for number in range(count):
                main, log, most = rng.choice(copies)
                place = Path(name) / f"torn-{number}.sqlite3"
                place.write_bytes(main)
                Path(f"{place}-wal").write_bytes(log[: rng.randrange(len(log) + 1)])
                try:
                    with Store(place) as torn:
                        seen = len(torn.seconds())
                        torn.save_trouble(made_up.cell(), digest_of("x"), "p", "written again")
                    trials.note("" if seen <= most else f"{seen} observations of {most}")
                except StoreError as error:
                    trials.note(f"unreadable: {error}")
    return trials


# ---------------------------------------------------------------------- bad input

PYLOCK = b'lock-version = "1.0"\n[[packages]]\nname = "peft"\nversion = "0.12.0"\n'
PROJECT = b'[project]\nname = "x"\ndependencies = ["peft>=0.12"]\n'
ORDERLY = (0, 1, 2, 4, 5)
"""Exit codes with a clear word; 3 is for what nobody foresaw."""


def bad_input(count: int, rng: random.Random) -> Trials:
    """Files of every kind that compatcheck reads, changed at random: never a traceback, always one clear line."""
    with clocked(
        Trials("files with random damage: matrix, report, table, requirements, lock, log, pyproject")
    ) as trials:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            report = json.loads((ROOT / "reports" / "compatibility.json").read_text())
            report["cells"] = report["cells"][:5]
            good = {
                "matrix.toml": ((ROOT / "matrix" / "quick.toml").read_bytes(), ["report"]),
                "report.json": (json.dumps(report).encode(), ["diff", "{}", "{}"]),
                "table.json": ((ROOT / "compatcheck/data/table.json").read_bytes()[:30_000], ["check", "--table"]),
                "requirements.txt": (b"torch>=2.5\ntransformers>=4.44,<4.50 # x\npeft==0.12.0\n", ["check", "-r"]),
                "pylock.toml": (PYLOCK, ["check", "--lock"]),
                "error.log": (b"Traceback (most recent call last):\n  File 'a', line 1\nKeyError: 'x'\n", ["explain"]),
                "pyproject.toml": (PROJECT, ["recommend", "--project"]),
            }  # fmt: skip
            for number in range(count):
                kind = rng.choice(list(good))
                content, words = good[kind]
                path = folder / f"{number}-{kind}"
                path.write_bytes(damaged(content, rng))
                told = [word.replace("{}", str(path)) for word in words]
                arguments = told if "{}" in words else [*told, str(path)]
                if kind == "matrix.toml":
                    arguments += ["--store", str(folder / "none.sqlite3"), "--stdout"]
                trials.note(disorder(arguments, kind))
    return trials


INSERTED = (b"\x00", b'"', b"[[", b"}", b"\xff\xfe", b"=", b"-1", b"null", b"9" * 400)


def damaged(content: bytes, rng: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(rng.randrange(1, 6)):
        place = rng.randrange(len(data) + 1)
        match rng.randrange(5):
            case 0:
                data[place : place + 1] = bytes([rng.randrange(256)])
            case 1:
                del data[place : place + rng.randrange(40)]
            case 2:
                data[place:place] = rng.choice(
                    [b"\x00", b'"', b"[[", b"}", b"\xff\xfe", b"=", b"-1", b"null", b"9" * 400]
                )
            case 3:
                del data[place:]
            case _:
                data[place:place] = data[: rng.randrange(len(data) + 1)][:200]
    return bytes(data)


def disorder(arguments: list[str], kind: str) -> str:
    """What is wrong with the answer to a command line; empty where it is orderly."""
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = command_line(arguments)
    except SystemExit as left:
        code = int(left.code or 0)
    if code not in ORDERLY:
        return f"{kind}: exit code {code}: {err.getvalue()[-200:]}"
    if "Traceback" in err.getvalue():
        return f"{kind}: a traceback: {err.getvalue()[-200:]}"
    return "" if code == 0 or out.getvalue() or err.getvalue() else f"{kind}: exit code {code} without a word"


# ---------------------------------------------------------------------- random input to the readers


def random_input(count: int, rng: random.Random) -> Trials:
    """Each reader `count` times: an answer or one clear error, and never more than a moment."""
    with clocked(
        Trials("random input to explain, the matrix reader, the table reader and the probe protocol")
    ) as trials:
        logs = [path.read_bytes()[:4000] for path in sorted((ROOT / "tests" / "logs").glob("*.txt"))]
        matrix = (ROOT / "matrix" / "quick.toml").read_bytes()
        table = json.loads((ROOT / "compatcheck" / "data" / "table.json").read_text())
        table["cells"] = (
            {name: values[:3] if isinstance(values, list) else values for name, values in table["cells"].items()}
            if isinstance(table["cells"], dict)
            else table["cells"][:3]
        )
        small = json.dumps(table).encode()
        events = [json.dumps(each).encode() for each in EVENTS]
        with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:
            path = Path(name) / "input"

            def from_file(read: Callable[[Path], object], content: bytes) -> None:
                path.write_bytes(content)
                read(path)

            readers: dict[str, Callable[[], object]] = {
                "explain": lambda: explain(damaged(rng.choice(logs), rng).decode("utf-8", "replace")),
                "matrix": lambda: from_file(load_matrix, damaged(matrix, rng)),
                "table": lambda: from_file(load_table, damaged(small, rng)),
                "protocol": lambda: told_protocol(damaged(rng.choice(events), rng)),
            }
            for kind, read in readers.items():
                slowest = 0.0
                for _ in range(count):
                    began = time.perf_counter()
                    try:
                        read()
                    except CompatcheckError:
                        pass
                    except Exception as error:
                        trials.broken.append(f"{kind}: {type(error).__name__}: {str(error)[:100]}")
                    slowest = max(slowest, time.perf_counter() - began)
                    trials.tried += 1
                print(f"  {kind}: slowest of {count:,} took {1000 * slowest:.0f} ms", flush=True)
    return trials


EVENTS = (
    {"event": "began", "probe": 1},
    {"event": "stage-began", "stage": "import"},
    {"event": "stage-ended", "stage": "import", "status": "failed", "seconds": 1.5, "peak_rss_mib": 500.0,
     "chain": [{"type": "KeyError", "module": "m", "message": "x", "frames": []}]},
    {"event": "mode", "mode": "cached", "status": "ok", "seconds": 0.1, "chain": []},
    {"event": "check", "name": "loss-fell", "passed": True, "measured": 0.4, "limit": 0.01, "detail": "", "mode": None},
    {"event": "facts", "facts": {"losses": [1.0]}},
)  # fmt: skip


def told_protocol(line: bytes) -> None:
    protocol = Protocol(lambda event, fields: None, lambda data: data)
    protocol.take(b'{"event": "stage-began", "stage": "import"}')
    protocol.take(line)


# ---------------------------------------------------------------------- hostile text


def hostile_text() -> Trials:
    """Text from outside in every format: without what commands a terminal, a browser or a spreadsheet."""
    with clocked(Trials("hostile text in every format")) as trials:
        for text in HOSTILE:
            clean = text.encode("utf-8", "replace").decode()
            failing = made_up.cell(peft="0.12.0")
            results = [
                made_up.result(made_up.cell()),
                made_up.result(failing, made_up.observation(Raised("Odd", "m", clean))),
                made_up.result(made_up.cell(peft="0.10.0"), reason=clean),
            ]
            context = made_up.context(results)
            formats = {
                **report_files(context),
                "junit.xml": junit_text(context),
                "terminal": "\n".join(cell_lines(context, context.by_id[failing.id], Path("m.toml"))),
                **picture_files(context),
            }
            for name, told in formats.items():
                trials.note(harm(name, told) and f"{harm(name, told)} in {name} for {clean[:30]!r}")
    return trials


def harm(name: str, text: str) -> str:
    if any(sign in text for sign in ("\x1b", "\x00", "\x07", "\u202e")):
        return "a control character"
    if name.endswith(".md"):
        text = re.sub(r"`[^`\n]*`|\\\\<", "", text)  # a code span shows what stands in it
    if name.endswith((".html", ".svg", ".md")) and "<img src=x" in text:
        return "markup"
    cells = (part for line in text.splitlines() for part in line.split(","))
    if name.endswith(".csv") and any(part.startswith(("=", "+", "-", "@")) for part in cells):
        return "a formula"
    # JSON is for programs: it has the whole text
    return "too long" if len(text) > 600_000 and not name.endswith(".json") else ""


# ---------------------------------------------------------------------- the whole


def load(count: int) -> Trials:
    """Many observations through the store, and read again one by one: memory stays flat."""
    with clocked(Trials(f"{count:,} observations through the store")) as trials:
        with tempfile.TemporaryDirectory() as name, Store(Path(name) / "store.sqlite3") as store:
            process, before = psutil.Process(), 0.0
            seen = made_up.observation()
            for number in range(count):
                lock = made_up.lock(made_up.cell(peft=f"0.{number % 500}.{number // 500}"))
                store.save_observation(lock, digest_of("load"), seen)
                if number == count // 10:
                    before = process.memory_info().rss
            read = sum(1 for _ in store.every_observation())
            grown = (process.memory_info().rss - before) / 2**20
            trials.note("" if read == count else f"{read} of {count} read again")
            trials.note("" if grown < 100 else f"memory grew by {grown:.0f} MiB")
    return trials


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--torn", type=int, default=1000)
    parser.add_argument("--damaged", type=int, default=2000)
    parser.add_argument("--random", type=int, default=100_000)
    parser.add_argument("--observations", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", type=Path)
    chosen = parser.parse_args()
    rng = random.Random(chosen.seed)
    steps: list[Callable[[], Trials]] = [
        hostile_text,
        lambda: bad_input(chosen.damaged, rng),
        lambda: random_input(chosen.random, rng),
        lambda: torn_stores(chosen.torn, rng),
        lambda: load(chosen.observations),
        lambda: kills(chosen.kills, rng),
    ]
    done = []
    for step in steps:
        trials = step()
        done.append(trials)
        print(
            f"{trials.name}: {trials.tried - len(trials.broken)} of {trials.tried} held, {trials.seconds:.0f} s",
            flush=True,
        )
        for problem, times in Counter(trials.broken).most_common(10):
            print(f"  {problem}" + (f" ({times} times)" if times > 1 else ""), flush=True)
    if chosen.write:
        rows = [[each.name, each.tried, each.tried - len(each.broken), f"{each.seconds:.0f}"] for each in done]
        machine = this_machine()
        table = tabulate(rows, headers=["fault", "tried", "held", "seconds"], tablefmt="github")
        where = f"{machine.system}, {machine.cpu}, {machine.cores} cores"
        told = f"Written by `nox -s robustness` on {date.today()} (seed {chosen.seed}), {where}."
        more = "Every fault is injected for real. The usual test suite has the others."
        chosen.write.write_text(f"# What was survived\n\n{told} {more}\n\n{table}\n", encoding="utf-8")
    return 1 if any(each.broken for each in done) else 0


if __name__ == "__main__":
    sys.exit(main())
