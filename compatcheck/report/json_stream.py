"""A JSON document read as it comes: an object whose lists may be too long to stand in memory as a whole."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

CHUNK = 2**20
"""Characters that are read before they are parsed."""
LITERAL = 16
"""Characters of the longest thing that is one only as a whole, an escaped character or `-Infinity`, and a few more."""
WHITE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


class JsonStream:
    """A JSON object, whose values are asked for one after the other. Raises ValueError for what is no JSON."""

    def __init__(self, pieces: Iterable[str]) -> None:
        self._pieces = iter(pieces)
        self._text = ""
        self._at = 0
        self._before = 0
        """Characters that have been let go."""

    def members(self) -> Iterator[str]:
        """The names of the object; of each, `value` or `items` must be asked before the next."""
        self._expect("{")
        if self._next() == "}":
            self._at += 1
        else:
            while True:
                if self._next() != '"':
                    raise self._error("a name is wanted")
                name: str = self.value()
                self._expect(":")
                yield name
                if not self._goes_on("}"):
                    break
        if self._next():
            raise self._error("something stands behind the end")

    def items(self) -> Iterator[Any]:
        """The values of a list, one at a time."""
        self._expect("[")
        if self._next() == "]":
            self._at += 1
            return
        yield self.value()
        while self._goes_on("]"):
            yield self.value()

    def value(self) -> Any:
        """Whatever stands here."""
        self._next()
        while True:
            try:
                found, end = _DECODER.raw_decode(self._text, self._at)
                # a number may go on behind what has been read: `1.5e+` is one so far
                if end + LITERAL < len(self._text) or not self._more():
                    self._at = end
                    return found
            except json.JSONDecodeError as error:
                # what is cut off is wrong at its end alone, but for a text
                cut = error.pos > len(self._text) - LITERAL or error.msg.startswith("Unterminated")
                if not cut or not self._more():
                    raise self._error(error.msg, error.pos) from None

    @property
    def is_list(self) -> bool:
        return self._next() == "["

    def _goes_on(self, end: str) -> bool:
        """Whether a comma stands here, or else the end."""
        sign = self._next()
        if sign not in (",", end) or not sign:
            raise self._error(f"',' or {end!r} is wanted")
        self._at += 1
        return sign == ","

    def _expect(self, sign: str) -> None:
        if self._next() != sign:
            raise self._error(f"{sign!r} is wanted")
        self._at += 1

    def _next(self) -> str:
        """The next character that is not white space; empty at the end."""
        while True:
            found = WHITE.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _more(self) -> bool:
        """Read on, twice as far as what is not parsed yet: a long value is tried few times."""
        rest = self._text[self._at :]
        read, wanted = [], max(CHUNK, len(rest))
        for piece in self._pieces:
            read.append(piece)
            wanted -= len(piece)
            if wanted <= 0:
                break
        if not any(read):
            return False
        self._before += self._at
        self._text, self._at = "".join((rest, *read)), 0
        return True

    def _error(self, what: str, at: int | None = None) -> ValueError:
        return ValueError(f"{what}, at character {self._before + (self._at if at is None else at) + 1}")
