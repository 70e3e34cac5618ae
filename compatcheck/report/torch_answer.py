"""The article's question in one page: torch.md. Does another torch help? Judged by cells that differ in torch alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..attribution import Kind
from ..cell_verdicts import Ground
from ..domain import Outcome
from ..flips import AxisQuestion
from .context import BAD, Context
from .entry import Entry
from .markup import escaped, markdown_table
from .reread import Reported

TELLING = (Outcome.PASS, *BAD)


def torch_text(context: Context, earlier: Reported | None = None) -> str:
    """`earlier` has the same cells with the other packages of their time; None where that was not measured."""
    question = context.findings.question("torch")
    parts = ["# Does another torch help?", answer(context, question)]
    if question.part.pairs:
        parts += [
            "## The numbers",
            "\n".join(f"- {line}" for line in question.words()),
            _totals(question),
            "## Which failures another torch mends",
            _remedies(context, question),
            "## Where torch makes a difference",
            _differing(context, question),
            "## What the other two do",
            "\n".join(f"- {part.words()}." for part in context.findings.blame.axes if part.axis != "torch"),
        ]
    then = _then(context, earlier)
    if then:
        parts += ["## And the packages that nobody pins?", drift(context, then)]
    return "\n\n".join(parts) + "\n"


def answer(context: Context, question: AxisQuestion) -> str:
    """The verdict in a few sentences."""
    versions = context.versions("torch")
    if not question.part.pairs:
        return f"Not judged: no two measured cells differ in torch alone (measured: {', '.join(versions) or 'none'})."
    part = question.part
    share = 100 * (part.pairs - part.changed) / part.pairs
    said = [
        f"**Hardly: {part.pairs - part.changed} of {part.pairs} pairs of cells that differ in torch alone "
        f"({share:.0f} %) have the same outcome and the same failure.**"
        if share > 50
        else f"**Often: {part.changed} of {part.pairs} pairs of cells that differ in torch alone fare differently.**"
    ]
    said += [_rescue(version, question) for version in versions if question.compared(version)]
    if alone := [version for version in versions if not question.compared(version)]:
        said.append(f"- Of torch {', '.join(alone)} no cell can be compared.")
    return "\n".join(said)


def _rescue(version: str, question: AxisQuestion) -> str:
    count = question.rescued.get(version, 0)
    if not count:
        pairs = question.compared(version)
        tried = "1 pair" if pairs == 1 else f"{pairs} pairs"
        return (
            f"- torch {version} rescues nothing: whatever works with it works with every other torch tried ({tried})."
        )
    return f"- torch {version} works in {count} combinations in which another torch tried does not."


def _totals(question: AxisQuestion) -> str:
    outcomes = [str(outcome) for outcome in TELLING]
    rows = [[version, *(seen.get(outcome, 0) for outcome in outcomes)] for version, seen in question.totals.items()]
    return markdown_table(["torch", *outcomes], rows)


def _differing(context: Context, question: AxisQuestion) -> str:
    if not question.differing:
        return "Nowhere."
    versions = context.versions("torch")
    rows = [
        [
            *(f"{name} {version}" for name, version in each.fixed.items() if name != "python"),
            *_seen(each.seen, versions),
        ]
        for each in question.differing
    ]
    headers = [
        *(name for name in question.differing[0].fixed if name != "python"),
        *(f"torch {each}" for each in versions),
    ]
    return markdown_table(headers, rows)


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
    titles = {each.key: each.signature.title for each in context.classes if each.signature}
    rows = [
        [
            escaped(titles.get(each.unit[1] or "", "")),
            f"`{each.unit[1]}`",
            str(each.cells),
            str(each.mended),
            str(each.otherwise),
        ]
        for each in question.remedies
    ]
    headers = ["failure", "", "cells", "work with another torch", "only fail otherwise with another torch"]
    return markdown_table(headers, rows)


def _name(entry: Entry) -> str | None:
    return entry.diagnosis.signature if entry.diagnosis else None
