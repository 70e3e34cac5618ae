"""Several measurements of one combination: which counts, and where it differs from what was asked about. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from packaging.version import Version

from .domain import Basis, Outcome, Policy
from .known import KnownCell

_WORST = (Outcome.FAIL, Outcome.UNRESOLVABLE, Outcome.WRONG, Outcome.ERROR, Outcome.UNTESTED, Outcome.PASS)


@dataclass(frozen=True)
class Difference:
    """A package beside the three that is of another version than in the measurement."""

    package: str
    given: str
    measured: str

    def words(self) -> str:
        """`measured beside numpy 2.1.0, here it is 1.26.0`"""
        return f"measured beside {self.package} {self.measured}, here it is {self.given}"


def whatever_python(cells: Sequence[KnownCell]) -> tuple[KnownCell, ...]:
    """What speaks where no Python is named: a Python on which the packages cannot be installed says nothing of another.

    All of them where they cannot be installed on any.
    """
    return tuple(cell for cell in cells if cell.outcome is not Outcome.UNRESOLVABLE) or tuple(cells)


def closest(candidates: Sequence[KnownCell], asked: Mapping[str, str]) -> KnownCell:
    """What counts: one's own measurement, then the one most alike, then measured before inferred, then the worst."""
    return min(
        candidates,
        key=lambda cell: (
            not cell.source.own,
            len(differences_of(cell, asked)),
            cell.basis is not Basis.MEASURED,
            cell.policy is not Policy.TODAY,
            _WORST.index(cell.outcome),
        ),
    )


def differences_of(cell: KnownCell, asked: Mapping[str, str]) -> tuple[Difference, ...]:
    return tuple(
        Difference(name, asked[name], measured)
        for name, measured in cell.beside.items()
        if name in asked and Version(asked[name]) != Version(measured)
    )
