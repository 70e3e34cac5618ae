"""What the packages' metadata allow, against what ran. Pure.

pip installs a combination because each release says which others it can live with. For every release: how many of the
measured combinations that its metadata let pass do not work, and which range it would have had to declare.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from packaging.markers import default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from .ranges import range_of
from .table import CLEAN, PYTHON, Row, Table, table_of

DEPENDENCIES = {"transformers": ("torch",), "peft": ("torch", "transformers")}
"""Who declares a range of whom among the axes."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Need:
    """What a release says of another package, and what it would have had to say."""

    package: str
    declared: str | None
    """The specifier in its metadata; empty for any version, None where it is not known or not required."""
    measured: str | None
    """The tightest specifier that admits every measured version with which something works, and no other measured
    one; empty where none must be left out, None where nothing works with any."""
    admitted: tuple[str, ...]
    """Measured versions that the metadata let pass and with which nothing works."""


@dataclass(frozen=True)
class Declaration:
    """One release of an axis, by what it declares and what became of it."""

    package: str
    version: str
    accepted: int
    """Measured combinations with it, all of which the resolver accepted."""
    broken: int
    """Those of them that do not work."""
    requirements: tuple[Need, ...]

    @property
    def share(self) -> float:
        """Of the accepted combinations, those that do not work; from 0 to 1."""
        return self.broken / self.accepted if self.accepted else 0.0


def declarations(rows: Sequence[Row] | Table, requires: Mapping[str, Sequence[str]]) -> tuple[Declaration, ...]:
    """For every release on the axes that have something to declare. `requires`: `peft 0.12.0` to its Requires-Dist."""
    table = table_of(rows)
    found = []
    for package, others in DEPENDENCIES.items():
        for version in table.versions.get(package, ()):
            cells = [row for row in table.telling if row.point[package] == version]
            if cells:
                said = requires.get(f"{package} {version}")
                needs = tuple(_need(table, cells, other, said) for other in others if other in table.axes)
                broken = sum(row.unit != CLEAN for row in cells)
                found.append(Declaration(package, version, len(cells), broken, needs))
    return tuple(found)


def _need(table: Table, cells: Sequence[Row], other: str, said: Sequence[str] | None) -> Need:
    known = {row.point[other] for row in cells}
    working = {row.point[other] for row in cells if row.unit == CLEAN}
    declared = None if said is None else declared_specifier(said, other, cells[0].point[PYTHON])
    versions = table.versions[other]
    tight = range_of(other, working, versions, known)
    let_pass = [version for version in versions if version in known - working]
    if declared:
        let_pass = [version for version in let_pass if SpecifierSet(declared).contains(version, prereleases=True)]
    return Need(other, declared, tight.specifier(versions) if tight else None, tuple(let_pass))


def of_axes(requires: Iterable[str], axes: Collection[str]) -> list[str]:
    """The Requires-Dist lines that are about some packages: all that a table of these is held against."""
    return [line for line in requires if (name := _NAME.match(line)) and canonicalize_name(name[0]) in axes]


def declared_specifier(requires: Iterable[str], package: str, python: str) -> str | None:
    """The specifier for `package` among Requires-Dist lines, an extra of its name included; None where there is none.

    transformers names torch in its extra `torch` only.
    """
    told = {str(name): str(value) for name, value in default_environment().items()}
    environment = {**told, "extra": package, "python_version": python, "python_full_version": f"{python}.0"}
    specifiers = []
    for line in requires:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        applies = requirement.marker is None or requirement.marker.evaluate(environment)
        if applies and canonicalize_name(requirement.name) == package:
            specifiers.append(str(requirement.specifier))
    return ",".join(sorted(filter(None, specifiers))) if specifiers else None
