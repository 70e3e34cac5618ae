"""The README's answers: what its commands say today, and what its sessions with real packages said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from console_blocks import LEFT_OUT, Answer, ageless, answers, asked_again, renewed, shortened

HERE = Path(__file__).parent.parent
README = (HERE / "README.md").read_text(encoding="utf-8")
ANSWERS = list(answers(README))
CLIENTS = list(answers((HERE / "reports" / "clients.md").read_text(encoding="utf-8")))


@pytest.mark.parametrize("answer", [each for each in ANSWERS if each.repeatable], ids=lambda each: each.command[:40])
def test_what_the_readme_says_of_the_table_is_what_it_answers(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMPATCHECK_STORE", raising=False)
    said = shortened(asked_again(answer.command), answer.lines)
    assert ageless(said) == ageless(answer.lines), "renew it: python tests/console_blocks.py README.md"


def test_the_questions_of_the_issue_are_among_them() -> None:
    asked = [each.command for each in ANSWERS if each.repeatable]
    for word in ("recommend --torch", "recommend --bounds", "check -r requirements.txt"):
        assert any(word in each for each in asked)


@pytest.mark.parametrize(
    "answer", [each for each in ANSWERS if re.search(r"\btrl\b", each.command)], ids=lambda each: each.command[:40]
)
def test_the_sessions_with_real_packages_are_those_of_the_report(answer: Answer) -> None:
    (whole,) = (each for each in CLIENTS if each.command == answer.command)
    place = 0
    for line in ageless(answer.lines):
        if line.strip() != LEFT_OUT:
            place = ageless(whole.lines).index(line, place) + 1
    if not any(line.strip() == LEFT_OUT for line in answer.lines):
        assert answer.lines == whole.lines


def test_the_table_of_clients_is_that_of_the_report() -> None:
    block = re.search(r"<!-- generated: clients -->\n(.*?)\n<!-- /generated: clients -->", README, re.DOTALL)
    assert block and f"\n{block[1]}\n" in (HERE / "reports" / "clients.md").read_text(encoding="utf-8")


def test_renewing_changes_what_is_not_true_and_keeps_what_is_left_out() -> None:
    text = "a\n```console\n$ compatcheck recommend --bounds\ntorch>=1\n[...]\n```\n```console\n$ ls\nx\n```\n"
    new = renewed(text)
    assert new.startswith("a\n```console\n$ compatcheck recommend --bounds\ntorch>=2") and "[...]\n```\n" in new
    assert new.endswith("```console\n$ ls\nx\n```\n") and len(new.splitlines()) == len(text.splitlines())
