"""How few runs the explorer needs: exhaustive tables and generated worlds, replayed. It sees only what it asks for.

    python benchmarks/explore_replay.py [REPORT.json ...] [--worlds 10] [--seeds 5] [--write FILE]

Beside it, at the same number of runs: random sampling and a pairwise covering array, both with the explorer's own
inference, and random sampling with the nearest measured cell as the guess. The audit's runs are counted as runs.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path

import numpy as np
from made_worlds import structured_world
from packaging.version import Version
from tabulate import tabulate

from compatcheck.domain import Outcome
from compatcheck.explore import Explorer
from compatcheck.inference import Inference, inference_of
from compatcheck.space import Space
from compatcheck.table import Unit

AXES = ("python", "torch", "transformers", "peft")
AUDIT = 0.1
"""The share of the runs that goes to the audit."""
RUNS_OF_ONE = 3


@dataclass
class Table:
    """What is true, and what a run says."""

    name: str
    space: Space
    truth: list[Unit]
    run: Callable[[int], Unit]


def space_of_shape(shape: Sequence[int]) -> Space:
    versions = tuple(tuple(f"1.{number}" for number in range(length)) for length in shape)
    return Space(AXES, versions, np.ones(int(np.prod(shape)), dtype=np.bool_))


def reported_table(path: Path) -> Table:
    """A report in which every cell was measured."""
    data = json.loads(path.read_text())
    points = {}
    for cell in data["cells"]:
        assert cell["basis"] == "measured"
        failure = cell["signature"] or cell["fingerprint"]
        point = (cell["python"], *(cell["versions"][axis] for axis in AXES[1:]))
        points[point] = (Outcome(cell["outcome"]), failure)
    versions = tuple(tuple(sorted(set(each), key=Version)) for each in zip(*points, strict=True))
    space = Space(AXES, versions, np.ones(len(points), dtype=np.bool_))
    truth = [points[point] for point in product(*versions)]
    return Table(f"{path.parent.name}: {len(points)} cells", space, truth, truth.__getitem__)


def world_table(shape: Sequence[int], faults: int, seed: int, flakes: float) -> Table:
    world = structured_world(shape, faults, seed, flakes)
    space = space_of_shape((1, *shape))
    points = list(product(*map(range, shape)))

    def unit(told: tuple[str, str | None]) -> Unit:
        return Outcome(told[0]), told[1]

    truth = [unit(world.truth[point]) for point in points]
    return Table(
        f"{faults} faults, {len(points):,} cells, {flakes:.0%} flakes", space, truth,
        lambda place: unit(world.run(points[place])),
    )  # fmt: skip


@dataclass
class Replayed:
    runs: int
    outcome: float
    """Share of all cells whose outcome is right: measured, inferred, or untested and so not right."""
    signature: float
    claimed: float
    decided: float
    audit_misses: int
    audit_count: int
    seconds: float


def scored(table: Table, held: Inference, audited: Mapping[int, Unit]) -> tuple[float, float]:
    seen = [audited.get(place, held.unit_of(place)) for place in range(table.space.size)]
    outcome = [one is not None and one[0] == true[0] for one, true in zip(seen, table.truth, strict=True)]
    signature = [one == true for one, true in zip(seen, table.truth, strict=True)]
    return statistics.fmean(outcome), statistics.fmean(signature)


def explored(table: Table, runs: int, seed: int, step: int) -> Replayed:
    """The explorer with its audit, in exactly so many runs."""
    started = time.process_time()
    explorer = Explorer(table.space, seed)
    spent = 0

    def settled(place: int, first: Unit | None = None) -> Unit:
        nonlocal spent
        seen = [first] if first else []
        while len(seen) < RUNS_OF_ONE and (not seen or (first and max(Counter(seen).values()) < 2)):
            seen.append(table.run(place))
            spent += 1
        return Counter(seen).most_common(1)[0][0]

    audit = max(4, round(runs * AUDIT))
    while spent < runs - audit:
        choices = explorer.batch(min(step, runs - audit - spent))
        explorer.tell({choice.place: settled(choice.place) for choice in choices}, choices)
        for place in explorer.doubtful():
            if spent + 2 <= runs - audit:
                explorer.tell({place: settled(place, explorer.known[place])})
    held = explorer.careful_inference()
    drawn = explorer.draw_audit(runs - spent)
    audited = {choice.place: settled(choice.place) for choice in drawn}
    misses = sum(held.unit_of(place) is None or held.unit_of(place)[0] != unit[0] for place, unit in audited.items())
    return Replayed(
        spent, *scored(table, held, audited), held.expected, held.decided, misses, len(audited),
        time.process_time() - started,
    )  # fmt: skip


def sampled(table: Table, places: Sequence[int]) -> Replayed:
    """The explorer's inference over cells that it did not choose."""
    started = time.process_time()
    held = inference_of(table.space, {place: table.run(place) for place in places})
    return Replayed(
        len(places), *scored(table, held, {}), held.expected, held.decided, 0, 0, time.process_time() - started
    )


def nearest(table: Table, places: Sequence[int]) -> Replayed:
    """Each cell as the nearest that was run: over the ranks, each axis scaled by its length."""
    seen = {place: table.run(place) for place in places}
    order = list(seen)
    scale = np.array(table.space.shape)
    known = table.space.ranks(order) / scale
    everything = table.space.ranks(np.arange(table.space.size)) / scale
    guesses = [seen[order[int(np.abs(known - point).sum(axis=1).argmin())]] for point in everything]
    outcome = statistics.fmean(one[0] == true[0] for one, true in zip(guesses, table.truth, strict=True))
    signature = statistics.fmean(one == true for one, true in zip(guesses, table.truth, strict=True))
    return Replayed(len(places), outcome, signature, 0, 1, 0, 0, 0)


def random_places(table: Table, count: int, seed: int) -> list[int]:
    return random.Random(seed).sample(range(table.space.size), count)


def pairwise_places(table: Table, count: int, seed: int) -> list[int]:
    """Greedy covering array of strength two: every pair of releases of two axes early, cut at `count`."""
    chance = random.Random(seed)
    shape = table.space.shape
    axes = [axis for axis, length in enumerate(shape) if length > 1]
    open_pairs = {
        (one, left, other, right)
        for one, other in combinations(axes, 2)
        for left in range(shape[one])
        for right in range(shape[other])
    }
    chosen: dict[int, None] = {}
    while len(chosen) < count:
        best, most = None, -1
        for _ in range(60):
            point = [chance.randrange(length) for length in shape]
            if open_pairs:
                one, left, other, right = chance.choice(tuple(open_pairs)) if len(open_pairs) < 200 else next(
                    iter(open_pairs)
                )  # fmt: skip
                point[one], point[other] = left, right
            covers = sum((a, point[a], b, point[b]) in open_pairs for a, b in combinations(axes, 2))
            place = int(np.ravel_multi_index(point, shape))
            if place not in chosen and covers > most:
                best, most = (place, tuple(point)), covers
        if best is None:
            break
        chosen[best[0]] = None
        open_pairs -= {(a, best[1][a], b, best[1][b]) for a, b in combinations(axes, 2)}
    return list(chosen)


def compared(table_of: Callable[[int], Table], share: float, seeds: int) -> list[list[str]]:
    """One line a method, over so many seeds."""
    found: dict[str, list[Replayed]] = {}
    for seed in range(seeds):
        table = table_of(seed)
        runs = round(table.space.size * share)
        step = 4 if table.space.size < 2000 else 12
        found.setdefault("explorer", []).append(explored(table, runs, seed, step))
        found.setdefault("random, same inference", []).append(sampled(table, random_places(table, runs, seed)))
        found.setdefault("pairwise, same inference", []).append(sampled(table, pairwise_places(table, runs, seed)))
        found.setdefault("random, nearest cell", []).append(nearest(table, random_places(table, runs, seed)))
    lines = []
    for method, each in found.items():
        drawn = sum(one.audit_count for one in each)
        lines.append([
            table.name, f"{share:.0%}", f"{statistics.fmean(one.runs for one in each):.0f}", method,
            *(f"{statistics.fmean(getattr(one, name) for one in each):.1%}" for name in ("outcome", "signature")),
            f"{min(one.outcome for one in each):.1%}",
            f"{statistics.fmean(one.claimed for one in each):.1%}" if method != "random, nearest cell" else "",
            f"{drawn - sum(one.audit_misses for one in each)} of {drawn}" if drawn else "",
        ])  # fmt: skip
        print(lines[-1], f"{statistics.fmean(one.seconds for one in each):.1f} s", flush=True)
    return lines


HEADERS = ["table", "share", "runs", "chosen by", "outcome right", "signature right", "worst", "claimed", "audit holds"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", nargs="*", type=Path)
    parser.add_argument("--seeds", type=int, default=5, help="replays of each table, worlds of each kind")
    parser.add_argument("--shares", type=float, nargs="*", default=[0.05, 0.1, 0.15, 0.2], help="of the reports' cells")
    parser.add_argument("--large", type=float, nargs="*", default=[0.02, 0.05], help="shares of the large worlds")
    parser.add_argument("--write", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    lines = []
    for path in arguments.reports:
        table = reported_table(path)
        for share in arguments.shares:
            lines += compared(lambda seed, table=table: table, share, arguments.seeds)
    for share in arguments.large:
        lines += compared(lambda seed: world_table((20, 46, 17), 12, seed, 0.01), share, arguments.seeds)
    text = tabulate(lines, HEADERS, tablefmt="github", disable_numparse=True)
    if arguments.write:
        said = f"# Exploration, replayed\n\nWritten by `python benchmarks/explore_replay.py --seeds {arguments.seeds}`"
        arguments.write.write_text(f"{said} over the named tables. {' '.join(__doc__.split()[-38:])}\n\n{text}\n")
    print(text)


if __name__ == "__main__":
    main()
