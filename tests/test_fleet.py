"""A real Dask scheduler and real workers on 127.0.0.1: whatever dies, every cell is recorded exactly once."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from conftest import MakeRun
from minimatrix.releases import NEW, with_fault
from test_minimatrix import CACHE_AXES, outcomes

from compatcheck.cli import main
from compatcheck.domain import Isolation, Limits, Outcome
from compatcheck.errors import MachineError, UsageError
from compatcheck.fleet import Fleet, Worker, _Sortie
from compatcheck.fleet_worker import Assignment, Order, announced
from compatcheck.machine import platform_key
from compatcheck.pipeline import Run

pytestmark = [pytest.mark.minimatrix, pytest.mark.timeout(240)]

WIDE = {"torch": ("2.0.1", "newest"), "transformers": ("4.44.0", "5.0.0"), "peft": ("0.1.0", "0.1.1", "newest")}


class Cluster:
    """Scheduler and workers as processes of their own, as `dask scheduler` and `dask worker` start them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def start_scheduler(self) -> None:
        options = ["--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard", "--no-show"]
        self.scheduler = self._started(["scheduler", *options])

    def start_worker(self) -> subprocess.Popen[bytes]:
        number = len(self.workers)
        options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--memory-limit", "0", "--host", "127.0.0.1"]
        options += ["--local-directory", str(self.folder / f"dask-{number}"), "--name", f"worker-{number}"]
        cache = str(self.folder / f"cache-{number}")
        worker = self._started(["worker", self.address, *options], COMPATCHECK_CACHE=cache)
        self.workers.append(worker)
        return worker

    def _started(self, words: list[str], **environment: str) -> subprocess.Popen[bytes]:
        with (self.folder / "dask.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "distributed.cli.dask_" + words[0], *words[1:]],
                stdout=log,
                stderr=log,
                env={**os.environ, **environment},
            )

    def end(self) -> None:
        for process in (*self.workers, self.scheduler):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()


@pytest.fixture
def cluster(tmp_path: Path, index: object) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    made.start_scheduler()
    yield made
    made.end()


def recorded(run: Run) -> list[tuple[str, int]]:
    """Lock and attempt of every row of the store."""
    connection = sqlite3.connect(run.store.path)
    try:
        return [tuple(row) for row in connection.execute("SELECT lock, attempt FROM observations")]
    finally:
        connection.close()


def finished_by(thread: threading.Thread, seconds: float = 180) -> None:
    thread.join(seconds)
    assert not thread.is_alive()


def started(run: Run) -> tuple[threading.Thread, list[BaseException]]:
    """The run of all cells in a thread, and what it raised."""
    raised: list[BaseException] = []

    def work() -> None:
        try:
            run.run(run.expand().cells)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    return thread, raised


def until(true: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def probes_of(worker: subprocess.Popen[bytes]) -> list[psutil.Process]:
    found = []
    for each in psutil.Process(worker.pid).children(recursive=True):
        # one that has just ended has no command line any more
        with suppress(psutil.Error):
            if "probe.py" in " ".join(each.cmdline()):
                found.append(each)
    return found


def same_as_here(make_run: MakeRun, run: Run, axes: dict[str, tuple[str, ...]]) -> None:
    here = make_run(axes, store="here")
    here.run(here.expand().cells)
    assert outcomes(run) == outcomes(here)
    assert sorted(recorded(run)) == sorted(recorded(here)), "every cell once"


@pytest.mark.parametrize("isolation", list(Isolation))
def test_a_cluster_says_what_this_machine_says(make_run: MakeRun, cluster: Cluster, isolation: Isolation) -> None:
    for _ in range(2):
        cluster.start_worker()
    run = make_run(CACHE_AXES)
    run.fleet, run.isolation = Fleet(cluster.address), isolation
    run.run(run.expand().cells)
    same_as_here(make_run, run, CACHE_AXES)
    assert run.fleet.disagreements == []
    assert (run.fleet.forked > 0) is (isolation is Isolation.FORK)
    used = [len(list((cluster.folder / f"cache-{number}").glob("environments/*/ready"))) for number in (0, 1)]
    assert all(used), "both workers had something to do"


def test_a_worker_killed_in_the_middle_of_a_cell_and_one_that_joins_late(make_run: MakeRun, cluster: Cluster) -> None:
    doomed = cluster.start_worker()
    run = make_run(WIDE)
    run.fleet = Fleet(cluster.address)
    thread, raised = started(run)
    until(lambda: len(recorded(run)) >= 2 and bool(probes_of(doomed)))
    left = probes_of(doomed)
    doomed.send_signal(signal.SIGKILL)
    doomed.wait()
    before = len(recorded(run))
    late = cluster.start_worker()
    finished_by(thread)
    assert raised == [] and before < 12
    until(lambda: not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in left), 20)
    same_as_here(make_run, run, WIDE)
    assert late.poll() is None and list((cluster.folder / "cache-1").glob("environments/*/ready"))


def test_a_scheduler_that_is_restarted_is_given_the_rest_again(make_run: MakeRun, cluster: Cluster) -> None:
    first = cluster.start_worker()
    run = make_run(WIDE)
    run.fleet = Fleet(cluster.address, patience=90)
    thread, raised = started(run)
    until(lambda: len(recorded(run)) >= 2)
    assert cluster.scheduler is not None
    cluster.scheduler.send_signal(signal.SIGKILL)
    cluster.scheduler.wait()
    first.kill()
    first.wait()
    before = len(recorded(run))
    time.sleep(1.0)
    cluster.start_scheduler()
    cluster.start_worker()
    finished_by(thread)
    assert raised == [] and before < 12
    same_as_here(make_run, run, WIDE)


def test_a_cell_that_crashes_does_not_take_its_worker_along(make_run: MakeRun, cluster: Cluster) -> None:
    """What a cell does to its own process is its own failure: no worker dies of it."""
    worker = cluster.start_worker()
    axes = {package: (version,) for package, version in NEW.items()}
    axes["peft"] = (with_fault("segfault-in-train").version, NEW["peft"])
    run = make_run(axes, limits=Limits(stage_seconds=10, memory_mib=300))
    run.fleet = Fleet(cluster.address)
    found = run.run(run.expand().cells)
    assert sorted(str(each.outcome) for each in found.values()) == ["fail", "pass"]
    assert next(each for each in found.values() if each.outcome is Outcome.FAIL).attempts == 2
    assert worker.poll() is None


def test_a_machine_in_trouble_is_told_as_such(make_run: MakeRun, cluster: Cluster, index) -> None:
    cluster.start_worker()
    axes = {package: (version,) for package, version in NEW.items()} | {"peft": ("0.1.1", NEW["peft"])}
    run = make_run(axes)
    run.fleet = Fleet(cluster.address)
    cells = run.expand().cells
    run.resolve(cells, {})
    index.disturb("/files/peft-0.1.1-*.whl", status=500)
    found = {cell.versions["peft"]: result for cell, result in run.run(cells).items()}
    assert found["0.1.1"].outcome is Outcome.ERROR and "index" in found["0.1.1"].trouble
    assert found[NEW["peft"]].outcome is Outcome.PASS


def test_an_own_cluster_needs_no_address(make_run: MakeRun) -> None:
    run = make_run({**{package: (version,) for package, version in NEW.items()}, "peft": ("0.1.1", NEW["peft"])})
    run.fleet = Fleet(jobs=2)
    assert {str(each.outcome) for each in run.run(run.expand().cells).values()} == {"pass"}


def test_without_a_scheduler_it_is_said_what_to_do(make_run: MakeRun) -> None:
    run = make_run({package: (version,) for package, version in NEW.items()})
    run.fleet = Fleet("tcp://127.0.0.1:9", patience=0.5)
    with pytest.raises(MachineError, match="no Dask scheduler answers"):
        run.run(run.expand().cells)


def test_without_dask_it_is_said_what_to_install(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    run = make_run({package: (version,) for package, version in NEW.items()})
    run.fleet = Fleet()
    with pytest.raises(UsageError, match="needs Dask distributed"):
        run.run(run.expand().cells)
    assert main(["run", "--scheduler", "tcp://127.0.0.1:9"]) == 2


# ---------------------------------------------------------------------- who gets what


def test_workers_are_given_cells_for_which_they_are_warm(make_run: MakeRun) -> None:
    run = make_run(WIDE)
    cells = run.expand().cells
    answers = run.resolve(cells, {})
    assignment = Assignment("r", run.matrix.scenario, run.material.digest, run.matrix.limits, run.uv)
    sortie = _Sortie(Fleet("x"), "x", assignment, lambda order, measured: [])
    sortie._queue(Order(cell, answers[cell].lock) for cell in cells)
    assert [len(batch) for batch in sortie.waiting] == [3, 3, 3, 3]
    old, new, other = (
        Worker("old", 1, platform_key(), frozenset({f"py{cells[0].python}-torch2.0.1"})),
        Worker("new", 1, platform_key(), frozenset({f"py{cells[0].python}-torch2.1.0"})),
        Worker("other", 1, "plan9-mips", frozenset()),
    )
    assert sortie._batch_for(other, 3) == [], "a lock is for one platform"
    for worker, torch in ((new, "2.1.0"), (old, "2.0.1"), (new, "2.1.0")):
        batch = sortie._batch_for(worker, 2)
        assert {order.cell.versions["torch"] for order in batch} == {torch}
        assert len({order.cell.versions["transformers"] for order in batch}) == 1
    assert len(sortie._batch_for(old, 2)) == 2, "half of what is left, as there are two"


def test_a_worker_tells_its_platform_and_what_it_has_warm(make_run: MakeRun) -> None:
    run = make_run({package: (version,) for package, version in NEW.items()})
    assert announced(run.cache) == {"platform": platform_key(), "warm": []}
    (cell,) = run.expand().cells
    run.run([cell])
    assert announced(run.cache)["warm"] == [f"py{cell.python}-torch{NEW['torch']}"]
