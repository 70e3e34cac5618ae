"""The border between good and bad along an ordered row of points, by bisection that goes by the signature.

A point that shows another error is unknown: it is stepped over, never taken for bad. Both sides of a border are
repeated before it counts, and where a repetition contradicts the first run the search goes on with what is now known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from packaging.version import Version

from .trials import Bench, Standing

Ask = Callable[[int], Standing]

MOST_CONTRADICTIONS = 6
"""How often a repetition may overturn a border before the search gives up."""
PATIENCE = 8
"""How many unknown points between a good and a bad one are tried before the border is left as wide as it is."""


@dataclass(frozen=True)
class Border:
    """A good and a bad point with only unknown points in between."""

    good: int
    bad: int
    unknown: tuple[int, ...] = ()
    """Points in between that were tried and told nothing."""

    @property
    def tight(self) -> bool:
        return abs(self.good - self.bad) == 1


def border(standing: Ask, settled: Ask, good: int, bad: int) -> Border | None:
    """The border between `good` and `bad`, both of which must be known to be so. `good` may be the higher one.

    None where the repetitions go on to contradict the runs before them.
    """
    for _ in range(MOST_CONTRADICTIONS):
        found = _narrowed(standing, good, bad)
        agreed = settled(found.good) is Standing.GOOD
        agreed = settled(found.bad) is Standing.BAD and agreed
        # an unknown point between two neighbours may be a chance error: it is worth one more run each
        told = [point for point in found.unknown if settled(point) is not Standing.UNKNOWN]
        if agreed and not told:
            return found
    return None


def _narrowed(standing: Ask, good: int, bad: int) -> Border:
    unknown: set[int] = set()
    while True:
        low, high = min(good, bad), max(good, bad)
        between = sorted(point for point in unknown if low < point < high)
        gap = _widest_gap([low, *between, high])
        closed = low + 1 in unknown and high - 1 in unknown
        if gap is None or (closed and len(between) >= PATIENCE):
            return Border(good, bad, tuple(between))
        if between and not closed:
            gap = _edge_gap(low, high, between, gap)
        point = (gap[0] + gap[1]) // 2
        seen = standing(point)
        if seen is Standing.GOOD:
            good = point
        elif seen is Standing.BAD:
            bad = point
        else:
            unknown.add(point)


def _widest_gap(points: Sequence[int]) -> tuple[int, int] | None:
    """The two neighbours with the most untried points between them; None where there is none."""
    gaps = [(right - left, -left) for left, right in pairwise(points) if right - left > 1]
    if not gaps:
        return None
    width, left = max(gaps)
    return -left, -left + width


def _edge_gap(low: int, high: int, between: Sequence[int], widest: tuple[int, int]) -> tuple[int, int]:
    """Where unknown points lie between, the gap next to a known point: it tells where the unknown stretch ends."""
    left, right = (low, between[0]), (between[-1], high)
    best = max((left, right), key=lambda gap: gap[1] - gap[0])
    return best if best[1] - best[0] > 1 else widest


@dataclass(frozen=True)
class Span:
    """The releases of a package between which a lock is bad."""

    package: str
    last_good: str | None = None
    """The last release before `first_bad` that is good; None where none was found."""
    first_bad: str | None = None
    """The first release known to be bad; None where the package's absence is what is bad."""
    last_bad: str | None = None
    """The last release known to be bad before `fixed_in`."""
    fixed_in: str | None = None
    """The first release after that which is good again; None where none was found."""
    unknown: tuple[str, ...] = ()
    """Releases at a border that show another error or cannot be installed."""
    open_below: bool = False
    """No release before `first_bad` is good: the oldest that tells anything is bad too."""
    open_above: bool = False
    """No release after `last_bad` is good: the newest that tells anything is bad too."""
    contradicted: bool = False
    """The repetitions did not agree, so a border is missing."""

    @property
    def tight(self) -> bool:
        return not self.unknown and not self.contradicted


def span(
    bench: Bench, base: Mapping[str, str], package: str, releases: Sequence[str], good: str | None, bad: str
) -> Span:
    """Where among `releases` the lock `base` is bad, when `package` alone changes.

    `base` with `package` at `bad` is known to be bad; with it at `good`, where that is a version, to be good.
    """
    versions = _ordered(releases, [version for version in (good, bad) if version is not None])

    def lock(place: int) -> dict[str, str]:
        return {**base, package: versions[place]}

    def standing(place: int) -> Standing:
        return bench.standing(lock(place))

    def settled(place: int) -> Standing:
        return bench.settled(lock(place))

    start = versions.index(bad)
    known = None if good is None else versions.index(good)
    below = _side(standing, settled, start, 0, known if known is not None and known < start else None)
    above = _side(standing, settled, start, len(versions) - 1, known if known is not None and known > start else None)
    return Span(
        package,
        last_good=versions[below.border.good] if below.border else None,
        first_bad=versions[below.bad],
        last_bad=versions[above.bad],
        fixed_in=versions[above.border.good] if above.border else None,
        unknown=tuple(
            versions[place] for side in (below, above) if side.border for place in sorted(side.border.unknown)
        ),
        open_below=below.open,
        open_above=above.open,
        contradicted=below.contradicted or above.contradicted,
    )


@dataclass(frozen=True)
class _Side:
    bad: int
    border: Border | None = None
    open: bool = False
    contradicted: bool = False


def _side(standing: Ask, settled: Ask, start: int, end: int, known: int | None) -> _Side:
    """The border on the side of `end`, starting from the bad point `start`."""
    if known is not None:
        found = border(standing, settled, known, start)
        return _Side(found.bad if found else start, found, contradicted=found is None)
    for _ in range(2):
        good, bad = _far_good(standing, settled, start, end)
        if good is None:
            return _Side(bad, open=bad == end)
        if found := border(standing, settled, good, bad):
            return _Side(found.bad, found)
    return _Side(start, contradicted=True)


def _far_good(standing: Ask, settled: Ask, start: int, end: int) -> tuple[int | None, int]:
    """A good point between the bad one at `start` and `end`, and the farthest bad point that was met.

    The end is asked first: where it is bad, what lies between counts as bad too. Where it tells nothing, the search
    halves its way back to what does.
    """
    farthest, point, limit = start, end, end
    while point != start:
        seen = standing(point)
        if seen is not Standing.GOOD:
            seen = settled(point)
        if seen is Standing.GOOD:
            return point, farthest
        if seen is Standing.BAD:
            farthest = point
        else:
            limit = point
        if abs(limit - farthest) < 2:
            break
        point = (farthest + limit) // 2
    return None, farthest


def _ordered(releases: Sequence[str], ends: Sequence[str]) -> list[str]:
    """The releases, oldest first, with the two ends in the place of the releases that they are builds of."""
    found: dict[str, str] = {Version(release).public: release for release in releases}
    for end in ends:
        found[Version(end).public] = end
    return sorted(found.values(), key=Version)
