"""Which versions an environment holds, told without importing them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from . import interpreter_facts
from .domain import CORE, listed
from .errors import UsageError
from .shipped import COMPANIONS


@dataclass(frozen=True)
class Installed:
    """The environment of one interpreter."""

    python: Path
    python_version: str
    """`3.11.7`"""
    packages: Mapping[str, str]
    """Every distribution with its version, as it says itself: `2.6.0+cu124`."""

    @property
    def python_minor(self) -> str:
        return ".".join(self.python_version.split(".")[:2])

    @property
    def core(self) -> dict[str, str]:
        """torch, transformers and peft, as far as they are there, without a local part (`+cu124`)."""
        return {name: self.packages[name].partition("+")[0] for name in CORE if name in self.packages}

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(name for name in CORE if name not in self.packages)

    @property
    def lacks(self) -> str:
        """`torch and peft are not installed`; empty where all three are."""
        return (
            f"{listed(self.missing)} {'is' if len(self.missing) == 1 else 'are'} not installed" if self.missing else ""
        )

    @property
    def named(self) -> str:
        """`torch 2.6.0, transformers 4.44.2, peft 0.12.0 on Python 3.11`"""
        return ", ".join(f"{name} {version}" for name, version in self.core.items()) + f" on Python {self.python_minor}"


def installed(python: Path | None = None) -> Installed:
    """What is installed beside `python`; None: beside this interpreter. Raises UsageError where it is no Python."""
    told = told_of(python)
    return Installed(Path(told["executable"]), str(told["version"]), told["packages"])


def told_of(python: Path | None) -> dict[str, Any]:
    """What interpreter_facts tells of `python`; None: of the interpreter that runs this. Raises UsageError."""
    if python is None:
        return interpreter_facts.facts()
    try:
        answer = subprocess.run(
            [python, "-I", interpreter_facts.__file__], capture_output=True, text=True, timeout=60, errors="replace"
        )
        told = json.loads(answer.stdout)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(
            f"{python} cannot be run: {getattr(error, 'strerror', None) or error}", "Name the python of an environment."
        ) from None
    except ValueError:
        told = None
    if not isinstance(told, dict) or "packages" not in told:
        raise UsageError(f"{python} is not a Python 3.8 or later", "Name the python of an environment.")
    return told


def installed_here() -> Installed:
    """What this process would import of the packages that a verdict rests on. Takes milliseconds."""
    packages = {}
    for name in (*CORE, *COMPANIONS):
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    version = ".".join(map(str, sys.version_info[:3]))
    return Installed(Path(sys.executable), version, packages)
