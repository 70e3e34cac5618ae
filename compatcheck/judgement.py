"""What the known table says of an environment, of a lock, or of the ranges that a project declares."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from .domain import CORE, Outcome, Word, listed
from .errors import EXIT_DONE, EXIT_NEGATIVE, EXIT_UNKNOWN, InputError
from .installation import Installed
from .lock_files import Locked
from .mending import nearest_working
from .requirement_lines import Wanted, exact_version
from .shipped import KnownCell, KnownTable
from .verdict import Standing, Verdict, lookup
from .waivers import Settings, Waiver

COMBINATIONS_CAP = 64
"""Combinations of one lock file: locks that serve several platforms name a package more than once."""

INSTALLED = " (judge what is installed, with --python PATH)"

_ORDER = (Standing.KNOWN_BAD, Standing.WRONG, Standing.UNKNOWN, Standing.STALE, Standing.WORKS)


class Corner(Word):
    """Which end of ranges decides."""

    BOTH = "both"
    """The worse of them."""
    HIGHEST = "highest"
    """What pip and uv pick."""
    LOWEST = "lowest"
    """What `uv --resolution lowest` picks, and what the ranges promise."""


@dataclass(frozen=True)
class Share:
    """What is known of all the combinations that ranges allow."""

    counts: Mapping[Standing, int]
    """Standing to the number of the table's combinations within the ranges."""
    lowest: Verdict
    highest: Verdict
    open_above: tuple[str, ...]
    """Packages of which releases newer than any in the table are allowed."""
    open_below: tuple[str, ...]
    """Packages of which minor releases older than any in the table are allowed: a resolver's lowest lies below ours."""

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def works(self) -> int:
        return self.counts.get(Standing.WORKS, 0)


@dataclass(frozen=True)
class Finding:
    """One thing that was judged."""

    subject: str
    """`this environment`, or the file's path."""
    verdict: Verdict | None
    """Of the versions; of ranges: that of the corner that decides. None where there is nothing to judge."""
    corner: str = ""
    """Which corner of the ranges the verdict is of."""
    share: Share | None = None
    """Of ranges."""
    file: str = ""
    line: int = 1
    note: str = ""
    """Why there is nothing to judge."""
    mend: KnownCell | None = None
    """Where it is not known to work: the nearest combination that does; of ranges one that lies within them."""
    waiver: Waiver | None = None
    """The one that covers it."""
    undecided: bool = False
    """It asks for one of the three, and does not tell which version: as unknown as a version that was not measured."""

    @property
    def status(self) -> Standing | None:
        if self.verdict is None:
            return Standing.UNKNOWN if self.undecided else None
        return self.verdict.status

    @property
    def bad(self) -> bool:
        """Whether it is known not to work, and nobody has said that this is all right."""
        return self.verdict is not None and self.verdict.bad and self.waiver is None


@dataclass(frozen=True)
class Judgement:
    """All findings of one check."""

    findings: tuple[Finding, ...]
    table: str
    age: int
    """Of the table, days."""
    expired: tuple[Waiver, ...] = ()
    unused: tuple[Waiver, ...] = ()
    """Waivers that still count and cover nothing."""
    counting: tuple[Waiver, ...] = ()
    """Waivers that still count."""
    strict: bool = False

    @property
    def exit_code(self) -> int:
        if self.expired or any(finding.bad for finding in self.findings):
            return EXIT_NEGATIVE
        unknown = any(each.status in (Standing.UNKNOWN, Standing.STALE) for each in self.findings if not each.waiver)
        return EXIT_UNKNOWN if self.refused_empty or (self.strict and unknown) else EXIT_DONE

    @property
    def refused_empty(self) -> bool:
        """Whether nothing at all could be judged, and `strict` takes no silence for an answer. Beside something that
        was judged, what there is nothing to judge in (the requirements of the documentation) is all right."""
        return self.strict and all(finding.status is None for finding in self.findings)

    def needed(self, waiver: Waiver) -> bool:
        """Whether a waiver covers a finding that is known not to work."""
        return any(_covers(waiver, finding) for finding in self.findings)


def judged_environment(there: Installed, table: KnownTable, subject: str = "this environment") -> Finding:
    """An environment, by what is installed in it."""
    if there.missing:
        return Finding(subject, None, note=f"{there.lacks}: nothing to judge")
    return _mended(Finding(subject, lookup({**there.packages, "python": there.python_minor}, table)), table)


def judged_lock(
    path: Path, locked: Sequence[Locked], table: KnownTable, python: str | None = None
) -> tuple[Finding, ...]:
    """A lock file: one finding a combination of torch, transformers and peft in it."""
    versions: dict[str, dict[str, int]] = {}
    for each in locked:
        versions.setdefault(each.name, {}).setdefault(each.version, each.line)
    missing = [name for name in CORE if name not in versions]
    nameless = [name for name in CORE if "" in versions.get(name, ())]
    if nameless:
        note = f"{listed(nameless)} in it from an address, which tells no version: unknown{INSTALLED}"
        line = versions[nameless[0]][""]
        return (Finding(str(path), None, file=str(path), line=line, note=note, undecided=True),)
    if missing:
        note = f"{listed(missing)} not in it: nothing to judge"
        return (Finding(str(path), None, file=str(path), note=note),)
    beside = {name: next(iter(told)) for name, told in versions.items() if name not in CORE and len(told) == 1}
    findings: dict[tuple[str, ...], Finding] = {}
    for chosen in itertools.islice(itertools.product(*(versions[name] for name in CORE)), COMBINATIONS_CAP):
        core = dict(zip(CORE, chosen, strict=True))
        verdict = lookup({**beside, **core, **_python(python)}, table)
        # versions that differ in their local part only are one combination
        key = tuple(verdict.versions[name] for name in CORE)
        found = Finding(str(path), verdict, file=str(path), line=versions["peft"][core["peft"]])
        findings.setdefault(key, _mended(found, table))
    return tuple(findings.values())


def judged_sections(
    path: Path,
    sections: Mapping[str, Sequence[Wanted]],
    table: KnownTable,
    python: str | None = None,
    corner: Corner = Corner.BOTH,
) -> tuple[Finding, ...]:
    """A file by what can be installed of it: its requirements, and each extra or group that names one of the three."""
    main = judged_requirements(path, sections[""], table, python, corner)
    found = [main]
    for section, wanted in sections.items():
        together = (*sections[""], *wanted)
        if section and any(each.name in CORE for each in wanted) and any(each.name == "peft" for each in together):
            found.append(judged_requirements(path, together, table, python, corner, f"{path} ({section})"))
    return tuple(found[1:] if len(found) > 1 and main.verdict is None and not main.undecided else found)


def judged_requirements(
    path: Path,
    wanted: Sequence[Wanted],
    table: KnownTable,
    python: str | None = None,
    corner: Corner = Corner.BOTH,
    subject: str = "",
) -> Finding:
    """What a project declares: exact versions as they are, ranges by their corners and the share that works."""
    named = {each.name for each in wanted if not each.constraint}
    file, subject = str(path), subject or str(path)
    if "peft" not in named:
        return Finding(subject, None, file=file, note="peft is not among its requirements: nothing to judge")
    line = next(each.line for each in wanted if each.name == "peft" and not each.constraint)
    exact = _exact(wanted)
    nameless = [each for each in wanted if each.name in CORE and each.address and each.name not in exact]
    if nameless:
        told = ", ".join(f"{each.name} from {each.address}" for each in nameless)
        note = f"asks for {told}, which tells no version: unknown{INSTALLED}"
        return Finding(subject, None, file=file, line=nameless[0].line, note=note, undecided=True)
    ranges = {name: _specifier(wanted, name) for name in CORE}
    beside = {name: version for name, version in exact.items() if name not in CORE}
    if all(name in exact for name in CORE):
        found = Finding(subject, lookup({**exact, **_python(python)}, table), file=file, line=line)
        return _mended(found, table)
    allowed = {name: [each for each in table.axes[name] if ranges[name].contains(each, True)] for name in CORE}
    if empty := [f"{name}{ranges[name]}" for name in CORE if not allowed[name]]:
        note = f"the table has no release within {', '.join(empty)}: unknown{_said_of_explored(ranges, table)}"
        guess = {name: exact.get(name) or table.axes[name][-1] for name in CORE}
        unknown = replace(
            lookup({**guess, **_python(python)}, table), status=Standing.UNKNOWN, cell=None, signature=None
        )
        return Finding(subject, unknown, file=file, line=line, note=note)
    share = _share(allowed, ranges, beside, table, python)
    which, verdict = _deciding(share, corner)
    found = Finding(subject, verdict, which, share, file, line)
    return _mended(found, table, ranges)


def _mended(finding: Finding, table: KnownTable, ranges: Mapping[str, SpecifierSet] | None = None) -> Finding:
    """A finding that is bad, or that nothing is known of, with the nearest combination that works."""
    verdict = finding.verdict
    if verdict is None or not (verdict.bad or verdict.status is Standing.UNKNOWN):
        return finding
    near = nearest_working(verdict.versions, table, verdict.python, ranges)
    return replace(finding, mend=near or nearest_working(verdict.versions, table, verdict.python))


def _said_of_explored(ranges: Mapping[str, SpecifierSet], table: KnownTable) -> str:
    """What combinations say that were run within the ranges for explored matrices; empty where there are none."""
    within = [
        cell for cell in table.scattered if all(ranges[name].contains(cell.versions[name], True) for name in CORE)
    ]
    works = [cell for cell in within if cell.works]
    if not within:
        return ""
    told = f"; of {len(within)} combinations within it that were run for an explored table {len(works) or 'none'} work"
    return told + (": compatcheck recommend names the newest" if works else "")


def _python(python: str | None) -> dict[str, str]:
    return {"python": python} if python else {}


def _exact(wanted: Iterable[Wanted]) -> dict[str, str]:
    return {each.name: version for each in wanted if (version := exact_version(each))}


def _specifier(wanted: Sequence[Wanted], name: str) -> SpecifierSet:
    """What all lines together say of a package. Raises InputError where they contradict each other."""
    lines = [each for each in wanted if each.name == name]
    together = SpecifierSet()
    for each in lines:
        together &= each.specifier
    if together.is_unsatisfiable():
        places = " and ".join(dict.fromkeys(f"{each.file} line {each.line}" for each in lines))
        raise InputError(places, [f"no release can fulfil {name}{together}"], "Mend the requirements.")
    return together


def _share(
    allowed: Mapping[str, Sequence[str]],
    ranges: Mapping[str, SpecifierSet],
    beside: Mapping[str, str],
    table: KnownTable,
    python: str | None,
) -> Share:
    def verdict(versions: Mapping[str, str]) -> Verdict:
        return lookup({**beside, **versions, **_python(python)}, table)

    counts: Counter[Standing] = Counter()
    for point in itertools.product(*(allowed[name] for name in CORE)):
        versions = dict(zip(CORE, point, strict=True))
        if table.at(versions, python):
            counts[_as_measured(verdict(versions))] += 1
    lowest, highest = ({name: allowed[name][end] for name in CORE} for end in (0, -1))
    newer = tuple(name for name in CORE if ranges[name].contains(_next(table.axes[name][-1]), True))
    older = tuple(name for name in CORE if _admits_older(ranges[name], Version(table.axes[name][0])))
    return Share(dict(counts), verdict(lowest), verdict(highest), newer, older)


def _as_measured(verdict: Verdict) -> Standing:
    """What came of the measurement, however old it is: the share is about what was measured."""
    if verdict.status is not Standing.STALE or verdict.cell is None:
        return verdict.status
    if verdict.cell.works:
        return Standing.WORKS
    return Standing.WRONG if verdict.cell.outcome is Outcome.WRONG else Standing.KNOWN_BAD


def _next(version: str) -> str:
    """A release after `version`: what a range that has no upper end allows."""
    major, *_ = Version(version).release
    return f"{major + 1}.0.0"


def _admits_older(wanted: SpecifierSet, first: Version) -> bool:
    """Whether a range has room for a minor release before `first`."""
    lower = [each for each in wanted if each.operator in (">=", ">", "~=", "==", "===")]
    ends = [each.version.removesuffix(".*") + (".1" if each.operator == ">" else "") for each in lower] or ["0"]
    return any(Version(end).release[:2] < first.release[:2] and wanted.contains(end, True) for end in ends)


def _deciding(share: Share, corner: Corner) -> tuple[str, Verdict]:
    ends = {"highest": share.highest, "lowest": share.lowest}
    if corner is not Corner.BOTH:
        return str(corner), ends[corner]
    which = min(ends, key=lambda each: _ORDER.index(ends[each].status))
    return which, ends[which]


# ------------------------------------------------------------------ waivers


def waived(
    findings: Iterable[Finding],
    settings: Settings,
    table: KnownTable,
    *,
    strict: bool = False,
    today: date | None = None,
) -> Judgement:
    """The findings with the project's waivers applied."""
    day = today or datetime.now(timezone.utc).date()
    good = [waiver for waiver in settings.waivers if not waiver.expired(day)]
    covered = []
    for finding in findings:
        waiver = next((each for each in good if _covers(each, finding)), None)
        covered.append(replace(finding, waiver=waiver))
    used = {id(finding.waiver) for finding in covered}
    return Judgement(
        tuple(covered),
        table.name,
        table.age(day),
        tuple(each for each in settings.waivers if each.expired(day)),
        tuple(each for each in good if id(each) not in used),
        tuple(good),
        strict or settings.strict,
    )


def _covers(waiver: Waiver, finding: Finding) -> bool:
    verdict = finding.verdict
    if verdict is None or verdict.status is Standing.WORKS:
        return False
    return waiver.covers(verdict.named, verdict.versions)


def finding_json(finding: Finding) -> dict[str, Any]:
    """A finding as plain data."""
    share = finding.share
    return {
        "subject": finding.subject,
        "line": finding.line if finding.file else None,
        "status": str(finding.status) if finding.status else None,
        "note": finding.note or None,
        "verdict": finding.verdict.as_json() if finding.verdict else None,
        "corner": finding.corner or None,
        "ranges": {
            "total": share.total,
            "counts": {str(standing): share.counts.get(standing, 0) for standing in Standing},
            "lowest": share.lowest.as_json(),
            "highest": share.highest.as_json(),
            "open_above": list(share.open_above),
            "open_below": list(share.open_below),
        }
        if share
        else None,
        "works": dict(finding.mend.versions) if finding.mend else None,
        "waived": {"reason": finding.waiver.reason, "until": finding.waiver.until.isoformat()}
        if finding.waiver
        else None,
    }
