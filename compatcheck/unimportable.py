"""What the packages' own sources say of a combination that was not run: that it cannot be imported.

>>> from compatcheck.unimportable import unimportable
>>> told = unimportable({"torch": "2.9.1", "transformers": "5.1.0", "peft": "0.17.0"})
>>> told.says
'peft 0.17.0 imports transformers.HybridCache (peft/peft_model.py), which transformers 5.1.0 lacks'
>>> told.signature.id
'import-cache-class-missing'
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import Version

from .domain import Outcome, Stage
from .import_needs import BrokenNeed, shipped_needs, signature_of

if TYPE_CHECKING:
    from .known import KnownCell
    from .signatures import Signature


@dataclass(frozen=True)
class Unimportable:
    """What is sure to fail as it is imported."""

    says: str
    signature: Signature | None


def unimportable(versions: Mapping[str, str], cells: Iterable[KnownCell] = ()) -> Unimportable | None:
    """The first thing that a release takes of another one that lacks it; None where the sources that were read say
    nothing. `versions`: exact ones; one that was not read has no word.

    What one of the measured `cells` speaks against, with the same two releases, is not said.
    """
    read = {
        name: release
        for name, releases in shipped_needs().read.items()
        if name in versions and (release := _as_read(versions[name], releases)) is not None
    }
    for each in shipped_needs().broken:
        if read.get(each.package) in each.releases and read.get(each.other) in each.lacking:
            if any(_against(cell, each, read) for cell in cells):
                continue
            return Unimportable(each.words(read[each.package], read[each.other]), _signature(each))
    return None


def _as_read(version: str, releases: Iterable[str]) -> str | None:
    asked = Version(version)
    return next((each for each in releases if Version(each) == asked), None)


def _against(cell: KnownCell, need: BrokenNeed, read: Mapping[str, str]) -> bool:
    """Whether a run with these two releases came further than the import."""
    same = all(cell.versions.get(name) == read[name] for name in (need.package, need.other))
    if not same or cell.outcome not in (Outcome.PASS, Outcome.WRONG, Outcome.FAIL):
        return False
    return cell.outcome is not Outcome.FAIL or cell.stage is not Stage.IMPORT


def _signature(need: BrokenNeed) -> Signature | None:
    from .explanation import shipped_catalogue

    catalogue = shipped_catalogue()
    named = signature_of(need, catalogue)
    return catalogue.get(named) if named else None
