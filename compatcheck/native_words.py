"""What a release raises in C++: the words of its sources, as far as they stand in the libraries of its wheel."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from .domain import digest_of
from .native_messages import messages_in
from .raise_site import HOLE
from .source_archives import library_texts, native_files
from .source_messages import LEAST_PART, Said

_LEAST_LITERAL = 8
"""Characters of a literal that is looked for in a library by itself."""


def read_native(path: Path, package: str, known: dict[str, frozenset[Said]]) -> set[Said]:
    """What the C++ files of a wheel or of an archive raise. `known` remembers files."""
    found: set[Said] = set()
    for name, text in native_files(path, package):
        key = f"{name} {digest_of(text)}"
        if key not in known:
            known[key] = frozenset(messages_in(text, name))
        found |= known[key]
    return found


def held(messages: Collection[Said], path: Path, package: str) -> set[Said]:
    """Those of the messages whose words stand in the libraries of a wheel: every part that is long enough to be told
    from a word, the longest one at least. Its class does not stand there."""
    if not messages or not (texts := library_texts(path, package)):
        return set()
    parts = {part for said in messages for part in _telling(said.template)}
    there = _standing_in(texts, parts)
    return {said for said in messages if there.issuperset(_telling(said.template))}


def _telling(template: str) -> list[str]:
    """The parts of a message by which it is found again."""
    parts = [part.strip() for part in template.split(HOLE)]
    return [part for part in parts if len(part) >= LEAST_PART and " " in part] or [max(parts, key=len)]


def _places(texts: str, beginnings: set[str]) -> dict[str, list[int]]:
    """Each of the beginnings, all of one length, with where it stands: in one walk, for there are thousands."""
    found: dict[str, list[int]] = {}
    for place in range(len(texts) - _LEAST_LITERAL + 1):
        if (beginning := texts[place : place + _LEAST_LITERAL]) in beginnings:
            found.setdefault(beginning, []).append(place)
    return found


def _standing_in(texts: str, parts: set[str]) -> set[str]:
    """Those words that stand in a text, in one piece, or in the several literals that they were written as, the later
    ones anywhere."""
    literals = frozenset(texts.splitlines())
    rests = {part: part for part in parts if part not in literals}
    gone: set[str] = set()
    while rests:
        places = _places(texts, {rest[:_LEAST_LITERAL] for rest in rests.values()})
        left = {part: _rest_of(rest, texts, places.get(rest[:_LEAST_LITERAL], [])) for part, rest in rests.items()}
        gone |= {part for part, rest in left.items() if rest is None}
        rests = {part: rest for part, rest in left.items() if rest and rest not in literals}
    return parts - gone


def _rest_of(part: str, texts: str, places: list[int]) -> str | None:
    """What follows the longest piece of words that stands at one of these places of a text, where their beginning
    stands; None where it stands nowhere."""
    for end in range(_LEAST_LITERAL, len(part) + 1):
        further = [place for place in places if texts.startswith(part[:end], place)]
        if not further:
            return part[end - 1 :].strip() if places else None
        places = further
    return "" if places else None
