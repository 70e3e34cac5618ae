"""A process that has imported the packages of one cell, and from which the cell's scenarios are forked.

The imports are paid once, and yet every scenario is a process of its own: what one does to its process, or how it dies,
is not seen by the others.
"""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path

from .forks import Parent, Unforkable
from .scratch import scratch

PACKAGES = ("torch", "transformers", "transformers.trainer", "peft")
"""What every scenario imports, in its order."""


class WarmCell:
    """Of the interpreter `python`, whose environment stays as it is meanwhile."""

    def __init__(self, python: Path) -> None:
        self.python = python
        self.reason = "" if sys.platform.startswith("linux") else "there is no fork that would be safe"
        """Why nothing is forked any more; empty while it is."""
        self._kept = ExitStack()
        self._parent: Parent | None = None

    def source(self) -> Parent | None:
        """What to fork the next scenario from; None: run it by a process of its own."""
        if self.reason:
            return None
        try:
            if self._parent is None:
                self._parent = self._started(PACKAGES)
                self._parent.learn = self._parent.home.parent / "loaded.json"
            return self._parent
        except Unforkable as reason:
            self.turn_off(str(reason))
            return None

    def learn(self) -> None:
        """Take over what the first scenario has loaded, so that the next ones find it loaded."""
        parent = self._parent
        if parent is None or parent.learn is None:
            return
        try:
            names = json.loads(parent.learn.read_text())
        except (OSError, ValueError):
            return
        parent.learn.unlink()
        parent.learn = None
        try:
            parent.load(names, ())
        except Unforkable as reason:
            self.turn_off(str(reason))

    def turn_off(self, reason: str) -> None:
        """From now on nothing is forked."""
        self.close()
        self.reason = reason

    def close(self) -> None:
        if self._parent is not None:
            self._parent.close()
            self._parent = None
        self._kept.close()

    def _started(self, packages: tuple[str, ...]) -> Parent:
        """Without what cannot be imported here: each scenario is to fail by itself. Raises Unforkable."""
        if not packages:
            raise Unforkable("not even the first package can be imported")
        parent = Parent.started(self.python, self._kept.enter_context(scratch()))
        try:
            parent.load(packages, ())
            if parent.failed:
                # begun and given up, it has left modules behind: once more from nothing
                parent.close()
                return self._started(packages[: packages.index(parent.failed[0])])
        except Unforkable:
            parent.close()
            raise
        return parent
