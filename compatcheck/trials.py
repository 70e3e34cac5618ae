"""Trials of complete locks: asked of a laboratory, counted, remembered, and repeated where one run is not enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from .domain import Digest, Outcome, canonical, digest_of
from .table import Unit, unit_of

LEAST_MARGIN = 2
"""By how many runs the majority must lead before a trial that decides something counts as settled."""
FIRM_MARGIN = 3
"""The same for the lock that fails: a fault that comes and goes must not pass for a steady one."""


@dataclass(frozen=True)
class Verdict:
    """What one run of a complete lock showed."""

    outcome: Outcome
    signature: str | None = None
    """The key of the failure class; None for a pass."""
    evidence: str = ""
    """The digest under which the run can be found again."""
    note: str = ""
    """What must be known to read it: that the metadata forbid the lock, or why there is nothing to run."""

    @property
    def unit(self) -> Unit | None:
        return unit_of(self.outcome, self.signature)


class Laboratory(Protocol):
    def trial(self, versions: Mapping[str, str], repetition: int = 0) -> Verdict:
        """Run the complete lock `versions` (distribution name to version).

        Repetition 0 may be answered from what is stored; every further number must be a run of its own. A lock that
        cannot be installed is `unresolvable`, the machine's own trouble is `error`: neither says anything.
        """


class Releases(Protocol):
    def versions(self, package: str) -> Sequence[str]:
        """Every final release of `package` that is not yanked."""


class Standing(Enum):
    """What a lock is with regard to the question asked."""

    GOOD = "good"
    BAD = "bad"
    """The same outcome and signature as the failing lock."""
    UNKNOWN = "unknown"
    """Another error, nothing to install, or runs that do not agree."""


class OutOfRuns(Exception):
    """The budget of runs is used up. Attribution turns it into `undetermined`."""


@dataclass(frozen=True)
class Trial:
    """A lock with every run of it, in order."""

    versions: Mapping[str, str]
    verdicts: tuple[Verdict, ...]

    @property
    def digest(self) -> Digest:
        return digest_of(canonical(dict(self.versions)))

    @property
    def units(self) -> Counter[Unit]:
        return Counter(verdict.unit for verdict in self.verdicts if verdict.unit is not None)

    @property
    def lead(self) -> int:
        """By how many runs the most frequent unit leads the next."""
        counts = [count for _, count in self.units.most_common(2)] + [0, 0]
        return counts[0] - counts[1]

    @property
    def unit(self) -> Unit | None:
        """What most runs say; None where none says anything or no unit leads."""
        return self.units.most_common(1)[0][0] if self.lead else None

    @property
    def evidence(self) -> str:
        """The digest of a run that says what the majority says; the lock's own where the laboratory gave none."""
        return next((each.evidence for each in self.verdicts if each.unit == self.unit and each.evidence), self.digest)

    @property
    def note(self) -> str:
        """What the laboratory noted on the last run that noted anything."""
        return next((each.note for each in reversed(self.verdicts) if each.note), "")


@dataclass
class Bench:
    """The trials of one attribution. Every lock is run once, and again only where a repetition is asked for."""

    laboratory: Laboratory
    most_runs: int = 250
    runs: int = 0
    good: Unit | None = None
    """What the passing lock showed, once it is settled."""
    bad: Unit | None = None
    """What the failing lock showed, once it is settled."""
    _known: dict[frozenset[tuple[str, str]], list[Verdict]] = field(default_factory=dict)

    def trial(self, versions: Mapping[str, str]) -> Trial:
        """The lock with at least one run."""
        if not self._runs_of(versions):
            self._run(versions)
        return self._trial(versions)

    def repeated(self, versions: Mapping[str, str], margin: int = LEAST_MARGIN) -> Trial:
        """The lock with runs until one unit leads by `margin`, or until it is plain that none will."""
        most = 2 * margin + 3
        trial = self.trial(versions)
        while trial.lead < margin and len(trial.verdicts) < most:
            if trial.verdicts[-1].outcome is Outcome.UNRESOLVABLE or (not trial.units and len(trial.verdicts) > 1):
                break
            self._run(versions)
            trial = self._trial(versions)
        return trial

    def run_to(self, versions: Mapping[str, str], runs: int) -> Trial:
        """The lock with at least so many runs."""
        while len(self._runs_of(versions)) < runs:
            self._run(versions)
        return self._trial(versions)

    def standing(self, versions: Mapping[str, str]) -> Standing:
        """Good, bad or unknown by the majority of what is known, with one run where nothing is."""
        trial = self.trial(versions)
        if trial.units and not trial.lead:
            trial = self.repeated(versions)
        return self.standing_of(trial)

    def settled(self, versions: Mapping[str, str], margin: int = LEAST_MARGIN) -> Standing:
        """The same after repetition: unknown where the runs do not come to lead by `margin`."""
        trial = self.repeated(versions, margin)
        return self.standing_of(trial) if trial.lead >= margin else Standing.UNKNOWN

    def standing_of(self, trial: Trial) -> Standing:
        unit = trial.unit
        if unit is None:
            return Standing.UNKNOWN
        if unit == self.bad:
            return Standing.BAD
        return Standing.GOOD if unit == self.good else Standing.UNKNOWN

    @property
    def trials(self) -> tuple[Trial, ...]:
        """All of them, in the order of their first run."""
        return tuple(Trial(dict(sorted(key)), tuple(verdicts)) for key, verdicts in self._known.items())

    def _runs_of(self, versions: Mapping[str, str]) -> list[Verdict]:
        return self._known.get(frozenset(versions.items()), [])

    def _trial(self, versions: Mapping[str, str]) -> Trial:
        return Trial(dict(sorted(versions.items())), tuple(self._runs_of(versions)))

    def _run(self, versions: Mapping[str, str]) -> None:
        if self.runs >= self.most_runs:
            raise OutOfRuns(f"{self.runs} runs")
        done = self._known.setdefault(frozenset(versions.items()), [])
        self.runs += 1
        done.append(self.laboratory.trial(dict(versions), len(done)))
