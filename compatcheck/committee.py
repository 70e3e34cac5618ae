"""Many hypotheses about a table at once: what they agree on, and the cell that would teach most about the rest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .hypothesis import Hypothesis, change_sums
from .space import Bools, Floats, Ints, Space

MEMBERS = 24
RENEWED = 0.25
"""The share of the members that is grown anew from all that is known each time: the least likely ones."""
CANDIDATES = 4000
"""Cells that are weighed as the next one; of more of them a random part."""
STRETCH = 1 << 16
"""Places that are counted at a time."""
SIGNATURE_SHARE = 0.3
"""How much a disagreement about the signature alone counts beside one about the outcome."""

Votes = npt.NDArray[np.int16]


class Committee:
    """Hypotheses about the cells of `space`. Deterministic for one generator of chance and one order of learning."""

    def __init__(self, space: Space, chance: np.random.Generator, members: int = MEMBERS) -> None:
        self.space = space
        self.chance = chance
        self.size = members
        self.members: list[Hypothesis] = []
        """The likeliest first, after they have learnt."""
        self.places: list[int] = []
        """What was learnt, in order: the pieces' members are numbers into this."""
        self._ranks: Ints = np.zeros((0, len(space.shape)), dtype=np.int64)
        self._units: Ints = np.zeros(0, dtype=np.int64)

    def learn(self, places: Sequence[int], units: Sequence[int]) -> None:
        """Take in measured cells, each once."""
        if not places:
            return
        before = len(self._units)
        self.places += places
        self._ranks = np.concatenate([self._ranks, self.space.ranks(places)])
        self._units = np.concatenate([self._units, np.asarray(units, dtype=np.int64)])
        known = (self._ranks, self._units, change_sums(self._ranks, self._units, self.space.shape), self.chance)
        fresh = range(before, len(self._units))
        for member in self.members:
            member.learn(fresh, *known)
        self.members.sort(key=lambda member: -member.cost)
        kept = self.size - max(1, int(self.size * RENEWED)) if self.members else 0
        del self.members[kept:]
        while len(self.members) < self.size:
            self.members.append(Hypothesis(self.space.shape, *known))
        self.members.sort(key=lambda member: -member.cost)

    def forget(self) -> None:
        """As if nothing had been learnt: before something is told that contradicts what was told before."""
        self.members, self.places = [], []
        self._ranks, self._units = self._ranks[:0], self._units[:0]

    @property
    def weights(self) -> Floats:
        """How much each member's vote counts, simpler ones more; together 1."""
        costs = np.array([member.cost for member in self.members])
        weights = np.exp((costs - costs.max()) / max(1.0, len(self._units)) ** 0.5)
        found: Floats = weights / weights.sum()
        return found

    @property
    def votes(self) -> Votes:
        """One row a member: its unit at every place."""
        return np.stack([member.unit_at.ravel() for member in self.members])

    def settled(self, kinds: Sequence[int]) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.float32]]:
        """By place the unit with most votes, and its share. `kinds` may join units into groups, such as outcomes."""
        groups = np.asarray(kinds, dtype=np.int16)
        weights = self.weights.astype(np.float32)
        winner = np.zeros(self.space.size, dtype=np.int16)
        best = np.zeros(self.space.size, dtype=np.float32)
        for start in range(0, self.space.size, STRETCH):
            part = slice(start, start + STRETCH)
            votes = groups[np.stack([member.unit_at.ravel()[part] for member in self.members])]
            for group in np.unique(votes):
                share = weights @ (votes == group).astype(np.float32)
                more = share > best[part]
                winner[part][more], best[part][more] = group, share[more]
        return winner, np.minimum(best, 1.0)

    def questions(self, count: int, free: Bools, kinds: Sequence[int], prices: Floats) -> list[int]:
        """At most `count` free places, that by whose answer the committee would be left with least disagreement first.

        `kinds` gives each unit's outcome. `prices`: by place what a run costs; 1 is a usual run.
        """
        votes, weights = self.votes, self.weights
        doubtful = np.flatnonzero((votes != votes[0]).any(axis=0) & self.space.exists)
        if not len(doubtful):
            return []
        seen = doubtful if len(doubtful) <= 50 * CANDIDATES else self.chance.choice(doubtful, 50 * CANDIDATES, False)
        apart = self._distances(votes[:, seen], kinds) * np.outer(weights, weights)
        doubtful = doubtful[free[doubtful]]
        if len(doubtful) > CANDIDATES:
            doubtful = np.sort(self.chance.choice(doubtful, CANDIDATES, replace=False))
        votes = votes[:, doubtful]
        groups = [np.arange(len(weights))]
        chosen: list[int] = []
        while len(chosen) < count and len(doubtful):
            now = sum(float(apart[np.ix_(group, group)].sum() / weights[group].sum()) for group in groups)
            left = np.zeros(len(doubtful))
            for group in groups:
                left += _left(votes[group], apart[np.ix_(group, group)], weights[group])
            gain = (now - left) / prices[doubtful]
            gain[np.isin(doubtful, chosen)] = -1.0
            best = int(np.argmax(gain))
            if gain[best] <= 1e-9:
                break
            chosen.append(int(doubtful[best]))
            groups = [group[votes[group, best] == unit] for group in groups for unit in np.unique(votes[group, best])]
        return chosen

    def _distances(self, votes: Votes, kinds: Sequence[int]) -> Floats:
        """For each two members the cells on which they differ: in the outcome, or in part if in the signature alone."""
        outcomes = np.asarray(kinds, dtype=np.int16)[votes]
        found = np.zeros((len(votes), len(votes)))
        for one in range(len(votes)):
            other_outcome = (outcomes[one + 1 :] != outcomes[one]).sum(axis=1)
            other_unit = (votes[one + 1 :] != votes[one]).sum(axis=1)
            found[one, one + 1 :] = (1 - SIGNATURE_SHARE) * other_outcome + SIGNATURE_SHARE * other_unit
        return found + found.T


def _left(votes: Votes, apart: Floats, weights: Floats) -> Floats:
    """By candidate: the disagreement that is left among members who give its answer the same unit."""
    left = np.zeros(votes.shape[1])
    for unit in np.unique(votes):
        agree = (votes == unit).astype(np.float64)
        mass = weights @ agree
        left += np.divide((apart @ agree * agree).sum(axis=0), mass, out=np.zeros_like(mass), where=mass > 0)
    return left
