"""The command line: exit codes, one clear line, and help that teaches."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from compatcheck import cli
from compatcheck.commands import run as run_command
from compatcheck.domain import Cell
from compatcheck.errors import DiskFull
from compatcheck.expansion import Expansion
from compatcheck.matrix import load_matrix
from compatcheck.shipped import load_table
from compatcheck.store import Store
from compatcheck.verdict import lookup

MINIMAL = '[axes]\ntorch = ["2.6.0"]\ntransformers = ["4.51.3"]\npeft = ["0.15.2"]\n'


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COMPATCHECK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple/")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["run", "nowhere.toml"], 2, "no such file"),
        (["run"], 2, "matrix/article.toml: no such file"),
        (["report", "nowhere.toml"], 2, "no such file"),
        (["run", "bad.toml"], 2, "axes.torch: an axis needs at least one version"),
        (["run", "good.toml"], 4, "the package index did not answer for 'torch'"),
        (["plan", "good.toml"], 4, "the package index did not answer"),
        (["report", "good.toml"], 2, "has not been run here yet"),
        (["show", "x", "--matrix", "good.toml"], 2, "has not been run here yet"),
        (["run", "good.toml", "--model", "./nothing"], 4, "package index"),
        (["run", "good.toml", "--store", "file/store"], 4, "cannot be opened"),
    ],
)
def test_bad_input_gives_one_clear_line_and_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    (tmp_path / "good.toml").write_text(MINIMAL)
    (tmp_path / "bad.toml").write_text(MINIMAL.replace('["2.6.0"]', "[]"))
    (tmp_path / "file").write_text("")
    assert cli.main(words) == code
    error = capsys.readouterr().err
    assert said in error and error.startswith("compatcheck: ")
    assert "Traceback" not in error and len(error.splitlines()) <= 3


def test_a_cell_that_was_not_run_here_is_shown_as_the_table_knows_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = "py311-torch2.6.0-transformers4.44.2-peft0.10.0"
    assert cli.main(["show", known]) == 0, "there is no matrix file"
    said = "store.sqlite3 has no run of it; the shipped table, of tiny-bloom: torch 2.6.0, transformers 4.44.2, "
    told = capsys.readouterr().out
    assert said in told and "known bad" in told and "cache-layers-empty" in told
    (tmp_path / "m.toml").write_text('[axes]\ntorch = ["2.6.0"]\ntransformers = ["4.44.2"]\npeft = ["0.10.0"]\n')
    matrix = load_matrix(tmp_path / "m.toml")
    with Store(tmp_path / "store.sqlite3") as store:
        cell = Cell("3.11", {"torch": "2.6.0", "transformers": "4.44.2", "peft": "0.10.0"})
        store.save_expansion(matrix.digest, Expansion((cell,), {}))
    assert cli.main(["show", known, "--matrix", "m.toml", "--store", "store.sqlite3"]) == 0
    told = capsys.readouterr().out
    assert "outcome     untested" in told and said in told
    capsys.readouterr()
    assert cli.main(["show", "torch2.6.0", "--matrix", "none.toml"]) == 2
    assert " cells of the shipped table: py311-torch2.6.0-transformers4.36.2-peft" in capsys.readouterr().err
    assert cli.main(["show", "nosuch", "--matrix", "none.toml"]) == 2
    assert "is selected by nosuch" in capsys.readouterr().err


def test_a_cell_that_nobody_ran_is_shown_as_the_table_infers_it(capsys: pytest.CaptureFixture[str]) -> None:
    (grid,) = load_table().inferred
    versions = next(point for point in grid.points() if lookup(point).expected)
    assert cli.main(["show", Cell(grid.python, versions).id]) == 0
    told = capsys.readouterr().out
    assert "which infers it" in told and ": unknown: this combination was not measured\n  expected " in told


@pytest.mark.parametrize("words", [["walk"], ["run", "--jobs", "many"], ["show"], ["cache", "prune", "--days", "-1"]])
def test_usage_is_exit_code_two(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == 2


@pytest.mark.parametrize("choice", ["torch", "torch="])
def test_a_choice_of_an_axis_must_be_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str], choice: str) -> None:
    from compatcheck.commands.common import axis_choices
    from compatcheck.errors import UsageError

    with pytest.raises(UsageError, match="NAME=ENTRY"):
        axis_choices(cli.built_parser().parse_args(["run", "--axis", choice]))


def test_an_unexpected_error_leaves_a_report_that_can_be_filed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: object) -> int:
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr(cli, "COMMANDS", (run_command,))
    monkeypatch.setattr(run_command, "execute", broken)
    assert cli.main(["run"]) == 3
    said = capsys.readouterr().err
    assert "please file it" in said and "nobody thought of this" in said and "compatcheck 0." in said
    assert "nobody thought of this" in (tmp_path / ".compatcheck" / "unexpected-error.txt").read_text()


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (DiskFull("the disk is full", "free some"), 4)]
)
def test_interruption_and_a_full_disk_have_their_own_codes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int
) -> None:
    def broken(_: object) -> int:
        raise error

    monkeypatch.setattr(run_command, "execute", broken)
    assert cli.main(["run"]) == code
    assert len(capsys.readouterr().err.splitlines()) <= 2


@pytest.mark.parametrize("words", [[], *([command.__name__.rsplit(".", 1)[1]] for command in cli.COMMANDS)])
def test_every_command_explains_itself(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "compatcheck", *words, "--help"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("usage: compatcheck") and "compatcheck " in done.stdout.split("options:")[-1]


def test_without_a_command_the_help_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    said = capsys.readouterr().err
    assert "compatcheck recommend" in said and "compatcheck check requirements.txt" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["chekc"], "compatcheck: error: there is no command 'chekc': do you mean check?"),
        (["catalogue", "lst"], "compatcheck catalogue: error: there is no action 'lst': do you mean list?"),
        (["xyzzy"], "compatcheck: error: there is no command 'xyzzy' (compatcheck --help lists them)"),
    ],
)
def test_a_slip_of_the_keyboard_is_answered_with_the_near_word(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == 2 and capsys.readouterr().err.splitlines()[-1] == said


def shell(line: str, **settings: str) -> subprocess.CompletedProcess[str]:
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    told = line.replace("compatcheck", f"{sys.executable} -m compatcheck")
    whole = ["bash", "-o", "pipefail", "-c", told]
    return subprocess.run(whole, capture_output=True, text=True, env={**buffered, **settings})


@pytest.mark.parametrize("words", ["--help", "recommend"])
def test_output_that_nobody_reads_is_no_error(words: str) -> None:
    done = shell(f"compatcheck {words} | true")
    assert (done.returncode, done.stderr) == (0, "")


def test_output_that_a_full_disk_does_not_take_is_the_machines_fault() -> None:
    done = shell("compatcheck recommend > /dev/full")
    assert done.returncode == 4 and done.stderr.startswith("compatcheck: the disk is full\n")


def test_closed_streams_are_told_or_borne() -> None:
    assert shell("compatcheck recommend >&-").returncode == 0
    done = shell("compatcheck explain <&-")
    assert done.returncode == 2 and "standard input is closed" in done.stderr


def test_a_pipe_that_brings_nothing_is_told_from_a_log_without_a_failure() -> None:
    done = shell("python3 -c 'raise KeyError' 2>/dev/null | compatcheck explain", PYTHONIOENCODING="utf-8")
    assert "nothing came in; for a traceback: python train.py 2>&1 | compatcheck explain" in done.stderr
    assert shell("echo fine | compatcheck explain").stderr == ""


def test_a_terminal_without_the_character_gets_a_question_mark() -> None:
    done = shell("echo 'ValueError: caf\u00e9' | compatcheck explain", PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and "ValueError: caf?" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "good.toml", "--budget", "2h"], '--budget is for a matrix with explore = "adaptive"'),
        (["run", "explored.toml", "--again", "--max-cells", "3"], "--max-cells is for"),
        (["refresh", "good.toml", "--max-disk", "3GB"], "--max-disk is for"),
        (["run", "good.toml", "--with", "pytest"], "--with is for --command"),
        (["claims", "good.toml", "--sample", "0"], "--sample: at least one claim"),
        (["memory", "--room-gib", "-1"], "--room-gib -1: nothing fits into it"),
        (["explain", "good.toml", "--catalogue", "none"], "none: no .toml file in it"),
        (["catalogue", "list", "none"], "none: no .toml file in it"),
        (["catalogue", "read", "none", "--out", "x.json"], "none: no wheel of a package of the stack in it"),
        (["catalogue", "members", "none", "--out", "x.json"], "none: no wheel of a package of the stack in it"),
    ],
)
def test_what_would_not_hold_is_refused_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    (tmp_path / "good.toml").write_text(MINIMAL)
    (tmp_path / "explored.toml").write_text('explore = "adaptive"\n' + MINIMAL)
    assert cli.main(words) == 2
    assert said in capsys.readouterr().err


def test_a_store_that_is_not_there_is_not_joined_into_a_new_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["merge", "nowhere.sqlite3", "--into", "whole.sqlite3"]) == 2
    assert "there is no store nowhere.sqlite3" in capsys.readouterr().err and list(tmp_path.iterdir()) == []
