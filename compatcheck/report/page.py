"""The report as one self-contained page: compatibility.html. No network, no framework, readable without JavaScript."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from ..domain import Basis, Mode, Outcome, Stage, printable
from ..signatures import address
from .context import Context, Entry, FailureClass
from .diff import Diff
from .diff_text import SHOWN
from .glossary import needed_by

TEMPLATES = Path(__file__).resolve().parent / "templates"
TEXT_CAP = 1500
"""Characters of a message or a detail that the page carries; the rest is cut, and said so."""

OUTCOMES, STAGES = list(Outcome), list(Stage)
MODES = [None, "pass", "fail", "wrong"]
AXES = ("torch", "transformers", "peft")

FIELDS = (
    "outcome", "failure", "stage", "cached", "uncached", "message", "inferred", "blame", "rules",
    "checks", "stages", "seconds", "peak", "started", "lock", "imported",
)  # fmt: skip
"""What the data tell of a cell, in order. A cell that was not run has only the first line of them."""

MARKS = {
    Outcome.PASS: "✓",
    Outcome.FAIL: "✗",
    Outcome.WRONG: "≠",
    Outcome.UNRESOLVABLE: "∅",
    Outcome.ERROR: "!",
    Outcome.UNTESTED: "·",
}
WORDS = {
    Outcome.PASS: "works: every stage ran, and every check of the result holds",
    Outcome.FAIL: "fails: a stage raised, died or hung",
    Outcome.WRONG: "wrong: everything ran without an error, and the result is not right",
    Outcome.UNRESOLVABLE: "cannot be installed: the declared ranges conflict",
    Outcome.ERROR: "not measured: the machine's or the tool's own fault",
    Outcome.UNTESTED: "not run",
}


@dataclass(frozen=True)
class Grid:
    """The heat map of one Python and one torch."""

    python: str
    torch: str
    rows: tuple[tuple[str, tuple[Entry | None, ...]], ...]
    """transformers version, with one entry a peft version."""

    @property
    def name(self) -> str:
        return f"py{self.python.replace('.', '')}-torch{self.torch}"


def html_text(context: Context, diff: Diff | None = None) -> str:
    """The whole page. `diff` tells what changed since an earlier report."""
    grids = tuple(_grids(context))
    return _template().render(
        context=context,
        grids=grids,
        pefts=context.versions("peft"),
        marks=MARKS,
        words=WORDS,
        glossary=needed_by(context),
        declarations=[
            each for each in context.findings.declarations if any(need.admitted for need in each.requirements)
        ],
        diff=diff,
        changes=SHOWN,
        best=[(torch, context.newest_passing(torch)) for torch in reversed(context.versions("torch"))],
        css=Markup((TEMPLATES / "page.css").read_text(encoding="utf-8")),
        script=Markup((TEMPLATES / "page.js").read_text(encoding="utf-8")),
        data=Markup(_harmless_json(_data(context, grids))),
        cut=cut,
        address=address,
        spans=_spans,
        ids=lambda each: [entry.cell.id for entry in each.entries],
        released=_released,
        seconds=_median(entry.result.observation.seconds for entry in context.entries if entry.result.observation),
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")


def _grids(context: Context) -> Iterable[Grid]:
    pefts, found = context.versions("peft"), {}
    for entry in context.entries:
        versions = entry.cell.versions
        found[entry.cell.python, versions["torch"], versions["transformers"], versions["peft"]] = entry
    for python in context.pythons:
        # the newest torch first: it is what an unpinned install gives
        for torch in reversed(context.versions("torch")):
            rows = [
                (version, tuple(found.get((python, torch, version, peft)) for peft in pefts))
                for version in reversed(context.versions("transformers"))
            ]
            kept = tuple(row for row in rows if any(row[1]))
            if kept:
                yield Grid(python, torch, kept)


class _Texts:
    """Texts once, and numbers for them: messages repeat over thousands of cells."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        """The number of `text`; -1 for none."""
        return self.places.setdefault(cut(text), len(self.places)) if text else -1


def _data(context: Context, grids: Sequence[Grid]) -> dict[str, Any]:
    """What the page's script needs, as compact as 15,000 cells demand: a cell's versions are its place."""
    texts = _Texts()
    classes = {each.key: number for number, each in enumerate(context.classes)}
    rules = (*context.findings.rules.verdicts, *context.findings.rules.failures)
    covering: dict[str, list[int]] = {}
    for number, rule in enumerate(rules):
        for cell_id in rule.cells:
            covering.setdefault(cell_id, []).append(number)

    def told(entry: Entry) -> list[Any]:
        blame = context.findings.blame.cells.get(entry.cell.id)
        return _cell(entry, classes, texts, blame.words() if blame else "", covering.get(entry.cell.id, []))

    return {
        "matrix": context.matrix.name,
        "stages": [str(stage) for stage in Stage],
        "outcomes": [str(outcome) for outcome in Outcome],
        "modes": MODES,
        "classes": [_class(each) for each in context.classes],
        "released": {release: date.date().isoformat() for release, date in context.expansion.released.items()},
        "pefts": context.versions("peft"),
        "grids": [
            {
                "python": grid.python,
                "torch": grid.torch,
                "transformers": [version for version, _ in grid.rows],
                "cells": [[told(entry) if entry else 0 for entry in entries] for _, entries in grid.rows],
            }
            for grid in grids
        ],
        "rules": [rule.words() for rule in rules],
        "texts": list(texts.places),
    }


def _cell(entry: Entry, classes: dict[str, int], text: _Texts, blame: str, rules: list[int]) -> list[Any]:
    """The values of `FIELDS`."""
    result, seen, exception = entry.result, entry.result.observation, entry.exception
    message = f"{exception.type}: {exception.message}" if exception else ""
    if result.resolution is not None and result.lock is None:
        message = result.resolution.reason
    fields: list[Any] = [
        OUTCOMES.index(entry.outcome),
        classes.get(entry.failure or "", -1),
        STAGES.index(result.stage) if result.stage else -1,
        MODES.index(entry.mode(Mode.CACHED)),
        MODES.index(entry.mode(Mode.UNCACHED)),
        text(message or result.trouble),
        int(entry.basis is Basis.INFERRED),
        text(blame),
        rules,
    ]
    if seen is None:
        return fields
    return [
        *fields,
        [[text(each.name), text(each.detail or "does not hold")] for each in seen.checks if not each.passed],
        [[STAGES.index(each.stage), round(each.seconds, 2), round(each.peak_rss_mib or 0)] for each in seen.stages],
        round(seen.seconds, 1),
        round(seen.peak_rss_mib),
        int(seen.started.timestamp()) // 60,
        result.lock.digest[:12] if result.lock else "",
        text(", ".join(f"{name} {version}" for name, version in seen.imported.items() if name not in AXES)),
    ]


def _class(each: FailureClass) -> dict[str, Any]:
    signature = each.signature
    return {
        "key": each.key,
        "letter": each.letter,
        "title": cut(signature.title) if signature else "not recognised",
        "cause": cut(signature.cause) if signature else "",
        "remedy": cut(signature.remedy) if signature else "",
    }


def cut(text: str, cap: int = TEXT_CAP) -> str:
    """Printable, and not longer than `cap` characters; what is missing is said."""
    shown = printable(text).strip()
    return shown if len(shown) <= cap else f"{shown[:cap]} … [{len(shown) - cap} more characters]"


def _harmless_json(data: dict[str, Any]) -> str:
    """JSON that can stand in a script element whatever it says."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").replace("\u2028", "\\u2028")


def _spans(each: FailureClass, package: str) -> str:
    """The versions of a class: all of them, or the ends where there are many."""
    versions = each.versions(package)
    return ", ".join(versions) if len(versions) <= 6 else f"{versions[0]} to {versions[-1]} ({len(versions)} releases)"


def _released(context: Context, package: str, version: str) -> str:
    date = context.expansion.released.get(f"{package} {version}")
    return f"{date:%Y-%m}" if date else ""


def _median(values: Iterable[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2] if ordered else 0.0
