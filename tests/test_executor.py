"""The workers: the next torch's environment is made while cells of the one before run."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import made_up
import pytest

from compatcheck.domain import Cell
from compatcheck.executor import run_cells
from compatcheck.slot import Slot

CELLS = [
    made_up.cell(torch=torch, transformers=transformers)
    for torch in ("2.5.1", "2.6.0", "2.7.0")
    for transformers in ("4.44.2", "4.51.3")
]


def torch_of(cell: Cell) -> str:
    return cell.versions["torch"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_next_torch_is_made_ready_while_cells_of_the_one_before_run(tmp_path: Path, jobs: int) -> None:
    told: list[tuple[str, str]] = []
    made = {torch: threading.Event() for torch in ("2.5.1", "2.6.0", "2.7.0")}

    def prepare(cell: Cell, slot: Slot) -> None:
        told.append(("made", torch_of(cell)))
        made[torch_of(cell)].set()

    def run_cell(cell: Cell, slot: Slot, worker: int, stop: threading.Event) -> None:
        following = {"2.5.1": "2.6.0", "2.6.0": "2.7.0"}.get(torch_of(cell))
        if following is not None:
            assert made[following].wait(20), "nothing is made ready during a cell"
        told.append(("ran", torch_of(cell)))

    run_cells(CELLS, tmp_path, jobs, run_cell, prepare=prepare)
    assert [torch for what, torch in told if what == "made"] == ["2.6.0", "2.7.0"], (
        "each once, and the first by its worker"
    )
    assert sorted(torch for what, torch in told if what == "ran") == sorted(map(torch_of, CELLS))
    assert told.index(("made", "2.7.0")) > told.index(("ran", "2.5.1")), "not two torches ahead"


def test_a_worker_waits_for_what_is_being_made_and_takes_it(tmp_path: Path) -> None:
    begun, slots, under_way = threading.Event(), [], threading.Event()

    def prepare(cell: Cell, slot: Slot) -> None:
        under_way.set()
        begun.wait(20)
        slots.append(("made", slot.folder.name))
        under_way.clear()

    def run_cell(cell: Cell, slot: Slot, worker: int, stop: threading.Event) -> None:
        if torch_of(cell) == "2.5.1":
            assert under_way.wait(20)
            threading.Timer(0.2, begun.set).start()
        else:
            assert not under_way.is_set()
            slots.append(("ran", slot.folder.name))

    run_cells(CELLS[:3], tmp_path, 1, run_cell, prepare=prepare)
    assert slots == [("made", "py3.11-torch2.6.0-0"), ("ran", "py3.11-torch2.6.0-0")]


def test_what_goes_wrong_ahead_is_left_to_the_cell_itself(tmp_path: Path) -> None:
    ran = []

    def prepare(cell: Cell, slot: Slot) -> None:
        raise OSError("no space")

    run_cells(CELLS, tmp_path, 1, lambda cell, *_: ran.append(cell), prepare=prepare)
    assert ran == CELLS


def test_a_run_that_is_stopped_leaves_no_thread(tmp_path: Path) -> None:
    def run_cell(cell: Cell, slot: Slot, worker: int, stop: threading.Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_cells(CELLS, tmp_path, 1, run_cell, prepare=lambda cell, slot: None)
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith(("ahead", "worker"))]


def test_an_interrupted_run_waits_for_its_workers(tmp_path: Path) -> None:
    told: list[str] = []

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    def run_cell(cell: Cell, slot: Slot, worker: int, stop: threading.Event) -> None:
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        assert stop.wait(20)
        threading.Event().wait(1)  # what a probe takes to be ended
        told.append("ended")

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_cells(CELLS, tmp_path, 1, run_cell)
        assert told == ["ended"]
    finally:
        signal.signal(signal.SIGUSR1, before)
