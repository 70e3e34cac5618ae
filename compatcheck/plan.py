"""What a run would do and cost, told before it is done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from .disk import can_link, free_bytes, gib, unpacked_wheels
from .domain import Cell, Distribution, Outcome
from .errors import MachineError
from .fitting import memory_line, most_demanding
from .memory_evidence import room_mib
from .pipeline import Run
from .variants import Variants

UNPACKED = 1.85
"""Bytes on disk per byte of wheel. Measured: environments of torch 2.5.1, 2.6.0 and 2.15.0 with transformers 4.51.3
and peft 0.15.2 on Linux (1.79, 1.82, 1.86)."""
SECONDS = 8.0
"""A cell with the tiny model, environment switch included, where nothing was measured here yet."""

FORKED_SECONDS = 1.7
"""A further scenario of a cell: measured with torch 2.6.0 and transformers 4.51.3 on two cores."""


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
    unpacked: frozenset[Distribution] = frozenset()
    """Those of the wheels that uv keeps unpacked already."""
    copied: int = 0
    """Bytes of wheels that the environments hold beside uv's cache: 0 where they can share its files."""
    free: int = 0
    """Bytes left on the disk of the environments."""
    scenarios: int = 1
    """That each cell is asked."""
    memory: str = ""
    """What a cell takes at its peak, and how many fit at a time."""

    @property
    def download(self) -> int:
        """Bytes that uv's cache does not hold."""
        return sum(wheel.size for wheel in self.wheels - self.unpacked)

    @property
    def disk(self) -> int:
        """Bytes that the run adds: what is unpacked anew, and copies where files cannot be linked."""
        return int((self.download + self.copied) * UNPACKED)

    def lines(self, jobs: int = 1) -> list[str]:
        width = max((len(each.cell.id) for each in self.cells), default=0)
        minutes = self.to_run * self.seconds / max(jobs, 1) / 60
        told = [f"{each.cell.id:<{width}}  {each.state}" for each in self.cells]
        told += ["", f"cells        {len(self.cells)}, of them to run: {self.to_run}"]
        if self.excluded:
            told.append(f"excluded     {self.excluded} by the matrix's rules")
        if self.scenarios > 1:
            told.append(f"scenarios    {self.scenarios} a cell, forked from one process")
        how = "copied into the environments (no links between the two disks)" if self.copied else "linked"
        missing = f"{len(self.wheels - self.unpacked)} of {len(self.wheels)} wheels are not in uv's cache"
        told += [
            f"download     at most {gib(self.download)}: {missing}",
            *([f"memory       {self.memory}"] if self.memory else []),
            f"disk         about {gib(self.disk)} more: each wheel unpacked once, {how}; {gib(self.free)} are free",
            f"time         about {minutes:.0f} min after the downloads, with {jobs} job{'s' if jobs != 1 else ''} "
            f"({self.seconds:.1f} s a cell)",
        ]
        return told


def built_plan(run: Run, cells: Iterable[Cell]) -> Plan:
    """Resolve the cells (or take the answers of today) and add up what running them costs."""
    cells = tuple(cells)
    expansion = run.expansion()
    answers = run.resolve(cells, expansion.released)
    runs = list(Variants(run).runs.values())
    planned: list[Planned] = []
    wheels: set[Distribution] = set()
    places: dict[tuple[str, str], int] = {}
    to_run = 0
    for cell in cells:
        answer = answers[cell]
        if isinstance(answer, MachineError):
            planned.append(Planned(cell, f"{Outcome.ERROR}: {answer.what}"))
        elif answer.lock is None:
            planned.append(Planned(cell, str(Outcome.UNRESOLVABLE)))
        elif len(runs) > 1 and all(each.known(answer.lock) is not None for each in runs):
            planned.append(Planned(cell, f"known: {len(runs)} scenarios"))
        elif len(runs) == 1 and (observation := run.known(answer.lock)) is not None:
            planned.append(Planned(cell, f"known: {observation.outcome}"))
        else:
            planned.append(Planned(cell, "to run"))
            wheels.update(answer.lock.distributions)
            place, size = (cell.python, cell.versions["torch"]), sum(each.size for each in answer.lock.distributions)
            places[place] = max(places.get(place, 0), size)
            to_run += 1
    known = run.store.seconds()
    seconds = median(known) + 1.0 if len(known) >= 5 and len(runs) == 1 else SECONDS
    # the first imports, the others are forked
    seconds += (len(runs) - 1) * FORKED_SECONDS
    uv_cache = run.uv.cache_folder()
    kept = unpacked_wheels(uv_cache)
    unpacked = frozenset(wheel for wheel in wheels if (wheel.name, wheel.version) in kept)
    copied = 0 if not to_run or can_link(run.cache, uv_cache) else sum(places.values())
    excluded, free = len(expansion.excluded), free_bytes(run.cache)
    memory = memory_line(most_demanding(run.matrix, run.cache).forecast, room_mib())
    return Plan(
        tuple(planned), to_run, frozenset(wheels), seconds, excluded, unpacked, copied, free, len(runs), memory
    )  # fmt: skip
