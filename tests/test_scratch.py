"""Temporary folders: gone at the end, kept while their process lives, swept up when it was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from compatcheck.scratch import LATE, READY, UNFINISHED, scratch, swept

HOLDER = """
import sys, time
from compatcheck.scratch import scratch
with scratch() as folder:
    (folder / "something").write_text("x")
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    swept.cache_clear()


def test_it_is_empty_and_gone_afterwards(tmp_path: Path) -> None:
    with scratch() as folder:
        assert folder.parent == tmp_path and list(folder.iterdir()) == []
        (folder / "x").mkdir()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_swept_up_and_what_a_living_one_has_stays(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    holders = [
        subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    ]
    dead, living = (Path(holder.stdout.readline().strip()) for holder in holders)
    holders[0].send_signal(signal.SIGKILL)
    holders[0].wait()
    assert (dead / "something").exists()
    with scratch():
        assert not dead.exists() and (living / "something").exists()
    holders[1].kill()
    holders[1].wait()


def test_a_folder_whose_making_broke_off_goes_when_it_is_old(tmp_path: Path) -> None:
    fresh, old = tmp_path / f"{UNFINISHED}a", tmp_path / f"{UNFINISHED}b"
    fresh.mkdir()
    old.mkdir()
    os.utime(old, (time.time() - LATE - 1,) * 2)
    other = tmp_path / "compatcheck-notes"
    other.mkdir()
    assert swept(str(tmp_path)) == (old.name,)
    assert fresh.exists() and other.exists() and not old.exists()
    assert not list(tmp_path.glob(f"{READY}*"))
