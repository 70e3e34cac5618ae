"""Which packages carry a failure from one lock to another, and only those."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from compatcheck.deltas import Cause, Difference, differing, mixed
from compatcheck.domain import Outcome
from compatcheck.trials import Bench, Verdict

GOOD, BAD, OTHER = Verdict(Outcome.PASS), Verdict(Outcome.FAIL, "planted"), Verdict(Outcome.FAIL, "another")
PASSING = {f"p{number:02}": "1" for number in range(30)}
FAILING = {f"p{number:02}": "2" for number in range(30)}


class Judged:
    def __init__(self, judge: Callable[[Mapping[str, str]], Verdict]) -> None:
        self.judge = judge

    def trial(self, versions: Mapping[str, str], repetition: int = 0) -> Verdict:
        return self.judge(versions)


def causes(judge: Callable[[Mapping[str, str]], Verdict]) -> tuple[tuple[Cause, ...] | None, int]:
    bench = Bench(Judged(judge), good=GOOD.unit, bad=BAD.unit)
    return Difference(bench, PASSING, FAILING).causes(), bench.runs


def test_the_one_culprit_of_thirty_in_few_runs() -> None:
    found, runs = causes(lambda lock: BAD if lock["p17"] == "2" else GOOD)
    assert found == (Cause(("p17",)),)
    assert runs <= 18


def test_a_pair_that_breaks_only_together_is_kept_together() -> None:
    found, _ = causes(lambda lock: BAD if lock["p03"] == lock["p21"] == "2" else GOOD)
    assert found == (Cause(("p03", "p21")),)


def test_two_causes_each_enough_by_itself() -> None:
    found, _ = causes(lambda lock: BAD if "2" in (lock["p03"], lock["p21"]) else GOOD)
    assert found is not None and {cause.packages for cause in found} == {("p03",), ("p21",)}


def test_a_package_that_only_has_to_come_along_is_called_inseparable() -> None:
    def judge(lock: Mapping[str, str]) -> Verdict:
        if lock["p05"] == "2" and lock["p06"] == "1":
            return OTHER
        return BAD if lock["p05"] == "2" else GOOD

    found, _ = causes(judge)
    assert found == (Cause(("p05", "p06"), ("p06",)),)


def test_five_packages_that_must_move_together_are_no_finding() -> None:
    names = [f"p{number:02}" for number in range(5, 10)]
    found, _ = causes(lambda lock: BAD if all(lock[name] == "2" for name in names) else GOOD)
    assert found is None


def test_packages_that_only_one_lock_has_are_moved_too() -> None:
    assert mixed({"a": "1", "b": "1"}, {"b": "2", "c": "2"}, ["a", "c"]) == {"b": "1", "c": "2"}
    assert differing({"a": "1", "b": "1", "same": "1"}, {"b": "2", "c": "2", "same": "1"}, first=("c",)) == (
        "c",
        "a",
        "b",
    )
