"""Where an exception was raised, as running text tells it that shows no traceback: a file with its line, a function of
the package, the line of code; or nothing but the exception's class, of which one thing alone is known. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from . import signatures
from .catalogues import Catalogue
from .classify import diagnose_chain
from .domain import Diagnosis, Frame, Raised
from .logline import short_file
from .logplace import place_of
from .prose_lines import ProseLine
from .signature_fit import fitted, in_code, possible, searched
from .signatures import Signature

Told = tuple[ProseLine, Raised]
Found = tuple[int, Diagnosis]

_FILE = re.compile(
    r"(?<![\w/.-])(?P<file>(?:[A-Za-z]:)?(?:[\w.~+-]{0,60}[/\\]){0,20}\w{1,80}\.py)[`'\"]?"
    r"(?::|,? (?:at |on )?line |#L)(?P<line>\d{1,7})\b"
)
"""`peft/tuners/lora.py:45`, `transformers/trainer.py, line 12`."""
_DISTINCT = 10
"""Characters of a function's name, in two words at least, that stands in a text for no other reason."""
_PRIVATE = re.compile(r"(?<!\w)_[a-z]{2,20}(?:_[a-z]{2,20}){2,6}(?!\w)")
"""A name that a class keeps for itself, `_tied_weights_keys`: no other text has it. Where a signature's texts are about
it, it tells as much as a place."""
_ASSERTS = re.compile(r"\b(?P<code>assert [^`\n]{12,200})")
_CLASS = re.compile(r"(?<![\w.'\"])(?:[a-z_]\w{0,40}\.){0,6}(?P<name>[A-Z]\w{5,60}Error)\b(?!:)")


def told_elsewhere(
    text: str, lines: Sequence[ProseLine], named: Sequence[Told], catalogue: Catalogue, versions: Mapping[str, str]
) -> Found | None:
    """What an exception of a text is by what the text tells of its place; None where that is not known."""
    return (
        _in_function(text, named, catalogue)
        or _in_file(text, named, catalogue, versions)
        or _asserted(lines, catalogue)
        or _of_class(lines, catalogue)
    )


def _in_file(text: str, named: Sequence[Told], catalogue: Catalogue, versions: Mapping[str, str]) -> Found | None:
    """By the one file of a package that the text tells with its line, where it tells one exception."""
    places = {Frame(short_file(found["file"]), int(found["line"]), "") for found in _FILE.finditer(text)}
    if len(places) != 1 or len({raised.type for _, raised in named}) != 1 or not place_of(tuple(places)):
        return None
    for line, raised in named:
        diagnosis = diagnose_chain((replace(raised, frames=tuple(places)),), catalogue, whole=False, versions=versions)
        if diagnosis.signature:
            return line.number, _doubted(diagnosis, raised)
    return None


def _in_function(text: str, named: Sequence[Told], catalogue: Catalogue) -> Found | None:
    """By the function or the line of code that a signature asks for, where the text has it. A function counts by a
    name that stands in a text for no other reason."""
    lines = text.split("\n")
    for line, raised in named:
        for signature in (each for tier in possible(raised, catalogue.sure) for each in tier):
            placed = _placed(signature, raised, text, lines)
            if placed and (captures := fitted(signature, placed, whole=False)) is not None:
                diagnosis = diagnose_chain((placed,), Catalogue((signature,)), whole=False)
                return line.number, replace(_doubted(diagnosis, raised), captures=captures)
    return None


def _placed(signature: Signature, raised: Raised, text: str, lines: Sequence[str]) -> Raised | None:
    """The exception as if it came from where a signature wants it, as far as the text has that; None where it does not,
    or the signature wants no place."""
    wanted = [*signature.frames, *signature.frames_any]
    if not (wanted or signature.code or signature.about) or signature.not_frames:
        return None
    if not (wanted or signature.code):
        about = next((found[0] for found in signature.about_pattern.finditer(text) if _is_distinct(found[0])), "")
        return replace(raised, frames=(Frame("", 0, about),)) if about else None
    if wanted and signature.about and any(signature.about_pattern.search(name) for name in _PRIVATE.findall(text)):
        return replace(raised, frames=tuple(Frame(each.file, 0, each.function) for each in wanted))
    if any(not _spoken_of(each, text) for each in signature.frames):
        return None
    any_of = [each for each in signature.frames_any if _spoken_of(each, text)]
    if signature.frames_any and not any_of:
        return None
    code = ""
    if signature.code:
        found = searched(signature, raised.message)
        pattern = in_code(signature.code, found.groupdict() if found else {})
        code = next((line.strip() for line in lines if raised.message not in line and pattern.search(line)), "")
        if not code:
            return None
    frames = tuple(Frame(each.file, 0, each.function) for each in (*any_of[:1], *signature.frames))
    return replace(raised, frames=frames, code=code)


def _spoken_of(wanted: signatures.Frame, text: str) -> bool:
    name = wanted.function
    return _is_distinct(name) and re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", text) is not None


def _is_distinct(name: str) -> bool:
    return len(name) >= _DISTINCT and "_" in name.strip("_")


def _asserted(lines: Sequence[ProseLine], catalogue: Catalogue) -> Found | None:
    """By the condition of an assertion, where a heading or a sentence quotes it."""
    for line in lines:
        if not line.within and (found := _ASSERTS.search(line.text)):
            raised = Raised("AssertionError", "", "", (), found["code"].rstrip("'\"` "))
            diagnosis = diagnose_chain((raised,), catalogue.sure, whole=False)
            if diagnosis.signature:
                return line.number, _doubted(diagnosis, replace(raised, message=found["code"]))
    return None


def _of_class(lines: Sequence[ProseLine], catalogue: Catalogue) -> Found | None:
    """By the class alone, where whatever such an exception says means the same."""
    for line in lines:
        for raised in _classes(line):
            diagnosis = diagnose_chain((raised,), catalogue.closest, whole=False)
            signature = catalogue.get(diagnosis.signature)
            if signature and not signature.raised_by and not signature.about:
                return line.number, _doubted(diagnosis, raised)
    return None


def _classes(line: ProseLine) -> Iterator[Raised]:
    if not line.within:
        yield from (Raised(found["name"], "", "") for found in _CLASS.finditer(line.text))


def _doubted(diagnosis: Diagnosis, raised: Raised) -> Diagnosis:
    return replace(diagnosis.doubted, exception=raised)
