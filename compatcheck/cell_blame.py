"""Blame for one cell of a table: which passing locks it is held against, in which order, and what they say together.

Three kinds of passing end, each for its own half of the sentence:

* the same cell with the unpinned packages of an earlier day: what differs then is drift, and nothing else can be;
* on each axis, the nearest passing cell that differs from this one in that axis alone: what broke it, what mends it;
* where no axis has one, the nearest passing cells of the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from .attribution import Blame, Culprit, Kind, Pair, attribute
from .table import CLEAN, PYTHON, Row, Table, Unit
from .trials import Laboratory, Releases

MOST_AFAR = 2
"""How many passing cells that differ in several axes are tried before there is no verdict."""


@dataclass(frozen=True)
class End:
    """A passing lock that a failing one is held against."""

    name: str
    """What it is, for people: a cell, or a cell with the packages of a day."""
    versions: Mapping[str, str]
    packages: str = ""
    """For the same cell with other unpinned packages: which those are, `the packages of 2024-07-31`."""


@dataclass(frozen=True)
class Part:
    """What came of holding the cell against one passing end."""

    end: str
    blame: Blame


@dataclass(frozen=True)
class CellBlame:
    """What all ends say together, and each by itself."""

    blame: Blame
    parts: tuple[Part, ...] = ()


LockOf = Callable[[Row], "Mapping[str, str] | None"]
"""The complete lock of a row, distribution to version; None where it is not known."""


def ends_of(table: Table, row: Row, lock_of: LockOf) -> tuple[End, ...]:
    """The nearest passing cell of each axis, the axis with the nearest first; else the nearest of the table."""
    passing = [other for other in table.telling if other.unit == CLEAN and other.point[PYTHON] == row.point[PYTHON]]
    near = sorted(passing, key=lambda other: table.distance(row, other))
    chosen: dict[str, Row] = {}
    for other in near:
        apart = [name for name in table.names if other.point.get(name) != row.point.get(name)]
        if len(apart) == 1:
            chosen.setdefault(apart[0], other)
    rows = list(chosen.values()) or near[:MOST_AFAR]
    return tuple(End(other.cell_id, lock) for other in rows if (lock := lock_of(other)) is not None)


def idle_axes(table: Table, row: Row) -> dict[str, int]:
    """The axes along which nothing changes at this cell, with the number of versions tried."""
    lines = {axis: table.line(row, axis) for axis in table.axes}
    return {axis: len(line.rows) for axis, line in lines.items() if len(line.rows) > 1 and not line.changes}


def blame_cell(
    laboratory: Laboratory,
    releases: Releases,
    table: Table,
    row: Row,
    failing: Mapping[str, str],
    lock_of: LockOf,
    earlier: Iterable[End] = (),
    *,
    most_runs: int = 250,
    say: Callable[[str], None] = lambda _: None,
    before: Callable[[End], None] = lambda _: None,
) -> CellBlame:
    """Blame for `row`, whose complete lock is `failing`. `earlier` are passing locks of the same cell.

    `before` is called with each passing end before the cell is held against it.
    """
    pinned = tuple(row.versions)
    idle = idle_axes(table, row)
    parts: list[Part] = []
    spent = 0

    def hold_against(end: End) -> Blame:
        nonlocal spent
        say(f"held against {end.name}")
        before(end)
        found = attribute(
            laboratory, releases, end.versions, failing,
            pinned=pinned, first=pinned, expected=row.unit, most_runs=most_runs - spent,
        )  # fmt: skip
        if end.packages and found.verdict is Kind.DRIFT:
            found = replace(found, worked=end.packages)
        spent += found.runs
        parts.append(Part(end.name, found))
        say(found.words())
        return found

    for end in earlier:
        if hold_against(end).verdict is not Kind.UNDETERMINED:
            break
    ends = ends_of(table, row, lock_of)
    on_lines = len(ends) > 0 and all(_one_axis(table, row, end) for end in ends)
    for end in ends:
        if spent >= most_runs or any(part.blame.verdict is Kind.FLAKY for part in parts):
            break
        found = hold_against(end)
        if not on_lines and found.verdict is not Kind.UNDETERMINED:
            break
    return CellBlame(together([part.blame for part in parts], row.unit, idle, spent), tuple(parts))


def _one_axis(table: Table, row: Row, end: End) -> bool:
    other = next(each for each in table.rows if each.cell_id == end.name)
    return table.distance(row, other)[0] == 1


def together(blames: Sequence[Blame], unit: Unit | None, idle: Mapping[str, int] | None = None, runs: int = 0) -> Blame:
    """What several attributions of one failure say together.

    Flaky outweighs all else. Drift is a verdict of its own, whatever else mends the cell. Where several packages each
    mend it when moved alone, the failure takes them all: an interacting pair. What broke it comes before what mends it.
    """
    idle = dict(idle or {})
    flaky = next((each for each in blames if each.verdict is Kind.FLAKY), None)
    if flaky is not None:
        return Blame(Kind.FLAKY, runs=runs, unit=unit, reason=flaky.reason)
    sure = [each for each in blames if each.verdict is not Kind.UNDETERMINED]
    if not sure:
        reasons = list(dict.fromkeys(each.reason for each in blames)) or ["there is no passing lock to hold it against"]
        return Blame(Kind.UNDETERMINED, runs=runs, unit=unit, reason="; ".join(reasons), no_part=idle)
    culprits: dict[str, Culprit] = {}
    evidence: dict[tuple[str, str], Pair] = {}
    for each in sure:
        for culprit in each.culprits:
            known = culprits.get(culprit.package)
            culprits[culprit.package] = culprit if known is None else _joined(known, culprit)
        evidence.update({(pair.good, pair.bad): pair for pair in each.evidence})
    kinds = {each.verdict for each in sure}
    drifted = {culprit.package for each in sure if each.verdict is Kind.DRIFT for culprit in each.culprits}
    if drifted:
        kind = Kind.DRIFT
    elif len(sure) == 1 or (len(culprits) == 1 and len(kinds) == 1):
        kind = sure[0].verdict
    else:
        kind = Kind.PAIR
    ordered = sorted(culprits.values(), key=lambda each: each.last_good is None)
    return Blame(
        kind,
        tuple(each for each in ordered if not drifted or each.package in drifted),
        tuple(evidence.values()),
        runs=runs,
        unit=unit,
        inseparable=tuple(dict.fromkeys(name for each in sure for name in each.inseparable)),
        no_part={axis: count for axis, count in idle.items() if axis not in culprits},
        also=tuple(each for each in ordered if drifted and each.package not in drifted),
        worked=next((each.worked for each in sure if each.worked), ""),
    )


def _joined(one: Culprit, other: Culprit) -> Culprit:
    """Two findings on one package: what the first does not know, the second may."""
    return Culprit(
        one.package,
        one.last_good or other.last_good,
        one.first_bad,
        one.fixed_in or other.fixed_in,
        tuple(dict.fromkeys((*one.unknown, *other.unknown))),
        None if one.fixed_in or other.fixed_in else one.still_bad or other.still_bad,
    )
