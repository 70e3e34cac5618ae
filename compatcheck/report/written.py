"""The fields of a compatibility.json that a report is retold from, as they are written.

They are read by `compatcheck.parse.structured`; a field that is not named here is passed over. What they come to is
said in retold.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from ..domain import Basis, Check, Ending, Machine, Outcome, Policy, Stage, StageRecord
from ..explore import Role


@dataclass(frozen=True)
class Head:
    """What stands beside the cells."""

    schema: int
    generated: datetime
    matrix: str
    policy: Policy
    extras: tuple[str, ...]
    platform: tuple[Machine, ...]
    scenario: Mapping[str, Any]
    released: Mapping[str, date]
    releases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    requires: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    requires_python: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """Which cell it is."""

    id: str
    python: str
    versions: Mapping[str, str]


@dataclass(frozen=True)
class Excluded(Place):
    reason: str


@dataclass(frozen=True)
class Deciding:
    """The exception that decided."""

    type: str
    message: str


@dataclass(frozen=True)
class Told:
    """A cell that was run, or of which the resolver has told something."""

    outcome: Outcome
    basis: Basis
    stage: Stage | None
    modes: Mapping[str, str | None]
    exception: Deciding | None
    signature: str | None
    fingerprint: str | None
    reason: str | None
    attempts: int
    agreeing: int
    checks: tuple[Check, ...]
    stages: tuple[StageRecord, ...]
    ending: Ending | None
    imported: Mapping[str, str]
    started: datetime | None
    seconds: float | None
    peak_rss_mib: float | None
    lock: str | None
    resolved: datetime | None
    machine: int = 0
    facts: Mapping[str, Any] | None = None
    traceback: str | None = None
    output: str | None = None


@dataclass(frozen=True)
class Raised:
    """One exception of a chain, its frames as (file, line, function)."""

    type: str
    module: str
    message: str
    frames: tuple[tuple[str, int, str], ...]
    code: str = ""


@dataclass(frozen=True)
class Traceback:
    digest: str
    chain: tuple[Raised, ...]


@dataclass(frozen=True)
class Audited:
    """A cell of the audit, as reports tell of it that have no `choices`."""

    id: str
    inferred: Outcome
    inferred_signature: str | None


@dataclass(frozen=True)
class Audit:
    cells: tuple[Audited, ...]


@dataclass(frozen=True)
class Choice:
    """Why a cell was run."""

    id: str
    role: Role
    outcome: Outcome | None
    signature: str | None
    share: float
    known: int


@dataclass(frozen=True)
class Exploration:
    audit: Audit
    choices: tuple[Choice, ...] | None = None
