"""What a table says beyond its cells: blame, rules, the part of each axis, and what the metadata should have said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..borders import Edge, edges_of
from ..cell_verdicts import OwnTime, Said, verdicts_of
from ..declared import Declaration, declarations
from ..domain import Outcome
from ..experiment import Experiment
from ..flips import AxisQuestion, TableBlame, axis_question, blame_from_table
from ..rules import Rule, Rules, rules_of
from ..table import Row, Table, unit_of
from .entry import Entry


def rows_of(entries: Iterable[Entry]) -> list[Row]:
    """The cells of a report that something was tried of, as rows of a table: what was measured of them."""
    return [
        Row(
            entry.cell.id,
            entry.cell.python,
            entry.cell.versions,
            entry.result.outcome,
            entry.failure if entry.measured else None,
            entry.result.lock.digest if entry.result.lock else None,
            entry.result.stage,
        )
        for entry in entries
        if entry.result.outcome is not Outcome.UNTESTED
    ]


@dataclass(frozen=True)
class Findings:
    """Read from the measured cells alone, without any further run."""

    table: Table
    requires: Mapping[str, Sequence[str]]
    """`peft 0.12.0` to its Requires-Dist, where it was read."""
    finer: Table
    """The table with the cells that were measured beside it."""
    own_time: Mapping[str, OwnTime]
    """Failing cell to the same cell with the other packages of its own time, where that was measured."""
    experiments: Mapping[str, Experiment]
    """Cell to what blame by experiment came to."""
    releases: Mapping[str, Sequence[str]]
    """Axis to all its releases, oldest first; an axis whose releases are not known is missing."""

    @cached_property
    def blame(self) -> TableBlame:
        return blame_from_table(self.table)

    @cached_property
    def verdicts(self) -> Mapping[str, Said]:
        """What is said of each failing cell in the end: by experiment where there was one, else from the table."""
        return verdicts_of(self.table, self.blame.cells, self.experiments, self.own_time)

    @cached_property
    def rules(self) -> Rules:
        return rules_of(self.table)

    @cached_property
    def edges(self) -> tuple[tuple[Rule, tuple[Edge, ...]], ...]:
        """Each rule with where it ends, as tightly as the measured cells make it."""
        rules = (*self.rules.verdicts, *self.rules.failures)
        return tuple((rule, edges_of(rule, self.table, self.finer, self.releases)) for rule in rules)

    @cached_property
    def declarations(self) -> tuple[Declaration, ...]:
        return declarations(self.table, self.requires)

    def question(self, axis: str) -> AxisQuestion:
        """What becomes of cells when `axis` alone changes."""
        return axis_question(self.table, axis)

    def blamed(self, cell_ids: Iterable[str]) -> list[tuple[int, Said]]:
        """The different verdicts on some cells, each with the number of cells it holds for; the commonest first."""
        found: dict[str, Said] = {}
        counts: Counter[str] = Counter()
        for cell_id in cell_ids:
            if said := self.verdicts.get(cell_id):
                counts[said.blame.words()] += 1
                found.setdefault(said.blame.words(), said)
        return [(count, found[words]) for words, count in counts.most_common()]


def findings_of(
    entries: Iterable[Entry],
    requires: Mapping[str, Sequence[str]],
    beside: Iterable[Entry] = (),
    releases: Mapping[str, Sequence[str]] | None = None,
    in_their_time: Mapping[str, Entry] | None = None,
    experiments: Mapping[str, Experiment] | None = None,
    versions: Mapping[str, Iterable[str]] | None = None,
) -> Findings:
    """`versions`: all those of each axis, Python's first, whether a cell of them was tried or not."""
    known = tuple(entries)
    rows, others = rows_of(known), rows_of(beside)
    table = Table(rows, versions)
    finer = Table([*rows, *others], versions) if others else table
    return Findings(table, requires, finer, _own_time(known, in_their_time or {}), experiments or {}, releases or {})


def _own_time(entries: Iterable[Entry], in_their_time: Mapping[str, Entry]) -> dict[str, OwnTime]:
    found = {}
    for entry in entries:
        if entry.outcome not in (Outcome.FAIL, Outcome.WRONG):
            continue  # nobody asks
        before = in_their_time.get(entry.cell.id)
        if before is None or before.result.lock is None or entry.result.lock is None:
            continue
        then, now = before.result.lock, entry.result.lock
        unit = unit_of(before.outcome, before.failure)
        found[entry.cell.id] = OwnTime(unit, then.versions, now.versions, (then.digest, now.digest))
    return found


def findings_data(findings: Findings) -> dict[str, Any]:
    """The findings as plain data; the blame of a cell stands at the cell."""
    return {
        "axes": [
            {
                "axis": part.axis,
                "plays_part": part.plays_part,
                "pairs": part.pairs,
                "outcome_changed": part.outcome_changed,
                "changed": part.changed,
                "examples": [list(pair) for pair in part.examples],
            }
            for part in findings.blame.axes
        ],
        "rules": [rule_data(rule, edges) for rule, edges in findings.edges],
        "declared": [
            {
                "package": each.package,
                "version": each.version,
                "accepted": each.accepted,
                "broken": each.broken,
                "requirements": [
                    {
                        "package": need.package,
                        "declared": need.declared,
                        "measured": need.measured,
                        "admitted": list(need.admitted),
                    }
                    for need in each.requirements
                ],
            }
            for each in findings.declarations
        ],
    }


def rule_data(rule: Rule, edges: Sequence[Edge]) -> dict[str, Any]:
    """A rule as compatibility.json has it."""
    exact = {edge.boundary: edge for edge in edges}
    return {
        "text": rule.words(),
        "claim": rule.claim,
        "conditions": dict(rule.conditions),
        "whatever": list(rule.free),
        "support": len(rule.cells),
        "cells": list(rule.cells),
        "boundaries": [
            {
                "package": edge.axis,
                "inside": edge.inside,
                "outside": edge.outside,
                "measured": _edge(exact[edge]) if edge in exact else None,
            }
            for edge in rule.boundaries
        ],
        "refuted_by": rule.refuted_by(),
    }


def _edge(edge: Edge) -> dict[str, Any]:
    return {
        "last_inside": edge.last,
        "first_outside": edge.first,
        "exact": edge.exact,
        "untold": None if edge.untold is None else list(edge.untold),
        "cells": [edge.inside.cell_id, edge.outside.cell_id],
    }
