"""One way how the whole table could be, that agrees with everything measured: a tree of splits along version axes.

A split takes a stretch of one axis out of a piece: from a release on, up to a release, or one or several in the
middle, so that a single bad release does not break the axis in two. Where the border lies between two measured
releases is left to chance, and so is which of the good splits is taken: many such trees together say what is certain
(they agree) and what is not (they do not). A border costs the more the less often anything changes at that release.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from .space import Bools, Floats, Ints

SOMETIMES, MOSTLY_NOT = 0.3, 4.0
"""What is held of a release before anything is known: changes and agreements seen there, in lines of cells."""


@dataclass
class Piece:
    """Cells that are taken to give one unit: a product of versions."""

    ranks: list[Ints]
    """For each axis the ranks inside, in order."""
    unit: int
    members: Ints
    """Which of the measured cells lie inside."""


class Hypothesis:
    """A tree of pieces over axes of the given lengths."""

    def __init__(
        self, shape: Sequence[int], ranks: Ints, units: Ints, changes: Sequence[Floats], chance: np.random.Generator
    ) -> None:
        self.cost = 0.0
        """The logarithm of how likely its borders are: the nearer to 0, the simpler."""
        self.pieces: list[Piece] = []
        self.unit_at = np.zeros(shape, dtype=np.int16)
        self.piece_at = np.zeros(shape, dtype=np.int32)
        whole = [np.arange(length) for length in shape]
        self._grow(whole, np.arange(len(units)), None, ranks, units, changes, chance)

    def learn(
        self, fresh: Sequence[int], ranks: Ints, units: Ints, changes: Sequence[Floats], chance: np.random.Generator
    ) -> None:
        """Take in the measured cells `fresh`, numbers into `ranks` and `units`: pieces they contradict are split."""
        touched: dict[int, list[int]] = {}
        for number in fresh:
            touched.setdefault(int(self.piece_at[tuple(ranks[number])]), []).append(number)
        for place, numbers in touched.items():
            piece = self.pieces[place]
            piece.members = np.concatenate([piece.members, np.asarray(numbers, dtype=np.int64)])
            if any(units[number] != piece.unit for number in numbers):
                self._grow(piece.ranks, piece.members, place, ranks, units, changes, chance)

    def _grow(
        self, inside: list[Ints], members: Ints, place: int | None, ranks: Ints, units: Ints,
        changes: Sequence[Floats], chance: np.random.Generator,
    ) -> None:  # fmt: skip
        waiting = [(inside, members)]
        while waiting:
            inside, members = waiting.pop()
            seen = units[members]
            if (seen == seen[0]).all():
                piece = Piece(inside, int(seen[0]), members)
                if place is None:
                    self.pieces.append(piece)
                    number = len(self.pieces) - 1
                else:
                    self.pieces[place], number, place = piece, place, None
                window = np.ix_(*inside)
                self.unit_at[window] = piece.unit
                self.piece_at[window] = number
                continue
            axis, low, high, cost = _split(inside, ranks[members], seen, changes, chance)
            self.cost += cost
            within = (inside[axis] >= low) & (inside[axis] < high)
            taken = (ranks[members, axis] >= low) & (ranks[members, axis] < high)
            for part, of_members in ((within, taken), (~within, ~taken)):
                waiting.append(([*inside[:axis], inside[axis][part], *inside[axis + 1 :]], members[of_members]))


def _split(
    inside: Sequence[Ints], ranks: Ints, units: Ints, changes: Sequence[Floats], chance: np.random.Generator
) -> tuple[int, int, int, float]:
    """Axis, first rank inside, first rank behind, and the logarithm of how likely such borders are."""
    kinds, kind = np.unique(units, return_inverse=True)
    total = np.bincount(kind, minlength=len(kinds))
    best, found = -np.inf, (0, 0, 0, 0.0, total)
    for axis, within in enumerate(inside):
        if len(within) < 2:
            continue
        seen, at = np.unique(ranks[:, axis], return_inverse=True)
        if len(seen) < 2:
            continue
        counts = np.zeros((len(seen) + 1, len(kinds)), dtype=np.int64)
        np.add.at(counts, (at + 1, kind), 1)
        counts = counts.cumsum(axis=0)
        first, behind = _stretches(len(seen))
        taken = counts[behind] - counts[first]
        left = total - taken
        gain = _disorder(total) - _disorder(taken) - _disorder(left)
        likely = np.concatenate([[0.0], np.log(changes[axis][seen[1:]] - changes[axis][seen[:-1]])])
        score = gain + likely[first] + likely[behind] + chance.gumbel(size=len(first))
        number = int(np.argmax(score))
        if score[number] > best:
            one, other = int(first[number]), int(behind[number])
            best, found = float(score[number]), (axis, one, other, float(likely[one] + likely[other]), seen)
    axis, one, other, cost, seen = found
    low = _border(int(seen[one - 1]), int(seen[one]), changes[axis], chance) if one else 0
    high = _border(int(seen[other - 1]), int(seen[other]), changes[axis], chance)
    return axis, low, high, cost


def _border(before: int, after: int, changes: Floats, chance: np.random.Generator) -> int:
    """The first rank behind a border somewhere between two measured ranks."""
    weights = np.diff(changes[before : after + 1])
    if len(weights) == 1:
        return after
    return before + 1 + int(np.searchsorted(np.cumsum(weights), chance.random() * weights.sum()))


@cache
def _stretches(count: int) -> tuple[Ints, Ints]:
    """Every stretch of `count` places that is not all of them and does not reach the end: such are others' rest."""
    first, behind = np.triu_indices(count + 1, 1)
    kept = behind < count
    return first[kept], behind[kept]


_LOGARITHMS: list[Floats] = [np.zeros(1)]


def _disorder(counts: Ints) -> npt.NDArray[np.float64]:
    """Of groups with so many cells of each unit: cells times the entropy of their units, in nats."""
    total = counts.sum(axis=-1)
    most = int(np.max(total, initial=0))
    if most >= len(_LOGARITHMS[0]):
        numbers = np.arange(1, 2 * most + 64, dtype=np.float64)
        _LOGARITHMS[0] = np.concatenate([[0.0], numbers * np.log(numbers)])
    table = _LOGARITHMS[0]
    found: Floats = table[total] - table[counts].sum(axis=-1)
    return found


def change_sums(ranks: Ints, units: Ints, shape: Sequence[int]) -> list[Floats]:
    """For each axis, summed up from its first release: how often something changes with that release.

    Read from measured cells that differ in one axis alone, neighbours on their line. A border somewhere between two
    counts for every release in between in part; cells that agree speak against all of them.
    """
    found = []
    for axis, length in enumerate(shape):
        same, differ = np.zeros(length), np.zeros(length)
        rest = np.delete(ranks, axis, axis=1)
        order = np.lexsort([ranks[:, axis], *rest.T])
        line: Bools = (rest[order][1:] == rest[order][:-1]).all(axis=1)
        for number in np.flatnonzero(line):
            one, other = order[number], order[number + 1]
            low, high = int(ranks[one, axis]), int(ranks[other, axis])
            if units[one] == units[other]:
                same[low + 1 : high + 1] += 1
            else:
                differ[low + 1 : high + 1] += 1 / max(1, high - low)
        often = (SOMETIMES + differ) / (SOMETIMES + MOSTLY_NOT + same + differ)
        often[0] = 0.0
        found.append(np.cumsum(often))
    return found
