"""Which cell next. Pure: it is told what was seen, and says what should be run.

Three things are asked for, in this order: every release once where it is expected to work (a bad release is seen in
no other way), the cells whose answers the committee disagrees on most, and a few by chance, which alone can show what
nobody thought of. Nothing is run inside what is plain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .committee import Committee
from .domain import Word
from .inference import Inference, Tried, inference_of, inferred_by, kinds_of
from .space import Bools, Floats, Space
from .table import CLEAN, Unit

BY_CHANCE = 0.1
"""The share of the runs that are chosen by chance among the cells that were not run."""
ALONE = 2
"""A unit seen in a single cell, in pieces of no more cells than this, is looked at again: it may have been chance."""


class Role(Word):
    """Why a cell was run."""

    START = "start"
    """Before anything was known: spread over all axes."""
    COVER = "cover"
    """The first run of a release where it is expected to work."""
    QUESTION = "question"
    """Its answer teaches most."""
    CHANCE = "chance"
    AUDIT = "audit"
    """By chance, to judge the inference; never material for it."""
    RETIRED = "retired"
    """Of an audit that found a miss: material since then."""


@dataclass(frozen=True)
class Choice:
    """A cell to run, and what was held of it before."""

    place: int
    role: Role
    predicted: Unit | None = None
    """What it was thought to be; None where nothing was thought."""
    share: float = 0.0
    """Of the votes for that."""
    known: int = 0
    """Cells that were known then."""


class Explorer:
    """An exploration of `space`. The same of the same seed and the same answers."""

    def __init__(
        self, space: Space, seed: int = 1, prices: Floats | None = None, declared: Mapping[int, str] | None = None
    ) -> None:
        self.space = space
        self.prices = np.ones(space.size) if prices is None else prices
        """By place what a run costs; 1 is a usual run. May be changed at any time."""
        self.declared = dict(declared or {})
        self.known: dict[int, Unit] = {}
        """What was seen, by place, without the cells of the audit."""
        self.audited: dict[int, Unit] = {}
        self.tried: list[Tried] = []
        self._chance = np.random.default_rng(seed)
        self._units: list[Unit] = []
        self._committee = Committee(space, self._chance)
        self._waiting: list[int] = []
        self._first: list[int] | None = None
        self._asked: set[int] = set()
        self._blocked: set[int] = set()
        self._again: set[int] = set()

    # ------------------------------------------------------------------ what was seen

    def tell(self, seen: Mapping[int, Unit], choices: Iterable[Choice] = ()) -> None:
        """Cells that were run. `choices`: what was held of them, which tells how far the votes are to be trusted."""
        for choice in choices:
            if choice.place in seen and choice.predicted is not None:
                held = choice.predicted == seen[choice.place]
                self.tried.append(Tried(choice.share, held, choice.known))
        changed = any(self.known.get(place, unit) != unit for place, unit in seen.items())
        fresh = [place for place in seen if place not in self.known]
        self.known.update(seen)
        if changed:
            self._committee.forget()
            self._waiting = list(self.known)
        else:
            self._waiting += fresh
        self._asked.difference_update(seen)

    def block(self, place: int) -> None:
        """This cell cannot be run here now."""
        self._blocked.add(place)

    def _learn(self) -> None:
        if self._waiting:
            for place in self._waiting:
                if self.known[place] not in self._units:
                    self._units.append(self.known[place])
            self._committee.learn(self._waiting, [self._units.index(self.known[place]) for place in self._waiting])
            self._waiting = []

    # ------------------------------------------------------------------ what to run

    def batch(self, count: int) -> list[Choice]:
        """At most `count` cells to run next; none where all were run."""
        free = self._free()
        if self._first is None:
            self._first = [] if self.known else self._start(free)
        if self._first:
            chosen = [Choice(place, Role.START) for place in self._first[:count]]
            del self._first[:count]
        elif not self.known:
            chosen = [Choice(place, Role.CHANCE) for place in self._by_chance(free, count)]
        else:
            self._learn()
            winner, share = self._committee.settled(range(len(self._units)))
            kinds = kinds_of(self._units)
            by_chance = int(self._chance.binomial(count, BY_CHANCE))
            found = [(place, Role.COVER) for place in self._uncovered(winner, free, max(1, (count - by_chance) // 2))]
            taken = free.copy()
            taken[[place for place, _ in found]] = False
            wanted = count - by_chance - len(found)
            found += [(place, Role.QUESTION) for place in self._committee.questions(wanted, taken, kinds, self.prices)]
            taken[[place for place, _ in found]] = False
            found += [(place, Role.CHANCE) for place in self._by_chance(taken, count - len(found))]
            chosen = [
                Choice(place, role, self._units[int(winner[place])], float(share[place]), len(self.known))
                for place, role in found
            ]
        self._asked.update(choice.place for choice in chosen)
        return chosen

    def _free(self) -> Bools:
        free = self.space.exists.copy()
        for places in (self.known, self.audited, self._asked, self._blocked, self.declared):
            free[list(places)] = False
        return free

    def _start(self, free: Bools) -> list[int]:
        """Every release of every axis once, in as few cells as the longest axis has releases, spread at random."""
        longest = max(self.space.shape)
        cheapest = self.prices[free].min() if free.any() else 1.0
        cheap = np.unique(self.space.ranks(np.flatnonzero(free & (self.prices <= cheapest))), axis=0)
        columns = []
        for axis, length in enumerate(self.space.shape):
            open_ranks = np.unique(cheap[:, axis])
            # the oldest and the newest are worth their price
            ranks = np.unique([0, *open_ranks, length - 1])
            spread = ranks[np.arange(longest) * len(ranks) // longest]
            columns.append(spread if length == longest else self._chance.permutation(spread))
        places = np.ravel_multi_index(columns, self.space.shape)
        return [int(place) for place in dict.fromkeys(places.tolist()) if free[place]]

    def _uncovered(self, winner: npt.NDArray[np.int16], free: Bools, most: int) -> list[int]:
        """For releases with which something is expected to work, and nothing was seen to: a cell that would show it."""
        clean = self._units.index(CLEAN) if CLEAN in self._units else -1
        hoped = free & (winner == clean)
        passed = self.space.ranks([place for place, unit in self.known.items() if unit == CLEAN])
        seen = self.space.ranks(list(self.known))
        found: list[int] = []
        for axis, length in enumerate(self.space.shape):
            slabs = np.moveaxis(np.arange(self.space.size).reshape(self.space.shape), axis, 0)
            for rank in self._chance.permutation(length):
                if (passed[:, axis] == rank).any() or len(found) >= most:
                    continue
                slab = slabs[rank].ravel()
                ready = slab[hoped[slab]]
                if not len(ready) and not (seen[:, axis] == rank).any():
                    ready = slab[free[slab]]
                if len(ready) and not (self.space.ranks(found)[:, axis] == rank).any():
                    ready = ready[self.prices[ready] <= self.prices[ready].min()]
                    found.append(int(self._chance.choice(ready)))
        return found

    def _by_chance(self, free: Bools, count: int) -> list[int]:
        places = np.flatnonzero(free)
        if not len(places) or count <= 0:
            return []
        places = places[self.prices[places] <= self.prices[places].min()]
        return [int(place) for place in self._chance.choice(places, min(count, len(places)), replace=False)]

    def doubtful(self) -> list[int]:
        """Measured cells that stand alone among all others, each told once: their runs may have gone by chance."""
        self._learn()
        if not self._committee.members:
            return []
        alone = [
            int(piece.members[0])
            for piece in self._committee.members[0].pieces
            if len(piece.members) == 1 and np.prod([len(ranks) for ranks in piece.ranks]) <= ALONE
        ]
        found = [self._committee.places[number] for number in alone]
        found = [place for place in found if place not in self._again]
        self._again.update(found)
        return found

    # ------------------------------------------------------------------ the audit

    def draw_audit(self, count: int) -> list[Choice]:
        """Inferred cells by chance, with what is inferred of them."""
        held = self.inference()
        places = np.flatnonzero(held.inferred & self._free_for_audit())
        drawn = self._chance.choice(places, min(count, len(places)), replace=False)
        return [
            Choice(int(place), Role.AUDIT, held.unit_of(int(place)), float(held.confidence[place]), len(self.known))
            for place in sorted(drawn)
        ]

    def _free_for_audit(self) -> Bools:
        free = self.space.exists.copy()
        for places in (self.known, self.audited, self._blocked):
            free[list(places)] = False
        return free

    def hear_audit(self, seen: Mapping[int, Unit]) -> None:
        self.audited.update(seen)

    def retire_audit(self) -> None:
        """The cells of the audit become material."""
        seen, self.audited = self.audited, {}
        self.tell(seen)

    # ------------------------------------------------------------------ what is held

    def inference(self) -> Inference:
        """What the committee holds now."""
        self._learn()
        return inferred_by(
            self._committee, self.space, tuple(self._units), self.known, self.tried, self._open_refusals()
        )

    def careful_inference(self) -> Inference:
        """The same from a larger committee, grown from nothing: what the reports say."""
        return inference_of(self.space, self.known, self.tried, self._open_refusals())

    def _open_refusals(self) -> dict[int, str]:
        return {place: words for place, words in self.declared.items() if place not in self.known}
