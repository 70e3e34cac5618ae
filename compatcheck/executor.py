"""Where cells run: worker threads on this machine, each with one environment slot at a time.

Cells that share python, torch and transformers form a batch and stay with one worker, so that its slot changes as
little as possible from one cell to the next.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue

from filelock import FileLock, Timeout

from .domain import Cell
from .errors import MachineError
from .matrix import batches
from .slot import Slot

RunCell = Callable[[Cell, Slot, int, threading.Event], None]
"""Runs one cell in a slot; the number is the worker's, the event asks to stop."""

SLOT_CAP = 64


def run_cells(cells: Iterable[Cell], environments: Path, jobs: int, run_cell: RunCell) -> None:
    """Run every cell on `jobs` workers. An exception of a cell stops all of them and is raised again here.

    Ctrl-C stops the cells under way, waits for the workers and goes on to the caller.
    """
    waiting: Queue[tuple[Cell, ...]] = Queue()
    for batch in batches(cells):
        waiting.put(batch)
    stop, failures = threading.Event(), []

    def work(number: int) -> None:
        try:
            while not stop.is_set():
                try:
                    batch = waiting.get_nowait()
                except Empty:
                    return
                with slot_for(batch[0], environments) as slot:
                    for cell in batch:
                        if stop.is_set():
                            return
                        run_cell(cell, slot, number, stop)
        except BaseException as error:
            failures.append(error)
            stop.set()

    workers = [threading.Thread(target=work, args=(number,), name=f"worker-{number}") for number in range(jobs)]
    for worker in workers:
        worker.start()
    try:
        for worker in workers:
            while worker.is_alive():
                worker.join(0.2)
    except BaseException:
        stop.set()
        for worker in workers:
            worker.join()
        raise
    if failures:
        raise failures[0]


@contextmanager
def slot_for(cell: Cell, environments: Path) -> Iterator[Slot]:
    """An environment slot for this python and torch that nobody else uses, in this process or another."""
    environments.mkdir(parents=True, exist_ok=True)
    for number in range(SLOT_CAP):
        name = f"py{cell.python}-torch{cell.versions['torch']}-{number}"
        lock = FileLock(environments / f"{name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        try:
            yield Slot(environments / name)
        finally:
            lock.release()
        return
    raise MachineError(f"all {SLOT_CAP} environment slots in {environments} are in use", "End other runs first.")
