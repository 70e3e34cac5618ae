"""How alike two releases are, learnt from the cells that were measured. Pure.

The likeness of two cells is a product over the axes, and that of two releases on one axis falls with the way between
them: each step from a release to the next has a length, and each release an oddness that it adds to every way that
ends at it. So a border is a long step, and an axis that plays no part has short steps alone. Lengths and oddness are
those under which each measured cell is best foretold by the others: maximum likelihood with a weak prior, climbed by
Adam (Kingma and Ba, 2015).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from .space import Floats, Ints

ACROSS = 4.0
"""The way from the oldest to the newest release of an axis, before anything was learnt."""
ODDNESS = -3.0
"""Of a release of which nothing is known, before softplus: 0.05."""
LENGTH_PRIOR, AXIS_PRIOR, ODDNESS_PRIOR = 0.03, 0.02, 0.03
"""How strongly lengths and oddness are held where they started."""
STRANGER = 0.05
"""The weight of what no measured cell has shown; beside it the likest measured cell weighs at most 1."""
BY_CHANCE = 0.02
"""The probability that a cell says what nothing foretells: a run that went by chance, a fault of a single cell."""
STEPS, RATE = 60, 0.15
MOST = 320
"""Measured cells that one step looks at: more are drawn anew for each step."""


@dataclass
class _Guess:
    """What is learnt of one axis, in logarithms where it must stay positive."""

    base: Floats
    """Of the mean length of a step; one number."""
    steps: Floats
    odd: Floats

    @property
    def parts(self) -> tuple[Floats, ...]:
        return self.base, self.steps, self.odd

    @property
    def lengths(self) -> Floats:
        return np.exp(self.base + self.steps)

    @property
    def at(self) -> Floats:
        """Where each release lies on the way from the oldest."""
        return np.concatenate([[0.0], np.cumsum(self.lengths)])

    @property
    def kernel(self) -> Floats:
        """The likeness of every two releases."""
        at, odd = self.at, np.logaddexp(0, self.odd)
        way = np.abs(at[:, None] - at[None]) + odd[:, None] + odd[None]
        np.fill_diagonal(way, 0.0)
        found: Floats = np.exp(-way)
        return found


@dataclass(frozen=True, eq=False)
class Likeness:
    """By axis the likeness of every two of its releases, from 0 to 1."""

    kernels: tuple[Floats, ...]
    shape: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(len(each) for each in self.kernels))

    def spread(self, weights: Floats) -> Floats:
        """By place the sum over all places of weight times likeness. One axis after the other."""
        found = weights.reshape(self.shape)
        for axis, kernel in enumerate(self.kernels):
            if len(kernel) > 1:
                found = np.moveaxis(np.tensordot(kernel, found, (1, axis)), 0, axis)
        return found.reshape(-1)

    def to(self, ranks: Ints) -> Floats:
        """By place the likeness to the cell with these ranks."""
        found = np.ones(1)
        for kernel, rank in zip(self.kernels, ranks, strict=True):
            found = np.multiply.outer(found, kernel[rank]).ravel()
        return found

    def among(self, ranks: Ints, others: Ints) -> Floats:
        """The likeness of each cell to each of `others`, one row of ranks a cell."""
        return self.towards(others)(ranks)

    def towards(self, others: Ints) -> Callable[[Ints], Floats]:
        """The same for one set of cells after the other."""
        parts = [(axis, kernel[:, others[:, axis]]) for axis, kernel in enumerate(self.kernels) if len(kernel) > 1]

        def likeness_of(ranks: Ints) -> Floats:
            found = np.ones((len(ranks), len(others)))
            for axis, part in parts:
                found *= part[ranks[:, axis]]
            return found

        return likeness_of


def learnt_likeness(shape: Sequence[int], ranks: Ints, units: Ints, seed: int = 0) -> Likeness:
    """From measured cells: `ranks` one row a cell, `units` the number of what it says. The same of the same."""
    chance = np.random.default_rng(seed)
    guesses = [
        _Guess(np.array([np.log(ACROSS / max(1, length - 1))]), np.zeros(max(0, length - 1)), np.full(length, ODDNESS))
        for length in shape
    ]
    begun = [guess.base.copy() for guess in guesses]
    pace = [[np.zeros((2, len(part))) for part in guess.parts] for guess in guesses]
    for step in range(1, STEPS + 1 if len(ranks) > 1 else 1):
        drawn = chance.permutation(len(ranks))[:MOST] if len(ranks) > MOST else np.arange(len(ranks))
        slopes = _slopes(guesses, ranks[drawn], units[drawn])
        for guess, start, slope, moved in zip(guesses, begun, slopes, pace, strict=True):
            slope[0] -= 2 * AXIS_PRIOR * (guess.base - start)
            slope[1] -= 2 * LENGTH_PRIOR * guess.steps
            slope[2] -= 2 * ODDNESS_PRIOR * (guess.odd - ODDNESS)
            for part, up, pair in zip(guess.parts, slope, moved, strict=True):
                pair[0] = 0.9 * pair[0] + 0.1 * up
                pair[1] = 0.99 * pair[1] + 0.01 * up**2
                part += RATE * (pair[0] / (1 - 0.9**step)) / (np.sqrt(pair[1] / (1 - 0.99**step)) + 1e-8)
    return Likeness(tuple(guess.kernel for guess in guesses))


def _slopes(guesses: Sequence[_Guess], ranks: Ints, units: Ints) -> list[list[Floats]]:
    """How the log likelihood of every cell, foretold by the others, rises with each number of each axis."""
    weights = np.ones((len(ranks), len(ranks)))
    for axis, guess in enumerate(guesses):
        if len(guess.steps):
            rank = ranks[:, axis]
            weights *= guess.kernel[rank][:, rank]
    np.fill_diagonal(weights, 0.0)
    same = weights * (units[:, None] == units[None])
    total = weights.sum(1, keepdims=True) + STRANGER
    right = (1 - BY_CHANCE) * same.sum(1, keepdims=True) + BY_CHANCE * total
    # of the logarithm of right / total, by the way between each two cells
    by_way = weights * (1 / total - BY_CHANCE / right) - same * ((1 - BY_CHANCE) / right)
    found = []
    for axis, guess in enumerate(guesses):
        length = len(guess.odd)
        if not len(guess.steps):
            found.append([np.zeros(1), np.zeros(0), np.zeros(1)])
            continue
        pairs = ranks[:, axis, None] * length + ranks[None, :, axis]
        # counted, not multiplied: the threads of a linear algebra library cost more than they help at this size
        by_pair = np.bincount(pairs.ravel(), by_way.ravel(), length * length).reshape(length, length)
        by_pair += by_pair.T
        np.fill_diagonal(by_pair, 0.0)
        # a longer step moves every release behind it away from every release before it
        by_place = (by_pair * np.sign(np.arange(length)[:, None] - np.arange(length)[None])).sum(1)
        by_step = np.cumsum(by_place[::-1])[::-1][1:] * guess.lengths
        by_odd = by_pair.sum(1) / (1 + np.exp(-guess.odd))
        found.append([np.array([by_step.sum()]), by_step, by_odd])
    return found
