"""A lock as pylock.toml (PEP 751). Its wheels' addresses are asked of the package index, and found by their hashes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from . import __version__
from .domain import Distribution, Lock
from .errors import MachineError
from .releases import PackageIndex

CONNECTIONS = 8


def pylock_text(lock: Lock, pins: Iterable[str], index: PackageIndex) -> str:
    """The lock as the text of a pylock.toml. Raises IndexUnavailable, or MachineError where a wheel is gone."""
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        found = list(pool.map(lambda item: _wheels(item, index), lock.distributions))
    parts = [
        f"# {' '.join(pins)}: lock {lock.digest}, for Python {lock.python} on {lock.platform}\n"
        'lock-version = "1.0"\n'
        f"created-by = {_quoted(f'compatcheck {__version__}')}\n"
        f'requires-python = "=={lock.python}.*"\n'
    ]
    for item, wheels in zip(lock.distributions, found, strict=True):
        parts.append(
            f"\n[[packages]]\nname = {_quoted(item.name)}\nversion = {_quoted(item.version)}\nwheels = [\n"
            + "".join(f"    {wheel},\n" for wheel in wheels)
            + "]\n"
        )
    return "".join(parts)


def _wheels(item: Distribution, index: PackageIndex) -> list[str]:
    """The wheels of a distribution that the lock allows, as inline tables."""
    found = []
    for file in index.files(item.name):
        digest = file.digests.get("sha256")
        if digest in item.hashes:
            found.append((file.filename, _table(file, digest)))
    if not found:
        raise MachineError(
            f"the package index no longer has a wheel of {item.name} {item.version} with the measured hash",
            "Take --format requirements and an index that still has it, or measure anew.",
        )
    return [table for _, table in sorted(found)]


def _table(file: Any, digest: str) -> str:
    size = f", size = {file.size}" if file.size else ""
    address = file.url.partition("#")[0]
    return f'{{ name = {_quoted(file.filename)}, url = {_quoted(address)}{size}, hashes = {{ sha256 = "{digest}" }} }}'


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
