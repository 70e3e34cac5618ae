"""What the packages' own sources say of a combination that was not run: that it cannot be imported.

>>> from compatcheck.unimportable import unimportable
>>> told = unimportable({"torch": "2.9.1", "transformers": "5.1.0", "peft": "0.17.0"})
>>> told.says
'peft 0.17.0 imports transformers.HybridCache (peft/peft_model.py), which transformers 5.1.0 lacks'
>>> told.signature.id
'import-cache-class-missing'
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from .domain import Outcome, Stage
from .import_needs import BrokenNeed, Statement, shipped_needs, signature_of

if TYPE_CHECKING:
    from .known import KnownCell
    from .signatures import Signature

_ORDER = list(Stage)


@dataclass(frozen=True)
class Unimportable:
    """What is sure to fail, as it is imported or where the cycle first needs what was switched off."""

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
    read: dict[str, str] = {
        normal: release
        for name in needs.read
        if (version := given.get(normal := canonicalize_name(name))) and (release := _as_read(name, version))
    }
    beside = {**given, **read}
    off = {each.package for each in needs.floors if _holds(each, read, beside)}
    for each in needs.statements:
        package, other = each.pair
        if not _holds(each, read, beside) or (isinstance(each, BrokenNeed) and package in off):
            continue
        pair = {package: read[package], other: beside[other]}
        if (among is None or pair.keys() & set(among)) and not any(_against(cell, pair, each.stage) for cell in cells):
            return Unimportable(each.words(*pair.values()), _signature(each, beside[other]))
    return None


def _holds(statement: Statement, read: Mapping[str, str], beside: Mapping[str, str]) -> bool:
    package, other = statement.pair
    return package in read and other in beside and statement.stops(read[package], beside[other])


@cache
def _as_read(package: str, version: str) -> str | None:
    """The release as the table writes it; None where it was not read."""
    asked = Version(version)
    return next((each for each in shipped_needs().read[package] if Version(each) == asked), None)


def _against(cell: KnownCell, pair: Mapping[str, str], stage: Stage) -> bool:
    """Whether a run with these two releases came further than the stage in which it should have ended."""
    there = {**cell.beside, **cell.versions}
    if any(there.get(name) != version for name, version in pair.items()):
        return False
    if cell.outcome is Outcome.FAIL:
        return cell.stage is None or _ORDER.index(cell.stage) > _ORDER.index(stage)
    return cell.outcome in (Outcome.PASS, Outcome.WRONG)


def _signature(statement: Statement, other: str) -> Signature | None:
    from .explanation import shipped_catalogue

    catalogue = shipped_catalogue()
    named = signature_of(statement, other, catalogue)
    return catalogue.get(named) if named else None
