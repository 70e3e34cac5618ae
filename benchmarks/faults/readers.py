"""Files and lines that are damaged at random: never a traceback, never more than a moment."""

from __future__ import annotations

import contextlib
import io
import json
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import made_up

from compatcheck.cli import main as command_line
from compatcheck.domain import Observation
from compatcheck.errors import CompatcheckError
from compatcheck.explanation import explain
from compatcheck.lock_files import read_lock
from compatcheck.matrix import load_matrix
from compatcheck.parse import structured, unstructured
from compatcheck.protocol import Protocol
from compatcheck.requirement_files import read_requirements
from compatcheck.shipped import load_table

from .stub_world import ROOT
from .trials import Trials

PYLOCK = b'lock-version = "1.0"\n[[packages]]\nname = "peft"\nversion = "0.12.0"\n'
PROJECT = b'[project]\nname = "x"\ndependencies = ["peft>=0.12"]\n'
ORDERLY = (0, 1, 2, 4, 5)
"""Exit codes with a clear word; 3 is for what nobody foresaw."""


def bad_input(count: int, rng: random.Random) -> Trials:
    """Files of every kind that compatcheck reads, changed at random: never a traceback, always one clear line."""
    title = "files with random damage: matrix, report, table, requirements, lock, log, pyproject"
    with Trials(title).clock() as trials:
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
                trials.count(disorder(arguments, kind))
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
                data[place:place] = rng.choice(INSERTED)
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


def random_input(count: int, rng: random.Random) -> list[Trials]:
    """Each reader `count` times (the smaller ones a tenth of that): an answer, or one clear error."""
    logs = [path.read_bytes()[:4000] for path in sorted((ROOT / "tests" / "logs").glob("*.txt"))]
    matrix = (ROOT / "matrix" / "quick.toml").read_bytes()
    events = [json.dumps(each).encode() for each in EVENTS]
    requirements = (
        b"torch>=2.5 ; python_version > '3.8'\ntransformers[a]>=4.44,<4.50 \\\n  # x\npeft==0.12.0 --hash=sha256:ab\n"
    )
    observation = json.dumps(unstructured(made_up.observation())).encode()
    small = _small_table()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:
        path = Path(name) / "input"

        def from_file(read: Callable[[Path], object], content: bytes, suffix: str = ".toml") -> None:
            place = path.with_suffix(suffix)
            place.write_bytes(content)
            read(place)

        def observed(content: bytes) -> None:
            with contextlib.suppress(json.JSONDecodeError, UnicodeDecodeError):  # its writer is the store
                structured(json.loads(content), Observation, "store", strict=False)

        readers: dict[str, tuple[Callable[[], object], int]] = {
            "explain": (lambda: explain(damaged(rng.choice(logs), rng).decode("utf-8", "replace")), count),
            "the matrix reader": (lambda: from_file(load_matrix, damaged(matrix, rng)), count),
            "the table reader": (lambda: from_file(load_table, damaged(small, rng), ".json"), count),
            "the probe protocol": (lambda: told_protocol(damaged(rng.choice(events), rng)), count),
            "requirements": (lambda: from_file(read_requirements, damaged(requirements, rng), ".txt"), count // 10),
            "locks": (lambda: from_file(read_lock, damaged(PYLOCK, rng)), count // 10),
            "observations": (lambda: observed(damaged(observation, rng)), count // 10),
        }
        return [_answered(Trials(f"random input to {kind}"), read, times) for kind, (read, times) in readers.items()]


def _answered(trials: Trials, read: Callable[[], object], count: int) -> Trials:
    slowest = 0.0
    with trials.clock():
        for _ in range(count):
            began, problem = time.process_time(), ""
            try:
                read()
            except CompatcheckError:
                pass
            except Exception as error:
                problem = f"{type(error).__name__}: {str(error)[:100]}"
            slowest = max(slowest, time.process_time() - began)
            trials.count(problem)
    trials.note = f"slowest {1000 * slowest:.0f} ms"
    return trials


def _small_table() -> bytes:
    table = json.loads((ROOT / "compatcheck" / "data" / "table.json").read_text())
    cells = table["cells"]
    table["cells"] = (
        {name: values[:3] if isinstance(values, list) else values for name, values in cells.items()}
        if isinstance(cells, dict)
        else cells[:3]
    )
    return json.dumps(table).encode()


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
