"""The ranges to declare: the largest block of versions in which every combination was measured and works. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from packaging.version import Version

from .domain import CORE, Basis
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
    pythons: tuple[str, ...]

    @property
    def requirements(self) -> tuple[str, ...]:
        """`transformers>=4.44.2,!=4.47.*,<=5.20.2` and so on."""
        return tuple(f"{name}{self._specifier(name)}" for name in self.versions)

    def _specifier(self, name: str) -> str:
        within = self.versions[name]
        if len(within) == 1:
            return f"=={within[0]}"
        series = {Version(each).release[:2] for each in within}
        left_out = []
        for each in self.left_out[name]:
            minor = Version(each).release[:2]
            left_out.append(f"!={each}" if minor in series else f"!={minor[0]}.{minor[1]}.*")
        return ",".join([f">={within[0]}", *dict.fromkeys(left_out), f"<={within[-1]}"])

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "requirements": list(self.requirements),
            "versions": {name: list(versions) for name, versions in self.versions.items()},
            "left_out": {name: list(versions) for name, versions in self.left_out.items()},
            "combinations": self.combinations,
            "inferred": self.inferred,
            "pythons": list(self.pythons),
        }

    def as_text(self) -> str:
        """Requirement lines, and what they rest on as comments."""
        how = f"all {self.combinations} combinations known within work"
        if self.inferred:
            how += f" ({self.inferred} of them inferred)"
        tested = "; ".join(f"{name} {', '.join(versions)}" for name, versions in self.versions.items())
        return "\n".join([
            *self.requirements,
            f"# {how}, on Python {', '.join(self.pythons)}",
            f"# measured: {tested}; the releases in between are not",
        ]) + "\n"  # fmt: skip


def bounds(recommendation: Recommendation) -> Bounds | None:
    """The largest such block around the recommended cell, within what was asked; None where nothing is recommended.

    The block takes neighbouring measured versions of every package but one, of which versions may be left out.
    """
    cell, asked, table = recommendation.cell, recommendation.request, recommendation.table
    if cell is None or recommendation.missed:
        return None
    pythons = tuple(each for each in table.pythons if asked.admits(PYTHON, each))
    works: dict[tuple[str, ...], bool] = {}
    inferred: set[tuple[str, ...]] = set()
    for each in table.cells:
        if each.python in pythons and len(each.versions) == len(CORE):
            point = tuple(each.versions[name] for name in CORE)
            works[point] = works.get(point, True) and each.works
            if each.basis is Basis.INFERRED:
                inferred.add(point)
    axes = [tuple(each for each in table.axes[name] if asked.admits(name, each)) for name in CORE]
    seed = tuple(cell.versions[name] for name in CORE)
    block = max(_blocks(axes, seed, works), key=lambda each: _size(each), default=None)
    if block is None:
        return None
    return Bounds(
        dict(zip(CORE, block, strict=True)),
        {name: _between(block[place], table.axes[name]) for place, name in enumerate(CORE)},
        _size(block),
        sum(point in inferred for point in product(*block)),
        pythons,
    )


def _size(block: Sequence[Sequence[str]]) -> int:
    size = 1
    for versions in block:
        size *= len(versions)
    return size


def _between(versions: Sequence[str], axis: Sequence[str]) -> tuple[str, ...]:
    low, high = axis.index(versions[0]), axis.index(versions[-1])
    return tuple(each for each in axis[low : high + 1] if each not in versions)


def _blocks(
    axes: Sequence[tuple[str, ...]], seed: tuple[str, ...], works: Mapping[tuple[str, ...], bool]
) -> Iterator[tuple[tuple[str, ...], ...]]:
    """Every block around `seed`: stretches along all axes but one, and of that one all versions that work with them."""
    for free in range(len(axes)):
        others = [place for place in range(len(axes)) if place != free]
        for stretches in product(*(tuple(_stretches(axes[place], seed[place])) for place in others)):
            chosen = dict(zip(others, stretches, strict=True))
            kept = tuple(
                version
                for version in axes[free]
                if all(
                    works.get(point, False)
                    for point in product(*(chosen.get(place, (version,)) for place in range(len(axes))))
                )
            )
            if seed[free] in kept:
                yield tuple(chosen.get(place, kept) for place in range(len(axes)))


def _stretches(axis: Sequence[str], version: str) -> Iterator[tuple[str, ...]]:
    """Every stretch of neighbouring versions that holds `version`."""
    if version not in axis:
        return
    place = axis.index(version)
    for low in range(place + 1):
        for high in range(place, len(axis)):
            yield tuple(axis[low : high + 1])
