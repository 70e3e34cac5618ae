"""Asking a table of up to 100,000 measured combinations: time and memory of a whole command, in a process of its own.

    python benchmarks/large_table.py [--cells 1000 10000 100000] [--write FILE]

The table is made up and given by --table; the commands are the real ones. Seconds of processor time are counted, with
the interpreter's start; an exponent of 1 is as much again for each cell more.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
from datetime import date, timedelta
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tabulate import tabulate

from compatcheck.machine import this_machine

SHAPES = {1_000: (1, 5, 20, 10), 10_000: (1, 20, 25, 20), 100_000: (2, 25, 50, 40)}
"""Cells to the number of Pythons, torch, transformers and peft releases."""
FIRST = date(2023, 1, 1)
COMMANDS = {
    "recommend": ["recommend"],
    "recommend, of ranges": ["recommend", "--torch", "1.3.0", "--transformers", ">=1.4,<1.9", "peft<1.8"],
    "recommend --prefer stable": ["recommend", "--prefer", "stable"],
    "recommend --bounds": ["recommend", "--bounds"],
    "recommend, what is not there": ["recommend", "--transformers", "99.0.0"],
    "check, a known combination": ["check", "torch==1.3.0", "transformers==1.4.0", "peft==1.9.0"],
    "check, an unknown combination": ["check", "torch==1.3.1", "transformers==1.4.1", "peft==1.9.0"],
    "check, of ranges": ["check", "torch", "transformers>=1.4", "peft>=1.2"],
}


def releases(count: int) -> list[str]:
    return [f"{1 + number // 10}.{number % 10}.0" for number in range(count)]


def table(cells: int) -> dict[str, Any]:
    """Pieces with straight borders."""
    pythons, *counts = SHAPES[cells]
    axes = [releases(count) for count in counts]
    rows = []
    for number, torch, transformers, peft in product(range(pythons), *map(range, counts)):
        works = transformers / counts[1] < 0.5 or peft / counts[2] > 0.4
        told = (
            {"outcome": "pass"} if works else {"outcome": "fail", "signature": "cache-layers-empty", "stage": "train"}
        )
        versions = {"torch": axes[0][torch], "transformers": axes[1][transformers], "peft": axes[2][peft]}
        rows.append({"source": 0, "python": f"3.{10 + number}", "versions": versions, "measured": "2026-06-01", **told,
                     "beside": {"accelerate": "1.0.0", "numpy": "2.0.0"}})  # fmt: skip
    names = ("torch", "transformers", "peft")
    released = {
        f"{name} {version}": str(FIRST + timedelta(days=9 * number))
        for name, axis in zip(names, axes, strict=True)
        for number, version in enumerate(axis)
    }
    source = {"matrix": "made-up", "policy": "today", "platform": "linux-x86_64", "model": "tiny-bloom",
              "generated": "2026-06-01"}  # fmt: skip
    return {"kind": "compatcheck-table", "schema": 1, "compatcheck": "0", "sources": [source], "released": released,
            "cells": rows}  # fmt: skip


def write(cells: int, path: Path) -> None:
    path.write_text(json.dumps(table(cells)), encoding="utf-8")


def spent(words: list[str], folder: str) -> tuple[float, float]:
    """Seconds of the processor and the most MiB of a command."""
    done = subprocess.Popen([sys.executable, "-m", "compatcheck", *words], stdout=subprocess.DEVNULL, cwd=folder)
    _, status, used = os.wait4(done.pid, 0)
    done.returncode = os.waitstatus_to_exitcode(status)
    if done.returncode not in (0, 1, 5):
        raise SystemExit(f"{words}: code {done.returncode}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, nargs="*", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--write", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for cells in arguments.cells:
            # in a process of its own: what stands in memory here would be counted as the command's
            made = get_context("fork").Process(target=write, args=(cells, Path(folder, f"{cells}.json")))
            made.start()
            made.join()
        for name, words in COMMANDS.items():
            before: tuple[int, float] | None = None
            for cells in arguments.cells:
                seconds, mib = spent([*words, "--table", f"{cells}.json"], folder)
                grown = math.log(seconds / before[1]) / math.log(cells / before[0]) if before else None
                rows.append([name, f"{cells:,}", f"{seconds:.1f}", f"{mib:.0f}", f"{grown:.2f}" if grown else ""])
                print(*rows[-1], sep=" | ", flush=True)
                before = cells, seconds
    if arguments.write:
        headers = ["command", "cells", "processor s", "MiB", "exponent of the time"]
        about = "\n\n".join(__doc__.split("\n\n")[2:]).strip()
        where = this_machine()
        said = (
            f"Written by `python benchmarks/large_table.py` on {date.today()}; {where.cpu}, {where.cores} cores, "
            f"Python {platform.python_version()}."
        )
        text = tabulate(rows, headers, tablefmt="github", disable_numparse=True)
        arguments.write.write_text(f"# Asking a large table\n\n{said} {about}\n\n{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
