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
    if len(attempts) == 1:
        return not could_be_chance(attempts[0])
    return agreeing(attempts) >= 2 or len(attempts) >= MOST


def verdict(attempts: Sequence[Observation]) -> Observation:
    """The observation that counts: the newest of the most frequent kind. Raises ValueError for none."""
    if not attempts:
        raise ValueError("no observation")
    counts = Counter(map(_kind, attempts))
    most = max(counts.values())
    return next(each for each in reversed(attempts) if counts[_kind(each)] == most)


def agreeing(attempts: Sequence[Observation]) -> int:
    """How many of the observations are of the most frequent kind."""
    return max(Counter(map(_kind, attempts)).values(), default=0)


def _kind(observation: Observation) -> tuple[object, ...]:
    """What must be the same for two observations to say the same."""
    root = observation.chain[0].type if observation.chain else ""
    failed = tuple(sorted(check.name for check in observation.checks if not check.passed))
    return observation.outcome, observation.stage, observation.ending.kind, observation.ending.signal, root, failed
