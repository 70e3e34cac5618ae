"""Combinations that cannot work, read from the packages' sources: a release takes a name from another package as it is
imported, and the other's release does not have it; or it does not accept the other's version. One JSON file,
`data/import_needs.json`; `compatcheck catalogue imports` renews it from the wheels of the index.

A name counts as missing only where another release of the same package has it: what no release shows in its source is
made while it runs, and nothing is said of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from .domain import Raised, Stage
from .import_reader import Need, Taken, Tree
from .runtime_ranges import RuntimeRange
from .undeclared import Undeclared, shipped_undeclared

if TYPE_CHECKING:
    from .catalogues import Catalogue

SHIPPED = Path(__file__).resolve().parent / "data" / "import_needs.json"


@dataclass(frozen=True)
class BrokenNeed:
    """What some releases of a package take of another one, some releases of which do not have it."""

    package: str
    releases: tuple[str, ...]
    """That take it."""
    file: str
    """Where the oldest of them does."""
    need: Need
    lacking: tuple[str, ...]
    """The releases of the other package that do not have it."""

    @property
    def other(self) -> str:
        return self.need.package

    @property
    def pair(self) -> tuple[str, str]:
        """The packages by their normal names."""
        return canonicalize_name(self.package), canonicalize_name(self.other)

    @property
    def stage(self) -> Stage:
        """Where the cycle ends."""
        return Stage.IMPORT

    def stops(self, release: str, other: str) -> bool:
        """Whether this release takes what that release of the other package lacks."""
        return release in self.releases and other in self.lacking

    def raised_by(self, other: str) -> Raised:
        """What Python raises where it is missing; the same for every release of the other package."""
        if self.need.attribute:
            return Raised(
                "AttributeError", "builtins", f"module {self.need.module!r} has no attribute {self.need.name!r}"
            )
        if not self.need.name:
            return Raised("ModuleNotFoundError", "builtins", f"No module named {self.need.module!r}")
        told = f"cannot import name {self.need.name!r} from {self.need.module!r}"
        path = self.need.module.replace(".", "/")
        return Raised("ImportError", "builtins", f"{told} (site-packages/{path}/__init__.py)")

    def words(self, release: str, other: str) -> str:
        """`peft 0.17.1 imports transformers.HybridCache (peft/peft_model.py), which transformers 5.0.0 lacks`"""
        what = ".".join(part for part in (self.need.module, self.need.name) if part)
        verb = "uses" if self.need.attribute else "imports"
        return f"{self.package} {release} {verb} {what} ({self.file}), which {self.other} {other} lacks"


Statement = BrokenNeed | RuntimeRange | Undeclared
"""What the sources of a package's releases say of another package's."""


def signature_of(statement: Statement, other: str, catalogue: Catalogue) -> str | None:
    """What the catalogue calls the failure beside that version of the other package."""
    from .classify import diagnose_chain

    raised = statement.raised_by(other)
    return diagnose_chain((raised,), catalogue.sure, whole=False, stage=statement.stage).signature


@dataclass(frozen=True)
class ImportNeeds:
    """What was read."""

    read: Mapping[str, Mapping[str, str]]
    """Package to release to the SHA-256 of the wheel that was read."""
    broken: tuple[BrokenNeed, ...]
    ranges: tuple[RuntimeRange, ...] = ()
    """Which versions a release accepts of another package."""
    undeclared: tuple[Undeclared, ...] = ()
    """What is imported and comes with nothing."""

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        """What is true whatever else is installed, in the order in which Python comes to it."""
        return (*self._refusing, *self.broken, *self.floors)

    @cached_property
    def of_locks(self) -> tuple[Statement, ...]:
        """What is true where nothing is installed but what is asked for, in the same order."""
        return (*self._refusing, *self.broken, *self.undeclared, *self.floors)

    @property
    def _refusing(self) -> tuple[RuntimeRange, ...]:
        return tuple(each for each in self.ranges if not each.switches_off)

    @property
    def floors(self) -> tuple[RuntimeRange, ...]:
        """Of the ranges those below which a package goes on without the other one: it takes nothing then."""
        return tuple(each for each in self.ranges if each.switches_off)


def broken_needs(
    trees: Mapping[str, Mapping[str, Tree]], entries: Mapping[str, Sequence[tuple[str, Sequence[str]]]]
) -> tuple[BrokenNeed, ...]:
    """From package to release to its modules, the releases in their order; `entries`: what is imported of each
    package, which come in the order in which they are imported.
    """
    takers: dict[tuple[str, Need], dict[str, str]] = {}
    for package, releases in trees.items():
        for release, tree in releases.items():
            for each in dict.fromkeys(_known(tree.taken(entries[package]), trees)):
                takers.setdefault((package, each.need), {}).setdefault(release, each.file)
    needs = frozenset(need for _, need in takers)
    lacks = {
        package: {release: tree.lacks(each for each in needs if each.package == package)
                  for release, tree in releases.items()}
        for package, releases in trees.items()
    }  # fmt: skip
    found = []
    for (package, need), files in takers.items():
        lacking = tuple(release for release, names in lacks[need.package].items() if need in names)
        if lacking and len(lacking) < len(trees[need.package]):
            found.append(BrokenNeed(package, tuple(files), next(iter(files.values())), need, lacking))
    return tuple(found)


def _known(taken: Iterable[Taken], packages: Iterable[str]) -> list[Taken]:
    named = frozenset(packages)
    return [each for each in taken if each.need.package in named]


# ------------------------------------------------------------------ the file


def written(needs: ImportNeeds) -> str:
    """The file, one line a statement and one a release that was read."""
    read = [
        f"{json.dumps(f'{package} {release}')}: {json.dumps(digest)}"
        for package, releases in needs.read.items()
        for release, digest in releases.items()
    ]
    lines = [json.dumps(_data(each)) for each in needs.broken]
    ranges = [
        json.dumps(
            {"package": each.package, "of": each.other, "accepts": each.accepted}
            | ({"switches_off": True} if each.switches_off else {})
            | {"in": each.releases}
        )
        for each in needs.ranges
    ]
    return (
        f'{{"schema": 1,\n"read": {{\n{_listed(read)}\n}},\n"broken": [\n{_listed(lines)}\n],\n'
        f'"ranges": [\n{_listed(ranges)}\n]}}\n'
    )


def _listed(lines: Sequence[str]) -> str:
    return ",\n".join(lines)


def _data(each: BrokenNeed) -> dict[str, Any]:
    need = {"module": each.need.module, "name": each.need.name} | ({"attribute": True} if each.need.attribute else {})
    return {"package": each.package, "file": each.file, **need, "in": each.releases, "lacking": each.lacking}


def needs_of(data: Mapping[str, Any]) -> ImportNeeds:
    """What a file holds."""
    read: dict[str, dict[str, str]] = {}
    for name, digest in data["read"].items():
        package, release = name.split()
        read.setdefault(package, {})[release] = digest
    broken = tuple(
        BrokenNeed(
            each["package"], tuple(each["in"]), each["file"],
            Need(each["module"], each["name"], each.get("attribute", False)), tuple(each["lacking"]),
        )
        for each in data["broken"]
    )  # fmt: skip
    ranges = tuple(
        RuntimeRange(each["package"], tuple(each["in"]), each["of"], each["accepts"], each.get("switches_off", False))
        for each in data["ranges"]
    )
    return ImportNeeds(read, broken, ranges)


def needs_on(url: str | None) -> ImportNeeds:
    """What is known of the releases of an index; None: the one that is configured.

    What comes with this package was read from the public index: an index that a matrix names may have other builds.
    """
    return shipped_needs() if url is None else ImportNeeds({}, ())


@cache
def shipped_needs() -> ImportNeeds:
    """What comes with this package, read once."""
    found = needs_of(json.loads(SHIPPED.read_text(encoding="utf-8")))
    return replace(found, undeclared=shipped_undeclared())
