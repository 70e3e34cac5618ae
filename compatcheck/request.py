"""What is asked of a recommendation: ranges for packages, a Python, and where each of them stands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from .domain import CORE, Word
from .errors import UsageError
from .known import KnownCell, KnownTable
from .requirement_files import applying, marker_environment, parts_of_project, python_wanted, read_requirements
from .requirement_lines import LONGEST, Wanted, released

PYTHON = "python"


class Prefer(Word):
    """Which of several answers is taken."""

    NEWEST = "newest"
    """The releases together as new as can be."""
    STABLE = "stable"
    """Whose neighbours in the table work too, and without a caveat; of those the newest."""
    OLDEST = "oldest"
    """The releases together as old as can be: what a lower bound is tested with."""


@dataclass(frozen=True)
class Request:
    """Ranges by package, `python` among them."""

    ranges: Mapping[str, SpecifierSet] = field(default_factory=dict)
    """Package, by its normal name, to what is asked of it."""
    prefer: Prefer = Prefer.NEWEST
    origins: Mapping[str, str] = field(default_factory=dict)
    """Package to where its range stands, `requirements.txt line 3`."""
    others: tuple[str, ...] = ()
    """Requirements as the files write them, of everything but torch, transformers and peft."""
    addresses: tuple[str, ...] = ()
    """`peft from git+https://...`: those of the three whose version the files do not tell."""

    @cached_property
    def asked(self) -> tuple[str, ...]:
        """The packages that a range is given for."""
        return tuple(name for name, wanted in self.ranges.items() if str(wanted))

    def admits(self, name: str, version: str) -> bool:
        """Whether the range of `name` has room for `version`; of a Python, for any of its patch releases."""
        if name not in self.ranges:
            return True
        # the same few versions come back in every cell of a table
        known = self._answers.get((name, version))
        if known is None:
            known = self._answers[name, version] = _contains(self.ranges[name], name, version)
        return known

    @cached_property
    def _answers(self) -> dict[tuple[str, str], bool]:
        return {}

    def misses(self, cell: KnownCell, locked: Mapping[str, str]) -> tuple[str, ...]:
        """The packages of `cell`, and of what it was locked with, that are not as asked for."""
        found = {**locked, **cell.beside, **cell.versions, PYTHON: cell.python}
        return tuple(name for name in self.asked if name in found and not self.admits(name, found[name]))

    def unjudged(self, table: KnownTable) -> tuple[str, ...]:
        """Packages that are asked for, and that the table can say nothing of."""
        return tuple(name for name in self.ranges if name != PYTHON and name not in table.known_names)

    def words(self, name: str) -> str:
        """`transformers>=4.50 (requirements.txt line 3)`."""
        origin = f" ({self.origins[name]})" if name in self.origins else ""
        return f"{name}{self.ranges[name]}{origin}"


def _contains(wanted: SpecifierSet, name: str, version: str) -> bool:
    if name == PYTHON:
        return any(wanted.contains(f"{version}.{patch}", prereleases=True) for patch in (0, 99))
    return wanted.contains(version, prereleases=True)


def _of_bearable_length(text: str) -> str:
    if len(text) > LONGEST:
        raise UsageError(f"{text[:40]!r}... has {len(text)} characters: no requirement has", "Example: 'peft>=0.13'")
    return text


def range_of_text(name: str, text: str) -> SpecifierSet:
    """`2.6.0`, `4.51` (every 4.51.x), `>=4.50,<5`. Raises UsageError."""
    told = _of_bearable_length(text.strip())
    try:
        version = Version(told)
    except InvalidVersion:
        pass
    else:
        exact = len(version.release) > 2 or version.is_prerelease
        return SpecifierSet(f"=={version.public}" if exact else f"=={version.public}.*")
    try:
        return released(SpecifierSet(told))
    except InvalidSpecifier:
        raise UsageError(
            f"{name}: {text!r} is neither a version nor a range of versions", "Examples: 2.6.0, 4.51, '>=4.50,<5'"
        ) from None


def python_range(text: str) -> SpecifierSet:
    """`3.11` or `3.11.7` as that minor version; or a range. Raises UsageError."""
    if re.fullmatch(r"\d+\.\d+(\.\d+)?", text.strip()):
        return SpecifierSet("==" + ".".join(text.strip().split(".")[:2]) + ".*")
    return range_of_text(PYTHON, text)


def request_of(
    options: Mapping[str, str] | None = None,
    *,
    python: str | None = None,
    requirements: Iterable[str] = (),
    files: Iterable[Path] = (),
    extras: Sequence[str] = (),
    groups: Sequence[str] = (),
    prefer: Prefer | str = Prefer.NEWEST,
    table: KnownTable | None = None,
) -> Request:
    """All that is asked, taken together: every range of a package must hold.

    `options` maps packages to versions or ranges; `requirements` are texts as `peft>=0.13`; `files` are requirements
    files, environment.yml or pyproject.toml, of which `extras` and `groups` count too. With a table, a package named in
    `options` or `requirements` must be one that it knows. Raises UsageError (InputError for a file).

    >>> asked = request_of({"torch": "2.6"}, requirements=["peft>=0.13"], python="3.11")
    >>> asked.admits("torch", "2.6.3"), asked.admits("peft", "0.12.0")
    (True, False)
    """
    ranges: dict[str, SpecifierSet] = {}
    origins: dict[str, str] = {}
    others: list[str] = []
    addresses: list[str] = []

    def add(name: str, wanted: SpecifierSet, origin: str = "") -> None:
        ranges[name] = ranges.get(name, SpecifierSet()) & wanted
        if origin and str(wanted):
            origins[name] = f"{origins[name]}, {origin}" if name in origins else origin

    files, environment = tuple(files), marker_environment(_minor(python))
    parts_of_project(files, extras, groups)
    for name, text in (options or {}).items():
        add(_known(name, table), range_of_text(name, text))
    for text in requirements:
        try:
            parsed = Requirement(_of_bearable_length(text))
        except InvalidRequirement as error:
            raise UsageError(
                f"{text!r} is not a requirement: {str(error).splitlines()[0]}", "Example: 'peft>=0.13'"
            ) from None
        name, stated = _known(parsed.name, table), Wanted(parsed, Path(), 0)
        if not applying([stated], environment):
            continue
        if stated.address:
            addresses.append(f"{name} from {stated.address}")
        add(name, stated.specifier)
    if python:
        add(PYTHON, python_range(python))
    for path in files:
        chosen = (extras, groups) if path.suffix == ".toml" else ((), ())
        for wanted in read_requirements(path, environment, *chosen):
            if wanted.name in CORE and wanted.address:
                addresses.append(f"{wanted.name} from {wanted.address}")
            if wanted.name not in CORE and not (wanted.constraint or wanted.address or wanted.conda):
                others.append(str(wanted.requirement))
            elif wanted.requirement.extras:
                others.append(f"{wanted.name}[{','.join(sorted(wanted.requirement.extras))}]")
            origin = f"{path.name} line {wanted.line}" if wanted.file == path else str(wanted.file)
            add(wanted.name, wanted.specifier, origin)
        if python is None and (declared := python_wanted(path)) is not None:
            add(PYTHON, declared, f"{path.name}{' requires-python' if path.suffix == '.toml' else ''}")
    for name, whole in ranges.items():
        if whole.is_unsatisfiable():
            where = f" ({origins[name]})" if name in origins else ""
            raise UsageError(f"{name}: no version can fulfil {whole}{where}: the bounds contradict each other")
    try:
        preferred = Prefer(prefer)
    except ValueError:
        raise UsageError(f"prefer: {prefer!r} is not one of {', '.join(Prefer)}") from None
    return Request(ranges, preferred, origins, tuple(others), tuple(addresses))


def _minor(python: str | None) -> str | None:
    return python if python and re.fullmatch(r"\d+\.\d+", python) else None


def _known(name: str, table: KnownTable | None) -> str:
    normal = str(canonicalize_name(name))
    if table is not None and normal not in table.known_names:
        raise UsageError(
            f"unknown package {name!r}: the table knows nothing of it",
            f"It can be asked about {', '.join(table.axes)} and what they are installed with.",
        )
    return normal
