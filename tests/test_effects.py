"""What a person notices of a failure: said for every stage, and of a check what it asks."""

from __future__ import annotations

import re
from pathlib import Path

import made_up
import pytest

import compatcheck
from compatcheck.domain import Outcome, Raised, Stage
from compatcheck.report.effects import CHECKS, WRONG, check_words, effect, effects
from compatcheck.report.markdown import markdown_text


@pytest.mark.parametrize("stage", list(Stage))
def test_where_a_run_stopped_is_told_in_a_sentence_of_its_own(stage: Stage) -> None:
    said = effect(Outcome.FAIL, stage)
    assert said.endswith(".") and len({effect(Outcome.FAIL, each) for each in Stage}) == len(Stage)
    assert effect(Outcome.WRONG, stage) == WRONG and effect(Outcome.PASS, stage) == ""


def test_a_class_tells_what_is_noticed_the_commonest_first() -> None:
    raised = Raised("TypeError", "builtins", "odd")
    stages = (Stage.TRAIN, Stage.GENERATE, Stage.GENERATE)
    context = made_up.context(
        [
            made_up.result(made_up.cell(peft=f"0.{number}.0"), made_up.observation(raised, stage))
            for number, stage in enumerate(stages)
        ]
    )
    found = [effects(each) for each in context.classes]
    assert sum(found, ()) and found[0][0] == effect(Outcome.FAIL, Stage.GENERATE)
    assert effect(Outcome.FAIL, Stage.GENERATE) in markdown_text(context)


def test_every_check_of_the_probe_has_words() -> None:
    source = (Path(compatcheck.__file__).parent / "probe.py").read_text(encoding="utf-8")
    names = set(re.findall(r'self\.check\(\s*"([\w-]+)"', source)) | {
        "cached-equals-reference",
        "uncached-equals-reference",
    }
    assert len(names) > 4 and names <= set(CHECKS)
    assert check_words("a-check-of-tomorrow") == "a-check-of-tomorrow"
