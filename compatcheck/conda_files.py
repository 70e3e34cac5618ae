"""What a conda environment.yml asks for: its own packages in conda's words, and those that pip puts beside them.

Conda has torch under the name of pytorch. A build of a release counts as the release, as everywhere here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from .domain import CORE
from .errors import InputError
from .requirement_lines import OTHER_FORMAT, REMEDY, Wanted, text_of, wanted_of

PYTHON = "python"
NAMES = {"pytorch": "torch", "pytorch-cpu": "torch", "pytorch-gpu": "torch"}
"""Conda's names of what is called otherwise on the package index; the last two bring pytorch in the same version."""

_SPEC = re.compile(r"(?P<name>[\w.-]+)\s*(?:\[(?P<keys>[^\]]*)\]|(?P<rest>.*))")
_KEY = re.compile(r"(\w+)\s*=\s*(?:'([^']*)'|\"([^\"]*)\"|([^,\s]+))")
_PART = re.compile(r"(?P<operator>===?|!=|>=|<=|~=|=|>|<)?\s*(?P<version>[^\s=]+)")


@dataclass(frozen=True)
class CondaFile:
    """An environment.yml."""

    wanted: tuple[Wanted, ...]
    """Conda's packages, torch under that name, and all that pip puts beside them."""
    python: SpecifierSet | None
    """What it asks of Python; None where it says nothing."""


def read_conda(path: Path) -> CondaFile:
    """The dependencies of an environment.yml, markers not judged yet. Raises InputError."""
    wanted: list[Wanted] = []
    python = None
    for item in _dependencies(path):
        line = item.start_mark.line + 1
        if isinstance(item, yaml.ScalarNode):
            name, specifier = conda_spec(item.value, path, line)
            if name == PYTHON:
                python = specifier
            elif requirement := _requirement(name, specifier):
                wanted.append(Wanted(requirement, path, line, conda=True))
        elif isinstance(item, yaml.MappingNode):
            for key, lines in item.value:
                if key.value == "pip" and isinstance(lines, yaml.SequenceNode):
                    wanted += _of_pip(path, lines)
    return CondaFile(tuple(wanted), python)


def _dependencies(path: Path) -> list[Any]:
    try:
        # nodes, not values: they know their lines, and `python=3.10` stays a text
        document = yaml.compose(text_of(path), Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise InputError(str(path), [f"not YAML: {_one_line(error)}"], REMEDY) from None
    except RecursionError:
        raise InputError(str(path), ["is nested too deep"], REMEDY) from None
    if isinstance(document, yaml.MappingNode):
        for key, value in document.value:
            if key.value == "dependencies" and isinstance(value, yaml.SequenceNode):
                return list(value.value)
    raise InputError(str(path), ["has no list of dependencies: no environment.yml of conda's"], OTHER_FORMAT)


def _one_line(error: yaml.YAMLError) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    return f"{problem} in line {mark.line + 1}" if mark and problem else " ".join(str(error).split())


def _of_pip(path: Path, lines: yaml.SequenceNode) -> Iterator[Wanted]:
    for line in lines.value:
        if isinstance(line, yaml.ScalarNode):
            yield from wanted_of(line.value, path, first=line.start_mark.line + 1)


def _requirement(name: str, specifier: SpecifierSet) -> Requirement | None:
    """As a requirement; None for a name that nothing on the package index can have, `_libgcc_mutex`."""
    try:
        return Requirement(f"{name}{specifier}")
    except InvalidRequirement:
        return None


# ------------------------------------------------------------------ conda's words


def conda_spec(text: str, path: Path, line: int) -> tuple[str, SpecifierSet]:
    """`pytorch::pytorch=2.6.0=py3.11_0` as `torch` and `==2.6.0`. Raises InputError.

    Of anything but the three and Python a version that is none on the package index, `openssl=1.1.1w`, says nothing.
    """
    told = text.rsplit("::", 1)[-1].strip()
    found = _SPEC.fullmatch(told)
    if found is None:
        raise InputError(str(path), [f"line {line}: {text[:80]!r} is not a dependency of conda's"], REMEDY)
    name = str(canonicalize_name(found["name"]))
    name = NAMES.get(name, name)
    try:
        return name, _specifier(found["rest"] or "", found["keys"] or "")
    except InvalidSpecifier:
        if name not in (*CORE, PYTHON):
            return name, SpecifierSet()
    problem = f"line {line}: {text[:80]!r}: its version is not read"
    if "|" in told:
        problem = f"line {line}: {text[:80]!r} names alternatives (|), which are not judged together"
    raise InputError(str(path), [problem], "Write one version or range, as in pytorch=2.6.0 or 'pytorch>=2.5,<3'.")


def _specifier(rest: str, keys: str) -> SpecifierSet:
    """What stands behind the name: `=2.6`, `=2.6.0=build`, ` 2.6.0 build`, `>=2.5,<3`, `[version='>=2.5']`."""
    told = {key: single or double or bare for key, single, double, bare in _KEY.findall(keys)}
    whole = told.get("version", rest).strip()
    exact = re.fullmatch(r"={0,2}\s*([^\s=<>!~,|]+)(?:\s*=\s*|\s+)[^\s=<>!~,|]+", whole)
    if exact:  # a build names the version before it, and not a series
        return SpecifierSet(_part("==", exact[1]))
    parts = []
    for each in whole.split(","):
        found = _PART.fullmatch(each.strip())
        if found:
            parts.append(_part(found["operator"] or "==", found["version"]))
        elif each.strip():
            raise InvalidSpecifier(each)
    return SpecifierSet(",".join(part for part in parts if part))


def _part(operator: str, version: str) -> str:
    """One part in the package index's words. `=2.6` is a series, as `2.6.*` and `2.6*` are; `=2.6.0` a release."""
    if version == "*":
        return ""
    series = version.endswith("*")
    bare = version.removesuffix("*").removesuffix(".")
    if operator == "=":
        series = series or bare.count(".") < 2
        operator = "=="
    return f"{operator}{bare}{'.*' if series and operator in ('==', '!=') else ''}"
