"""A matrix over stub packages in a folder of its own, run by the real command line."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil

from compatcheck.slot import files_of, installed_versions
from compatcheck.store import Store

ROOT = Path(__file__).resolve().parent.parent.parent
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
PEFTS = ("0.1.0", "0.1.1", "0.2.0", "newest")
MATRIX = """
python = ["{python}"]
[axes]
torch = ["newest"]
transformers = ["4.44.0", "5.0.0"]
peft = [{pefts}]
[scenario]
epochs = 2
new_tokens = 6
[limits]
stage_seconds = 20
memory_mib = 1024
[index]
url = "{url}"
"""
CELLS = 8
CLOCKED = ("started", "seconds", "peak_rss_mib", "resolved", "stages", "attempts", "agreeing")
"""What may differ between two runs of the same thing."""
SETTINGS = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL", "UV_FIND_LINKS", "UV_EXTRA_INDEX_URL", "UV_INDEX")


class StubWorld:
    """The matrix file, store, cache and temporary folder of one trial, all below `folder`."""

    def __init__(self, folder: Path, url: str, uv_cache: Path, pefts: tuple[str, ...] = PEFTS) -> None:
        self.folder, self.uv_cache = folder, uv_cache
        self.matrix, self.store, self.cache = folder / "stub.toml", folder / "store.sqlite3", folder / "cache"
        self.temporary = folder / "tmp"
        self.temporary.mkdir(parents=True)
        quoted = ", ".join(f'"{peft}"' for peft in pefts)
        self.cells = 2 * len(pefts)
        self.matrix.write_text(MATRIX.format(python=PYTHON, pefts=quoted, url=url))

    @property
    def places(self) -> list[str]:
        return ["--store", str(self.store), "--cache", str(self.cache)]

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in SETTINGS}
        kept.pop("PYTHONDONTWRITEBYTECODE", None)
        own = {"TMPDIR": str(self.temporary), "UV_CACHE_DIR": str(self.uv_cache), "UV_HTTP_RETRIES": "0"}
        return {**kept, **own, "PYTHONPATH": str(ROOT)}

    def words(self, command: str, *more: str) -> list[str]:
        return [sys.executable, "-m", "compatcheck", command, str(self.matrix), *more, *self.places]

    def start(self, *more: str, **changed: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.words("run", "--plain", *more), env={**self.environment, **changed}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, *more: str, seconds: float = 300, **changed: str) -> subprocess.CompletedProcess[str]:
        """`compatcheck run`, to its end."""
        return self.done(self.words("run", "--plain", *more), seconds, changed)

    def done(
        self, words: list[str], seconds: float = 300, changed: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, env={**self.environment, **(changed or {})}, capture_output=True, text=True, timeout=seconds,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def report(self, **changed: str) -> dict[str, Any]:
        """The report as data, without what differs between two runs of the same thing."""
        done = self.done(self.words("report", "--stdout", "--format", "json"), changed=changed)
        if done.returncode:
            raise RuntimeError(f"no report: {done.stderr[-300:]}")
        seen: dict[str, Any] = json.loads(done.stdout)
        del seen["generated"]
        for cell in seen["cells"]:
            for clock in CLOCKED:
                del cell[clock]
        return seen

    def outcomes(self) -> list[str]:
        return [cell["outcome"] for cell in self.report()["cells"]]

    def attempts(self) -> list[int]:
        with closing(sqlite3.connect(self.store)) as rows:
            return sorted(row[0] for row in rows.execute("SELECT attempt FROM observations"))

    def half_synced(self) -> list[str]:
        """Slots that say that they hold a lock and do not hold exactly it."""
        wrong = []
        with Store(self.store) as store:
            for slot in sorted((self.cache / "environments").glob("*/ready")):
                lock = store.lock(slot.read_text())  # type: ignore[arg-type]
                environment = slot.parent / "env"
                if lock is None or installed_versions(environment) != lock.versions:
                    wrong.append(f"{slot.parent.name} is not what it says")
                elif json.loads((slot.parent / "files.json").read_text()) != files_of(environment):
                    wrong.append(f"{slot.parent.name} is not as it was made")
        return wrong

    def left_behind(self, seconds: float = 10) -> list[str]:
        """Processes that have to do with the folder and do not end, and temporary files in it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and (living := list(self.processes())):
            time.sleep(0.1)
        living = list(self.processes())
        temporary = [str(path) for path in self.temporary.glob("compatcheck-*")]
        return [*living, *temporary, *(str(path) for path in self.folder.rglob("*.new"))]

    def processes(self) -> Iterator[str]:
        """Whose command line or environment speaks of the folder."""
        mark = str(self.folder)
        for process in psutil.process_iter():
            try:
                told = " ".join(process.cmdline()) + str(process.environ().get("TMPDIR", ""))
                if mark in told and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                    yield f"process {process.pid} {told[:120]}"
            except psutil.Error:
                continue

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
