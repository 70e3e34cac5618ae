"""What a chart consists of, and its scales."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .drawing import Box, Label, drawn


@dataclass(frozen=True)
class Line:
    points: tuple[tuple[float, float], ...]
    style: str


@dataclass(frozen=True)
class Dot:
    x: float
    y: float
    style: str
    shape: int = 0
    """Circle, square, triangle: series are told apart without their colour too."""


@dataclass(frozen=True)
class Chart:
    """Everything that chart.svg.j2 draws."""

    title: str
    description: str
    width: float
    height: float
    labels: tuple[Label, ...]
    lines: tuple[Line, ...] = ()
    bars: tuple[Box, ...] = ()
    dots: tuple[Dot, ...] = ()

    def svg(self) -> Iterator[str]:
        return drawn("chart.svg.j2", picture=self)


@dataclass(frozen=True)
class Scale:
    """Numbers to places on an axis that ends at `ticks`' ends."""

    ticks: tuple[float, ...]
    start: float
    end: float
    logarithmic: bool = False

    def place(self, value: float) -> float:
        low, high, at = self.ticks[0], self.ticks[-1], value
        if self.logarithmic:
            low, high, at = math.log10(low), math.log10(high), math.log10(max(value, low))
        return self.start + (at - low) / (high - low) * (self.end - self.start)


def linear_ticks(values: Iterable[float], wanted: int = 5) -> tuple[float, ...]:
    """Round numbers around `values`; from zero unless they all lie far above it."""
    listed = list(values)
    low, high = min(listed), max(listed)
    low = 0.0 if low < 0.4 * high else low
    rough = max(high - low, high * 0.05, 1e-9) / wanted  # ticks of values that are all alike still differ in writing
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * each for each in (1, 2, 2.5, 5, 10) if size * each >= rough)
    first, last = math.floor(low / step), max(math.ceil(high / step), math.floor(low / step) + 1)
    return tuple(step * number for number in range(first, last + 1))


def decade_ticks(values: Iterable[float]) -> tuple[float, ...]:
    """Powers of ten around `values`."""
    listed = [value for value in values if value > 0] or [1.0]
    first, last = math.floor(math.log10(min(listed))), math.ceil(math.log10(max(listed)))
    return tuple(10.0**power for power in range(first, max(last, first + 1) + 1))


def quantile(ordered: Sequence[float], share: float) -> float:
    """Between the two nearest of `ordered`, which ascends and is not empty."""
    place = (len(ordered) - 1) * share
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
