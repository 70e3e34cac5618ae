"""Requirements, pyproject.toml and lock files, read line by line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compatcheck.errors import InputError
from compatcheck.requirement_files import exact_version, is_lock, marker_environment, read_lock, read_requirements


def wanted(path: Path, **environment: str) -> list[tuple[str, str, int, bool]]:
    found = read_requirements(path, environment or None)
    return [(each.name, str(each.requirement.specifier), each.line, each.constraint) for each in found]


def test_requirements_are_read_as_pip_reads_them(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "base.txt").write_text("numpy<3\n-c ../held.txt\n")
    (tmp_path / "held.txt").write_text("torch==2.6.0\n")
    path = tmp_path / "requirements.txt"
    path.write_text(
        "\ufeff# a comment\n"
        "--index-url https://index.example/simple\n"
        "-r more/base.txt\n"
        "peft >= 0.12, \\\n    < 0.20   # with a comment\n"
        "\n"
        "Transformers[torch]~=4.44 ; python_version >= '3.8'\n"
        "accelerate==1.0; python_version < '3'\n"
        "safetensors==0.4.5 --hash=sha256:abc \\\n  --hash=sha256:def\n"
        "-e .\n./wheels/thing.whl\ngit+https://github.com/some/thing#egg=thing\nhttps://host/x.whl\n"
    )
    assert wanted(path) == [
        ("numpy", "<3", 1, False),
        ("torch", "==2.6.0", 1, True),
        ("peft", "<0.20,>=0.12", 4, False),
        ("transformers", "~=4.44", 7, False),
        ("safetensors", "==0.4.5", 9, False),
    ]


def test_markers_are_judged_for_the_python_that_is_asked_about(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text("peft<0.13; python_version < '3.12'\npeft>=0.13; python_version >= '3.12'\n")
    told = [
        [str(each.requirement.specifier) for each in read_requirements(path, marker_environment(version))]
        for version in ("3.11", "3.12")
    ]
    assert told == [["<0.13"], [">=0.13"]]


def test_a_pyproject_is_read_with_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text('[project]\nname = "x"\ndependencies = [\n  "torch",\n  "peft>=0.12",\n]\n')
    assert wanted(path) == [("torch", "", 4, False), ("peft", ">=0.12", 5, False)]


@pytest.mark.parametrize(
    ("wish", "specifier"),
    [
        ('"^0.12"', "<0.13,>=0.12"),
        ('"^4.44.2"', "<5,>=4.44.2"),
        ('"^0.0.3"', "<0.0.4,>=0.0.3"),
        ('"~4.44"', "<4.45,>=4.44"),
        ('"~4"', "<5,>=4"),
        ('"~=4.44"', "~=4.44"),
        ('"4.44.2"', "==4.44.2"),
        ('">=4.44, <5"', "<5,>=4.44"),
        ('"*"', ""),
        ('{ version = "^5", extras = ["torch"] }', "<6,>=5"),
        ('{ git = "https://host/x" }', ""),
    ],
)
def test_poetrys_own_table_is_read(wish: str, specifier: str, tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(f'[tool.poetry.dependencies]\npython = "^3.11"\npeft = {wish}\n')
    assert wanted(path) == [("peft", specifier, 3, False)]


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("peft==0.12.0", "0.12.0"),
        ("peft===0.12.0", "0.12.0"),
        ("peft==0.12.*", None),
        ("peft>=0.12.0", None),
        ("torch @ https://host/cu124/torch-2.6.0%2Bcu124-cp311-cp311-linux_x86_64.whl", "2.6.0+cu124"),
        ("torch @ https://host/torch-2.6.0-cp311-cp311-linux_x86_64.whl#sha256=ab", "2.6.0"),
        ("torch @ git+https://github.com/pytorch/pytorch", None),
    ],
)
def test_exact_versions_are_told_from_ranges(line: str, version: str | None, tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text(line)
    assert exact_version(read_requirements(tmp_path / "r.txt")[0]) == version


LOCKS = {
    "uv.lock": 'version = 1\n\n[[package]]\nname = "peft"\nversion = "0.12.0"\n\n[[package]]\nname = "own"\n'
    'source = { editable = "." }\n\n[[package]]\nname = "torch"\nversion = "2.6.0"\n',
    "poetry.lock": '[[package]]\nname = "peft"\nversion = "0.12.0"\n\n\n\n\n\n[[package]]\nname = "torch"\n'
    'version = "2.6.0"\n',
    "pylock.toml": 'lock-version = "1.0"\n\n[[packages]]\nname = "peft"\nversion = "0.12.0"\n\n\n\n\n[[packages]]\n'
    'name = "torch"\nversion = "2.6.0"\n',
    "pinned.txt": "\n\npeft==0.12.0 \\\n   --hash=sha256:00\n\n\n\n\n\ntorch==2.6.0\n",
    "Pipfile.lock": json.dumps(
        {"default": {"peft": {"version": "==0.12.0"}, "torch": {"version": "==2.6.0"}}}, indent=1
    ),
}


@pytest.mark.parametrize("name", LOCKS)
def test_every_lock_format_is_read(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(LOCKS[name])
    found = read_lock(tmp_path / name)
    assert [(each.name, each.version) for each in found] == [("peft", "0.12.0"), ("torch", "2.6.0")]
    lines = LOCKS[name].splitlines()
    assert all(each.name in lines[each.line - 1] for each in found)
    assert is_lock(Path(name)) is (name != "pinned.txt")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("r.txt", "peft >>= 1\n", "line 1: 'peft >>= 1' is not a requirement"),
        ("r.txt", "ok\n-r r.txt\n", "includes itself"),
        ("r.txt", "-r nowhere.txt\n", "nowhere.txt: no such file"),
        ("r.txt", "\udcff", "cannot be read"),
        ("pyproject.toml", "project = 3\n", "not a list of strings"),
        ("pyproject.toml", "[tool.poetry.dependencies]\npeft = 3\n", "peft: 3 is not a version"),
        ("pyproject.toml", "[tool.poetry.dependencies]\npeft = '^new'\n", "peft: '^new' is not a version"),
        ("pyproject.toml", '[project]\ndependencies = "peft"\n', "not a list of strings"),
        ("pyproject.toml", "[project\n", "not TOML"),
    ],
)
def test_bad_requirements_give_one_line(name: str, text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError) as caught:
        read_requirements(tmp_path / name)
    assert said in caught.value.what and "\n" not in caught.value.what


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("uv.lock", "version = 1\n", "names no packages"),
        ("uv.lock", '[[package]]\nname = "peft"\nversion = "newest"\n', "'newest' is not a version"),
        ("uv.lock", "half a", "not TOML"),
        ("Pipfile.lock", "[]", "not a Pipfile.lock"),
        ("pins.txt", "peft>=0.12\n", "line 1: peft>=0.12 is not pinned"),
    ],
)
def test_bad_locks_give_one_line(name: str, text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as caught:
        read_lock(tmp_path / name)
    assert said in caught.value.what and "\n" not in caught.value.what
