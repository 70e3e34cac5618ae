"""Faults injected for real, counted, into reports/robustness.md.

    nox -s robustness                             everything; about three quarters of an hour on a quiet machine
    nox -s robustness -- --only probes,world      some parts
    nox -s robustness -- --go-on                  the parts that have not held yet
    nox -s robustness -- --only real-kills        kills over real packages, from the configured index
    nox -s robustness -- --write reports/robustness.md

What each part found is kept in .compatcheck/robustness.json, so that the parts can be run one by one; the report has
the latest of each. Exit code 1 where anything did not hold.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from pathlib import Path

from tabulate import tabulate

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

from faults.archives import archives
from faults.kills import kills
from faults.load import load
from faults.patterns import patterns
from faults.probes import probes
from faults.readers import bad_input, random_input
from faults.real_kills import real_kills
from faults.secrets import secrets
from faults.stores import torn_pages, torn_stores
from faults.text import hostile_judgements, hostile_text
from faults.together import together
from faults.trials import Trials
from faults.world import world

from compatcheck.machine import this_machine

NAMED_ONLY = frozenset({"real-kills"})
"""Parts that need the package index and gigabytes: run where `--only` names them."""
KEPT = Path(".compatcheck/robustness.json")
Part = Callable[[argparse.Namespace, random.Random], list[Trials]]
PARTS: dict[str, Part] = {
    "text": lambda chosen, rng: [hostile_text(), hostile_judgements()],
    "stores": lambda chosen, rng: [torn_stores(chosen.torn, rng), torn_pages(chosen.torn, rng)],
    "patterns": lambda chosen, rng: [patterns()],
    "readers": lambda chosen, rng: [bad_input(chosen.damaged, rng), *random_input(chosen.random, rng)],
    "archives": lambda chosen, rng: archives(rng),
    "secrets": lambda chosen, rng: secrets(chosen.rounds, rng),
    "probes": lambda chosen, rng: probes(chosen.rounds, rng),
    "world": lambda chosen, rng: world(chosen.rounds, rng, chosen.broken),
    "together": lambda chosen, rng: together(chosen.rounds, rng),
    "kills": lambda chosen, rng: kills(chosen.kills, rng, chosen.deadline),
    "real-kills": lambda chosen, rng: real_kills(chosen.real_kills, rng),
    "load": lambda chosen, rng: load(chosen.cells, chosen.store_gib),
}


def commit() -> str:
    """The commit that is tried, with a mark where files differ from it."""
    words = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    return subprocess.run(words, capture_output=True, text=True).stdout.strip() or "unknown"


def report_text(found: dict[str, dict], seed: int) -> str:
    """The report of what every part found last."""
    rows = [
        [
            row["name"],
            row["tried"],
            row["tried"] - len(row["broken"]),
            f"{row['seconds']:.0f}",
            found[part]["date"],
            row["note"],
        ]
        for part in PARTS
        for row in found.get(part, {}).get("rows", ())
    ]
    machine = this_machine()
    days = sorted({each["date"] for each in found.values()})
    commits = sorted({each.get("commit", "unknown") for each in found.values()})
    table = tabulate(rows, headers=["fault", "tried", "held", "seconds", "date", "measured"], tablefmt="github")
    broken = [f"- {row['name']}: {text}" for each in found.values() for row in each["rows"] for text in row["broken"]]
    missing = [part for part in PARTS if part not in found]
    return "\n".join(
        [
            "# What was survived",
            "",
            f"Written by `nox -s robustness` on {' and '.join(days)} (seed {seed}, commit {' and '.join(commits)}), "
            f"{machine.system}, {machine.cpu}, {machine.cores} cores. Every fault is injected for real, into the "
            "command line or the pipeline over stub packages. The usual test suite has more of them.",
            "",
            table,
            *(["", "What did not hold:", "", *broken] if broken else []),
            *(["", f"Parts that have not been run: {', '.join(missing)}."] if missing else []),
            "",
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help=f"parts, with commas between them: {', '.join(PARTS)}")
    parser.add_argument("--go-on", action="store_true", help="only what has not been run yet, or did not hold")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--real-kills", type=int, default=5, help="over real packages, where that part is named")
    parser.add_argument("--rounds", type=int, default=3, help="of each fault of the world, of probes, of secrets")
    parser.add_argument("--torn", type=int, default=1000)
    parser.add_argument("--damaged", type=int, default=2000)
    parser.add_argument("--random", type=int, default=100_000)
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--store-gib", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=60.0, help="no part, and no kill, is begun after these")
    parser.add_argument("--write", type=Path, help="write the report of all that is kept")
    chosen = parser.parse_args()
    parts = chosen.only.split(",") if chosen.only else [part for part in PARTS if part not in NAMED_ONLY]
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    found: dict[str, dict] = json.loads(KEPT.read_text()) if KEPT.is_file() else {}
    chosen.deadline = time.monotonic() + 60 * chosen.minutes
    for part in parts:
        if time.monotonic() > chosen.deadline:
            print(f"{part}: not run, {chosen.minutes:g} minutes have passed", flush=True)
            continue
        if chosen.go_on and part in found and not any(row["broken"] for row in found[part]["rows"]):
            continue
        kept = found[part]["rows"] if chosen.go_on and part in found and part == "world" else []
        chosen.broken = [row["name"] for row in kept if row["broken"]]
        began = time.monotonic()
        rows = PARTS[part](chosen, random.Random(f"{chosen.seed} {part}"))
        new = {row.name: asdict(row) for row in rows}
        told = [new.pop(row["name"], row) for row in kept] + list(new.values())
        found[part] = {"date": str(date.today()), "commit": commit(), "rows": told}
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(json.dumps(found, indent=1))
        print(f"{part}: {time.monotonic() - began:.0f} s", flush=True)
        for row in rows:
            print(f"  {row.name}: {row.held} of {row.tried} held, {row.seconds:.0f} s {row.note}".rstrip(), flush=True)
            for problem, times in Counter(row.broken).most_common(10):
                print(f"    {problem}" + (f" ({times} times)" if times > 1 else ""), flush=True)
    if chosen.write:
        chosen.write.write_text(report_text(found, chosen.seed), encoding="utf-8")
    return 1 if any(part not in found or any(row["broken"] for row in found[part]["rows"]) for part in parts) else 0


if __name__ == "__main__":
    sys.exit(main())
