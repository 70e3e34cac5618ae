"""Cells that fail by what sources say: a release takes a name from another one that does not have it. Pure.

The source tells of the import alone, and only of what is sure to be reached; a run that went otherwise than a statement
says puts an end to the whole statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from .domain import Outcome
from .import_needs import BrokenNeed, signature_of
from .signatures import Catalogue
from .space import Ints, Space
from .table import Unit

TRIED = 50
"""Runs that the reading of a source is worth before any of its statements was tried: one of so many may be wrong."""


@dataclass(frozen=True)
class Foretold:
    """What a source says of a cell."""

    unit: Unit
    said: str
    """`peft 0.17.1 imports transformers.HybridCache (peft/peft_model.py), which transformers 5.0.0 lacks`."""
    statement: int
    """The number of what releases take and others lack, of which this is one pair."""


def foretold_failures(space: Space, broken: Iterable[BrokenNeed], catalogue: Catalogue) -> dict[int, Foretold]:
    """By place; of several statements on a cell the first counts, as Python comes to it first."""
    places = np.arange(space.size, dtype=np.int64).reshape(space.shape)
    found: dict[int, Foretold] = {}
    for number, each in enumerate(broken):
        if each.package not in space.axes or each.other not in space.axes:
            continue
        unit = Outcome.FAIL, signature_of(each.raised, catalogue)
        one, other = space.axes.index(each.package), space.axes.index(each.other)
        takers, lacking = set(each.releases), set(each.lacking)
        takes = [(rank, release) for rank, release in enumerate(space.versions[one]) if release in takers]
        lacks = [(rank, release) for rank, release in enumerate(space.versions[other]) if release in lacking]
        for (rank, release), (beside, without) in product(takes, lacks):
            window: list[slice | int] = [slice(None)] * len(space.axes)
            window[one], window[other] = rank, beside
            told = Foretold(unit, each.words(release, without), number)
            inside: Ints = places[tuple(window)].ravel()
            for at in inside[space.exists[inside]].tolist():
                found.setdefault(at, told)
    return found


@dataclass(frozen=True)
class Tried:
    """What runs have said of the statements."""

    standing: Mapping[int, Foretold]
    """Without the statements that a run went against."""
    trust: float
    """How often a cell goes as the source says."""
    explained: frozenset[int]
    """Cells that were run and went as the source says: they teach nothing of the cells of which it says nothing."""


def tried(foretold: Mapping[int, Foretold], known: Mapping[int, Unit]) -> Tried:
    """`known`: what was seen, by place."""
    seen = [place for place in known if place in foretold]
    right = {place for place in seen if known[place][0] is foretold[place].unit[0]}
    against = {foretold[place].statement for place in seen if place not in right}
    standing = foretold
    if against:
        standing = {place: each for place, each in foretold.items() if each.statement not in against}
    trust = (TRIED - 1 + len(right)) / (TRIED + len(seen))
    explained = frozenset(place for place in right if place in standing and known[place] == foretold[place].unit)
    return Tried(standing, trust, explained)
