"""Texts as pieces, made one after the other while they are written: a long report never stands in memory as a whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ParamSpec

Pieces = Iterable[str]
"""A text, in order. It may be gone through once."""

P = ParamSpec("P")


def later(make: Callable[P, str], *given: P.args, **named: P.kwargs) -> Iterator[str]:
    """What `make` gives, made when it is asked for."""
    yield make(*given, **named)


class Written(str):
    """JSON that is written already, as it shall stand where it is."""

    __slots__ = ()


def json_pieces(value: Any, *, compact: bool = False, depth: int = 0) -> Iterator[str]:
    """`value` as `json.dumps` writes it, with an indent of one, or without any white space where it is `compact`.

    An iterator counts as a list whose items are made one at a time; it may stand in dicts and in other iterators, and
    what is written already in either.
    """
    if isinstance(value, Written):
        yield value
        return
    inner, outer = ("", "") if compact else ("\n" + " " * (depth + 1), "\n" + " " * depth)
    if isinstance(value, Iterator):
        mark = "["
        for item in value:
            if isinstance(item, Written):
                yield Written(f"{mark}{inner}{item}")
            else:
                yield mark + inner
                yield from json_pieces(item, compact=compact, depth=depth + 1)
            mark = ","
        yield "[]" if mark == "[" else outer + "]"
    elif isinstance(value, dict) and any(isinstance(each, Iterator) for each in value.values()):
        mark = "{"
        for key, each in value.items():
            yield f"{mark}{inner}{json.dumps(key, ensure_ascii=False)}{':' if compact else ': '}"
            yield from json_pieces(each, compact=compact, depth=depth + 1)
            mark = ","
        yield outer + "}"
    elif compact:
        yield json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    else:
        yield json.dumps(value, indent=1, ensure_ascii=False).replace("\n", outer)  # a text has none: it is escaped
