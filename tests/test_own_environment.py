"""`compatcheck probe`: the cycle in an environment as it is, over stub packages."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from minimatrix.releases import NEW, cell_with, with_fault
from stub_environments import stub_environment

from compatcheck import cli
from compatcheck.domain import Limits, Mode, Outcome
from compatcheck.errors import UsageError
from compatcheck.installation import installed
from compatcheck.own_environment import probe_environment

CACHE_FAILURE = {"torch": "2.1.0", "transformers": "5.0.0", "peft": "0.1.0"}


def test_a_good_environment_passes_with_progress_on_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    python = stub_environment(tmp_path / "env", NEW)
    before = sorted(path for path in (tmp_path / "env").rglob("*") if path.suffix != ".pyc")
    assert cli.main(["probe", "--python", str(python)]) == 0
    said = capsys.readouterr()
    assert "torch 2.1.0, transformers 5.1.0, peft 0.10.0 on Python 3." in said.out and ": pass" in said.out
    stages = [line.split()[0] for line in said.err.splitlines() if " ok " in line]
    assert stages == ["import", "load", "tokenize", "train", "save", "reload", "generate", "verify"]
    after = sorted(path for path in (tmp_path / "env").rglob("*") if path.suffix != ".pyc")
    assert [path for path in after if path.name != "__pycache__"] == [
        path for path in before if path.name != "__pycache__"
    ]


def test_a_failure_is_recognised_and_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    python = stub_environment(tmp_path / "env", CACHE_FAILURE)
    assert cli.main(["probe", "--python", str(python), "--json", "--quiet"]) == 1
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert said.err == ""
    assert (told["outcome"], told["stage"], told["workaround"]) == ("fail", "generate", "uncached")
    assert told["modes"] == {"cached": "fail", "uncached": "pass"}
    assert told["explanation"]["exception"]["type"] == "KeyError"
    assert "Cache only has 0 layers" in told["explanation"]["exception"]["message"]


def test_a_wrong_result_is_as_negative_as_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    python = stub_environment(tmp_path / "env", cell_with(with_fault("cache-off-by-one")))
    assert cli.main(["probe", "--python", str(python), "--quiet"]) == 1
    said = capsys.readouterr().out
    assert ": wrong in verify" in said and "cached-equals-reference does not hold" in said
    assert "use_cache=False gives the right result" in said


def test_a_process_that_dies_shows_the_end_of_its_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    python = stub_environment(tmp_path / "env", cell_with(with_fault("exit-seven-in-train")))
    assert cli.main(["probe", "--python", str(python), "--quiet"]) == 1
    assert ": fail in train" in capsys.readouterr().out


def test_limits_end_a_probe_that_hangs(tmp_path: Path) -> None:
    python = stub_environment(tmp_path / "env", cell_with(with_fault("hang-in-train")))
    result = probe_environment(python, limits=Limits(stage_seconds=1.0))
    assert result.outcome is Outcome.FAIL and str(result.observation.ending.kind) == "timed-out"
    assert result.explanation is not None


def test_what_is_not_installed_is_said_before_anything_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import venv

    venv.create(tmp_path / "empty", with_pip=False, symlinks=True)
    assert cli.main(["probe", "--python", str(tmp_path / "empty" / "bin" / "python")]) == 2
    said = capsys.readouterr().err
    assert "torch, transformers and peft are not installed in the environment of" in said
    assert len(said.splitlines()) == 2


@pytest.mark.parametrize("words", [["--stage-seconds", "0"], ["--memory-mib", "-1"], ["--python", "nowhere/python"]])
def test_bad_options_are_exit_code_two(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["probe", *words]) == 2
    assert capsys.readouterr().err.startswith("compatcheck: ")


def test_an_environment_of_this_python_is_told_without_a_local_version_part(tmp_path: Path) -> None:
    python = stub_environment(tmp_path / "env", NEW)
    site = next((tmp_path / "env").glob("lib/python3*/site-packages"))
    metadata = site / "torch-2.1.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("Version: 2.1.0\n", "Version: 2.1.0+cpu\n"))
    there = installed(python)
    assert there.packages["torch"] == "2.1.0+cpu" and there.core["torch"] == "2.1.0" and not there.missing
    assert os.path.samefile(there.python, python)  # noqa: PTH121


def test_a_result_of_the_library_says_what_works_instead(tmp_path: Path) -> None:
    result = probe_environment(stub_environment(tmp_path / "env", CACHE_FAILURE))
    assert result.observation.workaround is Mode.UNCACHED
    assert "use_cache=False gives the right result" in result.as_text()
    with pytest.raises(UsageError, match="cannot be run"):
        probe_environment(tmp_path / "nowhere")
