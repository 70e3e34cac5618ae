"""What a worker of a Dask cluster does for a run: it tells what it has warm, and turns locks into observations.

Everything here runs in the worker's process, on the worker's machine. The store stays with whoever asked: what comes
back is recorded there, once.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from .audit import SHARE, Audit
from .bench import Bench
from .catalogues import load_catalogue
from .classify import diagnose
from .domain import Cell, Digest, Limits, Lock, Observation, Scenario
from .environment import Uv
from .errors import DiskFull, MachineError
from .executor import HeldSlot
from .flakes import settled
from .forks import Forking
from .layers import Shared
from .machine import platform_key
from .probe import PROBE_VERSION
from .runner import Stopped, Work
from .scenario.material import material

ANNOUNCED = "compatcheck"
"""The metric under which a worker tells what it is and has."""


@dataclass(frozen=True)
class Assignment:
    """What all orders of one run have in common."""

    run: str
    """Unlike that of any other run."""
    scenario: Scenario
    material: Digest
    limits: Limits
    uv: Uv
    shared: Shared | None = None
    """For the isolation `fork`: which cells share which layers. None: every cell is a process of its own."""
    audit_share: float = SHARE
    cache: Path | None = None
    """Where environments are kept on the workers; None: where each of them keeps its own."""
    probe: int = PROBE_VERSION


@dataclass(frozen=True)
class Order:
    """One cell to be measured."""

    cell: Cell
    lock: Lock
    attempts: tuple[Observation, ...] = ()
    """What is known of the lock already."""
    cold: bool = False
    """In a process of its own, whatever the run's isolation is."""


@dataclass(frozen=True)
class Measured:
    """What came of an order."""

    observations: tuple[Observation, ...] = ()
    trouble: str = ""
    """The machine's fault, where there is no observation."""
    full: bool = False
    """Whether the trouble is that the disk is full."""
    refused: bool = False
    """Whether it is only that the order is not for this worker: another platform, or another compatcheck."""
    doubted: tuple[Cell, ...] = ()
    """Cells measured here before, whose forked observations do not count any more."""
    disagreements: tuple[str, ...] = ()
    forked: int = 0
    compared: int = 0


@dataclass
class _Place:
    """What a worker keeps between the orders of one run."""

    bench: Bench
    cache: Path
    stop: threading.Event = field(default_factory=threading.Event)
    slots: dict[int, HeldSlot] = field(default_factory=dict)
    told: int = 0
    """Disagreements that have been told."""


_places: dict[str, _Place] = {}
_lock = threading.Lock()
_tallied = threading.Lock()


def measure(assignment: Assignment, order: Order) -> Measured:
    """Measure one cell on this machine."""
    if order.lock.platform != platform_key():
        return Measured(trouble=f"the lock is for {order.lock.platform}, this is {platform_key()}", refused=True)
    if assignment.probe != PROBE_VERSION:
        return Measured(trouble="the worker has another version of compatcheck", refused=True)
    number = threading.get_ident()
    try:
        place = _place(assignment)
        with _lock:
            held = place.slots.setdefault(number, HeldSlot(place.cache / "environments"))
        return _measured(place, held, order, number)
    except Stopped:
        return Measured(trouble="the run was stopped", refused=True)
    except MachineError as error:
        return Measured(trouble=error.what, full=isinstance(error, DiskFull))


def _measured(place: _Place, held: HeldSlot, order: Order, number: int) -> Measured:
    bench, attempts = place.bench, order.attempts
    fresh: list[Observation] = []
    before = bench.audit.forked, bench.audit.compared
    while not fresh or not settled(attempts):
        slot = held.slot_for(order.cell)
        observation = bench.observe(order.cell, order.lock, slot, number, place.stop, order.cold or bool(attempts))
        fresh.append(observation)
        attempts = (*attempts, observation)
    with _tallied:
        told, place.told = place.told, len(bench.audit.disagreements)
    return Measured(
        tuple(fresh),
        doubted=tuple(bench.doubted()),
        disagreements=tuple(bench.audit.disagreements[told : place.told]),
        forked=bench.audit.forked - before[0],
        compared=bench.audit.compared - before[1],
    )


def _place(assignment: Assignment) -> _Place:
    with _lock:
        if assignment.run not in _places:
            cache = assignment.cache or _own_cache()
            given = material(assignment.scenario, cache)
            if given.digest != assignment.material:
                raise MachineError(
                    "the worker has another model or other texts under the same name",
                    "Give all machines the same compatcheck, and the same files where the matrix names some.",
                )
            work = Work(assignment.scenario, given.model, given.texts)
            forking = Forking(assignment.shared) if assignment.shared is not None else None
            audit = Audit(_named, assignment.audit_share)
            _places[assignment.run] = _Place(Bench(assignment.uv, work, assignment.limits, audit, forking), cache)
        return _places[assignment.run]


def _own_cache() -> Path:
    chosen = os.environ.get("COMPATCHECK_CACHE")
    return Path(chosen) if chosen else user_cache_path("compatcheck")


def _named(observation: Observation) -> str:
    diagnosis = diagnose(observation, load_catalogue())
    return diagnosis.signature or f"unknown {diagnosis.fingerprint}"


def stop(run: str) -> None:
    """End what is under way for a run; nothing is told of it."""
    with _lock:
        place = _places.get(run)
    if place is not None:
        place.stop.set()


def leave(run: str) -> None:
    """Give up what is kept for a run that has ended: slots, and processes to fork from."""
    with _lock:
        place = _places.pop(run, None)
    if place is not None:
        for number, held in place.slots.items():
            place.bench.leave(number)
            held.close()


def announced(cache: Path | None = None) -> dict[str, Any]:
    """What this worker is and has: its platform, and the torch versions of which it keeps an environment."""
    environments = (cache or _own_cache()) / "environments"
    found = {path.parent.name.rpartition("-")[0] for path in environments.glob("py*-torch*/ready")}
    return {"platform": platform_key(), "warm": sorted(found)}
