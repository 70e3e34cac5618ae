"""Which versions to pin: of the cells that passed, the one nearest to what is asked. Pure.

>>> from compatcheck import recommend
>>> answer = recommend({"torch": "2.6.0", "transformers": ">=4.40,<5"}, python="3.11")
>>> answer.found, answer.versions["torch"]
(True, '2.6.0')
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone
from functools import cache, cached_property, partial
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from .catalogues import shipped_signature
from .domain import Basis, Lock, Outcome, listed
from .errors import UsageError
from .known import KnownCell, KnownTable
from .nearness import how_far, rank_of, steps_between, with_version
from .own_runs import known_table
from .request import PYTHON, Prefer, Request, request_of
from .verdict import cell_json, days


@dataclass(frozen=True)
class Concession:
    """Something that had to give."""

    package: str
    wanted: str
    """What was asked for, `transformers<5`, or the newest version that would have been allowed."""
    got: str
    reason: str

    def words(self) -> str:
        return f"{self.package} {self.got} instead of {self.wanted}: {self.reason}"


@dataclass(frozen=True)
class Refusal:
    """A cell that works, and cannot be installed beside what else was asked for."""

    cell: KnownCell
    reason: str


@dataclass(frozen=True)
class Recommendation:
    """Pins that passed, or the nearest miss."""

    request: Request
    table: KnownTable
    cell: KnownCell | None
    """The cell whose versions are recommended; None where the table has no pass at all."""
    missed: tuple[str, ...] = ()
    """What was asked for and cannot be had: where there is something, `cell` is the nearest miss."""
    concessions: tuple[Concession, ...] = ()
    fitting: int = 0
    """How many combinations of the table are within what was asked."""
    passing: int = 0
    """How many of those work."""
    unjudged: tuple[str, ...] = ()
    """Packages asked for that the table says nothing of."""
    age: int = 0
    """Days since the newest measurement of the table."""
    resolved: Lock | None = None
    """A lock of the cell together with what else was asked for: its three packages were measured, the whole was not."""
    refused: tuple[Refusal, ...] = ()
    """Better cells that the resolver refused beside what else was asked for."""
    alone: bool = False
    """It was run for an explored matrix, and no table that was run whole has a pass within what is asked."""

    @property
    def found(self) -> bool:
        """Whether there are pins that fulfil everything that was asked."""
        return self.cell is not None and not self.missed

    @property
    def versions(self) -> Mapping[str, str]:
        return self.cell.versions if self.cell else {}

    @property
    def pins(self) -> tuple[str, ...]:
        """`torch==2.6.0` and so on."""
        return tuple(f"{name}=={version}" for name, version in self.versions.items())

    @property
    def pythons(self) -> tuple[str, ...]:
        """The Pythons, among those that were asked for, on which these versions passed; oldest first."""
        alike = self.table.at(self.versions) if self.cell else ()
        passed = {each.python for each in alike if each.works and self.request.admits(PYTHON, each.python)}
        return tuple(sorted(passed, key=Version)) or ((self.cell.python,) if self.cell else ())

    @cached_property
    def lock(self) -> Lock | None:
        """The complete lock, with hashes, that passed; or the one that was resolved."""
        if self.resolved is not None:
            return self.resolved
        return self.measured_lock

    @cached_property
    def measured_lock(self) -> Lock | None:
        return self.table.lock(self.cell) if self.cell else None

    @property
    def moved(self) -> dict[str, tuple[str, str]]:
        """Package to the version it was measured with and the one in the resolved lock, where those differ."""
        if self.resolved is None or self.measured_lock is None:
            return {}
        here = self.resolved.versions
        return {
            name: (version, here[name])
            for name, version in self.measured_lock.versions.items()
            if name in here and here[name] != version
        }

    @property
    def beside_others(self) -> tuple[str, ...]:
        """What else was asked for, each with the version in the resolved lock: `trl 1.16.0`."""
        here = self.resolved.versions if self.resolved is not None else {}
        names = dict.fromkeys(str(canonicalize_name(Requirement(each).name)) for each in self.request.others)
        return tuple(f"{name} {here[name]}" if name in here else name for name in names)

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        lock = self.lock
        return {
            "found": self.found,
            "asked": {name: str(wanted) for name, wanted in self.request.ranges.items() if str(wanted)},
            "prefer": str(self.request.prefer),
            "pins": list(self.pins),
            "cell": cell_json(self.cell) if self.cell else None,
            "pythons": list(self.pythons),
            "missed": list(self.missed),
            "alone": self.alone,
            "concessions": [
                {"package": each.package, "wanted": each.wanted, "got": each.got, "reason": each.reason}
                for each in self.concessions
            ],
            "fitting": self.fitting,
            "passing": self.passing,
            "unjudged": list(self.unjudged),
            "resolved": self.resolved is not None,
            "moved": self.moved,
            "refused": [{"versions": dict(each.cell.versions), "reason": each.reason} for each in self.refused],
            "lock": {"digest": lock.digest, "platform": lock.platform, "versions": lock.versions} if lock else None,
            "age_days": self.age,
            "table": self.table.name,
        }

    def as_text(self) -> str:
        """What to pin and why, in a few lines."""
        cell = self.cell
        if cell is None:
            return f"Nothing in {self.table.name} passes.\n"
        lines = []
        if not self.found:
            lines.append(f"Nothing that was measured fulfils all that was asked: {self._count()}.")
            lines.append("The nearest that works:")
        lines += [f"  {pin}" for pin in self.pins]
        how = "measured" if cell.basis is Basis.MEASURED else "inferred"
        lines.append(
            f"{how} on Python {listed(self.pythons)}, {cell.source.platform}, {cell.measured}"
            + (", by your own run" if cell.source.own else "")
            + f" (the table is {days(self.age)} old)"
        )
        if cell.beside:
            lines.append("beside " + ", ".join(f"{name} {version}" for name, version in cell.beside.items()))
        lines += [f"note: {each}" for each in cell.caveats]
        lines += [each.words() for each in self.concessions]
        if self.refused:
            first = self.refused[0]
            more = f" (and {len(self.refused) - 1} more)" if len(self.refused) > 1 else ""
            lines.append(f"passed over{more}: {first.cell.words()}: {first.reason}")
        lines += [f"not judged: {each}, whose version is not told" for each in self.request.addresses]
        if self.resolved is not None:
            lines.append("resolved together with: " + ", ".join(self.beside_others))
            moved = ", ".join(f"{name} {there} -> {here}" for name, (there, here) in self.moved.items())
            lines.append(f"beside other versions than measured: {moved}" if moved else "all else is as measured")
        if self.found and self.request.asked:
            lines.append(self._count().capitalize())
        if self.unjudged and self.resolved is None:
            lines.append("not judged, the table does not have them: " + ", ".join(self.unjudged))
        return "\n".join(lines) + "\n"

    def _count(self) -> str:
        if self.alone:
            return (
                f"no table that was run whole has one within it that works; of {self.fitting} within it that were run "
                f"for an explored one {self.passing} do"
            )
        known = _combinations(self.table.cells)
        if not self.fitting:
            return f"none of the {known} known combinations lies within it"
        return f"of {known} known combinations {self.fitting} lie within it, and {self.passing or 'none'} of those work"


def _combinations(cells: Iterable[KnownCell]) -> int:
    """How many different versions the cells are about: the same may have been measured beside other packages too."""
    return len({(cell.python, *cell.versions.items()) for cell in cells})


def recommend(
    request: Request | Mapping[str, str] | None = None,
    *,
    python: str | None = None,
    prefer: Prefer | str = Prefer.NEWEST,
    table: KnownTable | None = None,
    today: date | None = None,
) -> Recommendation:
    """The pins that passed and are nearest to what is asked, measured before inferred.

    `request` maps packages to versions or ranges; `python` and `prefer` go with such a mapping. Where nothing within
    the request works, the nearest miss is given, with `found` False. Raises UsageError for what is no request.

    >>> miss = recommend({"transformers": "99.0.0"})
    >>> miss.found, miss.missed
    (False, ('transformers',))
    """
    known = table if table is not None else known_table()
    if isinstance(request, Request):
        if python is not None:
            raise UsageError("a Request has its Python in its ranges: give one or the other")
        asked = request
    else:
        asked = request_of(request, python=python, prefer=prefer, table=known)
    cells = candidates(asked, known)
    return answer_of(cells[0] if cells else None, asked, known, today or datetime.now(timezone.utc).date())


def candidates(asked: Request, table: KnownTable) -> list[KnownCell]:
    """The cells that work, the best first: those within what is asked, then the near misses."""
    rank = rank_of(asked.prefer, table)
    steps = cache(partial(steps_between, asked, table))

    def order(cell: KnownCell) -> tuple[Any, ...]:
        return (*how_far(cell, asked.misses(cell, _locked(cell, asked, table)), steps), rank(cell))

    found = sorted((cell for cell in table.cells if cell.works), key=order)
    return found if found and not _misses(found[0], asked, table) else [*_alone(asked, table), *found]


def _misses(cell: KnownCell, asked: Request, table: KnownTable) -> tuple[str, ...]:
    return asked.misses(cell, _locked(cell, asked, table))


def _alone(asked: Request, table: KnownTable) -> list[KnownCell]:
    """The cells of explored matrices that work within what is asked, the newest first, or the oldest."""

    def age(cell: KnownCell) -> tuple[Any, ...]:
        days = [
            table.released.get(f"{name} {version}", date.min).toordinal() for name, version in cell.versions.items()
        ]
        return sum(days), tuple(Version(version) for version in cell.versions.values())

    within = [cell for cell in table.scattered if cell.works and not _misses(cell, asked, table)]
    return sorted(within, key=age, reverse=asked.prefer is not Prefer.OLDEST)


def answer_of(cell: KnownCell | None, asked: Request, table: KnownTable, today: date) -> Recommendation:
    """The recommendation of `cell`, with its reasons."""
    alone = cell is not None and any(cell is each for each in table.scattered)
    fitting = [each for each in (table.scattered if alone else table.cells) if not _misses(each, asked, table)]
    working = [each for each in fitting if each.works]
    facts = _combinations(fitting), _combinations(working), asked.unjudged(table), table.age(today)
    if cell is None:
        return Recommendation(asked, table, None, asked.asked, (), *facts)
    missed = _misses(cell, asked, table)
    if not missed:
        return Recommendation(asked, table, cell, (), _forgone(cell, asked, table), *facts, alone=alone)
    given_up = tuple(_given_up(name, cell, asked, table, fitting) for name in missed)
    return Recommendation(asked, table, cell, missed, given_up, *facts)


def _locked(cell: KnownCell, asked: Request, table: KnownTable) -> Mapping[str, str]:
    """The versions of the cell's lock, where something is asked that only the lock knows."""
    if all(name == PYTHON or name in cell.versions or name in cell.beside for name in asked.asked):
        return {}
    lock = table.lock(cell)
    return lock.versions if lock else {}


def _forgone(best: KnownCell, asked: Request, table: KnownTable) -> tuple[Concession, ...]:
    """Why no newer release that was allowed is taken (no older one, where the oldest is preferred)."""
    if asked.prefer is Prefer.STABLE:
        return ()
    found = []
    for name, version in best.versions.items():
        allowed = [each for each in table.axes[name] if asked.admits(name, each)] or [version]
        end = allowed[-1] if asked.prefer is Prefer.NEWEST else allowed[0]
        if end != version:
            reason = _said_of(with_version(name, end, best, table), "beside the other pins")
            found.append(Concession(name, end, version, reason))
    return tuple(found)


def _given_up(
    name: str, nearest: KnownCell, asked: Request, table: KnownTable, fitting: Sequence[KnownCell]
) -> Concession:
    """Why what was asked of `name` cannot be had."""
    wanted = asked.words(name)
    if name == PYTHON:
        reason = f"measured is only Python {', '.join(table.pythons)}"
        if any(asked.admits(name, each) for each in table.pythons):
            reason = _said_of(fitting, "within what was asked")
        return Concession(name, wanted, nearest.python, reason)
    if name not in nearest.versions:
        lock = table.lock(nearest)
        version = nearest.beside.get(name) or (lock.versions[name] if lock else "")
        return Concession(name, wanted, version, "that is what it was measured beside")
    axis = table.axes[name]
    allowed = [each for each in axis if asked.admits(name, each)]
    if not allowed and any(asked.admits(name, cell.versions[name]) for cell in table.scattered):
        reason = "run for an explored table only, where nothing within what was asked works"
    elif not allowed:
        reason = f"no such version was measured (nearest: {_beside_range(name, asked, axis)})"
    else:
        here = [cell for each in allowed for cell in with_version(name, each, nearest, table)]
        reason = _said_of(here, "beside the other pins") if here else _said_of(fitting, "within what was asked")
    return Concession(name, wanted, nearest.versions[name], reason)


def _beside_range(name: str, asked: Request, axis: Sequence[str]) -> str:
    """The measured versions on both sides of what is asked, none of which lies within."""
    ends = [Version(each.version.removesuffix(".*")) for each in asked.ranges[name]]
    place = sum(Version(each) < min(ends) for each in axis)
    return " and ".join(axis[max(0, place - 1) : place + 1])


def _said_of(cells: Sequence[KnownCell], where: str) -> str:
    """What went wrong in most of these cells."""
    bad = [cell for cell in cells if cell.outcome is not Outcome.PASS]
    if not bad:
        return f"not measured {where}" if not cells else f"its runs {where} do not agree"
    (outcome, key), _ = Counter((cell.outcome, cell.signature or "") for cell in bad).most_common(1)[0]
    signature = shipped_signature(key) if key else None
    title = f"{signature.title} [{key}]" if signature else "not known to the catalogue"
    if outcome is Outcome.UNRESOLVABLE:
        return f"cannot be installed {where}"
    if outcome in (Outcome.ERROR, Outcome.UNTESTED):
        return f"not measured {where}"
    return f"{'gives a wrong result' if outcome is Outcome.WRONG else 'fails'} {where} ({title})"
