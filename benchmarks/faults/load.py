"""Much of everything: observations, cells of a report, lines of progress, bytes of a store."""

from __future__ import annotations

import os
import pty
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import psutil

from .stub_world import ROOT
from .trials import Trials

RETOLD = """
import sys, time
sys.path[:0] = [{root!r}, {tests!r}]
import made_up, resource
from pathlib import Path
from compatcheck.domain import CellResult, Digest, Resolution
from compatcheck.flakes import agreeing, verdict
from compatcheck.matrix import Expansion, Matrix
from compatcheck.store import Store
from compatcheck.report.context import built_context
from compatcheck.report.files import write_reports
"""


def load(cells: int, store_gib: float) -> list[Trials]:
    return [_through_store(cells), *_report(cells), _progress(10_000), _large_store(store_gib)]


def _mib() -> float:
    return float(psutil.Process().memory_info().rss) / 2**20


def _through_store(count: int) -> Trials:
    """Many observations through the store, and read again one by one: memory stays flat."""
    import made_up

    from compatcheck.domain import digest_of
    from compatcheck.store import Store

    trials = Trials(f"load: {count:,} observations through the store, memory flat")
    with trials.clock(), tempfile.TemporaryDirectory() as name, Store(Path(name) / "store.sqlite3") as store:
        seen, samples = made_up.observation(), []
        for number in range(count):
            lock = made_up.lock(made_up.cell(peft=f"0.{number % 500}.{number // 500}"))
            store.save_observation(lock, digest_of("load"), seen)
            if number % max(1, count // 20) == 0:
                samples.append(_mib())
        read = 0
        for number, _ in enumerate(store.every_observation()):
            read += 1
            if number % max(1, count // 20) == 0:
                samples.append(_mib())
        trials.count("" if read == count else f"{read} of {count} read again")
        grown = max(samples[2:]) - samples[1]
        trials.count("" if grown < 30 else f"memory grew by {grown:.0f} MiB")
        trials.note = f"grew by {grown:.0f} MiB between a twentieth and the end"
    return trials
