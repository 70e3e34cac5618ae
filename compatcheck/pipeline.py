"""The whole way, visible in one place: matrix -> cells -> locks -> environments -> observations -> store.

What is known is never done again. `Run` holds what the steps share; each step is one method.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

from filelock import FileLock

from .audit import SHARE, Audit
from .bench import Bench
from .catalogues import load_catalogue
from .classify import naming
from .confirmation import CELL_MIB, confirming
from .domain import Cell, CellResult, Digest, Isolation, Lock, Observation, Policy, Resolution
from .environment import Uv, contemporary_cutoff
from .errors import DiskFull, IndexUnavailable, MachineError, refused_by_disk
from .executor import run_cells
from .expansion import Expansion, expanded, without_missing_pythons
from .fitting import most_demanding, require_room
from .flakes import settled
from .fleet import Fleet
from .fleet_worker import Assignment, Measured, Order
from .forks import Forking
from .layers import Shared
from .memory_evidence import room_mib
from .progress import Progress
from .releases import PackageIndex, ReleaseSource, index_url
from .remembered import Remembered
from .runner import Stopped, Work
from .slot import Slot

SILENT = frozenset({"torch"})
"""Axes whose releases declare nothing about the other axes."""
NOTHING = Expansion((), {})
RESOLVERS = 4
"""Resolutions at a time: each is a short uv process that mostly waits."""


@dataclass
class Run(Remembered):
    """One matrix on this machine, with the store that remembers it: what is not known can be run."""

    jobs: int = 1
    progress: Progress = field(default_factory=Progress)
    patience: Sequence[float] = ()
    """Seconds to wait before each further try of the cells for which the index was away."""
    source: ReleaseSource | None = None
    """Where versions are looked up; None: the matrix's index, or the configured one."""
    isolation: Isolation = Isolation.PROCESS
    audit_share: float = SHARE
    """With the isolation `fork`: of the forked cells, how many are run again by a process of their own."""
    forced: bool = False
    """Run also what would not fit into memory."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._source = self.source or PackageIndex(self.matrix.index.url or index_url())
        self.uv = Uv(self.matrix.index.url or "", self.matrix.index.torch_backend)
        self.fleet: Fleet | None = None
        """Where cells are run; None: on this machine."""
        self.bench: Bench | None = None
        """Of the last call of `run` that had something to run."""

    # ------------------------------------------------------------------ matrix -> cells

    def expand(self) -> Expansion:
        """The cells of the matrix today, remembered for reports made later."""
        expansion = self.expansion_today()
        self.store.save_expansion(self.matrix.digest, expansion)
        return expansion

    def expansion_today(self) -> Expansion:
        """The same, not remembered."""
        before = self.store.expansion(self.matrix.digest)
        expansion = without_missing_pythons(expanded(self.matrix, self._source))
        # what a wheel says never changes
        return replace(expansion, declared=before.declared) if before is not None else expansion

    def begin_refresh(self) -> None:
        """Keep the cells before this refresh; those before an earlier one that has not ended stay."""
        if self.store.expansion(self._refreshing) is None:
            self.store.save_expansion(self._refreshing, self.store.expansion(self.matrix.digest) or NOTHING)

    def cells_before(self) -> Expansion | None:
        """The cells before this refresh, or before the earlier one that has not ended; None: it never was looked up."""
        found = self.store.expansion(self._refreshing) or self.store.expansion(self.matrix.digest)
        return found if found is not None and found.cells else None

    def end_refresh(self) -> None:
        """What came with this refresh is not new any more."""
        self.store.drop_expansion(self._refreshing)

    @property
    def _refreshing(self) -> Digest:
        return Digest(f"{self.matrix.digest}-refreshing")

    def learn_requirements(self) -> None:
        """Read what the wheels of the axes' releases declare, for the report; torch's, of GBs, declares nothing of it.

        Raises MachineError; what was read until then is kept.
        """
        expansion = self.store.expansion(self.matrix.digest) or self.expand()
        releases = {item: cell.python for cell in expansion.cells for item in cell.versions.items()}
        declared = dict(expansion.declared)
        try:
            for (package, version), python in releases.items():
                if package not in SILENT and f"{package} {version}" not in declared:
                    declared[f"{package} {version}"] = self.uv.requires(package, version, python)
        finally:
            if declared != expansion.declared:
                self.store.save_expansion(self.matrix.digest, replace(expansion, declared=declared))

    def cells_along(self, choices: Mapping[str, Iterable[str]]) -> tuple[Cell, ...]:
        """The cells of the given entries of some axes, `{"torch": ["newest"]}`. Raises UsageError for others."""
        narrowed = self.matrix
        for axis, entries in choices.items():
            narrowed = narrowed.narrowed(axis, entries)
        return expanded(narrowed, self._source).cells

    # ------------------------------------------------------------------ cells -> locks

    def resolve(self, cells: Iterable[Cell], released: Mapping[str, datetime]) -> dict[Cell, Resolution | MachineError]:
        """The resolver's answer for every cell; those of today are taken from the store."""
        answers: dict[Cell, Resolution | MachineError] = {}
        missing = []
        for cell in cells:
            known = self.store.resolution(cell, self.matrix.resolution_digest, self.platform)
            if known is not None and self._still_good(known):
                answers[cell] = known
            else:
                missing.append(cell)
        self.progress.resolving(len(missing))
        with ThreadPoolExecutor(RESOLVERS) as pool:
            try:
                for cell, answer in zip(
                    missing, pool.map(lambda each: self._resolve(each, released), missing), strict=True
                ):
                    answers[cell] = answer
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return answers

    def _still_good(self, resolution: Resolution) -> bool:
        """A contemporary lock never changes; today's is good for the day (UTC)."""
        if self.matrix.policy is Policy.CONTEMPORARY:
            return True
        return resolution.resolved is not None and resolution.resolved.date() == datetime.now(timezone.utc).date()

    def _resolve(self, cell: Cell, released: Mapping[str, datetime]) -> Resolution | MachineError:
        try:
            cutoff = None
            if self.matrix.policy is Policy.CONTEMPORARY:
                cutoff = contemporary_cutoff(cell, released, self.matrix.contemporary_days)
            answer = self.uv.resolution(cell, self.matrix.extras, cutoff)
        except MachineError as error:
            return error
        self.store.save_resolution(cell, self.matrix.resolution_digest, self.platform, answer)
        self.progress.resolved(cell)
        return answer

    # ------------------------------------------------------------------ locks -> observations

    def run(self, cells: Iterable[Cell], *, again: bool = False) -> dict[Cell, CellResult]:
        """Every cell with a result: what is not in the store is run. `again` runs known cells once more.

        Raises the machine's error where nothing can go on: a full disk, or an index that answers for no cell. Where it
        is away for some cells, these are tried again later, as `patience` says.
        """
        try:
            results, missed = self._round(tuple(cells), again)
            for seconds in self.patience if missed else ():
                self.progress.waiting(len(missed), seconds)
                time.sleep(seconds)
                with suppress(IndexUnavailable):
                    later, missed = self._round(missed, again)
                    results |= later
                if not missed:
                    break
        finally:
            self.progress.done()
        return results

    def _round(self, cells: tuple[Cell, ...], again: bool) -> tuple[dict[Cell, CellResult], tuple[Cell, ...]]:
        """Every cell once: the results, and the cells that an index which was away is the reason for having none."""
        expansion = self.store.expansion(self.matrix.digest) or self.expand()
        answers = self.resolve(cells, expansion.released)
        results: dict[Cell, CellResult] = {}
        missed = {cell for cell, answer in answers.items() if isinstance(answer, IndexUnavailable)}
        waiting = []
        for cell in cells:
            answer = answers[cell]
            if isinstance(answer, MachineError):
                results[cell] = self.troubled(cell, None, answer)
            elif answer.lock is None:
                results[cell] = CellResult(cell, answer)
            elif not again and settled(attempts := self.attempts(answer.lock)):
                results[cell] = self.observed(cell, answer, attempts)
            else:
                waiting.append(cell)
        if len(cells) == sum(bool(result.trouble) for result in results.values()):
            raise next(answer for answer in answers.values() if isinstance(answer, MachineError))
        self.progress.running(len(waiting), len(results))
        if waiting and self.fleet is not None:
            self._run_afar(self.fleet, waiting, answers, results, again)
            waiting = []
        if waiting:
            self.require_room()
            self.bench = self._bench([answers[cell] for cell in waiting])
        while waiting:
            waiting = self._run_waiting(waiting, answers, results, missed, again)
            # from now on cold: their layers are not forked from any more
        return {cell: results[cell] for cell in cells}, tuple(cell for cell in cells if cell in missed)

    def require_room(self) -> None:
        """Raises MemoryShort where a cell would not fit into this machine's memory or its limit, unless forced."""
        if not self.forced:
            require_room(most_demanding(self.matrix, self.cache), self.matrix.limits)

    def _run_afar(
        self,
        fleet: Fleet,
        waiting: Iterable[Cell],
        answers: Mapping[Cell, Resolution | MachineError],
        results: dict[Cell, CellResult],
        again: bool,
    ) -> None:
        """Run the cells on a cluster, each into `results`. Raises DiskFull where a worker's disk is."""
        resolved = {cell: answer for cell in waiting if isinstance(answer := answers[cell], Resolution)}
        locks = {cell: answer.lock for cell, answer in resolved.items() if answer.lock is not None}
        shared = Shared.among(locks.values(), self.matrix.axes) if self.isolation is Isolation.FORK else None
        assignment = Assignment(
            uuid.uuid4().hex, self.matrix.scenario, self.material.digest, self.matrix.limits, self.uv, shared,
            self.audit_share, None if fleet.scheduler else self.cache,
        )  # fmt: skip

        def order(cell: Cell, cold: bool = False) -> Order:
            return Order(cell, locks[cell], () if again else self.attempts(locks[cell]), cold)

        def recorded(done: Order, measured: Measured) -> list[Order]:
            cell, lock = done.cell, done.lock
            if measured.full:
                raise DiskFull(measured.trouble, "Free some space on the worker and run again: it goes on.")
            if not measured.observations:
                results[cell] = self.troubled(cell, resolved[cell], MachineError(measured.trouble, "Run again."))
            else:
                with self._claim(lock):
                    if again or not settled(self.attempts(lock)):
                        for observation in measured.observations:
                            self.store.save_observation(lock, self.material.digest, observation)
                self.store.drop_trouble(cell, self.matrix.resolution_digest, self.platform)
                results[cell] = self.observed(cell, resolved[cell], self.attempts(lock))
            self.progress.finished(results[cell], 0)
            doubted = [each for each in measured.doubted if each in results]
            for each in doubted:
                self._take_back(results[each])
            return [order(each, cold=True) for each in doubted]

        fleet.run([order(cell) for cell in locks], assignment, recorded)

    def _bench(self, answers: Iterable[Resolution | MachineError]) -> Bench:
        locks = [each.lock for each in answers if isinstance(each, Resolution) and each.lock is not None]
        forks = self.isolation is Isolation.FORK
        forking = Forking(Shared.among(locks, self.matrix.axes)) if forks else None
        work = Work(self.matrix.scenario, self.material.model, self.material.texts)
        return Bench(
            self.uv, work, self.matrix.limits, Audit(naming(load_catalogue()), self.audit_share), forking, self.progress
        )

    def _run_waiting(
        self,
        waiting: Iterable[Cell],
        answers: Mapping[Cell, Resolution | MachineError],
        results: dict[Cell, CellResult],
        missed: set[Cell],
        again: bool,
    ) -> list[Cell]:
        """Run the cells, each into `results`; those whose observation has been taken back since."""
        assert self.bench is not None
        bench, guard = self.bench, threading.Lock()
        taken_back: list[Cell] = []
        doubted: set[Cell] = set()

        def run_cell(cell: Cell, slot: Slot, worker: int, stop: threading.Event) -> None:
            resolution = answers[cell]
            assert isinstance(resolution, Resolution) and resolution.lock is not None
            try:
                result = self._run_cell(cell, resolution, slot, worker, stop, again, bench)
            except Stopped:
                return
            except MachineError as error:
                if stop.is_set():
                    return
                result = self.troubled(cell, resolution, error)
                if isinstance(error, DiskFull):
                    raise
                if isinstance(error, IndexUnavailable):
                    missed.add(cell)
            with guard:
                results[cell] = result
                doubted.update(bench.doubted())
                # of some the result is still on its way here
                for each in doubted & results.keys():
                    self._take_back(results[each])
                    taken_back.append(each)
                    doubted.discard(each)
            self.progress.finished(result, worker)

        def prepare(cell: Cell, slot: Slot) -> None:
            answer = answers[cell]
            assert isinstance(answer, Resolution) and answer.lock is not None
            slot.prepare(answer.lock, self.uv)

        run_cells(waiting, self.cache / "environments", self.jobs, run_cell, bench.leave, prepare)
        return taken_back

    def _take_back(self, result: CellResult) -> None:
        """A forked observation does not count any more: its layer has been found to say something else."""
        if result.lock is not None and result.observation is not None:
            self.store.withdraw_observation(result.lock, self.material.digest, result.observation)

    def _run_cell(
        self,
        cell: Cell,
        resolution: Resolution,
        slot: Slot,
        worker: int,
        stop: threading.Event,
        again: bool,
        bench: Bench,
    ) -> CellResult:
        def observe(cold: bool) -> Observation:
            assert resolution.lock is not None
            return bench.observe(cell, resolution.lock, slot, worker, stop, cold=cold)

        return self.settled_result(cell, resolution, observe, again)

    def settled_result(
        self, cell: Cell, resolution: Resolution, observe: Callable[[bool], Observation], again: bool = False
    ) -> CellResult:
        """What comes of `observe`, called until no further run is needed; every observation is kept.

        It is told whether a process of its own is wanted: what could be chance is tried once more by one.
        """
        lock = resolution.lock
        assert lock is not None
        with self._claim(lock):
            attempts = () if again else self.attempts(lock)
            # settled already: another process has run it in the meantime
            while not settled(attempts):
                observation = observe(bool(attempts))
                self.store.save_observation(lock, self.material.digest, observation)
                attempts = (*attempts, observation)
            attempts = self.attempts(lock)
        self.store.drop_trouble(cell, self.matrix.resolution_digest, self.platform)
        return self.observed(cell, resolution, attempts)

    @contextmanager
    def _claim(self, lock: Lock) -> Iterator[None]:
        """Held while a lock is run, so that two processes on one store do not run it twice."""
        folder = self.store.path.with_suffix(".claims")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            claim = FileLock(folder / f"{lock.digest}-{self.material.digest}.lock")
            claim.acquire()
        except OSError as error:
            raise refused_by_disk(error, f"nothing can be written in {folder}") from None
        try:
            yield
        finally:
            claim.release()

    def troubled(self, cell: Cell, resolution: Resolution | None, error: MachineError) -> CellResult:
        self.store.save_trouble(cell, self.matrix.resolution_digest, self.platform, error.what)
        return CellResult(cell, resolution, None, error.what)


def confirming_run(run: Run) -> Run:
    """The same cells with the model that confirms: as many at a time as the memory holds."""
    jobs = max(1, min(run.jobs, int(room_mib() // CELL_MIB)))
    return Run(
        confirming(run.matrix), run.store, run.cache, jobs, run.progress, run.patience, run.source, until=run.until,
        forced=run.forced,
    )  # fmt: skip
