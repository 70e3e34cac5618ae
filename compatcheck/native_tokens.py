"""The text of a C++ or CUDA source into its tokens: names, the text of string literals, and marks. No more of the
language is known than is needed to find a call and its arguments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """What a token is."""

    NAME = "name"
    """With its namespaces: `c10::str`."""
    TEXT = "text"
    """A string literal, its escapes read; literals side by side are one."""
    MARK = "mark"
    """Anything else: a bracket, an operator, a number, a character."""


class Token(NamedTuple):
    """One token."""

    kind: Kind
    text: str

    def is_mark(self, text: str) -> bool:
        return self.kind is Kind.MARK and self.text == text


_TOKEN = re.compile(
    r"""
    (?P<blank>\s+|\\\r?\n|//(?:[^\n\\]|\\(?:.|\n))*|/\*.*?\*/)
  | (?P<directive>\#[ \t]*(?:include|ifn?def|if|elif|else|endif|pragma|undef|error|warning)\b(?:[^\n\\]|\\(?:\r?\n|.))*)
  | (?P<raw>(?:u8|[uUL])?R"(?P<fence>[^()\\\s"]{0,16})\((?P<within>.*?)\)(?P=fence)")
  | (?:u8|[uUL])?"(?P<text>(?:[^"\\\n]|\\(?:\r?\n|.))*)"
  | (?P<character>(?:u8|[uUL])?'(?:[^'\\\n]|\\.)+')
  | (?P<number>\.?\d(?:[eEpP][+-]|'(?=\w)|[\w.])*)
  | (?P<name>[A-Za-z_]\w*(?:::~?[A-Za-z_]\w*)*)
  | (?P<mark>::|->|<<=?|>>=?|[-+*/%&|^=!<>]=|&&|\|\||\+\+|--|.)
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_ESCAPE = re.compile(
    r"\\(?:(?P<octal>[0-7]{1,3})|x(?P<hex>[0-9a-fA-F]+)|u(?P<code>[0-9a-fA-F]{4})|(?P<other>.))", re.DOTALL
)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "\n": "", "\r": ""}

OPENING, CLOSING = frozenset("([{"), frozenset(")]}")


def tokens_of(text: str) -> list[Token]:
    """The tokens of a source. Comments and directives are left out, but for what `#define` defines."""
    found: list[Token] = []
    for each in _tokens(text):
        if each.kind is Kind.TEXT and found and found[-1].kind is Kind.TEXT:
            found[-1] = Token(Kind.TEXT, found[-1].text + each.text)
        else:
            found.append(each)
    return found


def _tokens(text: str) -> Iterator[Token]:
    for found in _TOKEN.finditer(text):
        if found["raw"] is not None:
            yield Token(Kind.TEXT, found["within"])
        elif found["text"] is not None:
            yield Token(Kind.TEXT, _ESCAPE.sub(_unescaped, found["text"]))
        elif found["name"] is not None:
            yield Token(Kind.NAME, found["name"])
        elif mark := found["character"] or found["number"] or found["mark"]:
            yield Token(Kind.MARK, mark)


def _unescaped(found: re.Match[str]) -> str:
    if found["other"] is not None:
        return _ESCAPED.get(found["other"], found["other"])
    code = int(found["octal"], 8) if found["octal"] else int(found["hex"] or found["code"], 16)
    return chr(code) if code < 0x110000 else ""


def closing(tokens: Sequence[Token], opening: int) -> int:
    """The place of the bracket that closes the one at `opening`; the end of all where none does."""
    depth = 0
    for place in range(opening, len(tokens)):
        token = tokens[place]
        if token.kind is Kind.MARK and len(token.text) == 1:
            depth += (token.text in OPENING) - (token.text in CLOSING)
            if depth == 0:
                return place
    return len(tokens)


def split(tokens: Sequence[Token], *marks: str) -> list[Sequence[Token]]:
    """The parts of an expression between marks that stand in none of its brackets: arguments, or what is added up."""
    parts: list[Sequence[Token]] = []
    depth = start = 0
    for place, token in enumerate(tokens):
        if token.kind is not Kind.MARK:
            continue
        depth += (token.text in OPENING) - (token.text in CLOSING)
        if depth == 0 and token.text in marks:
            parts.append(tokens[start:place])
            start = place + 1
    return [*parts, tokens[start:]] if tokens else []
