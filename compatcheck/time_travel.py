"""The same cell on earlier days: locks that differ from today's in nothing that the cell names.

If a cell works with the packages of its own time and fails with today's, one of those that nobody pinned drifted. A
cell has more than one time of its own: that of each of its axes. At an axis's date the newer axes did not exist yet;
they stay as the cell names them, and torch keeps what it pins exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from .domain import CORE, Cell, Lock, Policy
from .environment import Uv
from .matrix import Matrix
from .store import Store


@dataclass(frozen=True)
class EarlierLock:
    name: str
    """`the packages of 2024-07-31`."""
    lock: Lock


def earlier_locks(
    cell: Cell,
    today: Lock,
    matrix: Matrix,
    released: Mapping[str, datetime],
    store: Store,
    uv: Uv,
) -> Iterator[EarlierLock]:
    """The contemporary lock of `cell` from the store, then one for each axis that is not its newest, newest first."""
    seen = {today.digest}
    contemporary = replace(matrix, policy=Policy.CONTEMPORARY)
    known = store.resolution(cell, contemporary.resolution_digest, today.platform)
    if known is not None and known.lock is not None and known.lock.digest not in seen:
        seen.add(known.lock.digest)
        yield EarlierLock("the contemporary packages", known.lock)
    dates = _own_times(cell, released)
    apart = _torch_needs(cell, today, uv) if dates else {}
    for date in dates:
        cutoff = date + timedelta(days=matrix.contemporary_days)
        lock = uv.as_of(cell, cutoff, apart, matrix.extras).lock
        if lock is not None and lock.digest not in seen:
            seen.add(lock.digest)
            yield EarlierLock(f"the packages of {cutoff:%Y-%m-%d}", lock)


def _own_times(cell: Cell, released: Mapping[str, datetime]) -> Sequence[datetime]:
    """When the cell's axes were released, without the newest of them: that one is the contemporary lock's."""
    dates = {date for package, version in cell.versions.items() if (date := released.get(f"{package} {version}"))}
    return sorted(dates, reverse=True)[1:]


def _torch_needs(cell: Cell, today: Lock, uv: Uv) -> dict[str, str]:
    """What torch brings along, as today's lock has it: most of it torch pins, and did not exist at earlier dates."""
    torch = CORE[0]
    alone = uv.adapted(cell.python, {torch: cell.versions[torch]}).lock
    names = alone.versions.keys() - cell.versions.keys() if alone is not None else set[str]()
    return {name: version for name, version in today.versions.items() if name in names}
