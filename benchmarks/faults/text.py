"""Text from outside in every format that compatcheck writes."""

from __future__ import annotations

import json
import os
import re
import tempfile
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from xml.etree import ElementTree

import made_up

from compatcheck.check_formats import FORMATS
from compatcheck.domain import Ending, EndingKind, Observation, Raised, Stage, printable
from compatcheck.explanation import explain
from compatcheck.judgement import Judgement, judged_requirements, waived
from compatcheck.report.cell_text import cell_lines
from compatcheck.report.files import report_files
from compatcheck.report.junit import junit_text
from compatcheck.report.pictures import picture_files
from compatcheck.requirement_files import read_requirements
from compatcheck.shipped import load_table
from compatcheck.waivers import Settings, Waiver

from .trials import Trials

HOSTILE = (
    "</script><img src=x onerror=alert(1)>", "\x1b[31mred\x1b[0m", "\u202egnp.exe", "=HYPERLINK(1)", "`x` | <b> [a](b)",
    "\ud800 half a pair", "\x00\x07\x08", "&lt;b&gt; ]]> <!--", "é\u0301" * 50, "x" * 1_000_000,
    "a\n::set-env name=PATH::x\n  ::error title=x::y", "%0A::error::x, file=a.py,line=1::z",
)  # fmt: skip


def hostile_text() -> Trials:
    """Text from outside in every format: without what commands a terminal, a browser or a spreadsheet."""
    with Trials("hostile text in HTML, SVG, Markdown, CSV, JUnit, terminal and explanations").clock() as trials:
        for text in HOSTILE:
            clean = text.encode("utf-8", "replace").decode()
            failing, dead = made_up.cell(peft="0.12.0"), made_up.cell(peft="0.11.0")
            results = [
                made_up.result(made_up.cell()),
                made_up.result(failing, made_up.observation(Raised("Odd", "m", clean))),
                made_up.result(made_up.cell(peft="0.10.0"), reason=clean),
                made_up.result(dead, _died(clean)),
            ]
            context = made_up.context(results)
            formats = {
                **made_up.texts(report_files(context)),
                "junit.xml": junit_text(context),
                **{
                    f"terminal of {kind}": "\n".join(cell_lines(context, context.by_id[which.id], Path("m.toml")))
                    for kind, which in (("a failure", failing), ("a death", dead))
                },
                **made_up.texts(picture_files(context)),
                "explain": explain(f"Traceback (most recent call last):\n  File 'a', line 1\nOdd: {text}").as_text(),
            }
            for name, told in formats.items():
                trials.count(harm(name, told) and f"{harm(name, told)} in {name} for {clean[:30]!r}")
    return trials


def _died(said: str) -> Observation:
    """The end of a process whose last words were these, on both streams."""
    ending = Ending(EndingKind.SIGNALLED, signal="SIGSEGV")
    seen = made_up.observation(stage=Stage.TRAIN, ending=ending)
    return replace(seen, output_tail=printable(said[:20_000]))


def hostile_judgements() -> Trials:
    """Names of files and reasons of waivers from outside, in every format of `check`."""
    with (
        Trials("hostile names and reasons in text, GitHub annotations, SARIF and JUnit").clock() as trials,
        tempfile.TemporaryDirectory() as folder,
    ):
        for text in (*HOSTILE[:-3], *HOSTILE[-2:], os.fsdecode(b"\xff\xfe")):
            judgement = _judgement(Path(folder), text)
            for name, write in FORMATS.items():
                told = write(judgement)
                told.encode()  # it must be possible to write it
                problem = harm(f"check.{name}", told)
                trials.count(problem and f"{problem} in check --format {name} for {text[:30]!r}")
    return trials


def _judgement(folder: Path, text: str) -> Judgement:
    """What is known not to work in a file with a hostile name; beside it waivers with hostile reasons."""
    name = text.replace("/", "_").replace("\x00", "")[:80]
    try:
        path = folder / os.fsdecode(os.fsencode(name))
    except UnicodeEncodeError:  # no file can have this name
        path = folder / name.encode("utf-8", "replace").decode()
    path.write_text("torch==2.6.0\ntransformers==4.51.3\npeft==0.5.0\n")
    table = load_table()
    bad = judged_requirements(path, read_requirements(path), table)
    today = date.today()
    reasons = (Waiver(today - timedelta(1), text, text), Waiver(today, text, "none-such"))
    return waived([bad], Settings(waivers=reasons), table, today=today)


def harm(name: str, text: str) -> str:
    if name == "check.github":
        own = re.compile(r"::(error|warning|notice) (file=[^:,\r\n]*,line=\d+,)?title=compatcheck::")
        return "" if all(map(own.match, text.splitlines())) else "a line that is not compatcheck's own"
    if name in ("check.sarif", "check.json"):
        json.loads(text)
    if name in ("check.junit", "junit.xml"):
        ElementTree.fromstring(text)
    if (name.startswith("terminal") or name in ("explain", "check.text")) and re.search(r"^\s*::", text, re.MULTILINE):
        return "a command to a CI service"
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
