"""What a project asks for, or has locked: requirements, pyproject.toml and lock files, line by line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from .errors import InputError
from .parse import toml

REMEDY = "Name a requirements file, a pyproject.toml, or a lock file."
NESTED_CAP = 20


@dataclass(frozen=True)
class Wanted:
    """One requirement, and where it stands."""

    requirement: Requirement
    file: Path
    line: int
    constraint: bool = False
    """It only says which version, should something else ask for the package."""

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)

    @property
    def direct_version(self) -> str | None:
        """The version in the name of the wheel that a direct address leads to."""
        if not self.requirement.url:
            return None
        try:
            return str(parse_wheel_filename(unquote(urlsplit(self.requirement.url).path).rsplit("/", 1)[-1])[1])
        except InvalidWheelFilename:
            return None


@dataclass(frozen=True)
class Locked:
    """One distribution of a lock file, and where it stands."""

    name: str
    version: str
    line: int


def read_requirements(path: Path, environment: dict[str, str] | None = None) -> tuple[Wanted, ...]:
    """The requirements of a requirements file or a pyproject.toml that apply in `environment` (markers).

    None: as markers see this interpreter. Raises InputError.
    """
    found = _of_pyproject(path) if path.suffix == ".toml" else _of_lines(path, constraint=False, depth=0)
    return tuple(
        each for each in found if each.requirement.marker is None or each.requirement.marker.evaluate(environment)
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(str(path), ["no such file"], REMEDY) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(str(path), [f"cannot be read: {error}"], REMEDY) from None


def _of_lines(path: Path, *, constraint: bool, depth: int) -> Iterator[Wanted]:
    if depth > NESTED_CAP:
        raise InputError(str(path), [f"includes itself, or files more than {NESTED_CAP} deep"], REMEDY)
    for number, line in _logical_lines(_text(path)):
        included = re.match(r"(?:-r|--requirement|-c|--constraint)[\s=]+(\S+)|-([rc])(\S+)", line)
        if included:
            name = included[1] or included[3]
            other = Path(name) if "://" in name else path.parent / name
            held = line.startswith(("-c", "--constraint"))
            yield from _of_lines(other, constraint=constraint or held, depth=depth + 1)
        elif not line.startswith("-") and (wanted := _requirement(line, path, number)):
            yield Wanted(wanted, path, number, constraint)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines without comments, continued ones joined, with the number of their first."""
    first, parts = 0, ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = re.sub(r"(^|\s)#.*$", "", raw)
        first = first or number
        if line.endswith("\\"):
            parts += line[:-1] + " "
            continue
        whole, start = (parts + line).strip(), first
        first, parts = 0, ""
        if whole:
            yield start, whole
    if parts.strip():
        yield first, parts.strip()


def _requirement(line: str, path: Path, number: int) -> Requirement | None:
    """None for what has no name: a path or a bare address."""
    text = re.split(r"\s--?[a-z]", line)[0].strip()
    if re.match(r"(?:\.{0,2}/|~|[A-Za-z]:\\|(?:git\+)?\w+://|\.$)", text) or (
        "@" not in text and text.endswith((".whl", ".tar.gz", ".zip"))
    ):
        return None
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        said = str(error).splitlines()[0]
        raise InputError(str(path), [f"line {number}: {text[:80]!r} is not a requirement: {said}"], REMEDY) from None


def _of_pyproject(path: Path) -> Iterator[Wanted]:
    text, told = _text(path), toml(path, REMEDY)
    for each in _declared(told, path):
        if wanted := _requirement(each, path, number := _line_of(text, each)):
            yield Wanted(wanted, path, number)
    for name, wish in _poetry(told, path).items():
        line = next(iter(re.finditer(rf"^\s*{re.escape(name)}\s*=", text, re.MULTILINE)), None)
        wanted = Requirement(f"{name}{_poetry_specifier(name, wish, path)}")
        yield Wanted(wanted, path, text.count("\n", 0, line.end()) + 1 if line else 1)


def _declared(told: dict[str, Any], path: Path) -> list[str]:
    """The dependencies of [project]; none where there is no such table."""
    project = told.get("project", {})
    dependencies = project.get("dependencies", []) if isinstance(project, dict) else None
    if not isinstance(dependencies, list) or not all(isinstance(each, str) for each in dependencies):
        raise InputError(str(path), ["project.dependencies: not a list of strings"], REMEDY)
    return dependencies


def _poetry(told: dict[str, Any], path: Path) -> dict[str, Any]:
    """Poetry's own table of dependencies, where the project has one."""
    try:
        dependencies = told.get("tool", {}).get("poetry", {}).get("dependencies", {})
        return {name: wish for name, wish in dependencies.items() if name != "python"}
    except AttributeError:
        raise InputError(str(path), ["tool.poetry.dependencies: not a table"], REMEDY) from None


def _poetry_specifier(name: str, wish: Any, path: Path) -> SpecifierSet:
    """`^1.2`, `~1.2`, `*` and plain specifiers as a specifier; anything for a path or a repository."""
    text = wish.get("version", "*") if isinstance(wish, dict) else wish
    try:
        return SpecifierSet(",".join(_poetry_part(each.strip()) for each in text.split(",")))
    except (AttributeError, InvalidSpecifier, InvalidVersion):
        raise InputError(str(path), [f"tool.poetry.dependencies.{name}: {wish!r} is not a version"], REMEDY) from None


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


def _line_of(text: str, part: str) -> int:
    place = text.find(part)
    return text.count("\n", 0, place) + 1 if place >= 0 else 1


# ------------------------------------------------------------------ locks


def read_lock(path: Path) -> tuple[Locked, ...]:
    """The distributions of pylock.toml, uv.lock, poetry.lock, pdm.lock, Pipfile.lock or pinned requirements.

    A name may stand in it several times, where a lock serves several platforms. Raises InputError.
    """
    text = _text(path)
    if path.name == "Pipfile.lock":
        return tuple(_of_pipfile(path, text))
    if path.suffix == ".toml" or path.name in ("uv.lock", "poetry.lock", "pdm.lock"):
        return tuple(_of_toml(path, text))
    return tuple(_pinned(path, _of_lines(path, constraint=False, depth=0)))


def _of_toml(path: Path, text: str) -> Iterator[Locked]:
    told = toml(path, REMEDY)
    packages = told.get("packages", told.get("package"))
    if not isinstance(packages, list) or not all(isinstance(each, dict) for each in packages):
        raise InputError(str(path), ["names no packages: not a lock file"], REMEDY)
    for each in packages:
        # a project's own entry need not have a version
        if isinstance(each.get("name"), str) and isinstance(each.get("version"), str):
            written = re.search(
                rf'^name = "{re.escape(each["name"])}"\s*\n(?:.*\n)??version = "{re.escape(each["version"])}"',
                text,
                re.M,
            )
            yield _locked(each["name"], each["version"], _line_of(text, written[0]) if written else 1, path)


def _of_pipfile(path: Path, text: str) -> Iterator[Locked]:
    try:
        default = json.loads(text)["default"]
        items = list(default.items())
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(str(path), ["not a Pipfile.lock"], REMEDY) from None
    for name, entry in items:
        if isinstance(entry, dict) and str(entry.get("version", "")).startswith("=="):
            yield _locked(name, entry["version"][2:], _line_of(text, f'"{name}"'), path)


def _pinned(path: Path, wanted: Iterable[Wanted]) -> Iterator[Locked]:
    loose = []
    for each in wanted:
        exact = exact_version(each)
        if exact is None:
            loose.append(f"line {each.line}: {each.requirement} is not pinned")
        elif each.requirement.marker is None or each.requirement.marker.evaluate():
            yield _locked(each.name, exact, each.line, path)
    if loose:
        raise InputError(str(path), loose[:3], "For ranges use: compatcheck check -r FILE")


def exact_version(wanted: Wanted) -> str | None:
    """The one version that a requirement allows; None where it allows several."""
    if wanted.direct_version:
        return wanted.direct_version
    for each in wanted.requirement.specifier:
        if each.operator in ("==", "===") and not each.version.endswith(".*"):
            return each.version
    return None


def _locked(name: str, version: Any, line: int, path: Path) -> Locked:
    try:
        Version(version)
    except InvalidVersion:
        raise InputError(str(path), [f"{name}: {version!r} is not a version"], REMEDY) from None
    return Locked(canonicalize_name(name), version, line)


def is_lock(path: Path) -> bool:
    """Whether a file's name is one that lock files have."""
    return path.name.endswith(".lock") or bool(re.fullmatch(r"pylock(?:\.[^.]+)?\.toml", path.name))


def marker_environment(python: str | None) -> dict[str, str] | None:
    """What markers see on that Python of this platform; None: on this one."""
    return {"python_version": python, "python_full_version": f"{python}.0"} if python else None
