"""The failure classes' words are explained: none of a committed class is taken for granted."""

from __future__ import annotations

import json
import re
from pathlib import Path

from made_up import CACHE_LAYERS, cell, context, observation, result

from compatcheck.catalogues import load_catalogue
from compatcheck.report.glossary import TERMS, needed, needed_by, terms_in
from compatcheck.report.markdown import markdown_text

REPORT = json.loads((Path(__file__).parent.parent / "reports" / "compatibility.json").read_text(encoding="utf-8"))
CODE = re.compile(r"\b(?:[a-z]+_[a-z_]+|[A-Z][a-z]+[A-Z]\w+)\b")
"""Words that only a programmer reads as words: snake_case and CamelCase."""


def test_every_word_of_code_in_a_committed_class_is_explained() -> None:
    explained = " ".join(f"{term.name} {term.meaning} {term.found}" for term in TERMS)
    used = {each["signature"] for each in REPORT["cells"]} - {None}
    assert len(used) > 5
    for name in used:
        signature = load_catalogue().get(name)
        assert signature is not None
        assert terms_in([signature.title, signature.cause]), name
        for word in CODE.findall(f"{signature.title} {signature.cause}"):
            assert word in explained, (name, word)


def test_every_term_is_of_use_and_explains_without_code() -> None:
    texts = [f"{each.title} {each.cause} {each.remedy}" for each in load_catalogue()]
    for term in TERMS:
        assert any(term.pattern.search(text) for text in texts), term.name
        assert term.meaning.endswith(".") and 40 < len(term.meaning) < 520
    assert len({term.name for term in TERMS}) == len(TERMS)


def test_the_markdown_explains_what_its_classes_use_and_no_more() -> None:
    table = context([result(cell(), observation(CACHE_LAYERS))])
    page = markdown_text(table)
    names = [term.name for term in needed_by(table)]
    assert "cache (KV cache)" in names and "Trainer and accelerate" not in names
    words = page.split("### The words")[1].split("\n## ")[0]
    assert [line.split("**")[1] for line in words.splitlines() if line.startswith("- ")] == names
    assert f"[{needed(table.classes[0])[0].name}](#the-words)" in page
    assert "### The words" not in markdown_text(context([result(cell(), observation())]))
