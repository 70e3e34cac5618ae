"""The line of code that raised, as a traceback shows it: which exception, and what its message is made of."""

from __future__ import annotations

import re

RAISES = re.compile(
    r"(?:-*> ?\d{0,6}|❱ {0,5}\d{1,6} │[ │]*)?\s*raise (?P<type>(?:\w{1,60}\.){0,5}[A-Z]\w{1,80})(?:\((?P<told>.*)|$)"
)
"""The line of code that raised."""
_PLAIN_TEXT = re.compile(r"(?P<mark>[\"'])(?P<text>(?:(?!(?P=mark))[^\\]){1,400})(?P=mark)(?:\)|, .*)|\)")
"""What is raised with one plain string before all else, or with nothing."""
_LITERAL = re.compile(
    r"(?P<kind>[a-zA-Z]{0,2})(?P<mark>\"\"\"|\"|')(?P<text>(?:\\.|(?!(?P=mark))[^\\]){0,600})(?P<end>(?P=mark)|\\?$)"
)
_GAP = re.compile(r"\{\{|\}\}|\{[^{}]{0,200}(?:\}|$)|%(?:\(\w{1,60}\))?[-.\d]{0,6}[sdrif]")
STRING_BELOW = re.compile(r"(?:\d{1,6}\b)?[\s│]*(?P<text>[a-zA-Z]{0,2}[\"'].*)$")
"""A string that goes on with what a line of code raises, below it, as notebooks and rich show it."""
FILLING = "x"
"""What stands in a message's gaps where only the code that makes it was read."""


def wording_in_code(told: str, filling: str = FILLING) -> str:
    """The message that strings in a program's code make, as far as they go, with `filling` in its gaps; empty where
    the code does not begin with a string."""
    words, place = "", 0
    while found := _LITERAL.match(told, place):
        words += _GAP.sub(lambda gap: gap[0][0] if gap[0] in ("{{", "}}") else filling, found["text"])
        place = found.end() + len(told[found.end() :]) - len(told[found.end() :].lstrip())
    return words


def message_in_code(raises: re.Match[str]) -> str | None:
    """The message of what a line of code raises; None where it does not hold all of it."""
    if raises["told"] is None:
        return ""
    found = _PLAIN_TEXT.fullmatch(raises["told"])
    return (found["text"] or "") if found else None
