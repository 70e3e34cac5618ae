"""Data into dataclasses: the path to every bad field, and nothing converted in silence."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone

import pytest

from compatcheck.domain import Outcome, Stage
from compatcheck.errors import InputError
from compatcheck.parse import structured, unstructured


@dataclass(frozen=True)
class Inner:
    name: str
    stage: Stage = Stage.IMPORT


@dataclass(frozen=True)
class Outer:
    inner: tuple[Inner, ...]
    numbers: dict[str, float] = field(default_factory=dict)
    count: int = 0
    flag: bool = False
    when: datetime | None = None


def test_there_and_back() -> None:
    value = Outer((Inner("a", Stage.TRAIN),), {"x": 1.5}, 2, True, datetime(2026, 1, 2, tzinfo=timezone.utc))
    assert structured(unstructured(value), Outer, "x") == value
    assert type(structured({"inner": [{"name": "a", "stage": "train"}]}, Outer, "x").inner[0].stage) is Stage


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "required field 'inner' is missing"),
        ({"inner": [{}]}, "inner[0].name: required field 'name' is missing"),
        ({"inner": [{"name": 3}]}, "inner[0].name: expected a string, got 3"),
        ({"inner": [{"name": "a"}, {"name": "b", "stage": "lunch"}]}, "inner[1].stage: 'lunch' is none of resolve, "),
        ({"inner": [], "count": "3"}, "count: expected a whole number, got '3'"),
        ({"inner": [], "count": True}, "count: expected a whole number, got True"),
        ({"inner": [], "flag": 1}, "flag: expected true or false, got 1"),
        ({"inner": [], "numbers": {"x": "y"}}, "numbers.x: expected a number, got 'y'"),
        ({"inner": [], "when": "noon"}, "when: "),
        ({"inner": [], "colour": "red"}, "unknown key 'colour'"),
        ({"inner": [{"name": "a", "colour": 1}]}, "inner[0]: unknown key 'colour'"),
        ([], "x: "),
        (None, "x: "),
    ],
)
def test_every_bad_field_is_named_with_its_path(data: object, said: str) -> None:
    with pytest.raises(InputError) as caught:
        structured(data, Outer, "x")
    assert said in str(caught.value)


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        structured({"inner": [{"name": 1}, {"name": 2}], "count": "x"}, Outer, "x")
    assert len(caught.value.problems) == 3


def test_a_reader_of_newer_files_passes_over_unknown_keys() -> None:
    assert structured({"inner": [], "colour": "red"}, Outer, "x", strict=False) == Outer(())


def test_a_whole_number_is_a_number_and_an_outcome_is_itself() -> None:
    assert structured({"inner": [], "numbers": {"x": 2}}, Outer, "x").numbers == {"x": 2.0}
    assert structured("pass", Outcome, "x") is Outcome.PASS
