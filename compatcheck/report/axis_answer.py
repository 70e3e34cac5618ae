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
from ..table import PYTHON
from .context import BAD, Context
from .entry import Entry
from .markup import escaped, markdown_table
from .reread import Reported

TELLING = (Outcome.PASS, *BAD)


def heading(axis: str) -> str:
    return f"Does another {_called(axis)} help?"


def _called(axis: str) -> str:
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
    parts = [f"# {heading(axis)}", answer(context, axis)]
    if question.part.pairs:
        parts += [
            "## The numbers",
            "\n".join(f"- {line}" for line in question.words()),
            *([_totals(question, axis)] if question.complete else []),
            f"## Which failures another {_called(axis)} mends",
            _remedies(context, question, axis),
            f"## Where {_called(axis)} makes a difference",
            _differing(context, question, axis),
            "## What the other axes do",
            "\n".join(f"- {part.words()}." for part in context.findings.blame.axes if part.axis != axis),
        ]
    return parts


def answer(context: Context, axis: str) -> str:
    """The verdict in a few sentences."""
    question, called = context.findings.question(axis), _called(axis)
    versions = context.pythons if axis == PYTHON else context.versions(axis)
    if not question.part.pairs:
        measured = ", ".join(versions) or "none"
        return f"Not judged: no two measured cells differ in {called} alone (measured: {measured})."
    part = question.part
    share = 100 * (part.pairs - part.changed) / part.pairs
    verdict = "Hardly" if part.changed else "No"
    said = [
        f"**{verdict}: {part.pairs - part.changed} of {part.pairs} pairs of cells that differ in {called} alone "
        f"({share:.0f} %) have the same outcome and the same failure.**"
        if share > 50
        else f"**Often: {part.changed} of {part.pairs} pairs of cells that differ in {called} alone fare differently.**"
    ]
    said += [_rescue(called, version, question) for version in versions if question.compared(version)]
    if alone := [version for version in versions if not question.compared(version)]:
        said.append(f"- Of {called} {', '.join(alone)} no cell can be compared.")
    return "\n".join(said)


def _rescue(called: str, version: str, question: AxisQuestion) -> str:
    count = question.rescued.get(version, 0)
    if not count:
        pairs = question.compared(version)
        tried = "1 pair" if pairs == 1 else f"{pairs} pairs"
        return (
            f"- {called} {version} rescues nothing: whatever works with it works with every other {called} tried "
            f"({tried})."
        )
    return f"- {called} {version} works in {count} combinations in which another {called} tried does not."


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


def _totals(question: AxisQuestion, axis: str) -> str:
    outcomes = [str(outcome) for outcome in TELLING]
    rows = [[version, *(seen.get(outcome, 0) for outcome in outcomes)] for version, seen in question.totals.items()]
    return markdown_table([_called(axis), *outcomes], rows)


def _differing(context: Context, question: AxisQuestion, axis: str) -> str:
    if not question.differing:
        return "Nowhere."
    pythons = context.pythons
    versions = pythons if axis == PYTHON else context.versions(axis)
    fixed = [name for name in question.differing[0].fixed if name != PYTHON or len(pythons) > 1]
    rows = [
        [*(f"{_called(name)} {each.fixed[name]}" for name in fixed), *_seen(each.seen, versions)]
        for each in question.differing
    ]
    return markdown_table([*map(_called, fixed), *(f"{_called(axis)} {each}" for each in versions)], rows)


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


def _remedies(context: Context, question: AxisQuestion, axis: str) -> str:
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
    called = _called(axis)
    headers = ["failure", "", "cells", f"work with another {called}", f"only fail otherwise with another {called}"]
    return markdown_table(headers, rows)


def _name(entry: Entry) -> str | None:
    return entry.diagnosis.signature if entry.diagnosis else None
