"""What two models say of the same cells, for people and for programs: the section of a report, and agreement.md."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..agreement import Agreement, Finding, Likeness, Pair
from .markup import escaped, markdown_table

WORDS = {
    Likeness.OTHER_OUTCOME: "another outcome",
    Likeness.OTHER_STAGE: "another stage",
    Likeness.OTHER_FAILURE: "another failure",
    Likeness.SAME: "the same",
    Likeness.UNTESTED: "not run with both",
}


# ---------------------------------------------------------------------- for people


def sentences(agreement: Agreement) -> list[str]:
    """How far the two agree, the disagreements counted first."""
    if not agreement.compared:
        return [f"None of the {len(agreement.pairs)} cells has been run with both models yet."]
    differing = len(agreement.disagreements)
    said = [
        f"{differing} of {len(agreement.compared)} cells that were run with both models go another way."
        if differing
        else f"All {len(agreement.compared)} cells that were run with both models go the same way: the same outcome, "
        "the same stage, the same failure.",
        f"The same outcome: {agreement.outcome.words()}. The same stage too: {agreement.stage.words()}. "
        f"The same failure too: {agreement.failure.words()}.",
    ]
    if agreement.untested:
        said.append(f"{agreement.untested} further cells have not been run with both.")
    if agreement.other_locks:
        said.append(
            f"In {agreement.other_locks} of the compared cells the packages that are not axes differ between the two "
            "(they were locked on different days)."
        )
    return said


def agreement_section(agreement: Agreement) -> str:
    """For compatibility.md."""
    parts = [f"## Does `{agreement.other}` say the same?", "\n".join(f"- {line}" for line in sentences(agreement))]
    if agreement.disagreements:
        parts.append(_cells(agreement, agreement.disagreements))
    if agreement.compared:
        parts.append(_costs(agreement))
        parts.append("Cell by cell, and failure by failure: [agreement.md](agreement.md).")
    return "\n\n".join(parts)


def agreement_text(agreement: Agreement) -> str:
    """agreement.md: every cell that was to be compared."""
    parts = [
        f"# `{agreement.own}` against `{agreement.other}`, cell by cell",
        "\n".join(f"- {line}" for line in sentences(agreement)),
    ]
    if agreement.disagreements:
        parts += ["## Where they differ", _cells(agreement, agreement.disagreements)]
    if agreement.compared:
        rows = [[f"`{escaped(name)}`", held.words()] for name, held in agreement.by_failure().items()]
        headers = [f"with {agreement.other}", f"the same with {agreement.own}"]
        parts += [
            "## Failure by failure",
            markdown_table(headers, rows),
            "## What a stage takes",
            _costs(agreement),
        ]
    return "\n\n".join([*parts, "## Every cell", _cells(agreement, agreement.ordered)]) + "\n"


def _cells(agreement: Agreement, pairs: Iterable[Pair]) -> str:
    rows = [
        [
            f"`{pair.cell}`",
            escaped(pair.own.words()),
            escaped(pair.other.words()),
            WORDS[pair.likeness] + ("" if pair.same_lock or pair.likeness is Likeness.UNTESTED else ", other locks"),
        ]
        for pair in pairs
    ]
    return markdown_table(["cell", agreement.own, agreement.other, ""], rows)


def _costs(agreement: Agreement) -> str:
    rows = [
        [
            str(each.stage),
            str(each.cells),
            f"{each.own_seconds:.2f}",
            f"{each.other_seconds:.2f}",
            f"{each.own_peak_mib:,.0f}",
            f"{each.other_peak_mib:,.0f}",
        ]
        for each in agreement.costs()
    ]
    headers = [
        "stage",
        "cells",
        f"{agreement.own}, s",
        f"{agreement.other}, s",
        f"{agreement.own}, MiB",
        f"{agreement.other}, MiB",
    ]
    table = markdown_table(headers, rows)
    return f"Seconds in the middle and the highest resident memory, where the stage went well with both:\n\n{table}"


# ---------------------------------------------------------------------- for programs


def agreement_data(agreement: Agreement) -> dict[str, Any]:
    return {
        "model": agreement.own,
        "other": agreement.other,
        "outcome": agreement.outcome.as_data(),
        "stage": agreement.stage.as_data(),
        "failure": agreement.failure.as_data(),
        "untested": agreement.untested,
        "other_locks": agreement.other_locks,
        "by_failure": {name: held.as_data() for name, held in agreement.by_failure().items()},
        "costs": [
            {
                "stage": str(each.stage),
                "cells": each.cells,
                "seconds": [round(each.own_seconds, 3), round(each.other_seconds, 3)],
                "peak_rss_mib": [each.own_peak_mib, each.other_peak_mib],
            }
            for each in agreement.costs()
        ],
        "cells": [
            {
                "id": pair.cell,
                "likeness": str(pair.likeness),
                "same_lock": pair.same_lock,
                "found": [_finding_data(pair.own), _finding_data(pair.other)],
            }
            for pair in agreement.ordered
        ],
    }


def _finding_data(found: Finding) -> dict[str, Any]:
    return {"outcome": str(found.outcome), "stage": found.stage, "failure": found.failure, "lock": found.lock}
