"""What is known, in SQLite: locks, the resolver's answers, observations. A diagnosis is never stored.

An observation is keyed by (lock digest, scenario digest, probe version, platform), so what is known is never run
again, and a run that was killed goes on where it was: every row is written in one transaction, after the work it
tells of.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .conclusion import ChosenCell
from .domain import Cell, Digest, Lock, Observation, Resolution
from .errors import DiskFull, StoreError
from .expansion import Expansion
from .experiment import Experiment
from .packing import packed, packed_expansion, unpacked

MIGRATIONS = (
    """
    CREATE TABLE locks (digest TEXT PRIMARY KEY, body BLOB NOT NULL);
    CREATE TABLE resolutions (
        cell TEXT NOT NULL, settings TEXT NOT NULL, platform TEXT NOT NULL, resolved TEXT NOT NULL,
        lock TEXT REFERENCES locks, reason TEXT NOT NULL,
        PRIMARY KEY (cell, settings, platform)
    );
    CREATE TABLE observations (
        lock TEXT NOT NULL REFERENCES locks, scenario TEXT NOT NULL, probe INTEGER NOT NULL, platform TEXT NOT NULL,
        attempt INTEGER NOT NULL, started TEXT NOT NULL, body BLOB NOT NULL,
        PRIMARY KEY (lock, scenario, probe, platform, attempt)
    );
    CREATE TABLE troubles (
        cell TEXT NOT NULL, settings TEXT NOT NULL, platform TEXT NOT NULL, at TEXT NOT NULL, message TEXT NOT NULL,
        PRIMARY KEY (cell, settings, platform)
    );
    CREATE TABLE expansions (matrix TEXT PRIMARY KEY, at TEXT NOT NULL, body BLOB NOT NULL);
    """,
    """
    CREATE TABLE experiments (
        cell TEXT NOT NULL, settings TEXT NOT NULL, scenario TEXT NOT NULL, probe INTEGER NOT NULL,
        platform TEXT NOT NULL, at TEXT NOT NULL, body BLOB NOT NULL,
        PRIMARY KEY (cell, settings, scenario, probe, platform)
    );
    """,
    """
    CREATE TABLE choices (
        matrix TEXT NOT NULL, cell TEXT NOT NULL, at TEXT NOT NULL, role TEXT NOT NULL, outcome TEXT, signature TEXT,
        share REAL NOT NULL, known INTEGER NOT NULL,
        PRIMARY KEY (matrix, cell)
    );
    """,
)
"""Each takes the store from the version of its place to the next. Never changed, only appended to."""


class Store:
    """The store at `path`, made where there is none. Safe to use from several threads and processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._migrate()
        except (OSError, sqlite3.DatabaseError) as error:
            raise StoreError(
                f"the store {path} cannot be opened: {error}",
                "Check that the folder is writable and the disk not full; if the file is damaged, move it away.",
            ) from None

    def close(self) -> None:
        """After what another thread asks of it just now: SQLite crashes where it is closed in between."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------ resolutions

    def save_resolution(self, cell: Cell, settings: Digest, platform: str, resolution: Resolution) -> None:
        resolved = resolution.resolved or datetime.now(timezone.utc)
        with self._writing() as rows:
            digest = None
            if resolution.lock is not None:
                digest = resolution.lock.digest
                _keep_lock(rows, digest, packed(resolution.lock))
            rows.execute(
                "INSERT OR REPLACE INTO resolutions VALUES (?, ?, ?, ?, ?, ?)",
                (cell.id, settings, platform, resolved.isoformat(), digest, resolution.reason),
            )

    def resolution(self, cell: Cell, settings: Digest, platform: str) -> Resolution | None:
        """The resolver's last answer for `cell`, however old."""
        row = self._row(
            "SELECT resolved, lock, reason FROM resolutions WHERE cell = ? AND settings = ? AND platform = ?",
            (cell.id, settings, platform),
        )
        if row is None:
            return None
        lock = self.lock(Digest(row[1])) if row[1] else None
        return Resolution(lock, row[2], datetime.fromisoformat(row[0]))

    def locked(self, settings: Digest, platform: str) -> Iterator[tuple[str, Digest]]:
        """Every cell, of whatever matrix, that was ever locked with these settings: identifier and lock."""
        question = (
            "SELECT cell, lock FROM resolutions WHERE settings = ? AND platform = ? AND lock IS NOT NULL ORDER BY cell"
        )
        for cell, digest in self._rows(question, (settings, platform)):
            yield cell, Digest(digest)

    def save_lock(self, lock: Lock) -> None:
        """For itself: one that evidence rests on."""
        with self._writing() as rows:
            _keep_lock(rows, lock.digest, packed(lock))

    def lock(self, digest: Digest) -> Lock | None:
        row = self._row("SELECT body FROM locks WHERE digest = ?", (digest,))
        return unpacked(row[0], Lock) if row else None

    # ------------------------------------------------------------------ observations

    def save_observation(self, lock: Lock, scenario: Digest, observation: Observation) -> None:
        """Add an observation; an earlier one of the same key stays as an earlier attempt."""
        platform = observation.machine.platform
        key = (lock.digest, scenario, observation.probe_version, platform)
        with self._writing() as rows:
            _keep_lock(rows, lock.digest, packed(lock))
            attempt = rows.execute(
                "SELECT count(*) FROM observations WHERE lock = ? AND scenario = ? AND probe = ? AND platform = ?", key
            ).fetchone()[0]
            rows.execute(
                "INSERT INTO observations VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*key, attempt, observation.started.isoformat(), packed(observation)),
            )

    def withdraw_observation(self, lock: Lock, scenario: Digest, observation: Observation) -> None:
        """Remove an observation that turned out not to count. The attempts after it move up."""
        key = (lock.digest, scenario, observation.probe_version, observation.machine.platform)
        same = "lock = ? AND scenario = ? AND probe = ? AND platform = ?"
        with self._writing() as rows:
            found = rows.execute(
                f"SELECT attempt FROM observations WHERE {same} AND started = ?",
                (*key, observation.started.isoformat()),
            ).fetchone()
            if found is not None:
                rows.execute(f"DELETE FROM observations WHERE {same} AND attempt = ?", (*key, found[0]))
                rows.execute(
                    f"UPDATE observations SET attempt = attempt - 1 WHERE {same} AND attempt > ?", (*key, found[0])
                )

    def observations(self, lock: Lock, scenario: Digest, probe_version: int, platform: str) -> tuple[Observation, ...]:
        """Every attempt for this key, the first first."""
        rows = self._rows(
            "SELECT body FROM observations WHERE lock = ? AND scenario = ? AND probe = ? AND platform = ? "
            "ORDER BY attempt",
            (lock.digest, scenario, probe_version, platform),
        )
        return tuple(unpacked(row[0], Observation) for row in rows)

    def every_observation(self) -> Iterator[Observation]:
        """All that was ever observed, the first first, one at a time."""
        for (row,) in self._rows("SELECT rowid FROM observations ORDER BY started", ()):
            body = self._row("SELECT body FROM observations WHERE rowid = ?", (row,))
            if body is not None:
                yield unpacked(body[0], Observation)

    def measured(self) -> Iterator[tuple[Lock, tuple[Observation, ...]]]:
        """Every lock that was run, with all attempts of one scenario, probe and platform; the newest of those last."""
        locks: dict[str, Lock] = {}
        groups: dict[tuple[Any, ...], list[Any]] = {}
        for row in self._rows("SELECT lock, scenario, probe, platform, body FROM observations ORDER BY started", ()):
            groups.setdefault(tuple(row[:4]), []).append(row[4])
        for row in self._rows("SELECT digest, body FROM locks", ()):
            locks[row[0]] = unpacked(row[1], Lock)
        for (digest, *_), bodies in groups.items():
            yield locks[digest], tuple(unpacked(body, Observation) for body in bodies)

    def seconds(self) -> list[float]:
        """Wall clock of the stored observations: what a cell costs."""
        return [unpacked(row[0], Observation).seconds for row in self._rows(
            "SELECT body FROM observations ORDER BY started DESC LIMIT 100", ()
        )]  # fmt: skip

    # ------------------------------------------------------------------ explorations

    def save_choices(self, matrix: Digest, choices: Iterable[ChosenCell], at: datetime | None = None) -> None:
        """Why cells of an explored matrix were run, and what was held of them before; the last word counts.

        `at`: when that was; None: now.
        """
        said = (at or datetime.now(timezone.utc)).isoformat()
        with self._writing() as rows:
            rows.executemany(
                "INSERT OR REPLACE INTO choices VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [(matrix, each.cell_id, said, *astuple(each)[1:]) for each in choices],
            )

    def choices(self, matrix: Digest) -> tuple[ChosenCell, ...]:
        """Those of a matrix, in the order in which they were made."""
        rows = self._rows(
            "SELECT cell, role, outcome, signature, share, known FROM choices WHERE matrix = ? ORDER BY at, rowid",
            (matrix,),
        )
        return tuple(ChosenCell(*row) for row in rows)

    def told_cells(self, settings: Digest, platform: str) -> set[str]:
        """The cells of which anything is known under these settings: the resolver's answer, or a trouble."""
        question = "SELECT cell FROM {} WHERE settings = ? AND platform = ?"
        return {
            row[0]
            for table in ("resolutions", "troubles")
            for row in self._rows(question.format(table), (settings, platform))
        }

    # ------------------------------------------------------------------ troubles and expansions

    def save_trouble(self, cell: Cell, settings: Digest, platform: str, message: str) -> None:
        """That the machine, not the cell, is why there is no observation."""
        with self._writing() as rows:
            rows.execute(
                "INSERT OR REPLACE INTO troubles VALUES (?, ?, ?, ?, ?)",
                (cell.id, settings, platform, datetime.now(timezone.utc).isoformat(), message),
            )

    def drop_trouble(self, cell: Cell, settings: Digest, platform: str) -> None:
        with self._writing() as rows:
            rows.execute(
                "DELETE FROM troubles WHERE cell = ? AND settings = ? AND platform = ?", (cell.id, settings, platform)
            )

    def trouble(self, cell: Cell, settings: Digest, platform: str) -> str:
        row = self._row(
            "SELECT message FROM troubles WHERE cell = ? AND settings = ? AND platform = ?",
            (cell.id, settings, platform),
        )
        return str(row[0]) if row else ""

    def save_expansion(self, matrix: Digest, expansion: Expansion, at: datetime | None = None) -> None:
        """`at`: when it was looked up; None: now."""
        looked_up = (at or datetime.now(timezone.utc)).isoformat()
        with self._writing() as rows:
            rows.execute(
                "INSERT OR REPLACE INTO expansions VALUES (?, ?, ?)", (matrix, looked_up, packed_expansion(expansion))
            )

    def drop_expansion(self, matrix: Digest) -> None:
        with self._writing() as rows:
            rows.execute("DELETE FROM expansions WHERE matrix = ?", (matrix,))

    def expansion(self, matrix: Digest) -> Expansion | None:
        """The cells of a matrix as they were when it was last run."""
        row = self._row("SELECT body FROM expansions WHERE matrix = ?", (matrix,))
        return unpacked(row[0], Expansion) if row else None

    # ------------------------------------------------------------------ experiments

    def save_experiment(
        self, experiment: Experiment, settings: Digest, scenario: Digest, probe_version: int, platform: str
    ) -> None:
        """What blame by experiment came to for a cell; of two the younger counts."""
        key = (experiment.cell, settings, scenario, probe_version, platform)
        with self._writing() as rows:
            rows.execute(
                "INSERT OR REPLACE INTO experiments VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*key, experiment.at.isoformat(), packed(experiment)),
            )

    def experiments(
        self, settings: Digest, scenario: Digest, probe_version: int, platform: str
    ) -> dict[str, Experiment]:
        """The identifier of a cell to the last experiment on it, in the order of the identifiers."""
        rows = self._rows(
            "SELECT cell, body FROM experiments WHERE settings = ? AND scenario = ? AND probe = ? AND platform = ? "
            "ORDER BY cell",
            (settings, scenario, probe_version, platform),
        )
        return {cell: unpacked(body, Experiment) for cell, body in rows}

    # ------------------------------------------------------------------ several stores

    def merge(self, other: Path) -> int:
        """Take over what another store knows; the number of observations that are new here.

        Of two answers of the resolver the younger counts. An observation is the same where key and start are; the one
        that tells more is kept. Raises StoreError where `other` is no store, or of another version than this.
        """
        if not other.is_file():
            raise StoreError(f"there is no store {other}", "Name stores that `compatcheck run --store` has written.")
        with Store(other) as source, self._writing() as rows:
            for row in source._rows("SELECT * FROM locks", ()):
                _keep_lock(rows, *row)
            for table, time in (
                ("resolutions", "resolved"),
                ("troubles", "at"),
                ("expansions", "at"),
                ("experiments", "at"),
                ("choices", "at"),
            ):
                for row in source._rows(f"SELECT * FROM {table}", ()):
                    names = [each[1] for each in rows.execute(f"PRAGMA table_info({table})")]
                    keys = [each[1] for each in rows.execute(f"PRAGMA table_info({table})") if each[5]]
                    rows.execute(
                        f"INSERT INTO {table} VALUES ({', '.join('?' * len(names))}) ON CONFLICT ({', '.join(keys)}) "
                        f"DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in names if name not in keys)} "
                        f"WHERE excluded.{time} > {table}.{time}",
                        row,
                    )
            return sum(self._take(rows, row) for row in source._rows("SELECT * FROM observations ORDER BY started", ()))

    @staticmethod
    def _take(rows: sqlite3.Connection, row: Any) -> bool:
        """One observation of another store, as a further attempt where it is not here yet; whether it was not."""
        key, (_, started, body) = row[:4], row[4:]
        same = "lock = ? AND scenario = ? AND probe = ? AND platform = ?"
        here = rows.execute(
            f"SELECT attempt, body FROM observations WHERE {same} AND started = ?", (*key, started)
        ).fetchone()
        if here is not None:
            if body != here[1] and _tells_more(unpacked(body, Observation), unpacked(here[1], Observation)):
                rows.execute(f"UPDATE observations SET body = ? WHERE {same} AND attempt = ?", (body, *key, here[0]))
            return False
        attempt = rows.execute(f"SELECT count(*) FROM observations WHERE {same}", key).fetchone()[0]
        rows.execute("INSERT INTO observations VALUES (?, ?, ?, ?, ?, ?, ?)", (*key, attempt, started, body))
        return True

    # ------------------------------------------------------------------ SQLite

    def _migrate(self) -> None:
        with self._writing() as rows:
            version = rows.execute("PRAGMA user_version").fetchone()[0]
            if version > len(MIGRATIONS):
                raise StoreError(
                    f"the store {self.path} was written by a newer compatcheck",
                    "Upgrade compatcheck, or name another store with --store.",
                )
            for number, script in enumerate(MIGRATIONS[version:], version + 1):
                for statement in filter(str.strip, script.split(";")):
                    rows.execute(statement)
                rows.execute(f"PRAGMA user_version = {number}")

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it or nothing."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException as error:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise _store_error(self.path, error) from None
                raise

    def _rows(self, question: str, values: Iterable[Any]) -> list[Any]:
        with self._lock:
            try:
                return self._connection.execute(question, tuple(values)).fetchall()
            except sqlite3.Error as error:
                raise _store_error(self.path, error) from None

    def _row(self, question: str, values: Iterable[Any]) -> Any:
        rows = self._rows(question, values)
        return rows[0] if rows else None


def _keep_lock(rows: sqlite3.Connection, digest: str, body: bytes) -> None:
    """Of two with one digest the longer tells more of its wheels: their sizes and dates, which no digest is made of."""
    rows.execute(
        "INSERT INTO locks VALUES (?, ?) ON CONFLICT (digest) DO UPDATE SET body = excluded.body "
        "WHERE length(excluded.body) > length(body)",
        (digest, body),
    )


def _tells_more(one: Observation, other: Observation) -> bool:
    """Of two accounts of one run: what was seen more than what is retold, and of reports the fuller and the later."""

    def told(seen: Observation) -> tuple[bool, bool, int]:
        retold = seen.retold
        return (True, True, 0) if retold is None else (False, retold.complete, retold.attempts)

    return told(one) > told(other)


def _store_error(path: Path, error: sqlite3.Error) -> StoreError | DiskFull:
    if "full" in str(error):
        return DiskFull(f"no space left to write the store {path}", "Free some space and run again: it goes on.")
    return StoreError(f"the store {path} refuses: {error}", "Check that the file and its folder are writable.")
