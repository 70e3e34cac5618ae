"""Temporary folders, locked while their process lives, so that the next one sweeps up what a killed one left."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

UNFINISHED = "compatcheck-new-"
READY = "compatcheck-tmp-"
LATE = 3600.0
"""Seconds after which a folder whose making broke off is taken for dead."""


@contextmanager
def scratch() -> Iterator[Path]:
    """An empty folder that is gone afterwards. Raises OSError where none can be made."""
    swept(tempfile.gettempdir())
    made = Path(tempfile.mkdtemp(prefix=UNFINISHED))
    handle = os.open(made, os.O_RDONLY)
    try:
        # locked before it has the name that others look for; the lock dies with the process
        fcntl.flock(handle, fcntl.LOCK_EX)
        made = made.rename(made.with_name(READY + made.name.removeprefix(UNFINISHED)))
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        os.close(handle)


@cache
def swept(folder: str) -> tuple[str, ...]:
    """The names of what dead processes left in `folder`, removed; looked for once in a process."""
    left = [path for path in Path(folder).glob(f"{READY}*") if _dead(path)]
    left += [path for path in Path(folder).glob(f"{UNFINISHED}*") if _old(path)]
    for path in left:
        shutil.rmtree(path, ignore_errors=True)
    return tuple(path.name for path in left)


def _dead(path: Path) -> bool:
    """Whether nobody holds the folder's lock. A folder of another user stays."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > LATE
    except OSError:
        return False
