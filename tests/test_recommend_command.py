"""The command lines of recommend and table: exit codes, one clear line, and nothing by accident in a file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from compatcheck import cli
from compatcheck.shipped import SHIPPED, KnownCell, load_table

TABLE = load_table()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COMPATCHECK_STORE", raising=False)
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple/")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--torch", ">3,<2"], 2, "contradict"),
        (["--torch", "new"], 2, "neither a version nor a range"),
        (["tensorflow"], 2, "unknown package 'tensorflow'"),
        (["peft>>1"], 2, "is not a requirement"),
        (["-r", "none.txt"], 2, "no such file"),
        (["-r", "bad.txt"], 2, "line 2"),
        (["--project", "bad.toml"], 2, "bad.toml"),
        (["--table", "none.json"], 2, "no such file"),
        (["--table", "cut.json"], 2, "not a whole JSON file"),
        (["--table", "other.json"], 2, "schema 99"),
        (["--table", "list.json"], 2, "not a table"),
        (["--table", "http://127.0.0.1:9/table.json"], 4, "cannot be fetched"),
        (["--store", "bad.txt"], 4, "cannot be opened"),
        (["--format", "pylock"], 4, "index did not answer"),
        (["-r", "good.txt", "--resolve"], 4, "index did not answer"),
        (["-o", "none/pins.txt"], 4, "cannot be written"),
        (["--bounds", "--format", "uv"], 2, "cannot be written as uv"),
    ],
)
def test_bad_input_gives_one_clear_line_and_its_exit_code(
    words: list[str], code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.txt").write_text("torch\npeft >> 1\n")
    (tmp_path / "good.txt").write_text("torch\ntrl\n")
    (tmp_path / "bad.toml").write_text("[project\n")
    (tmp_path / "cut.json").write_bytes(SHIPPED.read_bytes()[:5000])
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "other.json").write_text(json.dumps({**json.loads(SHIPPED.read_text()), "schema": 99}))
    assert cli.main(["recommend", *words]) == code
    out, err = capsys.readouterr()
    first = err.splitlines()[0]
    assert out == "" and first.startswith("compatcheck: ") and said in first and len(err.splitlines()) <= 2


def test_a_miss_exits_with_1_and_writes_no_pins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["recommend", "--transformers", "99.0.0"]
    assert cli.main(words) == 1
    assert "The nearest that works" in capsys.readouterr().out
    assert cli.main([*words, "--format", "requirements", "-o", "pins.txt"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and "The nearest that works" in err and not (tmp_path / "pins.txt").exists()
    assert cli.main([*words, "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["found"] is False
    assert cli.main([*words, "--relax", "--format", "requirements", "-o", "pins.txt"]) == 0
    assert "instead of transformers==99.0.0" in (tmp_path / "pins.txt").read_text()


def test_a_broken_requirements_file_is_mended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def mendable(cell: KnownCell) -> bool:
        others = [{**cell.versions, "peft": each} for each in TABLE.axes["peft"]]
        return any(found.works for other in others for found in TABLE.at(other))

    bad = next(cell for cell in TABLE.cells if cell.outcome == "fail" and mendable(cell))
    path = tmp_path / "requirements.txt"
    path.write_text("".join(f"{name}=={version}\n" for name, version in bad.versions.items()) + "trl>=0.9\n")
    assert cli.main(["recommend", "-r", "requirements.txt", "--relax", "--format", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    mended = data["cell"]["versions"]
    assert TABLE.at(mended)[0].works
    assert {name for name in mended if mended[name] != bad.versions[name]} == set(data["missed"])
    assert len(data["missed"]) == 1 and data["unjudged"] == ["trl"]
    assert "requirements.txt line" in data["concessions"][0]["wanted"]


def test_bounds_are_requirements(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["recommend", "--torch", "2.6.0", "--bounds"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("#")]
    assert [line.partition("=")[0].rstrip("<>") for line in lines] == ["torch", "transformers", "peft"]
    assert cli.main(["recommend", "--torch", "2.6.0", "--bounds", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["requirements"] == lines


def test_the_table_is_shown_and_built(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["table", "show"]) == 0
    assert f"{len(TABLE.cells)} combinations" in capsys.readouterr().out
    reports = Path(__file__).parent.parent / "reports"
    assert cli.main(["table", "build", str(reports), "-o", "table.json"]) == 0
    assert (tmp_path / "table.json").read_bytes() == SHIPPED.read_bytes()
    capsys.readouterr()
    assert cli.main(["table", "build", str(tmp_path), "-o", "table.json"]) == 2
    assert "holds no compatibility.json" in capsys.readouterr().err
    assert cli.main(["table", "build", str(tmp_path / "table.json"), "-o", "other.json"]) == 2
    assert "not a report" in capsys.readouterr().err


LIGHT = """
import sys
import compatcheck
compatcheck.recommend({"torch": "2.6.0"})
compatcheck.lookup({"torch": "2.6.0", "transformers": "4.49.0", "peft": "0.15.2"})
from compatcheck.cli import main
main(["recommend", "--torch", "2.6.0", "--bounds"])
heavy = {"torch", "transformers", "peft", "numpy", "rich", "jinja2", "pypi_simple", "requests", "psutil"}
print(sorted(heavy & set(sys.modules)))
"""


def test_answers_need_nothing_heavy_and_no_network(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import socket\ndef refused(*_):\n    raise AssertionError('network')\nsocket.socket.connect = refused\n"
    )
    path = f"{tmp_path}:{Path(__file__).parent.parent}"
    done = subprocess.run(
        [sys.executable, "-c", LIGHT], capture_output=True, text=True, check=True, env={"PYTHONPATH": path}
    )
    assert done.stdout.splitlines()[-1] == "[]"
