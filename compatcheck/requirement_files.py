"""What a project asks for: the requirements of a file that apply, with the extras and groups that are wanted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from .errors import InputError, UsageError
from .project_files import MAIN, requires_python, wanted_sections
from .requirement_lines import CONDA_SUFFIXES, REMEDY, Wanted, wanted_lines


def read_requirements(
    path: Path, environment: dict[str, str] | None = None, extras: Sequence[str] = (), groups: Sequence[str] = ()
) -> tuple[Wanted, ...]:
    """The requirements of a requirements file, a pyproject.toml or an environment.yml that apply in `environment`.

    That is what markers see; None: this interpreter. `extras` and `groups` of a pyproject.toml are taken along. Raises
    InputError.
    """
    sections = read_sections(path, environment)
    names = {_key(section): section for section in sections}
    found = sections[MAIN]
    for section in (*(f"extra {each}" for each in extras), *(f"group {each}" for each in groups)):
        if _key(section) not in names:
            has = ", ".join(each for each in sections if each) or "no extras or groups"
            raise InputError(str(path), [f"has no {section} (it has: {has})"], REMEDY)
        found += sections[names[_key(section)]]
    return found


def read_sections(path: Path, environment: dict[str, str] | None = None) -> dict[str, tuple[Wanted, ...]]:
    """The same by section: what is always installed under the name "", `extra NAME` and `group NAME` beside it."""
    sections = _sections(path)
    return {section: applying(wanted, environment) for section, wanted in sections.items()}


def _sections(path: Path) -> dict[str, tuple[Wanted, ...]]:
    if path.suffix == ".toml":
        return wanted_sections(path)
    if path.suffix in CONDA_SUFFIXES:
        from .conda_files import read_conda

        return {MAIN: read_conda(path).wanted}
    return {MAIN: tuple(wanted_lines(path))}


def python_wanted(path: Path) -> SpecifierSet | None:
    """What a file asks of Python: a pyproject.toml in requires-python, an environment.yml among its dependencies.

    Raises InputError.
    """
    if path.suffix in CONDA_SUFFIXES:
        from .conda_files import read_conda

        return read_conda(path).python
    return requires_python(path) if path.suffix == ".toml" else None


def python_of_environment(path: Path) -> str | None:
    """The one Python of an environment.yml, as `3.11`; None where it leaves that open, and of other files."""
    wanted = python_wanted(path) if path.suffix in CONDA_SUFFIXES else None
    named = {each.version.removesuffix(".*") for each in wanted or () if each.operator == "=="}
    return ".".join(named.pop().split(".")[:2]) if len(named) == 1 else None


def parts_of_project(files: Iterable[Path], extras: Sequence[str], groups: Sequence[str]) -> None:
    """Refuse extras and groups where no file has any. Raises UsageError."""
    if (extras or groups) and not any(path.suffix == ".toml" for path in files):
        part = f"extra {extras[0]}" if extras else f"group {groups[0]}"
        raise UsageError(f"{part}: no pyproject.toml is named that could have it", "Name the project's pyproject.toml.")


def applying(wanted: Iterable[Wanted], environment: dict[str, str] | None) -> tuple[Wanted, ...]:
    """Those whose markers hold."""
    return tuple(
        each for each in wanted if each.requirement.marker is None or each.requirement.marker.evaluate(environment)
    )


def _key(section: str) -> str:
    kind, _, name = section.partition(" ")
    return f"{kind} {canonicalize_name(name)}"


def marker_environment(python: str | None) -> dict[str, str] | None:
    """What markers see on that Python of this platform; None: on this one."""
    return {"python_version": python, "python_full_version": f"{python}.0"} if python else None
