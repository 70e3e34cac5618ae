"""Stores as a loss of power may leave them."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import made_up

from compatcheck.domain import digest_of
from compatcheck.errors import StoreError
from compatcheck.store import Store

from .trials import Trials


def torn_stores(count: int, rng: random.Random) -> Trials:
    """Copies of a store as a loss of power may leave them: the log of pending writes cut at any byte."""
    with Trials("power lost: copies of a store with its write-ahead log cut anywhere").clock() as trials:
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "store.sqlite3"
            with Store(path) as store:
                copies = []
                for number in range(30):
                    each = made_up.cell(peft=f"0.{number}.0")
                    store.save_observation(made_up.lock(each), digest_of(str(number)), made_up.observation())
                    copies.append((path.read_bytes(), Path(f"{path}-wal").read_bytes(), number + 1))
            for number in range(count):
                main, log, most = rng.choice(copies)
                place = Path(name) / f"torn-{number}.sqlite3"
                place.write_bytes(main)
                Path(f"{place}-wal").write_bytes(log[: rng.randrange(len(log) + 1)])
                try:
                    with Store(place) as torn:
                        seen = len(torn.seconds())
                        torn.save_trouble(made_up.cell(), digest_of("x"), "p", "written again")
                    trials.count("" if seen <= most else f"{seen} observations of {most}")
                except StoreError as error:
                    trials.count(f"unreadable: {error}")
    return trials


PAGE = 4096


def torn_pages(count: int, rng: random.Random) -> Trials:
    """Copies of a store as a loss of power in the middle of a checkpoint leaves them.

    SQLite flushes the log of pending writes before it writes them into the database: so the log is whole, and of the
    database's pages any are new, any old, and any torn in the middle.
    """
    with Trials("power lost during a checkpoint: pages old, new and torn").clock() as trials:
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "store.sqlite3"
            with Store(path) as store:
                for number in range(30):
                    store.save_observation(
                        made_up.lock(made_up.cell(peft=f"0.{number}.0")), digest_of(str(number)), made_up.observation()
                    )
                old, log = path.read_bytes(), Path(f"{path}-wal").read_bytes()
                store._rows("PRAGMA wal_checkpoint(PASSIVE)", ())
                new = path.read_bytes()
            for number in range(count):
                torn = bytearray(new)
                for start in range(0, len(new), PAGE):
                    cut = start + rng.choice([0, PAGE, rng.randrange(PAGE)])
                    torn[start:cut] = old[start:cut].ljust(cut - start, b"\0")
                place = Path(name) / f"checkpoint-{number}.sqlite3"
                place.write_bytes(torn)
                Path(f"{place}-wal").write_bytes(log)
                try:
                    with Store(place) as opened:
                        seen = sum(1 for _ in opened.every_observation())
                        opened.save_trouble(made_up.cell(), digest_of("x"), "p", "written again")
                    trials.count("" if seen == 30 else f"{seen} observations of 30")
                except StoreError as error:
                    trials.count(f"unreadable: {error}")
    return trials
