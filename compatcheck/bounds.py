"""The ranges to declare: the largest block of versions in which every combination was measured and works. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from .domain import CORE, Basis
from .gaps import Gap, gaps
from .known import KnownCell
from .measured_cells import whatever_python
from .minor_lines import series_of
from .recommendation import Recommendation
from .request import PYTHON


@dataclass(frozen=True)
class Bounds:
    """Ranges whose measured combinations all work."""

    versions: Mapping[str, tuple[str, ...]]
    """Package to the measured versions within, oldest first."""
    left_out: Mapping[str, tuple[str, ...]]
    """Package to the measured versions between its bounds that are not among them."""
    combinations: int
    inferred: int
    """How many of the combinations were not run."""
    pythons: Mapping[str, int]
    """Python to how many of the combinations passed on it; the one on which most did first."""
    gaps: tuple[Gap, ...] = ()
    """Releases between the measured ones that are known to fail with something within the bounds."""

    @property
    def requirements(self) -> tuple[str, ...]:
        """`transformers>=4.44.2,!=4.47.*,<=5.20.2` and so on."""
        return tuple(f"{name}{self.specifier(name)}" for name in self.versions)

    def specifier(self, name: str) -> str:
        """What is declared of a package: the ends, and what is left out in between."""
        within = self.versions[name]
        if len(within) == 1:
            return f"=={within[0]}"
        series = {series_of(each) for each in within}
        left_out = {each: series_of(each) not in series for each in self.left_out[name]}
        for gap in self.gaps:
            if gap.package == name:
                left_out[gap.version] = gap.series
        told = [
            "!={}.{}.*".format(*series_of(each)) if whole else f"!={each}"
            for each, whole in sorted(left_out.items(), key=lambda item: Version(item[0]))
        ]
        return ",".join([f">={within[0]}", *dict.fromkeys(told), f"<={within[-1]}"])

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "requirements": list(self.requirements),
            "versions": {name: list(versions) for name, versions in self.versions.items()},
            "left_out": {name: list(versions) for name, versions in self.left_out.items()},
            "combinations": self.combinations,
            "inferred": self.inferred,
            "gaps": [{"package": each.package, "version": each.version, "why": each.why} for each in self.gaps],
            "pythons": dict(self.pythons),
        }

    def as_text(self) -> str:
        """Requirement lines, and what they rest on as comments."""
        how = f"all {self.combinations} combinations known within work"
        if self.inferred:
            how += f" ({self.inferred} of them inferred)"
        tested = "; ".join(f"{name} {', '.join(versions)}" for name, versions in self.versions.items())
        return "\n".join([
            *self.requirements,
            f"# {how}, {self._on()}",
            f"# measured: {tested}; the releases in between are not",
            *(f"# left out: {each}" for each in self._told_gaps()),
        ]) + "\n"  # fmt: skip

    def _on(self) -> str:
        """`on Python 3.11; 30 of them on Python 3.10, 3.12; 12 of them on Python 3.9`"""
        alike: dict[int, list[str]] = {}
        for python, count in self.pythons.items():
            alike.setdefault(count, []).append(python)
        whole = alike.pop(self.combinations, [])
        told = [f"on Python {', '.join(whole)}"] if whole else []
        told += [f"{count} of them on Python {', '.join(pythons)}" for count, pythons in alike.items()]
        return "; ".join(told)

    def _told_gaps(self) -> list[str]:
        """Each series once, with the reason of its first release."""
        found: dict[tuple[str, tuple[int, int]], str] = {}
        for gap in sorted(self.gaps, key=lambda gap: (list(self.versions).index(gap.package), Version(gap.version))):
            found.setdefault((gap.package, series_of(gap.version)), gap.why)
        return list(found.values())


def bounds(recommendation: Recommendation) -> Bounds | None:
    """The largest such block around the recommended cell, within what was asked; None where nothing is recommended.

    The block takes neighbouring measured versions of every package but one, of which versions may be left out.
    """
    cell, asked, table = recommendation.cell, recommendation.request, recommendation.table
    if cell is None or recommendation.missed or recommendation.alone:
        return None
    cells: dict[tuple[str, ...], list[KnownCell]] = {}
    for each in table.cells:
        # a cell with a further axis counts for its three: what one of these breaks is not promised
        if asked.admits(PYTHON, each.python):
            cells.setdefault(tuple(each.versions[name] for name in CORE), []).append(each)
    works = {point: all(each.works for each in whatever_python(here)) for point, here in cells.items()}
    inferred = {point for point, here in cells.items() if any(each.basis is Basis.INFERRED for each in here)}
    axes = [tuple(each for each in table.axes[name] if asked.admits(name, each)) for name in CORE]
    seed = tuple(cell.versions[name] for name in CORE)
    blocks = (_largest_block(axes, seed, works, free) for free in range(len(CORE)))
    block = max((each for each in blocks if each is not None), key=_size, default=None)
    if block is None:
        return None
    passed = Counter(python for point in product(*block) for python in _passed_on(cells[point]))
    found = Bounds(
        dict(zip(CORE, block, strict=True)),
        {name: _between(block[place], table.axes[name]) for place, name in enumerate(CORE)},
        _size(block),
        sum(point in inferred for point in product(*block)),
        dict(sorted(passed.items(), key=lambda item: (-item[1], Version(item[0])))),
    )
    ranges = {name: SpecifierSet(found.specifier(name)) for name in CORE}
    return replace(found, gaps=gaps(ranges, found.versions, table))


def _passed_on(cells: Sequence[KnownCell]) -> set[str]:
    """The Pythons on which a combination passed whatever was beside it."""
    return {each.python for each in cells if each.works} - {each.python for each in cells if not each.works}


def _size(block: Sequence[Sequence[str]]) -> int:
    size = 1
    for versions in block:
        size *= len(versions)
    return size


def _between(versions: Sequence[str], axis: Sequence[str]) -> tuple[str, ...]:
    low, high = axis.index(versions[0]), axis.index(versions[-1])
    return tuple(each for each in axis[low : high + 1] if each not in versions)


def _largest_block(
    axes: Sequence[tuple[str, ...]], seed: tuple[str, ...], works: Mapping[tuple[str, ...], bool], free: int
) -> tuple[tuple[str, ...], ...] | None:
    """The largest block around `seed`: stretches along two axes, and of the `free` one all that works with them.

    What works is kept as bits over the free axis, so that a block grows by one version with one `&` a column.
    """
    first, second = (place for place in range(len(axes)) if place != free)
    start = [axis.index(version) for axis, version in zip(axes, seed, strict=True)]
    needed = 1 << start[free]

    def bits(one: int, other: int) -> int:
        point = [""] * len(axes)
        point[first], point[second] = axes[first][one], axes[second][other]
        found = 0
        for place, version in enumerate(axes[free]):
            point[free] = version
            found |= works.get(tuple(point), False) << place
        return found

    grid = [[bits(one, other) for other in range(len(axes[second]))] for one in range(len(axes[first]))]
    best: tuple[int, int, int, int, int, int] | None = None
    for low in range(start[first], -1, -1):
        columns = [-1] * len(axes[second])
        for row in grid[low : start[first]]:
            columns = [column & cell for column, cell in zip(columns, row, strict=True)]
        for high in range(start[first], len(axes[first])):
            columns = [column & cell for column, cell in zip(columns, grid[high], strict=True)]
            for left, right, kept in _spans(columns, start[second], needed):
                size = (high - low + 1) * (right - left + 1) * kept.bit_count()
                if best is None or size > best[0]:
                    best = size, low, high, left, right, kept
    if best is None:
        return None
    _, low, high, left, right, kept = best
    block: list[tuple[str, ...]] = [()] * len(axes)
    block[first], block[second] = axes[first][low : high + 1], axes[second][left : right + 1]
    block[free] = tuple(version for place, version in enumerate(axes[free]) if kept >> place & 1)
    return tuple(block)


def _spans(columns: Sequence[int], start: int, needed: int) -> Iterator[tuple[int, int, int]]:
    """Every stretch of columns around `start` whose common bits hold `needed`, with those bits."""
    leftwards = -1
    for left in range(start, -1, -1):
        leftwards &= columns[left]
        if not leftwards & needed:
            return
        kept = leftwards
        for right in range(start, len(columns)):
            kept &= columns[right]
            if not kept & needed:
                break
            yield left, right, kept
