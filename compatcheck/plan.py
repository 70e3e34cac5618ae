"""What a run would do and cost, told before it is done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from .domain import Cell, Distribution, Outcome
from .errors import MachineError
from .pipeline import Run

UNPACKED = 1.85
"""Bytes on disk per byte of wheel. Measured: environments of torch 2.5.1, 2.6.0 and 2.15.0 with transformers 4.51.3
and peft 0.15.2 on Linux (1.79, 1.82, 1.86)."""
SECONDS = 8.0
"""A cell with the tiny model, environment switch included, where nothing was measured here yet."""


@dataclass(frozen=True)
class Planned:
    cell: Cell
    state: str
    """`to run`, or what is known already."""


@dataclass(frozen=True)
class Plan:
    cells: tuple[Planned, ...]
    to_run: int
    wheels: frozenset[Distribution]
    """What the cells to run need, each wheel once."""
    seconds: float
    """For one cell."""
    excluded: int

    @property
    def download(self) -> int:
        """Bytes; less where uv's cache holds some of it."""
        return sum(wheel.size for wheel in self.wheels)

    def lines(self, jobs: int = 1) -> list[str]:
        width = max((len(each.cell.id) for each in self.cells), default=0)
        minutes = self.to_run * self.seconds / max(jobs, 1) / 60
        told = [f"{each.cell.id:<{width}}  {each.state}" for each in self.cells]
        told += ["", f"cells        {len(self.cells)}, of them to run: {self.to_run}"]
        if self.excluded:
            told.append(f"excluded     {self.excluded} by the matrix's rules")
        told += [
            f"download     at most {_gib(self.download)} in {len(self.wheels)} wheels (less what uv's cache holds)",
            f"disk         about {_gib(self.download * UNPACKED)}: unpacked once, linked into the environments",
            f"time         about {minutes:.0f} min after the downloads, with {jobs} job{'s' if jobs != 1 else ''} "
            f"({self.seconds:.1f} s a cell)",
        ]
        return told


def _gib(size: float) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**29 else f"{size / 2**20:.0f} MiB"


def built_plan(run: Run, cells: Iterable[Cell]) -> Plan:
    """Resolve the cells (or take the answers of today) and add up what running them costs."""
    cells = tuple(cells)
    expansion = run.expansion()
    answers = run.resolve(cells, expansion.released)
    planned: list[Planned] = []
    wheels: set[Distribution] = set()
    to_run = 0
    for cell in cells:
        answer = answers[cell]
        if isinstance(answer, MachineError):
            planned.append(Planned(cell, f"{Outcome.ERROR}: {answer.what}"))
        elif answer.lock is None:
            planned.append(Planned(cell, str(Outcome.UNRESOLVABLE)))
        elif (observation := run.known(answer.lock)) is not None:
            planned.append(Planned(cell, f"known: {observation.outcome}"))
        else:
            planned.append(Planned(cell, "to run"))
            wheels.update(answer.lock.distributions)
            to_run += 1
    known = run.store.seconds()
    seconds = median(known) + 1.0 if len(known) >= 5 else SECONDS
    return Plan(tuple(planned), to_run, frozenset(wheels), seconds, len(expansion.excluded))
