"""The article's question in one page, torch.md: does another torch help? Judged by cells that differ in torch alone. Of
a matrix with several Pythons, python.md asks the same of Python.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from ..attribution import Kind
from ..cell_verdicts import Ground
from ..domain import Outcome
from ..flips import AxisQuestion
from ..table import PYTHON, TELLING
from .context import Context
from .entry import Entry
from .markup import escaped, markdown_table
from .reread import Reported


def heading(axis: str) -> str:
    return f"Does another {called(axis)} help?"


def called(axis: str) -> str:
    """An axis as a sentence names it."""
    return "Python" if axis == PYTHON else axis


def torch_text(context: Context, earlier: Reported | None = None) -> str:
    """`earlier` has the same cells with the other packages of their time; None where that was not measured."""
    parts = _parts(context, "torch")
    then = _then(context, earlier)
    if then:
        parts += ["## And the packages that nobody pins?", drift(context, then)]
    return "\n\n".join(parts) + "\n"


def python_text(context: Context) -> str:
    """Compared are cells that can be installed on both; where they cannot be is told beside it."""
    return "\n\n".join([*_parts(context, PYTHON), "## What cannot be installed where", _refused(context)]) + "\n"


def _parts(context: Context, axis: str) -> list[str]:
    question = context.findings.question(axis)
    parts = [f"# {heading(axis)}", answer(context, question)]
    if question.part.pairs:
        parts += [
            "## The numbers",
            "\n".join(f"- {line}" for line in question.words()),
            *([_totals(question)] if question.complete else []),
            f"## Which failures another {called(axis)} mends",
            _remedies(context, question),
            f"## Where {called(axis)} makes a difference",
            _differing(context, question),
            "## What the other axes do",
            "\n".join(f"- {part.words()}." for part in context.findings.blame.axes if part.axis != axis),
        ]
    return parts


def answer(context: Context, question: AxisQuestion) -> str:
    """The verdict in a few sentences."""
    part = question.part
    name, versions = called(part.axis), _versions(context, part.axis)
    if not part.pairs:
        measured = ", ".join(versions) or "none"
        return f"Not judged: no two measured cells differ in {name} alone (measured: {measured})."
    share = 100 * (part.pairs - part.changed) / part.pairs
    verdict = "Hardly" if part.changed else "No"
    said = [
        f"**{verdict}: {part.pairs - part.changed} of {part.pairs} pairs of cells that differ in {name} alone "
        f"({share:.0f} %) have the same outcome and the same failure.**"
        if share > 50
        else f"**Often: {part.changed} of {part.pairs} pairs of cells that differ in {name} alone fare differently.**"
    ]
    said += [_rescue(version, question) for version in versions if question.compared(version)]
    if alone := [version for version in versions if not question.compared(version)]:
        said.append(f"- Of {name} {', '.join(alone)} no cell can be compared.")
    return "\n".join(said)


def _versions(context: Context, axis: str) -> tuple[str, ...]:
    return context.pythons if axis == PYTHON else context.versions(axis)


def _rescue(version: str, question: AxisQuestion) -> str:
    name, count = called(question.part.axis), question.rescued.get(version, 0)
    if not count:
        pairs = question.compared(version)
        tried = "1 pair" if pairs == 1 else f"{pairs} pairs"
        return (
            f"- {name} {version} rescues nothing: whatever works with it works with every other {name} tried ({tried})."
        )
    return f"- {name} {version} works in {count} combinations in which another {name} tried does not."


def _refused(context: Context) -> str:
    """For each Python and torch how many cells cannot be installed, and why."""
    rows = []
    for python, torch in product(context.pythons, context.versions("torch")):
        cells = [
            entry for entry in context.measured if (entry.cell.python, entry.cell.versions["torch"]) == (python, torch)
        ]
        refused = Counter(entry.failure or "" for entry in cells if entry.outcome is Outcome.UNRESOLVABLE)
        why = "; ".join(f"{context.titles[key]} ({count})" for key, count in refused.most_common())
        rows.append([python, torch, str(len(cells)), str(refused.total()), escaped(why)])
    return markdown_table(["Python", "torch", "cells", "cannot be installed", "because"], rows)


def _totals(question: AxisQuestion) -> str:
    outcomes = [str(outcome) for outcome in TELLING]
    rows = [[version, *(seen.get(outcome, 0) for outcome in outcomes)] for version, seen in question.totals.items()]
    return markdown_table([called(question.part.axis), *outcomes], rows)


def _differing(context: Context, question: AxisQuestion) -> str:
    if not question.differing:
        return "Nowhere."
    axis = question.part.axis
    versions = _versions(context, axis)
    fixed = [name for name in question.differing[0].fixed if name != PYTHON or len(context.pythons) > 1]
    rows = [
        [*(f"{called(name)} {each.fixed[name]}" for name in fixed), *_seen(each.seen, versions)]
        for each in question.differing
    ]
    return markdown_table([*map(called, fixed), *(f"{called(axis)} {each}" for each in versions)], rows)


def _seen(seen: Mapping[str, str], versions: tuple[str, ...]) -> Iterator[str]:
    return (escaped(seen.get(version, "")) for version in versions)


@dataclass(frozen=True)
class Then:
    """A cell with the other packages of its own time."""

    outcome: Outcome
    signature: str | None
    lock: str | None


def _then(context: Context, earlier: Reported | None) -> dict[str, Then]:
    """The cells with the other packages of their own time: of another report, or as the store has them."""
    if earlier is not None:
        return {each.id: Then(each.told.outcome, each.told.signature, each.told.lock) for each in earlier.cells}
    return {
        cell: Then(each.outcome, _name(each), each.result.lock.digest if each.result.lock else None)
        for cell, each in context.in_their_time.items()
    }


def drift(context: Context, then: Mapping[str, Then]) -> str:
    """Whether the cells fare otherwise with the newest other packages than with those of their own time."""
    pairs = [
        (now, before)
        for now in context.measured
        if (before := then.get(now.cell.id)) and now.outcome in TELLING and before.outcome in TELLING
    ]
    other = sum(lock.digest != before.lock for now, before in pairs if (lock := now.result.lock))
    changed = [
        (now, before) for now, before in pairs if (now.outcome, _name(now)) != (before.outcome, before.signature)
    ]
    said = [
        f"{len(pairs)} cells were measured twice: with today's newest accelerate, tokenizers, numpy and the rest, and "
        f"with those that were out when the youngest of the three was released. In {other} of them the two locks "
        f"differ; in {len(changed)} the outcome or the failure does."
    ]
    said += [
        f"- {now.cell.id}: {before.outcome} {before.signature or ''} then, {now.outcome} {_name(now) or ''} today"
        for now, before in changed
    ]
    if pairs and not changed:
        said.append("Between these two days the packages that nobody pins change nothing in this table.")
    if drifted := _drifted(context):
        said.append(
            "A cell has older days than that: those of its other two packages. Held against locks of those days, "
            + "; ".join(drifted)
            + ". More in [blame.md](blame.md#drift)."
        )
    return "\n".join(said)


def _drifted(context: Context) -> list[str]:
    """What drifted, by experiment, and in how many cells."""
    counts: Counter[str] = Counter()
    for said in context.findings.verdicts.values():
        if said.blame.verdict is Kind.DRIFT and said.ground is Ground.EXPERIMENT:
            counts["; ".join(each.words() for each in said.blame.culprits)] += 1
    return [f"{escaped(words)} ({count} cells)" for words, count in counts.most_common()]


def _remedies(context: Context, question: AxisQuestion) -> str:
    if not question.remedies:
        return "None of these cells fails."
    rows = [
        [
            escaped(context.titles.get(each.unit[1] or "", "")),
            f"`{each.unit[1]}`",
            str(each.cells),
            str(each.mended),
            str(each.otherwise),
        ]
        for each in question.remedies
    ]
    name = called(question.part.axis)
    headers = ["failure", "", "cells", f"work with another {name}", f"only fail otherwise with another {name}"]
    return markdown_table(headers, rows)


def _name(entry: Entry) -> str | None:
    return entry.diagnosis.signature if entry.diagnosis else None
