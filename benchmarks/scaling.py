"""What many cells cost beside the cells themselves: 10, 100 and 1,000 cells of stub packages, and Dask workers.

The stubs' cycle is a third of a second of plain Python, so that what is around it shows.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from minimatrix.index import LocalIndex
from minimatrix.wheels import Release

from compatcheck.domain import Cell, Limits, Scenario
from compatcheck.fleet import Fleet
from compatcheck.matrix import Index, Matrix
from compatcheck.pipeline import Run
from compatcheck.store import Store

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
BATCH = 50
"""Stub releases of peft; with each of them as many transformers as the wanted number of cells needs."""


@dataclass(frozen=True)
class Scaled:
    cells: int
    workers: str
    seconds: float
    """Of a run in which nothing was known."""
    probes: float
    """Of that, in the probes themselves, added up."""
    resolving: float
    again: float
    """Of the same run once more: everything is known."""


@contextmanager
def stub_index() -> Iterator[LocalIndex]:
    """An index with many releases of the stubs, and a cache of uv's apart from the user's."""
    with LocalIndex() as index, tempfile.TemporaryDirectory() as cache:
        index.publish(*(Release("peft", f"1.0.{number}") for number in range(BATCH)))
        index.publish(*(Release("transformers", f"6.0.{number}") for number in range(20)))
        before = os.environ.get("UV_CACHE_DIR")
        os.environ["UV_CACHE_DIR"] = cache
        try:
            yield index
        finally:
            if before is None:
                del os.environ["UV_CACHE_DIR"]
            else:
                os.environ["UV_CACHE_DIR"] = before


def matrix_of(cells: int, index: LocalIndex) -> Matrix:
    """A matrix of that many cells: as many peft as fit, and transformers for the rest."""
    peft = min(cells, BATCH)
    axes = {
        "torch": ("2.1.0",),
        "transformers": tuple(f"6.0.{number}" for number in range(-(-cells // peft))),
        "peft": tuple(f"1.0.{number}" for number in range(peft)),
    }
    scenario, limits = Scenario(epochs=1, new_tokens=2, texts=4), Limits(60, 1024)
    return Matrix("scaling", axes, python=(PYTHON,), scenario=scenario, limits=limits, index=Index(url=index.url))


def scaled(cells: int, index: LocalIndex, jobs: int = 1, workers: int = 0) -> Scaled:
    """One run of that many cells, on this process's own workers or on `workers` of an own Dask cluster."""
    with tempfile.TemporaryDirectory() as name, Store(Path(name) / "store.sqlite3") as store:
        run = Run(matrix_of(cells, index), store, Path(name) / "cache", jobs)
        if workers:
            run.fleet = Fleet(jobs=workers)
        chosen: tuple[Cell, ...] = run.expand().cells
        began = time.perf_counter()
        run.resolve(chosen, {})
        resolved = time.perf_counter()
        results = run.run(chosen)
        ended = time.perf_counter()
        run.run(chosen)
        again = time.perf_counter() - ended
        probes = sum(each.observation.seconds for each in results.values() if each.observation)
        assert len(results) == cells and all(each.observation for each in results.values())
    told = f"{workers} Dask" if workers else f"{jobs}"
    return Scaled(cells, told, ended - resolved, probes, resolved - began, again)
