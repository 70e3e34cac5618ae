"""The line of code that raised, as a traceback shows it: which exception, and what its message is made of."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .message_lines import MESSAGE_LINES

_CODE_CAP = 300
_RAISES = re.compile(
    r"(?:-*> ?\d{0,6}|❱ {0,5}\d{1,6} │[ │]*)?\s*raise (?P<type>(?:\w{1,60}\.){0,5}[A-Z]\w{1,80})(?:\((?P<told>.*)|$)"
)
"""The line of code that raised."""
_PLAIN_TEXT = re.compile(r"(?P<mark>[\"'])(?P<text>(?:(?!(?P=mark))[^\\]){1,400})(?P=mark)(?:\)|, .*)|\)")
"""What is raised with one plain string before all else, or with nothing."""
_LITERAL = re.compile(
    r"(?P<kind>[a-zA-Z]{0,2})(?P<mark>\"\"\"|\"|')(?P<text>(?:\\.|(?!(?P=mark))[^\\]){0,600})(?P<end>(?P=mark)|\\?$)"
)
_GAP = re.compile(r"\{\{|\}\}|\{[^{}]{0,200}(?:\}|$)|%(?:\(\w{1,60}\))?[-.\d]{0,6}[sdrif]")
_STRING_BELOW = re.compile(r"(?:\d{1,6}\b)?[\s│]*(?P<text>[a-zA-Z]{0,2}[\"'].*)$")
"""A string that goes on with what a line of code raises, below it, as notebooks and rich show it."""
_MARKED = re.compile(r"(?:-+> ?\d{0,6}|❱ {0,5}\d{1,6} │[ │]*)\s*(?P<code>\S.*)$")
"""The line of code that notebooks and rich mark among its neighbours."""
_NEIGHBOUR = re.compile(r"\d{1,6}(?:\s|$)")
_LEFT_OUT = "..."
FILLING = "x"
"""What stands in a message's gaps where only the code that makes it was read."""


def _wording(told: str, filling: str = FILLING) -> str:
    """The message that strings in a program's code make, as far as they go, with `filling` in its gaps; empty where
    the code does not begin with a string."""
    words, place = "", 0
    while found := _LITERAL.match(told, place):
        words += _GAP.sub(lambda gap: gap[0][0] if gap[0] in ("{{", "}}") else filling, found["text"])
        place = found.end() + len(told[found.end() :]) - len(told[found.end() :].lstrip())
    return words


@dataclass(frozen=True)
class Raising:
    """A `raise` in a program's code."""

    type: str
    module: str
    """As the code writes them."""
    told: str | None
    """What is handed to the exception, as far as its line goes; None where nothing is."""

    @property
    def message(self) -> str | None:
        """None where the line does not hold all of it."""
        if self.told is None:
            return ""
        found = _PLAIN_TEXT.fullmatch(self.told)
        return (found["text"] or "") if found else None

    def wording(self, filling: str = FILLING) -> str:
        """The message as far as the line has it, with `filling` in its gaps; empty where it does not begin with a
        string."""
        return _wording(self.told or "", filling)


def raising(line: str) -> Raising | None:
    """The exception that a line of code raises; None where it raises none."""
    if not (found := _RAISES.match(line)):
        return None
    module, _, kind = found["type"].rpartition(".")
    return Raising(kind, module, found["told"])


class ShownCode:
    """What stands under a traceback's frame: its line of code, maybe among neighbours, and what it raises."""

    def __init__(self) -> None:
        self.code = ""
        """The first line, or the one that is marked."""
        self.raises: Raising | None = None
        self.raises_at = 0
        """The number of the line that raises; 0 where none does."""
        self._strings: list[str] = []
        """Those below that go on with what is handed to the exception."""
        self._goes_on = False
        self._lines = self._indent = 0
        """Lines so far, and the blanks in front of the first of them."""

    def read(self, bare: str, number: int, indent: int) -> None:
        """Take in a line without its `indent` blanks."""
        if found := raising(bare):
            self.raises, self.raises_at = found, number
            self._strings, self._goes_on = [], True
        elif self._goes_on:
            below = _STRING_BELOW.match(bare)
            self._strings += [below["text"]] if below else []
            self._goes_on = below is not None and len(self._strings) < MESSAGE_LINES
        if marked := _MARKED.match(bare):
            self.code = marked["code"][:_CODE_CAP]
        elif not self.code and not _NEIGHBOUR.match(bare):
            self.code = bare[:_CODE_CAP]
        if bare != _LEFT_OUT:
            self._lines += 1
            self._indent = indent if self._lines == 1 else self._indent

    def is_one_line_as_deep_as(self, indent: int) -> bool:
        return self._lines == 1 and indent <= self._indent

    @property
    def wording(self) -> str:
        """The message of what is raised, as far as its line and the strings below have it."""
        told = self.raises.told or "" if self.raises else ""
        return _wording(" ".join([told, *self._strings]).strip())
