"""An explanation: what a text or an exception was recognised as, as plain data and in plain words."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .domain import Diagnosis, Stage, inert, printable
from .measured_failure import MeasuredFailure, measured_failure
from .measured_word import MeasuredWord, measured_word
from .signatures import Affected, Basis, Roles, Signature, address
from .source_packages import project_of
from .source_word import SourceWord, source_word
from .sudden_end import SuddenEnd

WIDTH = 112
"""Characters of a line."""

GAP = re.compile(r"\{([a-z_]+)\}")
"""What is to be filled in."""
_PLAIN = re.compile(r"[\w.+=,/-]{1,120}", re.ASCII)
"""What may be put into a command that is going to be copied into a shell."""
_RANGE = re.compile(r"[\w.<>=!~,-]{1,120}", re.ASCII)
"""The same where it stands between quotation marks."""

_UPGRADE = "pip install -U "
_BELOW = re.compile(r"<|(?<!=)==")
"""In a pin: releases above it do not count."""


@dataclass(frozen=True)
class Other:
    """Another failure in the same log, which did not end the run."""

    line: int
    exception: str
    signature: str | None


@dataclass(frozen=True)
class Explanation:
    """What a text or an exception was recognised as."""

    diagnosis: Diagnosis | None
    """None where nothing in it tells of a failure."""
    signature: Signature | None = None
    stage: Stage | None = None
    versions: dict[str, str] = field(default_factory=dict)
    """Package to version, as the text names them, or as they are imported where an exception was given."""
    line: int | None = None
    """Where in the text the deciding line stands."""
    others: tuple[Other, ...] = ()
    end: SuddenEnd | None = None
    """How the process ended, where it ended without an exception, and what to do about it."""
    report: Signature | None = None
    """What only reports another failure (a launcher, a lazy import), where that failure is nowhere in the text."""

    @cached_property
    def measured(self) -> MeasuredWord | None:
        """What the measured table says of these versions; None where too few of them are named."""
        return measured_word(self.versions)

    @cached_property
    def failing(self) -> MeasuredFailure | None:
        """What the measured table says of this failure; None where it knows nothing of it, or where the packages'
        sources tell the releases."""
        signature = self.signature
        if signature is None or all(each.basis is not Basis.MEASURED for each in signature.affected):
            return None
        return None if self.sources and self.sources.pins else measured_failure(signature.id, self.versions)

    @property
    def trigger(self) -> str:
        """The package that brought the failure, with the release as closely as the signature or the sources know it."""
        known = self.signature.roles.trigger if self.signature else ""
        taken_away = self.sources.taken_away if self.sources else ""
        return taken_away if known and taken_away.startswith(f"{known.replace('_', '-')} after ") else known

    @property
    def pins(self) -> tuple[str, ...]:
        """What to pin: the signature's own, or the releases that nearly every measured combination passes with."""
        if self.signature is None or self.signature.pins:
            return self.signature.pins if self.signature else ()
        return tuple(mend.specifier for mend in (self.failing.mends[:1] if self.failing else ()) if mend.sure)

    @cached_property
    def sources(self) -> SourceWord | None:
        """What the packages' own sources say of it; None where they say nothing."""
        return source_word(self.diagnosis.exception, self.versions) if self.diagnosis and self.signature else None

    @property
    def command(self) -> str:
        """What to run, with what the failure's text says in its gaps; what that does not say is left to be filled in:
        `pip install -U peft`, `python {script}`. Empty where the signature has none."""
        signature, diagnosis = self.signature, self.diagnosis
        if signature is None or diagnosis is None:
            return ""
        harmless = _RANGE if '"' in signature.command else _PLAIN
        said = {
            name.rstrip("0123456789"): value for name, value in diagnosis.captures.items() if harmless.fullmatch(value)
        }
        if package := said.get("package"):
            said["package"] = project_of(package)
        filled = GAP.sub(lambda gap: said.get(gap[1], gap[0]), signature.command)
        if filled.startswith(_UPGRADE) and (pins := self._pins_against(filled)):
            return f"pip install {pins}"
        return filled

    def _pins_against(self, upgrade: str) -> str:
        """The pins that the sources name, where they hold what `upgrade` would raise below its newest release:
        what is missed is in older ones alone."""
        pins = self.sources.pins if self.sources else ()
        raised = {project_of(word) for word in upgrade.removeprefix(_UPGRADE).split()}
        held = any(_BELOW.search(pin) and re.split("[<>=!~]", pin)[0] in raised for pin in pins)
        return " ".join(f'"{pin}"' for pin in pins) if held and all(_RANGE.fullmatch(pin) for pin in pins) else ""

    def as_json(self) -> dict[str, Any]:
        """Plain data. The signature is null where the failure is unknown, the exception too where there is none."""
        diagnosis, signature = self.diagnosis, self.signature
        raised = diagnosis.exception if diagnosis else None
        roles = signature.roles if signature else Roles()
        return {
            "signature": signature.id if signature else None,
            "title": signature.title if signature else None,
            "confidence": diagnosis.confidence if diagnosis else 0.0,
            "runner_up": diagnosis.runner_up if diagnosis else None,
            "stage": str(self.stage) if self.stage else None,
            "exception": {"type": raised.type or None, "message": raised.message} if raised else None,
            "captures": dict(diagnosis.captures) if diagnosis else {},
            "cause": signature.cause if signature else None,
            "roles": {
                "trigger": self.trigger or None,
                "owner": roles.owner or None,
                "fixed_in": roles.fixed_in or None,
            },
            "remedy": signature.remedy if signature else None,
            "pins": list(self.pins),
            "command": self.command or None,
            "end": str(self.end.end) if self.end else None,
            "advice": [*(self.end.advice if self.end else ()), *([self.report.remedy] if self.report else ())],
            "transient": signature.transient if signature else False,
            "references": [address(each) for each in signature.references] if signature else [],
            "affected": [_affected_json(each) for each in signature.affected] if signature else [],
            "versions": dict(self.versions),
            "measured": self.measured.as_json() if self.measured else None,
            "failing": self.failing.as_json() if self.failing else None,
            "sources": self.sources.as_json() if self.sources else None,
            "fingerprint": diagnosis.fingerprint if diagnosis else None,
            "line": self.line,
            "others": [
                {"line": each.line, "exception": each.exception, "signature": each.signature} for each in self.others
            ],
        }

    def as_text(self) -> str:
        """In plain words, several lines."""
        if self.diagnosis is None:
            return "Nothing in this text tells of a failure that compatcheck knows how to read.\n"
        lines = self._known(self.signature) if self.signature else self._unknown()
        if self.end:
            lines += [f"evidence   {each}" for each in self.end.evidence]
            lines += [f"advice     {each}" for each in self.end.advice]
        if self.versions:
            lines.append(
                "versions   " + ", ".join(f"{name} {value}" for name, value in list(self.versions.items())[:12])
            )
        if self.measured:
            lines.append("measured   " + self.measured.says)
            if self.measured.nearest and not (self.signature and self.signature.transient):
                lines.append("passed     " + " ".join(self.measured.nearest) + " (the nearest that did)")
        if self.failing:
            if self.measured is None or self.measured.signature is None:
                lines.append("measured   " + self.failing.words())
            lines += [f"passed     {mend.words()}" for mend in self.failing.mends]
        for other in self.others:
            lines.append(f"also       line {other.line}: {other.exception} ({other.signature or 'unknown'})")
        return "\n".join(inert(_wrapped(printable(line))) for line in lines) + "\n"

    def _decided_by(self) -> str:
        raised = self.diagnosis.exception if self.diagnosis else None
        if raised is None:
            return ""
        first = next((line for line in raised.message.splitlines() if line.strip()), "")
        return (f"{raised.type}: {first}" if raised.type else first)[:240]

    def _known(self, signature: Signature) -> list[str]:
        assert self.diagnosis is not None
        at = f" (line {self.line})" if self.line else ""
        roles = signature.roles
        lines = [
            f"{signature.title}",
            f"known as   {signature.id}, confidence {self.diagnosis.confidence:.2f}"
            + (f", at the stage {self.stage}" if self.stage else ""),
        ]
        if decided := self._decided_by():
            lines.append(f"seen       {decided}{at}")
        lines.append(f"cause      {signature.cause}")
        if self.trigger:
            lines.append(f"came with  {self.trigger}")
        if roles.owner:
            lines.append(f"to fix in  {roles.owner}" + (f" (fixed in {roles.fixed_in})" if roles.fixed_in else ""))
        lines.append(f"remedy     {signature.remedy}")
        if self.pins:
            lines.append("pins       " + " ".join(self.pins))
        if self.command:
            lines.append("command    " + self.command)
        if self.sources:
            pins = f" ({' '.join(self.sources.pins)})" if self.sources.pins else ""
            lines.append(f"source     {self.sources.says}{pins}")
        lines += [f"affected   {_affected_text(each)}" for each in signature.affected]
        lines += [f"discussed  {address(each)}" for each in signature.references]
        return lines

    def _unknown(self) -> list[str]:
        assert self.diagnosis is not None
        at = f" (line {self.line})" if self.line else ""
        return [
            "Unknown: no signature of the catalogue fits.",
            f"seen       {self._decided_by()}{at}",
            f"known as   fingerprint {self.diagnosis.fingerprint} (the same for every failure of this kind)",
            *([f"report     {self.report.title}", f"advice     {self.report.remedy}"] if self.report else []),
        ]


def _wrapped(line: str) -> str:
    """Over several lines where it is long; words, addresses and commands are never broken."""
    return "\n".join(
        textwrap.wrap(line, WIDTH, subsequent_indent=" " * 11, break_long_words=False, break_on_hyphens=False)
    )


def _affected_json(affected: Affected) -> dict[str, Any]:
    return {"basis": str(affected.basis), "versions": dict(affected.versions)}


def _affected_text(affected: Affected) -> str:
    return " with ".join(f"{name} {spec}" for name, spec in affected.versions.items()) + f" ({affected.basis})"
