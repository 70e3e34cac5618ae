"""Everything a report says, as data: what the renderers are given, and what the golden tests compare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from itertools import chain, product

from packaging.version import Version

from ..agreement import Agreement
from ..catalogues import Catalogue
from ..conclusion import Explored
from ..domain import Cell, CellResult, Diagnosis, Digest, Isolation, Lock, Machine, Outcome
from ..expansion import Expansion
from ..experiment import Experiment
from ..matrix import Matrix
from ..table import PYTHON
from .entry import Entry, FailureClass, Tally, classes_of, tally_of
from .findings import Findings, findings_of
from .panel import Panel, panels_of

Diagnose = Callable[[CellResult], Diagnosis | None]
"""What a result that is not a pass is recognised as; None where there is nothing to recognise."""

BAD = (Outcome.FAIL, Outcome.WRONG)
"""The outcomes that speak against a combination which pip installs."""


@dataclass(frozen=True)
class Besides:
    """What is known beside the results of a matrix."""

    beside: Iterable[CellResult] = ()
    """Of cells that the matrix does not have."""
    in_their_time: Iterable[CellResult] = ()
    """Of its cells with the other packages of their own time."""
    experiments: Mapping[str, Experiment] = field(default_factory=dict)
    evidence: Mapping[str, Lock] = field(default_factory=dict)
    """The digest of each lock that the experiments rest on to the lock."""
    explored: Explored | None = None
    """What is inferred of the cells that were not run; None where every cell is to be run."""


@dataclass(frozen=True)
class Context:
    """One matrix, as far as it is known."""

    matrix: Matrix
    expansion: Expansion
    entries: tuple[Entry, ...]
    classes: tuple[FailureClass, ...]
    material: Digest
    """Of the scenario with its model and texts."""
    probe_version: int
    beside: tuple[Entry, ...] = ()
    """Measured cells of the same axes and settings that the matrix does not have: they make borders tighter."""
    in_their_time: Mapping[str, Entry] = field(default_factory=dict)
    """The identifier of a cell to the same cell with the other packages of its own time, where that was measured."""
    experiments: Mapping[str, Experiment] = field(default_factory=dict)
    """The identifier of a cell to what blame by experiment came to."""
    evidence: Mapping[str, Lock] = field(default_factory=dict)
    """The digest of each lock that the experiments rest on to the lock."""
    agreement: Agreement | None = None
    """What another model says of the same cells; None where none was asked."""
    explored: Explored | None = None
    """What is inferred, and its audit; None where every cell is to be run."""

    @cached_property
    def measured(self) -> tuple[Entry, ...]:
        """The cells without the inferred ones: those that were run, or that nothing is known of."""
        return tuple(entry for entry in self.entries if entry.measured)

    @cached_property
    def known(self) -> tuple[Entry, ...]:
        """The cells of which there is a lock, a run, or an attempt at one: few where most are inferred."""
        return tuple(entry for entry in self.entries if entry.result.known)

    @property
    def inferred(self) -> int:
        """How many cells are inferred."""
        return len(self.entries) - len(self.measured)

    @cached_property
    def tally(self) -> Tally:
        return tally_of(self.entries)

    @property
    def totals(self) -> Counter[Outcome]:
        """Cells by outcome, without the inferred ones."""
        return self.tally.measured

    @property
    def inferred_totals(self) -> Counter[Outcome]:
        return self.tally.inferred

    @property
    def tested(self) -> int:
        """Cells that pip installs and that were run."""
        return sum(self.totals[outcome] for outcome in (Outcome.PASS, *BAD))

    @cached_property
    def generated(self) -> datetime:
        """When the newest observation was made: two reports of the same observations are the same."""
        dates = [entry.result.observation.started for entry in self.known if entry.result.observation]
        return max(dates, default=datetime.fromtimestamp(0, timezone.utc)).replace(microsecond=0)

    @property
    def workarounds(self) -> int:
        """Cells that do not work as they are, and do with the other way to generate."""
        return sum(self.tally.workarounds.values())

    @property
    def caveats(self) -> int:
        """Cells that work as they are, and do not with the other way to generate."""
        return self.tally.caveats

    @property
    def repeated(self) -> tuple[Entry, ...]:
        """The cells that were run more than once."""
        return tuple(entry for entry in self.known if entry.result.observation and entry.result.attempts > 1)

    @property
    def flaky(self) -> tuple[Entry, ...]:
        """The cells whose runs do not agree."""
        return tuple(entry for entry in self.repeated if entry.result.agreeing < entry.result.attempts)

    def isolation_words(self) -> str:
        """How the cells were kept apart, and what that means for their seconds."""
        seen = [entry.result.observation for entry in self.known if entry.result.observation]
        told = [each for each in seen if each.retold is None or each.retold.complete]
        forked = sum(observation.facts.get("isolation") == Isolation.FORK for observation in told)
        said = []
        if forked:
            said.append(
                f"{forked} of {len(told)} cells were children of a process that had imported what they share with "
                "others, so their seconds leave those imports out; the others were processes of their own."
            )
        elif len(told) == len(seen):
            said.append("Every cell was a process of its own.")
        elif told:
            said.append(f"{len(told)} cells were processes of their own.")
        if untold := len(seen) - len(told):
            said.append(f"Of {untold} cells, known from an older report, it is not told how they were kept apart.")
        return " ".join(said)

    def basis_words(self) -> str:
        """How many cells were run, and how many concluded from others."""
        inferred = self.inferred
        unknown = self.totals[Outcome.UNTESTED] + self.totals[Outcome.ERROR]
        if not inferred and not unknown:
            return "Every cell is measured; none is inferred."
        measured = len(self.entries) - inferred - unknown
        return f"{measured} of {len(self.entries)} cells are measured, {inferred or 'none'} inferred."

    @cached_property
    def machines(self) -> tuple[Machine, ...]:
        found = {entry.result.observation.machine: None for entry in self.known if entry.result.observation}
        return tuple(found)

    @property
    def models(self) -> str:
        return self.matrix.scenario.model

    def versions(self, package: str) -> tuple[str, ...]:
        """The versions of an axis, oldest first."""
        return self._versions.get(package, ())

    @cached_property
    def _versions(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for name, version in dict.fromkeys(chain.from_iterable(entry.cell.versions.items() for entry in self.entries)):
            found.setdefault(name, []).append(version)
        return {name: tuple(sorted(versions, key=Version)) for name, versions in found.items()}

    @cached_property
    def panels(self) -> tuple[Panel, ...]:
        """For each Python and torch its cells, oldest first."""
        return panels_of(self.entries)

    @cached_property
    def pythons(self) -> tuple[str, ...]:
        return tuple(sorted({panel.python for panel in self.panels}, key=Version))

    @cached_property
    def by_id(self) -> Mapping[str, Entry]:
        return {entry.cell.id: entry for entry in self.entries}

    @cached_property
    def measured_by_id(self) -> Mapping[str, Entry]:
        """The cells beside the matrix too."""
        return {entry.cell.id: entry for entry in (*self.entries, *self.beside)}

    @cached_property
    def findings(self) -> Findings:
        """Blame, rules and the rest, worked out when they are first asked for."""
        return findings_of(
            self.known, self.expansion.declared, self.beside, self.expansion.known, self.in_their_time,
            self.experiments, {PYTHON: self.pythons, **self._versions},
        )  # fmt: skip

    def letter(self, entry: Entry) -> str:
        return self._letters.get(entry.failure or "", "")

    @cached_property
    def _letters(self) -> dict[str, str]:
        return {each.key: each.letter for each in self.classes}

    def newest(self) -> Entry | None:
        """The cell with the newest of every axis: what an unpinned install gives."""
        newest = {package: versions[-1] for package, versions in self._versions.items()}
        return next((entry for entry in reversed(self.entries) if entry.cell.versions == newest), None)

    @cached_property
    def titles(self) -> Mapping[str, str]:
        """The key of each failure class to its title, in the catalogue's words alone: never what a package said."""
        return {each.key: each.signature.title if each.signature else "not recognised" for each in self.classes}

    def newest_passing(self, torch: str | None = None, python: str | None = None) -> Entry | None:
        """The newest cell that was run and passes: by transformers, then peft, then torch, then Python."""
        passing = [
            entry
            for entry in self.measured
            if entry.outcome is Outcome.PASS
            and torch in (None, entry.cell.versions["torch"])
            and python in (None, entry.cell.python)
        ]

        def age(each: Entry) -> list[Version]:
            versions = each.cell.versions
            return [Version(versions[name]) for name in ("transformers", "peft", "torch")] + [Version(each.cell.python)]

        return max(passing, key=age, default=None)

    def newest_pins(self) -> Iterator[tuple[str, str, Entry | None]]:
        """For each torch and each Python, the newest first: the newest cell that passes."""
        for torch, python in product(reversed(self.versions("torch")), reversed(self.pythons)):
            yield torch, python, self.newest_passing(torch, python)

    def headline(self) -> list[str]:
        """What a reader must know, in sentences. What was run and what is inferred are never counted together."""
        return list(self._headline)

    @cached_property
    def _headline(self) -> list[str]:
        """Once a report: every picture tells it."""
        totals, tested = self.totals, self.tested
        if not tested:
            return ["Nothing of this matrix has been measured yet.", *self._inferred_words()]
        which = (
            "that install without complaint" if self.explored is None else "that were run and install without complaint"
        )
        wrong = totals[Outcome.WRONG]
        said = [
            f"Of {tested} combinations {which}, {totals[Outcome.PASS]} work; {totals[Outcome.FAIL]} fail, and "
            f"{wrong} {'runs to the end and gives' if wrong == 1 else 'run to the end and give'} a wrong result."
        ]
        why = ", ".join(f"{self.titles[key]} ({count})" for key, count in self.refusals.items())
        for outcome, words in (
            (Outcome.UNRESOLVABLE, f"cannot be installed: {why}"),
            (Outcome.ERROR, "could not be measured on this machine"),
            (Outcome.UNTESTED, "have not been run" if self.explored is None else "are untested: nothing is claimed"),
        ):
            if totals[outcome]:
                said.append(f"{totals[outcome]} further combinations {words}.")
        said += self._inferred_words()
        newest, best = self.newest(), self.newest_passing()
        if newest is not None and newest.outcome in (Outcome.PASS, *BAD):
            verb = {Outcome.PASS: "works", Outcome.FAIL: "fails", Outcome.WRONG: "gives a wrong result"}[newest.outcome]
            where = f" in {newest.result.stage}" if newest.outcome is Outcome.FAIL and newest.measured else ""
            how = f" ({newest.conclusion.words()})" if newest.conclusion else ""
            said.append(f"The newest of everything ({named(newest.cell)}) {verb}{where}{how}.")
        if best is not None and best is not newest:
            run = "" if self.explored is None else " and was run"
            said.append(f"The newest combination that works{run}: {named(best.cell)}.")
        return said

    @property
    def refusals(self) -> Mapping[str, int]:
        """The key of each failure class of cells that cannot be installed to their number, the most frequent first."""
        counts = Counter({each.key: each.outcomes[Outcome.UNRESOLVABLE] for each in self.classes})
        return {key: count for key, count in counts.most_common() if count}

    def _inferred_words(self) -> list[str]:
        """How many cells are inferred to be what, and how often such words were wrong."""
        if self.explored is None or not self.inferred:
            return []
        counts = ", ".join(
            f"{self.inferred_totals[outcome]} {words}"
            for outcome, words in (
                (Outcome.PASS, "to work"), (Outcome.FAIL, "to fail"), (Outcome.WRONG, "to give a wrong result"),
                (Outcome.UNRESOLVABLE, "not to install"),
            )
            if self.inferred_totals[outcome]
        )  # fmt: skip
        return [f"{self.inferred} combinations were not run and are inferred: {counts}. {self.explored.audit.words()}"]


def named(cell: Cell) -> str:
    """`torch 2.6.0, transformers 4.51.3, peft 0.15.2`."""
    return ", ".join(f"{package} {version}" for package, version in cell.versions.items())


def built_context(
    matrix: Matrix,
    expansion: Expansion,
    results: Iterable[CellResult],
    diagnose: Diagnose,
    catalogue: Catalogue,
    material: Digest,
    probe_version: int,
    besides: Besides | None = None,
    keep: Callable[[CellResult], CellResult] = lambda result: result,
) -> Context:
    """The context of a report about `results`, which are gone through once; `keep` says what is kept of each."""
    known = besides or Besides()
    conclusions = known.explored.conclusions if known.explored else {}

    def entry(result: CellResult) -> Entry:
        held = conclusions.get(result.cell.id)
        # what this machine could not run is told as that, whatever is inferred of it
        if held is not None and result.outcome is Outcome.UNTESTED:
            return Entry(result, None, held)
        return Entry(keep(result), diagnose(result))

    entries = tuple(map(entry, results))
    beside, in_their_time = (
        tuple(Entry(keep(result), diagnose(result)) for result in some) for some in (known.beside, known.in_their_time)
    )
    return Context(
        matrix, expansion, entries, classes_of(entries, catalogue), material, probe_version, beside,
        {entry.cell.id: entry for entry in in_their_time}, known.experiments, known.evidence, None, known.explored,
    )  # fmt: skip
