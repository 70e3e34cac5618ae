"""What an inferred cell rests on: the measured cells likest to it, or what releases declare or import. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .likeness import Likeness
from .space import Ints

NAMED = 3
"""Measured cells that a ground names."""
AT_ONCE = 100_000
"""Likenesses that are held at a time: as many as stay near the processor."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What an inferred cell rests on: measured cells that are like it, what releases declare, or what they import."""

    measured: tuple[int, ...] = ()
    """Places of the likest measured cells that say the same, the likest first."""
    against: tuple[int, ...] = ()
    """The likest that says something else, where it is among the likest of all."""
    declared: str = ""
    source: str = ""
    """What stands in a release's source, where that decides."""


def likest(likeness: Likeness, ranks: Ints, agreeing: Ints, others: Ints) -> tuple[Ints, Ints]:
    """For each cell the numbers of the likest of the `agreeing`, the likest first, and the number of the likest of the
    `others` where it is among the likest of all; -1 for none. Cells are given by their ranks, one row each.
    """
    count = min(NAMED, len(agreeing))
    named, against = np.full((len(ranks), count), -1), np.full(len(ranks), -1)
    to_agreeing, to_others = likeness.towards(agreeing), likeness.towards(others)
    step = max(1, AT_ONCE // max(1, len(agreeing) + len(others)))
    for start in range(0, len(ranks), step):
        some = slice(start, start + step)
        weights = to_agreeing(ranks[some])
        rows = np.arange(len(weights))
        last = np.full(len(weights), -1.0)
        for number in range(count):
            named[some, number] = best = weights.argmax(1)
            last = weights[rows, best]
            weights[rows, best] = -1.0
        if len(others):
            weights = to_others(ranks[some])
            best = weights.argmax(1)
            among = (weights[rows, best] > last) | (count < NAMED)
            against[some] = np.where(among, best, -1)
    return named, against
