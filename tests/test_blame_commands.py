"""`blame` and `bisect` over stub packages: real locks, environments and runs, from the command line to the verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from conftest import PYTHON
from minimatrix.index import LocalIndex
from minimatrix.releases import DRIFT, NEW

from compatcheck.cli import main
from compatcheck.store import Store

pytestmark = pytest.mark.minimatrix

AXES = {"torch": ["2.0.1", "2.1.0"], "transformers": ["4.44.0", "5.1.0"], "peft": ["0.1.0", "0.1.1"]}


@pytest.fixture
def folder(tmp_path: Path, index: LocalIndex, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with the stub index as the configured one and a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    monkeypatch.setenv("COMPATCHECK_CACHE", str(tmp_path / "cache"))
    return tmp_path


def matrix(folder: Path, axes: Mapping[str, list[str]] = AXES) -> Path:
    path = folder / "stub.toml"
    lines = [f'python = ["{PYTHON}"]', "[scenario]", "epochs = 2", "new_tokens = 6", "[axes]"]
    path.write_text("\n".join([*lines, *(f"{name} = {json.dumps(entries)}" for name, entries in axes.items())]) + "\n")
    return path


def pins(folder: Path, name: str, **versions: str) -> Path:
    chosen = {**NEW, "accelerate": "0.3.0", "tokenizers": "0.21.0", **versions}
    path = folder / name
    path.write_text("".join(f"{package}=={version}\n" for package, version in chosen.items()))
    return path


def answer(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict]:
    capsys.readouterr()
    code = main([str(each) for each in arguments])
    said = capsys.readouterr()
    assert said.out, said.err
    return code, json.loads(said.out)


def test_a_cell_is_blamed_on_the_two_packages_that_break_together(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = matrix(folder)
    assert main(["run", str(path)]) == 0
    cell = "torch2.1.0*transformers5.1.0*peft0.1.0"
    code, found = answer(capsys, "blame", cell, "--matrix", path, "--json", "--locks", "evidence")
    assert code == 0
    assert found["verdict"] == "interacting-pair"
    by_name = {each["package"]: each for each in found["culprits"]}
    # 5.0.0 is not among the matrix's versions: the border is found among all releases of the index
    assert (by_name["transformers"]["last_good"], by_name["transformers"]["first_bad"]) == ("4.44.0", "5.0.0")
    assert by_name["peft"]["fixed_in"] == "0.1.1"
    assert found["no_part"] == {"torch": 2}
    with Store(folder / ".compatcheck" / "store.sqlite3") as store:
        for pair in found["pairs"]:
            good, bad = store.lock(pair["good"]), store.lock(pair["bad"])
            assert good is not None and bad is not None and good.versions != bad.versions
    assert {each.stem for each in (folder / "evidence").iterdir()} == set(found["evidence"])


def test_a_sample_is_drawn_kept_and_held_against_the_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = matrix(folder)
    assert main(["run", str(path)]) == 0
    code, found = answer(capsys, "blame", "--sample", 1, "--seed", 3, "--matrix", path, "--json")
    assert code == 0 and [each["verdict"] for each in found] == ["interacting-pair"]
    assert main(["report", str(path)]) == 0
    text = (folder / "reports" / "stub" / "blame.md").read_text()
    assert (
        "Of 1 cells drawn by chance the experiment bears the table out in 1, in part in 0, and contradicts it in 0."
        in text
    )
    assert "by chance (seed 3, 1 of 2 failing cells)" in text and "| borne out" in text
    data = json.loads((folder / "reports" / "stub" / "compatibility.json").read_text())
    blames = {cell["id"]: cell["blame"] for cell in data["cells"] if cell["blame"]}
    assert sorted(blame["ground"] for blame in blames.values()) == ["experiment", "table"]
    exact = blames[found[0]["cell"]]
    assert {each["package"]: each["first_bad"] for each in exact["culprits"]}["transformers"] == "5.0.0"
    evidence = {each.stem for each in (folder / "reports" / "stub" / "evidence").iterdir()}
    assert evidence == set(exact["evidence"]) == set(found[0]["evidence"])
    code, found = answer(capsys, "blame", "--each-failure", "--matrix", path, "--json", "--table-only")
    assert code == 0 and len(found) == 1


def test_cells_that_cannot_be_blamed_are_refused_with_the_reason(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """transformers 5.0.0 and peft 0.9.1 cannot be installed together; peft 0.10.0 is not run."""
    axes = {"torch": ["2.1.0"], "transformers": ["5.0.0"], "peft": ["0.1.0", "0.9.1", "0.10.0"]}
    path = matrix(folder, axes)
    assert main(["run", str(path), "--skip", "peft0.10.0"]) == 0
    for words, said in (
        ("peft0.9.1", "cannot be installed, so there is no run to blame anything for. The resolver says:"),
        ("peft0.10.0", "has not been run"),
        ("peft*", "names 3 cells, not one"),
        ("peft7", "no cell of 3 is selected"),
    ):
        capsys.readouterr()
        assert main(["blame", words, "--matrix", str(path)]) == 2
        assert said in capsys.readouterr().err


def test_what_was_found_once_costs_no_run_the_second_time(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = matrix(folder)
    main(["run", str(path)])
    question = ["blame", "torch2.1.0*transformers5.1.0*peft0.1.0", "--matrix", str(path)]
    assert main(question) == 0
    first = capsys.readouterr()
    assert "run 1: " in first.err
    assert main(question) == 0
    second = capsys.readouterr()
    assert "run 1: " not in second.err
    assert second.out == first.out[first.out.index(second.out[:20]) :]


def test_the_table_alone_is_asked_without_a_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = matrix(folder)
    main(["run", str(path)])
    capsys.readouterr()
    assert main(["blame", "torch2.1.0*transformers5.1.0*peft0.1.0", "--matrix", str(path), "--table-only"]) == 0
    said = capsys.readouterr()
    assert "transformers 4.44.0 -> 5.1.0 broke it" in said.out and "peft 0.1.1 mended it" in said.out
    assert "run 1" not in said.err


def test_a_package_that_nobody_pinned_is_found_to_have_drifted(
    folder: Path, index: LocalIndex, capsys: pytest.CaptureFixture[str]
) -> None:
    index.publish(DRIFT)
    path = matrix(folder, {"torch": ["2.1.0"], "transformers": ["5.1.0"], "peft": ["0.10.0"]})
    main(["run", str(path)])
    code, found = answer(capsys, "blame", "py", "--matrix", path, "--json")
    assert code == 0
    assert found["verdict"] == "drift"
    assert found["culprits"] == [
        {"package": "accelerate", "last_good": "0.3.0", "first_bad": "0.4.0", "fixed_in": None}
    ]
    assert "with the packages of" in found["held_against"][0]["end"]


def test_a_passing_cell_is_not_blamed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = matrix(folder)
    main(["run", str(path)])
    assert main(["blame", "torch2.1.0*transformers5.1.0*peft0.1.1", "--matrix", str(path)]) == 2
    assert "there is nothing to blame" in capsys.readouterr().err


def test_two_locks_are_bisected_to_the_release_of_a_dependency(
    folder: Path, index: LocalIndex, capsys: pytest.CaptureFixture[str]
) -> None:
    index.publish(DRIFT)
    good, bad = pins(folder, "good.txt"), pins(folder, "bad.txt", accelerate="0.4.0", torch="2.0.1")
    code, found = answer(
        capsys, "bisect", "--good", good, "--bad", bad, "--python", PYTHON, "--pinned", "torch", "--json",
        "--markdown", "issue.md",
    )  # fmt: skip
    assert code == 0
    assert (found["verdict"], found["culprits"][0]["first_bad"]) == ("drift", "0.4.0")
    assert found["released"]["accelerate 0.4.0"] == "2025-06-05"
    text = (folder / "issue.md").read_text()
    assert text.startswith("# accelerate 0.4.0: ")
    assert "| accelerate | 0.3.0 | 0.4.0 |" in text
    assert "accelerate==0.4.0" in text and "Traceback" in text
    assert str(folder) not in text


SCRIPT = """\
import importlib.metadata, os, signal, sys, time
accelerate = importlib.metadata.version("accelerate")
torch = importlib.metadata.version("torch")
if torch == "2.0.1":
    {other}
if accelerate == "0.2.0":
    raise ValueError("accelerate is broken")
"""


@pytest.mark.parametrize(
    "other",
    ["os.kill(os.getpid(), signal.SIGSEGV)", "sys.exit(125)", "raise KeyError(torch)", "time.sleep(60)"],
    ids=["killed", "skipped", "another", "slow"],
)
def test_a_command_decides_by_its_traceback_and_nothing_else_counts_as_it(
    folder: Path, capsys: pytest.CaptureFixture[str], other: str
) -> None:
    """Between the locks torch moves over a release in which the command ends in some other way."""
    (folder / "script.py").write_text(SCRIPT.format(other=other))
    good = pins(folder, "good.txt", accelerate="0.3.0", torch="2.0.0")
    bad = pins(folder, "bad.txt", accelerate="0.2.0", torch="2.1.0")
    code, found = answer(
        capsys, "bisect", "--good", good, "--bad", bad, "--python", PYTHON, "--json", "--timeout", "2",
        "--run", "python script.py",
    )  # fmt: skip
    assert code == 0
    assert found["verdict"] == "culprit"
    assert found["culprits"] == [
        {"package": "accelerate", "last_good": "0.1.0", "first_bad": "0.2.0", "fixed_in": "0.3.0"}
    ]
    assert found["command"] == "python script.py"


COUNTED = """\
import importlib.metadata
with open("runs.txt", "a") as file:
    file.write("x")
if importlib.metadata.version("accelerate") == "0.2.0":
    raise ValueError("accelerate is broken")
"""


def test_an_interrupted_search_with_a_command_goes_on_from_its_journal(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "script.py").write_text(COUNTED)
    good, bad = pins(folder, "good.txt"), pins(folder, "bad.txt", accelerate="0.2.0", torch="2.0.1")
    words = [
        "bisect", "--good", good, "--bad", bad, "--python", PYTHON, "--json", "--run", "python script.py",
        "--journal", "kept/runs.jsonl", "--markdown", "issue.md",
    ]  # fmt: skip
    code, short = answer(capsys, *words, "--max-runs", 6)
    assert code == 1 and short["verdict"] == "undetermined" and "6 runs" in short["reason"]
    before = len((folder / "runs.txt").read_text())
    with (folder / "kept" / "runs.jsonl").open("a") as file:
        file.write('{"command": "python scr')  # killed while it wrote
    code, found = answer(capsys, *words)
    assert code == 0 and found["culprits"][0]["first_bad"] == "0.2.0"
    total = len((folder / "runs.txt").read_text())
    assert total - before == found["runs"] - before, "what the journal holds is not run again"
    code, again = answer(capsys, *words)
    assert again["verdict"] == found["verdict"] and len((folder / "runs.txt").read_text()) == total
    text = (folder / "issue.md").read_text()
    assert "raise ValueError" in text and "This script was run with both" in text, "a short script is carried along"
    (folder / "kept" / "runs.jsonl").write_text("nonsense\n{}\n")
    assert main([str(word) for word in words]) == 2
    assert "line 1: not JSON" in capsys.readouterr().err


def test_a_good_lock_that_does_not_work_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "script.py").write_text(SCRIPT.format(other="raise KeyError(torch)"))
    good, bad = pins(folder, "good.txt", torch="2.0.1"), pins(folder, "bad.txt", accelerate="0.2.0")
    words = ["bisect", "--good", str(good), "--bad", str(bad), "--python", PYTHON, "--run", "python script.py"]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert f"{good} does not work: fail" in said and "KeyError: '2.0.1'" in said


def test_a_build_of_another_index_is_taken_as_the_release_of_its_number(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "script.py").write_text(SCRIPT.format(other="pass"))
    good = pins(folder, "good.txt", torch="2.1.0+cu124")
    bad = pins(folder, "bad.txt", torch="2.1.0+cu124", accelerate="0.2.0")
    words = ["bisect", "--good", str(good), "--bad", str(bad), "--python", PYTHON, "--run", "python script.py"]
    assert main(words) == 0
    said = capsys.readouterr()
    assert "torch 2.1.0+cu124 is not on this index, taken as the release of the same number" in said.err
    assert "packages differ: about " in said.err and "accelerate 0.1.0 -> 0.2.0" in said.out


def test_locks_that_both_work_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = pins(folder, "good.txt"), pins(folder, "bad.txt", torch="2.0.1")
    code = main(["bisect", "--good", str(good), "--bad", str(bad), "--python", PYTHON, "--run", "python -c pass"])
    assert code == 2
    assert "works: there is nothing to look for" in capsys.readouterr().err


def test_a_lock_that_cannot_be_installed_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = pins(folder, "good.txt"), pins(folder, "bad.txt", torch="9.9.9")
    assert main(["bisect", "--good", str(good), "--bad", str(bad), "--python", PYTHON]) == 2
    assert "cannot be installed here" in capsys.readouterr().err
