"""What is held of every cell, measured or not: unit, confidence, and the ground it rests on. Pure.

A cell that was not run gets a unit only where most hypotheses that agree with the measured cells give it the same one,
and where such agreement has proved right before; else it stays untested.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .committee import Committee
from .domain import Outcome
from .ranges import Range
from .space import Bools, Floats, Ints, Space
from .table import Unit, unit_text

CONFIDENT = 0.8
"""Below this a cell stays untested."""
EDGES = (0.5, 0.7, 0.9, 0.99)
"""Between the shares of votes that are taken together when it is asked how often such shares were right."""
DOUBT = 4.0
"""How many predictions what a share promises is worth, beside those that were tried."""
NEVER = 0.98
"""How far agreement is trusted at a release of which nothing was run, where no release stood out on its own."""
MEMBERS = 48
FOLDS, FOLD_MEMBERS = 5, 16
"""Parts in which measured cells are left out in turn, and the members of the committee that predicts them."""
SEED = 7
NAMED = 3
"""Measured cells that a ground names; it counts the others."""

OUTCOMES = tuple(Outcome)


@dataclass(frozen=True)
class Tried:
    """A prediction that was made before the cell was run."""

    share: float
    """Of the votes."""
    held: bool
    known: int
    """Cells that were known then."""


@dataclass(frozen=True)
class Ground:
    """What inferred cells rest on: ranges in which every measured cell says the same, or what releases declare."""

    unit: Unit
    ranges: tuple[Range, ...]
    """One for each axis of the space; empty where it rests on declared ranges."""
    measured: tuple[int, ...]
    """Places of the measured cells inside, some of them; none of them says anything else."""
    count: int
    """How many measured cells lie inside."""
    declared: str = ""
    """What releases declare that makes it so, where that is the ground."""

    def words(self, space: Space) -> str:
        """`transformers>=4.44.2,<4.57.6 and peft<0.13.2 -> fail (cache-layers-empty): 7 measured cells`."""
        if self.declared:
            return f"declared: {self.declared}"
        said = [
            f"{each.axis}{specifier}"
            for each, versions in zip(self.ranges, space.versions, strict=True)
            if (specifier := each.specifier(versions))
        ]
        cells = f"{self.count} measured cell{'s' if self.count != 1 else ''}"
        return f"{' and '.join(said) or 'everything'} -> {unit_text(self.unit)}: {cells}"


@dataclass(frozen=True, eq=False)
class Inference:
    """What is held of every place of a space."""

    space: Space
    units: tuple[Unit, ...]
    unit: npt.NDArray[np.int16]
    """By place the number of its unit; -1 where it stays untested."""
    confidence: npt.NDArray[np.float32]
    """By place from 0 to 1; 1 where it was measured."""
    measured: Bools
    ground: npt.NDArray[np.int32]
    """By place the number of its ground; -1 for measured and untested cells."""
    grounds: tuple[Ground, ...]

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


def kinds_of(units: Iterable[Unit]) -> list[int]:
    """For each unit the number of its outcome."""
    return [OUTCOMES.index(outcome) for outcome, _ in units]


def inference_of(
    space: Space,
    known: Mapping[int, Unit],
    tried: Sequence[Tried] = (),
    declared: Mapping[int, str] | None = None,
    members: int = MEMBERS,
) -> Inference:
    """What follows from the cells in `known`, by place. The same of the same.

    `tried` are the predictions that were made on the way; `declared` says of places why they cannot be installed.
    """
    places = sorted(known)
    units = tuple(sorted(set(known.values()), key=str))
    numbers = [units.index(known[place]) for place in places]
    committee = Committee(space, np.random.default_rng(SEED), members)
    committee.learn(places, numbers)
    of_units, of_outcomes = left_out(space, places, numbers, kinds_of(units))
    return inferred_by(committee, space, units, known, [*of_units, *tried], declared or {}, of_outcomes)


def left_out(
    space: Space, places: Sequence[int], numbers: Sequence[int], kinds: Sequence[int]
) -> tuple[list[Tried], list[Tried]]:
    """Each measured cell as a committee predicts it that does not know it: its unit, and its outcome.

    The cells lie where the explorer was in doubt, so this is rather too strict with the cells of a table.
    """
    chance = np.random.default_rng(SEED)
    fold = chance.permutation(len(places)) % FOLDS
    at, seen, groups = (np.asarray(each, dtype=np.int64) for each in (places, numbers, kinds))
    of_units: list[Tried] = []
    of_outcomes: list[Tried] = []
    for number in range(FOLDS if len(places) >= 2 * FOLDS else 0):
        committee = Committee(space, chance, FOLD_MEMBERS)
        kept = np.flatnonzero(fold != number)
        committee.learn(at[kept].tolist(), seen[kept].tolist())
        asked = np.flatnonzero(fold == number)
        votes = np.stack([member.unit_at.ravel()[at[asked]] for member in committee.members])
        for told, true, found in ((votes, seen, of_units), (groups[votes], groups[seen], of_outcomes)):
            for column, each in enumerate(asked.tolist()):
                shares = np.bincount(told[:, column], weights=committee.weights)
                winner = int(shares.argmax())
                found.append(Tried(min(1.0, float(shares[winner])), winner == int(true[each]), len(kept)))
    return of_units, of_outcomes


def inferred_by(
    committee: Committee,
    space: Space,
    units: tuple[Unit, ...],
    known: Mapping[int, Unit],
    tried: Sequence[Tried],
    declared: Mapping[int, str],
    of_outcomes: Sequence[Tried] | None = None,
) -> Inference:
    """What a committee that has learnt `known` holds. `of_outcomes`: predictions of outcomes; None: those of units."""
    measured = np.zeros(space.size, dtype=np.bool_)
    measured[list(known)] = True
    if not known:
        nothing = np.full(space.size, -1, dtype=np.int16)
        return Inference(
            space, units, nothing, np.zeros(space.size, dtype=np.float32), measured, nothing.astype(np.int32), ()
        )
    unit, share = committee.settled(range(len(units)))
    unseen = seen_before(space, np.fromiter(known, np.int64))
    confidence = (trusted(share, tried) * unseen).astype(np.float32)
    # where only the signature is open, the outcome still holds
    units, kinds = _with_outcomes(units)
    outcome, share = committee.settled(kinds)
    of_outcome = (trusted(share, tried if of_outcomes is None else of_outcomes) * unseen).astype(np.float32)
    open_signature = (confidence < CONFIDENT) & (of_outcome >= CONFIDENT)
    unit[open_signature], confidence[open_signature] = outcome[open_signature], of_outcome[open_signature]
    unit[(confidence < CONFIDENT) | ~space.exists] = -1
    for place, told in known.items():
        unit[place], confidence[place] = units.index(told), 1.0
    grounds, ground = _grounds(committee, units, unit, measured)
    if declared:
        units = _with_refusals(units)
        said: dict[str, int] = {}
        for place, words in declared.items():
            if not measured[place]:
                number = said.setdefault(words, len(grounds) + len(said))
                unit[place], confidence[place], ground[place] = units.index(REFUSED), 1.0, number
        grounds += [Ground(REFUSED, (), (), 0, words) for words in said]
    return Inference(space, units, unit, confidence, measured, ground, tuple(grounds))


REFUSED: Unit = (Outcome.UNRESOLVABLE, None)


def _with_outcomes(units: tuple[Unit, ...]) -> tuple[tuple[Unit, ...], list[int]]:
    """The units and, behind them, each outcome without a signature; for each unit seen the number of its outcome's."""
    all_units = list(units)
    for outcome, _ in units:
        if (outcome, None) not in all_units:
            all_units.append((outcome, None))
    return tuple(all_units), [all_units.index((outcome, None)) for outcome, _ in units]


def _with_refusals(units: tuple[Unit, ...]) -> tuple[Unit, ...]:
    return units if REFUSED in units else (*units, REFUSED)


def trusted(share: npt.NDArray[np.float32], tried: Sequence[Tried]) -> npt.NDArray[np.float64]:
    """How far shares of votes are to be trusted, by what became of such shares before; later predictions count more."""
    at = np.digitize(share, EDGES)
    newest = max((each.known for each in tried), default=0)
    held, count = np.zeros(len(EDGES) + 1), np.zeros(len(EDGES) + 1)
    for each in tried:
        weight = (each.known / newest) ** 2 if newest else 1.0
        number = int(np.digitize(each.share, EDGES))
        count[number] += weight
        held[number] += weight * each.held
    promised = np.minimum(share.astype(np.float64), 0.998)
    found: npt.NDArray[np.float64] = (promised * DOUBT + held[at]) / (DOUBT + count[at])
    return found


def seen_before(space: Space, places: Ints) -> Floats:
    """By place: a factor below 1 where a release on one of its axes was never run."""
    factor = np.ones(space.shape)
    ranks = space.ranks(places)
    for axis, length in enumerate(space.shape):
        unseen = np.setdiff1d(np.arange(length), ranks[:, axis])
        window: list[slice | Ints] = [slice(None)] * len(space.shape)
        window[axis] = unseen
        factor[tuple(window)] *= NEVER
    return factor.ravel()


def _grounds(
    committee: Committee, units: Sequence[Unit], unit: npt.NDArray[np.int16], measured: Bools
) -> tuple[list[Ground], npt.NDArray[np.int32]]:
    """For each inferred place a piece of the likeliest hypothesis that gives it its unit."""
    space = committee.space
    ground = np.full(space.size, -1, dtype=np.int32)
    waiting = (unit >= 0) & ~measured
    found: list[Ground] = []
    numbers = np.asarray(committee.places, dtype=np.int64)
    outcomes = np.array([units.index((each[0], None)) if (each[0], None) in units else -1 for each in units])
    for member in committee.members:
        if not waiting.any():
            break
        votes = member.unit_at.ravel()
        mine = waiting & ((votes == unit) | (outcomes[votes] == unit))
        for number in np.unique(member.piece_at.ravel()[mine]):
            piece = member.pieces[number]
            window = np.ix_(*piece.ranks)
            ranges = tuple(
                Range(axis, int(ranks[0]), int(ranks[-1]), _gaps(ranks))
                for axis, ranks in zip(space.axes, piece.ranks, strict=True)
            )
            inside = numbers[piece.members]
            shown = tuple(int(place) for place in inside[:: max(1, len(inside) // NAMED)][:NAMED])
            numbered = ground.reshape(space.shape)
            numbered[window] = np.where(mine.reshape(space.shape)[window], len(found), numbered[window])
            found.append(Ground(units[piece.unit], ranges, shown, len(inside)))
        waiting &= ~mine
    return found, ground


def _gaps(ranks: Ints) -> tuple[int, ...]:
    return tuple(int(each) for each in np.setdiff1d(np.arange(ranks[0], ranks[-1] + 1), ranks))
