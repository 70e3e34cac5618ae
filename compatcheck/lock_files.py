"""What a project has locked: pylock.toml, uv.lock, poetry.lock, pdm.lock, Pipfile.lock and pinned requirements."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.markers import InvalidMarker, Marker, UndefinedEnvironmentName
from packaging.utils import canonicalize_name
from packaging.version import Version

from .domain import CORE
from .errors import InputError
from .parse import toml
from .requirement_lines import CONDA_SUFFIXES, REMEDY, Wanted, exact_version, text_of, wanted_lines


@dataclass(frozen=True)
class Locked:
    """One distribution of a lock file, and where it stands."""

    name: str
    version: str
    """Empty where it comes from an address that tells none."""
    line: int


def read_lock(path: Path, environment: dict[str, str] | None = None) -> tuple[Locked, ...]:
    """The distributions of a lock file that apply in `environment` (markers; None: this interpreter's).

    A name may stand in it several times, where extras or groups exclude each other. Raises InputError.
    """
    if path.suffix in CONDA_SUFFIXES:
        raise InputError(str(path), ["is no lock file"], "An environment.yml is judged by: compatcheck check -r FILE")
    text = text_of(path)
    if path.name == "Pipfile.lock":
        return tuple(_of_pipfile(path, text, environment))
    if path.suffix == ".toml" or path.name in ("uv.lock", "poetry.lock", "pdm.lock"):
        return tuple(_of_toml(path, text, environment))
    return tuple(_pinned(path, wanted_lines(path), environment))


def is_lock(path: Path) -> bool:
    """Whether a file's name is one that lock files have."""
    return path.name.endswith(".lock") or bool(re.fullmatch(r"pylock(?:\.[^.]+)?\.toml", path.name))


def _of_toml(path: Path, text: str, environment: dict[str, str] | None) -> Iterator[Locked]:
    told = toml(path, REMEDY)
    packages = told.get("packages", told.get("package"))
    if not isinstance(packages, list) or not all(isinstance(each, dict) for each in packages):
        raise InputError(str(path), ["names no packages: not a lock file"], REMEDY)
    for each in packages:
        if not isinstance(each.get("name"), str):
            continue
        if not isinstance(each.get("version"), str):
            # what comes from a repository or a folder need not have one, the project itself above all
            if each["name"] in CORE and any(_holds(marker, environment) for marker in _markers(each)):
                yield Locked(each["name"], "", _line_of(text, f'name = "{each["name"]}"'))
            continue
        if any(_holds(marker, environment) for marker in _markers(each)):
            written = re.search(
                rf'^name = "{re.escape(each["name"])}"\s*\n(?:.*\n)??version = "{re.escape(each["version"])}"',
                text,
                re.M,
            )
            line = text.count("\n", 0, written.start()) + 1 if written else 1
            yield _locked(each["name"], each["version"], line, path)


def _markers(entry: Mapping[str, Any]) -> list[Any]:
    """Markers of which one has to hold: uv's, Poetry's (which may differ by group), and those of pdm and pylock."""
    told = entry.get("resolution-markers") or entry.get("markers") or entry.get("marker") or [""]
    return list(told.values()) if isinstance(told, dict) else told if isinstance(told, list) else [told]


def _holds(marker: Any, environment: dict[str, str] | None) -> bool:
    """Whether a marker holds; true where it asks for an extra or a group: who installs the lock decides that."""
    if not isinstance(marker, str) or not marker or re.search(r"\b(extras?|dependency_groups)\b", marker):
        return True
    try:
        return Marker(marker).evaluate(environment)
    except (InvalidMarker, UndefinedEnvironmentName):
        return True


def _of_pipfile(path: Path, text: str, environment: dict[str, str] | None) -> Iterator[Locked]:
    try:
        told = json.loads(text)
        items = [*told["default"].items(), *told.get("develop", {}).items()]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(str(path), ["not a Pipfile.lock"], REMEDY) from None
    for name, entry in items:
        if not isinstance(entry, dict) or not _holds(entry.get("markers"), environment):
            continue
        line = _line_of(text, f'"{name}"')
        if str(entry.get("version", "")).startswith("=="):
            yield _locked(name, entry["version"][2:], line, path)
        elif canonicalize_name(name) in CORE:
            yield Locked(canonicalize_name(name), "", line)


def _line_of(text: str, part: str) -> int:
    place = text.find(part)
    return text.count("\n", 0, place) + 1 if place >= 0 else 1


def _pinned(path: Path, wanted: Iterable[Wanted], environment: dict[str, str] | None) -> Iterator[Locked]:
    loose = []
    for each in wanted:
        exact = exact_version(each)
        if exact is None and each.address and each.name not in CORE:
            continue  # what `pip freeze` writes of a project in a folder or a repository: not ours to judge
        if exact is None:
            why = f"comes from {each.address}, which tells no version" if each.address else "is not pinned"
            loose.append(f"line {each.line}: {each.name if each.address else each.requirement} {why}")
        elif each.requirement.marker is None or each.requirement.marker.evaluate(environment):
            yield _locked(each.name, exact, each.line, path)
    if loose:
        raise InputError(
            str(path), loose[:3], "For ranges: compatcheck check -r FILE; for what is installed: --python PATH"
        )


def _locked(name: str, version: Any, line: int, path: Path) -> Locked:
    try:
        Version(version)
    except ValueError:
        raise InputError(str(path), [f"{name}: {version[:80]!r} is not a version"], REMEDY) from None
    return Locked(canonicalize_name(name), version, line)
