"""A message comes as people bring it: with Markdown's marks, another's quotation marks, broken at a mail's margin, in a
title or a sentence. What it is named as by itself, it is named as then too, or not at all; mostly the former. (A line
that is broken in its middle may tell a wider name.)
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from functools import cache

import pytest
from log_corpus import Case, read_corpus
from test_logs import related, verdict

from compatcheck.logline import as_python_writes

SPELLINGS: dict[str, tuple[Callable[[str], str], float]] = {
    "names as code": (lambda text: re.sub(r"'([^'\n]{1,80})'", r"`\1`", text), 0.9),
    "names in double quotation marks": (lambda text: re.sub(r"'([^'\n]{1,80})'", r'"\1"', text), 0.9),
    "Markdown escaped": (lambda text: re.sub(r"([_'*])", r"\\\1", text), 0.9),
    "a method's name in bold type": (lambda text: re.sub(r"__(\w+?)__", r"**\1**", text), 0.95),
    "broken at a margin": (lambda text: "\n".join(textwrap.wrap(text, 80, break_long_words=False)), 0.9),
    "a tracker's title": (lambda text: f"[Bug] {text}", 0.97),
    "a title of Markdown": (lambda text: f"### {text}", 0.95),
    "a page's title": (lambda text: f"{text} · Issue #123 · some/repository", 0.95),
    "quoted in a sentence": (lambda text: f"Getting `{text}` when fine-tuning on 2 GPUs", 0.95),
    "told in a sentence": (lambda text: f"I am getting the error {text} Can anybody help?", 0.93),
    "without its class": (lambda text: re.sub(r"^[\w.]+(?:Error|Exception): ", "", text), 0.92),
}
"""How a line may be spelled, and the least share of those that it changes whose name must stay."""


def deciding(case: Case) -> str:
    return case.text.splitlines()[(case.line or 1) - 1].strip()


@cache
def lines() -> list[str]:
    """Every deciding line that tells one failure."""
    told = (deciding(case) for case in read_corpus() if case.expect)
    return sorted({line for line in told if line and line.count("Error: ") < 2})


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_message_keeps_its_name_however_it_is_spelled(spelling: str) -> None:
    spelled, least = SPELLINGS[spelling]
    changed = [line for line in lines() if spelled(line) != line]
    names = {line: name for line in changed if (name := verdict(line))}
    now = {line: verdict(spelled(line)) for line in names}
    kept = [line for line, named in now.items() if named == names[line]]
    otherwise = {line: (names[line], named) for line, named in now.items() if named and named != names[line]}
    unrelated = {line: pair for line, pair in otherwise.items() if not related(*pair)}
    assert len(now) > 80
    assert len(unrelated) / len(now) < 0.005, unrelated
    assert len(kept) / len(now) >= least


def test_what_python_may_have_written() -> None:
    assert as_python_writes("no module named `peft`") == ["no module named `peft`", "no module named 'peft'"]
    assert as_python_writes(r"Peft\_Model.**init**() got \'x\'") == ["Peft_Model.__init__() got 'x'"]
    assert as_python_writes('"addmm" not for `Half`') == [
        '"addmm" not for `Half`',
        "\"addmm\" not for 'Half'",
        "'addmm' not for 'Half'",
    ]
    assert as_python_writes("Tok' object has no attribute 'x_y'")[0] == "'Tok' object has no attribute 'x_y'"
    assert as_python_writes("'Tok' object has no attribute 'x_y`")[0] == "'Tok' object has no attribute 'x_y'"
    assert as_python_writes("'Tok' object has no attribute 'x_")[0] == "'Tok' object has no attribute 'x_"  # cut off
    assert "'Tok' object has no attribute 'x_y'" in as_python_writes("'Tok' object has no attribute x_y()")
    assert as_python_writes("2 ** 3 and **bold type**") == ["2 ** 3 and **bold type**"]
    assert as_python_writes(r"\\u0027llama\\u0027 is not \u003cx\u003e") == ["'llama' is not <x>"]  # a server's answer
