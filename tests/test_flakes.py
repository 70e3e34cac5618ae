"""What could be chance is not a verdict after one run."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up import CACHE_LAYERS, observation

from compatcheck.domain import Check, Ending, EndingKind, Observation, Stage
from compatcheck.flakes import agreeing, could_be_chance, settled, verdict

PASS = observation()
FAIL = observation(CACHE_LAYERS)
CRASH = observation(stage=Stage.TRAIN, ending=Ending(EndingKind.SIGNALLED, signal="SIGSEGV"))
SLOW = observation(stage=Stage.TRAIN, ending=Ending(EndingKind.TIMED_OUT))


def with_check(measured: float, limit: float) -> Observation:
    return replace(PASS, checks=(Check("reload-equals-save", False, measured, limit),))


@pytest.mark.parametrize(
    ("seen", "chance"),
    [
        (PASS, False),
        (FAIL, False),
        (CRASH, True),
        (SLOW, True),
        (with_check(2e-5, 1e-5), True),
        (with_check(1.0, 1e-5), False),
        (observation(cached=False), False),
    ],
)
def test_what_could_be_chance(seen: Observation, chance: bool) -> None:
    assert could_be_chance(seen) is chance
    assert settled([seen]) is not chance


@pytest.mark.parametrize(
    ("attempts", "done", "counts", "agree"),
    [
        ([CRASH, CRASH], True, CRASH, 2),
        ([CRASH, PASS], False, PASS, 1),
        ([CRASH, PASS, PASS], True, PASS, 2),
        ([CRASH, PASS, CRASH], True, CRASH, 2),
        ([CRASH, PASS, SLOW], True, SLOW, 1),
        ([PASS, FAIL, PASS], True, PASS, 2),
    ],
)
def test_what_several_runs_come_to(attempts: list[Observation], done: bool, counts: Observation, agree: int) -> None:
    assert settled(attempts) is done
    assert verdict(attempts) is counts
    assert agreeing(attempts) == agree


def test_nothing_is_not_settled() -> None:
    assert not settled([])
    with pytest.raises(ValueError, match="no observation"):
        verdict([])
