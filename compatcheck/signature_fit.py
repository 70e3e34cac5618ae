"""Whether a signature fits an exception, or a line of a log: its words, its place, and what the sources know. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from .catalogues import Catalogue
from .domain import Frame, Raised
from .lexicon import shipped_lexicon
from .logline import as_python_writes
from .logplace import place_of
from .of_the_script import is_of_the_script, is_slip, may_be_of_the_script
from .python_library import ASKED, shipped_library
from .raise_site import Site
from .signatures import CAPTURED, Signature
from .sources import shipped_sources

MESSAGE_CAP = 8000
"""Characters of a message that patterns see."""
WRAPPED_CAP = 600
"""Characters of a message that are read once more without its line breaks."""


def fitting(raised: Raised, catalogue: Catalogue, *, whole: bool, around: Sequence[Raised] = ()) -> list[str]:
    """Every signature that fits one exception, or one line where it has no type, in the catalogue's order.

    `around`: the chain that it is a link of.
    """
    if not raised.type:
        by_line = {
            signature.id: None
            for signature, line in catalogue.lines
            if line.has in raised.message and line.pattern.search(raised.message)
            if stands(signature, raised.frames, whole=bool(raised.frames))
        }
        if by_line:
            return list(by_line)
    for tier in possible(raised, catalogue):
        fits = [signature.id for signature in tier if fitted(signature, raised, whole=whole, around=around) is not None]
        if fits:
            return fits
    return []


def covers(signature: Signature, raised: Raised) -> bool:
    """Whether `signature`, a wrapper, fits the exception."""
    return signature.wrapper and fitted(signature, raised, whole=True) is not None


def possible(raised: Raised, catalogue: Catalogue) -> tuple[list[Signature], ...]:
    """Of every tier of a catalogue the signatures that may fit, by the class and the words of the exception."""
    return catalogue.possible(raised.type, _words(raised))


def wrapping(raised: Raised, catalogue: Catalogue) -> tuple[Signature, dict[str, str]] | None:
    """The first wrapper that fits an exception, and its captures; None where none does."""
    return next(
        (
            (signature, captures)
            for signature in catalogue.wrapping(_words(raised))
            if (captures := fitted(signature, raised, whole=True)) is not None
        ),
        None,
    )


def _words(raised: Raised) -> str:
    """What needles are looked for in: all that a message's pattern is tried on, in small letters."""
    return "\0".join(_readings(_searched_in(raised)[:MESSAGE_CAP])).lower()


def _searched_in(raised: Raised) -> str:
    """What a signature's message is looked for in: of a bare assertion the condition speaks."""
    return raised.code if raised.type == "AssertionError" and not raised.message else raised.message


def fitted(
    signature: Signature, raised: Raised, *, whole: bool, around: Sequence[Raised] = ()
) -> dict[str, str] | None:
    """The captures; None where the signature does not fit."""
    if not signature.is_for(raised.type) or (signature.outside_scripts and is_slip(raised, around)):
        return None
    if signature.raised_by:
        return _raised_by(signature, raised)
    found = searched(signature, _searched_in(raised))
    if found is None or not (raised.type or found[0]) or not stands(signature, raised.frames, whole=whole):
        return None
    if signature.code and not in_code(signature.code, found.groupdict()).search(raised.code):
        return None
    if signature.known_class and not _is_known(found, signature.known_class):
        return None
    if is_of_the_script(signature, found, raised, around):
        return None
    if signature.known_name and not _is_exported(found, signature.known_name):
        return None
    if signature.unheard and not _is_unheard_of(found, signature.unheard):
        return None
    if signature.known_keyword:
        function = found["function"] or ""
        if not _takes_sometimes(function, found["keyword"] or "") or may_be_of_the_script(function, raised, around):
            return None
    if signature.about and not _is_about(signature, raised, around):
        return None
    captures = {name: value for name, value in found.groupdict().items() if value is not None}
    if signature.within:
        place = place_of(raised.frames)
        return captures | place.as_captures() if place and place.package in signature.within else None
    return captures


def _is_known(found: re.Match[str], group: str) -> bool:
    """Whether the captured class is one of the stack's; or has, in some releases, the captured name."""
    owner = found[group] or ""
    name = found.groupdict().get("name") or ""
    return bool(shipped_sources().class_of(owner) or (name and shipped_sources().member(owner, name)))


def _is_exported(found: re.Match[str], group: str) -> bool:
    """Whether the captured name is one that a package of the stack has, or had."""
    name = found[group] or ""
    return bool(shipped_sources().class_of(name) or shipped_sources().home_of(name))


def _is_unheard_of(found: re.Match[str], group: str) -> bool:
    """Whether no release of the captured package has the captured word in its source; or, of a captured class, no
    release of any package, its own among them."""
    word, groups, lexicon = found[group] or "", found.groupdict(), shipped_lexicon()
    if package := groups.get("package"):
        return lexicon.never(package, word)
    return shipped_sources().class_of(groups.get("class") or "") in lexicon.packages and lexicon.nowhere(word)


def in_code(pattern: str, captures: Mapping[str, str | None]) -> re.Pattern[str]:
    """A signature's pattern for the line of code; `(?P=name)` in it stands for what the message's group `name` has."""
    return re.compile(CAPTURED.sub(lambda group: re.escape(captures.get(group[1]) or ""), pattern))


def searched(signature: Signature, message: str) -> re.Match[str] | None:
    """Where the signature's words stand in a message, or what it misses in Python's library, however it was brought
    along (`_readings`)."""
    readings = _readings(message[:MESSAGE_CAP])
    if signature.library and (missed := next((found for each in readings if (found := ASKED.search(each))), None)):
        asked = shipped_library().asked(missed)
        if asked and asked.standing is signature.library:
            return missed
    if signature.library and not signature.message:
        return None
    return next((found for each in readings if (found := _place(signature, each))), None)


def _place(signature: Signature, message: str) -> re.Match[str] | None:
    """Where the signature's words stand in one reading of a message."""
    if not signature.packed:
        return signature.message_pattern.search(message)
    return next((found for found in signature.message_pattern.finditer(message) if _is_packed(found)), None)


def _is_packed(found: re.Match[str]) -> bool:
    """Whether a column of so many numbers holds a weight of so many rows and columns, as bitsandbytes packs them: two
    values of four bits a byte, stored in numbers of one, two or four bytes."""
    values, column = int(found["rows"]) * int(found["columns"]), int(found["column"])
    return any(values == column * each for each in (2, 4, 8))


@lru_cache(maxsize=256)
def _readings(message: str) -> tuple[str, ...]:
    """A message as it stands; with its first lines joined, which a terminal or a mail may have broken; and as Python
    writes it, where Markdown or a person's hand set other marks."""
    joined = " ".join(message[:WRAPPED_CAP].split()) if "\n" in message else message
    return tuple(dict.fromkeys((message, joined, *as_python_writes(message), *as_python_writes(joined))))


def _raised_by(signature: Signature, raised: Raised) -> dict[str, str] | None:
    """Where the package's source raises this; None where it does not."""
    site = _site(raised)
    if site is None or not takes(signature, site):
        return None
    return {"package": site.package, "file": site.file, **({"function": site.function} if site.function else {})}


def takes(signature: Signature, site: Site) -> bool:
    """Whether a signature is for what a package raises at `site`."""
    if site.package not in signature.raised_by or not signature.exception_pattern.fullmatch(site.exception):
        return False
    if not signature.file_pattern.match(site.file):
        return False
    return not signature.message or bool(signature.message_pattern.search(site.template))


@lru_cache(maxsize=64)
def _site(raised: Raised) -> Site | None:
    return shipped_sources().site(raised)


def _takes_sometimes(function: str, keyword: str) -> bool:
    """Whether it is a function of the stack's whose keywords change, and that takes this one in some releases; or one
    whose name (three words or more) nobody else would choose. A word that anybody may use, `main`, proves nothing."""
    words = len(function.strip("_").split("_"))
    if words > 2:
        return shipped_sources().changes(function)
    return ("." in function or words > 1) and shipped_sources().keyword(function, keyword) is not None


def _is_about(signature: Signature, raised: Raised, around: Sequence[Raised]) -> bool:
    """Whether the exception, or the chain that it is a link of, speaks of what `about` wants: by its words, or by the
    places that called. Those do not count for `about_itself` where a script was the last to call: a library that calls
    a script's function has no part in what it asks of others."""
    if signature.bare and not any(each.frames for each in (raised, *around)):
        return True
    places = not (signature.about_itself and is_slip(raised, around))
    return any(_speaks_of(signature.about_pattern, each, places=places) for each in (raised, *around))


def _speaks_of(pattern: re.Pattern[str], raised: Raised, *, places: bool) -> bool:
    """Whether the message, the module of the exception, the line of code that raised, or, with `places`, the path of a
    file or a function in the traceback has it."""
    called = (told for frame in raised.frames for told in (frame.file, frame.function)) if places else ()
    texts = (*_readings(raised.message[:MESSAGE_CAP]), raised.module, raised.code, *called)
    return any(pattern.search(text) for text in texts)


def stands(signature: Signature, frames: Sequence[Frame], *, whole: bool) -> bool:
    """Whether the traceback has the places that the signature asks for, and none that it excludes."""
    if not all(wanted.fits(frames) for wanted in signature.frames):
        return False
    if signature.frames_any and not any(wanted.fits(frames) for wanted in signature.frames_any):
        return False
    return not signature.not_frames or (whole and not any(unwanted.fits(frames) for unwanted in signature.not_frames))
