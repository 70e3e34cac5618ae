"""explain adds what the measured table says of the versions that a log names."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from log_corpus import FOLDER, read_case

from compatcheck.domain import CORE
from compatcheck.explanation import explain
from compatcheck.measured_word import measured_word
from compatcheck.shipped import load_table

LOG = read_case(FOLDER / "cache-layers-empty.txt").text


@pytest.fixture(autouse=True)
def no_own_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPATCHECK_STORE", str(tmp_path / "none.sqlite3"))


def test_a_log_that_names_all_three_gets_the_word_on_them() -> None:
    cell = next(cell for cell in load_table().cells if cell.signature == "cache-layers-empty")
    pins = "\n".join(f"{name}=={version}" for name, version in cell.versions.items())
    found = explain(f"{pins}\n{LOG}")
    assert found.measured is not None and found.measured.status == "known-bad"
    assert found.measured.signature == "cache-layers-empty"
    assert "measured   known bad: torch" in found.as_text() and "passed     torch==" in found.as_text()
    nearest = dict(pin.split("==") for pin in found.measured.nearest)
    assert any(cell.works for cell in load_table().at(nearest))
    assert found.as_json()["measured"]["status"] == "known-bad"


def test_without_torch_it_speaks_of_every_measured_torch() -> None:
    cells = load_table().cells
    cell = next(cell for cell in cells if cell.signature == "cache-layers-empty")
    pair = {name: cell.versions[name] for name in ("transformers", "peft")}
    word = measured_word(pair)
    assert word is not None and "torch not named: fail" in word.says
    for torch in {each.versions["torch"] for each in cells}:
        assert torch in word.says


def test_nothing_is_said_of_too_few_versions_and_nothing_is_guessed() -> None:
    assert measured_word({"transformers": "4.44.2"}) is None
    assert measured_word({}) is None
    assert measured_word({"torch": "none", "transformers": "x", "peft": "y"}) is None
    assert measured_word({"transformers": "0.0.1", "peft": "0.0.1"}) is None
    unknown = measured_word({"torch": "1.0.0", "transformers": "1.0.0", "peft": "0.0.1"})
    assert unknown is not None and unknown.status == "unknown" and unknown.signature is None


def test_of_an_unknown_combination_what_is_to_be_expected_is_told() -> None:
    (grid,) = load_table().inferred
    for point in product(*(grid.axes[name] for name in CORE)):
        versions = dict(zip(CORE, point, strict=True))
        kind, word = grid.at(versions), measured_word(versions)
        assert word is not None
        if kind is not None and word.status == "unknown":
            assert "(expected: " in word.says and f"confidence {kind.confidence:.2f}" in word.says
            break
    else:
        pytest.fail("sources tell of every inferred cell")
