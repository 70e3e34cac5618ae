"""Requirements, pyproject.toml and lock files, read line by line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compatcheck.errors import InputError
from compatcheck.lock_files import is_lock, read_lock
from compatcheck.requirement_files import marker_environment, read_requirements, read_sections
from compatcheck.requirement_lines import exact_version


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
        ("thing", "", 13, False),
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


def test_the_environment_is_put_in_as_pip_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEFT_VERSION", "0.12.0")
    (tmp_path / "r.txt").write_text("peft==${PEFT_VERSION}\n--index-url https://${NO_SUCH_TOKEN}@host/simple\n")
    assert wanted(tmp_path / "r.txt") == [("peft", "==0.12.0", 1, False)]


def test_a_pyproject_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text('[project]\nname = "x"\ndependencies = ["peft>=0.12"]\n', encoding="utf-8-sig")
    assert wanted(path) == [("peft", ">=0.12", 3, False)]
    (tmp_path / "uv.lock").write_text('[[package]]\nname = "peft"\nversion = "0.12.0"\n', encoding="utf-8-sig")
    assert [(each.name, each.version, each.line) for each in read_lock(tmp_path / "uv.lock")] == [("peft", "0.12.0", 2)]


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_another_coding_is_refused_by_its_name(coding: str, tmp_path: Path) -> None:
    """TOML is UTF-8; and UTF-16 without a mark cannot be told from something that is no text at all."""
    name = "pyproject.toml" if coding == "utf-16" else "r.txt"
    (tmp_path / name).write_bytes("peft==0.12.0\r\n".encode(coding))
    with pytest.raises(InputError, match="UTF-16") as caught:
        read_requirements(tmp_path / name)
    assert caught.value.remedy == "Save it as UTF-8."


@pytest.mark.parametrize("coding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_says_the_coding(coding: str, tmp_path: Path) -> None:
    """`pip freeze > requirements.txt` in PowerShell writes UTF-16."""
    (tmp_path / "r.txt").write_bytes("peft==0.12.0\r\n".encode(coding))
    assert wanted(tmp_path / "r.txt") == [("peft", "==0.12.0", 1, False)]


@pytest.mark.parametrize(
    ("line", "name", "specifier", "address"),
    [
        ("torch==2.6.0+cu124", "torch", "==2.6.0", ""),
        ("torch===2.6.0+cu124", "torch", "==2.6.0", ""),
        ("torch @ https://host/whl/torch-2.6.0%2Bcpu-cp311-cp311-linux_x86_64.whl", "torch", "==2.6.0", ""),
        ("https://host/whl/torch-2.6.0%2Bcpu-cp311-cp311-linux_x86_64.whl", "torch", "==2.6.0", ""),
        ("./wheels/peft-0.12.0-py3-none-any.whl", "peft", "==0.12.0", ""),
        ("peft-0.12.0.tar.gz", "peft", "==0.12.0", ""),
        ("git+https://github.com/huggingface/peft.git@main", "peft", "", "git+https://github.com/huggingface/peft.git@main"),
        ("git+https://github.com/me/fork#egg=peft", "peft", "", "git+https://github.com/me/fork#egg=peft"),
        ("-e git+https://github.com/me/fork#egg=peft", "peft", "", "git+https://github.com/me/fork#egg=peft"),
        ("-e ../peft", "peft", "", "../peft"),
        ("https://github.com/huggingface/transformers/archive/main.zip", "transformers", "",
         "https://github.com/huggingface/transformers/archive/main.zip"),
    ],
)  # fmt: skip
def test_whose_an_address_is_and_which_release_a_build_is_of(
    line: str, name: str, specifier: str, address: str, tmp_path: Path
) -> None:
    (tmp_path / "r.txt").write_text(line)
    (found,) = read_requirements(tmp_path / "r.txt")
    assert (found.name, str(found.specifier), found.address) == (name, specifier, address)


PROJECT = """
[project]
name = "prompted"
dependencies = ["torch>=2.5", "accelerate"]

[project.optional-dependencies]
Train = ["peft>=0.12", "transformers<5; python_version < '3.20'", "trl; python_version < '3'"]
all = ["prompted[train]", "numpy"]

[dependency-groups]
test = ["pytest", {include-group = "old"}]
old = ["peft==0.10.0"]

[tool.uv]
constraint-dependencies = ["tokenizers<0.22"]

[tool.poetry.group.docs.dependencies]
transformers = [{ version = "^4.44", python = "<3.9" }, { version = "^5", python = ">=3.9" }]
"""


def test_extras_and_groups_are_sections_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(PROJECT)
    sections = read_sections(path)
    told = {name: [str(each.requirement).partition(";")[0] for each in wants] for name, wants in sections.items()}
    assert told == {
        "": ["torch>=2.5", "accelerate", "tokenizers<0.22"],
        "extra Train": ["peft>=0.12", "transformers<5"],
        "extra all": ["peft>=0.12", "transformers<5", "numpy"],
        "group test": ["pytest", "peft==0.10.0"],
        "group old": ["peft==0.10.0"],
        "group docs": ["transformers<6,>=5"],
    }
    lines = PROJECT.splitlines()
    assert all(each.name in lines[each.line - 1] for wants in sections.values() for each in wants)
    assert [each.constraint for each in sections[""]] == [False, False, True]
    chosen = read_requirements(path, extras=["train"], groups=["old"])
    assert [each.name for each in chosen] == ["torch", "accelerate", "tokenizers", "peft", "transformers", "peft"]
    for wrong in ({"extras": ["nothing"]}, {"groups": ["train"]}):
        with pytest.raises(InputError, match=r"has no (extra nothing|group train) \(it has: extra Train"):
            read_requirements(path, **wrong)


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
        ('{ version = "^0.12", python = "^3.8", markers = "sys_platform != \'plan9\'" }', "<0.13,>=0.12"),
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
        ("r.txt", f"peft=={'9' * 5000}\n", "line 1: 5006 characters are no requirement"),
        ("r.txt", "-r nowhere.txt\n", "nowhere.txt: no such file"),
        ("r.txt", "\udcff", "cannot be read"),
        ("pyproject.toml", "project = 3\n", "project: not a table"),
        ("pyproject.toml", "[dependency-groups]\ndev = 3\n", "dependency-groups.dev: "),
        ("pyproject.toml", "[dependency-groups]\na = [{include-group = 'b'}]\nb = [{include-group = 'a'}]\n", "a: "),
        ("pyproject.toml", "[project.optional-dependencies]\ntrain = 'peft'\n", "train: not a list of strings"),
        ("r.txt", "-r https://host/r.txt\n", "line 1: includes https://host/r.txt, and nothing is fetched"),
        ("r.txt", "ok\npeft==${NO_SUCH_VERSION}\n", "line 2: the environment variable NO_SUCH_VERSION is not set"),
        ("r.txt", "\udcff\udcfe\udcff", "cannot be read"),
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


@pytest.mark.parametrize("name", ["setup.py", "setup.cfg", "Pipfile", "Dockerfile", "train.Dockerfile"])
def test_a_file_of_another_form_is_told_from_a_mistake(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("[packages]\nname: x\n")
    with pytest.raises(InputError) as caught:
        read_requirements(tmp_path / name)
    assert "This is no requirements file" in caught.value.remedy


@pytest.mark.parametrize("first", ["", "#!/usr/bin/env pip\n"])
def test_a_comment_names_the_encoding_as_for_pip(first: str, tmp_path: Path) -> None:
    path = tmp_path / "r.txt"
    path.write_bytes(f"{first}# -*- coding: latin-1 -*-\npeft # caf\u00e9\n".encode("latin-1"))
    assert [each.name for each in read_requirements(path)] == ["peft"]
    path.write_bytes(b"# coding: none-such\npeft\n")
    with pytest.raises(InputError, match="unknown encoding: none-such"):
        read_requirements(path)


UV = '[[package]]\nname = "peft"\nversion = "{}"\nresolution-markers = ["python_full_version {} \'3.12\'"]\n'


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("uv.lock", UV.format("0.12.0", "<") + UV.format("0.20.0", ">=")),
        ("poetry.lock", '[[package]]\nname = "peft"\nversion = "0.12.0"\nmarkers = "python_version < \'3.12\'"\n'
         '[[package]]\nname = "peft"\nversion = "0.20.0"\nmarkers = {main = "python_version >= \'3.12\'"}\n'),
        ("pylock.toml", '[[packages]]\nname = "peft"\nversion = "0.12.0"\nmarker = "python_version < \'3.12\'"\n'
         '[[packages]]\nname = "peft"\nversion = "0.20.0"\nmarker = "python_version >= \'3.12\'"\n'),
        ("pdm.lock", '[[package]]\nname = "peft"\nversion = "0.12.0"\nmarker = "python_version < \'3.12\'"\n'
         '[[package]]\nname = "peft"\nversion = "0.20.0"\nmarker = "python_version >= \'3.12\'"\n'),
        ("pins.txt", "peft==0.12.0; python_version < '3.12'\npeft==0.20.0; python_version >= '3.12'\n"),
    ],
)  # fmt: skip
def test_a_lock_is_read_for_the_python_that_is_asked_about(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    found = [[each.version for each in read_lock(tmp_path / name, marker_environment(v))] for v in ("3.11", "3.12")]
    assert found == [["0.12.0"], ["0.20.0"]]


def test_a_freeze_may_hold_projects_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "freeze.txt").write_text(
        "-e git+https://host/own@abc#egg=own\nother @ file:///home/me/other\npeft==0.12.0\ntorch==2.6.0+cu124\n"
    )
    assert [(each.name, each.version) for each in read_lock(tmp_path / "freeze.txt")] == [
        ("peft", "0.12.0"),
        ("torch", "2.6.0+cu124"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("pins.txt", "peft @ git+https://host/peft@abc\n", "line 1: peft comes from git+https://host/peft@abc, which"),
        ("uv.lock", "version = 1\n", "names no packages"),
        ("uv.lock", '[[package]]\nname = "peft"\nversion = "newest"\n', "'newest' is not a version"),
        ("uv.lock", "half a", "not TOML"),
        ("Pipfile.lock", "[]", "not a Pipfile.lock"),
        ("uv.lock", f'[[package]]\nname = "peft"\nversion = "{"9" * 5000}"\n', "peft: '999"),
        ("pins.txt", "peft>=0.12\n", "line 1: peft>=0.12 is not pinned"),
    ],
)
def test_bad_locks_give_one_line(name: str, text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as caught:
        read_lock(tmp_path / name)
    assert said in caught.value.what and "\n" not in caught.value.what
