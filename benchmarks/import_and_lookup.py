"""What it costs to ask: importing compatcheck, the first answer and every further one, as ratios within one run.

    python benchmarks/import_and_lookup.py [--repeats 15] [--write FILE]

Every number is told by the clock and by the processor's time, which another program that is busy does not lengthen
much, and that as a multiple of `import json` in the same run, measured in turns with it, so that two machines compare.
What starts an interpreter is a median over fresh ones; a whole command is measured with its interpreter's start.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

from compatcheck.machine import this_machine

VERSIONS = {"torch": "2.6.0", "transformers": "4.49.0", "peft": "0.15.2", "python": "3.11"}
FURTHER = 200

CASES = {
    "import json": "import json",
    "import compatcheck": "import compatcheck",
    "first lookup": f"import compatcheck; compatcheck.lookup({VERSIONS!r})",
    "first recommend": "import compatcheck; compatcheck.recommend({'torch': '2.6.0'})",
}

COMMANDS = {
    "`compatcheck recommend --torch 2.6.0`": ["recommend", "--torch", "2.6.0"],
    "`compatcheck recommend --bounds`": ["recommend", "--bounds"],
    "`compatcheck check -r requirements.txt` (ranges)": ["check", "-r", "requirements.txt"],
}

WITHIN = f"""
import json, time
import compatcheck
def each(times, ask):
    clock, processor = time.perf_counter(), time.process_time()
    for _ in range(times):
        ask()
    return (time.perf_counter() - clock) / times, (time.process_time() - processor) / times
lookup = lambda: compatcheck.lookup({VERSIONS!r})
recommend = lambda: compatcheck.recommend({{"torch": "2.6.0"}})
lookup(), recommend()
read = lambda: compatcheck.shipped.table_of_text(compatcheck.shipped.SHIPPED.read_bytes(), "again")
cells = len(compatcheck.load_table().cells)
print(json.dumps([each(5, read), each({FURTHER}, lookup), each(20, recommend), cells]))
"""

Spent = tuple[float, float]
"""Seconds by the clock, and of the processor."""


def seconds(code: str, folder: str) -> Spent:
    timed = (
        f"import time; clock, processor = time.perf_counter(), time.process_time()\n{code}\n"
        "print(time.perf_counter() - clock, time.process_time() - processor)"
    )
    done = subprocess.run([sys.executable, "-c", timed], capture_output=True, text=True, check=True, cwd=folder)
    clock, processor = map(float, done.stdout.split())
    return clock, processor


def command_seconds(words: list[str], folder: str) -> Spent:
    start, before = time.perf_counter(), children_seconds()
    done = subprocess.run([sys.executable, "-m", "compatcheck", *words], capture_output=True, text=True, cwd=folder)
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)
    return time.perf_counter() - start, children_seconds() - before


def children_seconds() -> float:
    """What all processes that this one has waited for took of the processor."""
    spent = os.times()
    return spent.children_user + spent.children_system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    # a folder without a store: the shipped table alone is asked
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "requirements.txt").write_text("torch\ntransformers>=4.40\npeft>=0.10\n")
        found: dict[str, list[Spent]] = {name: [] for name in (*CASES, *COMMANDS)}
        for _ in range(arguments.repeats):
            for name, code in CASES.items():
                found[name].append(seconds(code, folder))
            for name, words in COMMANDS.items():
                found[name].append(command_seconds(words, folder))
        within = subprocess.run(
            [sys.executable, "-c", WITHIN], capture_output=True, text=True, check=True, cwd=folder
        ).stdout
    middle = {name: tuple(map(statistics.median, zip(*values, strict=True))) for name, values in found.items()}
    reading, lookup, recommend, cells = json.loads(within)
    unit = middle["import json"][1]
    machine, now = this_machine(), datetime.now(timezone.utc)
    lines = [
        "# What asking costs",
        "",
        f"Written by `nox -s asking` on {now:%Y-%m-%d %H:%M} UTC: {machine.cpu}, {machine.cores} cores, "
        f"{machine.memory_mib / 1024:.0f} GiB, {machine.system}.",
        "",
    ]
    lines += [
        "| what | milliseconds | milliseconds of the processor | times `import json` of these |",
        "|---|---|---|---|",
    ]
    for name, (clock, processor) in [
        *middle.items(), ("reading the table again", reading), ("each further lookup", lookup),
        ("each further recommend", recommend),
    ]:  # fmt: skip
        lines.append(f"| {name} | {clock * 1000:.2f} | {processor * 1000:.2f} | {processor / unit:.2f} |")
    lines += [
        "",
        f"Medians of {arguments.repeats} fresh interpreters; a table of {cells} combinations. Load of the machine "
        f"meanwhile: {os.getloadavg()[1]:.1f}; alone on it everything takes less by the clock.",
    ]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if arguments.write:
        arguments.write.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
