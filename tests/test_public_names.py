"""`import compatcheck`: light, whole, and with every public name where it says."""

from __future__ import annotations

import doctest
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import compatcheck

LIMIT = 0.060
"""Seconds."""


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


def test_importing_takes_no_time() -> None:
    code = "import time; start = time.perf_counter(); import compatcheck; print(time.perf_counter() - start)"
    runs = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(5)
    ]
    assert min(runs) <= LIMIT, runs
