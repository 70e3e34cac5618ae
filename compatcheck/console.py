"""A text out of a console, as it would stand in a file. Pure.

A console breaks its lines at its width, wherever a word stands: `unbroken` makes them whole again. What shows it is a
traceback's frame that is broken within the file's name, or, more weakly, that the longest lines of a text all have one
length. Then every line of that length goes on in the next one. And rich draws a panel around a line that Python cannot
read: `without_panels` has it in Python's own form.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

LEAST, MOST = 40, 400
"""Characters that a console's line may have."""
PARTS = 6
"""Lines over which one line may be broken, where nothing but a frame's form tells that it is."""
USUAL = frozenset({80, 100, 120, 132, 160})
"""Widths at which one line that goes on is enough to tell, where none is longer."""

_OPEN = re.compile(r'(?:^|\s)File "(?P<path>[^"<>|]{1,500})(?P<named>"[, line\d]{0,20})?$')
"""A frame's line, up to somewhere in the name of its file or before the function's."""
_PATH = re.compile(r"(?:[A-Za-z]:)?[\\/~.]")
_FRAME = re.compile(r'File "[^"\n]{1,600}", line \d{1,7}')
_WHOLE_FRAME = re.compile(r'File "[^"\n]{1,600}", line \d{1,7}, in \S')
_BEGINS = re.compile(
    r'\s*(?:File "|Traceback \(most recent|During handling of the above|The above exception was'
    r"|[A-Za-z_][\w.]{0,80}(?:Error|Exception|Interrupt|Warning)(?::|$))"
)
"""What begins a line of its own."""
_BOXED = re.compile(r"\s*[│┃║╭╰┌└├|]|.*[│┃║╮╯┐┘┤|]\s*$|[\s=─━_*#.-]+$")
"""A line of a table, a panel or a rule, which is as wide as the console and goes on nowhere."""
_TWO_LINES = re.compile(r'(?<=\S) {2,}(?=File ")')
"""Where a line that filled the console to its last column stands before the next one, with no break between them."""

_PANEL = re.compile(
    r"^[ \t>]*╭─{8,}╮[ \t]*\n(?P<inside>(?:[ \t>]*│[^\n]*│[ \t]*\n){2,12}?)[ \t>]*│ *▲ *│[ \t]*$", re.MULTILINE
)
"""What rich draws of a SyntaxError: the file and the line's number, its code, and a mark below that."""
_PLACE = re.compile(r"(?P<file>(?:[A-Za-z]:)?[\w./\\~][^\n\"]{0,600}):(?P<line>\d{1,7})$")


@dataclass(frozen=True)
class Unbroken:
    """A text with its lines whole."""

    text: str
    places: tuple[int, ...]
    """Where each line of it began, counted from 1."""

    def place(self, line: int | None) -> int | None:
        """Which line of the broken text that one is."""
        return self.places[line - 1] if line and line <= len(self.places) else line


def broken_at_its_width(text: str) -> bool:
    """Whether a frame of a traceback in it is broken within the name of its file. (Cheap: asked of every text.)"""
    return 'File "' in text and bool(_broken(text.splitlines()))


def unbroken(text: str) -> Unbroken | None:
    """The text with its lines whole again; None where nothing shows that a console broke them."""
    lines = [line.rstrip("\r") for line in text.split("\n")]
    broken = _broken(lines)
    width = _width(lines, broken)
    if not broken and not width:
        return None
    whole: list[str] = []
    places: list[int] = []
    place = 0
    while place < len(lines):
        line, first = lines[place], place
        while place + 1 < len(lines) and _goes_on(lines[place], lines[place + 1], line, width, at=place, broken=broken):
            place += 1
            line += lines[place]
        parts = _TWO_LINES.sub("\n  ", line).split("\n") if place > first or " File " in line else [line]
        whole += parts
        places += [first + 1] * len(parts)
        place += 1
    return Unbroken("\n".join(whole), tuple(places)) if whole != lines else None


def _broken(lines: Sequence[str]) -> frozenset[int]:
    """The lines that a frame's line goes on from."""
    found: set[int] = set()
    for place, line in enumerate(lines):
        if 'File "' not in line or not (begun := _OPEN.search(line)) or not _PATH.match(begun["path"]):
            continue
        joined = line[begun.start() :]
        if begun["named"]:
            below = lines[place + 1] if place + 1 < len(lines) else ""
            if not below.startswith("  ") and _WHOLE_FRAME.search(joined + below) and not _WHOLE_FRAME.search(joined):
                found.add(place)
            continue
        for step in range(place + 1, min(place + PARTS, len(lines))):
            if _BEGINS.match(lines[step]) or not lines[step].strip():
                break
            joined += lines[step].rstrip("\r")
            if '"' in lines[step]:
                found |= set(range(place, step)) if _FRAME.search(joined) else set()
                break
    return frozenset(found)


def _width(lines: Sequence[str], broken: frozenset[int]) -> int:
    """Of the console; 0 where it is not known."""
    lengths = Counter(len(line) for line in lines if LEAST <= len(line) <= MOST and not _BOXED.match(line))
    if not lengths:
        return 0
    padded, times = max(lengths.items(), key=lambda each: (each[1], each[0]))
    if times > 2 and sum(len(line) == padded and line[-1:] == " " for line in lines) > times / 2:
        return padded
    if broken:
        at, _ = max(Counter(len(lines[place]) for place in broken).items(), key=lambda each: (each[1], each[0]))
        return at if at >= LEAST else 0
    widest = max(lengths)
    return widest if lengths[widest] > 1 or widest in USUAL else 0


def _goes_on(line: str, following: str, whole: str, width: int, *, at: int, broken: frozenset[int]) -> bool:
    """Whether a line goes on in the next one; `whole` is what it is of so far."""
    if at in broken:
        return True
    if not width or len(line) != width or not following.strip() or len(line.rstrip()) < width - 1:
        return False
    return not (_BEGINS.match(following) or _BOXED.match(line) or _BOXED.match(following)) and len(whole) < 20_000


def without_panels(text: str) -> str:
    """The text with rich's panels around what Python cannot read as Python writes it, of as many lines."""
    return _PANEL.sub(_as_python_writes, text) if "▲" in text else text


def _as_python_writes(panel: re.Match[str]) -> str:
    inside = [line.partition("│")[2].rpartition("│")[0].strip() for line in panel["inside"].splitlines()]
    for parts in range(1, len(inside)):
        if found := _PLACE.fullmatch("".join(inside[:parts])):
            code = "".join(inside[parts:])
            told = ["", f'  File "{found["file"]}", line {found["line"]}', f"    {code}", "    ^"]
            return "\n".join(told + [""] * (len(inside) + 2 - len(told)))
    return panel[0]
