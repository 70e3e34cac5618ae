"""Whether recommendations hold: random requests, the recommended lock installed with its hashes, the cycle run in it.

    python benchmarks/recommendations_run.py [--count 8] [--seed 1] [--folder FOLDER]

Writes reports/recommendations.md. Installs torch: several GB the first time. Exit code 1 where a recommendation does
not pass.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from tabulate import tabulate

from compatcheck import KnownTable, Recommendation, UsageError, load_table, probe_environment, recommend
from compatcheck.machine import this_machine
from compatcheck.pin_formats import PinFormat, pins_text

TARGET = Path(__file__).resolve().parent.parent / "reports" / "recommendations.md"


def request(chance: random.Random, table: KnownTable) -> dict[str, str]:
    """A range, a pin, an exclusion or nothing for each package."""
    asked = {}
    for name, axis in table.axes.items():
        low, high = sorted(chance.choices(range(len(axis)), k=2))
        form = chance.choice(
            ["", f">={axis[low]}", f"<={axis[high]}", f">={axis[low]},<={axis[high]}", axis[low], f"!={axis[high]}"]
        )
        if form:
            asked[name] = form
    return asked


def ran(answer: Recommendation, folder: Path) -> tuple[str, str]:
    """What the cycle does in a fresh environment of the recommended lock, in a word and in a line."""
    assert answer.cell is not None
    lock, environment = folder / "requirements.txt", folder / "environment"
    lock.write_text(pins_text(answer, PinFormat.REQUIREMENTS), encoding="utf-8")
    python = environment / "bin" / "python"
    subprocess.run(["uv", "venv", "-q", "--clear", "-p", answer.cell.python, str(environment)], check=True)
    subprocess.run(["uv", "pip", "sync", "-q", "-p", str(python), "--require-hashes", str(lock)], check=True)
    result = probe_environment(python)
    print(f"  {result.as_text().splitlines()[0]}", flush=True)
    return str(result.outcome), result.signature or ""


def text(rows: Sequence[Sequence[str]], seed: int) -> str:
    """The report."""
    machine, now, good = this_machine(), datetime.now(timezone.utc), sum(row[-1] == "pass" for row in rows)
    return "\n\n".join(
        [
            "# Recommendations tried",
            f"**{good} of {len(rows)} pass.** Random requests (seed {seed}) put to `compatcheck recommend`; each lock "
            "installed with its hashes into a fresh environment, and the cycle run there.",
            f"Written by `nox -s recommendations` on {now:%Y-%m-%d %H:%M} UTC with the table of {load_table().newest}: "
            f"{machine.cpu}, {machine.cores} cores, {machine.memory_mib / 1024:.0f} GiB, {machine.system}.",
            tabulate(
                rows, headers=["asked", "prefer", "recommended", "lock", "the cycle"], tablefmt="github",
                disable_numparse=True,
            ),
        ]
    ) + "\n"  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where environments are made (default: a temporary folder)")
    arguments = parser.parse_args()
    chance, table = random.Random(arguments.seed), load_table()
    rows: list[tuple[str, ...]] = []
    seen: set[tuple[str, ...]] = set()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for _ in range(100 * arguments.count):
            asked, prefer = request(chance, table), chance.choice(["newest", "stable", "oldest"])
            try:
                answer = recommend(asked, prefer=prefer, table=table)
            except UsageError:
                continue  # the ranges contradict each other
            if not answer.found or answer.pins in seen:
                continue
            seen.add(answer.pins)
            told = " ".join(f"{name}{each}" for name, each in answer.request.ranges.items()) or "anything"
            print(f"{prefer} of {told}: {' '.join(answer.pins)}")
            outcome, signature = ran(answer, Path(folder))
            digest = answer.lock.digest if answer.lock else ""
            went = f"{outcome} ({signature})" if signature else outcome
            rows.append((f"`{told}`", prefer, f"`{' '.join(answer.pins)}`", f"`{digest}`", went))
            if len(rows) == arguments.count:
                break
    TARGET.write_text(text(rows, arguments.seed), encoding="utf-8")
    print(TARGET)
    return int(any(row[-1] != "pass" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
