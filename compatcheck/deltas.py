"""Delta debugging between two complete locks: the fewest packages whose versions carry the failure over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .bisection import border
from .trials import Bench, Standing

MOST_TOGETHER = 4
"""More packages than this that only break together are not a finding that anyone could use."""
MOST_CAUSES = 3
"""How many separate causes of one failure are looked for."""


@dataclass(frozen=True)
class Cause:
    """Packages that, moved together to the failing lock's versions, bring the failure about."""

    packages: tuple[str, ...]
    inseparable: tuple[str, ...] = ()
    """Those whose part cannot be told apart: without them the rest shows another error, not a pass."""


def mixed(passing: Mapping[str, str], failing: Mapping[str, str], moved: Sequence[str]) -> dict[str, str]:
    """The passing lock with the packages `moved` as the failing lock has them, absent where it lacks them."""
    result = dict(passing)
    for package in moved:
        if package in failing:
            result[package] = failing[package]
        else:
            result.pop(package, None)
    return result


def differing(passing: Mapping[str, str], failing: Mapping[str, str], first: Sequence[str] = ()) -> tuple[str, ...]:
    """The packages that are not the same in both locks: those of `first` first, the others by name."""
    names = {name for name in {*passing, *failing} if passing.get(name) != failing.get(name)}
    return (*(name for name in first if name in names), *sorted(names - set(first)))


class Difference:
    """What separates a passing lock from a failing one, and what a part of it does."""

    def __init__(
        self, bench: Bench, passing: Mapping[str, str], failing: Mapping[str, str], first: Sequence[str] = ()
    ) -> None:
        self._bench = bench
        self._passing = passing
        self._failing = failing
        self.packages = differing(passing, failing, first)

    def lock(self, moved: Sequence[str]) -> dict[str, str]:
        return mixed(self._passing, self._failing, moved)

    def without(self, packages: Sequence[str]) -> list[str]:
        return [name for name in self.packages if name not in packages]

    def standing(self, moved: Sequence[str]) -> Standing:
        return self._bench.standing(self.lock(moved))

    def settled(self, moved: Sequence[str]) -> Standing:
        return self._bench.settled(self.lock(moved))

    def causes(self) -> tuple[Cause, ...] | None:
        """The causes, each enough by itself; None where the runs contradict each other."""
        found: list[Cause] = []
        pool = list(self.packages)
        while len(found) < MOST_CAUSES:
            cause = self._cause(pool)
            if cause is None:
                return None
            found.append(cause)
            pool = [name for name in pool if name not in cause.packages]
            if not pool or self.settled(pool) is not Standing.BAD:
                break
        return tuple(found)

    def _cause(self, pool: Sequence[str]) -> Cause | None:
        """The fewest of `pool` that are enough: each step finds one whose move turns the rest bad, and keeps it."""
        kept: list[str] = []
        rest = list(pool)
        while not kept or self.settled(kept) is not Standing.BAD:
            if not rest or len(kept) >= MOST_TOGETHER:
                return None
            step = self._step(kept, rest)
            if step is None:
                return None
            group, rest = step
            kept = [*group, *kept]
        return self._fewest(kept)

    def _step(self, kept: Sequence[str], rest: Sequence[str]) -> tuple[list[str], list[str]] | None:
        def lock(count: int) -> list[str]:
            return [*kept, *rest[:count]]

        found = border(_as_good(self.standing, lock, 0), _as_good(self.settled, lock, 0), 0, len(rest))
        if found is None:
            return None
        group, before = list(rest[found.good : found.bad]), list(rest[: found.good])
        for package in list(group):
            fewer = [name for name in group if name != package]
            if fewer and self.settled([*kept, *before, *fewer]) is Standing.BAD:
                group = fewer
        return group, before

    def _fewest(self, kept: Sequence[str]) -> Cause:
        packages = list(kept)
        inseparable = []
        for package in kept:
            fewer = [name for name in packages if name != package]
            if not fewer:
                break
            seen = self.settled(fewer)
            if seen is Standing.BAD:
                packages = fewer
            elif seen is Standing.UNKNOWN:
                inseparable.append(package)
        apart = tuple(sorted(name for name in inseparable if name in packages)) if len(packages) > 1 else ()
        return Cause(tuple(sorted(packages)), apart)


def _as_good(
    ask: Callable[[Sequence[str]], Standing], lock: Callable[[int], list[str]], lower: int
) -> Callable[[int], Standing]:
    """`ask` by count, where the lower end counts as good as long as it is not bad: it is what is already kept."""

    def asked(count: int) -> Standing:
        seen = ask(lock(count))
        return Standing.GOOD if count == lower and seen is not Standing.BAD else seen

    return asked
