"""What a text must hold for a pattern to be found in it: cheap to look for, where a search takes its time. Pure."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Sequence
from typing import Any

if sys.version_info >= (3, 11):
    from re import _constants as _names  # type: ignore[attr-defined]
    from re import _parser  # type: ignore[attr-defined]
else:
    import sre_constants as _names
    import sre_parse as _parser

SHORTEST = 3
"""Characters of a needle; shorter ones stand in every text."""

_REPEATED = {_names.MAX_REPEAT, _names.MIN_REPEAT} | (
    {_names.POSSESSIVE_REPEAT} if sys.version_info >= (3, 11) else set()
)
_ATOMIC = {_names.ATOMIC_GROUP} if sys.version_info >= (3, 11) else set()


def needles_of(pattern: str) -> tuple[str, ...]:
    """Words in small letters, of which at least one stands in every text that `pattern` is found in, written small.

    Empty where there are no such words: then only a search tells. Raises re.error for what is no pattern.
    """
    return tuple(sorted(_of(list(_parser.parse(pattern)))))


class Needles:
    """Needles of many patterns, found by where they begin: a text is gone through once for all of them."""

    def __init__(self, each: Iterable[Collection[str]]) -> None:
        """The needles of every pattern, in the patterns' order; a pattern without any is always possible."""
        self._always: list[int] = []
        self._begun: dict[str, list[tuple[str, int]]] = {}
        for number, needles in enumerate(each):
            if not needles:
                self._always.append(number)
            for needle in needles:
                self._begun.setdefault(needle[:SHORTEST], []).append((needle, number))

    def possible(self, text: str) -> list[int]:
        """The places, in their order, of the patterns that may be found in a text. `text` is in small letters."""
        begun = {text[start : start + SHORTEST] for start in range(len(text) - SHORTEST + 1)}
        found = {
            number for start in begun & self._begun.keys() for needle, number in self._begun[start] if needle in text
        }
        return sorted(found.union(self._always))


def _of(items: Sequence[Any]) -> frozenset[str]:
    """The needles of a sequence: of those that its parts have, the ones whose shortest is longest."""
    runs: list[frozenset[str]] = []
    run = ""
    for kind, what in _flat(items):
        if kind is _names.LITERAL:
            run += chr(what).lower()
            continue
        if kind is _names.AT:
            continue
        runs.append(frozenset({run}))
        run = ""
        runs.append(_of_one(kind, what))
    runs.append(frozenset({run}))
    return max((each for each in runs if each and _least(each) >= SHORTEST), key=_least, default=frozenset())


def _flat(items: Iterable[Any]) -> Iterable[Any]:
    """The parts of a sequence, with groups of it opened: what stands on both sides of their marks stands together."""
    for kind, what in items:
        if kind is _names.SUBPATTERN:
            yield from _flat(what[-1])
        elif kind in _ATOMIC:
            yield from _flat(what)
        else:
            yield kind, what


def _of_one(kind: Any, what: Any) -> frozenset[str]:
    if kind is _names.BRANCH:
        each = [_of(list(way)) for way in what[1]]
        return frozenset().union(*each) if all(each) else frozenset()
    if kind in _REPEATED and what[0] > 0:
        return _of(list(what[2]))
    return frozenset()


def _least(found: frozenset[str]) -> int:
    return min(map(len, found))
