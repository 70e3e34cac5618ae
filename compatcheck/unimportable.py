"""What the packages' own sources say of a combination that was not run: that it cannot be imported.

>>> from compatcheck.unimportable import unimportable
>>> told = unimportable({"torch": "2.9.1", "transformers": "5.1.0", "peft": "0.17.0"})
>>> told.says
'peft 0.17.0 imports transformers.HybridCache (peft/peft_model.py), which transformers 5.1.0 lacks'
>>> told.signature.id
'import-cache-class-missing'
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from .domain import Outcome, Raised, Stage
from .import_needs import ImportNeeds, shipped_needs, signature_of

if TYPE_CHECKING:
    from .known import KnownCell
    from .signatures import Signature


@dataclass(frozen=True)
class Unimportable:
    """What is sure to fail as it is imported."""

    says: str
    signature: Signature | None


def unimportable(
    versions: Mapping[str, str], cells: Iterable[KnownCell] = (), among: Collection[str] | None = None
) -> Unimportable | None:
    """The first version that a release refuses, or thing that it takes of another one that lacks it; None where the
    sources that were read say nothing. `versions`: exact ones, by the packages' normal names.

    What one of the measured `cells` speaks against, with the same two releases, is not said. `among`: packages of
    which one must be concerned; None: any.
    """
    needs = shipped_needs()
    given = {name: version for name, version in versions.items() if version}
    read = {
        name: release
        for name in needs.read
        if (version := given.get(canonicalize_name(name))) and (release := _as_read(name, version)) is not None
    }
    for pair, says, raised in (*_refused(needs, read, given), *_lacking(needs, read)):
        if (among is None or pair.keys() & set(among)) and not any(_against(cell, pair) for cell in cells):
            return Unimportable(says, _signature(raised))
    return None


_Told = tuple[dict[str, str], str, Raised]
"""Two packages with their versions, what the sources say of them, and what is raised."""


def _refused(needs: ImportNeeds, read: Mapping[str, str], given: Mapping[str, str]) -> Iterator[_Told]:
    """Compared before anything else is imported."""
    for each in needs.ranges:
        release, version = read.get(each.package, ""), given.get(each.other)
        if release in each.releases and version and each.refuses(version):
            yield {each.package: release, each.other: version}, each.words(release, version), each.raised(version)


def _lacking(needs: ImportNeeds, read: Mapping[str, str]) -> Iterator[_Told]:
    for each in needs.broken:
        if read.get(each.package) in each.releases and read.get(each.other) in each.lacking:
            pair: dict[str, str] = {canonicalize_name(name): read[name] for name in (each.package, each.other)}
            yield pair, each.words(*pair.values()), each.raised


@cache
def _as_read(package: str, version: str) -> str | None:
    """The release as the table writes it; None where it was not read."""
    asked = Version(version)
    return next((each for each in shipped_needs().read[package] if Version(each) == asked), None)


def _against(cell: KnownCell, pair: Mapping[str, str]) -> bool:
    """Whether a run with these releases came further than the import."""
    there = {**cell.beside, **cell.versions}
    if any(there.get(name) != version for name, version in pair.items()):
        return False
    if cell.outcome is Outcome.FAIL:
        return cell.stage is not Stage.IMPORT
    return cell.outcome in (Outcome.PASS, Outcome.WRONG)


def _signature(raised: Raised) -> Signature | None:
    from .explanation import shipped_catalogue

    catalogue = shipped_catalogue()
    named = signature_of(raised, catalogue)
    return catalogue.get(named) if named else None
