"""`compatcheck probe --sweep`: one setting over several values, side by side."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from minimatrix.releases import NEW, cell_with, with_fault
from stub_environments import stub_environment

from compatcheck.cli import main
from compatcheck.commands.probe import METHODS
from compatcheck.domain import Dtype, Method, Scenario
from compatcheck.errors import UsageError
from compatcheck.sweep import Sweep


def test_values_are_what_the_field_holds() -> None:
    base = Scenario()
    assert Sweep.parsed("virtual_tokens=4, 8,20", base).values == (4, 8, 20)
    assert Sweep.parsed("learning-rate=0.1,1", base) == Sweep("learning_rate", (0.1, 1.0))
    assert Sweep.parsed("dtype=bf16", base).values == (Dtype.BF16,)
    assert Sweep.parsed("auto_find_batch_size=true,false", base).values == (True, False)
    assert Sweep.parsed("model=tiny-llama", base).values == ("tiny-llama",)
    assert [each.epochs for each in Sweep.parsed("epochs=1,2", base).scenarios(base)] == [1, 2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("virtual_tokens", "is not of the form FIELD=VALUE"),
        ("virtual_tokens=", "is not of the form FIELD=VALUE"),
        ("tokens=4", "the cycle has no setting 'tokens'"),
        ("virtual_tokens=four", "'four' is no value of it"),
        ("virtual_tokens=4,0", "virtual_tokens: must be at least 1"),
        ("dtype=fp8", r"'fp8' is no value of it \(known: fp32, bf16, fp16\)"),
        ("method=sft", "'sft' is no value of it"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_runs(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        Sweep.parsed(text, Scenario())
    assert "--sweep virtual_tokens=4,8,20" in caught.value.remedy


def test_the_methods_of_the_option_are_those_of_the_vocabulary() -> None:
    assert tuple(str(method) for method in Method) == METHODS


def test_loss_time_and_memory_stand_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    python = str(stub_environment(tmp_path / "env", NEW))
    assert main(["probe", "--python", python, "--quiet", "--sweep", "virtual_tokens=2,4,8"]) == 0
    said = capsys.readouterr()
    head, _, *rows = said.out.splitlines()
    assert head.split()[:4] == ["virtual_tokens", "outcome", "stage", "loss"] and said.err == ""
    assert [row.split()[:2] for row in rows] == [["2", "pass"], ["4", "pass"], ["8", "pass"]]
    losses = [row.split()[2:5] for row in rows]
    assert (
        all(float(before) > float(after) for before, to, after in losses) and len({str(each) for each in losses}) == 3
    )


def test_programs_get_every_run_and_a_failure_is_negative(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    python = str(stub_environment(tmp_path / "env", cell_with(with_fault("segfault-in-lora"))))
    assert main(["probe", "--python", python, "--json", "--sweep", "method=prompt-tuning,lora"]) == 1
    said = capsys.readouterr()
    first, second = json.loads(said.out)
    assert (first["value"], first["outcome"], second["value"], second["outcome"]) == (
        "prompt-tuning", "pass", "lora", "fail",
    )  # fmt: skip
    assert first["losses"] and second["stage"] == "train"
    assert "method lora: fail" in said.err
    # the table is of prompt-tuned BLOOMs: it says nothing of another method
    assert second["as_known"] is None


def test_one_method_may_be_asked_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    python = str(stub_environment(tmp_path / "env", NEW))
    assert main(["probe", "--python", python, "--quiet", "--method", "ia3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outcome"] == "pass"
