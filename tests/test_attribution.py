"""The true culprit with its true borders, or no verdict: over generated worlds, and case by case."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType

import pytest

from compatcheck.attribution import Blame, Kind, attribute
from compatcheck.domain import Outcome
from compatcheck.trials import Verdict

PASS = Verdict(Outcome.PASS)
FAIL = Verdict(Outcome.FAIL, "planted")
OTHER = Verdict(Outcome.FAIL, "another")


def _worlds() -> ModuleType:
    path = Path(__file__).parent.parent / "benchmarks" / "attribution_worlds.py"
    spec = importlib.util.spec_from_file_location("attribution_worlds", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["attribution_worlds"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("noise", "exact", "wrong"), [(0.0, 0.95, 0.01), (0.02, 0.90, 0.01)])
def test_generated_worlds_keep_to_the_targets(noise: float, exact: float, wrong: float) -> None:
    worlds = _worlds()
    tally = worlds.measured(600, 11, noise)["all"]
    assert tally.worlds == 600
    assert tally.share("exact") >= exact
    assert tally.share("wrong") <= wrong
    plainly = tally.plain_verdicts["exact"] / tally.worlds
    assert tally.share("exact") > plainly, "more runs must buy more certainty than plain bisection has"


def test_the_benchmark_recognises_a_wrong_verdict() -> None:
    worlds = _worlds()
    _, world = next(worlds._worlds(1, 5))
    true = worlds.truth(world)
    bed = worlds.Bed(world, 0.0, 1)
    blame = attribute(bed, bed, world.passing, world.failing, pinned=worlds.PINNED, first=worlds.PINNED)
    assert worlds.judged(blame, true) == "exact"
    (package, last_good, first_bad, _), *_ = true.culprits
    moved = worlds.Truth(true.verdict, frozenset({(package, last_good, first_bad, "999.0")}))
    assert worlds.judged(blame, moved) == "wrong"
    assert worlds.judged(Blame(Kind.UNDETERMINED), true) == "undetermined"


class Place:
    """A laboratory and an index: `judge` decides over a lock."""

    def __init__(self, judge: Callable[[Mapping[str, str], int], Verdict], releases: int = 10) -> None:
        self.judge = judge
        self.releases = [f"1.{number}" for number in range(releases)]
        self.runs = 0

    def trial(self, versions: Mapping[str, str], repetition: int = 0) -> Verdict:
        self.runs += 1
        return self.judge(versions, repetition)

    def versions(self, package: str) -> Sequence[str]:
        return self.releases


OLD = {"alpha": "1.1", "beta": "1.1", "gamma": "1.1"}
NEW = {"alpha": "1.8", "beta": "1.8", "gamma": "1.8"}


def minor(versions: Mapping[str, str], package: str) -> int:
    return int(versions[package].partition(".")[2])


def blamed(judge: Callable[[Mapping[str, str]], Verdict], **settings: object) -> Blame:
    place = Place(lambda versions, _: judge(versions))
    blame = attribute(place, place, OLD, NEW, **settings)  # type: ignore[arg-type]
    assert blame.runs == place.runs
    return blame


def test_one_culprit_with_both_borders_and_two_runs_for_each_half_sentence() -> None:
    blame = blamed(lambda versions: FAIL if 4 <= minor(versions, "beta") < 9 else PASS, pinned=["alpha", "beta"])
    assert blame.verdict is Kind.CULPRIT
    (culprit,) = blame.culprits
    assert (culprit.package, culprit.last_good, culprit.first_bad, culprit.fixed_in) == ("beta", "1.3", "1.4", "1.9")
    says = [pair.says for pair in blame.evidence]
    assert says == [
        "moving beta alone breaks what works",
        "moving beta alone back mends what fails",
        "beta 1.3 works, 1.4 does not",
        "beta 1.9 works, 1.8 does not",
    ]
    assert "beta 1.3 -> 1.4 broke it; beta 1.9 mended it" in blame.words()


def test_a_culprit_that_nobody_pinned_is_drift() -> None:
    blame = blamed(lambda versions: FAIL if minor(versions, "gamma") >= 4 else PASS, pinned=["alpha", "beta"])
    assert blame.verdict is Kind.DRIFT
    assert blame.culprits[0].package == "gamma" and blame.culprits[0].still_bad == "1.9"


def test_a_pair_that_breaks_only_together() -> None:
    blame = blamed(lambda versions: FAIL if minor(versions, "alpha") >= 3 and minor(versions, "beta") >= 6 else PASS)
    assert blame.verdict is Kind.PAIR
    assert [(each.package, each.first_bad) for each in blame.culprits] == [("alpha", "1.3"), ("beta", "1.6")]
    assert "break only together" in blame.words()


def test_several_causes_each_enough_by_itself() -> None:
    blame = blamed(lambda versions: FAIL if minor(versions, "alpha") >= 3 or minor(versions, "beta") >= 6 else PASS)
    assert blame.verdict is Kind.SEVERAL
    assert {(each.package, each.first_bad) for each in blame.culprits} == {("alpha", "1.3"), ("beta", "1.6")}


def test_another_error_in_between_is_not_the_first_bad_release() -> None:
    def judge(versions: Mapping[str, str]) -> Verdict:
        place = minor(versions, "beta")
        return FAIL if place >= 6 else OTHER if place >= 4 else PASS

    (culprit,) = blamed(judge).culprits
    assert (culprit.last_good, culprit.first_bad, culprit.unknown) == ("1.3", "1.6", ("1.4", "1.5"))


@pytest.mark.parametrize(
    ("passing", "failing", "reason"),
    [
        (FAIL, FAIL, "both locks show the same"),
        (PASS, PASS, "both locks show the same"),
        (PASS, Verdict(Outcome.UNRESOLVABLE), "the failing lock gives no result"),
        (Verdict(Outcome.ERROR), FAIL, "the passing lock gives no result"),
    ],
)
def test_ends_that_do_not_show_what_they_should_give_no_verdict(
    passing: Verdict, failing: Verdict, reason: str
) -> None:
    blame = blamed(lambda versions: failing if versions == NEW else passing)
    assert blame.verdict is Kind.UNDETERMINED and not blame.culprits
    assert reason in blame.reason


def test_a_failing_lock_that_shows_another_failure_than_asked_for_gives_no_verdict() -> None:
    blame = blamed(lambda versions: OTHER if versions == NEW else PASS, expected=FAIL.unit)
    assert blame.verdict is Kind.UNDETERMINED
    assert "does not show it again" in blame.reason


def test_what_comes_and_goes_is_called_flaky() -> None:
    place = Place(lambda versions, repetition: FAIL if versions == NEW and repetition % 2 else PASS)
    blame = attribute(place, place, OLD, NEW)
    assert blame.verdict is Kind.FLAKY and not blame.culprits


def test_the_budget_ends_in_no_verdict() -> None:
    blame = blamed(lambda versions: FAIL if minor(versions, "beta") >= 4 else PASS, most_runs=7)
    assert blame.verdict is Kind.UNDETERMINED and blame.runs == 7
    assert "7 runs" in blame.reason


def test_the_data_of_a_blame_are_those_of_the_reports() -> None:
    data = blamed(lambda versions: FAIL if minor(versions, "beta") >= 4 else PASS).as_data()
    assert data["verdict"] == "culprit"
    assert data["culprits"] == [{"package": "beta", "last_good": "1.3", "first_bad": "1.4", "fixed_in": None}]
    assert isinstance(data["evidence"], list) and len(data["evidence"]) == len(set(data["evidence"])) >= 4
