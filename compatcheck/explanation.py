"""`explain`: any traceback, log or caught exception, in plain words: what it is, whose fault, what to pin or change."""

from __future__ import annotations

import importlib.metadata
import io
import sys
import traceback
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import BinaryIO, cast

from .catalogues import Catalogue, load_catalogue
from .classify import diagnose, diagnose_chain, diagnose_finding, diagnose_log
from .console import broken_at_its_width, unbroken, without_panels
from .domain import Diagnosis, Frame, Observation, Outcome, Raised, Stage
from .logline import short_file
from .logtext import RESOLVER, Finding, Log, read_stream, read_text
from .logversions import STACK
from .plain_words import Explanation, Other
from .prose import CAP, completed, diagnose_prose, names_exception
from .signature_fit import covers, wrapping
from .signatures import Signature
from .sudden_end import sudden_end, sudden_end_of
from .trade import of_models

OTHERS_CAP = 20

_STAGES: tuple[tuple[str, str, Stage], ...] = (
    ("peft/peft_model.py", "generate", Stage.GENERATE),
    ("generation/utils.py", "", Stage.GENERATE),
    ("transformers/trainer.py", "save_model", Stage.SAVE),
    ("", "save_pretrained", Stage.SAVE),
    ("transformers/trainer.py", "", Stage.TRAIN),
    ("transformers/training_args.py", "", Stage.TRAIN),
    ("peft/peft_model.py", "from_pretrained", Stage.RELOAD),
    ("peft/config.py", "from_pretrained", Stage.RELOAD),
    ("peft/auto.py", "from_pretrained", Stage.RELOAD),
    ("", "from_pretrained", Stage.LOAD),
    ("transformers/tokenization_utils_base.py", "__call__", Stage.TOKENIZE),
    ("", "get_peft_model", Stage.TRAIN),
)
"""What a frame of the traceback says of the stage, the surest first."""


@cache
def shipped_catalogue() -> Catalogue:
    """The catalogue that comes with this package, read once."""
    return load_catalogue()


def explain(text_or_exception: str | BaseException, catalogue: Catalogue | None = None) -> Explanation:
    """What a traceback, a log or a caught exception is.

    Takes a text of any size and origin, or an exception, with its chain. Never raises for what stands in the text.
    """
    known = catalogue or shipped_catalogue()
    if isinstance(text_or_exception, BaseException):
        return _of_exception(text_or_exception, known)
    return explain_stream(io.BytesIO(text_or_exception.encode("utf-8", "replace")), known)


def explain_stream(stream: BinaryIO, catalogue: Catalogue | None = None) -> Explanation:
    """What the log in a binary stream is. The stream is read once, and little of it is held in memory."""
    known = catalogue or shipped_catalogue()
    head = stream.read(CAP)
    text = head.decode("utf-8", "replace")
    known = known if of_models(text) else known.of_models
    if len(head) < CAP:
        return _of_console(text, head, known)
    return _of_log(read_stream(cast(BinaryIO, _Rejoined(head, stream)), known.needles), known)


def _of_console(text: str, head: bytes, catalogue: Catalogue) -> Explanation:
    """What a text is of which all was read: with its lines whole, where a console broke them; where that is not sure,
    only if the text as it stands has no name, or that of a place alone."""
    if (plain := without_panels(text)) != text:
        text, head = plain, plain.encode()

    def as_it_stands() -> Explanation:
        return _of_text(text, read_stream(io.BytesIO(head), catalogue.needles), catalogue)

    found = None if broken_at_its_width(text) else as_it_stands()
    if found and found.signature and not found.signature.within:
        return found
    if (whole := unbroken(text)) is None:
        return found or as_it_stands()
    again = _of_text(whole.text, read_text(whole.text, catalogue.needles), catalogue)
    if found and (again.signature is None or again.signature.broad):
        return found
    others = tuple(replace(each, line=whole.place(each.line) or each.line) for each in again.others)
    return replace(again, line=whole.place(again.line), others=others)


def _of_text(text: str, log: Log, catalogue: Catalogue) -> Explanation:
    """What a text of which all was read is: as a log, or where that tells too little, as a person wrote it."""
    found = _of_log(log, catalogue)
    if found.signature and found.signature.weak:
        return _by_heading(text, found, catalogue)
    if not _told_as_printed(found, catalogue):
        return _closer_by_frames(_of_prose(text, found, catalogue, log.unfinished), log.unfinished, catalogue)
    found = _closer_by_frames(_closer_in_text(text, found, catalogue), log.unfinished, catalogue)
    found = _completed(text, found, catalogue)
    if log.unfinished and found.signature and found.signature.fallback:
        return _by_fuller_heading(text, found, catalogue)
    return _by_same_heading(text, found, catalogue)


class _Rejoined(io.RawIOBase):
    """A stream whose beginning was read already."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int = -1) -> bytes:
        if self._head:
            head, self._head = self._head, b""
            return head
        return self._rest.read(size)


def _told_as_printed(found: Explanation, catalogue: Catalogue) -> bool:
    """Whether the log told of a failure as programs print it: known, or at least with its traceback. What a launcher
    reports of a process (a wrapper by its class alone), and what a person interrupted, is none."""
    raised = found.diagnosis.exception if found.diagnosis else None
    if found.signature or raised is None or not raised.frames:
        return bool(found.signature)
    return raised.type != "KeyboardInterrupt" and not any(
        covers(each, raised) for each in catalogue.wrappers if not each.message
    )


def _closer_in_text(text: str, found: Explanation, catalogue: Catalogue) -> Explanation:
    """The same, or what says more closely of an exception without frames, known only by its words, that stands above a
    cut traceback: the text around it tells what it is about."""
    raised = found.diagnosis.exception if found.diagnosis else None
    if raised is None or raised.frames or found.signature is None or not found.signature.fallback:
        return found
    return _renamed(
        found,
        diagnose_chain((raised,), catalogue.closest, whole=False, versions=found.versions, text=text),
        catalogue,
    )


def _closer_by_frames(found: Explanation, unfinished: Raised | None, catalogue: Catalogue) -> Explanation:
    """The same, or what says more closely of an exception without frames that it was raised where a traceback stops
    whose own exception is cut off."""
    raised = found.diagnosis.exception if found.diagnosis else None
    if unfinished is None or raised is None or raised.frames or not raised.type or found.signature is None:
        return found
    if unfinished.type not in ("", raised.type):
        return found
    whole = replace(raised, frames=unfinished.frames)
    closer = _renamed(found, diagnose_chain((whole,), catalogue.sure, whole=False, versions=found.versions), catalogue)
    return closer if closer.signature and found.signature.id in closer.signature.beside else found


def _completed(text: str, found: Explanation, catalogue: Catalogue) -> Explanation:
    """The same, where the end of the text cut off what its heading, another process, or the code that raised tells in
    full."""
    known = found.signature
    unnamed = known is None or known.broad
    raised = found.diagnosis.exception if found.diagnosis and unnamed else None
    if raised is None or (whole := completed(text, raised)) is None:
        return found
    return _renamed(found, diagnose_chain((whole,), catalogue, whole=False, versions=found.versions), catalogue)


def _renamed(found: Explanation, diagnosis: Diagnosis, catalogue: Catalogue) -> Explanation:
    """The same by another diagnosis, where that has a name."""
    signature = catalogue.get(diagnosis.signature)
    return replace(found, diagnosis=diagnosis, signature=signature) if signature else found


def _of_prose(text: str, nothing: Explanation, catalogue: Catalogue, unfinished: Raised | None = None) -> Explanation:
    if (found := diagnose_prose(text, catalogue, nothing.versions, unfinished)) is None:
        return nothing
    line, diagnosis = found
    signature = catalogue.get(diagnosis.signature)
    return Explanation(diagnosis, signature, _stage(signature, ()), nothing.versions, line)


def _by_heading(text: str, found: Explanation, catalogue: Catalogue) -> Explanation:
    """What a text's first line tells, where that is a failure: it says more than what a good run's log may hold; and
    where it names an exception that is not known, that log's line is not what failed."""
    heading = _first_line(text)
    told = _of_prose(heading, found, catalogue)
    if told.signature and not told.signature.weak:
        return told
    known, same = found.signature, told.signature
    if told is not found and known and same and (same is known or same.id in known.beside):
        return found
    weak = found.signature is not None and found.signature.weak
    return Explanation(None, versions=found.versions) if weak and names_exception(heading) else found


def _first_line(text: str) -> str:
    """The first line that holds text, with the empty ones before it, so that it keeps its number."""
    return text[: len(text) - len(text.lstrip())] + text.lstrip().partition("\n")[0]


def _by_same_heading(text: str, found: Explanation, catalogue: Catalogue) -> Explanation:
    """What a text's first line tells of an exception that is printed below without a name: the same class in words that
    are known, where those below were cut off or another process's mark stands before them."""
    if found.signature or not names_exception(_first_line(text)):
        return found
    told = _by_heading(text, found, catalogue)
    raised, heading = (each.diagnosis and each.diagnosis.exception for each in (found, told))
    return told if raised and heading and heading.type == raised.type else found


def _by_fuller_heading(text: str, found: Explanation, catalogue: Catalogue) -> Explanation:
    """What a text's first line tells of the exception that the end of the text cut off, where those that are printed
    before it are known by a last resort alone."""
    told = _of_prose(_first_line(text), found, catalogue)
    known, raised = told.signature, told.diagnosis.exception if told.diagnosis else None
    wide = known is None or known.weak or known.broad
    return found if wide or raised is None or not raised.type else told


def explain_observation(observation: Observation, catalogue: Catalogue | None = None) -> Explanation | None:
    """What went wrong in an observation, by today's catalogue; None for a pass."""
    if observation.outcome is Outcome.PASS:
        return None
    known = catalogue or shipped_catalogue()
    diagnosis = diagnose(observation, known)
    signature = known.get(diagnosis.signature)
    return Explanation(diagnosis, signature, observation.stage, dict(observation.imported), end=sudden_end(observation))


def _of_log(log: Log, catalogue: Catalogue) -> Explanation:
    finding, diagnosis = diagnose_log(log, catalogue)
    if finding is None or diagnosis is None:
        return Explanation(None, versions=log.versions)
    signature = catalogue.get(diagnosis.signature)
    frames = [frame for raised in finding.chain for frame in raised.frames]
    refused = finding.chain[-1].type == RESOLVER
    stage = Stage.RESOLVE if refused else _stage(signature, frames)
    raised = diagnosis.exception
    wrapped = wrapping(raised, catalogue) if raised and signature is None else None
    report = wrapped[0] if wrapped else None
    return Explanation(
        diagnosis,
        signature,
        stage,
        log.versions,
        finding.line_of(raised),
        _others(log, catalogue, finding, diagnosis),
        sudden_end_of(raised) if raised else None,
        report,
    )


def _others(log: Log, catalogue: Catalogue, decided: Finding, decisive: Diagnosis) -> tuple[Other, ...]:
    others: dict[str, Other] = {}
    for finding in log.findings:
        diagnosis = diagnose_finding(finding, catalogue, log.versions)
        if finding is decided or diagnosis is None or diagnosis.exception is None:
            continue
        if diagnosis.fingerprint == decisive.fingerprint or len(others) >= OTHERS_CAP:
            continue
        if finding.line == decided.line and diagnosis.signature == decisive.signature:
            continue  # the same words, read as an exception and as a plain line
        raised = diagnosis.exception
        first = next((line for line in raised.message.splitlines() if line.strip()), "")
        told = (f"{raised.type}: {first}" if raised.type else first)[:160]
        others.setdefault(diagnosis.fingerprint, Other(finding.line, told, diagnosis.signature))
    return tuple(others.values())


def _of_exception(error: BaseException, catalogue: Catalogue) -> Explanation:
    chain = _chain(error)
    versions = _imported()
    diagnosis = diagnose_chain(chain, catalogue, whole=True, versions=versions)
    signature = catalogue.get(diagnosis.signature)
    frames = [frame for raised in chain for frame in raised.frames]
    return Explanation(diagnosis, signature, _stage(signature, frames), versions)


def _chain(error: BaseException) -> tuple[Raised, ...]:
    """The exception with what it was raised from, the root first."""
    chain: list[Raised] = []
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen and len(chain) < 20:
        seen.add(id(following))
        stack = traceback.extract_tb(following.__traceback__)
        frames = tuple(Frame(short_file(frame.filename), frame.lineno or 0, frame.name) for frame in stack)
        code = ((stack[-1].line or "") if stack else "").strip()
        kind = type(following)
        chain.append(Raised(kind.__name__, kind.__module__, _text(following), frames, code))
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)
    return tuple(reversed(chain))


def _text(error: BaseException) -> str:
    try:
        return str(error).encode("utf-8", "replace").decode()
    except Exception as broken:
        return f"<the exception's own text raised {type(broken).__name__}>"


def _imported() -> dict[str, str]:
    """The versions of the stack's packages that this process has imported."""
    found = {}
    for name in STACK:
        if name.replace("-", "_") in sys.modules:
            try:
                found[name] = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                continue
    return found


def _stage(signature: Signature | None, frames: Sequence[Frame]) -> Stage | None:
    if signature is not None and len(signature.stages) == 1:
        return signature.stages[0]
    for file, function, stage in _STAGES:
        if any(frame.file.endswith(file) and function in ("", frame.function) for frame in frames):
            return stage
    if frames and all(frame.function == "<module>" or frame.file.startswith("importlib/") for frame in frames[-3:]):
        return Stage.IMPORT
    return None
