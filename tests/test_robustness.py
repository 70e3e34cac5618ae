"""A little of what `nox -s robustness` does at length: faults injected for real."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import robustness


def test_hostile_text_is_text_in_every_format() -> None:
    trials = robustness.hostile_text()
    assert trials.tried >= 90 and trials.broken == []


def test_damaged_files_get_one_clear_line() -> None:
    trials = robustness.bad_input(150, random.Random(5))
    assert trials.tried == 150 and trials.broken == []


def test_readers_answer_or_say_what_is_wrong() -> None:
    trials = robustness.random_input(200, random.Random(5))
    assert trials.tried == 800 and trials.broken == []


def test_a_store_is_readable_after_a_loss_of_power() -> None:
    trials = robustness.torn_stores(60, random.Random(5))
    assert trials.tried == 60 and trials.broken == []


@pytest.mark.minimatrix
def test_a_run_that_is_killed_at_a_random_moment_goes_on_as_if_nothing_had_been() -> None:
    trials = robustness.kills(2, random.Random(5))
    assert trials.tried == 2 and trials.broken == []


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.csv", "x\n=1+1,2"), ("a.html", "<p><img src=x>"), ("terminal", "\x1b[31m"), ("a.md", "see <img src=x>")],
)
def test_the_check_itself_finds_harm(name: str, text: str) -> None:
    assert robustness.harm(name, text)
