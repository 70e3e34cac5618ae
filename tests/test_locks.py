"""The lock files that people have, read as they mean them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from compatcheck.errors import InputError
from compatcheck.locks import read_lock


def written(folder: Path, text: str, name: str = "requirements.txt") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_requirements_as_pip_and_uv_write_them(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """\
# made by uv
--index-url https://example.org/simple
torch==2.6.0+cpu ; sys_platform == "SYSTEM"
NumPy==1.26.4 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via torch
typing_extensions==4.12.2  # via torch
pywin32==306 ; sys_platform == "cp/m"
uvloop[dev]==0.21.0
""".replace("SYSTEM", sys.platform),
    )
    lock = read_lock(path, "3.11")
    assert lock.versions == {
        "numpy": "1.26.4", "torch": "2.6.0+cpu", "typing-extensions": "4.12.2", "uvloop": "0.21.0",
    }  # fmt: skip
    assert lock.left_out == ()


def test_pip_freeze_names_what_no_index_has(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "peft==0.15.2\n-e git+https://example.org/mine@abc#egg=mine\nwheel @ file:///somewhere/wheel.whl\n"
        "-e /home/me/other\n",
    )
    lock = read_lock(path, "3.11")
    assert lock.versions == {"peft": "0.15.2"}
    assert len(lock.left_out) == 3 and lock.left_out[1].startswith("wheel @")


def test_included_files_are_read_once(tmp_path: Path) -> None:
    written(tmp_path, "-r requirements.txt\nnumpy==2.0.0\n", "base.txt")
    lock = read_lock(written(tmp_path, "-r base.txt\npeft==0.15.2\n"), "3.11")
    assert lock.versions == {"numpy": "2.0.0", "peft": "0.15.2"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("numpy>=1.26\n", "line 1: 'numpy>=1.26' is not pinned"),
        ("peft==0.15.2\nnumpy==1.*\n", "line 2: 'numpy==1.*' is not pinned"),
        ("numpy==1.0\nNumpy==2.0\n", "line 2: numpy is pinned twice, to 1.0 and 2.0"),
        ("numpy=1.0\n", "line 1: "),
        ("# nothing\n", "it pins nothing"),
    ],
)
def test_what_pins_nothing_is_refused_with_its_line(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        read_lock(written(tmp_path, text), "3.11")
    assert problem in caught.value.what


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_lock(tmp_path / "none.txt", "3.11")


PYLOCK = """\
lock-version = "1.0"
created-by = "a test"

[[packages]]
name = "peft"
version = "0.15.2"
wheels = [{ url = "https://example.org/peft-0.15.2-py3-none-any.whl", hashes = { sha256 = "aa" } }]

[[packages]]
name = "tomli"
version = "2.0.1"
marker = "python_version < '3.11'"
wheels = [{ url = "https://example.org/tomli-2.0.1-py3-none-any.whl", hashes = { sha256 = "bb" } }]

[[packages]]
name = "mine"
directory = { path = "." }
"""


def test_pylock_with_markers_for_the_python_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, PYLOCK, "pylock.toml")
    assert read_lock(path, "3.11").versions == {"peft": "0.15.2"}
    assert read_lock(path, "3.10").versions == {"peft": "0.15.2", "tomli": "2.0.1"}
    assert read_lock(path, "3.11").left_out == ("mine",)


UV = """\
version = 1
requires-python = ">=3.10"

[[package]]
name = "mine"
version = "0.1.0"
source = { virtual = "." }
dependencies = [
    { name = "peft" },
    { name = "pywin32", marker = "sys_platform == 'cp/m'" },
    { name = "numpy", version = "1.26.4", source = { registry = "x" }, marker = "python_full_version < '3.11'" },
    { name = "numpy", version = "2.2.0", source = { registry = "x" }, marker = "python_full_version >= '3.11'" },
    { name = "fork" },
]

[[package]]
name = "fork"
version = "9"
source = { git = "https://example.org/fork" }

[[package]]
name = "peft"
version = "0.15.2"
source = { registry = "https://example.org/simple" }
dependencies = [{ name = "hub", extra = ["fast"] }]

[[package]]
name = "hub"
version = "0.30.0"
source = { registry = "https://example.org/simple" }
[package.optional-dependencies]
fast = [{ name = "xet" }]
slow = [{ name = "snail" }]

[[package]]
name = "xet"
version = "1.0"
source = { registry = "https://example.org/simple" }

[[package]]
name = "snail"
version = "1.0"
source = { registry = "https://example.org/simple" }

[[package]]
name = "numpy"
version = "1.26.4"
source = { registry = "https://example.org/simple" }

[[package]]
name = "numpy"
version = "2.2.0"
source = { registry = "https://example.org/simple" }

[[package]]
name = "pywin32"
version = "306"
source = { registry = "https://example.org/simple" }
"""


def test_uv_lock_holds_what_the_project_needs_here_and_no_more(tmp_path: Path) -> None:
    path = written(tmp_path, UV, "uv.lock")
    lock = read_lock(path, "3.12")
    assert lock.versions == {"hub": "0.30.0", "numpy": "2.2.0", "peft": "0.15.2", "xet": "1.0"}
    assert read_lock(path, "3.10").versions["numpy"] == "1.26.4"
    assert lock.left_out == ("fork (git)",)


def test_another_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"neither a pylock\.toml nor a uv\.lock"):
        read_lock(written(tmp_path, "[project]\nname = 'mine'\n", "pyproject.toml"), "3.11")
