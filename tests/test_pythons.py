"""A table with several Pythons: what one of them says of another, and what it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up_table import TORCH, TRANSFORMERS, table

from compatcheck import own_runs
from compatcheck.bounds import bounds
from compatcheck.domain import Outcome
from compatcheck.known import KnownCell, KnownTable
from compatcheck.measured_word import measured_word
from compatcheck.recommendation import recommend
from compatcheck.verdict import Standing, Verdict, lookup

ON_3_11 = table().cells
REFUSED_ON_3_9 = tuple(
    replace(cell, python="3.9", outcome=Outcome.UNRESOLVABLE, signature=None, fingerprint=None)
    if cell.versions["transformers"] == "5.0.0"
    else replace(cell, python="3.9")
    for cell in ON_3_11
)
FEW_ON_3_12 = tuple(replace(cell, python="3.12") for cell in ON_3_11 if cell.versions["torch"] == "2.6.0")
KNOWN = KnownTable("several Pythons", (*ON_3_11, *REFUSED_ON_3_9, *FEW_ON_3_12))


def works_on_5(cells: tuple[KnownCell, ...]) -> tuple[KnownCell, ...]:
    """The same, where peft 0.20.0 works beside transformers 5.0.0 wherever it can be installed."""
    newest = {"transformers": "5.0.0", "peft": "0.20.0"}
    return tuple(
        replace(cell, outcome=Outcome.PASS, fingerprint=None)
        if newest.items() <= cell.versions.items() and cell.outcome is Outcome.WRONG
        else cell
        for cell in cells
    )


GOOD = replace(KNOWN, cells=works_on_5(KNOWN.cells))


def asked(python: str | None, *versions: str, known: KnownTable = KNOWN) -> Verdict:
    named = dict(zip(("torch", "transformers", "peft"), versions, strict=True))
    return lookup({**named, **({"python": python} if python else {})}, known)


def test_a_python_on_which_it_cannot_be_installed_speaks_for_itself_alone() -> None:
    versions = ("2.6.0", "5.0.0", "0.20.0")
    assert asked("3.9", *versions, known=GOOD).status is Standing.KNOWN_BAD
    verdict = asked(None, *versions, known=GOOD)
    assert verdict.status is Standing.WORKS and verdict.notes == ("cannot be installed on Python 3.9",)
    only = replace(GOOD, cells=tuple(cell for cell in GOOD.cells if cell.python == "3.9"))
    assert asked(None, *versions, known=only).status is Standing.KNOWN_BAD, "nothing else is known of it"


def test_a_failure_on_one_python_counts_where_none_is_named() -> None:
    failing = tuple(replace(cell, python="3.13", outcome=Outcome.FAIL) for cell in FEW_ON_3_12)
    known = replace(KNOWN, cells=(*KNOWN.cells, *failing))
    verdict = asked(None, "2.6.0", "4.44.2", "0.12.0", known=known)
    assert verdict.status is Standing.KNOWN_BAD and verdict.cell is not None and verdict.cell.python == "3.13"
    assert verdict.notes == ("in other measurements of the same versions: pass",)
    assert asked("3.12", "2.6.0", "4.44.2", "0.12.0", known=known).status is Standing.WORKS


def test_what_another_python_lets_expect_decides_nothing() -> None:
    verdict = asked("3.12", "2.5.1", "4.44.2", "0.12.0")
    assert verdict.status is Standing.UNKNOWN and verdict.expected is not None
    assert verdict.expected.outcome is Outcome.PASS and verdict.expected.instead == {"Python": "3.11"}
    # 9 of torch 2.6.0 on 3.11 and 3.12, 6 of each torch on 3.9 too, and those of 2.6.0 against 3.12
    assert KNOWN.python_pairs == (9 + 12 + 6, 0)
    told = "of 27 pairs of cells that differ in Python alone none went otherwise"
    assert verdict.expected.words().endswith(told)
    assert verdict.as_json()["expected"]["python_pairs"] == {"compared": 27, "differ": 0}


def test_the_nearest_python_tells_what_is_to_be_expected() -> None:
    other = tuple(replace(cell, outcome=Outcome.FAIL, signature="cache-key-missing") for cell in FEW_ON_3_12)
    known = replace(KNOWN, cells=(*ON_3_11, *other))
    for python, nearest in {"3.13": "3.12", "3.10": "3.11"}.items():
        expected = asked(python, "2.6.0", "4.44.2", "0.12.0", known=known).expected
        assert expected is not None and expected.instead == {"Python": nearest}
        assert expected.outcome is (Outcome.FAIL if nearest == "3.12" else Outcome.PASS)
    pairs, differing = known.python_pairs
    assert (pairs, differing) == (9, sum(cell.signature != "cache-key-missing" for cell in FEW_ON_3_12))


def test_that_it_cannot_be_installed_on_one_python_is_not_expected_of_another() -> None:
    only = replace(KNOWN, cells=tuple(cell for cell in KNOWN.cells if cell.python == "3.9"))
    assert asked("3.10", "2.6.0", "5.0.0", "0.12.0", known=only).expected is None
    assert asked("3.10", "2.6.0", "4.44.2", "0.12.0", known=only).expected is not None


def test_pins_tell_every_python_on_which_they_passed() -> None:
    answer = recommend({}, table=GOOD)
    assert answer.versions == {"torch": "2.6.0", "transformers": "5.0.0", "peft": "0.20.0"}
    assert answer.pythons == ("3.11", "3.12") and "on Python 3.11 and 3.12, linux" in answer.as_text()
    assert answer.as_json()["pythons"] == ["3.11", "3.12"]
    assert recommend({}, python="3.11", table=GOOD).pythons == ("3.11",)
    older = recommend({}, python="3.9", table=GOOD)
    assert older.found and older.versions["transformers"] == "4.44.2", "5.0.0 cannot be installed there"


def test_why_a_newer_one_is_not_taken_is_told_from_another_python_where_this_one_has_not_run_it() -> None:
    few = tuple(cell for cell in FEW_ON_3_12 if cell.versions["transformers"] != "5.0.0")
    answer = recommend({"peft": "0.12.0"}, python="3.12", table=replace(KNOWN, cells=(*ON_3_11, *few)))
    assert answer.versions["transformers"] == "4.44.2"
    assert "transformers 4.44.2 instead of 5.0.0: fails beside the other pins" in answer.as_text()


def test_bounds_count_what_passed_on_each_python() -> None:
    answer = recommend({"peft": "0.20.0"}, table=GOOD)
    found = bounds(answer)
    assert found is not None and found.combinations == len(TORCH) * len(TRANSFORMERS)
    assert found.pythons == {"3.11": 6, "3.9": 4, "3.12": 3}
    assert "# all 6 combinations known within work, on Python 3.11; 4 of them on Python 3.9; 3 of" in found.as_text()
    on_3_9 = bounds(recommend({"peft": "0.20.0"}, python="3.9", table=GOOD))
    assert on_3_9 is not None and on_3_9.versions["transformers"] == ("4.40.0", "4.44.2")


def test_a_log_without_torch_is_judged_by_its_own_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_runs, "known_table", lambda: GOOD)
    pair = {"transformers": "5.0.0", "peft": "0.20.0"}
    word = measured_word(pair)
    assert word is not None and word.status == "works"
    there = measured_word({**pair, "python": "3.9.18"})
    assert there is not None and there.status == "known-bad" and there.says.endswith("with torch 2.5.1, 2.6.0")
