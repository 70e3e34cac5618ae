"""Releases between measured ones that cannot be imported beside something within the same bounds, by the packages' own
sources: `recommend --bounds` leaves them out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from packaging.specifiers import SpecifierSet

from .import_needs import shipped_needs
from .known import KnownTable
from .minor_lines import series_of

Release = tuple[str, str]
"""A package and a version of it."""


@dataclass(frozen=True)
class Gap:
    """A release that the bounds leave out, and why."""

    package: str
    version: str
    why: str
    series: bool
    """Whether no known release of its series is left within the bounds."""


@dataclass(frozen=True)
class _Conflict:
    """One or two releases that were not measured, of which one has to be left out."""

    releases: frozenset[Release]
    why: str


def gaps(
    ranges: Mapping[str, SpecifierSet], measured: Mapping[str, Collection[str]], table: KnownTable
) -> tuple[Gap, ...]:
    """What else `ranges` must leave out: package to specifier, and to the measured versions within, whose combinations
    all work. Of `table` the other releases that are known.

    Where two releases fail with each other alone, the one that fails more often is left out.
    """
    left: dict[Release, str] = {}
    conflicts = list(_conflicts(ranges, measured))
    for each in conflicts:
        if len(each.releases) == 1:
            left.setdefault(next(iter(each.releases)), each.why)
    while conflicts := [each for each in conflicts if not each.releases & left.keys()]:
        often = Counter(release for each in conflicts for release in sorted(each.releases))
        worst = max(often, key=lambda release: often[release])
        left[worst] = next(each.why for each in conflicts if worst in each.releases)
    kept = {
        (package, series_of(version))
        for package in ranges
        for version in (*table.axes.get(package, ()), *shipped_needs().read.get(package, ()))
        if (package, version) not in left
    }
    return tuple(
        Gap(package, version, why, (package, series_of(version)) not in kept)
        for (package, version), why in left.items()
    )


def _conflicts(ranges: Mapping[str, SpecifierSet], measured: Mapping[str, Collection[str]]) -> Iterator[_Conflict]:
    needs = shipped_needs()
    within = {
        name: [each for each in needs.read.get(name, ()) if specifier.contains(each, prereleases=True)]
        for name, specifier in ranges.items()
    }
    for statement in needs.statements:
        package, other = statement.pair
        for release, beside in product(within.get(package, ()), within.get(other, ())):
            beyond = frozenset(
                (name, version) for name, version in ((package, release), (other, beside))
                if version not in measured[name]
            )  # fmt: skip
            # of two measured ones the runs have told
            if beyond and statement.stops(release, beside):
                yield _Conflict(beyond, statement.words(release, beside))
