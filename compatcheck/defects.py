"""What is wrong with a folder of signatures: found before a failure is read by them.

Every example is read as a log, and must come out as its own signature; where another signature fits the same exception,
`beside` must say so. Every pattern is tried on long texts that fit it nearly, so that none of them takes its time.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from packaging.version import InvalidVersion, Version

from .catalogues import Catalogue, signature_files
from .classify import diagnose_log
from .domain import Stage
from .errors import InputError
from .logtext import read_text
from .parse import structured, toml
from .plain_words import GAP
from .signature_fit import MESSAGE_CAP, covers, fitting
from .signatures import CAPTURED, Signature, unusable_patterns

QUADRATIC = re.compile(r"[^\x01]*\x01")
"""Looked for in vain, it reads the rest of a text from each of its characters: the machine's measure."""
SLOW_FACTOR = 2
"""A search in a message that takes this many times longer than QUADRATIC's is a defect of its pattern."""
SOUND_SECONDS = 0.02
"""A search that takes no longer is sound, whatever QUADRATIC's takes in a text as short."""
TRIES = 3
"""Searches that must all be too slow: on a busy machine a single one may be."""
HOPELESS_SECONDS = 1.0
"""A search that takes longer is not tried again."""
SMALL = 64
"""Characters up to which texts grow by little, since the time of an exploding pattern doubles with each of them."""

_REFERENCE = re.compile(
    r"[\w.-]+/[\w.-]+#\d+"  # an issue or a pull request
    r"|[\w.-]+/[\w.-]+@[\w./-]+(?::[\w./-]+)?"  # source at a tag
    r"|https://\S+"
)
_ROLE = re.compile(r"(?P<package>[a-z][\w.-]*)(?: (?P<version>\d\S*))?")


@dataclass(frozen=True)
class Defect:
    """One thing to mend."""

    file: str
    field: str
    """Its path in the file, `signature[3].references[0]`."""
    problem: str

    def __str__(self) -> str:
        return f"{self.file}: {self.field}: {self.problem}" if self.field else f"{self.file}: {self.problem}"


@dataclass(frozen=True)
class Checked:
    """What came of the check of a folder."""

    catalogue: Catalogue
    defects: tuple[Defect, ...]
    without_example: tuple[str, ...] = ()
    """Signatures that are recognised by their text and show none; no defect, and worth mending."""


@dataclass
class _Read:
    """Where each signature that could be read stands."""

    signatures: list[Signature] = field(default_factory=list)
    places: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Identifier to file and path."""
    defects: list[Defect] = field(default_factory=list)


def checked(folder: Path) -> Checked:
    """The folder's signatures and all that is wrong with them. Raises InputError where there is no such folder."""
    read = _Read()
    for path in signature_files(folder):
        _read_file(path, read)
    catalogue = Catalogue(tuple(read.signatures))
    for signature in catalogue:
        file, place = read.places[signature.id]
        read.defects += [Defect(file, f"{place}{name}", problem) for name, problem in _problems(signature, catalogue)]
    bare = [
        each.id
        for each in catalogue
        if (each.exception or each.lines or each.message) and not (each.examples or each.wrapper)
    ]
    return Checked(catalogue, tuple(read.defects), tuple(bare))


def _read_file(path: Path, read: _Read) -> None:
    """The signatures of one file, each on its own: one bad field does not hide the next signature's."""
    try:
        data = toml(path)
    except InputError as error:
        read.defects.append(Defect(path.name, "", "; ".join(error.problems)))
        return
    tables = data.pop("signature", [])
    for key in data:
        read.defects.append(Defect(path.name, key, "unknown key (known: signature)"))
    if not isinstance(tables, list):
        read.defects.append(Defect(path.name, "signature", "must be a list of tables: [[signature]]"))
        return
    for number, table in enumerate(tables):
        place = f"signature[{number}]"
        try:
            signature = structured(table, Signature, path.name)
        except InputError as error:
            read.defects += [_parsed_problem(path.name, place, problem) for problem in error.problems]
            continue
        if unusable := unusable_patterns(signature):
            read.defects += [_parsed_problem(path.name, place, problem) for problem in unusable]
            continue
        if signature.id in read.places:
            there = " ".join(read.places[signature.id])
            read.defects.append(Defect(path.name, f"{place}.id", f"{signature.id!r} is given twice, also at {there}"))
            continue
        read.places[signature.id] = (path.name, f"{place} {signature.id}: ")
        read.signatures.append(signature)


def _parsed_problem(file: str, place: str, problem: str) -> Defect:
    name, colon, what = problem.partition(": ")
    if not colon or " " in name:
        return Defect(file, place, problem)
    return Defect(file, f"{place}.{name}", what)


def _problems(signature: Signature, catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """Field and problem of everything that is wrong with a signature that could be read."""
    for name in ("title", "cause", "remedy"):
        if not getattr(signature, name).strip():
            yield name, "is empty"
        if gap := GAP.search(getattr(signature, name)):
            yield name, f"{gap[0]} is filled in only where it stands in a command"
    for number, reference in enumerate(signature.references):
        if not _REFERENCE.fullmatch(reference):
            yield (
                f"references[{number}]",
                f"{reference!r} is neither owner/name#number nor owner/name@tag:path nor an https address",
            )
    yield from _role_problems(signature)
    for name, pattern in _patterns(signature):
        if slow := _slow(pattern, signature):
            yield name, slow
    yield from _beside_problems(signature, catalogue)
    for number, example in enumerate(signature.examples):
        if problem := _example_problem(signature, example, catalogue):
            yield f"examples[{number}]", problem


def _role_problems(signature: Signature) -> Iterator[tuple[str, str]]:
    roles = signature.roles
    blamed = bool(signature.exception or signature.message or signature.checks) and signature.stages != (Stage.RESOLVE,)
    if blamed and not roles.owner and not (signature.wrapper or signature.transient):
        yield "roles.owner", "is missing: say whose the fix is, or transient = true where no version is to blame"
    if roles.fixed_in:
        found = _ROLE.fullmatch(roles.fixed_in)
        try:
            Version(found["version"] or "" if found else "")
        except InvalidVersion:
            yield "roles.fixed_in", f"{roles.fixed_in!r} is not a package and a version, as in 'peft 0.14.0'"


def _beside_problems(signature: Signature, catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    order = [each.id for each in catalogue]
    for number, other in enumerate(signature.beside):
        if other not in order:
            yield f"beside[{number}]", f"{other!r} is no signature of this folder"
        elif order.index(other) < order.index(signature.id):
            yield f"beside[{number}]", f"{other!r} stands before this one, so it would win"


def _patterns(signature: Signature) -> Iterator[tuple[str, re.Pattern[str]]]:
    if signature.message:
        yield "message", signature.message_pattern
    if signature.code:
        yield "code", re.compile(CAPTURED.sub("", signature.code))
    if signature.output:
        yield "output", signature.output_pattern
    for number, line in enumerate(signature.lines):
        yield f"lines[{number}].fits", line.pattern


def _slow(pattern: re.Pattern[str], signature: Signature) -> str:
    """Why the pattern is too slow; empty where it is not. The texts grow little by little, so that this ends."""
    words = re.findall(r"[A-Za-z_' ]{3,}", re.sub(r"\\.|\(\?[^)]*?>", " ", pattern.pattern))
    for seed in {"a", " ", "1", "'", "/a", "a b", "a.", *words[:4], *(each[:200] for each in signature.examples[:1])}:
        size = 16.0
        while size < MESSAGE_CAP:
            size = min(size * (1.1 if size < SMALL else 1.6), MESSAGE_CAP)
            text = (seed * (int(size) // len(seed) + 1))[: int(size)] + "\x00"
            if _takes_long(pattern, text):
                return f"takes too long in {int(size)} characters: bound its repetitions, as in [^']{{1,80}}"
    return ""


def _takes_long(pattern: re.Pattern[str], text: str) -> bool:
    for _ in range(TRIES):
        seconds = _seconds(pattern, text)
        if seconds > HOPELESS_SECONDS:
            return True
        if seconds <= SOUND_SECONDS or seconds <= SLOW_FACTOR * _seconds(QUADRATIC, text):
            return False
    return True


def _seconds(pattern: re.Pattern[str], text: str) -> float:
    began = time.process_time()
    pattern.search(text)
    return time.process_time() - began


def _example_problem(signature: Signature, example: str, catalogue: Catalogue) -> str:
    """Why an example does not show its signature and it alone; empty where it does."""
    if signature.wrapper:
        chains = [raised for found in read_text(example, catalogue.needles).findings for raised in found.chain]
        return "" if any(covers(signature, raised) for raised in chains) else "is not recognised"
    finding, diagnosis = diagnose_log(read_text(example, catalogue.needles), catalogue)
    if finding is None or diagnosis is None:
        return "nothing in it tells of a failure"
    if diagnosis.signature != signature.id:
        return f"is recognised as {diagnosis.signature or 'unknown'}"
    assert diagnosis.exception is not None
    others = fitting(diagnosis.exception, catalogue, whole=finding.whole, around=finding.chain)
    unsaid = [other for other in others if other not in (signature.id, *signature.beside)]
    return f"fits {', '.join(unsaid)} too: narrow one of them, or name it in beside" if unsaid else ""
