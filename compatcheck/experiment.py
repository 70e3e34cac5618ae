"""What blame by experiment came to for one cell, as the store keeps it and reports tell it."""

from __future__ import annotations

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


def agreement(table: Blame, experiment: Blame) -> str:
    """What the experiment makes of a verdict that was read from the table; empty where it has nothing against it.

    The table knows its own axes and versions only. It is borne out where the experiment names the same packages, and
    no border of its lies outside of the two versions that the table gives.
    """
    if not experiment.culprits:
        return f"the experiment comes to no culprit ({experiment.verdict})"
    said = {each.package: each for each in table.culprits}
    found = {each.package: each for each in (*experiment.culprits, *experiment.also)}
    if missing := sorted(said.keys() - found.keys()):
        return f"{', '.join(missing)} plays no part by experiment"
    outside = [name for name in said if not _within(said[name], found[name])]
    if outside:
        return f"another border of {', '.join(outside)}"
    if further := sorted(found.keys() - said.keys()):
        return f"{', '.join(further)} plays a part too"
    return ""


def _within(table: Culprit, found: Culprit) -> bool:
    """Whether the exact borders lie between the table's versions, as far as both know them."""
    return _ordered(table.last_good, found.last_good, found.first_bad, table.first_bad) and _ordered(
        found.first_bad, table.first_bad, found.fixed_in, table.fixed_in
    )


def _ordered(*versions: str | None) -> bool:
    known = [Version(version) for version in versions if version is not None]
    return known == sorted(known)
