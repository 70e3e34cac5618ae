"""Disk is counted by inodes, and made room on without touching what is in use."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from conftest import MakeRun
from minimatrix.releases import NEW

from compatcheck.disk import can_link, free_bytes, kept_slots, prune, unpacked_wheels, usage
from compatcheck.executor import slot_for

KIB = 1024


def test_a_file_with_several_names_is_counted_once(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    (one / "large").write_bytes(os.urandom(64 * KIB))
    os.link(one / "large", other / "linked")
    (other / "own").write_bytes(os.urandom(16 * KIB))
    (other / "pointer").symlink_to(one / "large")
    both = usage([one, other])
    assert both.names == 4
    assert 80 * KIB <= both.bytes < 92 * KIB
    assert both.alone == both.bytes, "together they hold every name"
    assert usage([other]).bytes >= 80 * KIB
    assert 16 * KIB <= usage([other]).alone < 28 * KIB, "removing it frees only what has no name elsewhere"


def test_a_folder_that_is_not_there_costs_nothing(tmp_path: Path) -> None:
    assert usage([tmp_path / "none"]).bytes == 0
    assert free_bytes(tmp_path / "none" / "deeper") == pytest.approx(free_bytes(tmp_path), rel=0.2)


def test_whether_links_are_possible_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert can_link(tmp_path / "a", tmp_path / "b")
    assert list((tmp_path / "a").iterdir()) == list((tmp_path / "b").iterdir()) == []

    def refused(*_: object) -> None:
        raise OSError(18, os.strerror(18))

    monkeypatch.setattr(os, "link", refused)
    assert not can_link(tmp_path / "a", tmp_path / "b")


@pytest.mark.minimatrix
def test_two_slots_of_the_same_packages_cost_them_once(make_run: MakeRun, uv_cache: Path) -> None:
    run = make_run({**{package: (version,) for package, version in NEW.items()}, "torch": ("2.0.1", "newest")})
    for cell in run.expand().cells:
        run.run([cell])  # two at once may each unpack the same wheel into an empty cache
    one, other = (slot.folder / "env" / "lib" for slot in kept_slots(run.cache / "environments"))
    shared = usage([one]).bytes + usage([other]).bytes - usage([one, other]).bytes
    assert shared > 0
    assert usage([one, other, uv_cache]).bytes < usage([one, other]).bytes + usage([uv_cache]).bytes
    assert run.uv.cache_folder() == uv_cache
    assert ("peft", NEW["peft"]) in unpacked_wheels(uv_cache)


@pytest.mark.minimatrix
def test_pruning_takes_the_longest_unused_and_nothing_in_use(make_run: MakeRun) -> None:
    run = make_run({**{package: (version,) for package, version in NEW.items()}, "torch": ("2.0.0", "2.0.1", "newest")})
    cells = run.expand().cells
    run.run(cells)
    environments = run.cache / "environments"
    slots = {slot.name.split("torch")[1]: slot.folder for slot in kept_slots(environments)}
    for age, folder in enumerate((slots["2.0.1-0"], slots["2.1.0-0"], slots["2.0.0-0"])):
        moment = time.time() - 86400 * (9 - age)
        os.utime(folder / "ready", (moment, moment))
    assert [slot.name.split("torch")[1] for slot in kept_slots(environments)] == ["2.0.1-0", "2.1.0-0", "2.0.0-0"]
    assert prune(environments, idle_days=30) == ()
    assert prune(environments, most=10**12) == ()
    assert [slot.folder for slot in prune(environments, idle_days=8.5, dry=True)] == [slots["2.0.1-0"]]
    held = next(cell for cell in cells if cell.versions["torch"] == "2.1.0")
    with slot_for(held, environments):
        assert [slot.folder for slot in prune(environments, most=0)] == [slots["2.0.1-0"], slots["2.0.0-0"]]
    assert [slot.folder for slot in kept_slots(environments)] == [slots["2.1.0-0"]]
    enough = usage([slots["2.1.0-0"]]).bytes
    assert prune(environments, most=enough) == ()
    assert [slot.folder for slot in prune(environments, most=enough - 1)] == [slots["2.1.0-0"]]
