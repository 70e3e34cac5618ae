"""What is imported and comes with nothing: a release takes a module of another one as it is imported, and that module
takes a package that no requirement of the two brings along. One JSON file, `data/undeclared.json`; `compatcheck
catalogue undeclared` renews it from the wheels of the index and from the resolver's answers.

It is true of locks, which hold nothing but what is asked for: who has the package besides does not meet it. A package
counts as missing only where the lock of another release has it by that name.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from .domain import Frame, Raised, Stage
from .import_reader import Tree

SHIPPED = Path(__file__).resolve().parent / "data" / "undeclared.json"

Trees = Mapping[str, Mapping[str, Tree]]
"""From package to release to its modules, the releases in their order."""
Entries = Sequence[tuple[str, Sequence[str]]]
"""Modules, with the names that are wanted of them."""
Locked = Callable[[str, "tuple[tuple[str, str], ...]"], "Collection[str] | None"]
"""From a Python, and packages with their versions, to the normal names of all that their lock holds; None: no lock."""


@dataclass(frozen=True)
class Undeclared:
    """A module that some releases of a package take of another one, and what it imports that does not come along."""

    package: str
    releases: tuple[str, ...]
    """That take it."""
    file: str
    """Where the oldest of them does."""
    module: str
    """`torch.utils.cpp_extension`"""
    imports: str
    """`setuptools`"""
    pythons: tuple[str, ...]
    lacking: tuple[str, ...]
    """Releases of the other package that have the module, and whose locks with any of the first, on any of these
    Pythons, do not have what it imports."""

    @property
    def other(self) -> str:
        return self.module.split(".")[0]

    @property
    def pair(self) -> tuple[str, str]:
        """The packages by their normal names."""
        return canonicalize_name(self.package), canonicalize_name(self.other)

    @property
    def stage(self) -> Stage:
        """Where the cycle ends."""
        return Stage.IMPORT

    def stops(self, release: str, other: str) -> bool:
        """Whether this release takes the module, and nothing brings what it imports in that of the other package."""
        return release in self.releases and other in self.lacking

    def raised_by(self, other: str) -> Raised:
        """What Python raises; the same for every release of the other package."""
        frame = Frame(self.file, 0, "<module>")
        return Raised("ModuleNotFoundError", "builtins", f"No module named {self.imports!r}", (frame,))

    def words(self, release: str, other: str) -> str:
        """`peft 0.11.1 imports torch.utils.cpp_extension (peft/...), and that imports setuptools, which ...`"""
        taken = f"{self.package} {release} imports {self.module} ({self.file})"
        return f"{taken}, and that imports {self.imports}, which {self.other} {other} does not bring along"


def undeclared_needs(
    takers: Trees, others: Trees, entries: Mapping[str, Entries], pythons: Sequence[str], locked: Locked
) -> tuple[Undeclared, ...]:
    """What releases of `takers` take of `others`. `entries`: what is imported of each of the takers."""
    locked = cache(locked)
    found: list[Undeclared] = []
    for (package, module), files in _taken(takers, others, entries).items():
        other = module.split(".")[0]
        foreign = {release: _foreign(tree, module) for release, tree in others[other].items()}
        for imports in dict.fromkeys(name for names in foreign.values() for name in names):
            answers = {
                (python, taker): {
                    release: _brings(locked, python, imports, (other, release), (package, taker))
                    for release, names in foreign.items() if imports in names
                }
                for python, taker in product(pythons, files)
            }  # fmt: skip
            if any(True in each.values() for each in answers.values()):
                found += [
                    Undeclared(package, takers, files[takers[0]], module, imports, on, lacking)
                    for takers, on, lacking in _alike(answers)
                ]
    return tuple(found)


def _alike(
    answers: Mapping[tuple[str, str], Mapping[str, bool | None]],
) -> Iterator[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]]:
    """By Python and taker whether releases bring something along: takers, Pythons, and the releases that do not bring
    it to any of those takers on any of those Pythons.
    """
    takers: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (python, taker), told in answers.items():
        if lacking := tuple(release for release, brings in told.items() if brings is False):
            takers.setdefault((python, lacking), []).append(taker)
    pythons: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for (python, lacking), some in takers.items():
        pythons.setdefault((tuple(some), lacking), []).append(python)
    for (of, lacking), on in pythons.items():
        yield of, tuple(on), lacking


def _taken(
    takers: Trees, others: Collection[str], entries: Mapping[str, Entries]
) -> dict[tuple[str, str], dict[str, str]]:
    """By package and module of another one: the releases that take the module, each with the file where it does.

    Without the other package itself: what that imports as it is imported is no pair's affair.
    """
    found: dict[tuple[str, str], dict[str, str]] = {}
    for package, releases in takers.items():
        for release, tree in releases.items():
            for each in tree.taken(entries[package]):
                if each.need.package in others:
                    for module in (each.need.module, f"{each.need.module}.{each.need.name}"):
                        if module != each.need.package:
                            found.setdefault((package, module), {}).setdefault(release, each.file)
    return found


def _foreign(tree: Tree, module: str) -> list[str]:
    """The packages that a release's module is sure to import; none where the release has no such module."""
    read = tree.module(module)
    steps = (name.split(".")[0] for name, _ in read.steps) if read else ()
    return [name for name in dict.fromkeys(steps) if name != tree.package and name not in sys.stdlib_module_names]


def _brings(locked: Locked, python: str, imports: str, one: tuple[str, str], beside: tuple[str, str]) -> bool | None:
    """Whether a release brings a package along, alone or with another one; None where they have no lock together."""
    wanted = canonicalize_name(imports)
    alone = locked(python, (one,))
    if alone is not None and wanted in alone:
        return True
    together = locked(python, (one, beside)) if alone is not None else None
    return None if together is None else wanted in together


# ------------------------------------------------------------------ the file


def undeclared_of(data: Mapping[str, Any]) -> tuple[Undeclared, ...]:
    """What a file holds."""
    return tuple(
        Undeclared(
            each["package"], tuple(each["in"]), each["file"], each["module"], each["imports"],
            tuple(each["pythons"]), tuple(each["lacking"]),
        )
        for each in data["undeclared"]
    )  # fmt: skip


def written(found: Iterable[Undeclared]) -> str:
    """The file, one line a statement."""
    lines = ",\n".join(json.dumps(_data(each)) for each in found)
    return f'{{"schema": 1,\n"undeclared": [\n{lines}\n]}}\n'


def _data(each: Undeclared) -> dict[str, Any]:
    return {
        "package": each.package, "file": each.file, "module": each.module, "imports": each.imports,
        "in": each.releases, "pythons": each.pythons, "lacking": each.lacking,
    }  # fmt: skip


@cache
def shipped_undeclared() -> tuple[Undeclared, ...]:
    """What comes with this package, read once."""
    return undeclared_of(json.loads(SHIPPED.read_text(encoding="utf-8")))
