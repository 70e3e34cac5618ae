"""What memory a cycle is thought to take, held against what real cycles took; what does not fit is not run."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import MakeRun
from minimatrix.releases import NEW
from stub_environments import stub_environment

from compatcheck import fitting, own_environment
from compatcheck.cli import main
from compatcheck.confirmation import SHORT
from compatcheck.domain import Architecture, Dtype, Limits, Method, Outcome, Scenario, Stage
from compatcheck.errors import InputError, MemoryShort
from compatcheck.forecast import (
    advice,
    at_a_time,
    forecast,
    lacking,
    smaller,
    trained_parameters,
)
from compatcheck.plan import built_plan
from compatcheck.scenario import TINY_BLOOM
from compatcheck.scenario.full_shape import parameters
from compatcheck.scenario.model_shape import BLOOMS, ModelShape, shape_of
from compatcheck.scenario.tiny_models import files, tensor_shapes

FULL = BLOOMS["bloomz-560m"]
STAGES = ("import", "load", "tokenize", "train", "save", "reload", "generate", "verify")

FULL_RUNS = Path(__file__).parent.parent / "reports" / "bloomz-560m" / "compatibility.json"
"""bloomz-560m's full shape in every cell of the article's matrix, as matrix/bloomz-560m.toml runs it."""


IN_HALF = (517, 3724, 1610, 1778, 1663, 4843, 3294, 3401)
"""MiB at each stage's peak with bf16: torch 2.6.0, transformers 4.49.0, peft 0.13.2, 2026-11-26."""


def test_half_precision_too_lies_within_what_is_forecast() -> None:
    told = forecast(Scenario(dtype=Dtype.BF16, **SHORT), FULL).stages
    for each, mib in zip(told, IN_HALF, strict=True):
        assert each.least <= mib <= each.most, each.stage


def test_what_was_measured_lies_within_what_is_forecast() -> None:
    told = {str(each.stage): each for each in forecast(Scenario(**SHORT), FULL).stages}
    cells = json.loads(FULL_RUNS.read_text(encoding="utf-8"))["cells"]
    stages = [(cell["id"], stage) for cell in cells for stage in cell["stages"] if stage["status"] == "ok"]
    assert len(stages) > 2000 and {stage["stage"] for _, stage in stages} == set(STAGES)
    for name, stage in stages:
        expected = told[stage["stage"]]
        assert expected.least <= stage["peak_rss_mib"] <= expected.most, (name, stage["stage"])
    # it is no wide net: the model's own part is met within a tenth
    assert told["reload"].most - told["reload"].least < 0.1 * told["reload"].most


def test_the_family_has_as_many_parameters_as_its_cards_say() -> None:
    assert parameters() == FULL.parameters == 559_214_592
    assert [shape.parameters for shape in BLOOMS.values()] == [
        559_214_592, 1_065_314_304, 1_722_408_960, 3_002_557_440, 7_069_016_064,
    ]  # fmt: skip


def test_more_of_anything_takes_more() -> None:
    base = Scenario()

    def peak(stage: Stage, **changed: object) -> float:
        found = forecast(replace(base, **changed), FULL)  # type: ignore[arg-type]
        return next(each.most for each in found.stages if each.stage is stage)

    assert peak(Stage.TRAIN, batch_size=8) > peak(Stage.TRAIN) > peak(Stage.TRAIN, batch_size=1)
    assert peak(Stage.TRAIN, max_length=96) > peak(Stage.TRAIN, virtual_tokens=20) > peak(Stage.TRAIN)
    assert peak(Stage.TRAIN, batch_size=64) == peak(Stage.TRAIN, batch_size=16), "there are 16 texts"
    assert peak(Stage.TRAIN, dtype=Dtype.BF16) < peak(Stage.TRAIN)
    assert peak(Stage.VERIFY, new_tokens=40) > peak(Stage.VERIFY)
    assert peak(Stage.VERIFY, method=Method.LORA) > peak(Stage.VERIFY) + 2000, "a third copy of the model"


def test_only_what_a_method_trains_has_gradients() -> None:
    counts = {method: trained_parameters(Scenario(method=method), FULL) for method in Method}
    # by the shapes of the modules that peft adds with its default settings
    assert counts[Method.PROMPT_TUNING] == 8 * 1024
    assert counts[Method.PREFIX_TUNING] == 8 * 24 * 2 * 1024
    assert counts[Method.P_TUNING] == 8 * 1024 + 3 * (1024 * 1024 + 1024)
    assert counts[Method.LORA] == 24 * 8 * (1024 + 3 * 1024)
    assert counts[Method.IA3] == 24 * (3 * 1024 + 4 * 1024)


@pytest.mark.parametrize("architecture", [each for each in Architecture if each is not Architecture.BLOOM])
def test_the_shape_is_read_from_the_files(architecture: Architecture, tmp_path: Path) -> None:
    for name, content in files(architecture).items():
        (tmp_path / name).write_bytes(content)
    found = shape_of(tmp_path)
    count = 0
    for dimensions in tensor_shapes(architecture).values():
        size = 1
        for each in dimensions:
            size *= each
        count += size
    assert found == ModelShape(count, (tmp_path / "model.safetensors").stat().st_size, 2, 64, 4, 1024)


def test_the_parts_of_a_split_model_are_added_up(tmp_path: Path) -> None:
    def part(name: str, rows: int) -> None:
        head = json.dumps({"a": {"dtype": "F16", "shape": [rows, 8], "data_offsets": [0, 16 * rows]}}).encode()
        (tmp_path / name).write_bytes(struct.pack("<Q", len(head)) + head + bytes(16 * rows))

    (tmp_path / "config.json").write_bytes((TINY_BLOOM / "config.json").read_bytes())
    part("model-00001-of-00002.safetensors", 10)
    part("model-00002-of-00002.safetensors", 30)
    found = shape_of(tmp_path)
    assert found.parameters == 320
    assert found.largest_file == (tmp_path / "model-00002-of-00002.safetensors").stat().st_size


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("config.json", b"{", "cannot be read"),
        ("config.json", b"[]", "not a JSON object"),
        ("config.json", b'{"n_layer": 2}', "no whole number hidden_size or n_embd"),
        ("model.safetensors", b"\xff" * 8, "not a safetensors file: its head would have"),
        ("model.safetensors", b"short", "not a safetensors file"),
    ],
)
def test_files_that_tell_no_shape_are_named(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    for each in ("config.json", "model.safetensors"):
        (tmp_path / each).write_bytes((TINY_BLOOM / each).read_bytes())
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        shape_of(tmp_path)
    assert str(tmp_path / name) in str(caught.value)


# ---------------------------------------------------------------------- does it fit?


def test_what_surely_does_not_fit_is_told_with_the_numbers() -> None:
    found = forecast(Scenario(), FULL)
    assert lacking(found, 24_000, 10_240) == ""
    assert "it would take 5.6 to 6.6 GiB, in reload" in lacking(found, 4_096, 10_240)
    assert "4.0 GiB are free on this machine" in lacking(found, 4_096, 10_240)
    assert "memory_mib = 4096" in lacking(found, 24_000, 4_096)
    # between the least and the most the limit decides when it comes to it
    assert lacking(found, 24_000, found.peak.least + 1) == ""
    assert at_a_time(found, 24_000) == 3 and at_a_time(found, 4_096) == 0


def test_what_is_advised_fits() -> None:
    large = BLOOMS["bloomz-7b1"]
    assert "model = bloomz-1b7 (" in advice(Scenario(), large, 20_000)
    assert "batch_size = 1 (" in advice(Scenario(batch_size=16), FULL, 6_600)
    assert "tiny-bloom" in advice(Scenario(), FULL, 2_000)
    for words in smaller(Scenario(), large, 20_000):
        most = float(words.rpartition(" to ")[2].partition(" GiB")[0])
        assert most <= 20_000 / 1024 + 0.05, words


def test_a_cycle_that_would_not_fit_is_not_run_unless_forced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    python = str(stub_environment(tmp_path / "env", NEW))
    assert main(["probe", "--python", python, "--memory-mib", "300"]) == 4
    said = capsys.readouterr()
    assert "tiny-bloom was not run: it would take 0.4 to 0.9 GiB" in said.err and said.out == ""
    assert "its limit is 0.3 GiB (memory_mib = 300)" in said.err and "--force" in said.err
    assert main(["probe", "--python", python, "--memory-mib", "300", "--force"]) == 0
    assert "memory    expected: 0.4 to 0.9 GiB" in capsys.readouterr().err
    monkeypatch.setattr(fitting, "room_mib", lambda: 500.0)
    assert main(["probe", "--python", python, "--quiet"]) == 4
    assert "0.5 GiB are free on this machine" in capsys.readouterr().err


def test_the_limit_of_a_probe_grows_with_its_model() -> None:
    usual = Limits()
    assert own_environment.enough(forecast(Scenario(), shape_of(TINY_BLOOM)), usual) == usual
    found = forecast(Scenario(), FULL)
    assert own_environment.enough(found, usual).memory_mib > found.peak.most > usual.memory_mib


@pytest.mark.minimatrix
def test_a_matrix_that_would_not_fit_is_refused_before_a_cell_is_run(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    axes = {package: (version,) for package, version in NEW.items()}
    run = make_run(axes)
    cells = run.expand().cells
    monkeypatch.setattr(fitting, "room_mib", lambda: 500.0)
    assert "0.5 GiB are free, it does not fit" in fitting.memory_line(forecast(Scenario(), shape_of(TINY_BLOOM)), 500)
    with pytest.raises(MemoryShort, match="tiny-bloom was not run"):
        run.run(cells)
    assert [each.outcome for each in run.results()] == [Outcome.UNTESTED]
    run.forced = True
    assert [each.outcome for each in run.run(cells).values()] == [Outcome.PASS]
    # what is known needs no memory
    run.forced = False
    assert [each.outcome for each in run.run(cells).values()] == [Outcome.PASS]
    assert "memory       0.4 to 0.9 GiB a cell (in train: " in "\n".join(built_plan(run, cells).lines())


# ---------------------------------------------------------------------- compatcheck memory


def test_the_command_tells_stages_and_family(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", "--room-gib", "8"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(
        "bloomz-560m: 559,214,592 parameters, prompt-tuning trains 8,192; fp32, 4 texts of 48 tokens"
    )
    assert [line.split()[0] for line in said.splitlines()[3:11]] == list(STAGES)
    assert "8.0 GiB are free, 1 at a time fits" in said
    rows = {line.split()[0]: line for line in said.splitlines()[-5:]}
    assert "*" in rows["bloomz-560m"] and "*" not in rows["bloomz-1b7"]
    assert main(["memory", "--room-gib", "2"]) == 1
    assert "it does not fit" in capsys.readouterr().out


def test_the_command_answers_programs_and_own_models(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["memory", "--model", str(TINY_BLOOM), "--json", "--room-gib", "4", "--method", "lora"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["parameters"] == 165_760 and told["at_a_time"] == 4 and set(told["stages_mib"]) == set(STAGES)
    assert main(["memory", "--model", str(tmp_path)]) == 2
    assert "is not a model directory" in capsys.readouterr().err
    assert main(["memory", "--batch-size", "0"]) == 2
