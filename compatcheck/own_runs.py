"""The results of one's own runs, from the local store, as cells of a table; they take precedence over shipped ones."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import timezone
from pathlib import Path
from typing import TYPE_CHECKING

from .domain import CORE, Digest, Lock, Observation, Outcome, Policy
from .known import COMPANIONS, KnownCell, KnownTable, Source
from .shipped import load_table

if TYPE_CHECKING:
    from .catalogues import Catalogue

DEFAULT_STORE = Path(".compatcheck/store.sqlite3")
VARIABLE = "COMPATCHECK_STORE"


def store_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the local store is, whether there is one or not."""
    return Path(environment.get(VARIABLE) or DEFAULT_STORE)


def known_table(source: Path | str | None = None, store: Path | None = None) -> KnownTable:
    """The table at `source` (None: the shipped one), with the results of the local store before its own."""
    table = load_table(source)
    path = store or store_path()
    if not path.is_file():
        return table
    try:
        about = path.stat()
        stamp = (str(path.resolve()), about.st_mtime_ns, about.st_size)
    except OSError:
        return table
    if stamp not in _READ:
        _READ.clear()
        _READ[stamp] = own_table(path, {cell.lock: cell.policy for cell in table.cells if cell.lock})
    own = _READ[stamp]
    return table.with_own(own) if own.cells else table


_READ: dict[tuple[str, int, int], KnownTable] = {}
"""The store as it was last read: a session of tests asks many times."""


def own_table(path: Path, policies: Mapping[Digest, Policy]) -> KnownTable:
    """What the store at `path` knows. `policies`: lock to the policy it was made under; others count as today's.

    Raises StoreError where it cannot be read.
    """
    from .explanation import shipped_catalogue
    from .store import Store

    cells: dict[tuple[object, ...], KnownCell] = {}
    locks: dict[Digest, Lock] = {}
    catalogue = shipped_catalogue()
    with Store(path) as store:
        for lock, attempts in store.measured():
            if any(name not in lock.versions for name in CORE):
                continue
            cell = _cell(lock, attempts, policies.get(lock.digest, Policy.TODAY), catalogue)
            locks[lock.digest] = lock
            cells[cell.key, cell.policy] = cell
    names = frozenset(name for lock in locks.values() for name in lock.versions)
    return KnownTable(str(path), tuple(cells.values()), {}, locks, names)


def _cell(lock: Lock, attempts: Sequence[Observation], policy: Policy, catalogue: Catalogue) -> KnownCell:
    from .classify import diagnose
    from .flakes import agreeing, runs, verdict

    observation = verdict(attempts)
    passed = observation.outcome is Outcome.PASS
    diagnosis = None if passed else diagnose(observation, catalogue)
    measured = observation.started.astimezone(timezone.utc).date()
    source = Source("own runs", policy, observation.machine.platform, "", measured, own=True)
    return KnownCell(
        lock.python,
        {name: lock.versions[name] for name in CORE},
        observation.outcome,
        source,
        signature=diagnosis.signature if diagnosis else None,
        fingerprint=diagnosis.fingerprint if diagnosis and diagnosis.signature is None else None,
        stage=observation.stage,
        lock=lock.digest,
        measured=measured,
        attempts=runs(attempts),
        agreeing=agreeing(attempts),
        caveat=str(observation.caveat) if observation.caveat else None,
        workaround=str(observation.workaround) if observation.workaround else None,
        beside={name: lock.versions[name] for name in COMPANIONS if name in lock.versions},
    )
