"""Whether recommendations hold: random requests, the recommended lock installed with its hashes, the cycle run in it.

    python benchmarks/recommendations_run.py [--count 5] [--seed 1] [--folder FOLDER]

Installs torch: several GB the first time. Exit code 1 where a recommendation does not pass.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from compatcheck import KnownTable, Recommendation, UsageError, load_table, recommend
from compatcheck.pin_formats import PinFormat, pins_text


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


def passes(answer: Recommendation, folder: Path) -> bool:
    """Whether the cycle passes in a fresh environment of the recommended lock."""
    assert answer.cell is not None
    lock, environment = folder / "requirements.txt", folder / "environment"
    lock.write_text(pins_text(answer, PinFormat.REQUIREMENTS), encoding="utf-8")
    python = str(environment / "bin" / "python")
    subprocess.run(["uv", "venv", "-q", "--clear", "-p", answer.cell.python, str(environment)], check=True)
    subprocess.run(["uv", "pip", "sync", "-q", "-p", python, "--require-hashes", str(lock)], check=True)
    run = [sys.executable, "-m", "compatcheck", "probe", "--quiet", "--python", python]
    done = subprocess.run(run, capture_output=True, text=True)
    print(f"  {done.stdout.splitlines()[0] if done.stdout else done.stderr}", flush=True)
    return done.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where environments are made (default: a temporary folder)")
    arguments = parser.parse_args()
    chance, table = random.Random(arguments.seed), load_table()
    good = tried = 0
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
            print(f"{prefer} of {asked}: {' '.join(answer.pins)}")
            tried += 1
            good += passes(answer, Path(folder))
            if tried == arguments.count:
                break
    print(f"{good} of {tried} recommendations pass")
    return 0 if good == tried else 1


if __name__ == "__main__":
    sys.exit(main())
