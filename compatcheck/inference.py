"""What is held of every cell, measured or not: unit, confidence, and the measured cells it rests on. Pure.

Measured cells vote with their likeness. A cell that was not run gets a unit only where most of the votes agree, beside
the weight of what nobody has seen, and where such agreement has proved right before; else it stays untested.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from .domain import Outcome
from .foretold import Foretold, Tried, tried
from .grounds import NAMED, Ground, likest
from .likeness import STRANGER, Likeness, learnt_likeness
from .space import Bools, Floats, Ints, Space
from .table import Unit

CONFIDENT = 0.8
"""Below this a cell stays untested."""
EDGES = (0.5, 0.7, 0.8, 0.9, 0.96)
"""Between the shares of votes that are taken together when it is asked how often such shares were right."""
NAME = 0.25
"""Of the doubt about a cell, what is about the name of its failure; the rest is about whether it works."""
DOUBT = 4.0
"""How many predictions of such a share all predictions together are worth."""
AT_ONCE = 20_000
"""Cells whose grounds are looked for at a time."""
PARTS, MOST_LEFT_OUT = 4, 250
"""Parts in which measured cells are left out, and how many of each are foretold by the others."""
Numbers = npt.NDArray[np.int16]
REFUSED: Unit = (Outcome.UNRESOLVABLE, None)


@dataclass(frozen=True, eq=False)
class Ballot:
    """How the measured cells voted, by place."""

    unit: Numbers
    """The number of the unit with most votes."""
    share: Floats
    """Of the votes that it has, from 0 to 1; what nobody has seen votes too."""
    outcome: Numbers
    """The number of the outcome with most votes, its units together."""
    outcome_share: Floats

    @property
    def doubt(self) -> Floats:
        """By place from 0 to 1: what the votes leave open of the outcome, and in part of its name."""
        found: Floats = 1 - NAME * self.share - (1 - NAME) * self.outcome_share
        return found


def ballot(count: int, kinds: Numbers, votes_for: Callable[[int], Floats]) -> Ballot:
    """Counted over `count` cells. `kinds`: of each unit the number of its outcome; `votes_for`: the votes of a unit."""
    total = np.full(count, STRANGER)
    unit, outcome = np.zeros(count, dtype=np.int16), np.zeros(count, dtype=np.int16)
    most, most_together = np.zeros(count), np.zeros(count)
    for kind in np.unique(kinds):
        together = np.zeros(count)
        for number in np.flatnonzero(kinds == kind):
            votes = votes_for(int(number))
            together += votes
            more = votes > most
            unit[more], most[more] = number, votes[more]
        more = together > most_together
        outcome[more], most_together[more] = kind, together[more]
        total += together
    return Ballot(unit, most / total, outcome, most_together / total)


@dataclass(frozen=True, eq=False)
class Learnt:
    """What the measured cells teach."""

    space: Space
    units: tuple[Unit, ...]
    """Those that were seen, and behind them each of their outcomes without a signature."""
    places: Ints
    numbers: Ints
    """Of the unit at each of the places."""
    likeness: Likeness

    @cached_property
    def kinds(self) -> Numbers:
        """For each unit the number of its outcome: that of the unit without a signature."""
        return np.array([self.units.index((outcome, None)) for outcome, _ in self.units], dtype=np.int16)

    @cached_property
    def held(self) -> Ballot:
        """Of every place."""

        def votes_for(number: int) -> Floats:
            weights = np.zeros(self.space.size)
            weights[self.places[self.numbers == number]] = 1.0
            return self.likeness.spread(weights)

        return ballot(self.space.size, self.kinds, votes_for)

    @cached_property
    def left_out(self) -> tuple[Ints, Floats, Bools]:
        """Measured cells as others foretell their outcome: places, the share of the votes, and whether it is right.

        Likeness is learnt anew from the others, a part of the cells left out at a time. They lie where the explorer was
        in doubt, so this is rather too strict with the cells of a table.
        """
        part = np.random.default_rng(0).permutation(len(self.places)) % PARTS
        ranks = self.space.ranks(self.places)
        asked, shares, right = [], [], []
        for number in range(PARTS):
            out, kept = np.flatnonzero(part == number)[:MOST_LEFT_OUT], np.flatnonzero(part != number)
            if not len(out) or not len(kept):
                continue
            likeness = learnt_likeness(self.space.shape, ranks[kept], self.numbers[kept])
            weights = likeness.among(ranks[out], ranks[kept])
            told = ballot(len(out), self.kinds, _columns(weights, self.numbers[kept]))
            asked.append(self.places[out])
            shares.append(told.outcome_share)
            right.append(told.outcome == self.kinds[self.numbers[out]])
        if not asked:
            return np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.bool_)
        return np.concatenate(asked), np.concatenate(shares), np.concatenate(right)

    @cached_property
    def trust(self) -> Floats:
        """By place the probability that the outcome with most votes is right: as often as such shares were right.

        Where few such shares were tried, as often as all that were tried. More votes are never trusted less: where it
        came out so it was chance, and both are taken together.
        """
        _, share, right = self.left_out
        at = np.digitize(share, EDGES)
        count = np.bincount(at, minlength=len(EDGES) + 1)
        held = np.bincount(at, right, minlength=len(EDGES) + 1)
        overall = (right.sum() + 1) / (len(right) + 2)
        found: Floats = rising(overall * DOUBT + held, DOUBT + count.astype(np.float64))[
            np.digitize(self.held.outcome_share, EDGES)
        ]
        return found


def rising(held: Floats, count: Floats) -> Floats:
    """Shares that never fall, nearest to `held` of `count`: neighbours that fall are pooled (Ayer et al., 1955)."""
    pools: list[tuple[float, float, int]] = []
    for one, other in zip(held.tolist(), count.tolist(), strict=True):
        pools.append((one, other, 1))
        while len(pools) > 1 and pools[-2][0] * pools[-1][1] >= pools[-1][0] * pools[-2][1]:
            last, before = pools.pop(), pools.pop()
            pools.append((before[0] + last[0], before[1] + last[1], before[2] + last[2]))
    return np.concatenate([np.full(size, one / other) for one, other, size in pools])


def _columns(weights: Floats, numbers: Ints) -> Callable[[int], Floats]:
    """The votes of a unit: of the measured cells, one a column, those that said it."""
    return lambda number: weights[:, numbers == number].sum(1)


def learnt_from(space: Space, known: Mapping[int, Unit]) -> Learnt:
    """`known`: what was seen, by place; at least one cell."""
    places = np.array(sorted(known), dtype=np.int64)
    seen = sorted(set(known.values()), key=str)
    units = (*seen, *dict.fromkeys((outcome, None) for outcome, _ in seen if (outcome, None) not in seen))
    number = {unit: each for each, unit in enumerate(units)}
    numbers = np.array([number[known[place]] for place in places.tolist()], dtype=np.int64)
    return Learnt(space, units, places, numbers, learnt_likeness(space.shape, space.ranks(places), numbers))


@dataclass(frozen=True, eq=False)
class Inference:
    """What is held of every place of a space."""

    space: Space
    units: tuple[Unit, ...]
    unit: npt.NDArray[np.int16]
    """By place the number of its unit; -1 where it stays untested."""
    confidence: Floats
    """By place from 0 to 1 that the outcome is right; 1 where it was measured."""
    measured: Bools
    known: Mapping[int, Unit]
    declared: Mapping[int, str]
    foretold: Mapping[int, Foretold]
    """By place what a source says; without what a run spoke against."""
    learnt: Learnt | None

    @property
    def inferred(self) -> Bools:
        found: Bools = (self.unit >= 0) & ~self.measured & self.space.exists
        return found

    @property
    def decided(self) -> float:
        """The share of the cells that are measured or inferred."""
        return float((((self.unit >= 0) | self.measured) & self.space.exists).sum()) / max(1, self.space.count)

    @property
    def claimed(self) -> float:
        """The accuracy that is claimed for the inferred cells: their mean confidence."""
        inferred = self.inferred
        return float(self.confidence[inferred].mean()) if inferred.any() else 0.0

    @property
    def expected(self) -> float:
        """The same over all cells, the untested with what little is held of them."""
        return float(self.confidence[self.space.exists].mean()) if self.space.count else 0.0

    def unit_of(self, place: int) -> Unit | None:
        number = int(self.unit[place])
        return self.units[number] if number >= 0 else None

    def ground_of(self, place: int) -> Ground | None:
        """What an inferred cell rests on; None for the others."""
        if self.unit_of(place) is None or self.measured[place]:
            return None
        return next(self.grounds([place]))

    def grounds(self, places: Sequence[int]) -> Iterator[Ground]:
        """What each of some inferred cells rests on. Cells that rest on the same share one."""
        shared: dict[Ground, Ground] = {}
        for start in range(0, len(places), AT_ONCE):
            some = places[start : start + AT_ONCE]
            asked = [place for place in some if place not in self.declared and place not in self.foretold]
            told = self._grounds_among(np.array(asked, dtype=np.int64)) if asked else iter(())
            for place in some:
                if place in self.declared:
                    ground = Ground(declared=self.declared[place])
                elif place in self.foretold:
                    ground = Ground(source=self.foretold[place].said)
                else:
                    ground = next(told)
                yield shared.setdefault(ground, ground)

    def _grounds_among(self, places: Ints) -> Iterator[Ground]:
        """The grounds of inferred cells in what was measured."""
        assert self.learnt is not None
        at, ranks, unit = self.learnt.places, self.space.ranks, self.unit[places]
        named, against = np.full((len(places), NAMED), -1), np.full(len(places), -1)
        for number in np.unique(unit):
            # where only the outcome is held, every unit of that outcome says the same
            outcome, signature = self.units[number]
            says = np.array([each[0] is outcome and signature in (None, each[1]) for each in self.learnt.units])
            same = says[self.learnt.numbers]
            asked, agreeing, others = np.flatnonzero(unit == number), at[same], np.append(at[~same], -1)
            found, other = likest(self.learnt.likeness, ranks(places[asked]), ranks(agreeing), ranks(others[:-1]))
            named[asked, : found.shape[1]] = agreeing[found]
            against[asked] = others[other]
        for some, other in zip(named.tolist(), against.tolist(), strict=True):
            yield Ground(tuple(each for each in some if each >= 0), (other,) if other >= 0 else ())


def inference_of(
    space: Space,
    known: Mapping[int, Unit],
    declared: Mapping[int, str] | None = None,
    foretold: Mapping[int, Foretold] | None = None,
) -> Inference:
    """What follows from the cells in `known`, by place. The same of the same.

    `declared` says of places why they cannot be installed, `foretold` what sources say of them.
    """
    said = tried(foretold or {}, known)
    names = learnt_from(space, said.named) if said.named else None
    return inferred_from(taught(space, known, said), space, known, declared or {}, said, names)


def named(place: int, names: Learnt | None) -> Unit:
    """A failure that a source foretells, by the name that runs of its like had, where most of the votes agree."""
    if names is None or names.held.share[place] < CONFIDENT:
        return Outcome.FAIL, None
    return names.units[int(names.held.unit[place])]


def taught(space: Space, known: Mapping[int, Unit], said: Tried) -> Learnt | None:
    """What is learnt from the cells that no source explains; None where there is none."""
    material = {place: unit for place, unit in known.items() if place not in said.explained}
    return learnt_from(space, material) if material else None


def inferred_from(
    learnt: Learnt | None,
    space: Space,
    known: Mapping[int, Unit],
    declared: Mapping[int, str],
    said: Tried,
    names: Learnt | None,
) -> Inference:
    """The same where it was learnt already; None: nothing is known. `names`: from the cells in `said.named`."""
    measured = np.zeros(space.size, dtype=np.bool_)
    measured[list(known)] = True
    unit, confidence = np.full(space.size, -1, dtype=np.int16), np.zeros(space.size)
    if learnt is not None:
        held, confidence = learnt.held, learnt.trust.copy()
        # where only the signature is open, the outcome still holds
        whole = (held.share >= CONFIDENT) & (learnt.kinds[held.unit] == held.outcome)
        unit = np.where(whole, held.unit, held.outcome)
        unit[(confidence < CONFIDENT) | ~space.exists] = -1
    foretold = {place: each for place, each in said.standing.items() if not measured[place]}
    told = {place: named(place, names) if each.unit[1] is None else each.unit for place, each in foretold.items()}
    refusals = {place: words for place, words in declared.items() if not measured[place]}
    units = list(learnt.units if learnt is not None else ())
    number = {each: place for place, each in enumerate(units)}
    further = {*told.values(), *known.values()} | ({REFUSED} if refusals else set())
    for new in sorted(further - number.keys(), key=str):
        number[new] = len(units)
        units.append(new)
    for place, each in told.items():
        unit[place], confidence[place] = number[each], said.trust
    if refusals:
        unit[list(refusals)], confidence[list(refusals)] = number[REFUSED], 1.0
    for place, seen in known.items():
        unit[place], confidence[place] = number[seen], 1.0
    return Inference(space, tuple(units), unit, confidence, measured, dict(known), refusals, foretold, learnt)
