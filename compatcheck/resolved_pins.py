"""Pins for a project that needs more than the three: the best measured cell that resolves beside the rest of it.

The resolver is given from outside; nothing here touches the world.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timezone

from .domain import Resolution
from .errors import UsageError
from .recommendation import Recommendation, Refusal, answer_of, candidates
from .request import Request
from .shipped import KnownCell, KnownTable

Solve = Callable[[KnownCell, Sequence[str]], Resolution]
"""The lock of a cell together with further requirements, or the reason why there is none."""

TRIES = 40


def recommend_resolved(
    request: Request, table: KnownTable, solve: Solve, *, relax: bool = False, today: date | None = None
) -> Recommendation:
    """The best cell that resolves together with `request.others`, with the lock of it all.

    Cells outside of what is asked are tried only with `relax`. Everything that was measured is kept where the rest
    allows it: the whole lock, else its companions, else the three alone. Raises UsageError where nothing resolves.
    """
    day = today or datetime.now(timezone.utc).date()
    refused: list[Refusal] = []
    seen: set[object] = set()
    for cell in candidates(request, table):
        if cell.key in seen:
            continue
        seen.add(cell.key)
        answer = answer_of(cell, request, table, day)
        if not (answer.found or relax):
            return replace(answer, refused=tuple(refused))
        if len(refused) == TRIES:
            break
        resolution = solve(cell, request.others)
        if resolution.lock is None:
            refused.append(Refusal(cell, reason_of(resolution.reason)))
            continue
        nearer = _nearer(cell, answer, request.others, solve)
        return replace(answer, resolved=(nearer or resolution).lock, refused=tuple(refused))
    if not refused:
        return answer_of(None, request, table, day)
    raise UsageError(
        f"none of the {len(refused)} nearest combinations that work can be installed beside "
        f"{', '.join(request.others)}: {refused[0].reason}",
        "Loosen what else is asked for.",
    )


def _nearer(cell: KnownCell, answer: Recommendation, others: Sequence[str], solve: Solve) -> Resolution | None:
    """A resolution that keeps more of what was measured than the three; None where the rest does not allow it."""
    lock = answer.measured_lock
    whole = [f"{item.name}=={item.version}" for item in lock.distributions] if lock else []
    companions = [f"{name}=={version}" for name, version in cell.beside.items()]
    for kept in (whole, companions):
        if kept:
            resolution = solve(cell, [*others, *kept])
            if resolution.lock is not None:
                return resolution
    return None


def reason_of(text: str) -> str:
    """The first cause of a resolver's refusal."""
    cause = re.search(r"[Bb]ecause (.+?),? we can conclude", text)
    return (cause[1] if cause else text)[:300]
