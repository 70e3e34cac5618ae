"""A lock as a stack of layers, and which cells have the same one below. Pure.

The lowest layer is Python and torch, then all that is not of an upper axis (transformers with what it pulls in), then
the packages of the upper axes (peft). Two cells share a layer where every wheel up to there is the same, by its hashes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from .domain import Digest, Lock, digest_of

LOWEST = "torch"
MIDDLE = "transformers"


@dataclass
class Shared:
    """How many of the cells that are to be run share which layer."""

    upper: frozenset[str]
    """The packages of the upper axes: each cell has its own."""
    lowest: Counter[str] = field(default_factory=Counter)
    middle: Counter[Digest] = field(default_factory=Counter)

    @classmethod
    def among(cls, locks: Iterable[Lock], axes: Iterable[str]) -> Shared:
        shared = cls(frozenset(axes) - {LOWEST, MIDDLE})
        for lock in locks:
            shared.lowest[shared.lowest_of(lock)] += 1
            shared.middle[shared.middle_of(lock)] += 1
        return shared

    def lowest_of(self, lock: Lock) -> str:
        """What the lowest layer of `lock` is known by."""
        hashes = next((",".join(item.hashes) for item in lock.distributions if item.name == LOWEST), "")
        return f"{lock.python} {hashes}"

    def middle_of(self, lock: Lock) -> Digest:
        """The digest of everything in `lock` below the upper axes."""
        below = (each for each in lock.distributions if each.name not in self.upper)
        lines = [f"{each.name} {each.version} {' '.join(each.hashes)}" for each in below]
        return digest_of("\n".join([lock.python, lock.platform, *lines]))
