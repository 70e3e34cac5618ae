"""What the known table says of a set of versions: works, known bad, wrong, unknown or stale. Never guesses.

>>> from compatcheck import lookup
>>> verdict = lookup({"torch": "2.6.0", "transformers": "4.49.0", "peft": "0.15.2", "python": "3.11"})
>>> str(verdict.status)
'works'
>>> lookup({"torch": "2.6.1", "transformers": "4.49.0", "peft": "0.15.2"}).status.value
'unknown'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timezone
from typing import TYPE_CHECKING, Any

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from .domain import CORE, Basis, Outcome, Policy, Word
from .errors import UsageError
from .expected import Expected, expected
from .known import KnownCell, KnownTable
from .measured_cells import Difference, closest, differences_of, whatever_python
from .neighbours import neighbours
from .own_runs import known_table
from .unimportable import Unimportable, unimportable

if TYPE_CHECKING:
    from .signatures import Signature

STALE_DAYS = 180
"""A cell whose other packages were the newest of its day says nothing of what resolves so long after."""


class Standing(Word):
    """What is known of a combination."""

    WORKS = "works"
    KNOWN_BAD = "known-bad"
    """It fails, or cannot be installed; or it was not run, and the packages' own sources say that it cannot be
    imported."""
    WRONG = "wrong"
    """It runs to the end, and the result is not right."""
    UNKNOWN = "unknown"
    """Not measured, or its runs do not agree."""
    STALE = "stale"
    """Measured too long ago, or beside other versions of the packages that take part."""


_STANDINGS = {
    Outcome.PASS: Standing.WORKS,
    Outcome.FAIL: Standing.KNOWN_BAD,
    Outcome.UNRESOLVABLE: Standing.KNOWN_BAD,
    Outcome.WRONG: Standing.WRONG,
}


@dataclass(frozen=True)
class Verdict:
    """What is known of one combination."""

    status: Standing
    versions: Mapping[str, str]
    """What was asked about: torch, transformers, peft, and the companions that were given."""
    python: str | None
    cell: KnownCell | None = None
    """The cell it rests on; None where the combination was not measured."""
    signature: Signature | None = None
    neighbours: tuple[KnownCell, ...] = ()
    """The nearest cells on both sides, where there is no cell."""
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    """What has to be said besides, in words."""
    age: int = 0
    """Days since the measurement; of the table, where there is no cell."""
    table: str = ""
    """Where the table was read from."""
    source: str = ""
    """What stands in the packages' sources, where that decides: there is no cell."""
    expected: Expected | None = None
    """What is to be expected, where there is no cell and no source tells. It decides nothing."""

    @property
    def basis(self) -> Basis | None:
        return self.cell.basis if self.cell else None

    @property
    def bad(self) -> bool:
        """Whether it is known not to work."""
        return self.status in (Standing.KNOWN_BAD, Standing.WRONG)

    @property
    def named(self) -> str | None:
        """The identifier of the failure's signature; None where it has none, or nothing is known to fail."""
        if self.cell is not None:
            return self.cell.signature
        return self.signature.id if self.signature else None

    @property
    def title(self) -> str:
        """What goes wrong, in a few words; empty where nothing is known to."""
        if self.signature is not None:
            return self.signature.title
        if self.source:
            return self.source
        if self.cell is None or self.cell.outcome not in _STANDINGS or self.cell.outcome is Outcome.PASS:
            return ""
        if self.cell.outcome is Outcome.UNRESOLVABLE:
            return "the declared ranges of the packages conflict"
        return f"a failure that the catalogue does not know (fingerprint {self.cell.fingerprint})"

    @property
    def remedy(self) -> str:
        return self.signature.remedy if self.signature else ""

    @property
    def pins(self) -> tuple[str, ...]:
        """Requirements that avoid the failure, where the catalogue names some."""
        return self.signature.pins if self.signature else ()

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        cell = self.cell
        return {
            "status": str(self.status),
            "python": self.python,
            "versions": dict(self.versions),
            "signature": self.named,
            "fingerprint": cell.fingerprint if cell else None,
            "title": self.title or None,
            "remedy": self.remedy or None,
            "pins": list(self.pins),
            "cell": cell_json(cell) if cell else None,
            "source": self.source or None,
            "expected": self.expected.as_json() if self.expected else None,
            "neighbours": [cell_json(each) for each in self.neighbours],
            "differences": [
                {"package": each.package, "given": each.given, "measured": each.measured} for each in self.differences
            ],
            "notes": list(self.notes),
            "age_days": self.age,
            "table": self.table,
        }

    def as_text(self) -> str:
        """One line."""
        asked = ", ".join(f"{name} {self.versions[name]}" for name in CORE)
        if self.python:
            asked += f" on Python {self.python}"
        parts = [f"{self.status.replace('-', ' ')}: {asked}"]
        if self.title:
            parts.append(f"{self.title} [{self.named or 'unknown'}]")
        if self.bad and self.remedy:
            parts.append(f"remedy: {self.remedy.rstrip('.')}")
        if self.bad and self.pins:
            parts.append("pins: " + " ".join(self.pins))
        parts += self.notes
        if self.cell:
            parts.append(f"{self.cell.basis} {self.cell.measured or ''}".rstrip() + f", {days(self.age)} ago")
        elif self.source:
            parts.append(f"not run: {self.source}")
        else:
            if self.expected:
                parts.append(f"expected: {self.expected.words()}")
            if self.neighbours:
                parts.append("nearest: " + "; ".join(f"{each.words()} {_said(each)}" for each in self.neighbours[:2]))
            parts.append(f"the table is {days(self.age)} old")
        return " | ".join(parts)


def days(number: int) -> str:
    return f"{number} day" if number == 1 else f"{number} days"


def _said(cell: KnownCell) -> str:
    """`works`, `known bad (cache-layers-empty)`."""
    standing = _STANDINGS.get(cell.outcome, Standing.UNKNOWN)
    return standing.replace("-", " ") + (f" ({cell.signature})" if cell.signature else "")


def cell_json(cell: KnownCell) -> dict[str, Any]:
    """A cell of the table as plain data."""
    return {
        "python": cell.python,
        "versions": dict(cell.versions),
        "outcome": str(cell.outcome),
        "signature": cell.signature,
        "stage": str(cell.stage) if cell.stage else None,
        "basis": str(cell.basis),
        "policy": str(cell.policy),
        "platform": cell.source.platform,
        "own": cell.source.own,
        "lock": cell.lock,
        "measured": cell.measured.isoformat() if cell.measured else None,
        "attempts": cell.attempts,
        "agreeing": cell.agreeing,
        "beside": dict(cell.beside),
        "caveats": list(cell.caveats),
    }


def lookup(versions: Mapping[str, str], table: KnownTable | None = None, today: date | None = None) -> Verdict:
    """What is known of these versions.

    `versions` maps torch, transformers and peft to exact versions, and may name `python` and any other package of the
    environment. None for the table: the shipped one, with the results of the local store before it. Raises UsageError
    where one of the three is missing or something is not a version.

    >>> verdict = lookup({"torch": "2.6.0", "transformers": "5.24.0", "peft": "0.13.2", "python": "3.11"})
    >>> verdict.bad, verdict.cell.signature
    (True, 'cache-key-missing')
    """
    known = table if table is not None else known_table()
    day = today or datetime.now(timezone.utc).date()
    asked = asked_versions(versions, known)
    python = asked.pop("python", None)
    everywhere = known.at(asked, python)
    candidates = everywhere if python else whatever_python(everywhere)
    notes = _notes(versions)
    if not candidates:
        elsewhere = python is not None and python not in known.pythons
        if elsewhere:
            notes.append(f"nothing was measured on Python {python} (only on {', '.join(known.pythons)})")
        near = tuple(closest(each, asked) for each in neighbours(asked, python, known))
        verdict = Verdict(
            Standing.UNKNOWN, asked, python, None, None, near, (), tuple(notes), known.age(day), known.name
        )
        told = unimportable(asked, known.cells)
        return _by_sources(verdict, told) if told else replace(verdict, expected=expected(asked, python, known))
    cell = closest(candidates, asked)
    differences = differences_of(cell, asked)
    other = {each.package for each in differences}
    if other and (told := unimportable(asked, known.cells, other)):
        beside = [each.words() for each in differences]
        verdict = Verdict(
            Standing.UNKNOWN, asked, python, None, None, (cell,), differences, (*notes, *beside), known.age(day),
            known.name,
        )  # fmt: skip
        return _by_sources(verdict, told)
    notes += cell.caveats
    if disagreeing := {each.outcome for each in candidates} - {cell.outcome}:
        notes.append("in other measurements of the same versions: " + ", ".join(sorted(disagreeing)))
    if refusing := {each.python for each in everywhere} - {each.python for each in candidates}:
        notes.append(f"cannot be installed on Python {', '.join(sorted(refusing, key=Version))}")
    age = max(0, (day - (cell.measured or cell.source.generated)).days)
    signature = _signature(cell)
    status = _STANDINGS.get(cell.outcome, Standing.UNKNOWN) if cell.steady else Standing.UNKNOWN
    if status is not Standing.UNKNOWN and (reason := _stale(cell, signature, differences, asked, age)):
        status = Standing.STALE
        notes.insert(0, reason)
    return Verdict(status, asked, python, cell, signature, (), differences, tuple(notes), age, known.name)


def _by_sources(verdict: Verdict, told: Unimportable) -> Verdict:
    return replace(verdict, status=Standing.KNOWN_BAD, signature=told.signature, source=told.says)


def asked_versions(versions: Mapping[str, str], table: KnownTable) -> dict[str, str]:
    """The versions that the table can speak of, by their normal names and forms. Raises UsageError."""
    given: dict[str, str] = {canonicalize_name(name): version for name, version in versions.items()}
    missing = [name for name in CORE if not given.get(name)]
    if missing:
        known = ", ".join(sorted(given)) or "nothing"
        raise UsageError(
            f"no version of {', '.join(missing)} is given (given: {known[:200]})",
            "A verdict needs exact versions of torch, transformers and peft.",
        )
    asked = {name: _normal(name, given[name], table) for name in CORE}
    for name in sorted(table.packages - set(CORE)):
        if given.get(name):
            asked[name] = _normal(name, given[name], table)
    if python := given.get("python"):
        asked["python"] = ".".join(_normal("python", python, table).split(".")[:2])
    return asked


def _normal(name: str, text: str, table: KnownTable) -> str:
    """`2.6.0+cu124` as the table writes it, `2.6.0`; `5.0` as `5.0.0` where that is in the table."""
    if text in (known := table.axes.get(name, ())):
        return text
    try:
        version = Version(Version(str(text)).public)
    except ValueError:
        told = str(text)[:80]
        raise UsageError(f"{name}: {told!r} is not a version such as '4.51.3'", "Give exact versions.") from None
    return next((each for each in known if Version(each) == version), str(version))


def _notes(versions: Mapping[str, str]) -> list[str]:
    local = [f"{name} {version}" for name, version in versions.items() if name in CORE and "+" in str(version)]
    return [f"{', '.join(local)} is judged as the release of the same number"] if local else []


def _signature(cell: KnownCell) -> Signature | None:
    if cell.signature is None:
        return None
    from .catalogues import shipped_signature

    return shipped_signature(cell.signature)


def _stale(
    cell: KnownCell,
    signature: Signature | None,
    differences: Sequence[Difference],
    asked: Mapping[str, str],
    age: int,
) -> str:
    """Why the measurement does not say what is so here today; empty where it does."""
    for each in differences:
        if _outside(signature, each):
            return f"{each.words()}, which is outside of what the failure is known for"
        if _series(each.given) != _series(each.measured) and not _apart(signature, each.package):
            return each.words()
    same = any(name in asked for name in cell.beside) and not differences
    if age > STALE_DAYS and cell.policy is Policy.TODAY and not same:
        return f"measured {days(age)} ago, with what was the newest beside it then"
    return ""


def _outside(signature: Signature | None, difference: Difference) -> bool:
    """Whether the catalogue ties the failure to versions of this package, and the given one is not among them."""
    if signature is None:
        return False
    named = [each.versions[difference.package] for each in signature.affected if difference.package in each.versions]
    return bool(named) and not any(SpecifierSet(each).contains(difference.given, True) for each in named)


def _apart(signature: Signature | None, package: str) -> bool:
    """Whether the failure comes about among the three alone, as far as the catalogue knows: `package` has no part."""
    if signature is None:
        return False
    roles = (signature.roles.trigger, signature.roles.owner)
    among_the_three = all(role.partition(" ")[0] in CORE for role in roles)
    return among_the_three and not any(package in each.versions for each in signature.affected)


def _series(version: str) -> tuple[int, ...]:
    """What a change of is a break: the first number, or the first two where that is 0."""
    release = Version(version).release
    return release[:1] if release[0] else release[:2]
