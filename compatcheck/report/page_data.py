"""What the page's script reads: the cells of a report, as compact as 15,000 of them demand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..conclusion import Conclusion
from ..domain import Mode, Outcome, Stage, printable
from .context import Context
from .effects import check_words, effect
from .entry import Entry, FailureClass, Shared
from .glossary import Term, needed, needed_by
from .pieces import Written, json_pieces

TEXT_CAP = 1500
"""Characters of a message or a detail that the page carries; the rest is cut, and said so."""

OUTCOMES, STAGES = list(Outcome), list(Stage)
MODES = [None, "pass", "fail", "wrong"]
AXES = ("torch", "transformers", "peft")

FIELDS = (
    "outcome", "failure", "stage", "cached", "uncached", "message", "inferred", "blame", "rules", "grounds",
    "checks", "held", "stages", "seconds", "peak", "started", "lock", "imported",
)  # fmt: skip
"""What the data tell of a cell, in order. A cell that was not run has only the first line of them."""


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


class _Texts:
    """Texts once, and numbers for them: messages repeat over thousands of cells."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        """The number of `text`; -1 for none."""
        return self.places.setdefault(cut(text), len(self.places)) if text else -1


def page_data(context: Context, grids: Sequence[Grid]) -> dict[str, Any]:
    """What the page's script needs, as compact as 15,000 cells demand: a cell's versions are its place.

    A cell that was not run is the number, from 1, of what `unrun` says of it and others; 0 is no cell. For
    `json_pieces`: the grids are made one at a time, and the texts are those that they turn out to name.
    """
    texts = _Texts()
    classes = {each.key: number for number, each in enumerate(context.classes)}
    # a rule about the failure says more than one about what works
    rules = (*context.findings.rules.failures, *context.findings.rules.verdicts)
    covering: dict[str, list[int]] = {}
    for number, rule in enumerate(rules):
        for cell_id in rule.cells:
            covering.setdefault(cell_id, []).append(number)

    every = (entry for grid in grids for _, entries in grid.rows for entry in entries if entry)
    # in the order in which the script meets them; cells that were run are grounds, no others
    places = {entry.cell.id: place for place, entry in enumerate(every) if entry.result.known}
    said: list[list[Any]] = []

    def told(entry: Entry) -> str:
        if entry.result.known:
            return "".join(json_pieces(values(entry), compact=True))
        said.append(values(entry))
        return str(len(said))

    def values(entry: Entry) -> list[Any]:
        verdict = context.findings.verdicts.get(entry.cell.id)
        words, rules = verdict.blame.words() if verdict else "", covering.get(entry.cell.id, [])
        return _cell(entry, classes, texts, words, rules, places)

    # known once the grids are made
    def named() -> Iterator[str]:
        yield from texts.places

    def shared() -> Iterator[list[Any]]:
        yield from said

    terms, shown = needed_by(context), Shared(told)
    return {
        "matrix": context.matrix.name,
        "stages": [str(stage) for stage in Stage],
        "outcomes": [str(outcome) for outcome in Outcome],
        "modes": MODES,
        "classes": [_class(each, terms) for each in context.classes],
        "terms": [[term.name, term.meaning] for term in terms],
        "effects": _effects(context),
        "released": {release: date.date().isoformat() for release, date in sorted(context.expansion.released.items())},
        "pefts": context.versions("peft"),
        "grids": (
            {
                "python": grid.python,
                "torch": grid.torch,
                "transformers": [version for version, _ in grid.rows],
                "cells": (
                    Written(f"[{','.join([shown(entry) if entry else '0' for entry in entries])}]")
                    for _, entries in grid.rows
                ),
            }
            for grid in grids
        ),
        "rules": [rule.words() for rule in rules],
        "unrun": shared(),
        "texts": named(),
    }


def _grounds(held: Conclusion, places: Mapping[str, int], text: _Texts) -> list[Any]:
    """Confidence in thousandths, the cells it rests on and those against it by their numbers, and what releases declare
    or import.
    """
    cells = ([places[each] for each in some if each in places] for some in (held.rests_on, held.against))
    return [round(1000 * held.confidence), *cells, text(held.said)]


def _cell(
    entry: Entry, classes: dict[str, int], text: _Texts, blame: str, rules: list[int], places: Mapping[str, int]
) -> list[Any]:
    """The values of `FIELDS`."""
    result, seen = entry.result, entry.result.observation
    fields: list[Any] = [
        OUTCOMES.index(entry.outcome),
        classes.get(entry.failure or "", -1),
        STAGES.index(result.stage) if result.stage else -1,
        MODES.index(entry.mode(Mode.CACHED)),
        MODES.index(entry.mode(Mode.UNCACHED)),
        text(entry.said),
        int(not entry.measured),
        text(blame),
        rules,
        _grounds(entry.conclusion, places, text) if entry.conclusion else 0,
    ]
    if seen is None:
        return fields
    return [
        *fields,
        [
            [text(check_words(each.name)), text(each.detail or "does not hold")]
            for each in seen.checks
            if not each.passed
        ],
        text("; ".join(check_words(each.name) for each in seen.checks if each.passed)),
        [[STAGES.index(each.stage), round(each.seconds, 2), round(each.peak_rss_mib or 0)] for each in seen.stages],
        round(seen.seconds, 1),
        round(seen.peak_rss_mib),
        int(seen.started.timestamp()) // 60,
        result.lock.digest[:12] if result.lock else "",
        text(", ".join(f"{name} {version}" for name, version in seen.imported.items() if name not in AXES)),
    ]


def _effects(context: Context) -> dict[str, str]:
    """Outcome and stage, by their numbers, to what is noticed of it."""
    pairs = {(entry.outcome, entry.result.stage) for entry in context.known}
    pairs |= {(outcome, None) for outcome in context.inferred_totals}
    found = {
        f"{OUTCOMES.index(outcome)} {STAGES.index(stage) if stage else -1}": effect(outcome, stage)
        for outcome, stage in pairs
    }
    return {key: text for key, text in sorted(found.items()) if text}


def _class(each: FailureClass, terms: tuple[Term, ...]) -> dict[str, Any]:
    signature = each.signature
    return {
        "key": each.key,
        "letter": each.letter,
        "title": cut(each.title),
        "cause": cut(signature.cause) if signature else "",
        "remedy": cut(signature.remedy) if signature else "",
        "terms": [terms.index(term) for term in needed(each)],
    }


def cut(text: str, cap: int = TEXT_CAP) -> str:
    """Printable, and not longer than `cap` characters; what is missing is said."""
    shown = printable(text).strip()
    return shown if len(shown) <= cap else f"{shown[:cap]} … [{len(shown) - cap} more characters]"


def harmless_json(data: dict[str, Any]) -> Iterator[str]:
    """JSON that can stand in a script element whatever it says."""
    for text in json_pieces(data, compact=True):
        yield (
            text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").replace("\u2028", "\\u2028")
        )
