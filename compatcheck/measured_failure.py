"""What the measured table says of a failure, whatever versions a text names: which combinations fail so, and what in
the place of one package lets them pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from .domain import CORE, Basis, Policy, listed
from .errors import CompatcheckError
from .table import TELLING

if TYPE_CHECKING:
    from .known import KnownCell, KnownTable

MENDS = 2
"""Packages of which another release is told."""
ENOUGH = 0.5
"""The share of the combinations that must pass with another release, for that to be told."""
AS_GOOD = 0.9
"""The part of the best release's share that another one needs to stand in one range with it."""
SAMPLE = 0.1
"""The part of the combinations in which a release must have been tried to be compared."""
FEW = 5
"""With fewer combinations tried, nothing is told, but where the versions of both other packages are named."""

Versions = tuple[str, ...]
"""Of the packages in CORE's order."""


@dataclass(frozen=True)
class Mend:
    """Releases of one package that let combinations pass which fail with others."""

    package: str
    first: str
    last: str
    """The first and the last of the releases, next to one another among those that were measured."""
    open_ended: bool
    """Whether the last is the newest one measured."""
    newer: bool
    """Whether they came after those that fail."""
    passing: int
    of: int
    """How many of the combinations pass with one of them in the place of the release that fails, of how many run."""

    @property
    def specifier(self) -> str:
        """`peft>=0.13.2,<=0.15.2`, without an end where the newest one measured is among them."""
        if self.first == self.last and not self.open_ended:
            return f"{self.package}=={self.first}"
        return f"{self.package}>={self.first}" + ("" if self.open_ended else f",<={self.last}")

    @property
    def rank(self) -> tuple[bool, bool, float]:
        """The surest last: what nearly all pass with, a newer release rather than an older one."""
        return self.sure, self.newer, self.passing / self.of

    @property
    def sure(self) -> bool:
        """Whether nearly all pass."""
        return self.passing / self.of >= AS_GOOD

    def words(self) -> str:
        passing = f"all {self.of}" if self.passing == self.of else f"{self.passing} of the {self.of}"
        return f"{passing} combinations run with {self.specifier} instead"


@dataclass(frozen=True)
class MeasuredFailure:
    """The table's word on a failure."""

    combinations: int
    """How many fail so, of those with the versions that the text names."""
    named: Mapping[str, str]
    """What the text names of torch, transformers and peft, as far as combinations that fail so have it."""
    spans: Mapping[str, tuple[str, str]]
    """Package to the first and the last release that fails so, where these are not the first and last measured."""
    mends: tuple[Mend, ...]
    """The surest first."""

    def words(self) -> str:
        """`143 combinations fail so: transformers 4.44.2 to 4.53.3, peft 0.7.1 to 0.11.1`"""
        named = listed([f"{name} {version}" for name, version in self.named.items()])
        count = f"{self.combinations} combinations fail" if self.combinations > 1 else "1 combination fails"
        said = f"{count} so" + (f" with {named}" if named else "")
        spans = [
            f"{name} {first}" + (f" to {last}" if last != first else "") for name, (first, last) in self.spans.items()
        ]
        return f"{said}: {', '.join(spans)}" if spans else said

    def as_json(self) -> dict[str, Any]:
        return {
            "combinations": self.combinations,
            "named": dict(self.named),
            "releases": {name: {"first": first, "last": last} for name, (first, last) in self.spans.items()},
            "mended_by": [
                {"pin": mend.specifier, "package": mend.package, "passing": mend.passing, "of": mend.of}
                for mend in self.mends
            ],
            "says": self.words(),
        }


def measured_failure(
    signature: str, versions: Mapping[str, str], table: KnownTable | None = None
) -> MeasuredFailure | None:
    """The word on a signature, on the combinations with the named `versions` where any of those fails so. None where
    nothing in the table does, or it cannot be read."""
    try:
        return _failure(signature, versions, table or _known())
    except CompatcheckError:
        return None


def _known() -> KnownTable:
    from .own_runs import known_table

    return known_table()


def _failure(signature: str, versions: Mapping[str, str], table: KnownTable) -> MeasuredFailure | None:
    went = _runs(table)
    within = [key for key, cells in went.items() if any(cell.signature == signature for cell in cells)]
    if not within:
        return None
    failing, named = _with(versions, within)
    spans: dict[str, tuple[str, str]] = {}
    mends: list[Mend] = []
    for place, name in enumerate(CORE):
        kept = {other: version for other, version in named.items() if other != name}
        trials = _Trials(place, _with(kept, within)[0], went)
        if name not in named and trials.bounded:
            spans[name] = trials.span
        if mend := trials.mend(1 if len(kept) == len(CORE) - 1 else FEW):
            mends.append(mend)
    mends.sort(key=lambda mend: mend.rank, reverse=True)
    return MeasuredFailure(len(failing), named, spans, tuple(mends[:MENDS]))


def _with(versions: Mapping[str, str], failing: Sequence[Versions]) -> tuple[Sequence[Versions], dict[str, str]]:
    """The failing combinations with these versions, and which of the versions any of them has."""
    named: dict[str, str] = {}
    for place, name in enumerate(CORE):
        if fits := [key for key in failing if key[place] == versions.get(name)]:
            failing, named[name] = fits, versions[name]
    return failing, named


def _runs(table: KnownTable) -> dict[Versions, list[KnownCell]]:
    """What was run with what pip installs today, by the versions of the three."""
    went: dict[Versions, list[KnownCell]] = {}
    for cell in (*table.cells, *table.scattered):
        if cell.outcome in TELLING and cell.basis is Basis.MEASURED and cell.policy is Policy.TODAY:
            went.setdefault(tuple(cell.versions[name] for name in CORE), []).append(cell)
    return went


class _Trials:
    """What came of the combinations that fail so with other releases of one package in their place."""

    def __init__(self, place: int, failing: Sequence[Versions], went: Mapping[Versions, Sequence[KnownCell]]) -> None:
        self.package = CORE[place]
        self.axis = sorted({key[place] for key in went}, key=Version)
        """Every release that was run."""
        bad = {key[place] for key in failing}
        self.span = min(bad, key=Version), max(bad, key=Version)
        self.came: dict[str, tuple[int, int]] = {}
        """Release to how many of the combinations pass with it, and how many were run."""
        beside = {(key[:place], key[place + 1 :]) for key in failing}
        for version in self.axis:
            found = [cells for before, after in beside if (cells := went.get((*before, version, *after)))]
            if found:
                self.came[version] = sum(all(cell.works for cell in cells) for cells in found), len(found)

    def _beyond(self, version: str) -> int:
        """How many releases lie between one and those that fail so; 0 among them."""
        place, first, last = (self.axis.index(each) for each in (version, *self.span))
        return max(first - place, place - last, 0)

    @property
    def bounded(self) -> bool:
        """Whether a combination was run with a release before the first, or after the last, that fails so."""
        return any(map(self._beyond, self.came))

    def mend(self, few: int) -> Mend | None:
        """The releases next to one another that the most pass with: those up to the newest, or the nearest to what
        fails; None where half of them pass with none, or fewer than `few` were tried."""
        least = SAMPLE * max(of for _, of in self.came.values())
        shares = {version: passing / of for version, (passing, of) in self.came.items() if of >= least}
        best = max(shares.values())
        if best < ENOUGH:
            return None
        runs = [list(run) for good, run in groupby(shares, lambda each: shares[each] >= AS_GOOD * best) if good]
        run = max(runs, key=lambda run: (run[-1] == self.axis[-1], -min(map(self._beyond, run)), Version(run[-1])))
        passing, of = (sum(self.came[version][part] for version in run) for part in (0, 1))
        if of < few:
            return None
        newer = Version(run[0]) > Version(self.span[1])
        return Mend(self.package, run[0], run[-1], run[-1] == self.axis[-1], newer, passing, of)
