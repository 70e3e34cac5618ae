"""Lock files that people have, into versions: requirements and `pip freeze`, pylock.toml, uv.lock.

Only what an index can give counts. What comes from a folder, a repository or a URL is named in `left_out`, so that
nobody takes a lock for complete that is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.markers import Environment, Marker, default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from .errors import InputError
from .parse import toml

PIN_FIRST = "Pin everything first: `pip freeze`, or `uv pip compile requirements.in -o requirements.txt`."


@dataclass(frozen=True)
class LockFile:
    """What a file pins."""

    source: str
    versions: Mapping[str, str]
    """Canonical name to version."""
    left_out: tuple[str, ...] = ()
    """What does not come from an index, as the file has it."""


def read_lock(path: Path, python: str) -> LockFile:
    """The lock in `path`, as it is for Python `python` (`3.11`) on this machine. Raises InputError."""
    if path.suffix != ".toml" and path.name != "uv.lock":
        return _read_requirements(path, python)
    data = toml(path)
    if "lock-version" in data:
        return _read_pylock(path, data, python)
    if isinstance(data.get("package"), list):
        return _read_uv(path, data, python)
    raise InputError(str(path), ["neither a pylock.toml nor a uv.lock"], "Name a lock file, or a requirements file.")


def environment_for(python: str) -> dict[str, str]:
    """The marker environment of this machine with another Python."""
    here: Environment = default_environment()
    return {
        **{name: str(value) for name, value in here.items()},
        "python_version": python,
        "python_full_version": here["python_full_version"] if here["python_version"] == python else f"{python}.0",
        "extra": "",
    }


# ---------------------------------------------------------------------- requirements, pip freeze


def _read_requirements(path: Path, python: str) -> LockFile:
    environment = environment_for(python)
    versions: dict[str, str] = {}
    left_out: list[str] = []
    problems: list[str] = []
    for place, line in _lines(path):
        if re.match(r"(-e|--editable)[\s=]", line) or re.match(r"(git\+|hg\+|https?://|file:|\.{0,2}/)", line):
            left_out.append(line)
            continue
        if line.startswith("-"):
            continue  # options of the installer: indexes, constraints, hashes
        try:
            wanted = Requirement(re.split(r"\s--[a-z]", line)[0].strip())
        except InvalidRequirement as error:
            problems.append(f"{place}: {str(error).splitlines()[0]}")
            continue
        if wanted.marker is not None and not wanted.marker.evaluate(environment):
            continue
        name, exact = canonicalize_name(wanted.name), [each for each in wanted.specifier if each.operator == "=="]
        if wanted.url:
            left_out.append(line)
        elif len(exact) != 1 or "*" in exact[0].version:
            problems.append(f"{place}: {line!r} is not pinned")
        elif versions.setdefault(name, exact[0].version) != exact[0].version:
            problems.append(f"{place}: {name} is pinned twice, to {versions[name]} and {exact[0].version}")
    return _checked(path, versions, left_out, problems, PIN_FIRST)


def _lines(path: Path, seen: frozenset[Path] = frozenset()) -> Iterator[tuple[str, str]]:
    """Each logical line with its place: comments gone, continued lines joined, included files read."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(str(path), ["no such file"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(str(path), [f"cannot be read: {error}"]) from None
    joined, first = "", 0
    for number, line in enumerate([*text.splitlines(), ""], 1):
        first = first or number
        bare = re.sub(r"(^|\s)#.*$", "", line).rstrip()
        if bare.endswith("\\"):
            joined += bare[:-1] + " "
            continue
        whole, place, joined, first = (joined + bare).strip(), f"line {first}", "", 0
        if included := re.match(r"(?:-r|--requirement)[\s=]+(\S+)", whole):
            other = path.parent / included[1]
            if other.resolve() not in seen:
                yield from _lines(other, seen | {path.resolve(), other.resolve()})
        elif whole:
            yield place, whole


# ---------------------------------------------------------------------- pylock.toml


def _read_pylock(path: Path, data: dict[str, Any], python: str) -> LockFile:
    from packaging.pylock import Pylock, PylockValidationError

    try:
        packages = Pylock.from_dict(data).packages
    except PylockValidationError as error:
        raise InputError(str(path), [str(error)]) from None
    environment = environment_for(python)
    versions: dict[str, str] = {}
    left_out = []
    for package in packages:
        if package.marker is not None and not package.marker.evaluate(environment):
            continue
        if package.version is None or not (package.wheels or package.sdist):
            left_out.append(package.name)
        else:
            versions[canonicalize_name(package.name)] = str(package.version)
    return _checked(path, versions, left_out, [])


# ---------------------------------------------------------------------- uv.lock


def _read_uv(path: Path, data: dict[str, Any], python: str) -> LockFile:
    """What the projects of a uv.lock need here, without their extras and groups."""
    environment = environment_for(python)
    packages = [each for each in data["package"] if isinstance(each, dict) and "name" in each]
    left_out = []
    versions: dict[str, str] = {}
    waiting: list[tuple[dict[str, Any], str]] = [
        (each, "") for each in packages if {"editable", "virtual"} & set(each.get("source", {}))
    ]
    if not waiting:
        raise InputError(str(path), ["no project in it: no package with an editable or virtual source"])
    seen = set()
    while waiting:
        package, extra = waiting.pop()
        key = package["name"], package.get("version", ""), extra
        if key in seen:
            continue
        seen.add(key)
        if "registry" in package.get("source", {}):
            versions[canonicalize_name(package["name"])] = package["version"]
        elif not {"editable", "virtual"} & set(package.get("source", {})):
            left_out.append(f"{package['name']} ({', '.join(package.get('source', {}))})")
        needs = package.get("optional-dependencies", {}).get(extra, []) if extra else package.get("dependencies", [])
        for need in needs:
            if not _holds(need.get("marker"), environment):
                continue
            for found in _named(packages, need, environment):
                waiting += [(found, each) for each in ("", *need.get("extra", ()))]
    return _checked(path, versions, left_out, [])


def _named(
    packages: Iterable[dict[str, Any]], need: Mapping[str, Any], environment: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The entries that a dependency means: where the lock has several versions, the one for this environment."""
    found = [each for each in packages if each["name"] == need["name"]]
    if "version" in need:
        found = [each for each in found if each.get("version") == need["version"]]
    if len(found) > 1:
        found = [
            each
            for each in found
            if any(_holds(marker, environment) for marker in each.get("resolution-markers", [None]))
        ]
    return found[:1]


def _holds(marker: str | None, environment: Mapping[str, str]) -> bool:
    return not marker or Marker(marker).evaluate(dict(environment))


def _checked(
    path: Path, versions: dict[str, str], left_out: Iterable[str], problems: list[str], remedy: str = ""
) -> LockFile:
    if not versions and not problems:
        problems = ["it pins nothing"]
    if problems:
        raise InputError(str(path), problems, remedy)
    return LockFile(str(path), dict(sorted(versions.items())), tuple(left_out))
