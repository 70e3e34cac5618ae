"""`compatcheck run --command`: a project's own tests over the cells, with stub packages."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from conftest import MakeRun

from compatcheck import cli
from compatcheck.domain import Outcome
from compatcheck.errors import UsageError
from compatcheck.own_command import Command, CommandResult, command_environment, command_of, run_command
from compatcheck.pipeline import Run

pytestmark = pytest.mark.minimatrix

AXES = {"torch": ("2.1.0",), "transformers": ("4.44.0", "5.0.0"), "peft": ("0.1.1",)}
OWN_TESTS = """
import transformers, own
print("with", transformers.__version__)
if transformers.__version__.startswith("5"):
    raise KeyError("something of ours")
"""


def project(tmp_path: Path, text: str = OWN_TESTS) -> Command:
    folder = tmp_path / "project"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "own.py").write_text("")
    (folder / "check.py").write_text(text)
    return command_of("python check.py", folder, tmp_path / "logs", 20.0)


def ran(run: Run, command: Command) -> dict[str, CommandResult]:
    return {each.cell.versions["transformers"]: each for each in run_command(run, run.expand().cells, command)}


def test_a_command_is_run_in_every_cell_and_its_failures_are_read(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(AXES)
    told: list[CommandResult] = []
    results = run_command(run, run.expand().cells, project(tmp_path), told.append)
    assert [str(each.outcome) for each in results] == ["pass", "fail"] and tuple(told) == results
    good, bad = results
    assert good.log is not None and good.log.read_text() == "with 4.44.0\n"
    assert bad.explanation is not None and bad.explanation.diagnosis is not None
    assert bad.as_line().startswith(f"{bad.cell.id} fail ")
    assert "exit code 1: KeyError: 'something of ours' (see " in bad.as_line()
    assert run.store.seconds() == []


def test_a_known_failure_of_the_projects_tests_is_named(make_run: MakeRun, tmp_path: Path) -> None:
    (tmp_path / "peft").mkdir()
    text = (
        'raise SystemExit("""Traceback (most recent call last):\n'
        '  File "/x/site-packages/peft/peft_model.py", line 1, in prepare_inputs_for_generation\n'
        '    past\nKeyError: \'Cache only has 0 layers, attempted to access layer with index 0\'\n""")'
    )
    result = ran(make_run(AXES), project(tmp_path, text))["5.0.0"]
    assert result.signature == "cache-layers-empty" and "[cache-layers-empty]" in result.as_line()


def test_a_command_that_hangs_is_ended_with_its_children(make_run: MakeRun, tmp_path: Path) -> None:
    mark = tmp_path / "alive"
    child = (
        f"import time, pathlib\nwhile True: pathlib.Path({str(mark)!r}).write_text(str(time.time())); time.sleep(0.05)"
    )
    command = project(tmp_path, f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}])")
    command = Command(command.words, command.folder, command.logs, 1.0)
    result = ran(make_run({**AXES, "transformers": ("5.0.0",)}), command)["5.0.0"]
    assert result.outcome is Outcome.FAIL and result.ending == "still running after 1 s"
    last = mark.read_text()
    time.sleep(0.3)
    assert mark.read_text() == last


def test_what_cannot_be_installed_is_told_and_not_run(make_run: MakeRun, tmp_path: Path) -> None:
    results = ran(make_run({**AXES, "peft": ("0.9.1",)}), project(tmp_path))
    assert results["5.0.0"].outcome is Outcome.UNRESOLVABLE and results["5.0.0"].log is None
    assert results["4.44.0"].outcome is Outcome.PASS


def test_a_program_that_is_not_there_is_said_with_what_to_do(make_run: MakeRun, tmp_path: Path) -> None:
    command = project(tmp_path)
    with pytest.raises(UsageError, match="no-such-program cannot be run in the environment of"):
        ran(make_run(AXES), Command(("no-such-program",), command.folder, command.logs))


@pytest.mark.parametrize("text", ["", "pytest 'x"])
def test_what_is_no_command_is_refused(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="--command"):
        command_of(text, tmp_path, tmp_path)
    assert cli.main(["run", "--command", text]) == 2


def test_the_cells_environment_is_active_and_the_callers_variables_stay(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    outside = {"PATH": "/usr/bin", "PYTHONPATH": "/outside", "PYTHONHOME": "/x", "HF_TOKEN": "kept"}
    told = command_environment(Path("/env/bin/python"), tmp_path, outside)
    assert told["PATH"] == "/env/bin:/usr/bin" and told["VIRTUAL_ENV"] == "/env" and told["HF_TOKEN"] == "kept"
    assert told["PYTHONPATH"] == f"{tmp_path}/src:{tmp_path}" and "PYTHONHOME" not in told


def test_the_command_line_says_what_came_of_it(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(AXES)
    project(tmp_path)
    monkeypatch.setenv("UV_DEFAULT_INDEX", run.matrix.index.url or "")
    monkeypatch.setenv("COMPATCHECK_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    axes = "".join(f"{name} = {list(versions)}\n" for name, versions in AXES.items())
    (tmp_path / "m.toml").write_text(f"python = ['{python}']\n[axes]\n{axes}".replace("'", '"'))
    words = ["run", "m.toml", "--command", "python check.py", "--folder", "project", "--with", "tokenizers"]
    assert cli.main(words) == 1
    said = capsys.readouterr().out
    assert "2 cells: 1 pass, 1 fail" in said and "exit code 1: KeyError" in said
    assert cli.main([*words, "--only", "transformers4"]) == 0
    assert len(list((tmp_path / ".compatcheck" / "command-logs").iterdir())) == 2
