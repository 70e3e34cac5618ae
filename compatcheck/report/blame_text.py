"""Who is to blame, in one page: how many cells have a verdict, what drifted, and the table held against experiments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from ..attribution import Culprit, Kind, Pair
from ..cell_verdicts import Ground, Said, untried
from ..experiment import Experiment, agreement
from .context import Context
from .markup import escaped, markdown_table


def blame_text(context: Context) -> str:
    parts = ["# Who is to blame", shares(context), _drift(context)]
    if context.experiments:
        parts += [_agreement(context), *(_experiment(context, each) for each in context.experiments.values())]
    else:
        parts.append(
            "No experiment was made. `compatcheck blame CELL` makes one; `nox -s blame` draws cells by chance."
        )
    return "\n\n".join(part for part in parts if part) + "\n"


def shares(context: Context) -> str:
    """How many failing cells have a verdict, of which kind, and what those rest on."""
    said = context.findings.verdicts
    if not said:
        return "No measured cell fails."
    kinds = Counter(each.blame.verdict for each in said.values())
    open_ones = kinds[Kind.UNDETERMINED]
    grounds = Counter(map(_ground, said.values()))
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common() if kind is not Kind.UNDETERMINED)
    return (
        f"{len(said) - open_ones} of {len(said)} failing cells have a verdict ({told or 'none'}); "
        f"{open_ones} ({open_ones / len(said):.1%}) are undetermined. The verdicts rest on "
        + ", ".join(f"{words} in {count}" for words, count in grounds.most_common())
        + "."
    )


def _ground(said: Said) -> str:
    if said.blame.verdict is Kind.UNDETERMINED:
        return "nothing"
    if said.ground is Ground.EXPERIMENT:
        return "an experiment on another cell of the same failure" if said.blame.via else "an experiment on the cell"
    return "a neighbour with the same failure" if said.blame.via else "the cell's own neighbours in the table"


def _drift(context: Context) -> str:
    """What nobody pinned and yet broke it, with the requirement that would have kept it out."""
    found: dict[tuple[str, str], list[str]] = {}
    for cell, said in context.findings.verdicts.items():
        if said.blame.verdict is Kind.DRIFT:
            words = "; ".join(each.words() for each in said.blame.culprits) or said.blame.reason
            wanted = ", ".join(f"`{_requirement(each)}`" for each in said.blame.culprits if each.first_bad)
            found.setdefault((words, wanted), []).append(cell)
    if not found:
        return "## Drift\n\nNo cell is known to have worked once and to have been broken since by what nobody pinned."
    rows = [[escaped(words), wanted, str(len(cells)), f"`{cells[0]}`"] for (words, wanted), cells in found.items()]
    table = markdown_table(["what came out", "what somebody should have required", "cells", "such as"], rows)
    told = "These cells worked with the packages of an earlier day. Nothing that they pin has changed."
    return f"## Drift\n\n{told}\n\n{table}"


def _requirement(culprit: Culprit) -> str:
    if culprit.fixed_in:
        return f"{culprit.package}<{culprit.first_bad} or >={culprit.fixed_in}"
    return f"{culprit.package}<{culprit.first_bad}"


def _agreement(context: Context) -> str:
    read = context.findings.blame.cells
    current = _current(context)
    agreements = {
        each.cell: agreement(read[each.cell], each.blame, untried(each, read[each.cell], context.findings.table))
        for each in current
    }
    rows = []
    for each in current:
        found = agreements[each.cell]
        chosen = f"by chance ({each.drawn})" if each.drawn else "by hand"
        words = f"**{found.words()}**" if found.against else found.words()
        rows.append([f"`{each.cell}`", words, chosen, str(_runs(each))])
    drawn = [each for each in current if each.drawn]
    whole = sum(agreements[each.cell].whole for each in drawn)
    against = sum(bool(agreements[each.cell].against) for each in drawn)
    of_drawn = (
        f"Of {len(drawn)} cells drawn by chance the experiment bears the table out in {whole}, in part in "
        f"{len(drawn) - whole - against}, and contradicts it in {against}."
    )
    table = markdown_table(["cell", "the table's verdict", "chosen", "runs"], rows)
    outdated = len(context.experiments) - len(current)
    return "\n\n".join(
        filter(
            None,
            [
                "## The table held against experiments",
                "The table knows its own axes and versions. An experiment moves every package of the complete locks, "
                "one after the other, and searches all releases. The table's verdict is borne out where both name the "
                "same packages and the exact borders lie between the table's versions.",
                of_drawn if drawn else "",
                table,
                f"{outdated} experiments are left out: their cells show something else now." if outdated else "",
            ],
        )
    )


def _current(context: Context) -> Sequence[Experiment]:
    rows = {row.cell_id: row for row in context.findings.table.telling}
    read = context.findings.blame.cells
    return [
        each for each in context.experiments.values() if each.cell in read and each.blame.unit == rows[each.cell].unit
    ]


def _runs(experiment: Experiment) -> int:
    return sum(part.blame.runs for part in experiment.found.parts)


def _experiment(context: Context, experiment: Experiment) -> str:
    read = context.findings.blame.cells.get(experiment.cell)
    lines = [
        f"### `{experiment.cell}`",
        "",
        f"- By experiment ({experiment.at:%Y-%m-%d}): {escaped(experiment.blame.words())}",
    ]
    if read is not None:
        lines.append(f"- By the table: {escaped(read.words())}")
    for part in experiment.found.parts:
        lines.append(f"- Held against {escaped(part.end)}: {part.blame.verdict}, {part.blame.runs} runs")
    lines += _pairs(experiment.blame.evidence)
    return "\n".join(lines)


def _pairs(evidence: Sequence[Pair]) -> Iterator[str]:
    for pair in evidence:
        note = f" ({escaped(pair.note)})" if pair.note else ""
        good, bad = (f"[`{digest}`](evidence/{digest}.txt)" for digest in (pair.good, pair.bad))
        yield f"- {escaped(pair.says)}: {good} works, {bad} fails{note}"
