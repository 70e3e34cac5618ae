"""Whether expectations hold: combinations that nobody has run, drawn by chance among all final releases, then run.

    python benchmarks/expectations_run.py [--count 60] [--seed 1] [--torch 2.6.0 2.15.0] [--store STORE] [--cache CACHE]

Of each is written down what `check` says before the run: what is to be expected of it, or that it cannot be imported by
the packages' sources. Writes reports/expectations.md. `--torch` names those to draw from, as each takes gigabytes.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from packaging.version import Version
from tabulate import tabulate

from compatcheck import KnownTable, load_table, lookup
from compatcheck.domain import CORE, Basis, Cell, Outcome
from compatcheck.import_needs import shipped_needs
from compatcheck.interval import Interval
from compatcheck.machine import this_machine
from compatcheck.verdict import Standing

TARGET = Path(__file__).resolve().parent.parent / "reports" / "expectations.md"
GROUNDS = {
    "line": "as the newest releases of the same lines, measured",
    "inferred": "inferred of these very versions",
    "both": "inferred, as the newest releases of the same lines",
    "sources": "by the packages' sources",
}


@dataclass(frozen=True)
class Drawn:
    """A combination, and what is said of it before it is run."""

    cell: Cell
    ground: str
    """Of `GROUNDS`."""
    outcome: Outcome
    signature: str | None
    confidence: float | None = None


def said_of(cell: Cell, table: KnownTable) -> Drawn | None:
    """None where it was run, or nothing is said of it."""
    verdict = lookup({**cell.versions, "python": cell.python}, table)
    if verdict.source:
        return Drawn(cell, "sources", Outcome.FAIL, verdict.named)
    said = verdict.expected
    if verdict.status is not Standing.UNKNOWN or said is None:
        return None
    ground = "line" if said.basis is Basis.MEASURED else "both" if said.instead else "inferred"
    return Drawn(cell, ground, said.outcome, said.signature, said.confidence)


def draws(chance: random.Random, table: KnownTable, torches: Sequence[str], count: int) -> list[Drawn]:
    """Each release as likely as every other."""
    (python,) = table.pythons
    releases = {name: [each for each in shipped_needs().read[name] if wanted(name, each, table)] for name in CORE}
    releases["torch"] = list(torches)
    found: dict[str, Drawn] = {}
    for _ in range(100 * count):
        cell = Cell(python, {name: chance.choice(releases[name]) for name in CORE})
        if cell.id not in found and (drawn := said_of(cell, table)):
            found[cell.id] = drawn
        if len(found) == count:
            break
    return list(found.values())


def wanted(name: str, version: str, table: KnownTable) -> bool:
    """Whether it is of the years of the table."""
    return Version(version) >= Version(table.axes[name][0])


def outcomes(drawn: Iterable[Drawn], words: Sequence[str]) -> dict[str, tuple[Outcome, str | None]]:
    """What came of it, by the identifiers of the cells."""
    cells = [each.cell for each in drawn]
    axes = {name: [cells[0].versions[name]] for name in CORE}
    lines = ['description = "drawn by chance"', f'python = ["{cells[0].python}"]', "[axes]"]
    lines += [f"{name} = {json.dumps(versions)}" for name, versions in axes.items()]
    for cell in cells[1:]:
        versions = ", ".join(f'{name} = "{version}"' for name, version in cell.versions.items())
        lines += ["[[include]]", f'python = "{cell.python}"', f"versions = {{ {versions} }}"]
    with tempfile.TemporaryDirectory() as folder:
        matrix = Path(folder) / "drawn.toml"
        matrix.write_text("\n".join(lines) + "\n", encoding="utf-8")
        command = [sys.executable, "-m", "compatcheck"]
        subprocess.run([*command, "run", str(matrix), "--plain", "--jobs", "1", *words], check=True)
        told = subprocess.run(
            [*command, "report", str(matrix), "--stdout", "--format", "json", *words],
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
    return {cell["id"]: (Outcome(cell["outcome"]), cell["signature"]) for cell in json.loads(told)["cells"]}


def text(drawn: Sequence[Drawn], came: dict[str, tuple[Outcome, str | None]], seed: int, age: str) -> str:
    """The report."""
    machine, now = this_machine(), datetime.now(timezone.utc)
    told = [each for each in drawn if came[each.cell.id][0] not in (Outcome.ERROR, Outcome.UNTESTED)]
    shares, rows = [], []
    for ground, words in {"": "all", **GROUNDS}.items():
        some = [each for each in told if ground in ("", each.ground)]
        outcome = Interval.of(each.outcome is came[each.cell.id][0] for each in some)
        failing = [each for each in some if each.signature and came[each.cell.id][0] is each.outcome]
        name = Interval.of(each.signature == came[each.cell.id][1] for each in failing)
        shares.append((words, outcome.words(), name.words()))
    for each in told:
        outcome, signature = came[each.cell.id]
        right = "right" if outcome is each.outcome else "**wrong**"
        if right == "right" and each.signature and each.signature != signature:
            right = "right, by another name"
        rows.append((
            *(each.cell.versions[name] for name in CORE), GROUNDS[each.ground],
            f"{each.confidence:.2f}" if each.confidence else "", named(each.outcome, each.signature),
            named(outcome, signature), right,
        ))  # fmt: skip
    return "\n\n".join([
        "# Expectations tried",
        f"**Of {len(told)} combinations that nobody had run, the outcome of {shares[0][1]} was as expected.** Drawn by "
        f"chance (seed {seed}) among all final releases of transformers and peft beside torch "
        f"{', '.join(sorted({each.cell.versions['torch'] for each in told}, key=Version))}; what was said of each was "
        "written down before it was run.",
        f"Written by `python benchmarks/expectations_run.py` on {now:%Y-%m-%d %H:%M} UTC with the table of {age}: "
        f"{machine.cpu}, {machine.cores} cores, {machine.memory_mib / 1024:.0f} GiB, {machine.system}.",
        tabulate(shares, headers=["ground", "outcome as expected", "and of failures that were named, the name"],
                 tablefmt="github", disable_numparse=True),
        tabulate(rows, headers=[*CORE, "ground", "confidence", "expected", "came", ""], tablefmt="github",
                 disable_numparse=True),
    ]) + "\n"  # fmt: skip


def named(outcome: Outcome, signature: str | None) -> str:
    return f"{outcome} ({signature})" if signature else str(outcome)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--torch", nargs="+", help="default: the newest of the table")
    parser.add_argument("--store", type=Path)
    parser.add_argument("--cache", type=Path)
    arguments = parser.parse_args()
    table = load_table()
    torches = arguments.torch or table.axes["torch"][-1:]
    drawn = draws(random.Random(arguments.seed), table, torches, arguments.count)
    places = {"--store": arguments.store, "--cache": arguments.cache}
    words = [word for name, path in places.items() if path for word in (name, str(path))]
    came = outcomes(drawn, words)
    TARGET.write_text(text(drawn, came, arguments.seed, str(table.newest)), encoding="utf-8")
    print(TARGET)


if __name__ == "__main__":
    main()
