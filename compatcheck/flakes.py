"""Which observations could be chance, and what several of the same thing come to. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .domain import EndingKind, Observation, Outcome

CHANCY = frozenset({EndingKind.SIGNALLED, EndingKind.TIMED_OUT, EndingKind.OUT_OF_MEMORY})
"""Ways to end that depend on what else the machine does."""
NEAR = 3.0
"""A number within this factor of its limit is near it."""
MOST = 3
"""Runs of one lock before the majority is taken as it is."""


def could_be_chance(observation: Observation) -> bool:
    """Whether a second run is wanted before this becomes a verdict."""
    if observation.ending.kind in CHANCY:
        return True
    return observation.outcome is Outcome.WRONG and any(
        not check.passed and check.limit and check.measured is not None and _near(abs(check.measured), abs(check.limit))
        for check in observation.checks
    )


def _near(measured: float, limit: float) -> bool:
    return limit / NEAR <= measured <= limit * NEAR


def settled(attempts: Sequence[Observation]) -> bool:
    """Whether no further run is needed."""
    if not attempts:
        return False
    if (count := runs(attempts)) == 1:
        return not could_be_chance(attempts[0])
    return agreeing(attempts) >= 2 or count >= MOST


def verdict(attempts: Sequence[Observation]) -> Observation:
    """The observation that counts: the newest of the most frequent kind. Raises ValueError for none."""
    if not attempts:
        raise ValueError("no observation")
    counts, roots = _counts(attempts), _roots(attempts)
    most = max(counts.values())
    return next(each for each in reversed(_in_time(attempts)) if counts[_kind(each, roots)] == most)


def runs(attempts: Sequence[Observation]) -> int:
    """How often a lock was run. An observation that is known from a report stands for all runs that it tells of; those
    before it are among them.
    """
    count = 0
    for each in _in_time(attempts):
        count = max(count + 1, each.retold.attempts if each.retold else 0)
    return count


def agreeing(attempts: Sequence[Observation]) -> int:
    """How many of these runs are of the most frequent kind."""
    return max(_counts(attempts).values(), default=0)


def _counts(attempts: Sequence[Observation]) -> Counter[tuple[object, ...]]:
    counts: Counter[tuple[object, ...]] = Counter()
    roots = _roots(attempts)
    for each in _in_time(attempts):
        kind = _kind(each, roots)
        counts[kind] = max(counts[kind] + 1, each.retold.agreeing if each.retold else 0)
    return counts


def _in_time(attempts: Sequence[Observation]) -> list[Observation]:
    """The oldest first, whatever order they came to be known in."""
    return sorted(attempts, key=lambda each: each.started)


def _roots(attempts: Sequence[Observation]) -> bool:
    """Whether the root of every chain of exceptions is known."""
    return all(each.retold is None or each.retold.complete for each in attempts)


def _kind(observation: Observation, roots: bool) -> tuple[object, ...]:
    """What must be the same for two observations to say the same."""
    root = observation.chain[0].type if observation.chain and roots else ""
    failed = tuple(sorted(check.name for check in observation.checks if not check.passed))
    return observation.outcome, observation.stage, observation.ending.kind, observation.ending.signal, root, failed
