"""A matrix whose cells are asked several scenarios: methods, and models of several architectures.

Every scenario is a run of its own to the store, to the diagnosis and to the report; together they share the locks, the
environments and the imports.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

from .audit import Audit
from .bench import probed
from .catalogues import load_catalogue
from .classify import diagnosis_of, naming
from .domain import Cell, CellResult, Isolation, Lock, Observation, Resolution
from .errors import DiskFull, MachineError
from .executor import run_cells
from .flakes import settled
from .matrix import Variant
from .pipeline import Run
from .probe import PROBE_VERSION
from .report.context import Context, built_context
from .report.kept import Kept
from .report.methods import MethodsContext
from .runner import Stopped, Work
from .slot import Slot
from .warm_cell import WarmCell

SHARE = 1 / 50
"""Of the forked scenarios, how many are run again by their own process beside the first of each kind of failure."""


def methods_of(variants: Variants) -> MethodsContext:
    """What a report on the scenarios of a matrix says, from the store alone.

    Raises UsageError where the matrix was never run."""
    expansion, catalogue, keep = variants.run.expansion(), load_catalogue(), Kept()

    def context_of(run: Run) -> Context:
        results = map(run.stored, expansion.cells)
        digest = run.material.digest
        return built_context(
            run.matrix, expansion, results, lambda each: diagnosis_of(each, catalogue), catalogue, digest,
            PROBE_VERSION, keep=keep,
        )  # fmt: skip

    contexts = {variant: context_of(run) for variant, run in variants.runs.items()}
    return MethodsContext(variants.run.matrix, contexts, catalogue)


class Variants:
    """The scenarios of `run`'s matrix, each with what is known of it."""

    def __init__(self, run: Run, share: float = SHARE) -> None:
        self.run = run
        self.runs: Mapping[Variant, Run] = {
            variant: Run(
                run.matrix.of_variant(variant), run.store, run.cache, progress=run.progress, source=run.source,
                until=run.until,
            )
            for variant in run.matrix.variants
        }  # fmt: skip
        self.audit = Audit(naming(load_catalogue()), share)
        self.off: dict[str, str] = {}
        """Cells whose scenarios were not forked, or not all of them, and why."""

    def run_all(self, cells: Iterable[Cell], *, again: bool = False) -> dict[Cell, dict[Variant, CellResult]]:
        """Every cell with a result for every scenario: what is not in the store is run.

        Raises the machine's error where nothing can go on: a full disk, or an index that answers for no cell.
        """
        cells = tuple(cells)
        expansion = self.run.store.expansion(self.run.matrix.digest) or self.run.expand()
        answers = self.run.resolve(cells, expansion.released)
        results: dict[Cell, dict[Variant, CellResult]] = {cell: {} for cell in cells}
        missing: dict[Cell, list[Variant]] = {}
        for cell, answer in answers.items():
            for variant, run in self.runs.items():
                if isinstance(answer, MachineError):
                    results[cell][variant] = run.troubled(cell, None, answer)
                elif answer.lock is not None and (again or not settled(run.attempts(answer.lock))):
                    missing.setdefault(cell, []).append(variant)
                else:
                    results[cell][variant] = run.stored(cell)
        if cells and all(isinstance(answers[cell], MachineError) for cell in cells):
            raise next(answer for answer in answers.values() if isinstance(answer, MachineError))
        total = sum(map(len, missing.values()))
        progress = self.run.progress
        progress.running(total, len(cells) * len(self.runs) - total)

        def run_cell(cell: Cell, slot: Slot, worker: int, stop: threading.Event) -> None:
            resolution = answers[cell]
            assert isinstance(resolution, Resolution)
            work = _Cell(self, cell, resolution, slot, worker, stop, again)
            with closing(WarmCell(slot.python)) as warm:
                work.run(missing[cell], warm, results[cell])
            if warm.reason:
                self.off[cell.id] = warm.reason

        if missing:
            self.run.require_room()
        try:
            run_cells(missing, self.run.cache / "environments", self.run.jobs, run_cell)
        finally:
            progress.done()
        return results

    def lines(self) -> list[str]:
        """What is to be said of forking, for people."""
        told = []
        if self.audit.forked:
            told.append(
                f"{self.audit.forked} scenarios were forked; {self.audit.compared} of them were made again by a "
                f"process of their own, {len(self.audit.disagreements)} disagreed"
            )
        return told + [f"  not forked in {cell}: {why}" for cell, why in self.off.items()]


class _Cell:
    """One cell, with its scenarios one after the other."""

    def __init__(
        self,
        all_: Variants,
        cell: Cell,
        resolution: Resolution,
        slot: Slot,
        worker: int,
        stop: threading.Event,
        again: bool,
    ) -> None:
        self.all, self.cell, self.resolution, self.slot = all_, cell, resolution, slot
        self.worker, self.stop, self.again = worker, stop, again
        assert resolution.lock is not None
        self.lock: Lock = resolution.lock
        self.relied: list[tuple[Variant, Observation]] = []
        """Forked, and kept without a look at what a process of its own would have said."""
        self.doubted = False
        """Whether a process of its own has said something else than a fork."""

    def run(self, waiting: Iterable[Variant], warm: WarmCell, results: dict[Variant, CellResult]) -> None:
        """Each of `waiting` into `results`. A trouble of the machine's is the result of those that are left."""
        left = list(waiting)
        while left and not self.stop.is_set():
            variant, run = left[0], self.all.runs[left[0]]
            observe = partial(self._observed, variant, warm)
            try:
                result = run.settled_result(self.cell, self.resolution, observe, self.again)
            except Stopped:
                return
            except MachineError as error:
                if self.stop.is_set():
                    return
                for each in left:
                    results[each] = self.all.runs[each].troubled(self.cell, self.resolution, error)
                    run.progress.finished(results[each], self.worker, each.name)
                if isinstance(error, DiskFull):
                    raise
                return
            results[left.pop(0)] = result
            run.progress.finished(result, self.worker, variant.name)
            if self.doubted:
                left += self._taken_back()

    def _observed(self, variant: Variant, warm: WarmCell, cold: bool) -> Observation:
        """One observation: forked from `warm` while that can be, and sometimes held against a process of its own."""
        run = self.all.runs[variant]
        run.progress.preparing(self.cell, self.worker)
        self.slot.prepare(self.lock, run.uv)
        source = None if cold else warm.source()
        observation, changed = self._probed(run, source)
        if source is None:
            return observation
        if changed:
            warm.close()
        else:
            warm.learn()
        if self.all.audit.wants(observation):
            self.slot.prepare(self.lock, run.uv)
            reference, _ = self._probed(run, None)
            if not self.all.audit.agree(f"{self.cell.id} {variant.name}", observation, reference):
                warm.turn_off(self.all.audit.disagreements[-1])
                self.doubted = True
            return reference
        told = replace(observation, facts={**observation.facts, "isolation": str(Isolation.FORK)})
        self.relied.append((variant, told))
        return told

    def _probed(self, run: Run, source: Any) -> tuple[Observation, bool]:
        def heard(event: str, fields: Mapping[str, Any]) -> None:
            run.progress.heard(self.cell, self.worker, event, fields)

        work = Work(run.matrix.scenario, run.material.model, run.material.texts)
        return probed(self.slot, run.uv, work, run.matrix.limits, heard, self.stop, source)

    def _taken_back(self) -> list[Variant]:
        """What was forked in this cell does not count: forks have been found to say something else."""
        for variant, observation in self.relied:
            run = self.all.runs[variant]
            run.store.withdraw_observation(self.lock, run.material.digest, observation)
        again, self.relied = [variant for variant, _ in self.relied], []
        return list(dict.fromkeys(again))
