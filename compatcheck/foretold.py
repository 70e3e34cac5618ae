"""Cells that fail by what sources say: a release takes a name from another one that does not have it, or a module that
imports what nothing brings along, or does not accept its version. Pure.

The source tells of the import alone, and only of what is sure to be reached; a run that went otherwise than a statement
says puts an end to the whole statement.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from .catalogues import Catalogue
from .domain import Outcome
from .import_needs import ImportNeeds, Statement, signature_of
from .runtime_ranges import RuntimeRange
from .space import Bools, Ints, Space
from .table import Unit
from .undeclared import Undeclared

TRIED = 50
"""Runs that the reading of a source is worth before any of its statements was tried: one of so many may be wrong."""


@dataclass(frozen=True)
class Foretold:
    """What a source says of a cell."""

    unit: Unit
    """Without a signature where the source only tells that it fails, and runs have to tell how."""
    said: str
    """`peft 0.17.1 imports transformers.HybridCache (peft/peft_model.py), which transformers 5.0.0 lacks`."""
    statement: int
    """The number of what releases take and others lack, of which this is one pair."""


def foretold_failures(space: Space, needs: ImportNeeds, catalogue: Catalogue) -> dict[int, Foretold]:
    """By place; of several statements on a cell the first counts, as Python comes to it first."""
    off: dict[str, set[int]] = {}
    for floor in needs.floors:
        for _, _, places in _stopped(space, floor):
            off.setdefault(floor.package, set()).update(places)
    found: dict[int, Foretold] = {}
    for number, each in enumerate(needs.of_locks):
        nothing_taken = off.get(each.package, set()) if not isinstance(each, RuntimeRange) else set()
        unit: Unit | None = None
        for release, version, places in _stopped(space, each):
            # what fails first without torch is another thing with every release
            unit = unit or (Outcome.FAIL, None if each in needs.floors else signature_of(each, version, catalogue))
            told = Foretold(unit, each.words(release, version), number)
            for place in places:
                if place not in nothing_taken:
                    found.setdefault(place, told)
    return found


def _stopped(space: Space, statement: Statement) -> Iterator[tuple[str, str, list[int]]]:
    """Each two releases of which a statement is true, with the places that have both."""
    if not set(statement.pair) <= set(space.axes):
        return
    one, other = map(space.axes.index, statement.pair)
    everything = np.arange(space.size, dtype=np.int64).reshape(space.shape)
    there = space.exists & _on(space, statement.pythons) if isinstance(statement, Undeclared) else space.exists
    for (rank, release), (beside, version) in product(enumerate(space.versions[one]), enumerate(space.versions[other])):
        if statement.stops(release, version):
            window: list[slice | int] = [slice(None)] * len(space.axes)
            window[one], window[other] = rank, beside
            inside: Ints = everything[tuple(window)].ravel()
            yield release, version, inside[there[inside]].tolist()


def _on(space: Space, pythons: Collection[str]) -> Bools:
    """The places of some Pythons."""
    found = np.zeros(space.shape, dtype=np.bool_)
    found[[rank for rank, version in enumerate(space.versions[0]) if version in pythons]] = True
    return found.ravel()


@dataclass(frozen=True)
class Tried:
    """What runs have said of the statements."""

    standing: Mapping[int, Foretold]
    """Without the statements that a run went against."""
    trust: float
    """How often a cell goes as the source says."""
    explained: frozenset[int]
    """Cells that were run and went as the source says: they teach nothing of the cells of which it says nothing."""
    named: Mapping[int, Unit]
    """Those of them to which runs gave the name, with it: material for the names of the others."""


def tried(foretold: Mapping[int, Foretold], known: Mapping[int, Unit]) -> Tried:
    """`known`: what was seen, by place."""
    seen = [place for place in known if place in foretold]
    right = {place for place in seen if known[place][0] is foretold[place].unit[0]}
    against = {foretold[place].statement for place in seen if place not in right}
    standing = foretold
    if against:
        standing = {place: each for place, each in foretold.items() if each.statement not in against}
    trust = (TRIED - 1 + len(right)) / (TRIED + len(seen))
    named = {place: known[place] for place in right if place in standing and standing[place].unit[1] is None}
    explained = {place for place in right if place in standing and known[place] == standing[place].unit}
    return Tried(standing, trust, frozenset(explained | named.keys()), named)
