"""How the bytes of a log are its text: UTF-8, or UTF-16 as PowerShell writes it, with its mark or without."""

from __future__ import annotations

import codecs

HEAD = 512
"""Bytes of a file that say it, or fewer where it is shorter."""
_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MOSTLY = 0.7
"""Of the characters of a log in UTF-16 so many at least have a zero for their second byte: they are ASCII."""


def encoding_of(head: bytes) -> str | None:
    """The codec that reads a file which begins with `head`; None where that is no text, but a picture or a program."""
    head = head[:HEAD]
    if head.startswith(_MARKS):
        return "utf-16"
    zeros = head[0::2].count(0), head[1::2].count(0)
    if not any(zeros):
        return "utf-8-sig"
    if not zeros[0] and zeros[1] >= _MOSTLY * (len(head) // 2):
        return "utf-16-le"
    if not zeros[1] and zeros[0] >= _MOSTLY * (len(head) // 2):
        return "utf-16-be"
    return None
