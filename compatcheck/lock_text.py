"""A lock as a report writes it beside its cells, read again: a line with Python and platform, then pins with hashes."""

from __future__ import annotations

import re
from functools import lru_cache

from packaging.version import InvalidVersion, Version

from .domain import Distribution, Lock

_HEAD = re.compile(r"# .*, for Python (\S+) on (\S+)\n")
_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==(\S+)(?: \\)?\n")
_HASH = re.compile(r"    --hash=sha256:([0-9a-f]{64})(?: \\)?\n")


def lock_of_text(text: str) -> Lock:
    """The lock that `text` is, as a report writes it. Raises ValueError where it is none."""
    lines = text.splitlines(keepends=True)
    head = _HEAD.fullmatch(lines[0]) if lines else None
    if head is None:
        raise ValueError("its first line names no lock: the line with Python and platform is missing")
    pins: list[tuple[str, str, list[str]]] = []
    for number, line in enumerate(lines[1:], 2):
        if pin := _PIN.fullmatch(line):
            if not is_version(pin[2]):
                raise ValueError(f"line {number}: {pin[2]!r} is no version")
            pins.append((pin[1], pin[2], []))
        elif pins and (found := _HASH.fullmatch(line)):
            pins[-1][2].append(found[1])
        else:
            raise ValueError(f"line {number} is neither a pin nor a hash")
    return Lock(head[1], head[2], tuple(Distribution(name, version, tuple(each)) for name, version, each in pins))


@lru_cache(maxsize=4096)
def is_version(text: str) -> bool:
    try:
        return Version(text) is not None and text == text.strip()
    except InvalidVersion:
        return False
