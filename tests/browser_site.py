"""Pages for the browser's tests: one with every outcome there is, one with hostile text, and the committed report."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import made_up

from compatcheck.domain import CellResult, Raised, Stage
from compatcheck.expansion import Expansion
from compatcheck.report.context import Context
from compatcheck.report.diff import compared
from compatcheck.report.document import json_text
from compatcheck.report.page import html_text
from compatcheck.report.reread import reported

COMMITTED = Path(__file__).resolve().parent.parent / "reports" / "compatibility.html"
HOSTILE = "</script><img src=x onerror=\"document.title='owned'\"> <b>bold</b> \x1b[31m"
PAGES = ("made.html", "hostile.html", "committed.html")

TORCHES, TRANSFORMERS, PEFTS = ("2.5.1", "2.6.0"), ("4.43.4", "4.51.3", "5.24.0"), ("0.12.0", "0.12.1", "0.15.2")
FALLEN = made_up.observation(made_up.CACHE_LAYERS)
GROWING = replace(
    FALLEN,
    stages=tuple(
        replace(each, seconds=number / 4, peak_rss_mib=100.0 * number) for number, each in enumerate(FALLEN.stages, 1)
    ),
)
"""Each stage takes a quarter of a second and 100 MiB more than the one before."""
KEYWORD = Raised("TypeError", "builtins", "forward() got an unexpected keyword 'odd'")
LINES = {
    "4.43.4": (made_up.observation(), made_up.observation(uncached=False), made_up.observation(KEYWORD, Stage.TRAIN)),
    "4.51.3": (GROWING, "the ranges conflict", made_up.observation()),
    "5.24.0": (made_up.observation(cached=False), None, made_up.observation()),
}
"""For each transformers what was seen beside each peft: an observation, the resolver's reason, or nothing yet."""
INFERRED, GROUND = (f"py311-torch2.6.0-transformers{version}-peft0.15.2" for version in ("5.24.0", "4.51.3"))
"""A cell that was not run, and the one it rests on."""


def cell_id(torch: str, transformers: str, peft: str) -> str:
    return f"py311-torch{torch}-transformers{transformers}-peft{peft}"


def every_outcome() -> Context:
    """Both torch alike, but that the older one could not be measured with the newest transformers."""
    results: list[CellResult] = []
    for torch in TORCHES:
        for transformers, line in LINES.items():
            for peft, seen in zip(PEFTS, line, strict=True):
                of = made_up.cell(torch, transformers, peft)
                if torch == "2.5.1" and transformers == "5.24.0":
                    results.append(made_up.result(of, trouble="the disk is full"))
                elif isinstance(seen, str):
                    results.append(made_up.result(of, reason=seen))
                else:
                    results.append(made_up.result(of, seen))
    found = made_up.context(results)
    released = {
        f"{package} {version}": made_up.NOON + timedelta(days=40 * number)
        for package in ("torch", "transformers", "peft")
        for number, version in enumerate(found.versions(package))
    }
    entries = tuple(made_up.inferred(each, GROUND) if each.cell.id == INFERRED else each for each in found.entries)
    return replace(found, entries=entries, expansion=Expansion(found.expansion.cells, released))


def hostile() -> Context:
    raised = Raised("Odd", "m", HOSTILE + "x" * 1_000_000)
    return made_up.context(
        [
            made_up.result(made_up.cell(peft="0.12.0"), made_up.observation(raised)),
            made_up.result(made_up.cell(peft="0.15.2"), made_up.observation()),
            made_up.result(made_up.cell(peft="0.16.0"), reason=HOSTILE),
            made_up.result(made_up.cell(peft="0.17.0"), trouble=HOSTILE),
        ]
    )


def write_site(folder: Path) -> None:
    """The pages, with what a week ago was otherwise on the first of them."""
    context = every_outcome()
    before = made_up.context(
        [
            replace(entry.result, observation=made_up.observation(made_up.CACHE_LAYERS))
            if entry.result.observation
            else entry.result
            for entry in context.entries
        ]
    )
    diff = compared(reported(json_text(before), "last week"), reported(json_text(context), "this report"))
    pages = (html_text(context, diff), html_text(hostile()), COMMITTED.read_text(encoding="utf-8"))
    for name, text in zip(PAGES, pages, strict=True):
        (folder / name).write_text(text, encoding="utf-8")
