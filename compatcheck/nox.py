"""For the noxfile of a project that depends on peft: its own tests over the combinations that should work.

    import nox
    from compatcheck.nox import parametrize_matrix

    @nox.session
    @parametrize_matrix("pyproject.toml", limit=6)
    def tests(session, cell):
        session.install(".[test]", *cell.pins)
        session.run("pytest")

`nox -l` lists one session a combination, `nox -s "tests(torch2.6.0-transformers4.51.3-peft0.15.2)"` runs one of them.
Only combinations that passed compatcheck's own cycle are offered: where the tests fail in one, the project is at fault.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nox
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from .domain import CORE
from .errors import CompatcheckError, UsageError
from .own_runs import known_table
from .requirement_files import read_requirements
from .requirement_lines import CONDA_SUFFIXES, released
from .shipped import KnownCell, KnownTable


@dataclass(frozen=True)
class MatrixCell:
    """One combination that passed."""

    versions: Mapping[str, str]

    @property
    def pins(self) -> tuple[str, ...]:
        """For session.install: `("torch==2.6.0", ...)`."""
        return tuple(f"{name}=={version}" for name, version in self.versions.items())

    def __str__(self) -> str:
        return "-".join(f"{name}{version}" for name, version in self.versions.items())


def parametrize_matrix(
    *requirements: str,
    limit: int | None = None,
    python: str | None = None,
    table: str | Path | None = None,
    name: str = "cell",
) -> Callable[[Any], Any]:
    """A decorator below @nox.session: one session for each combination that works within `requirements`.

    `requirements` are lines such as "peft>=0.12", or files that hold such lines (requirements.txt, pyproject.toml,
    environment.yml).
    `limit` takes that many, from the newest to the oldest at even distances. `python` takes what passed on that Python
    only, `name` is the parameter of the session. Where nothing works within the requirements, or they cannot be read,
    the session fails and says so when it is run; the noxfile's other sessions are as they were.
    """
    try:
        cells = _chosen(requirements, limit, python, known_table(table))
    except CompatcheckError as error:
        return _refused(str(error), name)
    return nox.parametrize(name, [nox.param(cell, id=str(cell)) for cell in cells])


def _chosen(
    requirements: Sequence[str], limit: int | None, python: str | None, table: KnownTable
) -> tuple[MatrixCell, ...]:
    """The cells of the sessions. Raises UsageError where there are none."""
    if cells := working_cells(requirements, table, python):
        return spread(cells, limit)
    from .recommendation import recommend

    asked = {name: str(wanted) for name, wanted in _ranges(requirements).items() if str(wanted)}
    nearest = recommend(asked, python=python, table=table)
    within = ", ".join(requirements) + (f" on Python {python}" if python else "")
    raise UsageError(
        f"compatcheck knows no combination that works within {within}",
        f"Widen the requirements of parametrize_matrix: the nearest that works is {' '.join(nearest.pins)} "
        f"on Python {nearest.cell.python}."
        if nearest.cell
        else "No combination of the table works at all: give it another one.",
    )


def _refused(why: str, name: str) -> Callable[[Any], Any]:
    """Instead of the sessions one that fails and says why."""

    def decorated(function: Callable[..., Any]) -> Any:
        @functools.wraps(function)
        def refuse(session: nox.Session, **_: Any) -> None:
            session.error(why.rstrip("."))  # nox adds one

        return nox.parametrize(name, [nox.param(None, id="no-combination")])(refuse)

    return decorated


def working_cells(requirements: Sequence[str], table: KnownTable, python: str | None = None) -> tuple[MatrixCell, ...]:
    """The combinations that passed within `requirements`, the newest first; each once, on whatever Python it passed.

    Those that were run for explored matrices are taken where no table that was run whole has any.
    """
    ranges = _ranges(requirements)
    return _working(table.cells, ranges, python) or _working(table.scattered, ranges, python)


def _working(
    cells: Sequence[KnownCell], ranges: Mapping[str, SpecifierSet], python: str | None
) -> tuple[MatrixCell, ...]:
    found: dict[tuple[str, ...], MatrixCell] = {}
    for cell in cells:
        inside = all(ranges[package].contains(cell.versions[package], True) for package in CORE)
        if cell.works and inside and python in (None, cell.python):
            key = tuple(cell.versions[package] for package in CORE)
            found.setdefault(key, MatrixCell({package: cell.versions[package] for package in CORE}))
    return tuple(found[key] for key in sorted(found, key=lambda key: [Version(each) for each in key], reverse=True))


def spread(cells: Sequence[MatrixCell], limit: int | None) -> tuple[MatrixCell, ...]:
    """`limit` of the cells at even distances, both ends among them."""
    if limit is None or limit >= len(cells):
        return tuple(cells)
    if limit < 1:
        raise UsageError(f"limit must be at least 1, got {limit}", "Leave it away for all combinations.")
    if limit == 1:
        return (cells[0],)
    return tuple(cells[round(place * (len(cells) - 1) / (limit - 1))] for place in range(limit))


def _ranges(requirements: Sequence[str]) -> dict[str, SpecifierSet]:
    """What the lines and files together say of torch, transformers and peft."""
    together = {package: SpecifierSet() for package in CORE}
    for package, allowed in itertools.chain.from_iterable(_read(each) for each in requirements):
        if package in together:
            together[package] &= allowed
    return together


def _read(text: str) -> list[tuple[str, SpecifierSet]]:
    if text.endswith((".txt", ".in", ".toml", *CONDA_SUFFIXES)):
        return [(each.name, each.specifier) for each in read_requirements(Path(text))]
    try:
        line = Requirement(text)
        return [(canonicalize_name(line.name), released(line.specifier))]
    except InvalidRequirement:
        raise UsageError(f"{text!r} is neither a requirement nor a requirements file", "Example: peft>=0.12") from None
