"""A failure told in running text: in an issue's sentence, behind a program's own words, in quotation marks.

Only for short texts in which nothing stands as an exception is printed. A line counts where it speaks of an error and a
signature fits what it says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from .classify import diagnose_chain
from .domain import Diagnosis, Raised
from .logline import exception_of
from .signatures import Catalogue

CAP = 2**16
"""Bytes of a text that is read in this way."""

LEAST = 20
"""Characters that a signature's pattern must find: a word or two prove nothing in running text."""

_SPEAKS_OF_ERROR = re.compile(r"(?i)error|exception|fail")
_QUOTES = "`'\"*>|- \t"


def diagnose_prose(text: str, catalogue: Catalogue, versions: Mapping[str, str]) -> tuple[int, Diagnosis] | None:
    """The last line that tells of a known failure, with what it is; None where none does."""
    telling = Catalogue(tuple(each for each in catalogue if each.message and "^" not in each.message))
    lines = text.splitlines()
    for number in range(len(lines), 0, -1):
        if not _SPEAKS_OF_ERROR.search(lines[number - 1]):
            continue
        for raised in _told(lines[number - 1]):
            diagnosis = diagnose_chain((raised,), telling, whole=False, versions=versions)
            signature = telling.get(diagnosis.signature) if diagnosis.signature else None
            found = signature.message_pattern.search(raised.message) if signature else None
            if found and len(found[0]) >= LEAST:
                return number, diagnosis
    return None


def _told(line: str) -> Iterator[Raised]:
    """What a line may say: an exception within it, or only its message."""
    bare = line.strip(_QUOTES)
    for start in (0, *(found.end() for found in re.finditer(r"[:`'\"(]\s*", bare))):
        if found := exception_of(bare[start:], after_frame=False):
            yield Raised(*found)
            return
    yield Raised("", "", bare)
