"""The resident memory of a probe over its whole life: so many points, evenly spread, whatever it takes. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from .domain import MemoryPoint, Stage

POINTS = 60
BARS = "▁▂▃▄▅▆▇█"


class MemoryCurve:
    """Where there are too many points, two neighbours become the higher one of them: a peak is never lost."""

    def __init__(self) -> None:
        self.points: list[MemoryPoint] = []
        self._looks = 1
        """How many looks become one point."""
        self._waiting: list[MemoryPoint] = []

    def add(self, seconds: float, mib: float, stage: Stage | None) -> None:
        self._waiting.append(MemoryPoint(round(seconds, 2), round(mib, 1), stage))
        if len(self._waiting) < self._looks:
            return
        self.points.append(_highest(self._waiting))
        self._waiting = []
        if len(self.points) >= 2 * POINTS:
            self.points = [_highest(self.points[at : at + 2]) for at in range(0, len(self.points), 2)]
            self._looks *= 2


def _highest(points: Sequence[MemoryPoint]) -> MemoryPoint:
    return max(points, key=lambda point: point.mib)


def drawn_curve(points: Sequence[MemoryPoint]) -> str:
    """`memory ▁▂▂▅█ at most 5981 MiB, in reload`; empty where there is nothing to draw."""
    if len(points) < 2 or (top := _highest(points)).mib <= 0:
        return ""
    bars = "".join(BARS[max(0, min(len(BARS) - 1, int(point.mib / top.mib * len(BARS))))] for point in points)
    return f"memory     {bars} at most {top.mib:.0f} MiB" + (f", in {top.stage}" if top.stage else "")
