"""Who is to blame for a failing lock, by experiment: what changed alone flips the outcome, and from which release on.

Every verdict rests on pairs of runs that differ in one thing. Where the runs do not carry one, the verdict is
`undetermined` or `flaky`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from packaging.version import Version

from .bisection import Span, span
from .deltas import Cause, Difference, differing
from .domain import Word
from .table import CLEAN, Unit, unit_text
from .trials import FIRM_MARGIN, Bench, Laboratory, OutOfRuns, Releases, Standing, Trial

STEADY_RUNS = 12
"""How often the failing lock is run in all where anything at all spoke against a steady fault."""
MOST_ODD = 1
"""In how many of those it may show something else, as a chance error does now and then."""


class Kind(Word):
    """What an attribution comes to."""

    CULPRIT = "culprit"
    """One package: moved alone, it flips the outcome."""
    PAIR = "interacting-pair"
    """Packages that break together only: each alone leaves the outcome as it is."""
    SEVERAL = "several-culprits"
    """More than one cause, each enough by itself."""
    DRIFT = "drift"
    """A package that nobody pinned came out in a newer release."""
    FLAKY = "flaky"
    """The same lock gives different results from run to run."""
    UNDETERMINED = "undetermined"


@dataclass(frozen=True)
class Culprit:
    package: str
    last_good: str | None = None
    """The last good release before `first_bad`."""
    first_bad: str | None = None
    fixed_in: str | None = None
    """The first release after the bad ones that is good again; None where none is known."""
    unknown: tuple[str, ...] = ()
    """Releases at one of these borders that show another error or cannot be installed."""
    still_bad: str | None = None
    """The newest release known to be bad, where none after it is good."""
    released: str | None = None
    """The day on which `first_bad` came out, where it was looked up."""

    def words(self) -> str:
        """`peft 0.14.0 -> 0.15.0 broke it; 0.17.1 mended it`."""
        if self.last_good and self.first_bad:
            day = f" ({self.released})" if self.released else ""
            said = f"{self.package} {self.last_good} -> {self.first_bad}{day} broke it"
        elif self.first_bad and self.fixed_in:
            said = f"{self.package} {self.fixed_in} mended it; bad from {self.first_bad} on, the oldest that tells"
        elif self.first_bad:
            said = f"{self.package} {self.first_bad} is bad, and no earlier release is known to be good"
        else:
            said = f"{self.package} is missing where it fails"
        if self.fixed_in and self.last_good:
            said += f"; {self.package} {self.fixed_in} mended it"
        elif self.still_bad and self.still_bad != self.first_bad:
            said += f"; still bad in {self.package} {self.still_bad}"
        if self.unknown:
            many = len(self.unknown) > 3
            where = f"{len(self.unknown)} releases from {self.unknown[0]} to {self.unknown[-1]}" if many else None
            said += f" (another error, or nothing to install, at {where or ', '.join(self.unknown)})"
        return said


@dataclass(frozen=True)
class Pair:
    """Two runs that differ in what `says` names, and in nothing else."""

    good: str
    """The evidence digest, or the cell, of the run that works."""
    bad: str
    says: str
    note: str = ""
    """What the laboratory noted on either run."""
    border: str = ""
    """The package whose releases on both sides of a border these are."""


@dataclass(frozen=True)
class Blame:
    verdict: Kind
    culprits: tuple[Culprit, ...] = ()
    evidence: tuple[Pair, ...] = ()
    runs: int = 0
    """How many runs it took; 0 where it was read from a table."""
    unit: Unit | None = None
    """The failure that was attributed."""
    inseparable: tuple[str, ...] = ()
    """Packages of a pair that cannot be judged apart: one without the other gives another error."""
    no_part: Mapping[str, int] | None = None
    """Axis to the number of its versions on which the result was the same; for a cell of a table."""
    via: str | None = None
    """The cell of the same failure from which it was read, where the cell's own neighbours do not tell."""
    reason: str = ""
    """Why there is no verdict, where there is none; for a verdict, what weakens it."""
    also: tuple[Culprit, ...] = ()
    """Beside drift: packages that take the failure away too when they alone are moved."""
    worked: str = ""
    """For drift: with what the same cell worked, `the packages of 2023-12-27`."""

    @property
    def border(self) -> Pair | None:
        """The runs on both sides of the first culprit's border: of where it broke, else of where it was mended."""
        pairs = [pair for culprit in self.culprits for pair in self.evidence if pair.border == culprit.package]
        return next(iter(pairs), None)

    def words(self) -> str:
        """The verdict in a sentence."""
        failure = unit_text(self.unit) if self.unit else "the failure"
        if self.verdict is Kind.UNDETERMINED:
            return f"{failure}: undetermined ({self.reason})"
        if self.verdict is Kind.FLAKY:
            return f"{failure}: comes and goes with the same lock ({self.reason})"
        joined = "; ".join(culprit.words() for culprit in self.culprits)
        if self.verdict is Kind.PAIR:
            names = " and ".join(culprit.package for culprit in self.culprits)
            bond = "cannot be judged apart" if self.inseparable else "break only together"
            joined = f"{names} {bond}: {joined}"
        elif self.verdict is Kind.SEVERAL:
            joined = f"several causes, each enough by itself: {joined}"
        elif self.verdict is Kind.DRIFT:
            worked = f"it worked with {self.worked}" if self.worked else ""
            joined = "drift of what is not pinned: " + "; ".join(filter(None, (worked, joined)))
            if self.also:
                joined += "; beside that, " + "; ".join(culprit.words() for culprit in self.also)
        apart = "".join(
            f"; {axis} plays no part (the same on all {count} tried)" for axis, count in (self.no_part or {}).items()
        )
        weakened = f" ({self.reason})" if self.reason else ""
        return f"{failure}: {joined}{apart}{weakened}"

    def as_data(self) -> dict[str, object]:
        """The form in which reports carry it."""
        return {
            "verdict": str(self.verdict),
            "culprits": [
                {
                    "package": each.package,
                    "last_good": each.last_good,
                    "first_bad": each.first_bad,
                    "fixed_in": each.fixed_in,
                }
                for each in self.culprits
            ],
            "evidence": list(dict.fromkeys(end for pair in self.evidence for end in (pair.good, pair.bad))),
        }


def expected_runs(passing: Mapping[str, str], failing: Mapping[str, str]) -> int:
    """About how many runs a verdict on one culprit takes: both ends, halving over packages, halving over releases."""
    apart = len(differing(passing, failing))
    return 5 + 2 * apart.bit_length() + 10


def attribute(
    laboratory: Laboratory,
    releases: Releases,
    passing: Mapping[str, str],
    failing: Mapping[str, str],
    *,
    pinned: Collection[str] | None = None,
    first: Sequence[str] = (),
    expected: Unit | None = None,
    most_runs: int = 250,
) -> Blame:
    """Who is to blame for what `failing` shows and `passing` does not; both are complete locks.

    `pinned` names what the user chose: a culprit outside it is drift. `first` names the packages to put first in the
    search. With `expected`, the failing lock must show exactly that again.
    """
    bench = Bench(laboratory, most_runs)
    try:
        return _Attribution(bench, releases, passing, failing, first).blame(pinned, expected)
    except OutOfRuns as limit:
        return Blame(Kind.UNDETERMINED, runs=bench.runs, unit=bench.bad, reason=f"no verdict within {limit}")


class _Attribution:
    def __init__(
        self,
        bench: Bench,
        releases: Releases,
        passing: Mapping[str, str],
        failing: Mapping[str, str],
        first: Sequence[str],
    ) -> None:
        self.bench = bench
        self.releases = releases
        self.passing = passing
        self.failing = failing
        self.difference = Difference(bench, passing, failing, first)

    def blame(self, pinned: Collection[str] | None, expected: Unit | None) -> Blame:
        if trouble := self._ends(expected):
            return trouble
        causes = self.difference.causes()
        if causes is None:
            return self._no_verdict("the runs contradict each other, or too many packages must move together")
        spans = [self._span(cause, package, len(causes)) for cause in causes for package in cause.packages]
        if any(found is None or found.contradicted for found in spans):
            return self._no_verdict("the releases do not keep to a border")
        known = [found for found in spans if found is not None]
        # last of all, the failing lock and each cause alone once more: what comes and goes must not pass for steady
        if any(self._firm(cause.packages) is not Standing.BAD for cause in causes):
            return self._no_verdict("what carried the failure over once did not do so again")
        if self._contradicted(causes, known) and (flaky := self._unsteady()):
            return flaky
        return self._verdict(causes, known, pinned)

    def _ends(self, expected: Unit | None) -> Blame | None:
        """Run both ends again; what is wrong with them, if anything."""
        failing = self.bench.repeated(self.failing, FIRM_MARGIN)
        if len(failing.units) > 1 and (flaky := self._unsteady()):
            return flaky
        if failing.lead < FIRM_MARGIN:
            return self._unsure(_nothing("failing", failing))
        if expected is not None and failing.unit != expected:
            return self._unsure(f"the failing lock does not show it again: {_tally(failing)}")
        self.bench.bad = failing.unit
        passing = self.bench.repeated(self.passing)
        if passing.lead < 2:
            if len(passing.units) > 1:
                return self._flaky(f"the passing lock: {_tally(passing)}")
            return self._unsure(_nothing("passing", passing))
        if passing.unit == failing.unit:
            return self._no_verdict(f"both locks show the same: {unit_text(passing.unit) if passing.unit else ''}")
        if passing.unit is not None and passing.unit != CLEAN:
            return self._unsure(f"the passing lock does not work either: {unit_text(passing.unit)}")
        self.bench.good = passing.unit
        return None

    def _firm(self, packages: Sequence[str]) -> Standing:
        return self.bench.settled(self.difference.lock(packages), FIRM_MARGIN)

    def _span(self, cause: Cause, package: str, causes: int) -> Span | None:
        """The releases of `package` that are bad: in the failing lock where that tells, else in the passing one."""
        good, bad = self.passing.get(package), self.failing.get(package)
        bases = [self.failing, self.difference.lock(cause.packages)]
        base = next((each for each in bases[causes > 1 :] if self._flips(each, package)), None)
        if base is None or bad is None:
            return Span(package, last_good=good, first_bad=bad, last_bad=bad)
        return span(self.bench, base, package, self.releases.versions(package), good, bad)

    def _flips(self, base: Mapping[str, str], package: str) -> bool:
        return self.bench.settled(self._back(base, package)) is Standing.GOOD

    def _back(self, base: Mapping[str, str], package: str) -> dict[str, str]:
        """`base` with `package` as the passing lock has it."""
        if package in self.passing:
            return {**base, package: self.passing[package]}
        return {name: version for name, version in base.items() if name != package}

    def _unsteady(self) -> Blame | None:
        """Run the failing lock often: flaky where it does not keep to one result."""
        trial = self.bench.run_to(self.failing, STEADY_RUNS)
        odd = sum(trial.units.values()) - max(trial.units.values(), default=0)
        return self._flaky(f"the failing lock: {_tally(trial)}") if odd > MOST_ODD else None

    def _no_verdict(self, reason: str) -> Blame:
        return self._unsteady() or self._unsure(reason)

    def _contradicted(self, causes: Sequence[Cause], spans: Sequence[Span]) -> bool:
        """Whether any single run contradicts what the causes and their spans foretell."""
        within = {found.package: self._bad_versions(found) for found in spans}
        for trial in self.bench.trials:
            bad = any(
                all(trial.versions.get(package) in within[package] for package in cause.packages) for cause in causes
            )
            unlike = self.bench.good if bad else self.bench.bad
            if any(verdict.unit == unlike for verdict in trial.verdicts):
                return True
        return False

    def _bad_versions(self, found: Span) -> set[str | None]:
        """The versions tried that lie within the span."""
        tried = {trial.versions.get(found.package) for trial in self.bench.trials}
        if found.first_bad is None:
            return {None}
        first, last = Version(found.first_bad), Version(found.last_bad or found.first_bad)
        return {version for version in tried if version is not None and first <= Version(version) <= last}

    def _verdict(self, causes: Sequence[Cause], spans: Sequence[Span], pinned: Collection[str] | None) -> Blame:
        names = [package for cause in causes for package in cause.packages]
        if len(causes) > 1:
            kind = Kind.SEVERAL
        elif len(names) > 1:
            kind = Kind.PAIR
        else:
            kind = Kind.CULPRIT
        if pinned is not None and not set(names) & set(pinned):
            kind = Kind.DRIFT
        culprits = tuple(
            Culprit(
                found.package,
                found.last_good,
                found.first_bad,
                found.fixed_in,
                found.unknown,
                None if found.fixed_in or found.first_bad is None else found.last_bad,
            )
            for found in spans
        )
        inseparable = tuple(name for cause in causes for name in cause.inseparable)
        return Blame(kind, culprits, self._evidence(causes, spans), self.bench.runs, self.bench.bad, inseparable)

    def _evidence(self, causes: Sequence[Cause], spans: Sequence[Span]) -> tuple[Pair, ...]:
        """For each half-sentence the two runs that carry it, both of which were made."""
        run = {frozenset(trial.versions.items()): trial for trial in self.bench.trials}
        pairs: dict[tuple[str, str], Pair] = {}

        def add(good: Mapping[str, str], bad: Mapping[str, str], says: str, border: str = "") -> None:
            ends = run.get(frozenset(good.items())), run.get(frozenset(bad.items()))
            if ends[0] is None or ends[1] is None:
                return
            if self.bench.standing_of(ends[0]) is Standing.GOOD and self.bench.standing_of(ends[1]) is Standing.BAD:
                note = "; ".join(dict.fromkeys(filter(None, (ends[0].note, ends[1].note))))
                pair = Pair(ends[0].evidence, ends[1].evidence, says, note, border)
                known = pairs.setdefault((pair.good, pair.bad), pair)
                if border and not known.border:
                    pairs[pair.good, pair.bad] = replace(known, border=border)

        for cause in causes:
            moved = " and ".join(cause.packages)
            add(self.passing, self.difference.lock(cause.packages), f"moving {moved} alone breaks what works")
            rest = self.difference.without(cause.packages)
            add(self.difference.lock(rest), self.failing, f"moving {moved} alone back mends what fails")
            for package in cause.packages if len(cause.packages) > 1 else ():
                back = self._back(self.failing, package)
                add(back, self.failing, f"moving {package} alone back mends what fails")
        for found in spans:
            for base in (self.failing, *(self.difference.lock(cause.packages) for cause in causes)):
                for good, bad in ((found.last_good, found.first_bad), (found.fixed_in, found.last_bad)):
                    if good and bad:
                        says = f"{found.package} {good} works, {bad} does not"
                        add({**base, found.package: good}, {**base, found.package: bad}, says, found.package)
        return tuple(pairs.values())

    def _unsure(self, reason: str) -> Blame:
        return Blame(Kind.UNDETERMINED, runs=self.bench.runs, unit=self.bench.bad, reason=reason)

    def _flaky(self, reason: str) -> Blame:
        return Blame(Kind.FLAKY, runs=self.bench.runs, unit=self.bench.bad, reason=reason)


def _nothing(which: str, trial: Trial) -> str:
    return f"the {which} lock gives no result" + (f": {trial.note}" if trial.note else "")


def _tally(trial: Trial) -> str:
    """`pass 3 times, fail (x) 2 times`."""
    return ", ".join(f"{unit_text(unit)} {count} times" for unit, count in trial.units.most_common())
