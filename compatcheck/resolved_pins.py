"""Pins for a project that needs more than the three: the best measured cell that resolves beside the rest of it.

The resolver is given from outside; nothing here touches the world.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timezone

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .domain import Lock, Resolution
from .errors import UsageError
from .known import KnownCell, KnownTable
from .recommendation import Recommendation, Refusal, answer_of, candidates, recommend
from .request import Request

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
    if not request.others:
        return recommend(request, table=table, today=today)
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
        lock = _nearer(cell, answer, request.others, resolution.lock, solve)
        return replace(answer, resolved=lock, refused=tuple(refused))
    if not refused:
        return answer_of(None, request, table, day)
    raise UsageError(
        f"none of the {len(refused)} nearest combinations that work can be installed beside "
        f"{', '.join(request.others)}: {refused[0].reason}",
        "Loosen what else is asked for.",
    )


def _nearer(cell: KnownCell, answer: Recommendation, others: Sequence[str], loose: Lock, solve: Solve) -> Lock:
    """A lock that keeps more of what was measured than the three; `loose` where the rest does not allow it.

    What was not measured stays at the versions of `loose`: else a resolver would meet a measured pin that they refuse
    by going back to releases of theirs so old that they say nothing of it.
    """
    measured = answer.measured_lock
    whole = measured.versions if measured else {}
    known = {**cell.beside, **whole}
    added = [f"{item.name}=={item.version}" for item in loose.distributions if item.name not in known]
    for kept in (whole, cell.beside):
        pins = [f"{name}=={version}" for name, version in kept.items() if not _refused(name, version, others)]
        if pins and (lock := solve(cell, [*others, *added, *pins]).lock) is not None:
            return lock
    best, pins = loose, []
    for name, version in cell.beside.items():
        if (lock := solve(cell, [*others, *added, *pins, f"{name}=={version}"]).lock) is not None:
            best, pins = lock, [*pins, f"{name}=={version}"]
    return best


def _refused(name: str, version: str, others: Sequence[str]) -> bool:
    """Whether one of the requirements names the package and has no room for this version."""
    named = (Requirement(each) for each in others)
    return any(canonicalize_name(each.name) == name and not each.specifier.contains(version, True) for each in named)


def reason_of(text: str) -> str:
    """The first cause of a resolver's refusal."""
    cause = re.search(r"[Bb]ecause (.{1,1000}?),? we can conclude", text)
    return (cause[1] if cause else text)[:300]
