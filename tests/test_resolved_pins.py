"""Pins beside the rest of a project: tried in order, with as much of what was measured as the rest allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from test_verdict import DAY, known, table

from compatcheck.domain import Distribution, Lock, Outcome, Resolution
from compatcheck.errors import UsageError
from compatcheck.pin_formats import PinFormat, pins_text
from compatcheck.request import Request, request_of
from compatcheck.resolved_pins import reason_of, recommend_resolved
from compatcheck.shipped import KnownCell, KnownTable

REFUSED = (
    "No solution found when resolving dependencies: Because trl==0.12.2 depends on transformers<4.47.0 and you "
    "require transformers==5.0.0, we can conclude that your requirements are unsatisfiable."
)


def lock_of(*pins: str) -> Lock:
    parts = sorted(pin.split("==") for pin in pins)
    return Lock("3.11", "linux-x86_64", tuple(Distribution(name, version, ("0" * 64,)) for name, version in parts))


class Resolver:
    """Knows which transformers and which numpy the rest of a project admits."""

    def __init__(self, transformers: tuple[str, ...], numpy: str = "") -> None:
        self.transformers, self.numpy = transformers, numpy
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    def __call__(self, cell: KnownCell, others: Sequence[str]) -> Resolution:
        self.asked.append((cell.versions["transformers"], tuple(others)))
        pinned = [each for each in others if each.startswith("numpy==")]
        if cell.versions["transformers"] not in self.transformers or (self.numpy and pinned not in ([], [self.numpy])):
            return Resolution(None, REFUSED)
        # as resolvers do: what is asked of numpy alone is met by an ancient trl
        trl = next((each for each in others if each.startswith("trl==")), "trl==0.1" if pinned else "trl==0.12.2")
        free = [*(pinned or [self.numpy or "numpy==3.0"]), trl]
        return Resolution(lock_of(*(f"{name}=={version}" for name, version in cell.versions.items()), *free))


def measured(transformers: str, outcome: Outcome = Outcome.PASS) -> tuple[KnownCell, Lock]:
    cell = known(outcome, transformers=transformers, beside={"numpy": "2.0"})
    lock = lock_of(*(f"{name}=={version}" for name, version in cell.versions.items()), "numpy==2.0")
    return replace(cell, lock=lock.digest), lock


def table_of(*pairs: tuple[KnownCell, Lock]) -> KnownTable:
    return replace(table(*(cell for cell, _ in pairs)), locks={lock.digest: lock for _, lock in pairs})


KNOWN = table_of(measured("4.40.0"), measured("4.50.0"), measured("5.0.0"), measured("5.1.0", Outcome.FAIL))
ASKED = Request(others=("trl==0.12.2",))


def test_the_newest_that_resolves_is_taken_and_what_was_passed_over_is_told() -> None:
    resolver = Resolver(("4.40.0", "4.50.0"))
    answer = recommend_resolved(ASKED, KNOWN, resolver, today=DAY)
    assert answer.found and answer.versions["transformers"] == "4.50.0"
    assert answer.lock is not None and answer.lock.versions["trl"] == "0.12.2"
    assert answer.lock.versions["numpy"] == "2.0" and answer.moved == {}, "as it was measured"
    (refusal,) = answer.refused
    assert refusal.cell.versions["transformers"] == "5.0.0" and refusal.reason.startswith("trl==0.12.2 depends on")
    assert "passed over: torch" in answer.as_text() and "all else is as measured" in answer.as_text()
    assert "5.1.0" not in {version for version, _ in resolver.asked}, "what fails is not even tried"
    text = pins_text(answer, PinFormat.REQUIREMENTS)
    assert "trl==0.12.2 \\\n    --hash" in text and "the whole was resolved with trl 0.12.2" in text
    assert '"trl==0.12.2"' in pins_text(answer, PinFormat.UV)


def test_what_was_not_measured_is_not_pushed_back_by_what_was() -> None:
    answer = recommend_resolved(Request(others=("trl",)), KNOWN, Resolver(("5.0.0",)), today=DAY)
    assert answer.lock is not None
    assert answer.lock.versions["numpy"] == "2.0" and answer.lock.versions["trl"] == "0.12.2"


def test_what_moves_is_told() -> None:
    answer = recommend_resolved(ASKED, KNOWN, Resolver(("5.0.0",), numpy="numpy==1.26"), today=DAY)
    assert answer.moved == {"numpy": ("2.0", "1.26")} and "numpy 2.0 -> 1.26" in answer.as_text()
    assert answer.as_json()["resolved"] is True


def test_one_companion_that_conflicts_does_not_set_the_others_free() -> None:
    cell = replace(measured("5.0.0")[0], beside={"numpy": "2.0", "accelerate": "1.0", "safetensors": "0.7"})

    def solve(cell: KnownCell, others: Sequence[str]) -> Resolution:
        pins = dict(each.split("==") for each in others if "==" in each)
        if pins.get("accelerate") == "1.0":
            return Resolution(None, REFUSED)
        free = {"numpy": "3.0", "accelerate": "2.0", "safetensors": "0.9", "trl": "0.12.2", **pins}
        return Resolution(lock_of(*(f"{name}=={version}" for name, version in {**cell.versions, **free}.items())))

    answer = recommend_resolved(ASKED, table(cell), solve, today=DAY)
    assert answer.lock is not None
    versions = answer.lock.versions
    assert (versions["numpy"], versions["accelerate"], versions["safetensors"]) == ("2.0", "2.0", "0.7")


def test_near_misses_are_tried_only_when_asked_for() -> None:
    asked = replace(request_of({"transformers": ">=5"}), others=ASKED.others)
    strict = recommend_resolved(asked, KNOWN, Resolver(("4.50.0",)), today=DAY)
    assert not strict.found and strict.resolved is None and len(strict.refused) == 1
    relaxed = recommend_resolved(asked, KNOWN, Resolver(("4.50.0",)), relax=True, today=DAY)
    assert relaxed.versions["transformers"] == "4.50.0" and relaxed.missed == ("transformers",)
    assert relaxed.resolved is not None


def test_where_nothing_resolves_the_reason_is_told() -> None:
    with pytest.raises(UsageError, match="none of the 3 nearest") as caught:
        recommend_resolved(ASKED, KNOWN, Resolver(()), today=DAY)
    assert "trl==0.12.2 depends on transformers<4.47.0" in caught.value.what


def test_a_table_without_any_pass_has_nothing_to_resolve() -> None:
    answer = recommend_resolved(ASKED, table(known(Outcome.FAIL)), Resolver(()), today=DAY)
    assert answer.cell is None and not answer.found


def test_without_anything_else_nothing_is_resolved() -> None:
    resolver = Resolver(())
    answer = recommend_resolved(Request(), KNOWN, resolver, today=DAY)
    assert answer.versions["transformers"] == "5.0.0" and answer.resolved is None and resolver.asked == []


def test_a_reason_without_the_usual_words_is_kept() -> None:
    assert reason_of("the index is empty") == "the index is empty"
