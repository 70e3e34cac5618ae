"""A cell as a report tells it, and the cells that went wrong in one way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from packaging.version import Version

from ..catalogues import Catalogue
from ..conclusion import Conclusion
from ..domain import Basis, Cell, CellResult, Diagnosis, Mode, Outcome, Raised
from ..signatures import Signature

TITLE_CAP = 60
"""Characters of a message that name an unknown failure."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One cell of the table."""

    result: CellResult
    diagnosis: Diagnosis | None
    conclusion: Conclusion | None = None
    """What is inferred of it, where it was not run."""

    @property
    def cell(self) -> Cell:
        return self.result.cell

    @property
    def basis(self) -> Basis:
        return Basis.MEASURED if self.conclusion is None else Basis.INFERRED

    @property
    def measured(self) -> bool:
        """Whether what is said of it was seen, not inferred."""
        return self.conclusion is None

    @property
    def outcome(self) -> Outcome:
        return self.result.outcome if self.conclusion is None else self.conclusion.outcome

    @property
    def failure(self) -> str | None:
        """The key of the failure class: the signature, or the fingerprint of an unknown failure."""
        if self.conclusion is not None:
            return self.conclusion.signature
        if self.diagnosis is None:
            return None
        return self.diagnosis.signature or f"unknown-{self.diagnosis.fingerprint[:8]}"

    @property
    def exception(self) -> Raised | None:
        """The exception that decided, where one was raised."""
        if self.diagnosis is not None and self.diagnosis.exception is not None:
            return self.diagnosis.exception
        chain = self.result.observation.chain if self.result.observation else ()
        return chain[-1] if chain else None

    @property
    def said(self) -> str:
        """The exception, the resolver's reason, or compatcheck's own trouble, in the words they came in.

        Of an inferred cell what a release declares or has in its source, where that decides.
        """
        if self.conclusion is not None:
            return self.conclusion.said
        if self.result.resolution is not None and self.result.lock is None:
            return self.result.resolution.reason
        if self.exception is not None:
            return f"{self.exception.type}: {self.exception.message}"
        return self.result.trouble

    def mode(self, mode: Mode) -> str | None:
        return self.result.observation.mode(mode) if self.result.observation else None

    @property
    def workaround(self) -> Mode | None:
        return self.result.observation.workaround if self.result.observation else None

    @property
    def caveat(self) -> Mode | None:
        return self.result.observation.caveat if self.result.observation else None

    @property
    def note(self) -> str:
        """How the tables mark a caveat and a workaround."""
        return "*" if self.caveat else "+" if self.workaround else ""


T = TypeVar("T")


class Shared(Generic[T]):
    """What is made of a cell; of cells that were not run once for all of which the same is said, often thousands."""

    def __init__(self, make: Callable[[Entry], T]) -> None:
        self._make = make
        self._made: dict[int, T] = {}

    def __call__(self, entry: Entry) -> T:
        if entry.result.known:
            return self._make(entry)
        # cells that rest on the same hold one and the same conclusion: it need not be compared
        held = id(entry.conclusion)
        if held not in self._made:
            self._made[held] = self._make(entry)
        return self._made[held]


@dataclass(frozen=True)
class Tally:
    """Some cells, counted."""

    measured: Counter[Outcome]
    """Cells by outcome, without the inferred ones."""
    inferred: Counter[Outcome]
    workarounds: Counter[Outcome]
    """Cells that do not work as they are, and do with the other way to generate."""
    caveats: int
    """Cells that work as they are, and do not with the other way to generate."""

    @property
    def told(self) -> int:
        """Cells of which a run, or the resolver, has told something of the packages."""
        return sum(self.measured.values()) - self.measured[Outcome.UNTESTED] - self.measured[Outcome.ERROR]


def tally_of(entries: Iterable[Entry]) -> Tally:
    measured: Counter[Outcome] = Counter()
    inferred: Counter[Outcome] = Counter()
    workarounds: Counter[Outcome] = Counter()
    caveats = 0
    for entry in entries:
        if entry.conclusion is not None:
            inferred[entry.conclusion.outcome] += 1
            continue
        measured[entry.outcome] += 1
        if entry.workaround is not None:
            workarounds[entry.outcome] += 1
        caveats += entry.caveat is not None
    return Tally(measured, inferred, workarounds, caveats)


@dataclass(frozen=True)
class FailureClass:
    """The cells that went wrong in one way."""

    key: str
    letter: str
    """A to Z, AA ...: how the tables mark it. The most frequent class is A."""
    signature: Signature | None
    """None for an unknown failure."""
    entries: tuple[Entry, ...]
    """Those that were run."""
    inferred: int = 0
    """Further cells that are inferred to go wrong so."""

    @property
    def title(self) -> str:
        """The signature's title; of an unknown failure the beginning of what was said."""
        if self.signature is not None:
            return self.signature.title
        said = next(iter(self.entries[0].said.splitlines()), "")
        return f"not recognised: {said[:TITLE_CAP]}{'…' if len(said) > TITLE_CAP else ''}" if said else "not recognised"

    @property
    def outcomes(self) -> Counter[Outcome]:
        return Counter(entry.outcome for entry in self.entries)

    @property
    def stages(self) -> tuple[str, ...]:
        return tuple(sorted({str(entry.result.stage) for entry in self.entries if entry.result.stage}))

    @property
    def workarounds(self) -> int:
        return sum(entry.workaround is not None for entry in self.entries)

    def versions(self, package: str) -> tuple[str, ...]:
        """The versions of `package` among the cells of this class, oldest first."""
        return tuple(sorted({entry.cell.versions[package] for entry in self.entries}, key=Version))


def classes_of(entries: Iterable[Entry], catalogue: Catalogue) -> tuple[FailureClass, ...]:
    """The failures of some cells that were run, the most frequent first."""
    groups: dict[str, list[Entry]] = {}
    inferred: Counter[str] = Counter()
    for entry in entries:
        if (failure := entry.failure) is None:
            continue
        if entry.measured:
            groups.setdefault(failure, []).append(entry)
        else:
            inferred[failure] += 1
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return tuple(
        FailureClass(key, _letters(number), catalogue.get(key), tuple(group), inferred[key])
        for number, (key, group) in enumerate(ordered)
    )


def _letters(number: int) -> str:
    """0 -> A, 25 -> Z, 26 -> AA."""
    text = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(ord("A") + rest) + text
    return text
