"""What a report keeps of a result: nothing that it does not tell, and what is alike in many results once.

It tells all that a diagnosis is made from, so that a result can be recognised anew where its report alone is left.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from ..domain import CellResult, Digest, Distribution, Lock, Observation, Outcome

T = TypeVar("T")

FACTS = ("isolation", "adapter_ignored", "base_generates_rightly")
"""The facts that a report tells: what it says itself, and what signatures ask for."""
OF_A_DEATH = "memory"
"""A fact that tells of a process that died what its memory did."""
MOST = 4096
"""Parts of observations that are remembered at a time. What is measured hardly ever repeats, the rest in every cell."""


class Kept:
    """Makes results small, one after the other: they then share what is alike in them."""

    def __init__(self) -> None:
        self._parts: dict[str, Any] = {}
        self._distributions: dict[Distribution, Distribution] = {}
        self._locks: dict[Digest, Lock] = {}

    def __call__(self, result: CellResult) -> CellResult:
        resolution, observation = result.resolution, result.observation
        if resolution is not None and resolution.lock is not None:
            resolution = replace(resolution, lock=self._lock(resolution.lock))
        if observation is not None:
            observation = self._observation(observation)
        return replace(result, resolution=resolution, observation=observation)

    def _lock(self, lock: Lock) -> Lock:
        if (known := self._locks.get(lock.digest)) is not None:
            return known
        shared = (self._distributions.setdefault(each, each) for each in lock.distributions)
        fresh = Lock(self._same(lock.python), self._same(lock.platform), tuple(shared))
        return self._locks.setdefault(fresh.digest, fresh)

    def _observation(self, seen: Observation) -> Observation:
        died = seen.outcome is Outcome.FAIL and not seen.chain
        names = (*FACTS, OF_A_DEATH) if died else FACTS
        facts = {name: seen.facts[name] for name in names if name in seen.facts}
        return replace(
            seen,
            machine=self._same(seen.machine),
            stages=self._each(seen.stages),
            modes=self._each(seen.modes),
            checks=self._each(seen.checks),
            ending=self._same(seen.ending),
            imported=self._same(seen.imported),
            facts=self._same(facts),
            output_tail=seen.output_tail if died else "",
            memory_curve=(),
        )

    def _each(self, parts: tuple[T, ...]) -> tuple[T, ...]:
        return self._same(tuple(map(self._same, parts)))

    def _same(self, part: T) -> T:
        """One object for all parts that are written alike: 0.0 and -0.0 are equal, and are not."""
        if len(self._parts) >= MOST:
            self._parts.clear()
        known: T = self._parts.setdefault(repr(part), part)
        return known
