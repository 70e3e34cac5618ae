"""An observation, or the resolver's refusal, into a diagnosis. Pure: the same input gives the same answer."""

from __future__ import annotations

import re

from packaging.specifiers import SpecifierSet

from .domain import Diagnosis, Digest, Mode, Observation, Outcome, Raised, Stage, digest_of
from .signatures import Catalogue, Signature

RESOLVER = "ResolutionImpossible"
"""The exception name under which signatures recognise a resolver's refusal."""


def diagnose(observation: Observation, catalogue: Catalogue) -> Diagnosis:
    """What went wrong in an observation that is not a pass."""
    if observation.chain:
        return _raised(observation, catalogue)
    if observation.outcome is Outcome.WRONG:
        return _wrong(observation, catalogue)
    return _died(observation, catalogue)


def diagnose_resolution(reason: str, catalogue: Catalogue) -> Diagnosis:
    """What a resolver's refusal is."""
    refused = Raised(RESOLVER, "resolver", reason)
    for signature in catalogue:
        if (not signature.stages or Stage.RESOLVE in signature.stages) and (captures := _fits(signature, refused)):
            return Diagnosis(signature.id, fingerprint(RESOLVER, reason), refused, captures[0])
    return Diagnosis(None, fingerprint(RESOLVER, reason), refused)


def _raised(observation: Observation, catalogue: Catalogue) -> Diagnosis:
    """The exception that came out, or the one that it only wraps."""
    decisive = _decisive(observation.chain, catalogue)
    for signature in catalogue:
        if signature.wrapper or (signature.stages and observation.stage not in signature.stages):
            continue
        if captures := _fits(signature, decisive):
            return Diagnosis(signature.id, _fingerprint_of(decisive), decisive, captures[0])
    return Diagnosis(None, _fingerprint_of(decisive), decisive)


def _decisive(chain: tuple[Raised, ...], catalogue: Catalogue) -> Raised:
    """The last exception of the chain that no wrapper signature fits; the root where all are wrappers."""
    wrappers = [signature for signature in catalogue if signature.wrapper]
    for raised in reversed(chain):
        if not any(_fits(signature, raised) for signature in wrappers):
            return raised
    return chain[0]


def _fits(signature: Signature, raised: Raised) -> list[dict[str, str]]:
    """The captures, in a list of one; empty where the signature does not fit."""
    if not (signature.exception or signature.message) or not signature.exception_pattern.fullmatch(raised.type):
        return []
    found = signature.message_pattern.search(raised.message)
    if found is None:
        return []
    for wanted in signature.frames:
        if not any(
            frame.file.endswith(wanted.file) and wanted.function in ("", frame.function) for frame in raised.frames
        ):
            return []
    return [{name: value for name, value in found.groupdict().items() if value is not None}]


def _wrong(observation: Observation, catalogue: Catalogue) -> Diagnosis:
    failed = tuple(sorted(check.name for check in observation.checks if not check.passed and _counts(check.mode)))
    print_of_it = fingerprint("wrong", " ".join(failed))
    for signature in catalogue:
        if not signature.checks or tuple(sorted(signature.checks)) != failed:
            continue
        facts_fit = all(observation.facts.get(name) == value for name, value in signature.facts.items())
        if facts_fit and _imported(observation, signature):
            return Diagnosis(signature.id, print_of_it)
    return Diagnosis(None, print_of_it)


def _imported(observation: Observation, signature: Signature) -> bool:
    return all(
        package in observation.imported
        and SpecifierSet(specifier).contains(observation.imported[package], prereleases=True)
        for package, specifier in signature.imported.items()
    )


def _counts(mode: Mode | None) -> bool:
    return mode is not Mode.UNCACHED


def _died(observation: Observation, catalogue: Catalogue) -> Diagnosis:
    ending = observation.ending
    print_of_it = fingerprint(ending.kind, f"{ending.signal or ending.code} in {observation.stage}")
    for signature in catalogue:
        if signature.ending is not ending.kind or signature.signal not in ("", ending.signal):
            continue
        if signature.stages and observation.stage not in signature.stages:
            continue
        if signature.output_pattern.search(observation.output_tail):
            return Diagnosis(signature.id, print_of_it)
    return Diagnosis(None, print_of_it)


def _fingerprint_of(raised: Raised) -> Digest:
    place = raised.frames[-1] if raised.frames else None
    return fingerprint(raised.type, raised.message, f"{place.file} {place.function}" if place else "")


def fingerprint(*parts: str) -> Digest:
    """The same for failures that differ only in versions, paths, numbers and addresses."""
    text = "\n".join(parts)[:4000]
    text = re.sub(r"0x[0-9a-fA-F]+", "<address>", text)
    text = re.sub(r"(?:[A-Za-z]:)?(?:[\\/][^\s'\"():,]+){2,}", "<path>", text)
    text = re.sub(r"\d+(?:\.\d+)*", "<number>", text)
    return digest_of(" ".join(text.split()))
