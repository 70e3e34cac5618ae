"""What a table says beyond its cells: blame, rules, the part of each axis, and what the metadata should have said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..attribution import Blame
from ..borders import Edge, edges_of
from ..declared import Declaration, declarations
from ..flips import AxisQuestion, TableBlame, axis_question, blame_from_table
from ..rules import Rule, Rules, rules_of
from ..table import Row, Table

if TYPE_CHECKING:
    from .context import Entry


def rows_of(entries: Iterable[Entry]) -> list[Row]:
    """The cells of a report as rows of a table."""
    return [
        Row(
            entry.cell.id,
            entry.cell.python,
            entry.cell.versions,
            entry.outcome,
            entry.failure,
            entry.result.lock.digest if entry.result.lock else None,
            entry.result.stage,
        )
        for entry in entries
    ]


@dataclass(frozen=True)
class Findings:
    """Read from the measured cells alone, without any further run."""

    table: Table
    requires: Mapping[str, Sequence[str]]
    """`peft 0.12.0` to its Requires-Dist, where it was read."""
    finer: Table
    """The table with the cells that were measured beside it."""
    releases: Mapping[str, Sequence[str]]
    """Axis to all its releases, oldest first; an axis whose releases are not known is missing."""

    @cached_property
    def blame(self) -> TableBlame:
        return blame_from_table(self.table)

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

    def blamed(self, cell_ids: Iterable[str]) -> list[tuple[int, Blame]]:
        """The different verdicts on some cells, each with the number of cells it holds for; the commonest first."""
        found: dict[str, Blame] = {}
        counts: Counter[str] = Counter()
        for cell_id in cell_ids:
            if blame := self.blame.cells.get(cell_id):
                counts[blame.words()] += 1
                found.setdefault(blame.words(), blame)
        return [(count, found[words]) for words, count in counts.most_common()]


def findings_of(
    entries: Iterable[Entry],
    requires: Mapping[str, Sequence[str]],
    beside: Iterable[Entry] = (),
    releases: Mapping[str, Sequence[str]] | None = None,
) -> Findings:
    rows = rows_of(entries)
    return Findings(Table(rows), requires, Table([*rows, *rows_of(beside)]), releases or {})


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
