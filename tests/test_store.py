"""The store: what is put in comes out, old stores are taken along, damage and newer stores are refused in one line."""

from __future__ import annotations

import json
import sqlite3
import zlib
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from compatcheck.attribution import Blame, Culprit, Kind, Pair
from compatcheck.cell_blame import CellBlame, Part
from compatcheck.domain import (
    Cell,
    Digest,
    Distribution,
    Ending,
    EndingKind,
    Lock,
    Machine,
    Observation,
    Outcome,
    Resolution,
)
from compatcheck.errors import DiskFull, StoreError
from compatcheck.expansion import Expansion
from compatcheck.experiment import Experiment
from compatcheck.store import MIGRATIONS, Store

CELL = Cell("3.11", {"torch": "2.6.0", "transformers": "4.51.3", "peft": "0.15.2"})
LOCK = Lock("3.11", "linux-x86_64", (Distribution("peft", "0.15.2", ("ab",), 7, datetime(2026, 1, 1)),))
MACHINE = Machine("linux-x86_64", "s", "c", 2, 1024)
SETTINGS, SCENARIO = Digest("settings"), Digest("scenario")


def observation(second: int = 0) -> Observation:
    started = datetime(2026, 1, 2, 3, 4, second, tzinfo=timezone.utc)
    return Observation(started, MACHINE, 1, (), (), (), Ending(EndingKind.COMPLETED), {"torch": "2.6.0"})


def test_what_is_saved_is_there_after_opening_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "store.sqlite3"
    resolution = Resolution(LOCK, "", datetime(2026, 1, 2, tzinfo=timezone.utc))
    expansion = Expansion((CELL,), {"torch 2.6.0": datetime(2025, 1, 1, tzinfo=timezone.utc)}, ((CELL, "why"),))
    with Store(path) as store:
        store.save_resolution(CELL, SETTINGS, "linux-x86_64", resolution)
        store.save_observation(LOCK, SCENARIO, observation())
        store.save_expansion(Digest("m"), expansion)
        store.save_trouble(CELL, SETTINGS, "linux-x86_64", "no network")
    with Store(path) as store:
        assert store.resolution(CELL, SETTINGS, "linux-x86_64") == resolution
        assert store.observations(LOCK, SCENARIO, 1, "linux-x86_64") == (observation(),)
        assert store.expansion(Digest("m")) == expansion
        assert store.trouble(CELL, SETTINGS, "linux-x86_64") == "no network"
        store.drop_trouble(CELL, SETTINGS, "linux-x86_64")
        assert store.trouble(CELL, SETTINGS, "linux-x86_64") == ""


def test_a_large_matrix_is_kept_by_column_and_comes_out_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = tuple(
        Cell(python, {"torch": torch, "transformers": "5.0.0", "peft": peft})
        for python in ("3.12", "3.11") for torch in ("2.10.0", "2.9.0") for peft in ("0.1.0", "0.2.0", "0.3.0")
    )  # fmt: skip
    kept = cells[:5] + cells[6:]
    whole = Expansion(kept, {}, ((cells[5], "why"),), {"peft 0.1.0": ("torch",)}, {"peft": ("0.1.0",)})
    other = replace(whole, cells=(*kept, Cell("3.11", {**CELL.versions, "accelerate": "1.0.0"})))
    plain = tmp_path / "plain.sqlite3"
    with Store(plain) as store:
        store.save_expansion(Digest("m"), whole)
    monkeypatch.setattr("compatcheck.packing.LARGE", 1)
    with Store(plain) as store:
        assert store.expansion(Digest("m")) == whole, "as it was kept before"
        store.save_expansion(Digest("m"), whole)
        store.save_expansion(Digest("n"), other)
    with Store(plain) as store:
        found = store.expansion(Digest("m"))
        assert found == whole and [cell.id for cell in found.cells] == [cell.id for cell in kept]
        assert store.expansion(Digest("n")) == other, "cells with further axes have no columns"
    with closing(sqlite3.connect(plain)) as rows:
        data = json.loads(zlib.decompress(rows.execute("SELECT body FROM expansions WHERE matrix = 'm'").fetchone()[0]))
        assert data["columns"]["python"] == [["3.12", "3.11"], [0] * 5 + [1] * 6]
        data["columns"]["python"][1][0] = 7
        rows.execute("UPDATE expansions SET body = ? WHERE matrix = 'm'", (zlib.compress(json.dumps(data).encode()),))
        rows.commit()
    with Store(plain) as store, pytest.raises(StoreError):
        store.expansion(Digest("m"))


def experiment(day: int, verdict: Kind = Kind.CULPRIT) -> Experiment:
    blame = Blame(
        verdict, (Culprit("peft", "0.1", "0.2", unknown=("0.3",)),), (Pair("a", "b", "peft"),), 9,
        (Outcome.FAIL, "odd"), no_part={"torch": 3},
    )  # fmt: skip
    at = datetime(2026, 1, day, tzinfo=timezone.utc)
    return Experiment(CELL.id, Digest("lock"), at, CellBlame(blame, (Part("an end", blame),)), "seed 1")


def test_of_two_experiments_on_a_cell_the_younger_counts_in_other_stores_too(tmp_path: Path) -> None:
    key = (SETTINGS, SCENARIO, 1, "linux-x86_64")
    with Store(tmp_path / "here") as here, Store(tmp_path / "there") as there:
        here.save_experiment(experiment(2), *key)
        assert here.experiments(*key) == {CELL.id: experiment(2)}
        assert here.experiments(Digest("other"), *key[1:]) == {}
        for day, verdict in ((1, Kind.UNDETERMINED), (3, Kind.DRIFT)):
            there.save_experiment(experiment(day, verdict), *key)
            here.merge(tmp_path / "there")
            assert here.experiments(*key)[CELL.id] == experiment(max(day, 2), Kind.CULPRIT if day == 1 else verdict)


def test_an_observation_is_found_by_its_whole_key_only(tmp_path: Path) -> None:
    with Store(tmp_path / "s") as store:
        store.save_observation(LOCK, SCENARIO, observation())
        other = Lock("3.11", "linux-x86_64", (Distribution("peft", "0.15.1", ("ab",)),))
        assert store.observations(other, SCENARIO, 1, "linux-x86_64") == ()
        assert store.observations(LOCK, Digest("x"), 1, "linux-x86_64") == ()
        assert store.observations(LOCK, SCENARIO, 2, "linux-x86_64") == ()
        assert store.observations(LOCK, SCENARIO, 1, "darwin-arm64") == ()


def test_a_second_observation_is_a_further_attempt(tmp_path: Path) -> None:
    with Store(tmp_path / "s") as store:
        for second in (5, 3):
            store.save_observation(LOCK, SCENARIO, observation(second))
        seen = store.observations(LOCK, SCENARIO, 1, "linux-x86_64")
        assert [each.started.second for each in seen] == [5, 3]


def test_the_last_answer_of_the_resolver_counts(tmp_path: Path) -> None:
    with Store(tmp_path / "s") as store:
        store.save_resolution(CELL, SETTINGS, "linux-x86_64", Resolution(LOCK))
        store.save_resolution(CELL, SETTINGS, "linux-x86_64", Resolution(None, "conflict"))
        answer = store.resolution(CELL, SETTINGS, "linux-x86_64")
        assert answer is not None and answer.lock is None and answer.reason == "conflict"


def test_stores_are_merged_without_loss_and_without_counting_twice(tmp_path: Path) -> None:
    other_lock = Lock("3.11", "linux-x86_64", (Distribution("peft", "0.15.1", ("ab",)),))
    old, new = datetime(2026, 1, 1, tzinfo=timezone.utc), datetime(2026, 1, 2, tzinfo=timezone.utc)
    with Store(tmp_path / "a") as store:
        store.save_observation(LOCK, SCENARIO, observation(1))
        store.save_resolution(CELL, SETTINGS, "linux-x86_64", Resolution(LOCK, "", new))
    with Store(tmp_path / "b") as store:
        store.save_observation(LOCK, SCENARIO, observation(2))
        store.save_observation(other_lock, SCENARIO, observation(3))
        store.save_resolution(CELL, SETTINGS, "linux-x86_64", Resolution(other_lock, "", old))
        store.save_expansion(Digest("m"), Expansion((CELL,), {}))
    with Store(tmp_path / "whole") as store:
        assert [store.merge(tmp_path / name) for name in ("a", "b", "a", "b")] == [1, 2, 0, 0]
        assert [each.started.second for each in store.observations(LOCK, SCENARIO, 1, "linux-x86_64")] == [1, 2]
        assert len(store.observations(other_lock, SCENARIO, 1, "linux-x86_64")) == 1
        answer = store.resolution(CELL, SETTINGS, "linux-x86_64")
        assert answer is not None and answer.lock == LOCK, "the younger answer"
        assert store.expansion(Digest("m")) == Expansion((CELL,), {})
        with pytest.raises(StoreError, match="there is no store"):
            store.merge(tmp_path / "nothing")


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with Store(tmp_path / "s") as store:
        with pytest.raises(RuntimeError), store._writing() as rows:
            rows.execute("INSERT INTO troubles VALUES ('a', 'b', 'c', 'd', 'e')")
            raise RuntimeError
        assert store._rows("SELECT * FROM troubles", ()) == []


def test_an_empty_and_an_older_store_are_taken_to_today(tmp_path: Path) -> None:
    path = tmp_path / "old"
    sqlite3.connect(path).close()
    with Store(path) as store:
        assert store._rows("PRAGMA user_version", ())[0][0] == len(MIGRATIONS)


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "new"
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(StoreError, match="newer compatcheck"):
        Store(path)


def test_a_damaged_store_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "bad"
    path.write_bytes(b"this is no database at all, only text that is long enough to be looked at" * 50)
    with pytest.raises(StoreError, match="cannot be opened") as caught:
        Store(path)
    assert caught.value.exit_code == 4 and "move it away" in caught.value.remedy


@pytest.mark.parametrize("version", ["", "../../etc", "2.6.0\n", "=1", "<script>"])
def test_a_store_with_made_up_versions_is_refused_where_they_are_read(tmp_path: Path, version: str) -> None:
    lock = Lock("3.11", "linux-x86_64", (Distribution("peft", version, ("ab",)),))
    strange = Cell("3.11", {**CELL.versions, "torch": version})
    with Store(tmp_path / "store.sqlite3") as store:
        store.save_resolution(CELL, SETTINGS, "linux-x86_64", Resolution(lock))
        with pytest.raises(StoreError, match="is no version"):
            store.resolution(CELL, SETTINGS, "linux-x86_64")
        for known in (Expansion((strange,), {}), Expansion((CELL,), {}, known={"torch": (version,)})):
            store.save_expansion(Digest("m"), known)
            with pytest.raises(StoreError, match="is no version"):
                store.expansion(Digest("m"))


@pytest.mark.parametrize(
    "body", [b"", b"no zlib", zlib.compress(b"no json"), zlib.compress(b"\xff"), zlib.compress(b"[" * 10**5)]
)
def test_an_entry_that_cannot_be_read_is_refused(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "store.sqlite3"
    with Store(path) as store:
        store.save_expansion(Digest("m"), Expansion((CELL,), {}))
        with closing(sqlite3.connect(path)) as rows, rows:
            rows.execute("UPDATE expansions SET body = ?", (body,))
        with pytest.raises(StoreError, match="cannot be read"):
            store.expansion(Digest("m"))


def test_a_full_disk_is_named_and_loses_nothing(tmp_path: Path) -> None:
    with Store(tmp_path / "s") as store:
        store.save_observation(LOCK, SCENARIO, observation(1))
        pages = store._rows("PRAGMA page_count", ())[0][0]
        store._rows(f"PRAGMA max_page_count = {pages}", ())
        with pytest.raises(DiskFull, match="no space left to write the store"):
            for number in range(200):
                store.save_trouble(CELL, Digest(f"s{number}"), "linux-x86_64", "x" * 4000)
        assert store.observations(LOCK, SCENARIO, 1, "linux-x86_64") == (observation(1),)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be opened"):
        Store(tmp_path / "file" / "store")
