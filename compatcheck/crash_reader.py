"""What faulthandler writes of a process that dies or hangs: the reason, and where Python stood. Innermost frame first.

Fatal Python error: Segmentation fault

Current thread 0x00007f3a (most recent call first):
  File "/srv/env/lib/python3.11/site-packages/torch/nn/modules/linear.py", line 125 in forward
"""

from __future__ import annotations

import re

from .domain import Frame, Raised
from .logline import frame_of

FATAL = "Fatal Python error: "
TIMEOUT = "Timeout ("
NEEDLES = (FATAL, TIMEOUT)
"""A line that begins a dump holds one of these."""

FRAME_CAP = 200
PATIENCE = 300
"""Lines of other threads that are passed over until the current one's stack comes."""

_BEGINS = re.compile(rf"(?:{FATAL}\S.*|Timeout \(\d+:\d\d:\d\d(?:\.\d+)?\)!)$")
_THREAD = re.compile(
    r"(?P<current>Current thread|Thread) 0x[0-9a-fA-F]+(?: \[[^\]]{0,80}\])? \(most recent call first\):$"
)


class CrashReader:
    """Feed it the lines of one process; it gives a dump back when that is over."""

    def __init__(self) -> None:
        self._message = ""
        self.line = 0
        """Where the line with the reason stands."""
        self._frames: list[Frame] = []
        self._in_stack = False
        self._left = 0

    @property
    def inside(self) -> bool:
        return bool(self._message)

    def begins(self, bare: str, number: int) -> bool:
        """Whether a dump begins with this line. One that is under way must have been ended."""
        if FATAL not in bare and TIMEOUT not in bare:
            return False
        if not _BEGINS.match(bare):
            return False
        self._message, self.line, self._frames = bare, number, []
        self._in_stack, self._left = False, PATIENCE
        return True

    def takes(self, bare: str) -> bool:
        """Whether the line belongs to the dump that is under way."""
        self._left -= 1
        if self._left <= 0:
            return False
        if not bare:
            return not (self._in_stack and self._frames)
        if head := _THREAD.match(bare):
            self._in_stack = bool(head["current"]) or self._message.startswith(TIMEOUT)
            if self._in_stack:
                self._frames = []
            return True
        frame = frame_of(bare)
        if frame and self._in_stack and len(self._frames) < FRAME_CAP:
            self._frames.append(frame)
        return frame is not None or bare in ("<no Python frame>", "...") or bare.startswith(("Python runtime", "<"))

    def end(self) -> Raised:
        """What the dump that was under way tells: a Raised without a type, its frames outermost first."""
        raised = Raised("", "", self._message, tuple(reversed(self._frames)))
        self._message, self._frames = "", []
        return raised
