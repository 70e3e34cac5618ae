"""Text from outside in every format that compatcheck writes."""

from __future__ import annotations

import re
from pathlib import Path

import made_up

from compatcheck.domain import Raised
from compatcheck.explanation import explain
from compatcheck.report.cell_text import cell_lines
from compatcheck.report.files import report_files
from compatcheck.report.junit import junit_text
from compatcheck.report.pictures import picture_files

from .trials import Trials

HOSTILE = (
    "</script><img src=x onerror=alert(1)>", "\x1b[31mred\x1b[0m", "\u202egnp.exe", "=HYPERLINK(1)", "`x` | <b> [a](b)",
    "\ud800 half a pair", "\x00\x07\x08", "&lt;b&gt; ]]> <!--", "é\u0301" * 50, "x" * 1_000_000,
)  # fmt: skip


def hostile_text() -> Trials:
    """Text from outside in every format: without what commands a terminal, a browser or a spreadsheet."""
    with Trials("hostile text in HTML, SVG, Markdown, CSV, JUnit, terminal and explanations").clock() as trials:
        for text in HOSTILE:
            clean = text.encode("utf-8", "replace").decode()
            failing = made_up.cell(peft="0.12.0")
            results = [
                made_up.result(made_up.cell()),
                made_up.result(failing, made_up.observation(Raised("Odd", "m", clean))),
                made_up.result(made_up.cell(peft="0.10.0"), reason=clean),
            ]
            context = made_up.context(results)
            formats = {
                **report_files(context),
                "junit.xml": junit_text(context),
                "terminal": "\n".join(cell_lines(context, context.by_id[failing.id], Path("m.toml"))),
                **picture_files(context),
                "explain": explain(f"Traceback (most recent call last):\n  File 'a', line 1\nOdd: {text}").as_text(),
            }
            for name, told in formats.items():
                trials.count(harm(name, told) and f"{harm(name, told)} in {name} for {clean[:30]!r}")
    return trials


def harm(name: str, text: str) -> str:
    if any(sign in text for sign in ("\x1b", "\x00", "\x07", "\u202e")):
        return "a control character"
    if name.endswith(".md"):
        text = re.sub(r"`[^`\n]*`|\\\\<", "", text)  # a code span shows what stands in it
    if name.endswith((".html", ".svg", ".md")) and "<img src=x" in text:
        return "markup"
    cells = (part for line in text.splitlines() for part in line.split(","))
    if name.endswith(".csv") and any(part.startswith(("=", "+", "-", "@")) for part in cells):
        return "a formula"
    # JSON is for programs: it has the whole text
    return "too long" if len(text) > 600_000 and not name.endswith(".json") else ""
