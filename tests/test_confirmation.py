"""Screen tiny, confirm full: which cells are drawn, that they are run once, and that a disagreement is told."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from conftest import PYTHON
from minimatrix.index import LocalIndex
from minimatrix.releases import NEW

from compatcheck.cli import main
from compatcheck.confirmation import LIMITS, confirming, sampled
from compatcheck.matrix import Matrix, load_matrix
from compatcheck.store import Store

MATRICES = Path(__file__).parent.parent / "matrix"
AXES = {"torch": ("2",), "transformers": ("4",), "peft": ("0",)}


def strata(**sizes: int) -> dict[str, str]:
    return {f"{shown}{number}": shown for shown, size in sizes.items() for number in range(size)}


def drawn(cells: dict[str, str], count: int, seed: int = 20) -> Counter[str]:
    return Counter(cells[cell] for cell in sampled(cells, count, seed))


def test_every_kind_of_finding_is_drawn_and_then_the_frequent_ones() -> None:
    cells = strata(passing=90, rare=1, other=9)
    assert drawn(cells, 2) == {"passing": 1, "other": 1}
    assert drawn(cells, 3) == {"passing": 1, "other": 1, "rare": 1}
    assert drawn(cells, 20) == {"passing": 17, "other": 2, "rare": 1}
    assert drawn(cells, 1000) == {"passing": 90, "other": 9, "rare": 1}
    assert sampled({}, 5, 20) == ()


def test_the_same_seed_draws_the_same_and_another_one_others() -> None:
    cells = strata(passing=50, failing=50)
    assert sampled(cells, 10, 20) == sampled(cells, 10, 20)
    assert sampled(cells, 10, 20) != sampled(cells, 10, 21)
    # the order of what is drawn is the table's, and a larger sample has the smaller one in it
    assert list(sampled(cells, 10, 20)) == [cell for cell in cells if cell in sampled(cells, 10, 20)]
    assert set(sampled(cells, 10, 20)) < set(sampled(cells, 20, 20))


def test_the_full_shape_runs_what_its_own_matrix_runs() -> None:
    own, tiny = load_matrix(MATRICES / "bloomz-560m.toml"), load_matrix(MATRICES / "article.toml")
    full = confirming(tiny)
    assert full.scenario == own.scenario and full.limits == own.limits
    assert full.resolution_digest == own.resolution_digest, "what one has measured, the other knows"


def test_confirming_does_not_make_another_matrix_of_it() -> None:
    assert Matrix("m", AXES).digest == Matrix("m", AXES, confirm=5, confirm_model="x").digest
    assert confirming(Matrix("m", AXES, confirm=5)).confirm == 0
    assert confirming(Matrix("m", AXES)).limits == LIMITS
    with pytest.raises(ValueError, match="confirm: a number of cells"):
        Matrix("m", AXES, confirm=-1)


@pytest.mark.minimatrix
def test_a_run_confirms_a_sample_and_the_report_tells_what_differs(
    index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """peft 0.0.1 raises on BLOOM, which screens here, and is silent on the model that confirms."""
    monkeypatch.chdir(tmp_path)
    text = (
        f'python = ["{PYTHON}"]\nconfirm = 2\nconfirm_model = "tiny-llama"\n[axes]\ntorch = ["{NEW["torch"]}"]\n'
        f'transformers = ["{NEW["transformers"]}"]\npeft = ["0.0.1", "0.1.1", "{NEW["peft"]}"]\n'
        f'[index]\nurl = "{index.url}"\n'
    )
    Path("stub.toml").write_text(text)
    words = ["stub.toml", "--store", "store.sqlite3", "--cache", "cache"]
    assert main(["run", *words, "--only", "peft0.1.1", "--plain"]) == 0
    assert "confirm: waits until the other 2 cells are known" in capsys.readouterr().out
    assert main(["run", *words, "--plain"]) == 0
    said = capsys.readouterr()
    assert "confirm: 2 cells with tiny-llama, 1 at a time" in said.err
    assert "1 of 2 cells that were run with both models go another way." in said.out
    assert "peft0.0.1: fail in generate" in said.out and "wrong" in said.out
    assert main(["run", *words, "--plain"]) == 0
    with Store(Path("store.sqlite3")) as store:
        assert len(list(store.every_observation())) == 3 + 2, "nothing is run twice"
    assert main(["report", *words]) == 0
    report = Path("reports/stub/compatibility.md").read_text()
    assert report.index("Does `tiny-llama` say the same?") < report.index("## What to pin")
    assert "another outcome" in report and Path("reports/stub/agreement.md").is_file()
