"""The vocabulary: identifiers, digests, and what an observation comes to."""

from __future__ import annotations

import enum
import inspect
from datetime import datetime, timezone

import pytest

from compatcheck import domain
from compatcheck.domain import (
    Cell,
    CellResult,
    Check,
    Distribution,
    Ending,
    EndingKind,
    Lock,
    Machine,
    Mode,
    ModeRecord,
    Observation,
    Outcome,
    Resolution,
    Scenario,
    Stage,
    StageRecord,
    Status,
)
from compatcheck.parse import structured, unstructured

MACHINE = Machine("linux-x86_64", "a system", "a cpu", 2, 1024)
WORDS = [kind for _, kind in inspect.getmembers(domain, inspect.isclass) if issubclass(kind, domain.Word)]


def observation(stages=(), modes=(), checks=(), ending=EndingKind.COMPLETED) -> Observation:
    return Observation(
        datetime(2026, 1, 2, tzinfo=timezone.utc),
        MACHINE,
        1,
        tuple(stages),
        tuple(modes),
        tuple(checks),
        Ending(ending),
        {},
    )


def good(*stages: Stage) -> list[StageRecord]:
    return [StageRecord(stage, Status.OK, 1.0) for stage in stages]


@pytest.mark.parametrize("kind", WORDS)
def test_every_word_goes_there_and_back(kind: type[enum.Enum]) -> None:
    for member in kind:
        assert kind(member.value) is member
        assert str(member) == member.value == member.value.lower()
        assert " " not in member.value and "_" not in member.value


def test_a_cell_is_named_for_people_and_matched_by_globs() -> None:
    cell = Cell("3.11", {"torch": "2.6.0", "transformers": "4.51.3", "peft": "0.15.2"})
    assert cell.id == "py311-torch2.6.0-transformers4.51.3-peft0.15.2"
    assert cell.matches(cell.id)
    assert cell.matches("torch2.6.0*peft0.15.*")
    assert cell.matches("peft0.15.2")
    assert not cell.matches("torch2.5*")
    assert cell.requirements == ("torch==2.6.0", "transformers==4.51.3", "peft==0.15.2")


def test_the_digest_of_a_lock_changes_with_everything_that_matters() -> None:
    one = Distribution("peft", "0.1", ("aa",), 5)
    locks = [
        Lock("3.11", "linux-x86_64", (one,)),
        Lock("3.12", "linux-x86_64", (one,)),
        Lock("3.11", "darwin-arm64", (one,)),
        Lock("3.11", "linux-x86_64", (Distribution("peft", "0.2", ("aa",)),)),
        Lock("3.11", "linux-x86_64", (Distribution("peft", "0.1", ("bb",)),)),
    ]
    assert len({lock.digest for lock in locks}) == len(locks)
    assert Lock("3.11", "linux-x86_64", (Distribution("peft", "0.1", ("aa",), 999),)).digest == locks[0].digest
    assert locks[0].requirements == "peft==0.1 \\\n    --hash=sha256:aa\n"


def test_the_digest_of_a_scenario_changes_with_every_field() -> None:
    changes = {
        "model": "x", "data": "quotations", "virtual_tokens": 9, "init": domain.Init.TEXT, "init_text": "x",
        "learning_rate": 0.2, "epochs": 9, "batch_size": 9, "auto_find_batch_size": True, "texts": 9, "max_length": 9,
        "new_tokens": 9, "prompts": ("x",), "dtype": domain.Dtype.BF16, "use_cpu": False, "seed": 9, "threads": 9,
        "method": domain.Method.LORA, "column": "prompt", "trust_remote_code": True,
    }  # fmt: skip
    assert set(changes) == set(Scenario.__dataclass_fields__)
    digests = {Scenario(**{name: value}).digest for name, value in changes.items()} | {Scenario().digest}
    assert len(digests) == len(changes) + 1


def test_a_pass_needs_every_check_on_the_default_path() -> None:
    stages = good(*domain.PROBE_STAGES)
    modes = [ModeRecord(Mode.CACHED, Status.OK, 1), ModeRecord(Mode.UNCACHED, Status.OK, 1)]
    right = Check("cached-equals-reference", True, mode=Mode.CACHED)
    assert observation(stages, modes, [right]).outcome is Outcome.PASS
    wrong = observation(stages, modes, [Check("loss-fell", False), right])
    assert (wrong.outcome, wrong.stage) == (Outcome.WRONG, Stage.VERIFY)
    drifted = observation(stages, modes, [Check("cached-equals-reference", False, mode=Mode.CACHED)])
    assert drifted.outcome is Outcome.WRONG
    assert drifted.mode(Mode.CACHED) == "wrong"


def test_the_other_mode_is_a_caveat_or_a_workaround_and_never_decides() -> None:
    stages = good(*domain.PROBE_STAGES)
    modes = [ModeRecord(Mode.CACHED, Status.OK, 1), ModeRecord(Mode.UNCACHED, Status.OK, 1)]
    caveat = observation(stages, modes, [Check("a", True, mode=Mode.CACHED), Check("b", False, mode=Mode.UNCACHED)])
    assert (caveat.outcome, caveat.caveat, caveat.workaround) == (Outcome.PASS, Mode.UNCACHED, None)
    failed = [ModeRecord(Mode.CACHED, Status.FAILED, 1), ModeRecord(Mode.UNCACHED, Status.OK, 1)]
    stages[-2] = StageRecord(Stage.GENERATE, Status.FAILED, 1.0)
    around = observation(stages, failed, [Check("b", True, mode=Mode.UNCACHED)])
    assert (around.outcome, around.stage) == (Outcome.FAIL, Stage.GENERATE)
    assert (around.caveat, around.workaround) == (None, Mode.UNCACHED)
    assert (around.mode(Mode.CACHED), around.mode(Mode.UNCACHED)) == ("fail", "pass")


@pytest.mark.parametrize("kind", [kind for kind in EndingKind if kind is not EndingKind.COMPLETED])
def test_a_process_that_does_not_complete_never_passes(kind: EndingKind) -> None:
    seen = observation(good(*domain.PROBE_STAGES), ending=kind)
    assert seen.outcome is Outcome.FAIL
    assert seen.stage is Stage.VERIFY
    assert observation(ending=kind).stage is Stage.IMPORT


def test_an_observation_goes_there_and_back() -> None:
    raised = domain.Raised("KeyError", "builtins", "x", (domain.Frame("a.py", 1, "f"),))
    stages = [*good(Stage.IMPORT), StageRecord(Stage.LOAD, Status.FAILED, 0.5, None, (raised,))]
    seen = observation(stages, [ModeRecord(Mode.CACHED, Status.OK, 1)], [Check("a", True, 1.0, 2.0, "d")])
    assert structured(unstructured(seen), Observation, "test") == seen


def test_a_result_says_what_came_of_the_cell() -> None:
    cell = Cell("3.11", {"torch": "1", "transformers": "1", "peft": "1"})
    assert CellResult(cell).outcome is Outcome.UNTESTED
    assert CellResult(cell, trouble="no network").outcome is Outcome.ERROR
    unresolvable = CellResult(cell, Resolution(None, "conflict"))
    assert (unresolvable.outcome, unresolvable.stage) == (Outcome.UNRESOLVABLE, Stage.RESOLVE)
    with pytest.raises(ValueError, match="either a lock or a reason"):
        Resolution(None)
