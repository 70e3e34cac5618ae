"""The lines of running text, and what each counts for where it is asked whether it tells of a failure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from .logcarrier import carried
from .logline import cleaned, exception_of, frame_of, split_lines
from .quotation import MARKS

_SPEAKS_OF_ERROR = re.compile(
    r"(?i)error|exception|fail|not found|could not|has no attribute|cannot import name|no module named"
    r"|unexpected keyword argument|is not JSON serializable|is not defined|undefined symbol"
    r"|out of (?:memory|range|bounds)|unsupported|not supported|unable to import"
    r"|\bbug\b|crash|required but|timed out|^\W{0,3}[EF]\d{2,4} \d\d:\d\d:\d\d"
    r"|错误|報錯|报错|異常|异常|失败|失敗|エラー|오류|에러|ошибк|erreur|fehler"
)
_REFUSES = re.compile(
    r"(?i)cannot|can't|unable to|unexpected|invalid|not (?:a )?valid|must (?:be|match|have)|should (?:be|have)"
    r"|n't |not |required?s? |refuse|mismatch|incompatible|missing|denied|out of |referenced before|but (?:got|found)"
    r"|expected|you (?:must|passed)|too (?:many|few|long|large|small|old)|already |attempt"
)
"""The words in which programs refuse: what a title says that leaves the exception's class out."""
_CODE_BEFORE = re.compile(
    r"^\W*raise \w{1,60}\(.{0,300}\) (?=(?:[a-z_]\w{0,40}\.){0,6}[A-Z]\w{2,60}(?:Error|Exception): )"
)
"""The line of code that raised, where the exception follows it on the same line."""
_STATE_DICT = re.compile(r"Error\(s\) in loading state_dict for \w{1,100}:$")
"""The heading of torch's list of weights that do not fit; the lines of the list stand below it."""
_STATE_DICTS_LINE = re.compile(r"\s+(?:size mismatch for |Missing key\(s\) |Unexpected key\(s\) )")
LEAST_BROKEN = 45
"""Characters of a line that may go on in the next one."""


@dataclass(frozen=True)
class ProseLine:
    """A line, with what it counts for."""

    number: int
    text: str
    speaks: bool
    """It speaks of an error, or the sentence before it did and ended in a colon."""
    beside: bool
    """A traceback stands in the same text, so that it must speak of an error itself."""
    within: bool
    """It stands in that traceback or behind it, where code is quoted."""


def refusing(lines: Sequence[ProseLine]) -> list[ProseLine]:
    """Those that do not speak of an error but refuse something, where no traceback is told besides."""
    return [
        replace(line, speaks=True)
        for line in lines
        if not (line.speaks or line.beside or line.within) and _REFUSES.search(line.text)
    ]


def rejoined(lines: Sequence[ProseLine]) -> list[ProseLine]:
    """Each long line together with the next one: a mail or a terminal breaks sentences where they reach its margin."""
    return [
        replace(line, text=f"{line.text} {then.text.strip(MARKS)}", speaks=line.speaks or then.speaks)
        for line, then in pairwise(lines)
        if then.number == line.number + 1 and len(line.text) >= LEAST_BROKEN and then.text.strip(MARKS)
        if not (line.beside or line.within or exception_of(then.text.strip(), after_frame=False))
    ]


def lines_of(text: str) -> list[ProseLine]:
    """All lines of a text, out of whatever carries them, without colours and times."""
    carriers = list(carried(split_lines(text)))
    lines = _gathered([_CODE_BEFORE.sub("", cleaned(line).text.replace("\n", " ")) for _, line in carriers])
    headed = next((place for place, line in enumerate(lines) if "Traceback (most recent" in line), None)
    framed = next((place for place, line in enumerate(lines) if frame_of(line.strip())), None)
    first = min((place for place in (headed, framed) if place is not None), default=None)
    above = None
    if headed is None and framed is not None:
        above = next((place - 1 for place in range(framed, 0, -1) if lines[place - 1].strip()), None)
    return [
        ProseLine(number, line, speaks, first is not None and place != above, first is not None and place >= first)
        for place, ((number, _), line, speaks) in enumerate(zip(carriers, lines, _spoken(lines), strict=True))
    ]


def _gathered(lines: list[str]) -> list[str]:
    """The same, with the first of the weights that do not fit behind the heading of their list, which says more than
    any of them."""
    for place in range(len(lines) - 1):
        if _STATE_DICT.search(lines[place]) and _STATE_DICTS_LINE.match(lines[place + 1]):
            lines[place] = f"{lines[place]} {lines[place + 1].strip()}"
            below = place + 1
            while below < len(lines) and _STATE_DICTS_LINE.match(lines[below]):
                lines[below] = ""
                below += 1
    return lines


def _spoken(lines: Sequence[str]) -> list[bool]:
    """Of each line whether it speaks of an error, or the sentence before it did and ended in a colon."""
    spoken, announced = [], False
    for line in lines:
        speaks = bool(_SPEAKS_OF_ERROR.search(line))
        spoken.append(speaks or announced)
        if line.strip(MARKS):
            announced = speaks and line.rstrip(MARKS).endswith((":", "："))
    return spoken
