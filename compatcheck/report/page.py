"""The report as one self-contained page: compatibility.html. No network, no framework, readable without JavaScript."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from ..domain import Outcome
from ..signatures import address
from .agreement_text import WORDS as LIKENESS
from .agreement_text import sentences
from .audit_text import TITLE as AUDIT_TITLE
from .audit_text import audit_rows
from .audit_text import sentences as audit_sentences
from .context import Context
from .diff import Diff
from .diff_text import CAP, SHOWN
from .effects import effects
from .entry import Entry, FailureClass, Shared
from .glossary import TERMS, needed, needed_by
from .page_data import Grid, cut, harmless_json, page_data

TEMPLATES = Path(__file__).resolve().parent / "templates"
SCRIPTS = ("data", "table", "search", "cell", "mine")
"""The files of the page's script, in the order in which they build on each other."""
TORCHES = 4
"""For so many torch versions the pins are shown at once; older ones unfold."""

MARKS = {
    Outcome.PASS: "✓",
    Outcome.FAIL: "✗",
    Outcome.WRONG: "≠",
    Outcome.UNRESOLVABLE: "∅",
    Outcome.ERROR: "!",
    Outcome.UNTESTED: "·",
}
WORDS = {
    Outcome.PASS: ("works", "every stage ran, and every check of the result holds"),
    Outcome.FAIL: ("fails", "a stage raised, died or hung"),
    Outcome.WRONG: ("wrong result", "everything ran without an error, and the result is not right"),
    Outcome.UNRESOLVABLE: ("cannot be installed", "the resolver finds nothing that goes together"),
    Outcome.ERROR: ("not measured", "the machine's or the tool's own fault"),
    Outcome.UNTESTED: ("not run", "nothing is known of it"),
}


def html_text(context: Context, diff: Diff | None = None) -> str:
    """The whole page. `diff` tells what changed since an earlier report."""
    return "".join(html_pieces(context, diff))


def html_pieces(context: Context, diff: Diff | None = None) -> Iterator[str]:
    grids = tuple(_grids(context))
    script = _script()
    yield from template("page.html.j2").generate(
        context=context,
        grids=grids,
        line=_line(context),
        pefts=context.versions("peft"),
        marks=MARKS,
        words=WORDS,
        glossary=needed_by(context),
        terms=lambda each: [(TERMS.index(term), term) for term in needed(each)],
        term_number=TERMS.index,
        effects=effects,
        declarations=[
            each for each in context.findings.declarations if any(need.admitted for need in each.requirements)
        ],
        diff=diff,
        changes=SHOWN,
        cap=CAP,
        agreement_lines=sentences(context.agreement) if context.agreement else [],
        likeness=LIKENESS,
        audit_title=AUDIT_TITLE,
        audit_lines=audit_sentences(context) if context.explored else [],
        audit_rows=audit_rows(context.explored.audit) if context.explored else [],
        best=[
            (f"{torch}, Python {python}" if len(context.pythons) > 1 else torch, best)
            for torch, python, best in context.newest_pins()
        ],
        torches=TORCHES,
        css=style(),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data=map(Markup, harmless_json(page_data(context, grids))),
        cut=cut,
        address=address,
        spans=_spans,
        ids=lambda each: [entry.cell.id for entry in each.entries],
        released=_released,
        seconds=_median(entry.result.observation.seconds for entry in context.known if entry.result.observation),
    )


@cache
def template(name: str) -> Template:
    """One of the page templates; what it is given is escaped."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def style() -> Markup:
    """The style sheet of every page."""
    return Markup(_text("colours.css") + _text("page.css"))


@cache
def _text(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


@cache
def _script() -> str:
    """The files as one function of its own, so that nothing of it is global."""
    return '"use strict";\n(() => {\n' + "".join(_text(f"script/{name}.js") for name in SCRIPTS) + "})();\n"


def _grids(context: Context) -> Iterable[Grid]:
    pefts = context.versions("peft")
    panels = {(panel.python, panel.torch): panel for panel in context.panels}
    for python in reversed(context.pythons):
        # the newest torch first: it is what an unpinned install gives
        for torch in reversed(context.versions("torch")):
            if panel := panels.get((python, torch)):
                rows = (
                    (version, tuple(map(line.get, pefts)))
                    for version in reversed(context.versions("transformers"))
                    if (line := panel.lines.get(version))
                )
                yield Grid(python, torch, tuple(rows))


def _line(context: Context) -> Callable[[Iterable[Entry | None]], Markup]:
    """What writes the cells of a row: there are many, and few that look different."""

    @cache
    def square(outcome: Outcome, measured: bool, letter: str, note: str) -> str:
        look = outcome if measured else f"{outcome} inferred"
        return Markup('<td class="{}">{}{}{}</td>').format(look, MARKS[outcome], letter, note)

    written = Shared(lambda entry: square(entry.outcome, entry.measured, context.letter(entry), entry.note))
    return lambda entries: Markup("".join([written(entry) if entry else "<td></td>" for entry in entries]))


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
