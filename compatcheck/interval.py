"""A share that was counted, with the interval in which the true one lies. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt

Z = 1.959964
"""Of the normal distribution: 95 % of the probability lies within so many standard deviations."""


@dataclass(frozen=True)
class Interval:
    """`hits` of `count`, and the 95 % interval of the share behind them (Wilson, 1927)."""

    hits: int
    count: int

    @classmethod
    def of(cls, holds: Iterable[bool]) -> Interval:
        seen = tuple(holds)
        return cls(sum(seen), len(seen))

    @property
    def share(self) -> float | None:
        return self.hits / self.count if self.count else None

    @property
    def missed(self) -> Interval:
        """The same of what did not hold."""
        return Interval(self.count - self.hits, self.count)

    @property
    def low(self) -> float:
        return max(0.0, self._middle - self._width) if self.count else 0.0

    @property
    def high(self) -> float:
        return min(1.0, self._middle + self._width) if self.count else 1.0

    @property
    def _middle(self) -> float:
        return (self.hits + Z * Z / 2) / (self.count + Z * Z)

    @property
    def _width(self) -> float:
        share = self.hits / self.count
        return Z * sqrt(self.count * share * (1 - share) + Z * Z / 4) / (self.count + Z * Z)

    def words(self) -> str:
        """`38 of 40 (95.0 %; 95 % interval 83.5 % to 98.6 %)`."""
        if self.share is None:
            return "0 of 0"
        spread = f"95 % interval {_percent(self.low)} to {_percent(self.high)}"
        return f"{self.hits} of {self.count} ({_percent(self.share)}; {spread})"

    def as_data(self) -> dict[str, float | int | None]:
        """For JSON; the share is None where nothing was counted."""
        return {
            "hits": self.hits,
            "count": self.count,
            "share": None if self.share is None else round(self.share, 6),
            "low": round(self.low, 6),
            "high": round(self.high, 6),
        }


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
