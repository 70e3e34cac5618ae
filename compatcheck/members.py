"""What the classes of the stack's newest releases have, with what they are derived from: where the releases that
`sources` compares do not tell why an attribute is missed, this tells what there is instead. One JSON file,
`data/members.json`; `compatcheck catalogue members` renews it from wheels.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from packaging.version import Version

from .source_archives import is_project, name_of, python_files
from .source_packages import PACKAGES, STACK, folder_of, is_no_library
from .source_reader import SourceFacts, line_of, read_source

SHIPPED = Path(__file__).resolve().parent / "data" / "members.json"
ALIKE = 0.8
"""How like the missed name another must be to be told (difflib's ratio): `prediction` and `predictions`."""


@dataclass(frozen=True)
class PackageClasses:
    """What was read of one package."""

    release: str
    bases: Mapping[str, tuple[str, ...]]
    """Class to the names of what it is derived from."""
    own: Mapping[str, tuple[str, ...]]
    """Class to its methods, its fields and what its methods set on `self`; without what it inherits."""

    def line(self, owner: str) -> list[str]:
        """A class and all that it is derived from, the nearest first."""
        return line_of(owner, self.bases)


@dataclass(frozen=True)
class Members:
    """The table, with what is looked up in it."""

    packages: Mapping[str, PackageClasses]

    def bearer(self, package: str, owner: str, name: str) -> str | None:
        """The class that a class of the package has a member by: itself, or the nearest of its bases."""
        classes = self.packages[package]
        return next((each for each in classes.line(owner) if name in classes.own.get(each, ())), None)

    def nearest(self, package: str, owner: str, name: str) -> str | None:
        """What a class of the package has, itself or by its bases, that is called most alike; None where nothing is."""
        classes = self.packages[package]
        names = sorted({each for base in classes.line(owner) for each in classes.own.get(base, ())} - {name})
        return next(iter(difflib.get_close_matches(name, names, 1, ALIKE)), None)

    def others(self, name: str) -> list[tuple[str, str]]:
        """Package and class of all that have a member of that name themselves."""
        return [
            (package, owner) for package, each in self.packages.items() for owner in each.own if name in each.own[owner]
        ]


def read_newest(folder: Path, told: Callable[[str], None]) -> Members:
    """The table of the newest wheel in `folder` of every package of the stack. `told` hears of each."""
    wheels = [(*name_of(path.name), path) for path in sorted(folder.iterdir()) if not is_project(path.name)]
    newest = {
        package: (version, path)
        for package, version, path in sorted(wheels, key=lambda each: Version(each[1]))
        if package in STACK
    }
    found = {}
    for package, (version, path) in sorted(newest.items()):
        told(f"{package} {version}")
        facts = SourceFacts()
        for name, text in python_files(path, folder_of(package)):
            if not is_no_library(PurePosixPath(name).parts):
                facts.add(read_source(text, name))
        found[package] = PackageClasses(
            version,
            {owner: facts.bases.get(owner, ()) for owner in sorted(facts.members)},
            {owner: tuple(sorted(_told(facts.members[owner]))) for owner in sorted(facts.members)},
        )
    return Members(found)


def _told(names: set[str]) -> Iterator[str]:
    return (name for name in names if not name.startswith("__"))


def renewed(before: Members | None, found: Members) -> Members:
    """The table with what was read in the place of what it had of the same packages; the others stay."""
    packages = {**(before.packages if before else {}), **found.packages}
    order = sorted(packages, key=PACKAGES.index)
    return Members({package: packages[package] for package in order})


def written(members: Members) -> str:
    """The table as text, a line for each package; of each class its bases before the colon."""
    lines = ",\n".join(
        f'"{package}":' + json.dumps({"release": each.release, "classes": {
            owner: f"{' '.join(each.bases[owner])}: {' '.join(names)}" for owner, names in each.own.items()
        }}, separators=(",", ":"))
        for package, each in members.packages.items()
    )  # fmt: skip
    return f'{{"schema":1,"packages":{{\n{lines}\n}}}}\n'


def read(text: str) -> Members:
    """The table from its text."""
    found = {}
    for package, each in json.loads(text)["packages"].items():
        parts = {owner: told.partition(":") for owner, told in each["classes"].items()}
        found[package] = PackageClasses(
            each["release"],
            {owner: tuple(bases.split()) for owner, (bases, _, _) in parts.items()},
            {owner: tuple(names.split()) for owner, (_, _, names) in parts.items()},
        )
    return Members(found)


@cache
def shipped_members() -> Members:
    """The table that comes with this package, read once."""
    return read(SHIPPED.read_text(encoding="utf-8"))
