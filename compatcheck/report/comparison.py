"""A report held against another one of the same cells with another model."""

from __future__ import annotations

from collections.abc import Mapping

from ..agreement import Agreement, Finding, Spent, agreement_of
from ..errors import UsageError
from .context import Context
from .entry import Entry
from .reread import Reported, ReportedCell


def compared_with(context: Context, other: Reported) -> Agreement:
    """This report against another one of the same cells. Raises UsageError where they have no cell in common."""
    found = {entry.cell.id: finding(entry) for entry in context.measured}
    others = {cell.id: _reread(cell) for cell in other.cells}
    model = str(other.scenario.get("model", "an unknown model"))
    agreement = agreement_of(context.matrix.scenario.model, found, model, others)
    if not agreement.pairs:
        raise UsageError(
            f"the report of the matrix {other.matrix!r} has none of the {len(found)} cells of this one",
            "Name a report of the same versions with another model.",
        )
    return agreement


def agreement_between(context: Context, model: str, others: Mapping[str, Finding]) -> Agreement:
    """This report against what another model says of some of its cells."""
    found = {entry.cell.id: finding(entry) for entry in context.measured}
    return agreement_of(context.matrix.scenario.model, found, model, others, others)


def finding(entry: Entry) -> Finding:
    """What a report says of a cell, as far as it is compared."""
    result = entry.result
    stages = result.observation.stages if result.observation else ()
    return Finding(
        entry.outcome,
        str(result.stage) if result.stage else None,
        entry.failure,
        result.lock.digest if result.lock else None,
        tuple(Spent(each.stage, each.status, each.seconds, each.peak_rss_mib) for each in stages),
    )


def _reread(cell: ReportedCell) -> Finding:
    told = cell.told
    return Finding(told.outcome, told.stage, told.failure, told.lock, told.stages)
