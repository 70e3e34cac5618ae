"""What it costs to ask: importing compatcheck, the first answer and every further one, as ratios within one run.

    python benchmarks/import_and_lookup.py [--repeats 15] [--write FILE]

Every number is also told as a multiple of `import json` in the same run, measured in turns with it, so that two
machines, or a busy and an idle one, compare. What starts an interpreter is a median over fresh ones; a whole command is
measured with its interpreter's start.
"""

from __future__ import annotations

import argparse
import json
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
start = time.perf_counter(); compatcheck.lookup({VERSIONS!r}); first = time.perf_counter() - start
start = time.perf_counter()
for _ in range({FURTHER}):
    compatcheck.lookup({VERSIONS!r})
lookup = (time.perf_counter() - start) / {FURTHER}
start = time.perf_counter()
for _ in range(20):
    compatcheck.recommend({{"torch": "2.6.0"}})
recommend = (time.perf_counter() - start) / 20
start = time.perf_counter(); compatcheck.shipped.table_of_text(compatcheck.shipped.SHIPPED.read_bytes(), "again")
print(json.dumps([lookup, recommend, time.perf_counter() - start, len(compatcheck.load_table().cells)]))
"""


def seconds(code: str, folder: str) -> float:
    timed = f"import time; start = time.perf_counter()\n{code}\nprint(time.perf_counter() - start)"
    done = subprocess.run([sys.executable, "-c", timed], capture_output=True, text=True, check=True, cwd=folder)
    return float(done.stdout)


def command_seconds(words: list[str], folder: str) -> float:
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "compatcheck", *words], capture_output=True, text=True, cwd=folder)
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    # a folder without a store: the shipped table alone is asked
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "requirements.txt").write_text("torch\ntransformers>=4.40\npeft>=0.10\n")
        found: dict[str, list[float]] = {name: [] for name in (*CASES, *COMMANDS)}
        for _ in range(arguments.repeats):
            for name, code in CASES.items():
                found[name].append(seconds(code, folder))
            for name, words in COMMANDS.items():
                found[name].append(command_seconds(words, folder))
        within = subprocess.run(
            [sys.executable, "-c", WITHIN], capture_output=True, text=True, check=True, cwd=folder
        ).stdout
    middle = {name: statistics.median(values) for name, values in found.items()}
    lookup, recommend, reading, cells = json.loads(within)
    unit = middle["import json"]
    machine, now = this_machine(), datetime.now(timezone.utc)
    lines = [
        "# What asking costs",
        "",
        f"Written by `nox -s asking` on {now:%Y-%m-%d %H:%M} UTC: {machine.cpu}, {machine.cores} cores, "
        f"{machine.memory_mib / 1024:.0f} GiB, {machine.system}.",
        "",
    ]
    lines += ["| what | milliseconds | times `import json` |", "|---|---|---|"]
    for name, value in [
        *middle.items(), ("reading the table again", reading), ("each further lookup", lookup),
        ("each further recommend", recommend),
    ]:  # fmt: skip
        lines.append(f"| {name} | {value * 1000:.2f} | {value / unit:.2f} |")
    lines.append("")
    lines.append(f"Medians of {arguments.repeats} fresh interpreters; a table of {cells} combinations.")
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if arguments.write:
        arguments.write.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
