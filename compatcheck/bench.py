"""Where locks become observations on this machine: an environment, a probe in it, and what was done to it mended.

With the isolation `fork` the probe is a child of a process that has imported the lower layers already. Cold processes
remain the reference: some forked cells are run again by one, and where the two disagree, the layer is not forked from
any more, and what was forked from it before is taken back.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .audit import Audit, forking_lines
from .domain import Cell, Digest, Isolation, Limits, Lock, Observation
from .environment import Uv
from .forks import Forking, Parent, WarmSlot
from .progress import Progress
from .protocol import Heard
from .runner import Work, observe
from .slot import Slot


@dataclass
class Bench:
    """What the workers of one run share."""

    uv: Uv
    work: Work
    limits: Limits
    audit: Audit
    forking: Forking | None = None
    """None: every cell is a process of its own."""
    progress: Progress = field(default_factory=Progress)

    def __post_init__(self) -> None:
        self._warm: dict[int, WarmSlot] = {}
        self._lock = threading.Lock()
        self._relied: dict[Digest, list[Cell]] = {}
        self._doubted: list[Cell] = []

    def observe(
        self, cell: Cell, lock: Lock, slot: Slot, worker: int, stop: threading.Event, cold: bool = False
    ) -> Observation:
        """One observation of `lock`, in a process of its own where `cold` says so.

        Raises MachineError, and Stopped where `stop` is set before the probe ends.
        """
        self.progress.preparing(cell, worker)
        slot.prepare(lock, self.uv)
        source = None if cold or self.forking is None else self._warm_slot(worker, slot).source(lock)
        observation, changed = self._probed(cell, slot, worker, stop, source)
        if source is None or self.forking is None:
            return observation
        warm = self._warm_slot(worker, slot)
        if changed:
            warm.close()
        else:
            warm.learn(lock, source)
        layer = self.forking.shared.middle_of(lock)
        if self.audit.wants(observation):
            slot.prepare(lock, self.uv)
            reference, _ = self._probed(cell, slot, worker, stop, None)
            if not self.audit.agree(cell.id, observation, reference):
                self._doubt(layer)
            return reference
        with self._lock:
            self._relied.setdefault(layer, []).append(cell)
            if layer in self.forking.off:
                self._doubted += self._relied.pop(layer)
        return replace(observation, facts={**observation.facts, "isolation": str(Isolation.FORK)})

    def doubted(self) -> list[Cell]:
        """The cells whose observations do not count any more, each told once."""
        with self._lock:
            told, self._doubted = self._doubted, []
            return told

    def lines(self) -> list[str]:
        """What is to be said of forking, for people."""
        if self.forking is None or not self.audit.forked:
            return []
        told = forking_lines(self.audit.forked, self.audit.compared, self.audit.disagreements)
        told += [f"  not forked from the layer {layer} any more: {why}" for layer, why in self.forking.off.items()]
        return told

    def leave(self, worker: int) -> None:
        """The worker has no more cells."""
        with self._lock:
            warm = self._warm.pop(worker, None)
        if warm is not None:
            warm.close()

    def _doubt(self, layer: Digest) -> None:
        assert self.forking is not None
        with self._lock:
            self.forking.turn_off(layer, self.audit.disagreements[-1])
            self._doubted += self._relied.pop(layer, [])

    def _warm_slot(self, worker: int, slot: Slot) -> WarmSlot:
        assert self.forking is not None
        with self._lock:
            warm = self._warm.get(worker)
            if warm is None or warm.slot.folder != slot.folder:
                left, warm = warm, WarmSlot(slot, self.forking)
                self._warm[worker] = warm
                if left is not None:
                    left.close()
            return warm

    def _probed(
        self, cell: Cell, slot: Slot, worker: int, stop: threading.Event, source: Parent | None
    ) -> tuple[Observation, bool]:
        """One run of the probe in the slot, which is left as it was; whether it had to be mended."""

        def heard(event: str, fields: Mapping[str, Any]) -> None:
            self.progress.heard(cell, worker, event, fields)

        return probed(slot, self.uv, self.work, self.limits, heard, stop, source)


def probed(
    slot: Slot, uv: Uv, work: Work, limits: Limits, heard: Heard, stop: threading.Event, source: Parent | None
) -> tuple[Observation, bool]:
    """One run of the probe in the slot, which is left as it was; whether it had to be mended."""
    changed: list[str] = []
    try:
        observation = observe(slot.python, work, limits, heard, stop, source)
    finally:
        changed = slot.heal(uv)
    return observation, bool(changed)
