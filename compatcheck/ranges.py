"""Version ranges written as specifiers, as tight as the versions that were measured allow. Pure.

Everything here works on places in an ordered row of measured versions: a range says nothing about a release that was
not measured, so what lies between the last version inside and the first one outside is told apart as a boundary.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from packaging.version import Version


@dataclass(frozen=True)
class Boundary:
    """Where a range ends: the measured versions on both sides of its edge."""

    axis: str
    inside: str
    outside: str
    between: tuple[str, ...] | None = None
    """The releases in between, none of which was measured; None where the releases are not known."""

    def words(self) -> str:
        """`transformers: between 4.43.4 (outside) and 4.44.2 (inside), 2 releases in between untested`."""
        ends = sorted(((self.outside, "outside"), (self.inside, "inside")), key=lambda end: Version(end[0]))
        said = f"{self.axis}: between " + " and ".join(f"{version} ({side})" for version, side in ends)
        if self.between is None:
            return said
        count = len(self.between)
        return f"{said}, {count or 'no'} release{'s' if count != 1 else ''} in between untested"


@dataclass(frozen=True)
class Range:
    """A stretch of an axis's measured versions, with some of them left out."""

    axis: str
    low: int
    high: int
    """The last place inside."""
    skipped: tuple[int, ...] = ()

    def __contains__(self, place: int) -> bool:
        return self.low <= place <= self.high and place not in self.skipped

    def everything(self, versions: Sequence[str]) -> bool:
        return self.low == 0 and self.high == len(versions) - 1 and not self.skipped

    def specifier(self, versions: Sequence[str]) -> str:
        """`>=4.44.2,<5.0.0,!=4.47.1`; empty where the range is all that was measured."""
        if self.low == self.high and 0 < self.low < len(versions) - 1:
            return f"=={versions[self.low]}"
        parts = []
        if self.low > 0:
            parts.append(f">={versions[self.low]}")
        if self.high < len(versions) - 1:
            parts.append(f"<{versions[self.high + 1]}")
        return ",".join([*parts, *(f"!={versions[place]}" for place in self.skipped)])

    def conditions(self, versions: Sequence[str]) -> int:
        """How many comparisons the specifier is made of."""
        return len(self.specifier(versions).split(",")) if not self.everything(versions) else 0

    def boundaries(self, versions: Sequence[str], releases: Sequence[str] | None = None) -> tuple[Boundary, ...]:
        """The edges of the range, those around left-out versions among them."""
        edges = []
        if self.low > 0:
            edges.append((self.low, self.low - 1))
        if self.high < len(versions) - 1:
            edges.append((self.high, self.high + 1))
        for place in self.skipped:
            edges.extend((near, place) for near in (place - 1, place + 1) if near in self)
        return tuple(
            Boundary(
                self.axis,
                versions[inside],
                versions[outside],
                None if releases is None else between(versions[inside], versions[outside], releases),
            )
            for inside, outside in edges
        )


def between(one: str, other: str, releases: Sequence[str]) -> tuple[str, ...]:
    """The releases strictly between two versions, oldest first."""
    low, high = sorted((Version(one), Version(other)))
    return tuple(sorted((each for each in releases if low < Version(each) < high), key=Version))


def range_of(axis: str, admitted: Collection[str], versions: Sequence[str], known: Collection[str]) -> Range | None:
    """The tightest range that admits `admitted` and none of the other `known` versions; None where nothing is admitted.

    `versions` is the axis in order. Versions that are not `known` are left out at the ends, and let in between two
    admitted ones.
    """
    places = [place for place, version in enumerate(versions) if version in admitted]
    if not places:
        return None
    low, high = places[0], places[-1]
    refused = [place for place, version in enumerate(versions) if version in known and version not in admitted]
    # an end that nothing speaks against stays open, over versions of which nothing is known too
    if not any(place < low for place in refused):
        low = 0
    if not any(place > high for place in refused):
        high = len(versions) - 1
    return Range(axis, low, high, tuple(place for place in refused if low < place < high))
