"""A matrix file (TOML) into its cells.

A version in an axis is one of

* an exact version: `2.6.0`;
* `newest`: the newest final release;
* `newest-of-each-minor >= 4.36`: for every minor release within the specifier, its newest release;
* `all >= 4.43, < 4.45`: every release within the specifier.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name, is_normalized_name
from packaging.version import InvalidVersion, Version

from .domain import (
    CORE,
    Architecture,
    Cell,
    Digest,
    Limits,
    Method,
    Policy,
    Scenario,
    Word,
    canonical,
    digest_of,
    without_later,
)
from .errors import UsageError
from .parse import structured, toml, unstructured
from .window import Window

_PYTHON = re.compile(r"3\.\d{1,2}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
RANGE = re.compile(r"(newest-of-each-minor|all)\s*(.*)", re.DOTALL)
"""An entry that stands for several versions: which of them, and the specifier that they are within."""


@dataclass(frozen=True)
class Rule:
    """Which cells to leave out: those that every given specifier matches."""

    reason: str
    """Why; shown in the plan."""
    python: str | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    """Axis package to specifier, `transformers = ">=5"`."""

    def matches(self, cell: Cell) -> bool:
        if self.python is not None and Version(cell.python) not in SpecifierSet(self.python):
            return False
        return all(
            package in cell.versions and SpecifierSet(specifier).contains(cell.versions[package], prereleases=True)
            for package, specifier in self.where.items()
        )


class Explore(Word):
    """Which cells of a matrix are run."""

    EXHAUSTIVE = "exhaustive"
    """Every one."""
    ADAPTIVE = "adaptive"
    """Few: those that teach most about the others, which are inferred."""


@dataclass(frozen=True)
class Index:
    """Where packages come from, where it is not the index that uv and pip are configured for."""

    url: str | None = None
    torch_backend: str | None = None
    """`cpu`, `cu126` ...: torch from PyTorch's own index (uv's --torch-backend)."""


@dataclass(frozen=True)
class Variant:
    """One of several scenarios that every cell of a matrix is asked."""

    method: Method
    model: str

    @property
    def name(self) -> str:
        """`lora on llama`."""
        return f"{self.method} on {self.model.removeprefix(TINY)}"


TINY = "tiny-"
"""How the names of the tiny models begin; an architecture's follows."""


@dataclass(frozen=True)
class Matrix:
    """A matrix file as written, checked but not expanded."""

    name: str
    axes: Mapping[str, tuple[str, ...]]
    """Package to version entries; torch, transformers and peft must be among them."""
    description: str = ""
    python: tuple[str, ...] = ("3.11",)
    policy: Policy = Policy.TODAY
    contemporary_days: int = 7
    """Under the policy `contemporary`: how many days after the cell's newest axis release still count."""
    extras: tuple[str, ...] = ()
    """Further requirements for every cell, `accelerate<1`."""
    exclude: tuple[Rule, ...] = ()
    include: tuple[Cell, ...] = ()
    """Cells beside the product of the axes."""
    scenario: Scenario = field(default_factory=Scenario)
    method: tuple[Method, ...] = ()
    """What is trained in every cell, one scenario a method; empty: the scenario's method alone."""
    architecture: tuple[Architecture, ...] = ()
    """For which tiny models, one scenario each; empty: the scenario's model alone."""
    confirm: int = 0
    """How many cells are run again with a larger model, some of every kind of finding; 0: none."""
    confirm_model: str = "bloomz-560m:random"
    limits: Limits = field(default_factory=Limits)
    index: Index = field(default_factory=Index)
    explore: Explore = Explore.EXHAUSTIVE
    window: Window | None = None
    """Leave releases out of ranges, and Pythons, that are older than this supports."""

    def __post_init__(self) -> None:
        problems = [f"axes.{package}: this axis is missing" for package in CORE if package not in self.axes]
        for package, entries in self.axes.items():
            if not entries:
                problems.append(f"axes.{package}: an axis needs at least one version")
            for place, entry in enumerate(entries):
                problems += [f"axes.{package}[{place}]: {problem}" for problem in _entry_problems(entry)]
        if not self.python:
            problems.append("python: at least one version is needed")
        problems += [
            f"python[{place}]: {version!r} is not of the form '3.11'"
            for place, version in enumerate(self.python)
            if not _PYTHON.fullmatch(version)
        ]
        for place, rule in enumerate(self.exclude):
            problems += [f"exclude[{place}].{problem}" for problem in _rule_problems(rule, self.axes)]
        for place, extra in enumerate(self.extras):
            try:
                asked = Requirement(extra)
            except InvalidRequirement:
                problems.append(f"extras[{place}]: {extra!r} is not a requirement such as 'accelerate<1'")
                continue
            if asked.specifier and canonicalize_name(asked.name) in map(canonicalize_name, self.axes):
                problems.append(f"extras[{place}]: {extra!r} is about an axis, whose versions stand under axes")
        problems += [f"axes.{package}: {problem}" for package in self.axes if (problem := _name_problem(package))]
        for place, cell in enumerate(self.include):
            problems += [f"include[{place}].{problem}" for problem in _cell_problems(cell)]
        if self.architecture and self.scenario.model != f"{TINY}{Architecture.BLOOM}":
            problems.append(f"scenario.model: {self.scenario.model!r} and architecture cannot both name the model")
        for name in ("method", "architecture"):
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                problems.append(f"{name}: something stands there twice")
        if self.confirm < 0:
            problems.append(f"confirm: a number of cells is wanted, got {self.confirm}")
        if self.confirm and (self.method or self.architecture):
            problems.append("confirm: a matrix with several methods or architectures has no larger model")
        if self.contemporary_days < 0:
            problems.append("contemporary_days: must not be negative")
        if problems:
            raise ValueError("; ".join(problems))

    @property
    def digest(self) -> Digest:
        """Of what decides the cells and their meaning; not of the description."""
        data = unstructured(self)
        del data["description"], data["confirm"], data["confirm_model"], data["explore"]
        # a matrix without a word of what came later is the matrix that it was
        data["scenario"] = without_later(data["scenario"])
        for name in ("method", "architecture"):
            if not data[name]:
                del data[name]
        if self.window is None:
            del data["window"]
        return digest_of(canonical(data))

    @property
    def resolution_digest(self) -> Digest:
        """Of what decides a cell's lock besides the cell itself."""
        parts = {
            "policy": self.policy,
            "days": self.contemporary_days if self.policy is Policy.CONTEMPORARY else 0,
            "extras": sorted(self.extras),
            "torch_backend": self.index.torch_backend,
        }
        return digest_of(canonical(parts))

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The scenarios that every cell is asked, by model and then by method; one alone for most matrices."""
        models = [f"{TINY}{each}" for each in self.architecture] or [self.scenario.model]
        methods = self.method or (self.scenario.method,)
        return tuple(Variant(method, model) for model in models for method in methods)

    def of_variant(self, variant: Variant) -> Matrix:
        """This matrix with one of its scenarios alone."""
        scenario = replace(self.scenario, method=variant.method, model=variant.model)
        return replace(self, scenario=scenario, method=(), architecture=())

    def narrowed(self, axis: str, entries: Iterable[str]) -> Matrix:
        """This matrix with only the given entries of one axis (as they are written in the file)."""
        wanted = tuple(entries)
        known = self.python if axis == "python" else self.axes.get(axis)
        if known is None:
            raise UsageError(f"the matrix {self.name!r} has no axis {axis!r}", f"It has: {', '.join(self.axes)}.")
        for entry in wanted:
            if entry not in known:
                raise UsageError(f"the axis {axis!r} has no entry {entry!r}", f"It has: {', '.join(known)}.")
        data = {name: getattr(self, name) for name in self.__dataclass_fields__}
        if axis == "python":
            data["python"] = wanted
        else:
            data["axes"] = {**self.axes, axis: wanted}
        return Matrix(**data)


def _entry_problems(entry: str) -> list[str]:
    if entry == "newest":
        return []
    if ranged := RANGE.fullmatch(entry):
        try:
            SpecifierSet(ranged[2])
        except InvalidSpecifier:
            return [f"{ranged[2]!r} is not a specifier such as '>=4.36'"]
        return []
    try:
        Version(entry)
    except InvalidVersion:
        return [f"{entry!r} is neither a version, nor 'newest', nor 'newest-of-each-minor >=X', nor 'all >=X'"]
    return []


def _name_problem(package: str) -> str:
    """Names become parts of paths and of requirements: nothing but a package's name may stand there."""
    return "" if is_normalized_name(canonicalize_name(package)) and _NAME.fullmatch(package) else "not a package's name"


def _cell_problems(cell: Cell) -> list[str]:
    problems = [f"versions: {package} is missing" for package in CORE if package not in cell.versions]
    if not _PYTHON.fullmatch(cell.python):
        problems.append(f"python: {cell.python!r} is not of the form '3.11'")
    for package, version in cell.versions.items():
        if problem := _name_problem(package):
            problems.append(f"versions.{package}: {problem}")
        problems += [f"versions.{package}: {problem}" for problem in _entry_problems(version)]
        if version == "newest" or RANGE.fullmatch(version):
            problems.append(f"versions.{package}: an included cell needs exact versions")
    return problems


def _rule_problems(rule: Rule, axes: Mapping[str, Any]) -> list[str]:
    problems = [] if rule.where or rule.python else ["where: a rule without 'where' and 'python' matches every cell"]
    for package, specifier in [*rule.where.items(), *([("python", rule.python)] if rule.python else [])]:
        if package not in axes and package != "python":
            problems.append(f"where.{package}: the matrix has no such axis")
        try:
            SpecifierSet(specifier)
        except InvalidSpecifier:
            problems.append(f"where.{package}: {specifier!r} is not a specifier such as '>=5'")
    return problems


def load_matrix(path: Path) -> Matrix:
    """The matrix file at `path`. Raises InputError with the path to every bad field."""
    data = toml(path, _missing_hint(path))
    data.setdefault("name", path.stem)
    return structured(data, Matrix, str(path), remedy="README.md describes the format of matrix files.")


def _missing_hint(path: Path) -> str:
    for folder in (path, path.parent, Path("matrix")):
        if known := sorted(str(each) for each in folder.glob("*.toml") if each.name != "pyproject.toml"):
            return f"Matrix files here: {', '.join(known)}."
    return (
        "Matrix files come with compatcheck's repository (matrix/), not with the installed package. Work in a clone of "
        "it, or write one: README.md, Matrix files. What was measured needs none: compatcheck recommend, check."
    )


def sharded(cells: Iterable[Cell], shard: str) -> tuple[Cell, ...]:
    """The part `3/8` of the cells. Cells that share python, torch and transformers stay in one part.

    Raises UsageError where `shard` is not of that form.
    """
    numbers = re.fullmatch(r"(\d{1,4})/(\d{1,4})", shard)
    if not numbers or not 1 <= int(numbers[1]) <= int(numbers[2]):
        raise UsageError(f"the shard {shard!r} is not of the form 3/8", "The first part is 1/8, the last 8/8.")
    groups = batches(cells)
    return tuple(cell for group in groups[int(numbers[1]) - 1 :: int(numbers[2])] for cell in group)


def batches(cells: Iterable[Cell]) -> list[tuple[Cell, ...]]:
    """The cells grouped by what is costly to change in an environment, in their order."""

    def costly(cell: Cell) -> tuple[str, str, str]:
        return cell.python, cell.versions["torch"], cell.versions["transformers"]

    return [tuple(group) for _, group in groupby(cells, key=costly)]


def selected(cells: Iterable[Cell], only: Iterable[str] = (), skip: Iterable[str] = ()) -> tuple[Cell, ...]:
    """The cells that any pattern of `only` matches (all where there is none) and none of `skip` does.

    Raises UsageError where nothing is left, and for an empty pattern: a variable that is not set must not mean all.
    """
    cells, only, skip = tuple(cells), tuple(only), tuple(skip)
    if "" in (*only, *skip):
        raise UsageError("an empty pattern names no cells", "Leave it out for all cells.")
    kept = tuple(
        cell
        for cell in cells
        if (not only or any(cell.matches(pattern) for pattern in only))
        and not any(cell.matches(pattern) for pattern in skip)
    )
    if not kept:
        example = cells[0].id if cells else "none"
        raise UsageError(
            f"no cell of {len(cells)} is selected by {' '.join((*only, *(f'not {each}' for each in skip))) or 'this'}",
            f"A pattern is a glob over cell identifiers, such as 'torch2.6.0*peft0.1?.*'; an identifier: {example}",
        )
    return kept
