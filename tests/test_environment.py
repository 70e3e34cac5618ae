"""Locks and environment slots, by the real uv over stub packages."""

from __future__ import annotations

import os
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest
from conftest import PYTHON, cell
from minimatrix.index import LocalIndex
from minimatrix.releases import DRIFT, NEW, OLD
from minimatrix.wheels import Release

from compatcheck.domain import Cell
from compatcheck.environment import Uv, contemporary_cutoff
from compatcheck.errors import DiskFull, IndexUnavailable, InterpreterMissing, MachineError
from compatcheck.machine import interpreter
from compatcheck.slot import Slot, files_of, installed_versions

pytestmark = pytest.mark.minimatrix


def test_a_lock_names_everything_with_hashes_sizes_and_dates(index: LocalIndex) -> None:
    lock = Uv(index.url).resolution(cell(NEW)).lock
    assert lock is not None
    assert lock.versions == {**NEW, "accelerate": "0.3.0", "tokenizers": "0.21.0"}
    assert all(len(item.hashes[0]) == 64 and item.size > 0 and item.uploaded for item in lock.distributions)
    assert Uv(index.url).resolution(cell(NEW)).lock == lock


def test_a_cutoff_chooses_what_there_was_then(index: LocalIndex) -> None:
    then = datetime(2024, 7, 10, tzinfo=timezone.utc)
    lock = Uv(index.url).resolution(cell(OLD), cutoff=then).lock
    assert lock is not None and lock.versions["accelerate"] == "0.2.0"
    extra = Uv(index.url).resolution(cell(OLD), extras=("accelerate<0.2",)).lock
    assert extra is not None and extra.versions["accelerate"] == "0.1.0"


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        ({**NEW, "peft": "0.9.0"}, "peft==0.9.0 depends on transformers<4"),
        ({**NEW, "peft": "0.9.1"}, "tokenizers"),
        ({**NEW, "torch": "1.9.0"}, "torch==1.9.0"),
        ({**NEW, "peft": "0.9.2"}, "Python"),
    ],
)
def test_what_does_not_resolve_is_told_with_the_resolvers_reason(
    index: LocalIndex, versions: dict[str, str], said: str
) -> None:
    answer = Uv(index.url).resolution(cell(versions))
    assert answer.lock is None
    assert said in answer.reason
    assert "\n" not in answer.reason and "╰" not in answer.reason


@pytest.mark.parametrize("trouble", [{"status": 500}, {"status": 401}, {"body": b"<<garbage"}])
def test_an_index_that_misbehaves_is_the_machines_fault_and_no_packages(index: LocalIndex, trouble: dict) -> None:
    index.disturb("/simple/*", **trouble)
    with pytest.raises(MachineError) as caught:
        Uv(index.url).resolution(cell(NEW))
    assert caught.value.exit_code == 4 and caught.value.remedy


def test_an_index_that_is_down_is_the_machines_fault(index: LocalIndex) -> None:
    index.go_down()
    with pytest.raises(IndexUnavailable, match="did not answer"):
        Uv(index.url).resolution(cell(NEW))


def test_credentials_of_the_index_are_masked(index: LocalIndex) -> None:
    index.go_down()
    with pytest.raises(MachineError) as caught:
        Uv(index.url.replace("http://", "http://user:s3cret@")).resolution(cell(NEW))
    assert "s3cret" not in str(caught.value)


def test_a_slot_is_synced_in_place_and_holds_exactly_the_lock(index: LocalIndex, tmp_path: Path) -> None:
    uv, slot = Uv(index.url), Slot(tmp_path / "slot")
    new, old = uv.resolution(cell(NEW)).lock, uv.resolution(cell(OLD)).lock
    assert new is not None and old is not None
    for lock in (new, old, new):
        python = slot.prepare(lock, uv)
        assert python.exists() and slot.ready_for(lock)
        assert installed_versions(tmp_path / "slot" / "env") == lock.versions
    assert not slot.ready_for(old)
    asked = index.count()
    slot.prepare(new, uv)
    assert index.count() == asked, "a ready slot asks nobody"


def test_a_slot_that_was_interrupted_or_damaged_is_made_good(index: LocalIndex, tmp_path: Path) -> None:
    uv, slot = Uv(index.url), Slot(tmp_path / "slot")
    lock = uv.resolution(cell(NEW)).lock
    assert lock is not None
    slot.prepare(lock, uv)
    (tmp_path / "slot" / "ready").unlink()
    next((tmp_path / "slot" / "env").glob("lib/python3*/site-packages/peft-*.dist-info/RECORD")).unlink()
    slot.prepare(lock, uv)
    assert installed_versions(tmp_path / "slot" / "env") == lock.versions


def test_files_beside_site_packages_are_no_damage(
    index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As sympy's page of the manual: its RECORD leads to share/, where nothing is watched."""
    index.publish(Release("peft", "0.9.9", further=(("peft-0.9.9.data/data/share/man/x.1", b"a page", 0o100644),)))
    monkeypatch.setattr(Uv, "forget", lambda self, packages: pytest.fail(f"{packages} are not damaged"))
    uv, slot = Uv(index.url), Slot(tmp_path / "slot")
    lock = uv.resolution(cell({**NEW, "peft": "0.9.9"})).lock
    assert lock is not None
    slot.prepare(lock, uv)
    page = tmp_path / "slot" / "env" / "share" / "man" / "x.1"
    assert page.read_bytes() == b"a page"
    (tmp_path / "slot" / "ready").unlink()
    page.unlink()
    page.write_bytes(b"garbled")
    assert slot._unsound(files_of(slot.environment)) == ["peft"]


def test_a_slot_whose_making_broke_off_is_made_anew(index: LocalIndex, tmp_path: Path) -> None:
    uv, slot = Uv(index.url), Slot(tmp_path / "slot")
    lock = uv.resolution(cell(NEW)).lock
    assert lock is not None
    (tmp_path / "slot" / "env" / "bin").mkdir(parents=True)
    (tmp_path / "slot" / "env" / "half").write_text("what uv had written when the disk was full")
    slot.prepare(lock, uv)
    assert installed_versions(tmp_path / "slot" / "env") == lock.versions


def test_a_wheel_with_another_hash_is_not_installed(index: LocalIndex, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cold"))
    uv, slot = Uv(index.url), Slot(tmp_path / "slot")
    lock = uv.resolution(cell(NEW)).lock
    assert lock is not None
    index.disturb("/files/peft-*.whl", tampered=True)
    with pytest.raises(MachineError, match=r"[Hh]ash"):
        slot.prepare(lock, uv)
    assert not slot.ready_for(lock)


def test_a_wheel_that_breaks_off_can_be_fetched_again(index: LocalIndex, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cold"))
    uv, slot = Uv(index.url), Slot(tmp_path / "slot")
    lock = uv.resolution(cell(NEW)).lock
    assert lock is not None
    index.disturb("/files/peft-*.whl", cut=True)
    with pytest.raises(MachineError):
        slot.prepare(lock, uv)
    index.calm()
    slot.prepare(lock, uv)
    assert slot.ready_for(lock)


def test_a_disk_without_room_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: LocalIndex) -> None:
    uv = Uv(index.url)
    lock = uv.resolution(cell(NEW)).lock
    assert lock is not None

    def full(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(DiskFull, match="the disk is full"):
        Slot(tmp_path / "slot").prepare(lock, uv)


def test_the_world_moves_on_under_today(index: LocalIndex) -> None:
    before = Uv(index.url).resolution(cell(NEW)).lock
    index.publish(DRIFT)
    after = Uv(index.url).resolution(cell(NEW)).lock
    assert before is not None and after is not None
    assert (before.versions["accelerate"], after.versions["accelerate"]) == ("0.3.0", "0.4.0")


def test_the_contemporary_cutoff_follows_the_newest_axis_release() -> None:
    released = {
        "torch 2.0.0": datetime(2024, 1, 1, tzinfo=timezone.utc),
        "transformers 4.0.0": datetime(2024, 5, 1, tzinfo=timezone.utc),
        "peft 0.1.0": datetime(2024, 7, 1, tzinfo=timezone.utc),
    }
    assert contemporary_cutoff(Cell("3.11", OLD), released, 7) == datetime(2024, 7, 8, tzinfo=timezone.utc)
    with pytest.raises(IndexUnavailable, match="does not say when"):
        contemporary_cutoff(Cell("3.11", OLD), {"torch 2.0.0": released["torch 2.0.0"]}, 7)


def test_interpreters_are_found_and_the_missing_ones_named() -> None:
    assert interpreter(PYTHON).exists()
    with pytest.raises(InterpreterMissing, match=r"Python 3\.99 is not installed"):
        interpreter("3.99")


def test_a_shim_is_told_by_the_interpreter_that_it_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shim = tmp_path / f"python{PYTHON}"
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    interpreter.cache_clear()
    try:
        assert interpreter(PYTHON) == Path(sys.executable)
    finally:
        interpreter.cache_clear()


def test_without_uv_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> str:
        raise FileNotFoundError("no uv in any of these places")

    monkeypatch.setattr("uv.find_uv_bin", gone)
    with pytest.raises(MachineError, match="uv could not be started: no uv in any") as told:
        Uv("http://127.0.0.1:9/simple/").exact("3.11", {"peft": "0.1.0"})
    assert "pip install uv" in str(told.value)
