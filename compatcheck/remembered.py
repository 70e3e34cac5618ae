"""What a store knows of a matrix: read and kept, nothing run and nothing asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from packaging.version import Version

from .domain import Cell, CellResult, Digest, Lock, Observation, Policy, Resolution
from .errors import UsageError
from .expansion import Expansion
from .experiment import Experiment
from .flakes import agreeing, runs, settled, verdict
from .machine import platform_key
from .matrix import Matrix
from .probe import PROBE_VERSION
from .scenario.material import Material, material
from .store import Store


@dataclass
class Remembered:
    """One matrix on this platform, and what a store has of it."""

    matrix: Matrix
    store: Store
    cache: Path
    """Where models and environments are kept."""
    until: datetime | None = field(default=None, kw_only=True)
    """Only what had been observed by then is known, of the locks that the store holds now; None: everything."""

    def __post_init__(self) -> None:
        self.platform = platform_key()
        self._material: Material | None = None

    @property
    def material(self) -> Material:
        if self._material is None:
            self._material = material(self.matrix.scenario, self.cache)
        return self._material

    def attempts(self, lock: Lock) -> tuple[Observation, ...]:
        """Every observation of `lock` with this scenario, probe and platform; the oldest first."""
        found = self.store.observations(lock, self.material.digest, PROBE_VERSION, self.platform)
        return tuple(each for each in found if self.until is None or each.started <= self.until)

    def known(self, lock: Lock) -> Observation | None:
        """The observation that counts for `lock`; None where more runs are needed to say."""
        attempts = self.attempts(lock)
        return verdict(attempts) if settled(attempts) else None

    def observed(self, cell: Cell, resolution: Resolution, attempts: tuple[Observation, ...]) -> CellResult:
        """The result that these observations of the cell's lock come to."""
        return CellResult(cell, resolution, verdict(attempts), "", runs(attempts), agreeing(attempts))

    def expansion(self) -> Expansion:
        """The cells as they were when the matrix was last run. Raises UsageError where it never was."""
        expansion = self.store.expansion(self.matrix.digest)
        if expansion is None:
            raise UsageError(
                f"the matrix {self.matrix.name!r} has not been run here yet",
                "Run it first: compatcheck run MATRIX (a changed matrix file counts as another matrix).",
            )
        return expansion

    def results(self, expansion: Expansion | None = None) -> tuple[CellResult, ...]:
        """All that the store knows of the matrix's cells, without running or asking anything.

        `expansion`: its cells; None: as they were when the matrix was last run.
        """
        return tuple(self.each_result((expansion or self.expansion()).cells))

    def each_result(self, cells: Iterable[Cell]) -> Iterator[CellResult]:
        """The same of some cells, read one at a time."""
        told = self.store.told_cells(self.matrix.resolution_digest, self.platform)
        return (self.stored(cell) if cell.id in told else CellResult(cell) for cell in cells)

    def beside(self, expansion: Expansion | None = None) -> tuple[CellResult, ...]:
        """Cells of the same axes and settings that are not the matrix's, and were measured.

        By other matrices, by `compatcheck rules --exact`, or by this one before their releases left it.
        """
        own = (expansion or self.expansion()).cells
        names = {cell.id for cell in own}
        axes = tuple(own[0].versions) if own else ()
        found = []
        for name, digest in self.store.locked(self.matrix.resolution_digest, self.platform):
            lock = None if name in names else self.store.lock(digest)
            if lock is None or lock.python not in self.matrix.python or not lock.versions.keys() >= set(axes):
                continue
            cell = Cell(lock.python, {axis: Version(lock.versions[axis]).public for axis in axes})
            # an identifier is not parsed: a cell with further axes has another
            if cell.id == name and (result := self.stored(cell)).observation is not None:
                found.append(result)
        return tuple(found)

    def in_their_time(self, cells: Iterable[Cell]) -> Iterator[CellResult]:
        """What the store knows of some cells with the other packages of their own time, read one at a time."""
        settings = replace(self.matrix, policy=Policy.CONTEMPORARY).resolution_digest
        told = self.store.told_cells(settings, self.platform)
        found = (self.stored(cell, settings) for cell in cells if cell.id in told)
        return (result for result in found if result.observation is not None)

    def experiments(self) -> dict[str, Experiment]:
        """What blame by experiment has come to, by cell."""
        return self.store.experiments(self.matrix.resolution_digest, self.material.digest, PROBE_VERSION, self.platform)

    def evidence(self, experiments: Iterable[Experiment]) -> dict[str, Lock]:
        """The locks that some experiments rest on, by their digests."""
        digests = {end for each in experiments for end in each.evidence}
        return {digest: lock for digest in sorted(digests) if (lock := self.store.lock(Digest(digest))) is not None}

    def keep(self, experiment: Experiment) -> None:
        self.store.save_experiment(
            experiment, self.matrix.resolution_digest, self.material.digest, PROBE_VERSION, self.platform
        )

    def stored(self, cell: Cell, settings: Digest | None = None) -> CellResult:
        """What the store knows of one cell; `settings` are those of its lock, None: the matrix's."""
        settings = settings or self.matrix.resolution_digest
        resolution = self.store.resolution(cell, settings, self.platform)
        attempts = self.attempts(resolution.lock) if resolution and resolution.lock else ()
        if resolution is not None and attempts:
            return self.observed(cell, resolution, attempts)
        if self.until is not None and resolution and resolution.resolved and resolution.resolved > self.until:
            return CellResult(cell, None)  # asked for the first time, or again, since then
        return CellResult(cell, resolution, None, self.store.trouble(cell, settings, self.platform))
