"""What the kernel tells of memory: how often it has killed for want of it, and how much of it is left."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_UNLIMITED = 2**60
"""Version 1 of the control groups writes a number near 2^63 where there is no limit."""


def oom_kills() -> int:
    """How often the kernel has killed for memory, on this machine and in this control group. Only its growth means
    something; 0 where the kernel does not tell."""
    kills = _count(Path("/proc/vmstat"))
    return kills + sum(_count(group / name) for group in _groups() for name in ("memory.events", "memory.oom_control"))


def room_mib() -> float:
    """How much memory a new process could take: what the machine has left, or its control group where that is less."""
    import psutil

    room = float(psutil.virtual_memory().available)
    for group in _groups():
        for limit_name, used_name in (
            ("memory.max", "memory.current"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        ):
            limit, used = _number(group / limit_name), _number(group / used_name)
            if limit is not None and used is not None and limit < _UNLIMITED:
                room = min(room, max(0.0, limit - used))
    return room / 2**20


def _groups() -> Iterator[Path]:
    """The folders that the kernel keeps of this process's control group, as far as they can be seen from here."""
    try:
        told = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in told:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root = _GROUPS / "memory" if controllers else _GROUPS
        whole = root / path.lstrip("/")
        yield whole if whole.is_dir() else root


def _count(path: Path) -> int:
    try:
        found = re.search(r"^oom_kill (\d+)$", path.read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0


def _number(path: Path) -> float | None:
    try:
        return float(path.read_text())
    except (OSError, ValueError):
        return None
