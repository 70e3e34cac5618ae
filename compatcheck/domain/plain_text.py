"""Text from outside, as it may be shown on a terminal and in the log of a CI service."""

from __future__ import annotations

import re
from collections.abc import Sequence

UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab and line end, and those that turn the direction of writing."""


def printable(text: str) -> str:
    """`text` without what would command a terminal or turn the direction of writing: tabs and line ends stay."""
    return text if text.isprintable() else UNPRINTABLE.sub("", text)


_COMMAND = re.compile(r"^([^\S\n]*)(?=::)", re.MULTILINE)


def inert(text: str) -> str:
    """`text` as it may stand in the log of a CI service: printable, and no line that GitHub would take for a command.

    GitHub's runner obeys a line that begins with `::`, also an indented one.
    """
    return _COMMAND.sub(r"\1| ", printable(text))


def listed(words: Sequence[str]) -> str:
    """`torch, transformers and peft`."""
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)
