"""`compatcheck explain`: from a file or a pipe, in words or as data."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from log_corpus import FOLDER, read_case

from compatcheck.catalogues import shipped_signature
from compatcheck.cli import main
from compatcheck.domain import Diagnosis, Raised
from compatcheck.explanation import explain
from compatcheck.plain_words import Explanation

CASE = read_case(FOLDER / "cache-layers-empty.txt")
KEYS = {
    "signature", "confidence", "stage", "exception", "roles", "remedy", "references", "versions", "fingerprint",
}  # fmt: skip


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "error.log"
    path.write_text(CASE.text)
    return path


def test_a_file_in_words(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(log)]) == 0
    told = capsys.readouterr().out
    assert "cache-layers-empty" in told and "to fix in  peft" in told and "huggingface/peft/issues/2379" in told


def test_a_file_as_data(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(log), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told) >= KEYS
    assert told["signature"] == "cache-layers-empty" and told["stage"] == "generate" and told["line"] == CASE.line
    assert told["exception"]["type"] == "KeyError" and set(told["roles"]) == {"trigger", "owner", "fixed_in"}


def test_what_is_unknown_has_a_null_and_a_fingerprint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.log"
    path.write_text('Traceback (most recent call last):\n  File "a.py", line 1, in f\nOddError: odd\n')
    assert main(["explain", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["signature"] is None and told["remedy"] is None and len(told["fingerprint"]) >= 12
    assert main(["explain", str(path)]) == 0
    assert capsys.readouterr().out.startswith("Unknown")


def test_what_only_reports_another_failure_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "launched.log"
    log.write_text(
        'Traceback (most recent call last):\n  File "/srv/site-packages/accelerate/commands/launch.py", line 637, in '
        "simple_launcher\n    raise subprocess.CalledProcessError(returncode=process.returncode, cmd=cmd)\n"
        "subprocess.CalledProcessError: Command '['python', 'train.py']' returned non-zero exit status 1.\n"
    )
    main(["explain", str(log)])
    told = capsys.readouterr().out
    assert told.startswith("Unknown") and "report     A launcher reports" in told and "advice     Read what" in told


def test_a_text_without_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(b"")
    assert main(["explain", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["signature"] is told["exception"] is told["fingerprint"] is None


@pytest.mark.parametrize("arguments", [[], ["-"]])
def test_a_pipe_and_nothing_heavy_is_imported(arguments: list[str]) -> None:
    code = (
        "import sys; from compatcheck.cli import main; code = main(['explain', '--json', *sys.argv[1:]]); "
        "heavy = {'torch', 'numpy', 'rich', 'jinja2', 'pypi_simple', 'psutil'} & set(sys.modules); "
        "print(sorted(heavy), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], input=CASE.text, capture_output=True, text=True)
    assert json.loads(done.stdout)["signature"] == "cache-layers-empty"
    assert done.stderr.strip() == "[]"


def test_a_missing_file_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(tmp_path / "none.log")]) == 2
    assert "none.log cannot be read: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("ModuleNotFoundError: No module named 'sklearn'", "python -m pip install scikit-learn"),
        ("ModuleNotFoundError: No module named 'optimum.gptq'", "python -m pip install optimum"),
        ("ModuleNotFoundError: No module named 'bert_score'", "python -m pip install bert_score"),
        ("AttributeError: module 'awq' has no attribute 'x_y'", "pip install -U autoawq"),
        ("ImportError: cannot import name 'DPOTrainer' from 'trl' (/e/trl/__init__.py)", "pip install -U trl"),
        ("AttributeError: 'tokenizers.AddedToken' object has no attribute 'x_y'", "pip install -U tokenizers"),
        ("ModuleNotFoundError: No module named 'trl.core'", 'pip install "trl<=0.24.0"'),  # no newer one has it
        ("Segmentation fault (core dumped)", "python -X faulthandler {script}"),
        (
            "ImportError: tqdm>=4.27,<5 is required for a normal functioning of this module, but found tqdm==4.20.0.",
            'pip install "tqdm>=4.27,<5"',
        ),
    ],
)
def test_a_command_names_what_the_text_names(line: str, command: str) -> None:
    told = explain(f"import transformers\n{line}\n")
    assert told.command == told.as_json()["command"] == command
    assert f"command    {command}" in told.as_text()


def test_what_a_shell_would_run_is_not_put_into_a_command() -> None:
    raised = Raised("ImportError", "", "x")
    signature = shipped_signature("build-needs-torch")
    assert signature is not None and "{package}" in signature.command
    for said, command in (
        ("flash_attn", "flash_attn"), ("a; rm -rf x", "{package}"), ("$(x)", "{package}"), ("a>b", "{package}"),
    ):  # fmt: skip
        told = Explanation(Diagnosis(signature.id, None, raised, {"package": said}), signature)
        assert told.command == signature.command.replace("{package}", command)
