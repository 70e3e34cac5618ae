"""What a scenario names, made real: local directories and text files."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from compatcheck.domain import Scenario
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
