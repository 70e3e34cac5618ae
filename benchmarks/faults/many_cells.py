"""A made store of many cells, and the report on it: each in a process of its own where this is run.

    PYTHONPATH=.:tests:benchmarks python -m faults.many_cells store 10000 FOLDER
    PYTHONPATH=.:tests:benchmarks python -m faults.many_cells report 10000 FOLDER

The second prints how many cells, MiB of files, and the peak MiB of the process. What is measured differs from
cell to cell, as it does in runs: the seconds and the memory of every stage.
"""

from __future__ import annotations

import resource
import sys
from dataclasses import replace
from pathlib import Path

import made_up

from compatcheck.domain import Cell, Observation, Resolution
from compatcheck.expansion import Expansion
from compatcheck.matrix import Matrix
from compatcheck.remembered import Remembered
from compatcheck.report.files import write_reports
from compatcheck.reporting import context_of
from compatcheck.store import Store


def matrix_of(count: int) -> Matrix:
    """About so many cells; always nine releases of torch."""
    side = round(count ** (1 / 2) / 3)
    axes = {
        "torch": tuple(f"2.{number}.0" for number in range(9)),
        "transformers": tuple(f"4.{number}.0" for number in range(side)),
        "peft": tuple(f"0.{number}.0" for number in range(count // 9 // side)),
    }
    return Matrix("load", axes)


def write_store(count: int, folder: Path) -> None:
    matrix = matrix_of(count)
    cells = tuple(
        made_up.cell(torch, transformers, peft)
        for torch in matrix.axes["torch"]
        for transformers in matrix.axes["transformers"]
        for peft in matrix.axes["peft"]
    )
    with Store(folder / "store.sqlite3") as store:
        known = Remembered(matrix, store, folder / "cache")
        store._connection.execute("PRAGMA synchronous=OFF")
        store.save_expansion(matrix.digest, Expansion(cells, {}))
        for number, cell in enumerate(cells):
            lock = made_up.lock(cell)
            store.save_resolution(cell, matrix.resolution_digest, known.platform, Resolution(lock, "", made_up.NOON))
            store.save_observation(lock, known.material.digest, seen(cell, number))


def seen(cell: Cell, number: int) -> Observation:
    """Older releases of peft fail with newer ones of transformers."""
    old = int(cell.versions["peft"].split(".")[1]) < 5 and int(cell.versions["transformers"].split(".")[1]) > 9
    found = made_up.observation(made_up.CACHE_LAYERS if old else None)
    stages = (
        replace(record, seconds=0.5 + (8 * number + place) / 1e6, peak_rss_mib=500 + (8 * number + place) / 1e3)
        for place, record in enumerate(found.stages)
    )
    return replace(found, stages=tuple(stages))


def report(count: int, folder: Path) -> tuple[int, int]:
    """Cells, and MiB of files."""
    with Store(folder / "store.sqlite3") as store:
        context = context_of(Remembered(matrix_of(count), store, folder / "cache"))
    written = write_reports(context, folder / "reports")
    return len(context.entries), sum(path.stat().st_size for path in written if path.is_file()) // 2**20


if __name__ == "__main__":
    if sys.argv[1] == "store":
        write_store(int(sys.argv[2]), Path(sys.argv[3]))
    else:
        print(*report(int(sys.argv[2]), Path(sys.argv[3])), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
