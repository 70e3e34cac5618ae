"""Worlds whose truth is known: version axes, faults that lie in them as real ones do, and runs that may go wrong.

A fault is a box over the axes: from a release on, up to a release, between two, or one release alone; most span the
axes that play no part in them. Some borders move with another axis. Where several faults meet, the one of the earliest
stage shows, as in a real cycle. The truth is found by painting the boxes; nothing of the explorer's code is used.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

Point = tuple[int, ...]
Unit = tuple[str, "str | None"]

PASS: Unit = ("pass", None)


@dataclass(frozen=True)
class Fault:
    unit: Unit
    stage: int
    low: tuple[int, ...]
    high: tuple[int, ...]
    """For each axis the first place inside and the first place behind."""
    drift: tuple[int, int, float] | None = None
    """Axis, other axis, slope: the first place on the axis moves so far with each place of the other."""

    def holds(self, point: Sequence[int]) -> bool:
        for axis, place in enumerate(point):
            low = self.low[axis]
            if self.drift is not None and self.drift[0] == axis:
                low += round(self.drift[2] * point[self.drift[1]])
            if not low <= place < self.high[axis]:
                return False
        return True


class World:
    """Faults over axes, or no structure at all."""

    def __init__(self, shape: Sequence[int], faults: Sequence[Fault], flakes: float, seed: int) -> None:
        self.shape = tuple(shape)
        self.faults = tuple(sorted(faults, key=lambda fault: fault.stage))
        self.flakes = flakes
        self.seed = seed
        self.truth: dict[Point, Unit] = {point: self._unit(point) for point in product(*map(range, self.shape))}
        self._runs: dict[Point, int] = {}

    def _unit(self, point: Point) -> Unit:
        return next((fault.unit for fault in self.faults if fault.holds(point)), PASS)

    def run(self, point: Point) -> Unit:
        """What one run says: the truth, or with the probability `flakes` something else."""
        number = self._runs[point] = self._runs.get(point, 0) + 1
        chance = random.Random(f"{self.seed} {point} {number}")
        if chance.random() >= self.flakes:
            return self.truth[point]
        others = [unit for unit in {PASS, *(fault.unit for fault in self.faults)} if unit != self.truth[point]]
        return chance.choice([*sorted(others, key=str), ("fail", "chance-timeout")])


def structured_world(shape: Sequence[int], faults: int, seed: int, flakes: float = 0.0) -> World:
    """A world with `faults` faults on an axis of no part, two that interact, lone bad releases and a moving border."""
    chance = random.Random(seed)
    minor = min(range(len(shape)), key=lambda axis: (shape[axis] > 1, chance.random() if shape[axis] > 3 else 0))
    made = []
    for number in range(faults):
        unit: Unit = (("fail", "wrong")[chance.random() < 0.15], f"fault-{number}")
        low, high = [0] * len(shape), list(shape)
        drift = None
        if number % 4 == 3:
            # one bad release, whatever the others
            axis = chance.choice([axis for axis in range(len(shape)) if axis != minor])
            low[axis] = chance.randrange(shape[axis])
            high[axis] = low[axis] + 1
        else:
            concerned = [axis for axis in range(len(shape)) if axis != minor or chance.random() < 0.25]
            for axis in concerned:
                cut = chance.randrange(1, shape[axis]) if shape[axis] > 1 else 0
                if chance.random() < 0.5:
                    low[axis] = cut
                else:
                    high[axis] = cut
                if chance.random() < 0.35 and shape[axis] > 3:
                    low[axis], high[axis] = sorted(chance.sample(range(shape[axis] + 1), 2))
            if number % 4 == 2 and len(concerned) > 1:
                axis, other = chance.sample(concerned, 2)
                drift = (axis, other, chance.choice([-1, 1]) * shape[axis] / shape[other] * chance.uniform(0.1, 0.4))
        made.append(Fault(unit, chance.randrange(6), tuple(low), tuple(high), drift))
    return World(shape, made, flakes, seed)


def random_world(shape: Sequence[int], units: int, seed: int, passing: float | None = None) -> World:
    """A world without structure: every cell has an outcome of its own, by chance; `passing`: the share of passes."""
    world = World(shape, (), 0.0, seed)
    chance = random.Random(seed)
    choices: list[Unit] = [PASS, ("wrong", "wrong-0"), *(("fail", f"fault-{number}") for number in range(units - 2))]
    if passing is None:
        world.truth = {point: chance.choice(choices) for point in world.truth}
    else:
        weights = [passing, *[(1 - passing) / (units - 1)] * (units - 1)]
        world.truth = {point: chance.choices(choices, weights)[0] for point in world.truth}
    return world
