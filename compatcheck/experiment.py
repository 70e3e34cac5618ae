"""What blame by experiment came to for one cell, as the store keeps it and reports tell it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from packaging.version import Version

from .attribution import Blame, Culprit
from .cell_blame import CellBlame
from .domain import Digest


@dataclass(frozen=True)
class Experiment:
    cell: str
    lock: Digest
    """Of the failing lock."""
    at: datetime
    found: CellBlame
    drawn: str = ""
    """How the cell came to be chosen where chance chose it: `seed 7, 6 of 237 failing cells`."""

    @property
    def blame(self) -> Blame:
        return self.found.blame

    @property
    def evidence(self) -> tuple[str, ...]:
        """The locks that it rests on, by their digests; of a run that was a cell's, the cell."""
        return tuple(dict.fromkeys(end for pair in self.blame.evidence for end in (pair.good, pair.bad)))


@dataclass(frozen=True)
class Agreement:
    """What an experiment makes of a verdict that was read from the table."""

    against: str = ""
    """What it contradicts, in words; empty where nothing."""
    further: tuple[str, ...] = ()
    """Packages that play a part by experiment, of which the table does not tell."""
    silent: tuple[str, ...] = ()
    """Packages that the table names and the experiment could not try: no passing cell differs in them."""

    @property
    def whole(self) -> bool:
        """Whether it bears out all that the table says, and nothing else was found."""
        return not (self.against or self.further or self.silent)

    def words(self) -> str:
        if self.against:
            return self.against
        said = [f"{', '.join(self.further)} plays a part too"] if self.further else []
        said += (
            [f"nothing is said of {', '.join(self.silent)}: no cell that differs in it passes"] if self.silent else []
        )
        return "borne out" + (f" in part: {'; '.join(said)}" if said else "")


def agreement(table: Blame, experiment: Blame, silent: Collection[str] = ()) -> Agreement:
    """Hold a verdict that was read from the table against an experiment, which could not try the packages `silent`.

    The table knows its own axes and versions only. It is borne out where the experiment names the same packages, and
    no border of its lies outside of the two versions that the table gives.
    """
    if not experiment.culprits:
        return Agreement(f"the experiment comes to no culprit ({experiment.verdict})")
    said = {each.package: each for each in table.culprits}
    found = {each.package: each for each in (*experiment.culprits, *experiment.also)}
    if missing := sorted(said.keys() - found.keys() - set(silent)):
        return Agreement(f"{', '.join(missing)} plays no part by experiment")
    if outside := [name for name in said if name in found and not _within(said[name], found[name])]:
        return Agreement(f"another border of {', '.join(outside)}")
    return Agreement(
        further=tuple(sorted(found.keys() - said.keys())), silent=tuple(sorted(said.keys() - found.keys()))
    )


def _within(table: Culprit, found: Culprit) -> bool:
    """Whether the exact borders lie between the table's versions, as far as both know them."""
    return _ordered(table.last_good, found.last_good, found.first_bad, table.first_bad) and _ordered(
        found.first_bad, table.first_bad, found.fixed_in, table.fixed_in
    )


def _ordered(*versions: str | None) -> bool:
    known = [Version(version) for version in versions if version is not None]
    return known == sorted(known)
