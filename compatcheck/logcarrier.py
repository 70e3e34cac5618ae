"""What carries a log's lines: records of JSON, strings with escaped line ends, HTML, colour codes spelled out, and what
programs that nobody here has heard of put in front of every line, which is learned from the tracebacks themselves.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator

from .logline import cleaned

RECORD_CAP = 200_000
"""Characters of a line that is looked into for lines of its own."""

_RECORD = re.compile(r'^\s{0,20}[\[,]?\s?(?=\{\s?")')
"""How a record begins, by itself or as an element of a list."""
_TOLD = ("log", "message", "msg", "@message", "textPayload", "text", "data", "line", "event", "detail", "error",
         "exc_info", "exception", "traceback", "stack_trace", "stack")  # fmt: skip
"""Under these names records hold what a program wrote; a list is one line each."""
_ESCAPED_END = re.compile(r"(?<!\\)\\n(?!\w{1,40}(?:\.py|[\\/]))")
"""A line end within a string; the `\\n` of a path such as `C:\\nodes.py` is none."""
ENOUGH_ENDS = 3
_ESCAPED_QUOTE = re.compile(r"\\+(?=[\"'])")
_SPELLED_ESCAPE = re.compile(r"(?:\\u001[bB]|\\x1[bB]|\\033|\\e|\^\[)(?=\[[0-9;]{0,20}m)")
_ENTITY = re.compile(r"&(?:quot|apos|lt|gt|amp|nbsp|#\d{1,5}|#x[0-9a-fA-F]{1,4});")

_BEGINS = re.compile(
    r"(?P<prefix>.{1,200}?)(?:Traceback \(most recent call last\)|(?: {2}|\t)?File \"[^\"\n]{1,400}\", line \d{1,7})"
)
_NOTEBOOKS = re.compile(r"(?<![\w.])[A-Za-z_][\w.]{0,200}[a-z]\w{0,200}\s{8,200}$")
"""An exception's name, as notebooks set it before the heading: it is no part of what stands before every line."""
_TELLS_PROCESS = re.compile(r"rank|pid=|\[\d{1,4},")
"""In a prefix that says which process wrote the line: those are read for what they say."""


def lines_within(raw: str) -> list[str]:
    """The lines that a line carries, where it is a record or a string; else itself, without what only spells it."""
    if "\\u001" in raw or "\\x1" in raw or "\\033" in raw or "\\e[" in raw or "^[[" in raw:
        raw = _SPELLED_ESCAPE.sub("\x1b", raw)
    if "&" in raw and _ENTITY.search(raw):
        raw = html.unescape(raw)
    if (
        "{" in raw
        and len(raw) <= RECORD_CAP
        and (found := _RECORD.match(raw))
        and (told := _record(raw[found.end() :]))
    ):
        return told
    if "\\n" in raw and len(raw) <= RECORD_CAP:
        parts = _ESCAPED_END.split(raw)
        if len(parts) > ENOUGH_ENDS or (len(parts) > 1 and "Traceback (most" in raw):
            return [_ESCAPED_QUOTE.sub("", part).replace("\\t", "\t").replace("\\\\", "\\") for part in parts]
    return [raw]


def _record(text: str) -> list[str]:
    """The lines that a record of JSON holds; none where it is not one."""
    try:
        value, _ = json.JSONDecoder(strict=False).raw_decode(text)  # colours may be in it by now
    except (ValueError, RecursionError):
        return []
    told = list(_strings(value)) if isinstance(value, dict) else []
    return "\n".join(told).rstrip("\n").split("\n") if told else []


def _strings(record: dict[str, object]) -> Iterator[str]:
    for name in _TOLD:
        value = record.get(name)
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            yield from (each for each in value if isinstance(each, str))
        elif isinstance(value, dict):
            yield from _strings(value)


class LearnedPrefix:
    """What stands in front of every line, whoever put it there.

    A traceback's head, or a frame, with something in front of it, makes that a candidate; the next line decides: where
    it begins in the same form (numbers differ), every line that does is read without it from then on.
    """

    def __init__(self) -> None:
        self._known: re.Pattern[str] | None = None
        self._candidate: re.Pattern[str] | None = None

    def off(self, text: str) -> str:
        if self._known and (found := self._known.match(text)):
            return text[found.end() :]
        if self._candidate and text.strip():
            candidate, self._candidate = self._candidate, None
            if found := candidate.match(text):
                self._known = candidate
                return text[found.end() :]
        if ("Traceback (most" in text or 'File "' in text) and (found := _BEGINS.match(text)):
            prefix = _NOTEBOOKS.sub("", found["prefix"])
            left = cleaned(f"{prefix}x").text.removesuffix("x")
            if prefix.strip() and not _TELLS_PROCESS.search(prefix) and left:
                self._candidate = _form(prefix)
        return text


_PIECE = re.compile(
    r"(?P<number>\d+)|(?P<blank>\s+)|(?P<level>\b(?:TRACE|DEBUG|INFO|WARN(?:ING)?|ERROR|CRITICAL|FATAL)\b)|."
)


def _form(prefix: str) -> re.Pattern[str]:
    """A pattern of what begins like `prefix`: with other numbers, of another level, and without the blanks at its end
    where the line ends there."""
    bare = prefix.rstrip()
    forms = {"number": r"\d{1,20}", "blank": r"\s{1,20}", "level": "[A-Z]{4,8}"}
    pieces = [forms.get(piece.lastgroup or "", re.escape(piece[0])) for piece in _PIECE.finditer(bare)]
    if bare[:1].isspace():
        pieces[0] = r"\s{0,20}"
    return re.compile(f"{''.join(pieces)}[ \\t]{{0,{len(prefix) - len(bare)}}}")


def carried(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Every line of a text as it was written, with the number of the line that carries it, counted from 1."""
    prefix = LearnedPrefix()
    for number, raw in enumerate(lines, 1):
        for part in lines_within(raw):
            yield number, prefix.off(part)
