"""What a probe writes to the disk, held against the space that there was when it began."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from .domain import Ending, EndingKind, StageRecord, Status
from .errors import DISK_FULL, DiskFull

DISK_MIB = 4096
"""What a probe may write into its own folder: an adapter and a trainer's logs are far less."""
DISK_LEFT_MIB = 64
"""Free space below which it is looked at what a probe has written."""
NOTHING_LEFT_MIB = 4
"""Free space below which a disk counts as full."""


class ProbeDisk:
    """One probe's folder, and the free space before it was started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.free_before = free_mib(folder)

    def too_much(self) -> str:
        """What the probe wrote, where that is beyond the limit or the reason why the disk is full; else nothing."""
        free = free_mib(self.folder)
        if self.free_before - free < DISK_MIB and free > DISK_LEFT_MIB:
            return ""
        written = size_mib(self.folder)
        if written > DISK_MIB or (free <= DISK_LEFT_MIB and self._has_filled(written)):
            return self._words(written)
        return ""

    def told(self, ending: Ending, stages: Sequence[StageRecord]) -> Ending:
        """The ending, but where a stage failed for want of space, which the probe itself had taken between two looks.

        A file that was cut short fails later with other words: on a full disk no failure counts. Raises DiskFull where
        the probe had not taken the space.
        """
        well = ending.kind is EndingKind.COMPLETED and all(record.status is Status.OK for record in stages)
        said = any(DISK_FULL.search(each.message) for record in stages for each in record.chain)
        if ending.kind is EndingKind.FLOODED or well or not (said or free_mib(self.folder) < NOTHING_LEFT_MIB):
            return ending
        written = size_mib(self.folder)
        if not self._has_filled(written):
            raise DiskFull(
                "the disk is full: the probe could not write",
                "Free some space and run again: what is measured is kept.",
            )
        return replace(ending, kind=EndingKind.FLOODED, detail=self._words(written))

    def _has_filled(self, written: float) -> bool:
        """Whether the probe has taken what space there was; where there was little to begin with, others had."""
        return self.free_before > DISK_LEFT_MIB and written > min(DISK_MIB, self.free_before / 2)

    def _words(self, written: float) -> str:
        return f"it wrote {written:.0f} MiB to the disk; {min(DISK_MIB, self.free_before):.0f} MiB is the limit"


def free_mib(folder: Path) -> float:
    return shutil.disk_usage(folder).free / 2**20


def size_mib(folder: Path) -> float:
    """What the files in a folder take of the disk, as far as they can be seen."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_blocks * 512  # noqa: PTH118
    return total / 2**20
