"""What a scenario names, made real: local directories and text files."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from minimatrix.releases import NEW
from stub_environments import stub_environment

from compatcheck.cli import main
from compatcheck.domain import Dtype, Scenario
from compatcheck.errors import InputError, UsageError
from compatcheck.scenario import TINY_BLOOM
from compatcheck.scenario.material import material

SHIPPED = Scenario()


def test_the_shipped_model_and_texts() -> None:
    found = material(SHIPPED)
    assert found.model == TINY_BLOOM and len(found.texts) == SHIPPED.texts
    assert material(replace(SHIPPED, data="quotations")).texts != found.texts


def test_the_digest_is_of_the_contents_and_not_of_the_place(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(TINY_BLOOM, copy)
    here = replace(SHIPPED, model=str(copy))
    before = material(here).digest
    moved = tmp_path / "moved"
    shutil.copytree(copy, moved)
    assert material(here).digest == before
    (copy / "config.json").write_text((copy / "config.json").read_text().replace('"n_layer"', '"n_layers"'))
    assert material(here).digest != before
    assert material(replace(SHIPPED, seed=21)).digest != material(SHIPPED).digest


def test_texts_of_ones_own(tmp_path: Path) -> None:
    lines = tmp_path / "mine.txt"
    lines.write_text("one\n\ntwo\nthree\n", encoding="utf-8")
    assert material(replace(SHIPPED, data=str(lines), texts=3)).texts == ("one", "two", "three")
    objects = tmp_path / "mine.jsonl"
    objects.write_text('{"text": "one"}\n{"text": "zwei ü"}\n', encoding="utf-8")
    assert material(replace(SHIPPED, data=str(objects), texts=2)).texts == ("one", "zwei ü")


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"model": "./nowhere"}, UsageError, "is not a model directory"),
        ({"model": "/nowhere/at/all"}, UsageError, "is not a model directory"),
        ({"data": "nowhere.txt"}, UsageError, "cannot be read"),
        ({"data": "bad.jsonl"}, InputError, "line 2: not a JSON object with a string 'text'"),
        ({"column": "quote"}, UsageError, "role-prompts has no column 'quote'"),
        ({"data": "hub:owner/name"}, UsageError, "names no file of a data set"),
        ({"texts": 999}, UsageError, "wants 999 texts, role-prompts has 24"),
    ],
)
def test_what_is_wrong_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, object], error: type[Exception], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.jsonl").write_text('{"text": "one"}\n{"txt": 1}\n')
    with pytest.raises(error, match=said):
        material(replace(SHIPPED, **changed))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["pytorch_model.bin", "adapter_model.bin", "model.pt", "weights.pkl"])
def test_a_pickle_is_refused_unopened(tmp_path: Path, name: str) -> None:
    (tmp_path / "config.json").write_text("{}")
    mark = tmp_path / "opened"
    # what unpickling would run, and a file that cannot even be read
    (tmp_path / name).write_bytes(f"cos\nsystem\n(S'touch {mark}'\ntR.".encode())
    with pytest.raises(UsageError, match=f"only {name}, which could run any code"):
        material(Scenario(model=str(tmp_path)))
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to("/nowhere/at/all")
    with pytest.raises(UsageError, match="could run any code"):
        material(Scenario(model=str(tmp_path)))
    assert not mark.exists()


def test_a_model_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UsageError, match="has no weights"):
        material(Scenario(model=str(tmp_path)))


# ---------------------------------------------------------------------- a model's own code


def with_code(folder: Path, mark: Path) -> Path:
    """A copy of the tiny model that brings code along, which says when it is run."""
    shutil.copytree(TINY_BLOOM, folder)
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "mine.Config", "AutoModelForCausalLM": "mine.Model"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text(json.dumps({"auto_map": {"AutoTokenizer": ["other.Slow", None]}}))
    (folder / "mine.py").write_text(f"open({str(mark)!r}, 'a').write('run')\n")
    return folder


def test_a_model_that_brings_code_is_refused_unless_it_is_asked_for(tmp_path: Path) -> None:
    folder = with_code(tmp_path / "model", tmp_path / "mark")
    plain = Scenario(model=str(folder))
    with pytest.raises(UsageError, match=r"brings code of its own .mine.Config, mine.Model, other.Slow.") as caught:
        material(plain)
    assert "--trust-remote-code" in caught.value.remedy and "trust_remote_code = true" in caught.value.remedy
    trusted = material(replace(plain, trust_remote_code=True))
    assert trusted.model == folder
    (folder / "mine.py").write_text("# changed\n")
    assert material(replace(plain, trust_remote_code=True)).digest != trusted.digest, "the code is part of the model"


def test_the_code_is_run_in_the_probe_alone_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mark = tmp_path / "mark"
    folder = with_code(tmp_path / "model", mark)
    python = str(stub_environment(tmp_path / "env", NEW))
    words = ["probe", "--python", python, "--quiet", "--model", str(folder)]
    assert main(words) == 2 and not mark.exists()
    assert "brings code of its own" in capsys.readouterr().err
    assert main([*words, "--trust-remote-code"]) == 0 and mark.exists()
    assert "its own code was run (trust_remote_code)" in capsys.readouterr().out


def test_what_came_later_changes_no_digest_at_its_default() -> None:
    # by these the store knows all that was measured
    assert SHIPPED.digest == "098e1e3daa99f6f3" and material(SHIPPED).digest == "570e4989d89536c8"
    for changed in ({"trust_remote_code": True}, {"column": "text"}, {"dtype": Dtype.BF16}):
        assert replace(SHIPPED, **changed).digest != SHIPPED.digest  # type: ignore[arg-type]


def test_data_and_column_may_be_named_to_the_probe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("act,saying\n" + "".join(f"x,I want number {number}\n" for number in range(20)))
    python = str(stub_environment(tmp_path / "env", NEW))
    words = ["probe", "--python", python, "--quiet", "--data", str(path)]
    assert main(words) == 2
    assert "which column holds the texts? There are: act, saying" in capsys.readouterr().err
    assert main([*words, "--column", "saying"]) == 0
