"""`compatcheck explain`: from a file or a pipe, in words or as data."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from log_corpus import FOLDER, read_case

from compatcheck.catalogues import shipped_signature
from compatcheck.cli import main
from compatcheck.domain import Diagnosis, Raised
from compatcheck.explanation import explain
from compatcheck.packed_log import texts_of, unpacked
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


PACKED = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}


@pytest.mark.parametrize("how", PACKED)
def test_a_compressed_log_is_read(how: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log"
    path.write_bytes(PACKED[how](CASE.text.encode()))
    assert main(["explain", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["signature"] == "cache-layers-empty" and told["line"] == CASE.line


def archive(path: Path, **members: str | bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in members.items():
            made.writestr(name, text)
    return path


def test_an_archive_of_a_runs_logs_is_read_once_and_in_order(tmp_path: Path) -> None:
    log = "".join(f"2024-08-06T12:00:00.1234567Z {line}\n" for line in CASE.text.splitlines())
    later = read_case(FOLDER / "import-cache-class-missing.txt")
    members = {"10_late.txt": later.text, "2_test.txt": log, "test/3_Run tests.txt": log, "plot.png": b"\x89PNG\0\0"}
    path = archive(tmp_path / "logs.zip", **members)
    words = [sys.executable, "-m", "compatcheck", "explain", "--json"]
    asked = subprocess.run([*words, str(path)], capture_output=True, text=True, check=True)
    assert asked.stderr == "compatcheck: read one after the other: 2_test.txt, 10_late.txt\n"
    told = json.loads(asked.stdout)
    assert told["signature"] == later.expect and told["line"] == len(log.splitlines()) + 1 + later.line
    assert [each["signature"] for each in told["others"]] == ["cache-layers-empty"]
    piped = subprocess.run(words, input=path.read_bytes(), capture_output=True, check=True)
    assert json.loads(piped.stdout) == told


def test_an_archives_files_are_read_each_by_its_own_encoding(tmp_path: Path) -> None:
    later = read_case(FOLDER / "import-cache-class-missing.txt")
    path = archive(tmp_path / "logs.zip", **{"1.log": CASE.text.encode("utf-16"), "2.log": later.text})
    with path.open("rb") as stream:
        text, members = unpacked(stream)
        assert members == ["1.log", "2.log"]
        assert text.read().decode() == f"{CASE.text}\n{later.text}\n"


def test_parts_of_a_job_without_its_whole_are_all_read(tmp_path: Path) -> None:
    names = ["a/", "a/2_y.txt", "./c.log", "a/10_x.txt", "0_b.txt", "b/1_z.txt"]
    assert texts_of(names) == ["0_b.txt", "./c.log", "a/2_y.txt", "a/10_x.txt"]


NO_TEXTS = {
    "none of its 2 files is a text": {"a.png": b"\x89PNG\0\0", "b/core": b"\x7fELF\0"},
    "it holds no file": {},
}


@pytest.mark.parametrize("why", NO_TEXTS)
def test_an_archive_without_a_log_is_said(why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = archive(tmp_path / "logs.zip", **NO_TEXTS[why])
    assert main(["explain", str(path)]) == 2
    assert f"{path} cannot be unpacked: {why}" in capsys.readouterr().err


DAMAGED = {
    "zip": b"PK\x03\x04 no archive",
    "gzip": gzip.compress(b"x" * 9999, mtime=0)[:30],
    "xz": b"\xfd7zXZ\x00cut",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_an_archive_that_is_damaged_is_said(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "logs.zip"
    path.write_bytes(content)
    assert main(["explain", str(path)]) == 2
    assert f"{path} cannot be unpacked: " in capsys.readouterr().err


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
        ("ModuleNotFoundError: No module named 'trl.environment'", 'pip install "trl>=0.7.11,<=0.20.0"'),  # not newer
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
