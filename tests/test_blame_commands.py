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


def test_locks_that_both_work_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = pins(folder, "good.txt"), pins(folder, "bad.txt", torch="2.0.1")
    code = main(["bisect", "--good", str(good), "--bad", str(bad), "--python", PYTHON, "--run", "python -c pass"])
    assert code == 2
    assert "works: there is nothing to look for" in capsys.readouterr().err


def test_a_lock_that_cannot_be_installed_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = pins(folder, "good.txt"), pins(folder, "bad.txt", torch="9.9.9")
    assert main(["bisect", "--good", str(good), "--bad", str(bad), "--python", PYTHON]) == 2
    assert "cannot be installed here" in capsys.readouterr().err
