"""Planner, store, inference and reports at up to a million cells: time and memory of each, in a process of its own.

    python benchmarks/scale.py [--cells 10000 100000 1000000] [--write FILE]

The releases and what runs say of them are made up, the code over them is the real one: no probe runs. The number of
measured cells is the same at every size, because it is what a person can afford, and not the table's. `plan` looks
the matrix up, reads what releases declare and chooses the next cells; `store` keeps the cells and reads them again,
with all that is known of them; `infer` says what follows of the others, with grounds; `report` writes every file of a
report; `compare` reads two reports of the table again and tells what changed. Seconds of processor time are counted and
the clock's beside them, as other work slows the clock down; the memory is the highest of the whole process, with the
made-up world in it. An exponent of 1 is as much again for each cell more; n log n has 1.08 from 100,000 cells to a
million.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from multiprocessing import get_context
from pathlib import Path

from tabulate import tabulate

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import made_up
import numpy as np

from compatcheck.catalogues import load_catalogue
from compatcheck.classify import diagnosis_of
from compatcheck.conclusion import ChosenCell
from compatcheck.domain import CellResult, Diagnosis, Digest, Observation, Outcome, Raised, Stage
from compatcheck.expansion import Expansion, expanded
from compatcheck.explore import Explorer
from compatcheck.explored import explored
from compatcheck.machine import this_machine
from compatcheck.matrix import Explore, Matrix
from compatcheck.pipeline import Run
from compatcheck.probe import PROBE_VERSION
from compatcheck.refusal import declared_refusals
from compatcheck.releases import Release
from compatcheck.report.context import Besides, Context, built_context
from compatcheck.report.diff import Change, compared, diff_document
from compatcheck.report.diff_text import diff_lines
from compatcheck.report.document import document_pieces
from compatcheck.report.files import write_reports
from compatcheck.report.reread import load_reported
from compatcheck.space import Space, space_of
from compatcheck.store import Store

SHAPES = {
    1_000: (1, 5, 20, 10),
    10_000: (1, 20, 25, 20),
    100_000: (2, 25, 50, 40),
    1_000_000: (4, 50, 100, 50),
}
"""Cells to the number of Pythons, torch, transformers and peft releases."""
MEASURED = 600
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
FIRST = datetime(2023, 1, 1, tzinfo=timezone.utc)
KEYWORD = Raised("TypeError", "builtins", "forward() got an unexpected keyword 'odd'")


@dataclass(frozen=True)
class MadeUp:
    """The releases of a made-up index."""

    counts: dict[str, int]

    def releases(self, package: str) -> tuple[Release, ...]:
        return tuple(
            Release(f"{1 + number // 10}.{number % 10}.0", FIRST + timedelta(days=9 * number), ">=3.9")
            for number in range(self.counts[package])
        )


def world(cells: int) -> tuple[Matrix, MadeUp]:
    pythons, *others = SHAPES[cells]
    counts = dict(zip(("torch", "transformers", "peft"), others, strict=True))
    axes = dict.fromkeys(counts, ("all >=0",))
    matrix = Matrix("made-up", axes, "made up", PYTHONS[:pythons], explore=Explore.ADAPTIVE)
    return matrix, MadeUp(counts)


def seen(at: np.ndarray) -> Observation:
    """What a run says at a place of the table, each axis from 0 to 1: pieces with straight borders."""
    _, torch, transformers, peft = at
    if transformers > 0.5 and peft < 0.4:
        return made_up.observation(made_up.CACHE_LAYERS)
    if transformers > 0.8 and peft < 0.8:
        return made_up.observation(KEYWORD, Stage.TRAIN)
    return made_up.observation(cached=not (torch < 0.2 and transformers > 0.7))


def measured(space: Space) -> list[CellResult]:
    """The results of cells drawn by chance."""
    drawn = np.random.default_rng(3).choice(space.places(), min(MEASURED, space.count // 4), replace=False)
    scale = np.maximum(1, np.array(space.shape) - 1)
    cells = (space.cell(int(place)) for place in drawn)
    return [
        made_up.result(cell, seen(at / scale)) for cell, at in zip(cells, space.ranks(drawn), strict=True)
    ]  # fmt: skip


@dataclass
class Clock:
    seconds: float = 0.0
    """Of processors: what else the machine does plays little part."""
    wall: float = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        started, began = time.process_time(), time.perf_counter()
        yield
        self.seconds += time.process_time() - started
        self.wall += time.perf_counter() - began


def diagnosing() -> Callable[[CellResult], Diagnosis | None]:
    catalogue = load_catalogue()
    return lambda result: diagnosis_of(result, catalogue)


def plan(cells: int, clock: Clock) -> None:
    matrix, source = world(cells)
    with clock.running():
        expansion = expanded(matrix, source)
        space = space_of(expansion.cells)
        requires = {"peft 1.0.0": ("transformers<3",)}
        explorer = Explorer(space, declared=declared_refusals(space, requires, expansion.requires_python))
        explorer.batch(4)
    known = {space.place(result.cell): (result.outcome, None) for result in measured(space)}
    with clock.running():
        explorer.tell({place: unit for place, unit in known.items() if place is not None})
        assert len(explorer.batch(4)) == 4
        explorer.draw_audit(10)


def store(cells: int, clock: Clock) -> None:
    matrix, source = world(cells)
    expansion = expanded(matrix, source)
    results = measured(space_of(expansion.cells))
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "store.sqlite3") as kept:
        run = Run(matrix, kept, Path(folder), source=source)
        settings, material = matrix.resolution_digest, Digest("made-up")
        run._material = type("Material", (), {"digest": material})()  # the model plays no part
        with clock.running():
            kept.save_expansion(matrix.digest, expansion)
            for result in results:
                assert result.resolution and result.lock and result.observation
                kept.save_resolution(result.cell, settings, run.platform, result.resolution)
                kept.save_observation(result.lock, material, result.observation)
            kept.save_choices(
                matrix.digest, [ChosenCell(each.cell.id, "question", None, None, 0, 0) for each in results]
            )
        del expansion
        with clock.running():
            again = run.results()
            assert len(again) == cells and len(kept.choices(matrix.digest)) == len(results)
        found = sum(result.outcome is not Outcome.UNTESTED for result in again)
        assert found == len(results), f"{found} of {len(results)} are known again"


def every_result(expansion: Expansion) -> list[CellResult]:
    known = {result.cell.id: result for result in measured(space_of(expansion.cells))}
    return [known.get(cell.id) or CellResult(cell) for cell in expansion.cells]


def infer(cells: int, clock: Clock) -> None:
    matrix, source = world(cells)
    expansion = expanded(matrix, source)
    results = every_result(expansion)
    with clock.running():
        found = explored(expansion, results, diagnosing(), ())
    assert len(found.conclusions) > cells // 2


def report(cells: int, clock: Clock) -> None:
    matrix, source = world(cells)
    expansion = expanded(matrix, source)
    results, diagnose = every_result(expansion), diagnosing()
    found = explored(expansion, results, diagnose, ())
    with clock.running(), tempfile.TemporaryDirectory() as folder:
        context: Context = built_context(
            matrix, expansion, results, diagnose, load_catalogue(), Digest("made-up"), PROBE_VERSION,
            Besides(explored=found),
        )  # fmt: skip
        assert len(write_reports(context, Path(folder))) > 8


def compare(cells: int, clock: Clock) -> None:
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / f"{name}.json") for name in ("old", "new")]
        # in a process of its own, so that what it takes to write them is not counted
        writing = get_context("fork").Process(target=write_two, args=(cells, *paths))
        writing.start()
        writing.join()
        with clock.running():
            diff = compared(*map(load_reported, paths))
            assert "\n".join(diff_lines(diff)) and json.dumps(diff_document(diff))
    assert sum(diff.totals.values()) == cells and diff.totals[Change.REGRESSED] and diff.totals[Change.NEWLY_TESTED]


def write_two(cells: int, old: str, new: str) -> None:
    """Two reports of the same matrix: in the second one more cells are measured, and some go otherwise."""
    matrix, source = world(cells)
    expansion = expanded(matrix, source)
    now = every_result(expansion)
    diagnose, broken = diagnosing(), made_up.observation(KEYWORD, Stage.TRAIN)
    measured = [number for number, result in enumerate(now) if result.observation]
    before = list(now)
    for number in measured[::10]:
        before[number] = CellResult(now[number].cell)
    for number in measured[1::10]:
        now[number] = made_up.result(now[number].cell, broken)
    for results, path in ((before, old), (now, new)):
        found = explored(expansion, results, diagnose, ())
        context = built_context(
            matrix, expansion, results, diagnose, load_catalogue(), Digest("made-up"), PROBE_VERSION,
            Besides(explored=found),
        )  # fmt: skip
        with Path(path).open("w", encoding="utf-8") as file:
            file.writelines(document_pieces(context))


PARTS = {each.__name__: each for each in (plan, store, infer, report, compare)}


@dataclass(frozen=True)
class Spent:
    """By one part at one size, in a process of its own."""

    seconds: float
    wall: float
    mib: float


def tried(part: str, cells: int) -> Spent:
    command = [sys.executable, __file__, "--part", part, "--cells", str(cells)]
    # threads of a linear algebra library wait for each other busily, which would be counted
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return Spent(**json.loads(done.stdout))


def exponent(before: float, now: float, times: float) -> str:
    """To which power of the number of cells it grew."""
    return f"{math.log(now / before) / math.log(times):.2f}"


def told(rows: list[list[str]]) -> str:
    headers = ["part", "cells", "processor s", "clock s", "MiB", "exponent of the time", "of the memory"]
    table = tabulate(rows, headers, tablefmt="github", disable_numparse=True)
    about = "\n\n".join(__doc__.split("\n\n")[2:]).strip()
    where = this_machine()
    said = (
        f"Written by `python benchmarks/scale.py` on {date.today()}; {where.cpu}, {where.cores} cores, Python "
        f"{platform.python_version()}; {MEASURED} measured cells."
    )
    return f"# Up to a million cells\n\n{said} {about}\n\n{table}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, nargs="*", default=[10_000, 100_000, 1_000_000], choices=list(SHAPES))
    parser.add_argument("--part", choices=list(PARTS), action="append", help="only this part (default: all)")
    parser.add_argument("--write", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    if arguments.part and len(arguments.part) == 1 and len(arguments.cells) == 1:
        clock = Clock()
        PARTS[arguments.part[0]](arguments.cells[0], clock)
        highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": clock.seconds, "wall": clock.wall, "mib": highest}))
        return
    rows = []
    for part in arguments.part or PARTS:
        before: tuple[int, Spent] | None = None
        for cells in arguments.cells:
            now = tried(part, cells)
            row = [part, f"{cells:,}", f"{now.seconds:.1f}", f"{now.wall:.1f}", f"{now.mib:.0f}", "", ""]
            if before is not None:
                times = cells / before[0]
                row[5:] = exponent(before[1].seconds, now.seconds, times), exponent(before[1].mib, now.mib, times)
            rows.append(row)
            print(*row, sep=" | ", flush=True)
            before = cells, now
    if arguments.write:
        arguments.write.write_text(told(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
