"""What a person notices of a failure, before any cause is told; and what the checks of a result ask."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ..domain import Outcome, Stage
from .entry import FailureClass

STOPPED: Mapping[Stage, str] = {
    Stage.RESOLVE: "pip finds no set of versions that goes together.",
    Stage.INSTALL: "pip chooses the versions, and cannot install them.",
    Stage.IMPORT: "Nothing starts: importing the packages ends with an error.",
    Stage.LOAD: "The packages import; the model cannot be loaded.",
    Stage.TOKENIZE: "The model loads; turning text into tokens ends with an error.",
    Stage.TRAIN: "Everything is ready, and training stops with an error.",
    Stage.SAVE: "Training works; what was trained cannot be saved.",
    Stage.RELOAD: "Training and saving work; what was saved cannot be loaded again.",
    Stage.GENERATE: "Training, saving and loading work; when the trained model shall write, it ends with an error.",
    Stage.VERIFY: "Everything works once; repeating it to check the result ends with an error.",
}
"""Where a run stopped, as its user sees it."""

WRONG = (
    "No error at all. The trained model writes text, only not the text that it should: whoever does not compare "
    "does not notice."
)

CHECKS: Mapping[str, str] = {
    "loss-fell": "the loss fell in training",
    "only-prompt-changed": "training changed the virtual tokens and nothing else",
    "reload-equals-save": "the reloaded adapter gives the numbers of the saved one",
    "prompt-has-effect": "the trained prompt changes the output",
    "cached-equals-reference": "generate with the cache writes what a plain loop over the model writes",
    "uncached-equals-reference": "generate without the cache writes what a plain loop over the model writes",
}
"""The probe's checks in words."""


def check_words(name: str) -> str:
    """What a check asks; its name, where the probe knows more checks than this page."""
    return CHECKS.get(name, name)


def effect(outcome: Outcome, stage: Stage | None) -> str:
    """One or two sentences on a cell that failed; empty where nothing is to be noticed."""
    if outcome is Outcome.WRONG:
        return WRONG
    if outcome is Outcome.UNRESOLVABLE:
        return STOPPED[Stage.RESOLVE]
    return STOPPED.get(stage, "") if outcome is Outcome.FAIL and stage is not None else ""


def effects(each: FailureClass) -> tuple[str, ...]:
    """What is noticed of the cells of a class, the commonest first."""
    counts = Counter(effect(entry.outcome, entry.result.stage) for entry in each.entries)
    return tuple(text for text, _ in counts.most_common() if text)
