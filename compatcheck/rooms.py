"""Room for environments: torch versions come and go within a budget of disk, never in the middle of a cell.

Called between batches. The slot that was not used for longest goes first, and then from uv's cache the packages that
only the torch of such slots needed: their files have no other name any more.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from .disk import free_bytes, kept_slots, prune, usage
from .environment import Uv
from .errors import DiskFull
from .slot import installed_versions

ONE_TORCH = 6 * 2**30
"""Bytes that an environment with a torch of its own takes, its wheels unpacked; measured: 4.4 to 5.6 GB."""
MARGIN = 4 * 2**30
"""Bytes that are always left free on the disk."""
LARGE = re.compile(r"torch$|nvidia-|triton$|cuda-")
"""What makes an environment large: torch and what it brings."""
_SLOT = re.compile(r"py(?P<python>[\d.]+)-torch(?P<torch>.+)-\d+")


class Rooms:
    """The slots in a folder of environments. `most`: bytes for all of them; None: whatever the disk holds."""

    def __init__(self, environments: Path, uv: Uv, most: int | None = None) -> None:
        self.environments = environments
        self.uv = uv
        self.most = most

    def kept(self) -> set[tuple[str, str]]:
        """Python and torch of every slot that was made ready here."""
        found = set()
        for mark in self.environments.glob("*/ready"):
            if named := _SLOT.fullmatch(mark.parent.name):
                found.add((named["python"], named["torch"]))
        return found

    def make_room(self, python: str, torch: str) -> None:
        """See to it that an environment for this torch fits. Raises DiskFull where it cannot."""
        if (python, torch) in self.kept():
            return
        if self.most is not None and self._used() + ONE_TORCH > self.most:
            self._leave(max(0, self.most - ONE_TORCH))
        while free_bytes(self.environments) < ONE_TORCH + MARGIN:
            before = self._used()
            if not before or not self._leave(max(0, before - ONE_TORCH)):
                raise DiskFull(
                    f"there is no room for torch {torch}: {free_bytes(self.environments) / 2**30:.0f} GiB are free",
                    f"Free {(ONE_TORCH + MARGIN) / 2**30:.0f} GiB, or explore fewer torch versions (--axis torch=...).",
                )

    def _used(self) -> int:
        return usage(slot.folder for slot in kept_slots(self.environments)).bytes

    def _leave(self, most: int) -> bool:
        """Remove slots until no more than `most` bytes are used; whether any went."""
        held = {slot.folder: self._large(slot.folder) for slot in kept_slots(self.environments)}
        removed = prune(self.environments, most=most)
        gone = {slot.folder for slot in removed}
        for slot in removed:
            shutil.rmtree(slot.folder, ignore_errors=True)
        needed = {package for folder, packages in held.items() if folder not in gone for package in packages}
        if leaving := {name for folder in gone for name, _ in held[folder] - needed}:
            self.uv.forget(sorted(leaving))
        return bool(removed)

    def _large(self, folder: Path) -> set[tuple[str, str]]:
        installed = installed_versions(folder / "env")
        return {(name, version) for name, version in installed.items() if LARGE.match(name)}
