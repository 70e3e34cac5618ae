"""What is said of each failing cell in the end. Pure.

An experiment on the cell itself outweighs what the table says. Next comes time: a cell that works with the packages of
its own day is a case of drift, which a table, whose axes are what people pin, cannot see. A failure of which every
experiment says drift is drift in its other cells too. All else is read from the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from .attribution import Blame, Culprit, Kind, Pair
from .deltas import differing
from .domain import Digest, Word
from .experiment import Experiment
from .table import CLEAN, Row, Table, Unit

OWN_TIME = "the packages of its own time"
MOST_NAMED = 6
"""Packages that moved which a sentence names."""


class Ground(Word):
    """What a verdict rests on."""

    EXPERIMENT = "experiment"
    """Runs of complete locks, made to find out."""
    TABLE = "table"
    """The cells of the table."""


@dataclass(frozen=True)
class Said:
    blame: Blame
    ground: Ground


@dataclass(frozen=True)
class OwnTime:
    """A failing cell with the packages of today, and the same with those of its own time."""

    unit: Unit | None
    """What it showed then."""
    then: Mapping[str, str]
    """The complete lock, distribution to version."""
    now: Mapping[str, str]
    digests: tuple[Digest, Digest]
    """Of the two locks, then and now."""


def verdicts_of(
    table: Table,
    read: Mapping[str, Blame],
    experiments: Mapping[str, Experiment],
    own_time: Mapping[str, OwnTime],
) -> dict[str, Said]:
    """The verdict on every cell of `read`, which holds what the table says of each."""
    rows = {row.cell_id: row for row in table.telling}
    valid = {
        cell: completed(each, read[cell], table)
        for cell, each in experiments.items()
        if cell in rows and cell in read and each.blame.unit == rows[cell].unit
    }
    drifting = _drifting(valid)
    return {cell: _said(rows[cell], blame, valid, own_time.get(cell), drifting) for cell, blame in read.items()}


def untried(experiment: Experiment, read: Blame, table: Table) -> tuple[str, ...]:
    """The packages that the table names and the experiment could not try: no passing end of it differs in them."""
    rows = {row.cell_id: row for row in table.rows}
    own, ends = rows[experiment.cell], [rows[part.end] for part in experiment.found.parts if part.end in rows]
    moved = {name for end in ends for name in table.names if end.point.get(name) != own.point.get(name)}
    found = {each.package for each in (*experiment.blame.culprits, *experiment.blame.also)}
    return tuple(each.package for each in read.culprits if each.package not in moved | found)


def completed(experiment: Experiment, read: Blame, table: Table) -> Blame:
    """The experiment's verdict, with what only the table can say of packages that the experiment could not try."""
    blame, silent = experiment.blame, untried(experiment, read, table)
    culprits = tuple(each for each in read.culprits if each.package in silent)
    if not blame.culprits or not culprits:
        return blame
    evidence = (*blame.evidence, *(pair for pair in read.evidence if pair.border in silent))
    told = f"of {', '.join(silent)} the table tells alone: no cell that differs in it passes"
    reason = "; ".join(filter(None, (blame.reason, told)))
    if blame.verdict is Kind.DRIFT:
        return replace(blame, also=(*blame.also, *culprits), evidence=evidence, reason=reason)
    return replace(blame, verdict=Kind.PAIR, culprits=(*blame.culprits, *culprits), evidence=evidence, reason=reason)


def _drifting(valid: Mapping[str, Blame]) -> dict[Unit, tuple[str, Blame]]:
    """The failures of which every experiment says drift, each with one of them and its cell."""
    by_unit: dict[Unit, list[tuple[str, Blame]]] = {}
    for cell, blame in valid.items():
        if blame.unit is not None:
            by_unit.setdefault(blame.unit, []).append((cell, blame))
    return {unit: found[0] for unit, found in by_unit.items() if all(each.verdict is Kind.DRIFT for _, each in found)}


def _said(
    row: Row,
    read: Blame,
    valid: Mapping[str, Blame],
    own_time: OwnTime | None,
    drifting: Mapping[Unit, tuple[str, Blame]],
) -> Said:
    own = valid.get(row.cell_id)
    if own is not None and own.culprits:
        return Said(own, Ground.EXPERIMENT)
    if own_time is not None and own_time.unit == CLEAN and (drifted := _drifted(row, own_time)):
        return Said(drifted, Ground.TABLE)
    if row.unit is not None and row.unit in drifting:
        cell, blame = drifting[row.unit]
        reason = f"read from {cell}, which has the same failure and was tried by experiment"
        return Said(replace(blame, via=cell, reason=reason, also=(), no_part={}), Ground.EXPERIMENT)
    return Said(own if own is not None and own.verdict is Kind.FLAKY else read, Ground.TABLE)


def _drifted(row: Row, own_time: OwnTime) -> Blame | None:
    """Drift by two locks of one cell; the package is named where only one differs."""
    moved: Sequence[str] = differing(own_time.then, own_time.now)
    if not moved:
        return None
    culprits: tuple[Culprit, ...] = ()
    reason = ""
    if len(moved) == 1:
        (name,) = moved
        culprits = (Culprit(name, own_time.then.get(name), own_time.now.get(name)),)
    else:
        named = ", ".join(moved[:MOST_NAMED]) + (" ..." if len(moved) > MOST_NAMED else "")
        reason = f"one or more of the {len(moved)} that differ ({named}); `compatcheck blame` finds out which"
    then, now = own_time.digests
    says = f"works with {OWN_TIME}, and does not with today's"
    return Blame(Kind.DRIFT, culprits, (Pair(then, now, says),), unit=row.unit, reason=reason, worked=OWN_TIME)
