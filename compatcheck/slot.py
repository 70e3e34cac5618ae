"""Environment slots: places on disk that hold exactly one lock at a time, and are known to.

A slot belongs to one (python, torch) and one worker. It is synced in place to each cell's lock, so torch's files and
bytecode stay warm. It counts as ready only after a health check, and is marked so by an atomic rename. What a probe
has written into it is found by comparing the files with how they were, and mended: also in uv's cache, since the files
of an environment are links to those of the cache.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
from base64 import urlsafe_b64encode
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from packaging.utils import canonicalize_name

from .domain import Lock
from .environment import Uv
from .errors import CompatcheckError, DiskFull, IndexUnavailable, MachineError, refused_by_disk

UNWATCHED = frozenset({"__pycache__", "include"})
"""Folders that are not compared: bytecode is meant to be written, and torch's headers are more files than all else."""
SETTINGS = "pyvenv.cfg"
TRIES = 4
"""For an environment: as it is, made anew, and twice with what was damaged fetched again."""
Files = dict[str, list[int]]
"""Path, relative to site-packages as in a RECORD, to size and time of the last change (ns)."""


class Damaged(MachineError):
    """What was installed is not what the wheels brought: the cache that it comes from is damaged."""

    def __init__(self, packages: list[str]) -> None:
        self.packages = packages
        super().__init__(
            f"the files of {', '.join(packages)} are not those of their wheels: uv's cache is damaged",
            f"uv cache clean {' '.join(packages)}, and run again.",
        )


@dataclass(frozen=True)
class Slot:
    """A slot in `folder`, which nobody else uses meanwhile."""

    folder: Path

    @property
    def environment(self) -> Path:
        return self.folder / "env"

    @property
    def python(self) -> Path:
        return self.environment / "bin" / "python"

    @property
    def _mark(self) -> Path:
        return self.folder / "ready"

    @property
    def _list(self) -> Path:
        return self.folder / "files.json"

    def ready_for(self, lock: Lock) -> bool:
        try:
            return self._mark.read_text() == lock.digest and self.python.exists()
        except OSError:
            return False

    def prepare(self, lock: Lock, uv: Uv) -> Path:
        """The interpreter of this slot, holding exactly `lock`. Raises MachineError."""
        if self.ready_for(lock):
            with suppress(MachineError):
                if not self.heal(uv):
                    return self.python
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._mark.unlink(missing_ok=True)
            if not self.python.exists():
                self._make_anew(lock, uv)
            files = self._fill(lock, uv)
            _write(self._list, json.dumps(files))
            _write(self._mark, lock.digest)
        except OSError as error:
            raise refused_by_disk(error, f"the environment {self.folder} cannot be made") from None
        return self.python

    def _fill(self, lock: Lock, uv: Uv) -> Files:
        """Install `lock`; the files that are there then.

        Where that fails, what is there may be damaged, or what it comes from: then from nothing.
        """
        for attempt in range(TRIES):
            try:
                uv.sync(self.python, lock)
                files = files_of(self.environment)
                self._require_health(lock, files)
                return files
            except (DiskFull, IndexUnavailable):
                raise
            except CompatcheckError as error:
                if attempt == TRIES - 1:
                    raise
                if isinstance(error, Damaged):
                    uv.forget(error.packages)
                elif attempt and (named := [name for name in lock.versions if f"({name}==" in error.what]):
                    # a new environment fails as well: the cache holds something that cannot be installed
                    uv.forget(named)
                self._make_anew(lock, uv)
        raise AssertionError("the last try returns or raises")

    def heal(self, uv: Uv) -> list[str]:
        """Undo what was written into the slot since it was made ready; the files concerned, none in the usual case.

        A slot that was changed is removed and made anew by the next `prepare`; packages whose files were changed in
        place are taken out of uv's cache, because the cache holds the same files. Raises MachineError.
        """
        try:
            before: Files = json.loads(self._list.read_text())
            after = files_of(self.environment)
            changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
            if changed:
                self._mark.unlink(missing_ok=True)
                in_place = {path for path in changed if path in before and path in after}
                owners = sorted(name for name, paths in _records(self.environment) if not in_place.isdisjoint(paths))
                shutil.rmtree(self.environment, ignore_errors=True)
                if owners:
                    uv.forget(owners)
            return changed
        except (OSError, ValueError) as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise MachineError(f"the environment {self.folder} was damaged: {error}", "It is made anew.") from None

    def _make_anew(self, lock: Lock, uv: Uv) -> None:
        shutil.rmtree(self.environment, ignore_errors=True)
        uv.create(self.environment, lock.python)

    def _require_health(self, lock: Lock, files: Files) -> None:
        found = installed_versions(self.environment)
        missing = {name: version for name, version in lock.versions.items() if found.get(name) != version}
        extra = sorted(found.keys() - lock.versions.keys())
        if missing or extra:
            raise MachineError(
                f"the environment does not hold what the lock names: missing {missing or 'nothing'}, extra {extra}",
                f"Remove {self.folder} and run again.",
            )
        if packages := self._unsound(files):
            raise Damaged(packages)

    def _unsound(self, there: Files) -> list[str]:
        """The distributions of which a file, new since the slot was last ready, has not the hash of its RECORD."""
        try:
            sound: Files = json.loads(self._list.read_text())
        except (OSError, ValueError):
            sound = {}
        return sorted(
            name
            for name, rows in _record_rows(self.environment)
            if any(
                # what stands elsewhere (a page of a manual) is in no list, and is read each time
                (path not in there or there[path] != sound.get(path)) and told != _hash(self.site / path)
                for path, told in rows
                if told and not path.endswith(".pyc") and UNWATCHED.isdisjoint(path.split("/"))
            )
        )

    @property
    def site(self) -> Path:
        return next(self.environment.glob("lib/python3*/site-packages"))


def files_of(environment: Path) -> Files:
    """The watched files of an environment: its site-packages, its programs and its settings."""
    found: Files = {}
    for site in environment.glob("lib/python3*/site-packages"):
        programs = environment / "bin"
        # each folder with what stands before a name in it: a path is made for every one of thousands of files
        waiting = [(str(site), ""), (str(programs), os.path.relpath(programs, site) + os.sep)]
        found[SETTINGS] = _state((environment / SETTINGS).stat())
        while waiting:
            folder, before = waiting.pop()
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if entry.name not in UNWATCHED:
                            waiting.append((entry.path, before + entry.name + os.sep))
                    elif not entry.name.endswith(".pyc"):
                        found[before + entry.name] = _state(entry.stat(follow_symlinks=False))
    return found


def _state(found: os.stat_result) -> list[int]:
    return [found.st_size, found.st_mtime_ns]


def _hash(path: Path) -> str:
    """A file's hash as a RECORD writes it; empty where it cannot be read."""
    told = sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(2**20):
                told.update(block)
    except OSError:
        return ""
    return f"sha256={urlsafe_b64encode(told.digest()).decode().rstrip('=')}"


def _record_rows(environment: Path) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Each installed distribution with its files and their hashes; an unreadable RECORD has an impossible one."""
    for record in environment.glob("lib/python3*/site-packages/*.dist-info/RECORD"):
        name = canonicalize_name(record.parent.name.partition("-")[0])
        try:
            with record.open(encoding="utf-8", newline="") as file:
                rows = [(row[0], row[1]) for row in csv.reader(file) if row]
        except (OSError, UnicodeDecodeError, csv.Error, IndexError):
            rows = []
        yield name, rows or [("RECORD", "not to be read")]


def _records(environment: Path, only: Collection[str] | None = None) -> Iterator[tuple[str, set[str]]]:
    """Each installed distribution, or each of `only`, with the files that it says it brought."""
    for record in environment.glob("lib/python3*/site-packages/*.dist-info/RECORD"):
        name = canonicalize_name(record.parent.name.partition("-")[0])
        if only is None or name in only:
            with record.open(encoding="utf-8", newline="") as rows:
                yield name, {row[0] for row in csv.reader(rows) if row}


def top_modules(environment: Path, packages: Collection[str]) -> set[str]:
    """The names by which the modules of some installed distributions are imported."""
    found = set()
    for _, paths in _records(environment, packages):
        for path in paths:
            top, _, rest = path.partition("/")
            if rest and top.isidentifier():
                found.add(top)
            elif not rest and top.endswith((".py", ".so")):
                found.add(top.partition(".")[0])
    return found


def installed_versions(environment: Path) -> dict[str, str]:
    """What the metadata in an environment says is installed, by canonical name."""
    found: dict[str, str] = {}
    for folder in environment.glob("lib/python3*/site-packages/*.dist-info"):
        name, _, version = folder.name.removesuffix(".dist-info").partition("-")
        if (folder / "METADATA").is_file() and (folder / "RECORD").is_file():
            found[canonicalize_name(name)] = version
    return found


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text)
    fresh.replace(path)
