"""Reads what Python's library has, from the interpreters of this machine and from typeshed's stubs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from . import library_names
from .errors import InputError
from .machine import interpreter
from .python_library import PythonLibrary, gathered
from .python_stubs import Release, Stubs, differing, moved_on

TIMEOUT = 300
"""Seconds that one interpreter may take to import its library."""

Modules = Mapping[str, Sequence[str]]


def library_here(
    pythons: Sequence[str], stubs: Path, newer: Sequence[str], said: Callable[[str], None]
) -> PythonLibrary:
    """The table of `pythons` (`3.11`), oldest first, and of the `newer` releases that only the stubs know. What Windows
    lacks is the stubs' word on the newest Python here.

    Raises InterpreterMissing, and InputError where the folder holds no stubs.
    """
    if not (stubs / "VERSIONS").is_file():
        raise InputError(str(stubs), ["no stubs of Python's library in it"], "Give typeshed's folder stdlib.")
    listed = [_names_in(python, {}, said) for python in pythons]
    every: dict[str, set[str]] = {}
    for modules in listed:
        for module, names in modules.items():
            every.setdefault(module, set()).update(names)
    asked = {module: sorted(names) for module, names in every.items()}
    read: list[tuple[str, Modules]] = [(python, _names_in(python, asked, said)) for python in pythons]
    told = Stubs(stubs)
    last = _release(pythons[-1])
    before = there = told.modules(last, "linux")
    for python in newer:
        after = told.modules(_release(python), "linux")
        read.append((python, moved_on(read[-1][1], before, after)))
        before = after
    return gathered(read, differing(there, told.modules(last, "win32")))


def _release(python: str) -> Release:
    major, minor = python.split(".")
    return int(major), int(minor)


def _names_in(python: str, asked: Modules, said: Callable[[str], None]) -> Modules:
    """Every module of an interpreter's library, with the names that it lists and those asked ones that it has."""
    command = [str(interpreter(python)), "-E", "-s", library_names.__file__]
    answer = subprocess.run(
        command, input=json.dumps(asked), capture_output=True, text=True, timeout=TIMEOUT, check=True
    )
    modules: Modules = json.loads(answer.stdout)["modules"]
    said(f"Python {python}: {len(modules)} modules")
    return modules
