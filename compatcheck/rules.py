"""The shortest statements over versions that hold without a counter-example among the measured cells. Pure.

A rule is a box: a range of versions on each axis, some releases left out where it must be, and a claim about every
measured cell inside. Boxes are grown from the cells that the claim is true of, as far as no measured cell speaks
against them, first along one axis and then the next, in every order of the axes; of all boxes found, the few are kept
that cover the claim's cells with the fewest conditions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import chain, permutations
from operator import and_

from packaging.specifiers import SpecifierSet

from .domain import Outcome
from .ranges import Boundary, Range
from .table import CLEAN, Row, Table, Unit, table_of, unit_text

WORKS = "pass"
BROKEN = "does not work"
MOST_SKIPPED = 2
"""Releases that a range may leave out in its midst."""
MOST_RULES = 40
"""Statements about one claim. A table that needs more has no structure to speak of; the rest is told."""
SEEDS = 120
"""Uncovered cells from which boxes are grown at a time; more of them find the same boxes again."""


@dataclass(frozen=True)
class Rule:
    """What holds of every measured cell within some ranges."""

    claim: str
    """`pass`, `does not work`, or an outcome with its signature."""
    ranges: tuple[Range, ...]
    """One for each axis that has more than one version, the unrestricted ones too."""
    versions: Mapping[str, Sequence[str]]
    """The measured versions of those axes."""
    cells: tuple[str, ...]
    """The measured cells within: each one supports the claim, none speaks against it."""
    stages: tuple[str, ...] = ()
    """Where they stop, for a claim about failures."""

    @cached_property
    def conditions(self) -> dict[str, str]:
        """Axis to specifier, for the axes that the rule restricts."""
        told = {each.axis: each.specifier(self.versions[each.axis]) for each in self.ranges}
        return {axis: specifier for axis, specifier in told.items() if specifier}

    @property
    def free(self) -> tuple[str, ...]:
        """The axes with several measured versions that the rule does not restrict."""
        return tuple(each.axis for each in self.ranges if each.axis not in self.conditions)

    @property
    def boundaries(self) -> tuple[Boundary, ...]:
        """The measured versions on both sides of each edge."""
        return tuple(edge for each in self.ranges for edge in each.boundaries(self.versions[each.axis]))

    def holds(self, unit: Unit) -> bool:
        """Whether the claim is true of a cell that shows `unit`."""
        if self.claim == WORKS:
            return unit == CLEAN
        return unit != CLEAN if self.claim == BROKEN else unit_text(unit) == self.claim

    def admits(self, versions: Mapping[str, str]) -> bool:
        """Whether versions lie within. Raises InvalidVersion for what is no version."""
        return all(
            axis in versions and SpecifierSet(specifier).contains(versions[axis], prereleases=True)
            for axis, specifier in self.conditions.items()
        )

    def words(self) -> str:
        """`transformers>=4.44.2,<4.57.6 and peft<0.13.2 -> fail (cache-layers-empty), whatever the torch`."""
        where = " and ".join(f"{axis}{specifier}" for axis, specifier in self.conditions.items()) or "everything"
        stopped = f" in {' or '.join(self.stages)}" if self.stages else ""
        free = f", whatever the {' and '.join(self.free)}" if self.free and self.conditions else ""
        return f"{where} -> {self.claim}{stopped}{free}"

    def refuted_by(self) -> str:
        """What would show that the rule does not hold."""
        within = ", ".join(f"{axis}{specifier}" for axis, specifier in self.conditions.items()) or "the table"
        return f"one run within {within} of which it is not true"


@dataclass(frozen=True)
class Rules:
    """All that is said of one table."""

    verdicts: tuple[Rule, ...]
    """Which versions work and which do not; together they cover every cell that says something, but the uncovered."""
    failures: tuple[Rule, ...]
    """Which failure shows where."""

    uncovered: tuple[str, ...] = ()
    """Cells that say something and that no verdict covers: the table has too little structure there."""

    def covering(self, cell_id: str) -> tuple[Rule, ...]:
        """The rules that a cell lies within."""
        return tuple(rule for rule in (*self.verdicts, *self.failures) if cell_id in rule.cells)


def rules_of(rows: Sequence[Row] | Table) -> Rules:
    """The rules of a table."""
    field = _Field(table_of(rows))
    units = sorted({row.unit for row in field.rows if row.unit not in (None, CLEAN)}, key=str)
    works = field.rules(WORKS, lambda unit: unit == CLEAN)
    fails = field.rules(BROKEN, lambda unit: unit != CLEAN)
    failures = [rule for unit in units if unit for rule in field.rules(unit_text(unit), _is(unit))]
    failures.sort(key=lambda rule: (-len(rule.cells), rule.words()))
    covered = {cell for rule in (*works, *fails) for cell in rule.cells}
    uncovered = tuple(row.cell_id for row in field.rows if row.cell_id not in covered)
    return Rules((*works, *fails), tuple(failures), uncovered)


def _is(wanted: Unit) -> Callable[[Unit], bool]:
    return lambda unit: unit == wanted


Box = tuple[tuple[int, ...], ...]
"""For each axis the places inside, in order."""


class _Field:
    """The telling cells of a table as bits of integers: a box's cells are an AND of ORs."""

    def __init__(self, table: Table) -> None:
        self.rows = table.telling
        self.axes = table.axes
        self.versions = {axis: table.versions[axis] for axis in self.axes}
        self.all = (1 << len(self.rows)) - 1
        self.masks = {axis: [0] * len(self.versions[axis]) for axis in self.axes}
        self.places: list[tuple[int, ...]] = []
        for number, row in enumerate(self.rows):
            place = tuple(table.rank[axis][row.point[axis]] for axis in self.axes)
            self.places.append(place)
            for axis, at in zip(self.axes, place, strict=True):
                self.masks[axis][at] |= 1 << number

    def rules(self, claim: str, holds: Callable[[Unit], bool]) -> list[Rule]:
        """The few boxes that cover the cells of which the claim holds, the one with most cells first."""
        true = sum(1 << number for number, row in enumerate(self.rows) if row.unit and holds(row.unit))
        boxes: dict[Box, int] = {}
        conditions: dict[Box, int] = {}
        tried: set[int] = set()
        kept: list[Box] = []
        left = true
        while left and len(kept) < MOST_RULES:
            seeds = [number for number in _spread(left, SEEDS) if number not in tried]
            tried.update(seeds)
            for box, cells in chain.from_iterable(self.grown(number, self.all & ~true) for number in seeds):
                if box not in boxes:
                    boxes[box], conditions[box] = cells, self._conditions(box)
            # new cells for each condition that must be said
            best = max(
                boxes, key=lambda box: ((boxes[box] & left).bit_count() / (1 + conditions[box]), -conditions[box], box)
            )
            kept.append(best)
            left &= ~boxes[best]
        kept = _needed(kept, boxes, true & ~left)
        kept.sort(key=lambda box: (-boxes[box].bit_count(), box))
        return [self._rule(claim, box, boxes[box]) for box in kept]

    def grown(self, seed: int, against: int) -> Iterator[tuple[Box, int]]:
        """The boxes around a cell, one for each order of the axes, with the cells inside."""
        start = [(place,) for place in self.places[seed]]
        for order in permutations(range(len(self.axes))):
            inside: list[tuple[int, ...]] = list(start)
            cells = [self._union(axis, places) for axis, places in zip(self.axes, inside, strict=True)]
            for number in order:
                others = self.all
                for other, these in enumerate(cells):
                    if other != number:
                        others &= these
                inside[number] = self._stretch(self.axes[number], inside[number], others, against)
                cells[number] = self._union(self.axes[number], inside[number])
            yield tuple(inside), reduce(and_, cells, self.all)

    def _stretch(self, axis: str, start: tuple[int, ...], others: int, against: int) -> tuple[int, ...]:
        """As far as possible along one axis in both directions, over a few bad releases if there is more beyond."""
        masks, taken, skipped = self.masks[axis], list(start), 0
        for step in (1, -1):
            place, waiting = start[0] + step, 0
            while 0 <= place < len(masks):
                here = masks[place] & others
                if here & against:
                    waiting += 1
                    if skipped + waiting > MOST_SKIPPED:
                        break
                elif here or not waiting:
                    # a release of which nothing is known may lie within, but is no reason to step over a bad one
                    taken.append(place)
                    if here:
                        skipped, waiting = skipped + waiting, 0
                place += step
        return self._without_loose_ends(masks, sorted(taken), others, against)

    def _without_loose_ends(self, masks: list[int], taken: list[int], others: int, against: int) -> tuple[int, ...]:
        """Unknown releases at an end stay only where the axis ends there too: nothing speaks against them."""
        while len(taken) > 1 and not masks[taken[0]] & others and taken[0] > 0:
            taken.pop(0)
        while len(taken) > 1 and not masks[taken[-1]] & others and taken[-1] < len(masks) - 1:
            taken.pop()
        return tuple(taken)

    def _union(self, axis: str, places: Iterable[int]) -> int:
        found = 0
        for place in places:
            found |= self.masks[axis][place]
        return found

    def _conditions(self, box: Box) -> int:
        """How many must be said to tell where it lies."""
        return sum(each.conditions(self.versions[each.axis]) for each in self._ranges(box))

    def _ranges(self, box: Box) -> tuple[Range, ...]:
        return tuple(
            Range(axis, places[0], places[-1], tuple(sorted(set(range(places[0], places[-1])) - set(places))))
            for axis, places in zip(self.axes, box, strict=True)
        )

    def _rule(self, claim: str, box: Box, cells: int) -> Rule:
        rows = [self.rows[number] for number in _bits(cells)]
        failing = all(row.outcome is Outcome.FAIL and row.stage for row in rows)
        stages = tuple(sorted({str(row.stage) for row in rows})) if failing else ()
        return Rule(claim, self._ranges(box), self.versions, tuple(row.cell_id for row in rows), stages)


def _needed(kept: Sequence[Box], cells: Mapping[Box, int], wanted: int) -> list[Box]:
    """Without the boxes whose cells the others cover too."""
    left = list(kept)
    for box in kept:
        rest = 0
        for other in left:
            if other != box:
                rest |= cells[other]
        if wanted & ~rest == 0:
            left.remove(box)
    return left


def _bits(mask: int) -> Iterator[int]:
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def _spread(mask: int, most: int) -> list[int]:
    """At most so many of the bits, evenly over all of them."""
    found = list(_bits(mask))
    step = max(1, len(found) // most)
    return found[::step][:most]
