"""`import compatcheck`: light, whole, and with every public name where it says."""

from __future__ import annotations

import doctest
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import compatcheck

HEAVY = {"torch", "transformers", "peft", "numpy", "rich", "requests", "jinja2", "pandas"}
CODE_PATH = f"import sys; sys.path.insert(0, {str(Path(compatcheck.__file__).parent.parent)!r}); "


def test_every_public_name_is_there_and_is_what_type_checkers_see() -> None:
    assert sorted(set(compatcheck._HOMES) | {"__version__"}) == sorted(compatcheck.__all__)
    for name in compatcheck.__all__:
        assert getattr(compatcheck, name) is not None
        assert name in dir(compatcheck)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        compatcheck.nothing  # noqa: B018


def test_no_module_hides_a_public_name() -> None:
    """Importing a module puts its name into the package: one of a public function's name would take its place."""
    code = (
        "import importlib, pkgutil, compatcheck\n"
        "for home in set(compatcheck._HOMES.values()):\n"
        "    importlib.import_module('compatcheck.' + home)\n"
        "print([name for name in compatcheck._HOMES if type(getattr(compatcheck, name)).__name__ == 'module'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("home", sorted(set(compatcheck._HOMES.values())))
def test_the_examples_in_the_docstrings_are_true(home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where there is no store: the shipped table alone answers
    monkeypatch.delenv("COMPATCHECK_STORE", raising=False)
    found = doctest.testmod(importlib.import_module(f"compatcheck.{home}"))
    assert found.failed == 0
    if home in ("verdict", "recommendation", "request", "shipped", "known"):
        assert found.attempted > 0


def test_importing_reads_one_small_file_and_typing() -> None:
    """What `import compatcheck` adds to an interpreter: itself, and a handful of the standard library. How long it
    takes is measured in benchmarks/import_and_lookup.md."""
    code = "import sys; before = set(sys.modules); import compatcheck; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", CODE_PATH + code], capture_output=True, text=True, check=True
    )
    added = done.stdout.split()
    assert [name for name in added if name.startswith("compatcheck")] == ["compatcheck"]
    others = {name.partition(".")[0] for name in added} - {"compatcheck"}
    assert others <= set(sys.stdlib_module_names) and len(added) <= 40, added


@pytest.mark.parametrize(
    "asked",
    [
        "compatcheck",
        "compatcheck.lookup({'torch': '2.6.0', 'transformers': '4.49.0', 'peft': '0.15.2'})",
        "compatcheck.recommend({'torch': '2.6.0'})",
    ],
)
def test_neither_importing_nor_asking_imports_what_it_is_about(asked: str, tmp_path: Path) -> None:
    """Though it is there: planted packages that must not be touched."""
    for name in HEAVY:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')")
    code = f"import sys, compatcheck; {asked}; print(sorted({HEAVY!r} & set(sys.modules)))"
    path = os.pathsep.join([str(tmp_path), str(Path(compatcheck.__file__).parent.parent)])
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0 and done.stdout.strip() == "[]", done.stdout + done.stderr


def test_a_type_checker_sees_what_a_downstream_file_uses(tmp_path: Path) -> None:
    """As mypy sees the package where it is installed: py.typed, and types for every name."""
    shutil.copy(Path(__file__).parent / "downstream" / "typed.py", tmp_path)
    wrong = "import compatcheck\ncompatcheck.lookup(3)\nreveal_type(compatcheck.check_environment().status)\n"
    (tmp_path / "wrong.py").write_text(wrong)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "typed.py", "wrong.py"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert len(lines) == 1 and lines[0].startswith("wrong.py:2: error: Argument 1"), done.stdout + done.stderr
    assert 'Revealed type is "compatcheck.verdict.Standing"' in done.stdout
