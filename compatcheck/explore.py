"""Which cell next. Pure: it is told what was seen, and says what should be run.

First a few cells spread over the table, with the ends of every axis. Then those whose runs settle most: the doubt about
a cell and about all that is like it. A release that is bad by itself is seen in no other way than by running it: each
is run once before what is plain is looked at closer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from .domain import Outcome, Word
from .foretold import Foretold, Tried, tried
from .inference import Inference, Learnt, inferred_from, learnt_from, taught
from .space import Bools, Floats, Space
from .table import Unit

FAR = 0.5
"""What the way to the nearest chosen cell is worth at the start, beside a release that was not run yet."""
ALONE = 0.2
"""Where the others leave less than this of their votes to what a cell said, it is looked at again."""
POOL = 50_000
"""Cells that are looked at for the start of a large table."""
RECENT = 200
"""Chosen cells from which the others keep away at the start."""
OPENING = 8
"""Runs that are spread over the table before anything is asked."""
PLAIN = 0.2
"""Where less than this is doubted of every cell, releases that were not run yet come first."""


class Role(Word):
    """Why a cell was run."""

    START = "start"
    """The first run of a release."""
    QUESTION = "question"
    """Least is held of it."""
    PIN = "pin"
    """The newest of its torch that is held to pass: what people are told to pin was run."""
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


def usual_runs(space: Space, places: Iterable[int], company: float) -> float:
    """What cells that are run together cost, in usual runs. `company`: what each costs beside another one that differs
    from it in the last axis alone.
    """
    places = list(places)
    rows = len({space.point(place)[:-1] for place in places})
    return rows + company * (len(places) - rows)


class Purse:
    """What a batch may still cost, in usual runs, and what every cell would cost in it.

    The first cell of a torch that is not here pays for it, and those after it do not. A cell that differs from a chosen
    one in the last axis alone finds the others' packages installed and in memory: it costs `company` of a usual run.
    """

    def __init__(self, space: Space, prices: Floats, count: float, company: float) -> None:
        self._space, self._company = space, company
        self.prices = prices.copy()
        self.left = float(count)

    @property
    def affordable(self) -> Bools:
        return np.minimum(self.prices, 1.0) <= self.left + 1e-9

    def take(self, place: int) -> None:
        self.left -= min(1.0, float(self.prices[place]))
        for axes, most in ((2, 1.0), (len(self._space.axes) - 1, self._company)):
            alike = self._space.alike(place, axes)
            self.prices[alike] = np.minimum(self.prices[alike], most)


class Explorer:
    """An exploration of `space`. The same of the same seed and the same answers."""

    def __init__(
        self,
        space: Space,
        seed: int = 1,
        prices: Floats | None = None,
        declared: Mapping[int, str] | None = None,
        foretold: Mapping[int, Foretold] | None = None,
    ) -> None:
        self.space = space
        self.prices = np.ones(space.size) if prices is None else prices
        """By place what a run costs; 1 is a usual run. May be changed at any time."""
        self.declared = dict(declared or {})
        self.foretold = dict(foretold or {})
        """By place what sources say: asked for last."""
        self.known: dict[int, Unit] = {}
        """What was seen, by place, without the cells of the audit."""
        self.audited: dict[int, Unit] = {}
        self._chance = np.random.default_rng(seed)
        self._learnt: Learnt | None = None
        self._tried: Tried | None = None
        self._held: Inference | None = None
        self._names: tuple[Mapping[int, Unit], Learnt | None] = ({}, None)
        self._asked: set[int] = set()
        self._blocked: set[int] = set()
        self._again: set[int] = set()

    # ------------------------------------------------------------------ what was seen

    def tell(self, seen: Mapping[int, Unit]) -> None:
        """Cells that were run."""
        if any(self.known.get(place) != unit for place, unit in seen.items()):
            self._learnt = self._tried = self._held = None
        self.known.update(seen)
        self._asked.difference_update(seen)

    def block(self, place: int) -> None:
        """This cell cannot be run here now."""
        self._blocked.add(place)

    def _learn(self) -> Learnt | None:
        if self._learnt is None and self.known:
            self._learnt = taught(self.space, self.known, self._said())
        return self._learnt

    def _said(self) -> Tried:
        if self._tried is None:
            self._tried = tried(self.foretold, self.known)
        return self._tried

    def _learn_names(self) -> Learnt | None:
        """Of failures that sources foretell without a name; learnt anew only where another was run."""
        material = self._said().named
        if material != self._names[0]:
            self._names = (material, learnt_from(self.space, material) if material else None)
        return self._names[1]

    # ------------------------------------------------------------------ what to run

    def unseen(self) -> bool:
        """Whether there is a release that may be run and was not."""
        ranks = self.space.ranks(np.flatnonzero(self._unforetold(self._free(without_asked=False))))
        seen = self.space.ranks([*self.known])
        return any(not np.isin(ranks[:, axis], seen[:, axis]).all() for axis in range(ranks.shape[1]))

    def batch(self, count: float, company: float = 1.0) -> list[Choice]:
        """Cells to run next, for at most `count` usual runs; none where all were run.

        `company`: what a cell costs beside a chosen one that differs from it in the last axis alone, in usual runs.
        """
        chosen: list[Choice] = []
        purse = Purse(self.space, self.prices, count, company)
        for choose in (self._opening, self._questions, self._uncovered, self._plain):
            free = self._free()
            free[[choice.place for choice in chosen]] = False
            if choose != self._plain:
                free = self._unforetold(free)
            if (free & purse.affordable).any():
                chosen += choose(free, purse)
                self._asked.update(choice.place for choice in chosen)
        return chosen

    def _free(self, without_asked: bool = True) -> Bools:
        free = self.space.exists.copy()
        for places in (self.known, self.audited, self._blocked, self.declared):
            free[list(places)] = False
        if without_asked:
            free[list(self._asked)] = False
        return free

    def _unforetold(self, places: Bools) -> Bools:
        """Those of `places` of which no source says anything."""
        found = places.copy()
        found[list(self._said().standing)] = False
        return found

    def _opening(self, free: Bools, purse: Purse) -> list[Choice]:
        """While little was run: cells spread over the table; and always the ends of its axes, with nothing beyond."""
        taken = self.space.ranks([*self.known, *self._asked])
        if len(taken) >= OPENING:
            places = np.flatnonzero(free)
            ranks = self.space.ranks(places)
            within = ((ranks >= taken.min(0)) & (ranks <= taken.max(0))).all(1)
            free[places[within]] = False
            return self._uncovered(free, purse)
        return self._uncovered(free, purse, OPENING - len(taken))

    def _uncovered(self, free: Bools, purse: Purse, most: int | None = None) -> list[Choice]:
        """Cells with releases that were not run yet: most of them first, and far from what was run."""
        count = int(purse.left) if most is None else min(int(purse.left), most)
        seen = [np.zeros(length) for length in self.space.shape]
        taken = self.space.ranks([*self.known, *self._asked])
        for axis, counts in enumerate(seen):
            np.add.at(counts, taken[:, axis], 1)
        if count <= 0 or not any((counts == 0).any() for counts in seen) or not free.any():
            return []
        places = np.flatnonzero(free)
        if len(places) > POOL:
            places = np.sort(self._chance.choice(places, POOL, replace=False))
        ranks = self.space.ranks(places)
        scaled = ranks / np.maximum(1, np.array(self.space.shape) - 1)
        far = np.full(len(places), float(len(self.space.shape)))
        for point in taken[-RECENT:] / np.maximum(1, np.array(self.space.shape) - 1):
            far = np.minimum(far, np.abs(scaled - point).sum(1))
        chance = self._chance.random(len(places)) * 1e-3
        found: list[int] = []
        while len(found) < min(count, len(places)):
            fresh = sum(
                (1 / (1 + counts[ranks[:, axis]]) for axis, counts in enumerate(seen) if len(counts) > 1),
                np.zeros(len(places)),
            )
            unseen = np.any([counts[ranks[:, axis]] == 0 for axis, counts in enumerate(seen)], axis=0)
            if not unseen.any():
                break
            worth = (fresh + FAR * far + chance) / np.sqrt(purse.prices[places])
            worth[~unseen] = -1.0
            best = int(worth.argmax())
            found.append(int(places[best]))
            purse.take(found[-1])
            for axis, counts in enumerate(seen):
                counts[ranks[best, axis]] += 1
            far = np.minimum(far, np.abs(scaled - scaled[best]).sum(1))
        return [Choice(place, Role.START) for place in found]

    def _questions(self, free: Bools, purse: Purse) -> list[Choice]:
        """Those whose runs settle most: the doubt about a cell and about all that is like it, while there is some."""
        learnt = self._learn()
        if learnt is None:
            return []
        doubt = np.where(self._unforetold(self._free(without_asked=False)), learnt.held.doubt, 0.0)
        for place in self._asked:
            # its answer is on its way
            doubt *= 1 - learnt.likeness.to(self.space.ranks([place])[0])
        found: list[int] = []
        while True:
            asked = free & (doubt >= PLAIN) & purse.affordable
            asked[found] = False
            if not asked.any():
                break
            worth = np.where(asked, doubt * learnt.likeness.spread(doubt) / np.sqrt(purse.prices), -1.0)
            found.append(int(worth.argmax()))
            purse.take(found[-1])
            doubt *= 1 - learnt.likeness.to(self.space.ranks(found[-1:])[0])
        return self._asked_for(found)

    def _plain(self, free: Bools, purse: Purse) -> list[Choice]:
        """Where everything is plain: those of which least is held, and last of all what sources foretell."""
        learnt = self._learn()
        if learnt is None:
            places = np.flatnonzero(free)
            drawn = self._chance.choice(places, min(int(purse.left), len(places)), replace=False)
            return [Choice(int(place), Role.START) for place in drawn]
        doubt = learnt.held.doubt
        doubt[list(self._said().standing)] *= 1e-9
        found: list[int] = []
        while (free & purse.affordable).any():
            found.append(int(np.where(free & purse.affordable, doubt / np.sqrt(purse.prices), -1.0).argmax()))
            free[found[-1]] = False
            purse.take(found[-1])
            doubt *= 1 - learnt.likeness.to(self.space.ranks(found[-1:])[0])
        return self._asked_for(found)

    def _asked_for(self, places: Sequence[int]) -> list[Choice]:
        learnt = self._learn()
        assert learnt is not None
        held = learnt.held
        return [
            Choice(place, Role.QUESTION, learnt.units[int(held.unit[place])], float(held.share[place]), len(self.known))
            for place in places
        ]

    def unproven_pins(self) -> list[Choice]:
        """Of every torch the newest cell that is held to pass, where it was not run; the newest torch first."""
        held = self.inference()
        passes = [number for number, (outcome, _) in enumerate(held.units) if outcome is Outcome.PASS]
        passing = np.isin(held.unit, passes) & self.space.exists
        for place, (outcome, _) in self.audited.items():
            passing[place] = outcome is Outcome.PASS
        rows = passing.reshape(prod(self.space.shape[:2]), -1)
        last = rows.shape[1] - 1 - rows[:, ::-1].argmax(1)
        newest = (np.arange(len(rows)) * rows.shape[1] + last)[rows.any(1)]
        return [
            Choice(place, Role.PIN, held.unit_of(place), float(held.confidence[place]), len(self.known))
            for place in newest[self._free()[newest]][::-1].tolist()
        ]

    def doubtful(self) -> list[int]:
        """Measured cells that no other explains, each told once: their runs may have gone by chance."""
        learnt = self._learn()
        if learnt is None:
            return []
        places, share, right = learnt.left_out
        found = places[(share > 1 - ALONE) & ~right].tolist()
        # a resolver answers the same again
        found = [
            place for place in found if place not in self._again and self.known[place][0] is not Outcome.UNRESOLVABLE
        ]
        self._again.update(found)
        return found

    # ------------------------------------------------------------------ the audit

    def draw_audit(self, count: int) -> list[Choice]:
        """Inferred cells by chance, with what is inferred of them."""
        held = self.inference()
        places = np.flatnonzero(held.inferred & self._free(without_asked=False))
        drawn = self._chance.choice(places, min(count, len(places)), replace=False)
        return [
            Choice(int(place), Role.AUDIT, held.unit_of(int(place)), float(held.confidence[place]), len(self.known))
            for place in sorted(drawn)
        ]

    def hear_audit(self, seen: Mapping[int, Unit]) -> None:
        self.audited.update(seen)

    def retire_audit(self, places: Collection[int] | None = None) -> None:
        """The cells of the audit, or those of them at `places`, become material."""
        retired = {place: unit for place, unit in self.audited.items() if places is None or place in places}
        self.audited = {place: unit for place, unit in self.audited.items() if place not in retired}
        self.tell(retired)

    # ------------------------------------------------------------------ what is held

    def inference(self) -> Inference:
        """What is held now."""
        if self._held is None:
            self._held = inferred_from(
                self._learn(), self.space, self.known, self.declared, self._said(), self._learn_names()
            )
        return self._held
