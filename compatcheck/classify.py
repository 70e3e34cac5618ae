"""An observation, a log, or the resolver's refusal, into a diagnosis. Pure: the same input gives the same answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion

from .catalogues import Catalogue
from .domain import CellResult, Diagnosis, Digest, Mode, Observation, Outcome, Raised, Retold, Stage, digest_of
from .logtext import RESOLVER, Finding, Log
from .signature_fit import MESSAGE_CAP, fitted, possible, stands, wrapping
from .signatures import Signature

Fit = tuple[Signature, dict[str, str], float]
NEAR = 2
"""Lines between an exception and what its process is aborted with."""


def diagnose(observation: Observation, catalogue: Catalogue) -> Diagnosis:
    """What went wrong in an observation that is not a pass.

    A place alone gives no name here: two cells that stop in the same package need not have the same failure.
    """
    found = _recognised(observation, catalogue)
    return found if observation.retold is None else _as_reported(found, observation.retold, catalogue)


def _recognised(observation: Observation, catalogue: Catalogue) -> Diagnosis:
    if observation.chain:
        return diagnose_chain(
            observation.chain, catalogue.sure, whole=True, stage=observation.stage, versions=observation.imported
        )
    if observation.outcome is Outcome.WRONG:
        return _wrong(observation, catalogue)
    return _died(observation, catalogue)


def _as_reported(found: Diagnosis, told: Retold, catalogue: Catalogue) -> Diagnosis:
    """What a failure was recognised as while all of it was there, as long as the catalogue has that name: what an older
    report has left of it may fit a wider one, or none.
    """
    if told.fingerprint is None:
        return found
    if told.signature in (None, found.signature) or catalogue.get(told.signature) is None:
        return replace(found, fingerprint=told.fingerprint)
    return Diagnosis(told.signature, told.fingerprint, found.exception)


def diagnosis_of(result: CellResult, catalogue: Catalogue) -> Diagnosis | None:
    """What a result is recognised as; None where there is nothing to recognise."""
    if result.outcome is Outcome.UNRESOLVABLE and result.resolution is not None:
        return diagnose_resolution(result.resolution.reason, catalogue)
    if result.outcome in (Outcome.FAIL, Outcome.WRONG) and result.observation is not None:
        return diagnose(result.observation, catalogue)
    return None


def naming(catalogue: Catalogue) -> Callable[[Observation], str]:
    """What an audit knows a failure by: its signature, or what groups it where there is none."""

    def named(observation: Observation) -> str:
        diagnosis = diagnose(observation, catalogue)
        return diagnosis.signature or f"unknown {diagnosis.fingerprint}"

    return named


def diagnose_resolution(reason: str, catalogue: Catalogue) -> Diagnosis:
    """What a resolver's refusal is."""
    return diagnose_chain((Raised(RESOLVER, "resolver", reason),), catalogue, whole=True, stage=Stage.RESOLVE)


def diagnose_chain(
    chain: Sequence[Raised],
    catalogue: Catalogue,
    *,
    whole: bool,
    stage: Stage | None = None,
    versions: Mapping[str, str] | None = None,
    text: str = "",
) -> Diagnosis:
    """What a chain of exceptions is, the root first: the root where it is known, else what it turned into.

    `whole` says that nothing of the first traceback is cut off. `stage` None: not known, so not asked for. `text`: what
    a short text says around it, for signatures that want to know what it is about.
    """
    around = (*chain, Raised("", "", text)) if text else chain
    uncovered = _uncovered(chain, catalogue)
    fits: list[tuple[Raised, Fit]] = []
    asked = [(raised, possible(raised, catalogue)) for raised in uncovered]
    for tier in range(len(catalogue.tiers)):
        fits = fits or [
            (raised, fit)
            for raised, tiers in asked
            for fit in _all_fits(raised, tiers[tier], whole=whole, stage=stage, versions=versions or {}, around=around)
        ]
    if fits:
        raised, (signature, captures, confidence) = _closest(fits)
        others = [other.id for _, (other, _, _) in fits if other.id != signature.id]
        return Diagnosis(
            signature.id, _fingerprint_of(raised), raised, captures, confidence, others[0] if others else None
        )
    decisive = uncovered[-1] if uncovered else chain[0]
    return Diagnosis(None, _fingerprint_of(decisive), decisive)


def _closest(fits: Sequence[tuple[Raised, Fit]]) -> tuple[Raised, Fit]:
    """The first one, but for what a later link is that says of itself that it is the same more closely.

    Where a wrapper asks its parts for a name in turn, the first link says only that the wrapper has no such name.
    """
    first = fits[0][1][0].id
    return next((each for each in fits[1:] if each[0] is not fits[0][0] and first in each[1][0].beside), fits[0])


def diagnose_line(told: Raised, catalogue: Catalogue) -> Diagnosis | None:
    """What a line about a process's end is; None where it is nothing. With frames where the process wrote them."""
    fits = [
        (signature, found)
        for signature, line in catalogue.lines
        if line.has in told.message and (found := line.pattern.search(told.message[:MESSAGE_CAP]))
        if stands(signature, told.frames, whole=bool(told.frames))
    ]
    if not fits:
        return None
    signature, found = fits[0]
    others = [other.id for other, _ in fits[1:] if other.id != signature.id]
    captures = {name: value for name, value in found.groupdict().items() if value is not None}
    return Diagnosis(signature.id, _fingerprint_of(told), told, captures, 0.7, others[0] if others else None)


def diagnose_log(log: Log, catalogue: Catalogue) -> tuple[Finding | None, Diagnosis | None]:
    """What ended the run that a log tells of, and where that stands: the last traceback, refusal or death in it.

    What Python or a launcher only passes on, and what may stand in the log of a good run, counts only where nothing
    else does. (None, None) where the log tells of no failure.
    """
    loose: list[tuple[Finding, Diagnosis]] = []
    weak: list[tuple[Finding, Diagnosis]] = []
    for finding in reversed(log.findings):
        diagnosis = diagnose_finding(finding, catalogue, log.versions)
        if diagnosis is None or finding.ignored or (log.foreign and (finding.is_line or finding.is_thrown)):
            continue
        signature = catalogue.get(diagnosis.signature)
        if signature and signature.signal and _on_the_way_out(finding, log):
            continue
        if signature.weak if signature else not _uncovered(finding.chain, catalogue):
            weak.append((finding, diagnosis))
        elif finding.is_line:
            return _as_thrown(finding, diagnosis, log, catalogue) or _with_stack(finding, diagnosis, log, catalogue)
        elif finding.is_traceback and diagnosis.signature is None and _only_follows(finding, log):
            continue
        elif finding.is_traceback and (diagnosis.signature or not any(each.signature for _, each in loose)):
            return finding, diagnosis
        elif finding.is_traceback:
            break  # what is told below it is known
        else:
            loose.append((finding, diagnosis))
    known = [each for each in loose if each[1].signature]
    known += _closest_first([each for each in weak if each[1].signature], catalogue)
    return next(iter([*known, *loose, *weak]), (None, None))


def _only_follows(finding: Finding, log: Log) -> bool:
    """Whether an earlier traceback tells why: the exception that was being handled, or in a notebook (and at a prompt),
    which goes on after a failure, that of the cell which would have made the name."""
    if not (finding.follows or finding.is_name_of_cell):
        return False
    return any(each.is_traceback and not each.ignored and each.line < finding.line for each in log.findings)


def _on_the_way_out(finding: Finding, log: Log) -> bool:
    """Whether a shell's word on a signal stands right below an exception that had ended the run: the interpreter then
    crashed while it was shutting down."""
    if not finding.is_line or finding.is_crash:
        return False
    return any(other.is_traceback and other.whole and other.line == finding.line - 1 for other in log.findings)


def _closest_first(weak: list[tuple[Finding, Diagnosis]], catalogue: Catalogue) -> list[tuple[Finding, Diagnosis]]:
    """The last one first, but for one that says the same more closely: a build that failed, and the compiler that was
    missing for it some lines above."""
    wider = weak[0][1].signature if weak else None
    closer = [each for each in weak if (known := catalogue.get(each[1].signature)) and wider in known.beside]
    return [*closer[:1], *weak]


def _as_thrown(
    finding: Finding, diagnosis: Diagnosis, log: Log, catalogue: Catalogue
) -> tuple[Finding, Diagnosis] | None:
    """The exception that C++ threw and nobody caught, or that Python printed in the line above, where that is known:
    what is told of the end, that the process was aborted, only follows from it. With Python's traceback where that
    told the same. None where the end was another one.
    """
    words = (each for each in reversed(log.findings) if each.is_line and each.line <= finding.line)
    said = next((each for each in words if "terminate called" in each.chain[0].message), None)
    ended = diagnose_line(said.chain[0], catalogue) if said else None
    if said is None or ended is None or ended.signature != diagnosis.signature:
        return None
    known = [
        (each, told)
        for each in log.findings
        if not each.is_line and (told := diagnose_finding(each, catalogue, log.versions)) and told.signature
    ]
    thrown = [each for each in known if each[0].is_thrown and each[0].line == said.line + 1]
    above = [each for each in known if 0 < said.line - each[0].line <= NEAR]
    cause = next(iter([*thrown, *above]), None)
    if cause is None:
        return None
    placed = [each for each in known if each[0].is_traceback and each[1].signature == cause[1].signature]
    return placed[-1] if placed else cause


def _with_stack(finding: Finding, diagnosis: Diagnosis, log: Log, catalogue: Catalogue) -> tuple[Finding, Diagnosis]:
    """The same end as faulthandler tells it, with the place, where a shell or a launcher only repeats it."""
    if not finding.is_crash:
        for other in reversed(log.findings):
            if other.is_crash and other.line < finding.line:
                told = diagnose_finding(other, catalogue, log.versions)
                if told is not None and told.signature == diagnosis.signature:
                    return other, told
                break
    return finding, diagnosis


def diagnose_finding(finding: Finding, catalogue: Catalogue, versions: Mapping[str, str]) -> Diagnosis | None:
    """What one finding of a log is; None for a line that is nothing."""
    if finding.is_line:
        told = finding.chain[0]
        unknown = Diagnosis(None, _fingerprint_of(told), told) if finding.is_crash else None
        return diagnose_line(told, catalogue) or unknown
    return diagnose_chain(finding.chain, catalogue, whole=finding.whole, versions=versions)


def _uncovered(chain: Sequence[Raised], catalogue: Catalogue) -> list[Raised]:
    """The chain without what only wraps; where nothing else is left, the text that a wrapper quotes."""
    bare, quoted = [], []
    for raised in chain:
        wrapped = wrapping(raised, catalogue)
        if wrapped is None:
            bare.append(raised)
        elif inner := _innermost(wrapped[1].get("inner", ""), catalogue.wrappers):
            quoted.append(Raised("", "", inner, raised.frames))
    return bare or quoted[:1]


def _innermost(text: str, wrappers: Sequence[Signature]) -> str:
    """What is left of a text that wrappers quote within one another."""
    quoting = [each.message_pattern for each in wrappers if "inner" in each.message_pattern.groupindex]
    while found := next((found for pattern in quoting if (found := pattern.search(text))), None):
        text = found["inner"] or ""
    return text.strip()


def _all_fits(
    raised: Raised,
    signatures: Sequence[Signature],
    *,
    whole: bool,
    stage: Stage | None,
    versions: Mapping[str, str],
    around: Sequence[Raised],
) -> list[Fit]:
    fits = []
    for signature in signatures:
        if stage and signature.stages and stage not in signature.stages:
            continue
        captures = fitted(signature, raised, whole=whole, around=around)
        if captures is not None:
            fits.append((signature, captures, _confidence(signature, raised, whole, versions)))
    return fits


def _confidence(signature: Signature, raised: Raised, whole: bool, versions: Mapping[str, str]) -> float:
    """How much was there to see: the text 0.6; the class 0.15; the place, or at least all of the traceback, 0.15 or
    0.1; versions within those that are known to be affected 0.09, and 0.1 less where they lie outside all of them. The
    place alone, whatever the text, begins at 0.4."""
    confidence = 0.4 if signature.within else 0.6
    if raised.type and signature.exception:
        confidence += 0.15
    if signature.frames or signature.frames_any or signature.code:
        confidence += 0.15
    elif whole:
        confidence += 0.1
    within = [agrees for each in signature.affected if (agrees := _within(each.versions, versions)) is not None]
    if within:
        confidence += 0.09 if any(within) else -0.1
    return round(min(confidence, 0.99), 2)


def _within(affected: Mapping[str, str], versions: Mapping[str, str]) -> bool | None:
    """Whether the versions lie within; None where one of them is not known."""
    try:
        if not affected or any(package not in versions for package in affected):
            return None
        return all(
            SpecifierSet(spec).contains(versions[package], prereleases=True) for package, spec in affected.items()
        )
    except InvalidVersion:
        return None


def _wrong(observation: Observation, catalogue: Catalogue) -> Diagnosis:
    failed = tuple(sorted(check.name for check in observation.checks if not check.passed and _counts(check.mode)))
    print_of_it = fingerprint("wrong", " ".join(failed))
    fits = [
        signature
        for signature in catalogue
        if signature.checks
        and tuple(sorted(signature.checks)) == failed
        and all(observation.facts.get(name) == value for name, value in signature.facts.items())
        and (not signature.imported or _within(signature.imported, observation.imported))
    ]
    if not fits:
        return Diagnosis(None, print_of_it)
    confidence = 0.75 + (0.1 if fits[0].facts else 0) + (0.1 if fits[0].imported else 0)
    return Diagnosis(
        fits[0].id, print_of_it, confidence=round(confidence, 2), runner_up=fits[1].id if len(fits) > 1 else None
    )


def _counts(mode: Mode | None) -> bool:
    return mode is not Mode.UNCACHED


def _died(observation: Observation, catalogue: Catalogue) -> Diagnosis:
    ending = observation.ending
    print_of_it = fingerprint(ending.kind, f"{ending.signal or ending.code} in {observation.stage}")
    fits = []
    for signature in catalogue:
        if signature.ending is not ending.kind or signature.signal not in ("", ending.signal):
            continue
        if signature.stages and observation.stage not in signature.stages:
            continue
        if found := signature.output_pattern.search(observation.output_tail):
            fits.append((signature, {name: value for name, value in found.groupdict().items() if value is not None}))
    if not fits:
        return Diagnosis(None, print_of_it)
    signature, captures = fits[0]
    confidence = 0.8 + (0.1 if signature.output else 0)
    runner_up = fits[1][0].id if len(fits) > 1 else None
    return replace(
        Diagnosis(signature.id, print_of_it), captures=captures, confidence=round(confidence, 2), runner_up=runner_up
    )


def _fingerprint_of(raised: Raised) -> Digest:
    """By the class, the message's first line and the place that raised; a file of the user's by its bare name."""
    first = next((line for line in raised.message.splitlines() if line.strip()), "")
    if not raised.frames:
        return fingerprint(raised.type, first)
    place = raised.frames[-1]
    file = place.file.rsplit("/", 1)[-1] if place.file.startswith(("/", "~", ".")) or ":" in place.file else place.file
    return fingerprint(raised.type, first, f"{file} {place.function}")


def fingerprint(*parts: str) -> Digest:
    """The same for failures that differ only in versions, paths, numbers, addresses and identifiers."""
    text = "\n".join(parts)[:4000]
    text = re.sub(r"0x[0-9a-fA-F]+", "<address>", text)
    text = re.sub(r"(?:[A-Za-z]:)?(?:[\\/][^\s'\"():,]+){2,}", "<path>", text)
    text = re.sub(r"\b(?=[0-9a-f]*\d)[0-9a-f]{8,64}(?:-[0-9a-f]{4,12}){0,4}\b", "<number>", text)
    text = re.sub(r"\d+(?:\.\d+)*", "<number>", text)
    return digest_of(" ".join(text.split()))
