"""Cells on many machines, by Dask distributed: this side. What comes back is recorded in the one store, once.

Dask moves the work and watches the workers; who gets which cells is said here: workers tell which torch versions they
have warm, and are given cells that fit, a batch that shares layers at a time. What was under way on a worker that died
goes to another, and what a scheduler that was restarted has forgotten is given to it again.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import fleet_worker
from .audit import forking_lines
from .errors import MachineError, UsageError
from .executor import place_name
from .fleet_worker import ANNOUNCED, Assignment, Measured, Order
from .matrix import batches

if TYPE_CHECKING:
    from distributed import Client, Future

LOOK_SECONDS = 0.1
SURVEY_SECONDS = 1.0
"""Between two looks at which workers there are."""
PATIENCE = 300.0
"""Seconds for which a run waits for a scheduler that is away, or for a first worker."""
DEATHS = 3
"""Workers that may die with a cell before the cell is given up."""

Recorded = Callable[[Order, Measured], Iterable[Order]]
"""Told of every cell that is done, once; answers with the orders that follow from it."""


@dataclass
class Flying:
    order: Order
    worker: str
    """Whom it was meant for."""
    future: Future[Any]


@dataclass(frozen=True)
class Worker:
    address: str
    threads: int
    platform: str
    warm: frozenset[str]


def _survey(dask_scheduler: Any) -> list[tuple[str, int, Any]]:
    """Runs on the scheduler: every worker with what it has told of itself."""
    workers = dask_scheduler.workers.values()
    return [(each.address, each.nthreads, (each.metrics or {}).get("compatcheck")) for each in workers]


@dataclass
class Fleet:
    """A cluster that runs cells. `scheduler` is its address; empty: workers of an own one on this machine."""

    scheduler: str = ""
    jobs: int = 1
    """Workers of an own cluster."""
    patience: float = PATIENCE
    forked: int = 0
    compared: int = 0
    disagreements: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """What is to be said of forking, for people."""
        return forking_lines(self.forked, self.compared, self.disagreements) if self.forked else []

    def run(self, orders: Iterable[Order], assignment: Assignment, recorded: Recorded) -> None:
        """Have every order measured and recorded. Raises MachineError where no cluster can be had, UsageError."""
        with self._cluster() as address:
            _Sortie(self, address, assignment, recorded).fly(tuple(orders))

    @contextmanager
    def _cluster(self) -> Iterator[str]:
        distributed = _distributed()
        if self.scheduler:
            yield self.scheduler
            return
        with distributed.LocalCluster(
            n_workers=self.jobs,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=":0",
            memory_limit=0,
            silence_logs=50,
        ) as cluster:
            yield str(cluster.scheduler_address)


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise UsageError(
            "--executor dask needs Dask distributed", "python -m pip install 'compatcheck[dask]', on every machine."
        ) from None
    return distributed


class _Sortie:
    """One run on a cluster."""

    def __init__(self, fleet: Fleet, address: str, assignment: Assignment, recorded: Recorded) -> None:
        self.fleet, self.address, self.recorded = fleet, address, recorded
        self.assignment = assignment
        self.waiting: list[list[Order]] = []
        self.flying: dict[str, Flying] = {}
        self.given: dict[str, str] = {}
        """Worker to the environment that it was last given cells for."""
        self.troubled: Counter[str] = Counter()
        self.woken = threading.Event()
        self.client: Client | None = None

    def fly(self, orders: tuple[Order, ...]) -> None:
        self._queue(orders)
        surveyed = 0.0
        workers: list[Worker] = []
        try:
            while self.waiting or self.flying:
                try:
                    self._connect()
                    if time.monotonic() - surveyed > SURVEY_SECONDS:
                        workers, surveyed = self._workers(), time.monotonic()
                    self._assign(workers)
                    self._collect({each.address for each in workers})
                except (OSError, TimeoutError):
                    # the scheduler is away: what it was given is given again when there is one
                    self._disconnect()
                self.woken.wait(LOOK_SECONDS)
                self.woken.clear()
        except BaseException:
            self._everywhere(fleet_worker.stop)
            raise
        finally:
            self._everywhere(fleet_worker.leave)
            self._disconnect()

    # ------------------------------------------------------------------ the connection

    def _connect(self) -> None:
        if self.client is not None:
            if self.client.status == "running":
                return
            self._disconnect()
        distributed = _distributed()
        deadline = time.monotonic() + self.fleet.patience
        while self.client is None:
            try:
                self.client = distributed.Client(self.address, set_as_default=False, timeout=5)
            except (OSError, TimeoutError) as error:
                if time.monotonic() > deadline:
                    raise MachineError(
                        f"no Dask scheduler answers at {self.address}: {error}",
                        "Start one (dask scheduler), or run again when it is there: what is measured is kept.",
                    ) from None
                time.sleep(0.5)
        self.client.register_plugin(_announcing(self.assignment.cache))

    def _disconnect(self) -> None:
        """Take back what is under way, and let go of the client."""
        lost = [each.order for each in self.flying.values()]
        self.flying.clear()
        if lost:
            self._queue(lost)
        client, self.client = self.client, None
        if client is not None:
            with suppress(Exception):
                client.close(timeout=2)

    def _everywhere(self, work: Callable[[str], None]) -> None:
        if self.client is not None and self.client.status == "running":
            with suppress(Exception):
                self.client.run(work, self.assignment.run, on_error="ignore")

    def _workers(self) -> list[Worker]:
        assert self.client is not None
        told = self.client.run_on_scheduler(_survey)
        return [
            Worker(address, threads, said["platform"], frozenset(said["warm"]))
            for address, threads, said in told
            if said is not None
        ]

    # ------------------------------------------------------------------ who gets what

    def _queue(self, orders: Iterable[Order]) -> None:
        """Put orders where they wait, those that share layers together."""
        by_cell = {order.cell: order for order in orders}
        self.waiting += [[by_cell[cell] for cell in batch] for batch in batches(by_cell)]

    def _assign(self, workers: list[Worker]) -> None:
        """Give every worker that runs out of cells a batch, rather one for which it is warm."""
        load = Counter(each.worker for each in self.flying.values())
        for worker in sorted(workers, key=lambda each: load[each.address]):
            while self.waiting and load[worker.address] <= worker.threads:
                batch = self._batch_for(worker, len(workers))
                if not batch:
                    break
                for order in batch:
                    self._submit(order, worker)
                load[worker.address] += len(batch)

    def _batch_for(self, worker: Worker, workers: int) -> list[Order]:
        """The next orders for a worker; no more than its share of what is left."""

        def fit(batch: list[Order]) -> int:
            place = place_name(batch[0].cell)
            if self.given.get(worker.address) == place:
                return 0
            if place in worker.warm:
                return 1
            return 3 if place in self.given.values() else 2

        fitting = [batch for batch in self.waiting if batch[0].lock.platform == worker.platform]
        if not fitting:
            return []
        batch = min(fitting, key=fit)
        share = max(1, -(-sum(map(len, self.waiting)) // max(workers, 1)))
        taken = batch[:share]
        del batch[:share]
        self.waiting = [each for each in self.waiting if each]
        self.given[worker.address] = place_name(taken[0].cell)
        return taken

    def _submit(self, order: Order, worker: Worker) -> None:
        assert self.client is not None
        key = f"compatcheck-{order.cell.id}-{uuid.uuid4().hex}"
        future = self.client.submit(
            fleet_worker.measure,
            self.assignment,
            order,
            key=key,
            pure=False,
            workers=[worker.address],
            allow_other_workers=False,
            retries=0,
        )
        future.add_done_callback(lambda _: self.woken.set())
        self.flying[key] = Flying(order, worker.address, future)

    # ------------------------------------------------------------------ what comes back

    def _collect(self, alive: set[str]) -> None:
        for key, each in list(self.flying.items()):
            status = each.future.status
            if status == "finished":
                measured = each.future.result()
                del self.flying[key]
                each.future.release()
                self._take(each.order, measured)
            elif status in ("error", "lost", "cancelled") or (alive and each.worker not in alive):
                del self.flying[key]
                with suppress(Exception):
                    each.future.cancel()
                self._again(
                    each.order, _reason(each.future) if status == "error" else f"its worker {each.worker} is gone"
                )

    def _take(self, order: Order, measured: Measured) -> None:
        if measured.refused:
            self._again(order, measured.trouble)
            return
        self.fleet.forked += measured.forked
        self.fleet.compared += measured.compared
        self.fleet.disagreements += measured.disagreements
        self._queue(self.recorded(order, measured))

    def _again(self, order: Order, reason: str) -> None:
        """Once more, on whoever is there; given up where it has failed too often."""
        self.troubled[order.cell.id] += 1
        if self.troubled[order.cell.id] < DEATHS:
            self._queue([order])
        else:
            self._queue(self.recorded(order, Measured(trouble=f"given up after {DEATHS} tries: {reason}")))


def _reason(future: Future[Any]) -> str:
    error = future.exception()
    return f"{type(error).__name__}: {str(error)[:300]}"


def _announcing(cache: Path | None) -> Any:
    """A plugin of Dask's workers, also of those that join later: each tells what it is and has with every heartbeat."""
    from distributed import WorkerPlugin

    class Announcing(WorkerPlugin):
        name = ANNOUNCED

        def setup(self, worker: Any) -> None:
            from compatcheck.fleet_worker import ANNOUNCED, announced

            worker.metrics[ANNOUNCED] = lambda _: announced(cache)

    return Announcing()
