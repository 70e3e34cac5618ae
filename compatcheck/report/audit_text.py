"""How far the inferred cells of an explored matrix can be trusted, for people and for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from ..conclusion import ChosenCell
from ..domain import Outcome
from ..inference_audit import Audit
from .context import Context
from .markup import escaped, markdown_table

TITLE = "How far the inferred cells can be trusted"


def audit_lines(audit: Audit) -> list[str]:
    """What the audit found, for a terminal."""
    lines = [audit.words()]
    lines += [f"  inferred {outcome}: wrong in {held.missed.words()}" for outcome, held in audit.by_outcome.items()]
    lines += [f"  missed: {cell.cell_id}, inferred {cell.inferred}, is {cell.measured}" for cell in audit.misses]
    lines += [
        f"  an earlier audit, retired because it found a miss: wrong in {each.missed.words()}" for each in audit.retired
    ]
    return lines


def sentences(context: Context) -> list[str]:
    """What has to be said of the cells that were not run."""
    assert context.explored is not None
    audit, claimed = context.explored.audit, context.explored.claimed
    known = len(context.measured) - context.totals[Outcome.UNTESTED]
    said = [
        f"{known} of {len(context.entries)} cells were run, {context.inferred} are inferred from them, and "
        f"{context.totals[Outcome.UNTESTED]} are untested: where there is no ground there is no guess."
    ]
    if claimed is not None:
        said.append(f"The confidence of the inferred cells is {claimed:.3f} on average, before the audit.")
    said.append(audit.words())
    if audit.names.count:
        said.append(f"Where it named the failure, too, the failure was another one in {audit.names.missed.words()}.")
    if audit.unnamed:
        said.append(f"{audit.unnamed} were rightly inferred to fail, without a name.")
    said += [
        f"An earlier audit found a miss and became material for the search: wrong in {each.missed.words()}."
        for each in audit.retired
    ]
    return said


def audit_rows(audit: Audit) -> list[tuple[str, str]]:
    """Each inferred outcome with how often it was wrong."""
    return [(str(outcome), held.missed.words()) for outcome, held in audit.by_outcome.items()]


def audit_section(context: Context) -> str:
    """For compatibility.md."""
    assert context.explored is not None
    audit = context.explored.audit
    parts = [f"## {TITLE}", "\n".join(f"- {line}" for line in sentences(context))]
    if rows := audit_rows(audit):
        parts.append(markdown_table(["inferred", "wrong in"], rows))
    if missed := (*audit.misses, *audit.misnamed):
        misses = [
            [f"`{each.cell_id}`", f"{each.inferred} {escaped(each.inferred_signature or '')}".strip(),
             f"{each.measured} {escaped(each.measured_signature or '')}".strip()]
            for each in missed
        ]  # fmt: skip
        parts.append(markdown_table(["missed", "inferred", "measured"], misses))
    parts.append("What each inferred cell rests on, and its confidence: compatibility.csv and compatibility.json.")
    return "\n\n".join(parts)


def exploration_data(context: Context, lines: Callable[[Iterable[Any]], Any]) -> dict[str, Any]:
    """For compatibility.json; `lines` makes a long list of what is short each."""
    assert context.explored is not None
    audit, claimed = context.explored.audit, context.explored.claimed
    return {
        "inferred": {str(outcome): count for outcome, count in sorted(context.inferred_totals.items())},
        "claimed": None if claimed is None else round(claimed, 6),
        "audit": {
            "errors": audit.errors.as_data(),
            "errors_with_signature": audit.signature.missed.as_data(),
            "other_names": audit.names.missed.as_data(),
            "unnamed": audit.unnamed,
            "by_outcome": {str(outcome): held.missed.as_data() for outcome, held in audit.by_outcome.items()},
            "cells": [
                {
                    "id": each.cell_id,
                    "inferred": str(each.inferred),
                    "inferred_signature": each.inferred_signature,
                    "measured": str(each.measured),
                    "measured_signature": each.measured_signature,
                }
                for each in audit.cells
            ],
            "retired": [each.missed.as_data() for each in audit.retired],
        },
        "choices": lines(_choice(each) for each in context.explored.choices),
    }


def _choice(chosen: ChosenCell) -> dict[str, Any]:
    return {"id": chosen.cell_id, **{name: value for name, value in asdict(chosen).items() if name != "cell_id"}}
