"""What a pyproject.toml asks for: dependencies, extras, groups (PEP 735), Poetry's own tables, uv's constraints."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.dependency_groups import resolve_dependency_groups
from packaging.errors import ExceptionGroup
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from .errors import InputError
from .parse import toml
from .requirement_lines import REMEDY, Wanted, requirement_of, text_of

MAIN = ""
"""The section that is always installed. The others are named `extra NAME` and `group NAME`."""


def wanted_sections(path: Path) -> dict[str, tuple[Wanted, ...]]:
    """The requirements of a pyproject.toml by section, markers not judged yet. Raises InputError."""
    text, told = text_of(path), toml(path, REMEDY)
    project = _table(told, "project", path)
    found: dict[str, list[Wanted]] = {MAIN: []}

    def add(section: str, lines: Iterable[str], after: str = "", constraint: bool = False) -> None:
        start = max(0, text.find(after))
        for each in lines:
            number = _line_of(text, each, start)
            if wanted := requirement_of(each, path, number):
                found.setdefault(section, []).append(Wanted(wanted, path, number, constraint))

    add(MAIN, _texts(project.get("dependencies", []), "project.dependencies", path))
    extras = _extras(project, path)
    for name in extras:
        add(f"extra {name}", _flattened(name, extras, project), "[project.optional-dependencies]")
    groups = _table(told, "dependency-groups", path)
    for name in groups:
        add(f"group {name}", _group(groups, name, path), "[dependency-groups]")
    tool = _table(told, "tool", path)
    constraints = _table(tool, "uv", path).get("constraint-dependencies", [])
    add(MAIN, _texts(constraints, "tool.uv.constraint-dependencies", path), "constraint-dependencies", constraint=True)
    for section, place, wishes in _poetry(_table(tool, "poetry", path), path):
        for name, wish in wishes.items():
            line = next(iter(re.finditer(rf"^\s*{re.escape(name)}\s*=", text, re.MULTILINE)), None)
            for each in wish if isinstance(wish, list) else [wish]:
                wanted = _poetry_requirement(name, each, f"{place}.{name}", path)
                number = text.count("\n", 0, line.end()) + 1 if line else 1
                found.setdefault(section, []).append(Wanted(wanted, path, number))
    return {section: tuple(each) for section, each in found.items()}


def requires_python(path: Path) -> SpecifierSet | None:
    """The Pythons that a pyproject.toml is for; None where it does not say. Raises InputError."""
    told = _table(toml(path, REMEDY), "project", path).get("requires-python")
    if told is None:
        return None
    try:
        return SpecifierSet(told)
    except (InvalidSpecifier, TypeError):
        raise InputError(str(path), [f"project.requires-python: {told!r} is not a range of versions"]) from None


def _table(told: Mapping[str, Any], name: str, path: Path) -> dict[str, Any]:
    table = told.get(name, {})
    if not isinstance(table, dict):
        raise InputError(str(path), [f"{name}: not a table"], REMEDY)
    return table


def _texts(told: Any, where: str, path: Path) -> list[str]:
    if not isinstance(told, list) or not all(isinstance(each, str) for each in told):
        raise InputError(str(path), [f"{where}: not a list of strings"], REMEDY)
    return told


def _line_of(text: str, part: str, start: int) -> int:
    place = text.find(part, start)
    return text.count("\n", 0, place) + 1 if place >= 0 else 1


# ------------------------------------------------------------------ extras and groups


def _extras(project: Mapping[str, Any], path: Path) -> dict[str, list[str]]:
    told = _table(project, "optional-dependencies", path)
    return {name: _texts(told[name], f"project.optional-dependencies.{name}", path) for name in told}


def _flattened(
    name: str, extras: Mapping[str, Sequence[str]], project: Mapping[str, Any], seen: frozenset[str] = frozenset()
) -> list[str]:
    """The requirements of an extra; one that names the project itself stands for those of its other extras."""
    lines = []
    for line in extras[name]:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            lines.append(line)
            continue
        if canonicalize_name(requirement.name) != canonicalize_name(str(project.get("name", ""))):
            lines.append(line)
            continue
        for other in extras:
            if canonicalize_name(other) in map(canonicalize_name, requirement.extras) and other not in {*seen, name}:
                lines += _flattened(other, extras, project, seen | {name})
    return lines


def _group(groups: Mapping[str, Any], name: str, path: Path) -> tuple[str, ...]:
    try:
        return tuple(resolve_dependency_groups(groups, name))
    except (ExceptionGroup, ValueError, LookupError, TypeError) as error:
        causes = getattr(error, "exceptions", None)
        said = str(causes[0] if causes else error).splitlines()[0]
        raise InputError(str(path), [f"dependency-groups.{name}: {said}"], REMEDY) from None


# ------------------------------------------------------------------ Poetry


def _poetry(poetry: Mapping[str, Any], path: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Section, place and dependencies of Poetry's own tables."""
    for section, place, holder in (
        (MAIN, "tool.poetry.dependencies", poetry),
        *(
            (f"group {name}", f"tool.poetry.group.{name}.dependencies", _table(groups, name, path))
            for groups in [_table(poetry, "group", path)]
            for name in groups
        ),
    ):
        wishes = holder.get("dependencies", {})
        if not isinstance(wishes, dict):
            raise InputError(str(path), [f"{place}: not a table"], REMEDY)
        yield section, place, {name: wish for name, wish in wishes.items() if name != "python"}


def _poetry_requirement(name: str, wish: Any, where: str, path: Path) -> Requirement:
    """A wish as Poetry writes it, `{ version = "^0.12", python = "<3.12" }`, as a requirement."""
    told = wish if isinstance(wish, dict) else {"version": wish}
    try:
        markers = [f"python_version {each.operator} '{each.version}'" for each in _ranged(told.get("python", "*"))]
        markers += [f"({told['markers']})"] if "markers" in told else []
        marker = f" ; {' and '.join(markers)}" if markers else ""
        if address := told.get("git") or told.get("url") or told.get("path"):
            return Requirement(f"{name} @ {address}{marker}")
        return Requirement(f"{name}{_ranged(told.get('version', '*'))}{marker}")
    except (AttributeError, InvalidRequirement, InvalidSpecifier, InvalidVersion):
        raise InputError(str(path), [f"{where}: {wish!r} is not a version"], REMEDY) from None


def _ranged(text: str) -> SpecifierSet:
    """`^1.2`, `~1.2`, `*` and plain specifiers as a specifier."""
    return SpecifierSet(",".join(_poetry_part(each.strip()) for each in text.split(",")))


def _poetry_part(text: str) -> str:
    if text in ("", "*"):
        return ""
    if text[0] not in "^~" or text.startswith("~="):
        return f"=={text}" if text[0].isdigit() else text
    release = list(Version(text[1:]).release)
    kept = 1 if text[0] == "~" and len(release) > 1 else 0
    if text[0] == "^":
        # up to the first number that is not 0
        kept = next((place for place, number in enumerate(release) if number), len(release) - 1)
    above = [*release[:kept], release[kept] + 1]
    return f">={text[1:]},<{'.'.join(map(str, above))}"
