"""What was raised, as text that people know: Python's own form. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .domain import Raised

TRACEBACK_LINES = 60
INSTALLED = re.compile(r"(?<![^/\s'\"<>:()])(?:/[^/\s'\"<>:()]+)+/((?:site|dist)-packages/|lib/python3\.\d+/)")
"""The part of an installed file's path that differs between machines, before what names the file.

It is looked for where a path begins, and nowhere within one: a long path takes no more than its length.
"""


def raised_lines(chain: Sequence[Raised]) -> str:
    """A chain of exceptions in Python's own form, the root first."""
    parts = []
    for raised in chain:
        lines = ["Traceback (most recent call last):"] if raised.frames else []
        lines += [f'  File "{frame.file}", line {frame.line}, in {frame.function}' for frame in raised.frames]
        parts.append("\n".join([*lines, f"{raised.type}: {raised.message}"]))
    return "\n\nThe above exception led to the following one:\n\n".join(parts)


def last_traceback(output: str) -> str:
    """The last traceback of a command's output, or its last lines where it holds none."""
    lines = INSTALLED.sub(r"\1", output).rstrip().splitlines()
    starts = [place for place, line in enumerate(lines) if line.lstrip().startswith("Traceback (most recent call")]
    lines = lines[starts[-1] :] if starts else lines
    return "\n".join(lines[-TRACEBACK_LINES:])
