"""What was seen of a cell, and what it was recognised as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from .cells import Cell, Lock, Resolution
from .words import Digest, EndingKind, Mode, Outcome, Stage, Status


@dataclass(frozen=True, slots=True)
class Frame:
    """A line of a traceback. `file` is relative to site-packages or to the standard library where it lies there."""

    file: str
    line: int
    function: str


@dataclass(frozen=True, slots=True)
class Raised:
    """One exception of a chain."""

    type: str
    """The class's name, without its module."""
    module: str
    message: str
    frames: tuple[Frame, ...] = ()
    """Outermost first."""
    code: str = ""
    """The line of code that raised, where a traceback shows it."""


@dataclass(frozen=True, slots=True)
class StageRecord:
    stage: Stage
    status: Status
    seconds: float
    peak_rss_mib: float | None = None
    """Highest resident memory of the probe's process within the stage; None where the process died in it."""
    chain: tuple[Raised, ...] = ()
    """What was raised, the root cause first and the exception that came out last."""


@dataclass(frozen=True, slots=True)
class ModeRecord:
    mode: Mode
    status: Status
    seconds: float
    chain: tuple[Raised, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold for a result to be right."""

    name: str
    passed: bool
    measured: float | None = None
    limit: float | None = None
    detail: str = ""
    mode: Mode | None = None
    """The mode the check is about; None where it is about the cycle as a whole."""


@dataclass(frozen=True, slots=True)
class Ending:
    kind: EndingKind
    code: int | None = None
    """The exit code, where the process exited."""
    signal: str | None = None
    """The signal's name, `SIGSEGV`, where one ended it."""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where an observation was made."""

    platform: str
    """`linux-x86_64`: part of the key of an observation."""
    system: str
    cpu: str
    cores: int
    memory_mib: int
    libc: str = ""


@dataclass(frozen=True, slots=True)
class MemoryPoint:
    """A look at a probe's memory."""

    seconds: float
    """Since its process was started."""
    mib: float
    """Resident, with its children."""
    stage: Stage | None = None
    """What was under way."""


@dataclass(frozen=True, slots=True)
class Retold:
    """Where an observation is known from a report alone: what the report says of it, beside what was seen.

    What a report holds of an observation, and what it does not, is said in report/retold.py.
    """

    attempts: int
    """How often the lock had been run by then, this run among them."""
    agreeing: int
    """In how many of those it went as the observation says."""
    complete: bool = True
    """Whether the report holds all that a diagnosis and another report read: it is then recognised like any other.

    Older reports lack the frames of the traceback, and what came before the exception that decided.
    """
    signature: str | None = None
    """Of one that is not complete: what it was recognised as while all of it was there."""
    fingerprint: Digest | None = None
    """The same."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen when a probe ran: facts only, no diagnosis."""

    started: datetime
    machine: Machine
    probe_version: int
    stages: tuple[StageRecord, ...]
    modes: tuple[ModeRecord, ...]
    checks: tuple[Check, ...]
    ending: Ending
    imported: Mapping[str, str]
    """Distribution name to the version that the probe's process really imported."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Numbers along the way: losses, parameters, batch size used."""
    seconds: float = 0.0
    """Wall clock of the whole process, interpreter start included."""
    peak_rss_mib: float = 0.0
    """Highest resident memory of the process tree, as sampled from outside or told by the probe."""
    output_tail: str = ""
    """The end of what the process wrote, standard error last."""
    memory_curve: tuple[MemoryPoint, ...] = ()
    """Its memory over its whole life; empty where it was too short, or is older than this."""
    retold: Retold | None = None
    """None where it was made here, or in a store that was joined."""

    @property
    def outcome(self) -> Outcome:
        if self.ending.kind is not EndingKind.COMPLETED or self.stopped is not None:
            return Outcome.FAIL
        if any(not check.passed for check in self.checks if check.mode != Mode.UNCACHED):
            return Outcome.WRONG
        return Outcome.PASS

    @property
    def stopped(self) -> StageRecord | None:
        """The first stage that did not go well."""
        return next((record for record in self.stages if record.status is not Status.OK), None)

    @property
    def stage(self) -> Stage | None:
        """Where it went wrong; None for a pass."""
        if self.stopped is not None:
            return self.stopped.stage
        if self.outcome is Outcome.FAIL:
            return self.stages[-1].stage if self.stages else Stage.IMPORT
        return Stage.VERIFY if self.outcome is Outcome.WRONG else None

    @property
    def chain(self) -> tuple[Raised, ...]:
        """What the stage that stopped the cycle raised, root first."""
        return self.stopped.chain if self.stopped else ()

    def mode(self, mode: Mode) -> str | None:
        """`pass`, `fail` or `wrong` for one way to generate; None where the cycle did not get there."""
        record = next((each for each in self.modes if each.mode == mode), None)
        if record is None:
            return None
        if record.status is not Status.OK:
            return str(Outcome.FAIL)
        checks = [check for check in self.checks if check.mode == mode]
        if not checks:
            return None
        return str(Outcome.PASS if all(check.passed for check in checks) else Outcome.WRONG)

    @property
    def workaround(self) -> Mode | None:
        """The mode that gives the right result where the default path does not."""
        broken = self.mode(Mode.CACHED) in (Outcome.FAIL, Outcome.WRONG)
        return Mode.UNCACHED if broken and self.mode(Mode.UNCACHED) == Outcome.PASS else None

    @property
    def caveat(self) -> Mode | None:
        """The mode that does not work in a cell that passes."""
        broken = self.mode(Mode.UNCACHED) in (Outcome.FAIL, Outcome.WRONG)
        return Mode.UNCACHED if broken and self.outcome is Outcome.PASS else None


@dataclass(frozen=True, slots=True)
class CellResult:
    """All that is known of a cell, measured. Inferred cells are another type."""

    cell: Cell
    resolution: Resolution | None = None
    observation: Observation | None = None
    trouble: str = ""
    """The machine's or compatcheck's own fault, where that is why there is no observation."""
    attempts: int = 1
    """How often the cell's lock was run."""
    agreeing: int = 1
    """In how many of those it went as the observation says; fewer than the attempts: it flakes."""

    @property
    def outcome(self) -> Outcome:
        if self.observation is not None:
            return self.observation.outcome
        if self.resolution is not None and self.resolution.lock is None:
            return Outcome.UNRESOLVABLE
        return Outcome.ERROR if self.trouble else Outcome.UNTESTED

    @property
    def known(self) -> bool:
        """Whether there is anything to tell of it: a lock, a run, or an attempt at one."""
        return self.resolution is not None or self.observation is not None or bool(self.trouble)

    @property
    def stage(self) -> Stage | None:
        if self.observation is not None:
            return self.observation.stage
        return Stage.RESOLVE if self.outcome is Outcome.UNRESOLVABLE else None

    @property
    def lock(self) -> Lock | None:
        return self.resolution.lock if self.resolution else None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What an observation, or a text, was recognised as."""

    signature: str | None
    """The identifier of a signature of the catalogue; None where nothing fits."""
    fingerprint: Digest
    """Groups unknown failures: versions, paths, numbers and addresses normalised away."""
    exception: Raised | None = None
    """The exception that decided: the root where the one that came out only wraps it."""
    captures: Mapping[str, str] = field(default_factory=dict)
    confidence: float = 0.0
    """From 0 to 1: how much of what the signature asks for was there to see. 0 where nothing fits."""
    runner_up: str | None = None
    """The signature that would have been named without the first one."""

    @property
    def doubted(self) -> Diagnosis:
        """The same, a tenth less sure: where the place was read apart from the exception."""
        return replace(self, confidence=round(self.confidence - 0.1, 2))
