"""How few runs the explorer needs: tables in which every cell was run, replayed. It sees only what it asks for.

    python benchmarks/explore_replay.py [--seeds 5] [--write FILE] [--worlds 10] [REPORT.json ...]

Beside it, at the same number of runs: random sampling and pairwise covering, with the nearest measured cell as the
guess and with the explorer's own inference; and cells spread over the table. Every method guesses every cell that it
did not run, so that they can be compared; how far the explorer's own claims hold, where it does not leave a cell
untested, is told beside it. What the packages' sources say (`data/import_needs.json`) is part of its inference; one
line is without it. Cells that no report has measured are no part of a table. Where cells are forked, those that differ
from one in peft alone cost a tenth of it: one line tells what the explorer makes of the time of as many usual runs.

How few runs could do at all is told for the tables of real packages: releases of an axis that say the same in every
cell are one class, and cells whose releases are all of the same classes form a block. Who knew the classes beforehand
would still have to run one cell of each block of which no source tells, but for the smallest ones that may go wrong.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from pathlib import Path

import numpy as np
from made_worlds import World, structured_world
from packaging.version import Version
from tabulate import tabulate

from compatcheck.catalogues import load_catalogue
from compatcheck.domain import Isolation, Outcome
from compatcheck.exploration import COMPANY as PRICES
from compatcheck.exploration import STEP
from compatcheck.explore import Explorer, usual_runs
from compatcheck.foretold import Foretold, foretold_failures, tried
from compatcheck.import_needs import shipped_needs
from compatcheck.inference import taught
from compatcheck.space import Space
from compatcheck.table import Unit

AXES = ("python", "torch", "transformers", "peft")
ROOT = Path(__file__).resolve().parent.parent
WITHOUT = "explorer, without the sources"
FORKED = PRICES[Isolation.FORK]
COMPANY = "explorer, forks: in the time of the runs of the share"
EVERY_MINOR, ARTICLE = (ROOT / "reports" / name for name in ("every-minor/compatibility.json", "compatibility.json"))
REPORTS: dict[str, tuple[Path, Mapping[str, Collection[str]]]] = {
    "every-minor": (EVERY_MINOR, {}),
    "every-minor, torch 2.6.0": (EVERY_MINOR, {"torch": {"2.6.0"}}),
    "every-minor, torch 2.6.0, every other peft": (
        EVERY_MINOR,
        {
            "torch": {"2.6.0"},
            "peft": {"0.5.0", "0.7.1", "0.10.0", "0.12.0", "0.13.2", "0.15.2", "0.17.1", "0.19.1", "0.21.2"},
        },
    ),
    "article": (ARTICLE, {}),
}
"""The tables of real packages, all cells run, with the versions that are left of them (else all)."""


@dataclass
class Table:
    """What is true, by place, and what a run says."""

    name: str
    space: Space
    truth: dict[int, Unit]
    run: Callable[[int], Unit]
    foretold: Mapping[int, Foretold] = field(default_factory=dict)
    """What the packages' sources say."""


def reported_table(path: Path, only: Mapping[str, Collection[str]] | None = None, name: str = "") -> Table:
    """The cells of a report; `only`: by package the versions that are left."""
    data = json.loads(path.read_text())
    points = {}
    for cell in data["cells"]:
        if cell["outcome"] == Outcome.UNTESTED:
            continue
        if any(cell["versions"][package] not in versions for package, versions in (only or {}).items()):
            continue
        assert cell["basis"] == "measured"
        point = (cell["python"], *(cell["versions"][axis] for axis in AXES[1:]))
        points[point] = (Outcome(cell["outcome"]), cell["signature"] or cell["fingerprint"])
    versions = tuple(tuple(sorted(set(each), key=Version)) for each in zip(*points, strict=True))
    everything = list(product(*versions))
    space = Space(AXES, versions, np.array([point in points for point in everything]))
    truth = {place: points[point] for place, point in enumerate(everything) if point in points}
    foretold = foretold_failures(space, shipped_needs(), load_catalogue())
    return Table(f"{name or data['matrix']}: {len(points)} cells", space, truth, truth.__getitem__, foretold)


def world_table(shape: Sequence[int], faults: int, seed: int, flakes: float) -> Table:
    world = structured_world(shape, faults, seed, flakes)
    return table_of(world, f"made, {faults} faults, {flakes:.0%} flakes: {len(world.truth):,} cells")


def table_of(world: World, name: str) -> Table:
    """A made world as a table."""
    versions = tuple(tuple(f"1.{number}" for number in range(length)) for length in (1, *world.shape))
    space = Space(AXES, versions, np.ones(int(np.prod(world.shape)), dtype=np.bool_))
    points = list(product(*map(range, world.shape)))

    def unit(told: tuple[str, str | None]) -> Unit:
        return Outcome(told[0]), told[1]

    return Table(
        name, space,
        {place: unit(world.truth[point]) for place, point in enumerate(points)},
        lambda place: unit(world.run(points[place])),
    )  # fmt: skip


@dataclass
class Replayed:
    """Shares of all cells whose outcome, whose outcome and signature are right; a measured cell is right."""

    runs: int
    outcome: float
    signature: float
    guessed: float
    """Of the cells that were not run, those whose outcome is right."""
    inferred: float = 0.0
    """Of the cells that the explorer infers: whose outcome is right."""
    decided: float = 0.0
    """Share of all cells that are measured or inferred; the others it leaves untested."""
    claimed: float = 0.0
    """What it says `inferred` is."""
    seconds: float = 0.0


Guess = Callable[[int], tuple[Outcome, Unit]]
"""Outcome and unit of a cell that was not run."""


def scored(table: Table, known: Iterable[int], guess: Guess) -> Replayed:
    seen = set(known)
    outcome, unit = [], []
    for place in table.truth.keys() - seen:
        told, whole = guess(place)
        outcome.append(told is table.truth[place][0])
        unit.append(whole == table.truth[place])
    count = len(table.truth)
    return Replayed(
        len(seen), (len(seen) + sum(outcome)) / count, (len(seen) + sum(unit)) / count, statistics.fmean(outcome)
    )


def voted(table: Table, known: Mapping[int, Unit], foretold: Mapping[int, Foretold]) -> Guess:
    """The explorer's inference of every cell, what it leaves untested included."""
    said = tried(foretold, known)
    learnt = taught(table.space, known, said)

    def guess(place: int) -> tuple[Outcome, Unit]:
        if place in said.standing:
            unit = said.standing[place].unit
            return unit[0], unit
        assert learnt is not None
        return learnt.units[learnt.held.outcome[place]][0], learnt.units[learnt.held.unit[place]]

    return guess


def replayed(
    table: Table, runs: Sequence[int], seed: int, sources: bool = True, company: float = 1.0
) -> list[Replayed]:
    """The explorer, looked at after the time of so many usual runs: what it asks for does not depend on how many will
    be allowed. `company`: what a cell takes beside one of the same batch that differs in the last axis alone.
    """
    started = time.process_time()
    explorer = Explorer(table.space, seed, foretold=table.foretold if sources else {})
    looked, spent = [], 0.0
    for most in runs:
        while most - spent >= company and (choices := explorer.batch(min(STEP, most - spent), company)):
            explorer.tell({choice.place: table.run(choice.place) for choice in choices})
            spent += usual_runs(table.space, (choice.place for choice in choices), company)
        found = scored(table, explorer.known, voted(table, explorer.known, explorer.foretold))
        held = explorer.inference()
        places = np.flatnonzero(held.inferred).tolist()
        right = [held.units[held.unit[place]][0] is table.truth[place][0] for place in places]
        found.inferred = statistics.fmean(right) if right else float("nan")
        found.decided, found.claimed = held.decided, held.claimed if right else float("nan")
        found.seconds = time.process_time() - started
        looked.append(found)
    return looked


def nearest(table: Table, places: Sequence[int]) -> Replayed:
    """Each cell as the nearest that was run: over the ranks, each axis scaled by its length."""
    scale = np.array(table.space.shape)
    known = table.space.ranks(places) / scale
    seen = [table.run(place) for place in places]

    def guess(place: int) -> tuple[Outcome, Unit]:
        unit = seen[int(np.abs(known - table.space.ranks([place])[0] / scale).sum(axis=1).argmin())]
        return unit[0], unit

    return scored(table, places, guess)


def inferred(table: Table, places: Sequence[int]) -> Replayed:
    """The explorer's inference over cells that it did not choose."""
    known = {place: table.run(place) for place in places}
    return scored(table, places, voted(table, known, table.foretold))


def random_places(table: Table, count: int, seed: int) -> list[int]:
    return random.Random(seed).sample(sorted(table.truth), count)


def pairwise_places(table: Table, count: int, seed: int) -> list[int]:
    """Greedy covering array of strength two: every pair of releases of two axes early, cut at `count`."""
    chance = random.Random(seed)
    ranks = {place: tuple(map(int, table.space.ranks([place])[0])) for place in table.truth}
    axes = [axis for axis, length in enumerate(table.space.shape) if length > 1]
    covered: set[tuple[int, ...]] = set()
    chosen: dict[int, None] = {}

    def pairs(place: int) -> set[tuple[int, ...]]:
        return {(one, other, ranks[place][one], ranks[place][other]) for one, other in combinations(axes, 2)}

    while len(chosen) < count:
        tried = [place for place in chance.sample(sorted(table.truth), 80) if place not in chosen]
        best = max(tried, key=lambda place: len(pairs(place) - covered))
        chosen[best] = None
        covered |= pairs(best)
    return list(chosen)


def spread_places(table: Table, count: int, seed: int) -> list[int]:
    """Each as far as may be from those before it."""
    places = np.array(sorted(table.truth))
    ranks = table.space.ranks(places) / np.maximum(1, np.array(table.space.shape) - 1)
    chance = np.random.default_rng(seed)
    chosen = [int(chance.integers(len(places)))]
    far = np.full(len(places), np.inf)
    while len(chosen) < count:
        far = np.minimum(far, np.abs(ranks - ranks[chosen[-1]]).sum(1))
        chosen.append(int((far + 1e-3 * chance.random(len(places))).argmax()))
    return places[chosen].tolist()


def compared(table_of: Callable[[int], Table], shares: Sequence[float], seeds: int) -> list[list[str]]:
    """One line a share and method, over so many seeds."""
    found: dict[tuple[float, str], list[Replayed]] = {}
    for seed in range(seeds):
        table = table_of(seed)
        runs = [round(len(table.truth) * share) for share in shares]
        own, forks = replayed(table, runs, seed), replayed(table, runs, seed, company=FORKED)
        blind = replayed(table, runs, seed, sources=False) if table.foretold else [None] * len(runs)
        for share, count, one_by_one, beside, without in zip(shares, runs, own, forks, blind, strict=True):
            by_chance, pairwise = random_places(table, count, seed), pairwise_places(table, count, seed)
            for method, one in (
                ("explorer", one_by_one),
                (COMPANY, beside),
                ("random, its inference", inferred(table, by_chance)),
                ("pairwise, its inference", inferred(table, pairwise)),
                ("random, nearest cell", nearest(table, by_chance)),
                ("pairwise, nearest cell", nearest(table, pairwise)),
                ("spread, nearest cell", nearest(table, spread_places(table, count, seed))),
            ):
                found.setdefault((share, method), []).append(one)
            if without is not None:
                found.setdefault((share, WITHOUT), []).append(without)
    lines = []
    for (share, method), each in sorted(found.items(), key=lambda pair: pair[0][0]):
        ours = method in ("explorer", COMPANY, WITHOUT)

        def mean(name: str, each: list[Replayed] = each) -> str:
            told = [value for one in each if not math.isnan(value := getattr(one, name))]
            return f"{statistics.fmean(told):.1%}" if told else "none"

        lines.append([
            table.name, f"{share:.0%}", f"{statistics.fmean(one.runs for one in each):.0f}", method, mean("outcome"),
            f"{min(one.outcome for one in each):.1%}", mean("signature"), mean("guessed"),
            *((mean("decided"), mean("inferred"), mean("claimed")) if ours else ("", "", "")),
        ])  # fmt: skip
        seconds = statistics.fmean(one.seconds for one in each)
        print(*lines[-1], f"{seconds:.1f} s" if ours else "", sep=" | ", flush=True)
    return lines


def blocks(table: Table) -> list[int]:
    """How many cells, without those of which a source tells, each block has; the largest first."""
    everything = range(table.space.size)
    ranks = table.space.ranks(everything)
    said = [table.truth.get(place, (None,))[0] for place in everything]
    labels = []
    for axis, length in enumerate(table.space.shape):
        rows = [tuple(said[place] for place in np.flatnonzero(ranks[:, axis] == rank)) for rank in range(length)]
        labels.append([rows.index(row) for row in rows])
    found = Counter(
        tuple(label[rank] for label, rank in zip(labels, ranks[place].tolist(), strict=True))
        for place in table.truth.keys() - table.foretold.keys()
    )
    return sorted(found.values(), reverse=True)


def least_runs(table: Table, accuracy: float = 0.99) -> int:
    """Runs that one who knows the blocks needs for that share of the outcomes, where no guess is right by luck."""
    sizes, may_go = blocks(table), len(table.truth) * (1 - accuracy)
    while sizes and sizes[-1] <= may_go:
        may_go -= sizes.pop()
    return len(sizes)


def forked_time(table: Table) -> float:
    """Usual runs that take as long as all cells do where they are forked."""
    return usual_runs(table.space, table.truth, FORKED)


HEADERS = [
    "table", "share", "runs", "chosen, guessed by", "outcome right", "worst seed", "signature too", 
    "of the cells not run",    "decided", "inferred cells right", "claimed",
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "reports", nargs="*", type=Path, help="reports in which every cell was run (default: those here)"
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--shares", type=float, nargs="*", default=[0.05, 0.1, 0.2, 0.3], help="of the reports' cells")
    parser.add_argument(
        "--worlds", type=int, default=0, help="made worlds of 15,640 cells with 1 %% flakes beside them"
    )
    parser.add_argument("--write", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    lines, least = [], []
    tables = (
        [reported_table(path) for path in arguments.reports]
        or [reported_table(path, only, name) for name, (path, only) in REPORTS.items()]
    )  # fmt: skip
    for table in tables:
        count, few, forked = len(table.truth), least_runs(table), forked_time(table)
        least.append(
            f"{table.name}: {len(blocks(table))} blocks; {few} runs ({few / count:.0%}) at least for 99 % of the "
            f"outcomes. All cells by forks take the time of {forked:.0f} usual runs ({forked / count:.0%})."
        )
        print(least[-1], flush=True)
        lines += compared(lambda seed, table=table: table, arguments.shares, arguments.seeds)
    if arguments.worlds:
        lines += compared(lambda seed: world_table((20, 46, 17), 12, seed, 0.01), (0.02, 0.05), arguments.worlds)
    if arguments.write:
        text = tabulate(lines, HEADERS, tablefmt="github", disable_numparse=True)
        said = f"# Exploration, replayed\n\nWritten by `python benchmarks/explore_replay.py --seeds {arguments.seeds}"
        worlds = f" --worlds {arguments.worlds}" if arguments.worlds else ""
        told = "\n\n".join(__doc__.split("\n\n")[2:]).strip() + "\n\n" + "\n".join(f"- {line}" for line in least)
        arguments.write.write_text(f"{said}{worlds}`: means over the seeds.\n\n{told}\n\n{text}\n")


if __name__ == "__main__":
    main()
