"""`compatcheck report` from the command line: every file and option, over a store that was filled by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from made_up import CACHE_LAYERS, NOON, cell, lock, observation

from compatcheck.cli import main
from compatcheck.domain import Resolution
from compatcheck.expansion import Expansion
from compatcheck.matrix import load_matrix
from compatcheck.pipeline import Run
from compatcheck.probe import PROBE_VERSION
from compatcheck.store import Store


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """`report`, over a store with a pass and a failure, from within an empty folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.toml"
    path.write_text('[axes]\ntorch = ["2.6.0"]\ntransformers = ["4.51.3"]\npeft = ["0.15.2", "0.10.0"]\n')
    matrix = load_matrix(path)
    cells = {cell(): observation(), cell(peft="0.10.0"): observation(CACHE_LAYERS)}
    with Store(tmp_path / "store.sqlite3") as store:
        run = Run(matrix, store, tmp_path / "cache")
        store.save_expansion(matrix.digest, Expansion(tuple(cells), {}))
        for each, seen in cells.items():
            here = replace(seen, machine=replace(seen.machine, platform=run.platform), probe_version=PROBE_VERSION)
            store.save_resolution(each, matrix.resolution_digest, run.platform, Resolution(lock(each), "", NOON))
            store.save_observation(lock(each), run.material.digest, here)
    return ["report", str(path), "--store", str(tmp_path / "store.sqlite3")]


def test_every_file_is_written_and_readmes_are_renewed(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    place = "<!-- generated: {0} -->\n<!-- /generated: {0} -->\n"
    Path("README.md").write_text(place.format("headline") + place.format("heatmap"))
    Path("docs").mkdir()
    Path("docs", "README.md").write_text(place.format("heatmap.zh-CN"))
    more = ["--readme", "README.md", "--readme", "docs/README.md", "--junit", "out/cells.xml"]
    assert main([*words, *more]) == 0
    folder = Path("reports", "small")
    names = {path.name for path in folder.iterdir()}
    assert {"compatibility.md", "compatibility.json", "compatibility.csv", "locks", "pictures", "badges"} <= names
    out = capsys.readouterr().out
    assert all(str(folder / name) in out for name in names)
    assert "1 work; 1 fail" in Path("README.md").read_text()
    assert "](reports/small/pictures/heatmap.svg)" in Path("README.md").read_text()
    assert "](../reports/small/pictures/heatmap.zh-CN.svg)" in Path("docs", "README.md").read_text()
    assert ElementTree.parse("out/cells.xml").getroot().get("failures") == "1"


@pytest.mark.parametrize("form", ["html", "markdown", "json", "csv", "junit"])
def test_one_format_is_printed(words: list[str], form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--stdout", "--format", form]) == 0
    out = capsys.readouterr().out
    assert "cache-layers-empty" in out and not Path("reports").exists()
    if form == "json":
        assert json.loads(out)["totals"] == {"fail": 1, "pass": 1}
    if form == "junit":
        assert ElementTree.fromstring(out).get("tests") == "2"


def test_a_report_of_nothing_does_not_take_the_place_of_one_of_measurements(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 0
    before = Path("reports/small/compatibility.json").read_text()
    with Store(tmp_path / "empty.sqlite3") as store:
        store.save_expansion(load_matrix(Path(words[1])).digest, Expansion((cell(), cell(peft="0.10.0")), {}))
    nothing = [*words[:2], "--store", "empty.sqlite3"]
    assert main([*nothing, "--junit", "cells.xml"]) == 2
    assert "has 2 that were measured: it stays" in capsys.readouterr().err
    assert Path("reports/small/compatibility.json").read_text() == before and not Path("cells.xml").exists()
    assert main([*nothing, "--reports", "elsewhere"]) == 0
    assert main([*nothing, "--reports", "elsewhere"]) == 0, "what stands there is of nothing, too"


def test_a_report_that_tells_of_fewer_cells_than_the_one_before_says_so(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 0 and main(words) == 0
    assert not capsys.readouterr().err
    standing = Path("reports/small/compatibility.json")
    standing.write_text(standing.read_text().replace('"pass": 1', '"pass": 9'))
    assert main(words) == 0
    assert "compatibility.json told of 10 cells that were run; now it tells of 2" in capsys.readouterr().err


def test_nor_does_one_of_methods(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    several = tmp_path / "several.toml"
    several.write_text('method = ["lora", "ia3"]\n' + Path(words[1]).read_text())
    with Store(tmp_path / "empty.sqlite3") as store:
        store.save_expansion(load_matrix(several).digest, Expansion((cell(),), {}))
    standing = Path("reports/several/methods.json")
    standing.parent.mkdir(parents=True)
    standing.write_text('{"totals": {"pass": 3, "untested": 4}}')
    assert main(["report", str(several), "--store", "empty.sqlite3"]) == 2
    assert "methods.json has 3 that were measured: it stays" in capsys.readouterr().err
    standing.write_text("half a f")
    assert main(["report", str(several), "--store", "empty.sqlite3"]) == 0


def test_a_readme_that_cannot_be_renewed_is_named(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--junit", "."]) == 4
    assert "compatcheck: . cannot be written: it is a folder" in capsys.readouterr().err
    assert main([*words, "--readme", "none.md"]) == 2
    assert "none.md: cannot be read" in capsys.readouterr().err
    Path("bare.md").write_text("no markers")
    assert main([*words, "--readme", "bare.md"]) == 2
    assert "generated: headline" in capsys.readouterr().err
    assert Path("bare.md").read_text() == "no markers"


def test_the_page_tells_what_changed_and_torch_md_what_drifted(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 0
    old = Path("reports", "small", "compatibility.json")
    seen = json.loads(old.read_text())
    broken = next(each for each in seen["cells"] if each["outcome"] == "fail")
    broken |= {"outcome": "pass", "signature": None, "fingerprint": None, "stage": None, "lock": "another"}
    Path("old.json").write_text(json.dumps(seen))
    assert main([*words, "--since", "old.json", "--earlier", "old.json"]) == 0
    page = Path("reports", "small", "compatibility.html").read_text()
    assert "1 regressed, 1 unchanged" in page and f'<a href="#{broken["id"]}">' in page
    told = Path("reports", "small", "torch.md").read_text()
    assert "In 1 of them the two locks differ; in 1 the outcome or the failure does." in told
    capsys.readouterr()
    assert main([*words, "--since", "no-such-report.json"]) == 2
    assert "no-such-report.json" in capsys.readouterr().err


def test_a_report_is_held_against_one_with_another_model(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    assert not Path("reports/small/agreement.md").exists()
    assert main([*words, "--agrees-with", "reports/small"]) == 0
    assert "All 2 cells that were run with both models" in Path("reports/small/agreement.md").read_text()
    assert json.loads(Path("reports/small/compatibility.json").read_text())["agreement"]["failure"]["hits"] == 2
    assert main([*words, "--agrees-with", "nowhere.json"]) == 2
    assert "no such file" in capsys.readouterr().err
