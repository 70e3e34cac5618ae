"""What environments and caches cost on disk, every file counted once however many names it has; and how to make room.

The files of an environment are links to those of uv's cache where the file system allows it, so the sum over folders
says nothing: what counts is the allocated size of each inode, once.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from packaging.utils import canonicalize_name

from .errors import MachineError, refused_by_disk

BLOCK = 512
"""Bytes of a unit of st_blocks, whatever the file system's blocks are (stat(2))."""

Inodes = dict[tuple[int, int], "Inode"]


@dataclass
class Inode:
    size: int
    """Allocated bytes."""
    links: int
    """Names it has anywhere."""
    here: int = 1
    """Names of it that were met."""


@dataclass(frozen=True)
class Usage:
    names: int
    """Files, each name counted."""
    bytes: int
    """Allocated, each file counted once."""
    alone: int
    """Of these, what removing all the folders would free: files that have no name elsewhere."""


@dataclass(frozen=True)
class KeptSlot:
    """An environment slot in a cache folder."""

    folder: Path
    usage: Usage
    used: float
    """When it was last made ready (seconds since the epoch)."""
    busy: bool
    """Whether a run holds it now."""

    @property
    def name(self) -> str:
        return self.folder.name


def usage(folders: Iterable[Path]) -> Usage:
    """Of all the folders together. What disappears meanwhile is not counted."""
    found = inodes(folders)
    return Usage(
        sum(each.here for each in found.values()),
        sum(each.size for each in found.values()),
        sum(each.size for each in found.values() if each.here >= each.links),
    )


def inodes(folders: Iterable[Path]) -> Inodes:
    """Every file below the folders. Links to elsewhere are not followed."""
    found: Inodes = {}
    waiting = [str(folder) for folder in folders]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                        continue
                    state = entry.stat(follow_symlinks=False)
                    key = state.st_dev, state.st_ino
                    if key in found:
                        found[key].here += 1
                    else:
                        found[key] = Inode(state.st_blocks * BLOCK, state.st_nlink)
        except OSError:
            continue
    return found


def gib(size: float) -> str:
    """`1.2 GiB`, or `340 MiB`."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**29 else f"{size / 2**20:.0f} MiB"


def free_bytes(folder: Path) -> int:
    """What an ordinary user may still write to the file system of `folder`, or of the nearest parent there is."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        return shutil.disk_usage(folder).free
    except OSError as error:
        raise refused_by_disk(error, f"the free space of {folder} cannot be read") from None


def can_link(one: Path, other: Path) -> bool:
    """Whether a file of one folder can have a second name in the other: tried, not guessed. Makes the folders."""
    try:
        for folder in (one, other):
            folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=one, prefix=".linked-") as file:
            second = other / f"{Path(file.name).name}-too"
            os.link(file.name, second)
            second.unlink()
    except OSError:
        return False
    return True


# ---------------------------------------------------------------------- the slots of a cache


def kept_slots(environments: Path) -> tuple[KeptSlot, ...]:
    """The slots in a folder of environments, the one that was not used for longest first."""
    found = []
    for folder in sorted(environments.glob("*/")):
        mark = folder / "ready"
        try:
            used = (mark if mark.exists() else folder).stat().st_mtime
        except OSError:
            continue
        found.append(KeptSlot(folder, usage([folder]), used, _is_busy(folder)))
    return tuple(sorted(found, key=lambda each: each.used))


def prune(
    environments: Path, *, most: int | None = None, idle_days: float = 0.0, dry: bool = False
) -> tuple[KeptSlot, ...]:
    """Remove slots that no run holds and that were not used for `idle_days`; those that were removed, or would be.

    With `most` only as many, from the longest unused on, as it takes until all slots together have at most that many
    bytes, each file counted once. Raises MachineError.
    """
    slots = kept_slots(environments)
    rest = usage(slot.folder for slot in slots).bytes
    removed: list[KeptSlot] = []
    for slot in slots:
        if most is not None and rest <= most:
            break
        if slot.busy or time.time() - slot.used < idle_days * 86400:
            continue
        if dry or _removed(slot):
            removed.append(slot)
            rest = usage(each.folder for each in slots if each not in removed).bytes
    return tuple(removed)


def _removed(slot: KeptSlot) -> bool:
    with _held(slot.folder) as ours:
        if ours:
            try:
                shutil.rmtree(slot.folder)
            except OSError as error:
                raise MachineError(f"{slot.folder} cannot be removed: {error}", "Check its permissions.") from None
        return ours


def _is_busy(folder: Path) -> bool:
    with _held(folder) as ours:
        return not ours


@contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """Hold the slot meanwhile; whether that is so, or a run holds it."""
    lock = FileLock(folder.with_name(folder.name + ".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


# ---------------------------------------------------------------------- uv's cache


def unpacked_wheels(uv_cache: Path) -> dict[tuple[str, str], Path]:
    """The distributions, by canonical name and version, that uv keeps unpacked, each with its folder."""
    found: dict[tuple[str, str], Path] = {}
    for info in uv_cache.glob("archive-v*/*/*.dist-info"):
        name, _, version = info.name.removesuffix(".dist-info").partition("-")
        found[canonicalize_name(name), version] = info.parent
    return found
