"""The command line: exit codes, one clear line, and help that teaches."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from compatcheck import cli
from compatcheck.commands import run as run_command
from compatcheck.errors import DiskFull

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


@pytest.mark.parametrize("words", [[], ["walk"], ["run", "--jobs", "many"], ["show"]])
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


def test_output_that_nobody_reads_to_the_end_is_no_error(tmp_path: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m compatcheck --help | head -1", shell=True, capture_output=True, text=True
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr
