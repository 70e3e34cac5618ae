"""What a table says by itself: cells that differ in one axis alone, and what flips between them. No new runs.

An axis of a table drags along what the resolver chose for it, so a flip here accuses the axis; which package of the
two locks it is, `attribution.attribute` finds out by experiment.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from math import comb

from .attribution import Blame, Culprit, Kind, Pair
from .domain import Outcome, Stage
from .table import CLEAN, Line, Row, Table, Unit, table_of, unit_text

STAGES = tuple(Stage)
MOST_EXAMPLES = 3
"""Pairs of cells that are shown of an axis."""


@dataclass(frozen=True)
class AxisPart:
    """How much the outcome depends on one axis, by cells that differ in it alone."""

    axis: str
    lines: int
    """Groups of cells that differ in this axis alone."""
    pairs: int
    """Pairs of such cells."""
    outcome_changed: int
    """Pairs with different outcomes."""
    changed: int
    """Pairs with a different outcome or a different signature."""
    examples: tuple[tuple[str, str], ...] = ()
    """A few of the pairs that changed, by their cells."""

    @property
    def plays_part(self) -> bool | None:
        """None where no two cells differ in it alone."""
        return bool(self.changed) if self.pairs else None

    def words(self) -> str:
        if not self.pairs:
            return f"{self.axis}: no two measured cells differ in it alone"
        part = "plays a part" if self.changed else "plays no part"
        return (
            f"{self.axis} {part}: {self.pairs} pairs of cells differ in it alone; the outcome changed in "
            f"{self.outcome_changed}, the outcome or the signature in {self.changed}"
        )


@dataclass(frozen=True)
class TableBlame:
    """What a table says of its failing cells and of its axes."""

    cells: Mapping[str, Blame]
    """The identifier of each failing cell to its blame, in the table's order."""
    axes: tuple[AxisPart, ...]

    @property
    def undetermined(self) -> tuple[str, ...]:
        return tuple(cell for cell, blame in self.cells.items() if blame.verdict is Kind.UNDETERMINED)


def blame_from_table(rows: Sequence[Row] | Table) -> TableBlame:
    """Blame for each cell that fails or gives a wrong result, and the part that each axis plays."""
    table = table_of(rows)
    failing = [row for row in table.telling if row.unit != CLEAN]
    own = {row.cell_id: _own_flips(table, row) for row in failing}
    cells = {row.cell_id: own[row.cell_id] or _from_afar(table, row, own) for row in failing}
    return TableBlame(cells, axis_parts(table))


def axis_parts(rows: Sequence[Row] | Table) -> tuple[AxisPart, ...]:
    """The part that each axis with more than one version plays."""
    table = table_of(rows)
    return tuple(axis_part(table, axis) for axis in table.axes)


def axis_part(rows: Sequence[Row] | Table, axis: str) -> AxisPart:
    lines = pairs = same_outcome = same = 0
    # a flip between a pass and a failure says more than one between two failures
    flips: list[tuple[str, str]] = []
    others: list[tuple[str, str]] = []
    for line in table_of(rows).lines(axis):
        lines += 1
        pairs += comb(len(line.rows), 2)
        same += sum(comb(count, 2) for count in Counter(row.unit for row in line.rows).values())
        same_outcome += sum(comb(count, 2) for count in Counter(row.outcome for row in line.rows).values())
        flips += islice(_unlike(line.rows, clean=True), MOST_EXAMPLES - len(flips))
        others += islice(_unlike(line.rows, clean=False), MOST_EXAMPLES - len(others))
    examples = tuple((*flips, *others)[:MOST_EXAMPLES])
    return AxisPart(axis, lines, pairs, pairs - same_outcome, pairs - same, examples)


def _unlike(rows: Sequence[Row], clean: bool) -> Iterator[tuple[str, str]]:
    """The pairs of cells that show different things, one of them a pass (`clean`) or neither."""
    told = rows if clean else [row for row in rows if row.unit != CLEAN]
    if len({row.unit for row in told}) > 1:
        for one, other in combinations(told, 2):
            if one.unit != other.unit and clean == (CLEAN in (one.unit, other.unit)):
                yield one.cell_id, other.cell_id


def _own_flips(table: Table, row: Row, weak: bool = False) -> Blame | None:
    """Blame by the axes that, changed alone, take this failure away from this very cell.

    At least one of them must make the cell pass, unless `weak`: then another failure farther on is enough.
    """
    culprits, evidence, no_part = [], [], {}
    mended = False
    for axis in table.axes:
        line = table.line(row, axis)
        passing = _on_line(line, row, past=False)
        if found := passing or _on_line(line, row, past=True):
            mended = mended or passing is not None
            culprits.append(found[0])
            evidence.extend(found[1])
        elif len(line.rows) > 1 and not line.changes:
            no_part[axis] = len(line.rows)
    if not culprits or not (mended or weak):
        return None
    kind = Kind.CULPRIT if len(culprits) == 1 else Kind.PAIR
    reason = "" if mended else "another failure shows where this one is gone"
    return Blame(kind, tuple(culprits), tuple(evidence), unit=row.unit, no_part=no_part, reason=reason)


def _on_line(line: Line, row: Row, past: bool) -> tuple[Culprit, list[Pair]] | None:
    """The culprit of a line through `row`, with the pairs of cells at its borders; None where nothing on it flips."""
    here = line.rows.index(row)
    below = _side(line.rows[here::-1], row, past)
    above = _side(line.rows[here:], row, past)
    if below.good is None and above.good is None:
        return None
    version = {other.cell_id: other.point[line.axis] for other in line.rows}
    unknown = {other.cell_id for side in (below, above) if side.good for other in side.between}
    pairs = [
        Pair(
            side.good.cell_id,
            side.bad.cell_id,
            f"{line.axis} {version[side.good.cell_id]} {_how(side.good)}, {version[side.bad.cell_id]} does not",
            border=line.axis,
        )
        for side in (below, above)
        if side.good is not None
    ]
    culprit = Culprit(
        line.axis,
        last_good=version[below.good.cell_id] if below.good else None,
        first_bad=version[below.bad.cell_id],
        fixed_in=version[above.good.cell_id] if above.good else None,
        unknown=tuple(version[other.cell_id] for other in line.rows if other.cell_id in unknown),
        still_bad=None if above.good else version[above.bad.cell_id],
    )
    return culprit, pairs


def _how(good: Row) -> str:
    return "works" if good.unit == CLEAN else f"gets past it ({good.cell_id} is {good.outcome})"


@dataclass(frozen=True)
class _Side:
    bad: Row
    """The farthest row with the same failure before a good one."""
    good: Row | None
    between: tuple[Row, ...]
    """Rows with another failure between the two."""


def _side(outward: Sequence[Row], row: Row, past: bool) -> _Side:
    bad, between = row, list[Row]()
    for other in outward:
        if other.unit == row.unit:
            bad, between = other, []
        elif other.unit == CLEAN or (past and _gone(row, other)):
            return _Side(bad, other, tuple(between))
        else:
            between.append(other)
    return _Side(bad, None, tuple(between))


def _gone(row: Row, other: Row) -> bool:
    """Whether `other` went past the place where `row` stopped."""
    if row.outcome is Outcome.FAIL and other.outcome is Outcome.WRONG:
        return True
    if row.stage is None or other.stage is None:
        return False
    return STAGES.index(other.stage) > STAGES.index(row.stage)


def _from_afar(table: Table, row: Row, own: Mapping[str, Blame | None]) -> Blame:
    """Blame for a cell that no single axis mends: read from the nearest cell of the same failure that one does."""
    for other in _same_failure(table, row):
        blame = own.get(other.cell_id)
        if blame is not None:
            return Blame(
                blame.verdict,
                blame.culprits,
                blame.evidence,
                unit=row.unit,
                no_part=blame.no_part,
                via=other.cell_id,
                reason=f"read from {other.cell_id}, which has the same failure; here no single axis mends it",
            )
    if weaker := _own_flips(table, row, weak=True):
        return weaker
    return Blame(
        Kind.UNDETERMINED,
        unit=row.unit,
        reason="no cell of this failure has a passing one that differs from it in a single axis",
    )


def _same_failure(table: Table, row: Row) -> Iterator[Row]:
    """The cells of the same failure that are reached from `row` by steps between neighbours, the nearest first."""
    seen, queue = {row.cell_id}, deque([row])
    while queue:
        here = queue.popleft()
        for axis in table.axes:
            line = table.line(here, axis).rows
            place = line.index(here)
            for other in (*line[max(place - 1, 0) : place], *line[place + 1 : place + 2]):
                if other.unit == row.unit and other.cell_id not in seen:
                    seen.add(other.cell_id)
                    yield other
                    queue.append(other)


@dataclass(frozen=True)
class Differing:
    """A line on which the axis made a difference."""

    fixed: Mapping[str, str]
    """What the cells of the line share."""
    seen: Mapping[str, str]
    """Version of the axis to outcome and signature there."""
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Remedy:
    """What another version of one axis does about one failure."""

    unit: Unit
    cells: int
    """Failing cells of which another version of the axis was measured with all else the same."""
    mended: int
    """Those of them that work with another version."""
    otherwise: int
    """Those that show another failure with some other version, and work with none."""


@dataclass(frozen=True)
class AxisQuestion:
    """What becomes of cells when one axis alone changes."""

    part: AxisPart
    totals: Mapping[str, Mapping[str, int]]
    """Version of the axis to outcomes and their number, over the lines on which every version was measured."""
    complete: int
    """The number of those lines."""
    between: Mapping[tuple[str, str], tuple[int, int]]
    """Two versions: how many pairs of cells, and in how many the outcome or the signature changed."""
    rescued: Mapping[str, int]
    """Version to the number of lines on which it passes and another version does not."""
    differing: tuple[Differing, ...]
    remedies: tuple[Remedy, ...]
    """What the axis does about each failure, the most frequent first."""

    def compared(self, version: str) -> int:
        """How many pairs of cells have `version` on one of their sides."""
        return sum(pairs for pair, (pairs, _) in self.between.items() if version in pair)

    def words(self) -> tuple[str, ...]:
        """The answer in sentences, with its numbers."""
        said = [self.part.words() + "."]
        for (one, other), (pairs, changed) in self.between.items():
            if pairs:
                said.append(f"{self.part.axis} {one} against {other}: {changed} of {pairs} pairs differ.")
        if self.complete:
            each = ", ".join(f"{seen.get(str(Outcome.PASS), 0)} on {version}" for version, seen in self.totals.items())
            said.append(f"Of {self.complete} combinations measured on every {self.part.axis}, pass: {each}.")
        return tuple(said)


def axis_question(rows: Sequence[Row] | Table, axis: str) -> AxisQuestion:
    """What cells that differ in `axis` alone say about it."""
    table = table_of(rows)
    versions = table.versions.get(axis, ())
    lines = list(table.lines(axis))
    totals: dict[str, Counter[str]] = {version: Counter() for version in versions}
    between = {pair: [0, 0] for pair in combinations(versions, 2)}
    rescued: Counter[str] = Counter()
    complete = 0
    for line in lines:
        at: dict[str, Unit | None] = {row.point[axis]: row.unit for row in line.rows}
        for one, other in combinations([version for version in versions if version in at], 2):
            between[one, other][0] += 1
            between[one, other][1] += at[one] != at[other]
        if len(at) == len(versions):
            complete += 1
            for row in line.rows:
                totals[row.point[axis]][str(row.outcome)] += 1
        if len({unit == CLEAN for unit in at.values()}) > 1:
            rescued.update(version for version, unit in at.items() if unit == CLEAN)
    return AxisQuestion(
        axis_part(table, axis),
        {version: dict(sorted(count.items())) for version, count in totals.items()},
        complete,
        {pair: (count, changed) for pair, (count, changed) in between.items()},
        {version: rescued[version] for version in versions},
        tuple(_differing(line) for line in lines if line.changes),
        _remedies(lines),
    )


def _remedies(lines: Sequence[Line]) -> tuple[Remedy, ...]:
    counts: dict[Unit, Counter[str]] = {}
    for line in lines:
        for row in line.rows:
            if row.unit is None or row.unit == CLEAN:
                continue
            others = {other.unit for other in line.rows}
            told = "mended" if CLEAN in others else "otherwise" if others != {row.unit} else "same"
            counts.setdefault(row.unit, Counter())[told] += 1
    found = (Remedy(unit, told.total(), told["mended"], told["otherwise"]) for unit, told in counts.items())
    return tuple(sorted(found, key=lambda each: (-each.cells, str(each.unit))))


def torch_question(rows: Sequence[Row] | Table) -> AxisQuestion:
    """Whether another torch helps: judged by cells that differ in torch alone."""
    return axis_question(rows, "torch")


def _differing(line: Line) -> Differing:
    return Differing(
        {name: version for name, version in line.rows[0].point.items() if name != line.axis},
        {row.point[line.axis]: unit_text(row.unit) for row in line.rows if row.unit is not None},
        tuple(row.cell_id for row in line.rows),
    )
