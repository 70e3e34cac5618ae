"""Where cells run: worker threads on this machine, each with one environment slot at a time.

Cells that share python, torch and transformers form a batch and stay with one worker, so that its slot changes as
little as possible from one cell to the next.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from queue import Empty, Queue

from filelock import FileLock, Timeout

from .domain import Cell
from .errors import MachineError, refused_by_disk
from .matrix import batches
from .slot import Slot

RunCell = Callable[[Cell, Slot, int, threading.Event], None]
"""Runs one cell in a slot; the number is the worker's, the event asks to stop."""

SLOT_CAP = 64


def run_cells(
    cells: Iterable[Cell],
    environments: Path,
    jobs: int,
    run_cell: RunCell,
    leave: Callable[[int], None] = lambda number: None,
    prepare: Callable[[Cell, Slot], object] | None = None,
) -> None:
    """Run every cell on `jobs` workers. An exception of a cell stops all of them and is raised again here.

    `leave` is called by each worker at its end. With `prepare`, the next python and torch get their first environment
    while cells of the one before run. Ctrl-C stops the cells under way, waits for the workers and goes on to the
    caller.
    """
    waiting: Queue[tuple[Cell, ...]] = Queue()
    grouped = batches(cells)
    for batch in grouped:
        waiting.put(batch)
    stop, failures = threading.Event(), []
    ahead = Ahead([batch[0] for batch in grouped], environments, prepare)

    def work(number: int, ended: threading.Event) -> None:
        held = HeldSlot(environments)
        try:
            while not stop.is_set():
                try:
                    batch = waiting.get_nowait()
                except Empty:
                    return
                ahead.reached(batch[0])
                for cell in batch:
                    if stop.is_set():
                        return
                    run_cell(cell, held.slot_for(cell), number, stop)
        except BaseException as error:
            failures.append(error)
            stop.set()
        finally:
            try:
                held.close()
                leave(number)
            finally:
                ended.set()

    ends: list[threading.Event] = []
    try:
        for number in range(jobs):
            worker = threading.Thread(target=work, args=(number, ended := threading.Event()), name=f"worker-{number}")
            worker.start()
            ends.append(ended)
        wait_for(ends)
    except BaseException:
        stop.set()
        wait_for(ends)
        raise
    finally:
        ahead.close()
    if failures:
        raise failures[0]


def wait_for(ends: Iterable[threading.Event]) -> None:
    """Wait for threads that tell their end by an event.

    Not by Thread.join: until Python 3.13, one that a signal's exception leaves takes the thread for ended while it
    still runs.
    """
    for ended in ends:
        while not ended.wait(0.2):
            pass


class Ahead:
    """Makes the first environment of the next python and torch, whose wheels are by far the largest, ahead of time.

    One place ahead at most, so that a run that is stopped has not downloaded what it did not come to.
    """

    def __init__(
        self, cells: Iterable[Cell], environments: Path, prepare: Callable[[Cell, Slot], object] | None
    ) -> None:
        self._first: dict[str, Cell] = {}
        for cell in cells:
            self._first.setdefault(place_name(cell), cell)
        self._environments, self._prepare = environments, prepare
        self._begun: set[str] = set()
        self._making: dict[str, threading.Event] = {}
        self._guard = threading.Lock()

    def reached(self, cell: Cell) -> None:
        """A worker comes to cells of this place: what is under way for it is waited for, and the next is begun."""
        place, places = place_name(cell), list(self._first)
        with self._guard:
            self._begun.add(place)
            making = self._making.get(place)
            following = next(iter(places[places.index(place) + 1 :]), None)
            if (
                self._prepare is not None
                and following is not None
                and following not in self._begun | self._making.keys()
            ):
                first, ended = self._first[following], threading.Event()
                threading.Thread(target=self._make, args=(first, ended), name=f"ahead-{following}").start()
                self._making[following] = ended
        if making is not None:
            making.wait()

    def close(self) -> None:
        """Wait for what is under way."""
        wait_for(self._making.values())

    def _make(self, cell: Cell, ended: threading.Event) -> None:
        assert self._prepare is not None
        try:
            # what goes wrong here goes wrong again where the cell itself is run, and is told there
            with suppress(Exception), slot_for(cell, self._environments) as slot:
                self._prepare(cell, slot)
        finally:
            ended.set()


class HeldSlot:
    """A worker's slot, kept while the cells have the same python and torch."""

    def __init__(self, environments: Path) -> None:
        self._environments = environments
        self._place: tuple[str, str] | None = None
        self._slot: Slot | None = None
        self._kept = ExitStack()

    def slot_for(self, cell: Cell) -> Slot:
        place = cell.python, cell.versions["torch"]
        if self._slot is None or self._place != place:
            self.close()
            self._place, self._slot = place, self._kept.enter_context(slot_for(cell, self._environments))
        return self._slot

    def close(self) -> None:
        self._slot = None
        self._kept.close()


def place_name(cell: Cell) -> str:
    """What the slots of a cell are named for: python and torch."""
    return f"py{cell.python}-torch{cell.versions['torch']}"


@contextmanager
def slot_for(cell: Cell, environments: Path) -> Iterator[Slot]:
    """An environment slot for this python and torch that nobody else uses, in this process or another."""
    for number in range(SLOT_CAP):
        name = f"{place_name(cell)}-{number}"
        lock = FileLock(environments / f"{name}.lock")
        try:
            environments.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except Timeout:
            continue
        except OSError as error:
            raise refused_by_disk(error, f"no environment can be made in {environments}") from None
        try:
            yield Slot(environments / name)
        finally:
            lock.release()
        return
    raise MachineError(f"all {SLOT_CAP} environment slots in {environments} are in use", "End other runs first.")
