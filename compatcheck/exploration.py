"""A matrix explored on this machine: which cells are run, in what order, within what budget, and when it is enough.

What is known is taken from the store, so an exploration goes on where it was: by the next call, after a kill, or with
cells that another matrix has measured. Pure decisions are `explore`'s; here they meet the pipeline.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from statistics import median

import numpy as np

from .catalogues import load_catalogue
from .classify import diagnosis_of
from .conclusion import ChosenCell
from .domain import Cell, CellResult, Diagnosis, Isolation
from .errors import DiskFull, MachineError
from .expansion import Expansion
from .explore import Choice, Explorer, Role, usual_runs
from .explored import audit_of, known_space, recalled, retired_audits, unit_of
from .foretold import foretold_failures
from .import_needs import needs_on
from .inference_audit import Audit
from .pipeline import Run
from .refusal import declared_refusals
from .rooms import Rooms
from .space import Floats
from .table import PYTHON, Unit

STEP = 4
"""Cells that are chosen at a time."""
SECONDS = 8.0
"""A cell, before any was timed."""
FIRST_OF_A_TORCH = 10.0
"""What the first cell of a torch that is not on this disk costs, in usual cells: a download of gigabytes."""
COMPANY = {Isolation.PROCESS: 0.3, Isolation.FORK: 0.1}
"""What a cell costs beside one that differs in the last axis alone, in usual cells, whose files are not in memory:
3.6 s and 1.0 s against 11.7 s (benchmarks/results.md).
"""
EVERYTHING = "every cell is known"
PIN_SHARE = 0.25
"""Of the budget at most, for the newest cells that are held to pass."""
AUDIT_SHARE = 0.1
LEAST_AUDIT = 10


@dataclass(frozen=True)
class Budget:
    """When an exploration ends. What is not given does not end it."""

    seconds: float | None = None
    cells: int | None = None
    """Runs of cells, the audit's among them."""
    target: float | None = 0.99
    """Enough once this accuracy is expected over the cells that may be run, and an audit finds no miss. None: once
    every release was run and no cell is untested.
    """
    disk: int | None = None
    """Bytes that environments and the wheels of their torch may take."""


@dataclass(frozen=True)
class Standing:
    """How far an exploration is."""

    cells: int
    measured: int
    decided: float
    """The share of the cells that are measured or inferred."""
    expected: float
    """The accuracy that is claimed over all cells."""
    runs: int
    """Of this call."""
    seconds_left: float | None

    def words(self) -> str:
        """`412 of 12,784 cells measured (3.2 %), 97 % decided, expected accuracy 0.981, about 31 min left`."""
        left = "" if self.seconds_left is None else f", at most {max(0.0, self.seconds_left) / 60:.0f} min left"
        return (
            f"{self.measured:,} of {self.cells:,} cells measured ({self.measured / max(1, self.cells):.1%}), "
            f"{self.decided:.0%} decided, expected accuracy {self.expected:.3f}{left}"
        )


@dataclass
class Exploration:
    """One exploration of a matrix. `allowed` restricts what is run and what has to be right, not what is inferred."""

    run: Run
    budget: Budget
    allowed: Collection[Cell] | None = None
    seed: int = 1
    expansion: Expansion | None = None
    """The cells; None: as they were when the matrix was last run."""
    runs: int = 0
    reason: str = ""
    """Why it ended."""
    _times: list[float] = field(default_factory=list)
    _pin_runs: float = 0.0
    """What pins have cost so far, in usual cells."""

    def __post_init__(self) -> None:
        self._began = time.monotonic()
        self._catalogue = load_catalogue()
        expansion = self.expansion = self.expansion or self.run.expansion()
        self._results = (*self.run.results(expansion), *self.run.beside(expansion))
        self.space = known_space(expansion, self._results)
        self.rooms = Rooms(self.run.cache / "environments", self.run.uv, self.budget.disk)
        refusals = declared_refusals(self.space, expansion.declared, expansion.requires_python)
        foretold = foretold_failures(self.space, needs_on(self.run.matrix.index.url), self._catalogue)
        self.explorer = Explorer(self.space, self.seed, self._prices(), refusals, foretold)
        self._recall()

    # ------------------------------------------------------------------ what is known

    def _recall(self) -> None:
        choices = self.run.store.choices(self.run.matrix.digest)
        found = recalled(self.space, self._results, self._diagnosis, choices)
        self.explorer.tell(found.known)
        self.explorer.hear_audit(found.audited)
        self._drawn = dict(found.drawn)
        self._retired = found.retired
        self.scope = self.space.exists
        if self.allowed is not None:
            self.scope = np.zeros_like(self.space.exists)
            self.scope[[place for cell in self.allowed if (place := self.space.place(cell)) is not None]] = True
            for place in np.flatnonzero(self.space.exists & ~self.scope).tolist():
                self.explorer.block(place)

    def _diagnosis(self, result: CellResult) -> Diagnosis | None:
        return diagnosis_of(result, self._catalogue)

    @property
    def standing(self) -> Standing:
        held = self.explorer.inference()
        measured = int(held.measured[self.space.exists].sum()) + len(self.explorer.audited)
        return Standing(
            self.space.count, measured, held.decided, held.expected, self.runs, self._seconds_left()
        )  # fmt: skip

    # ------------------------------------------------------------------ the budget

    @property
    def seconds_a_cell(self) -> float:
        """Of a usual cell."""
        return median(self._times) if self._times else SECONDS

    def _seconds_left(self) -> float | None:
        found = []
        if self.budget.seconds is not None:
            found.append(self.budget.seconds - (time.monotonic() - self._began))
        if self.budget.cells is not None:
            found.append((self.budget.cells - self.runs) * self.seconds_a_cell)
        return min(found, default=None)

    @property
    def company(self) -> float:
        """What a cell costs beside a like one, in usual cells: the whole of one where runs are counted and not time."""
        return COMPANY[self.run.isolation] if self.budget.cells is None else 1.0

    def runs_left(self) -> float:
        """Usual cells that the budget still allows."""
        found = [float("inf")]
        if self.budget.cells is not None:
            found.append(self.budget.cells - self.runs)
        if self.budget.seconds is not None:
            found.append((self.budget.seconds - (time.monotonic() - self._began)) / self.seconds_a_cell)
        return max(0.0, min(found))

    def audit_size(self) -> int:
        """Runs that are kept for the audit: a tenth of all, at least ten; a quarter of the budget at most, and a tenth
        of the cells where only some may be run.
        """
        wanted = max(LEAST_AUDIT, round(len(self.explorer.known) * AUDIT_SHARE))
        if self.budget.cells is not None:
            wanted = min(wanted, max(1, self.budget.cells // 4))
        if self.allowed is not None:
            wanted = min(wanted, max(1, round(int(self.scope.sum()) * AUDIT_SHARE)))
        return wanted

    def _claimed(self) -> int:
        """Cells that may be run of which something is inferred: where nothing is claimed there is nothing to judge."""
        inferred = self.explorer.inference().inferred & self.scope
        inferred[list(self.explorer.declared)] = False
        return int(inferred.sum())

    def _audit_cost(self) -> float:
        """In usual cells: the audit is by chance, so it meets torches that are not here."""
        missing = len(np.unique(self.space.ranks(np.flatnonzero(self.explorer.prices > 1))[:, 1]))
        size = max(0, self.audit_size() - sum(bool(self.scope[place]) for place in self.explorer.audited))
        return size + FIRST_OF_A_TORCH * min(missing, size) * (self.budget.seconds is not None)

    def _unproven_pins(self) -> list[Choice]:
        """What to pin of every torch, where it was not run; nothing where only some cells may be run."""
        return [] if self.allowed is not None else self.explorer.unproven_pins()

    def _pins_cost(self) -> float:
        """What is kept to run those, in usual cells."""
        prices = [self._price(choice) for choice in self._unproven_pins()]
        return min(sum(prices), self._pins_share())

    def _pins_share(self) -> float:
        """Of what is left, so much is theirs, whatever the audit still lacks."""
        return min(self.runs_left(), PIN_SHARE * (self.runs + self.runs_left()) - self._pin_runs)

    def _price(self, choice: Choice) -> float:
        """In usual cells: a run is one where runs are counted and not time."""
        return float(self.explorer.prices[choice.place]) if self.budget.seconds is not None else 1.0

    # ------------------------------------------------------------------ the way

    def explore(self) -> Standing:
        """Run cells until the budget or the target is reached. Raises MachineError where nothing can go on."""
        self._tell()
        while True:
            if self.enough():
                self._prove_pins()
                missed = self._audit()
                self._tell()
                if not missed or self.runs_left() < 2 * LEAST_AUDIT:
                    self.reason = "the target is reached" if not missed else "the budget is used"
                    return self.standing
                self._reopen()
            if not self._question(kept=self._audit_cost() + self._pins_cost()):
                break
            self._tell()
        self._prove_pins()
        # nothing to audit: what was kept for it settles more
        while not self._claimed() and self._question(kept=0, step=1):
            self._tell()
        self._audit()
        standing = self.standing
        self.run.progress.explored(standing.words())
        return standing

    def enough(self) -> bool:
        held = self.explorer.inference()
        if self.budget.target is None:
            decided = (held.unit >= 0) | held.measured
            return bool(decided[self.scope].all()) and not self.explorer.unseen()
        return not self.scope.any() or float(held.confidence[self.scope].mean()) >= self.budget.target

    def _tell(self) -> None:
        self.run.progress.explored(self.standing.words())

    def _question(self, kept: float, step: int = STEP) -> bool:
        """One batch, with runs of so many usual cells kept for the audit; whether there may be another."""
        count = int(min(step, self.runs_left() - kept))
        if count < 1:
            self.reason = "the budget is used"
            return False
        choices = self.explorer.batch(count, self.company)
        if not choices:
            self.reason = EVERYTHING
            return False
        seen = self._measured(choices)
        self.explorer.tell(seen)
        for place in self.explorer.doubtful():
            if self.scope[place] and self.runs_left() > kept:
                self.explorer.tell(self._measured([Choice(place, Role.QUESTION)], again=True))
        return True

    def _prove_pins(self) -> None:
        """Run what people would be told to pin, of every torch; where it fails, what is then held to be the newest."""
        while True:
            left = max(self.runs_left() - self._audit_cost(), self._pins_share())
            choices: list[Choice] = []
            for choice in self._unproven_pins():
                if (price := self._price(choice)) <= left:
                    choices.append(choice)
                    left -= price
            if not choices:
                return
            self._pin_runs += sum(map(self._price, choices))
            self.explorer.tell(self._measured(choices))
            self._tell()

    def _audit(self) -> bool:
        """Draw what the audit lacks and run it; whether it finds a miss."""
        own = {place: choice for place, choice in self._drawn.items() if self.scope[place]}
        waiting = [choice for place, choice in own.items() if place not in self.explorer.audited]
        lacking = min(self.audit_size(), self._claimed()) - len(own)
        if lacking > 0 and self.explorer.known:
            drawn = self.explorer.draw_audit(int(min(lacking, max(0.0, self.runs_left()))))
            self._save(drawn)
            self._drawn |= {choice.place: choice for choice in drawn}
            waiting += drawn
        self.explorer.hear_audit(self._measured(waiting, save=False))
        held = self.explorer.inference()
        return any(
            (inferred := held.unit_of(place)) is not None and inferred[0] is not unit[0]
            for place, unit in self.explorer.audited.items()
            if self.scope[place]
        )

    def _reopen(self) -> None:
        """An audit that found a miss is retired: its cells become material, and a fresh one will be drawn."""
        self.run.progress.explored("the audit found a miss: its cells become material, and the search goes on")
        retired = [replace(choice, role=Role.RETIRED) for choice in self._drawn.values() if self.scope[choice.place]]
        self._save(retired)
        self._retired = (*self._retired, *retired_audits(retired, self.explorer.audited))
        places = {choice.place for choice in retired}
        self._drawn = {place: choice for place, choice in self._drawn.items() if place not in places}
        self.explorer.retire_audit(places)

    def audit(self) -> Audit:
        """What the audit says of the inference as the reports tell it."""
        held = self.explorer.inference()
        return audit_of(held, self.explorer.audited, self._retired)

    # ------------------------------------------------------------------ cells

    def _measured(self, choices: Iterable[Choice], again: bool = False, save: bool = True) -> dict[int, Unit]:
        """Run the chosen cells, those of one environment together; what was seen, without the machine's faults."""
        choices = sorted(choices, key=lambda choice: choice.place)
        if save and not again:
            self._save(choices)
        seen: dict[int, Unit] = {}
        groups: dict[tuple[str, ...], list[Choice]] = {}
        for choice in choices:
            groups.setdefault(self.space.point(choice.place)[:2], []).append(choice)
        for (python, torch), group in groups.items():
            self.rooms.make_room(python, torch)
            started, cells = time.monotonic(), {self.space.cell(choice.place): choice.place for choice in group}
            fresh = self.explorer.prices[group[0].place] > 1
            try:
                results = self.run.run(cells, again=again)
            except DiskFull:
                raise
            except MachineError as error:
                results = {cell: CellResult(cell, None, None, error.what) for cell in cells}
            self.runs += len(cells)
            if not fresh:
                runs = usual_runs(self.space, cells.values(), self.company)
                self._times.append((time.monotonic() - started) / runs)
            for cell, result in results.items():
                unit = unit_of(result, self._diagnosis)
                if unit is None:
                    self.explorer.block(cells[cell])
                else:
                    seen[cells[cell]] = unit
            self.explorer.prices = self._prices()
        return seen

    def _prices(self) -> Floats:
        """By place: 1 where the torch is on this disk, more where it would have to be fetched."""
        here = self.rooms.kept()
        prices = np.ones(self.space.shape)
        for python, version in enumerate(self.space.versions[0]):
            for torch, release in enumerate(self.space.versions[1]):
                if (version, release) not in here:
                    prices[python, torch] = FIRST_OF_A_TORCH
        return prices.ravel()

    def _save(self, choices: Iterable[Choice]) -> None:
        rows = []
        for choice in choices:
            outcome, signature = choice.predicted or (None, None)
            rows.append(
                ChosenCell(
                    self.space.cell(choice.place).id, str(choice.role), str(outcome) if outcome else None, signature,
                    choice.share, choice.known,
                )
            )  # fmt: skip
        self.run.store.save_choices(self.run.matrix.digest, rows)


def planned_words(run: Run, exploration: Exploration) -> list[str]:
    """The plan of an exploration, before it: sizes, what is known, what it may cost."""
    space, budget = exploration.space, exploration.budget
    axes = " x ".join(
        f"{len(versions)} {axis}" for axis, versions in zip(space.axes, space.versions, strict=True)
        if axis != PYTHON or len(versions) > 1
    )  # fmt: skip
    lines = [
        f"explores    {space.count:,} cells: {axes}",
        f"known       {len(exploration.explorer.known) + len(exploration.explorer.audited):,} cells, "
        f"{len(exploration.explorer.declared):,} that cannot be installed by what they declare, "
        f"{len(exploration.explorer.foretold):,} that cannot be imported by their sources",
    ]
    assert exploration.expansion is not None
    left_out = Counter(reason for _, reason in exploration.expansion.excluded)
    lines += [f"left out    {count:,} cells: {reason}" for reason, count in left_out.most_common()]
    ends = [
        f"expected accuracy {budget.target:g} and an audit without a miss"
        if budget.target is not None
        else "every release was run, no new cell is untested, and an audit finds no miss"
    ]
    if budget.cells is not None:
        ends.append(f"{budget.cells:,} cells, about {budget.cells * exploration.seconds_a_cell / 60:.0f} min")
    if budget.seconds is not None:
        ends.append(f"{budget.seconds / 60:.0f} min")
    lines.append(f"ends at     {', or '.join(ends)}; what is known then is kept, and the next call goes on")
    here = len({torch for _, torch in exploration.rooms.kept()} & set(space.versions[1]))
    lines.append(
        f"disk        {here} of {len(space.versions[1])} torch versions are here; another takes about 5 GiB"
        + (f", at most {budget.disk / 2**30:.0f} GiB are used" if budget.disk else "")
    )
    return lines
