"""Foreign text inside Markdown: shown, never rendered; and tables that can be read as text too."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tabulate import tabulate

from ..domain import printable


def shortened(text: str, cap: int = 240) -> str:
    """On one line, without what would end a code span, cut with a word."""
    line = " ".join(printable(text).split()).replace("`", "'")
    return line if len(line) <= cap else line[:cap] + " [cut]"


def escaped(text: str) -> str:
    """So that Markdown shows the text and renders nothing of it."""
    for sign in "\\<>|[]":
        text = text.replace(sign, "\\" + sign)
    return " ".join(printable(text).split())


def anchor(heading: str) -> str:
    """What a heading of a Markdown file is linked by, as GitHub and GitLab make it of its text."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def markdown_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows of short texts, each column as wide as its widest; a version is a text and no number."""
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)
