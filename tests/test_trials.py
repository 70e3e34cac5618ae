"""What is asked of a laboratory, how often, and what the runs of a lock come to."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from compatcheck.domain import Outcome
from compatcheck.trials import Bench, OutOfRuns, Standing, Verdict

GOOD = Verdict(Outcome.PASS, evidence="good")
BAD = Verdict(Outcome.FAIL, "planted", "bad")
OTHER = Verdict(Outcome.FAIL, "another")
NOTHING = Verdict(Outcome.UNRESOLVABLE)
TROUBLE = Verdict(Outcome.ERROR)

LOCK = {"alpha": "1.0"}


class Played:
    """A laboratory that answers from a list, and notes what it was asked."""

    def __init__(self, *verdicts: Verdict) -> None:
        self.verdicts = list(verdicts)
        self.asked: list[tuple[dict[str, str], int]] = []

    def trial(self, versions: Mapping[str, str], repetition: int = 0) -> Verdict:
        self.asked.append((dict(versions), repetition))
        return self.verdicts[min(len(self.asked), len(self.verdicts)) - 1]


def bench(*verdicts: Verdict) -> tuple[Bench, Played]:
    played = Played(*verdicts)
    return Bench(played, good=GOOD.unit, bad=BAD.unit), played


def test_a_lock_is_run_once_and_remembered_whatever_its_order() -> None:
    of, played = bench(BAD)
    assert of.standing({"alpha": "1.0", "beta": "2.0"}) is Standing.BAD
    assert of.standing({"beta": "2.0", "alpha": "1.0"}) is Standing.BAD
    assert len(played.asked) == of.runs == 1


def test_every_repetition_has_its_own_number() -> None:
    of, played = bench(GOOD)
    assert of.settled(LOCK, margin=3) is Standing.GOOD
    assert [number for _, number in played.asked] == [0, 1, 2]


@pytest.mark.parametrize(
    ("verdicts", "standing", "runs"),
    [
        ((GOOD, GOOD), Standing.GOOD, 2),
        ((GOOD, BAD, BAD, BAD), Standing.BAD, 4),
        ((OTHER, OTHER), Standing.UNKNOWN, 2),
        ((NOTHING,), Standing.UNKNOWN, 1),
        ((TROUBLE, TROUBLE), Standing.UNKNOWN, 2),
        ((TROUBLE, GOOD, GOOD), Standing.GOOD, 3),
        ((GOOD, BAD, GOOD, BAD, GOOD, BAD, GOOD), Standing.UNKNOWN, 7),
    ],
)
def test_what_repetition_settles(verdicts: tuple[Verdict, ...], standing: Standing, runs: int) -> None:
    of, played = bench(*verdicts)
    assert of.settled(LOCK) is standing
    assert len(played.asked) == runs


def test_a_single_question_is_repeated_only_where_the_runs_are_even() -> None:
    of, played = bench(GOOD)
    assert of.standing(LOCK) is Standing.GOOD
    assert len(played.asked) == 1
    of, played = bench(GOOD, BAD, BAD, BAD)
    of.run_to(LOCK, 2)
    assert of.standing(LOCK) is Standing.BAD
    assert len(played.asked) == 4


def test_evidence_is_a_run_that_says_what_the_majority_says() -> None:
    of, _ = bench(BAD, GOOD, GOOD)
    assert of.run_to(LOCK, 3).evidence == "good"
    unnamed, _ = bench(OTHER)
    trial = unnamed.trial(LOCK)
    assert trial.evidence == trial.digest


def test_the_budget_is_kept() -> None:
    played = Played(GOOD)
    of = Bench(played, most_runs=2)
    of.run_to(LOCK, 2)
    with pytest.raises(OutOfRuns, match="2 runs"):
        of.trial({"alpha": "2.0"})
    assert len(played.asked) == 2
    assert of.trial(LOCK).unit == GOOD.unit, "what is known costs nothing"
