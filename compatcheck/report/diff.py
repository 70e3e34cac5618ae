"""Two reports compared: every cell of either is in exactly one kind of change, so the totals add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

from ..domain import Outcome, Word
from .reread import Reported, ReportedCell, Told

DIFF_SCHEMA = 1


class Change(Word):
    """What became of a cell. In the order in which a reader wants to know."""

    REGRESSED = "regressed"
    """It passed, and does not any more."""
    FIXED = "fixed"
    """It did not pass, and does now."""
    CHANGED = "changed its failure"
    """It goes wrong in another way, at another stage, or gained or lost a caveat or a workaround."""
    SPURIOUS = "spurious"
    """Something changed, but runs of one and the same lock disagree in one of the reports: chance, until shown more."""
    RENAMED = "named otherwise"
    """The same failure by its fingerprint; the catalogue calls it by another name."""
    NEWLY_TESTED = "newly tested"
    NO_LONGER_TESTED = "no longer tested"
    UNCHANGED = "unchanged"
    NEVER_TESTED = "tested in neither"
    """It stands in at least one of the reports, not run or not measured for want of a machine."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One cell in both reports."""

    old: ReportedCell | None
    new: ReportedCell | None
    change: Change

    @property
    def cell(self) -> ReportedCell:
        found = self.new or self.old
        assert found is not None
        return found

    @property
    def same_lock(self) -> bool | None:
        """Whether the very same packages were run; None where one of the reports has no lock."""
        if self.old is None or self.new is None or not self.old.told.lock or not self.new.told.lock:
            return None
        return self.old.told.lock == self.new.told.lock

    @property
    def packages(self) -> Mapping[str, tuple[str | None, str | None]]:
        """Packages that the two runs imported in different versions; None where one did not import it."""
        if self.old is None or self.new is None:
            return {}
        before, after = self.old.told.imported, self.new.told.imported
        if not before or not after:
            return {}
        pairs = {name: (before.get(name), after.get(name)) for name in sorted({*before, *after})}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


@dataclass(frozen=True)
class Diff:
    old: Reported
    new: Reported
    differences: tuple[Difference, ...]
    """One for every cell of either report, in the order of the new one."""

    @cached_property
    def totals(self) -> Mapping[Change, int]:
        counts = Counter(each.change for each in self.differences)
        return {change: counts[change] for change in Change}

    def of(self, change: Change) -> tuple[Difference, ...]:
        return tuple(each for each in self.differences if each.change is change)

    def groups(self, change: Change) -> list[tuple[str, tuple[Difference, ...]]]:
        """The cells of one change by what they were and are, the largest group first."""
        ordered = sorted(self.of(change), key=_story)
        found = [(story, tuple(group)) for story, group in groupby(ordered, key=_story)]
        return sorted(found, key=lambda item: (-len(item[1]), item[0]))

    @cached_property
    def surroundings(self) -> tuple[str, ...]:
        """What else differs between the two: what a change may be due to, other than the packages under test."""
        return tuple(_surroundings(self))


def compared(old: Reported, new: Reported) -> Diff:
    """What changed from `old` to `new`."""
    before = {cell.id: cell for cell in old.cells}
    differences = [_difference(before.pop(cell.id, None), cell) for cell in new.cells]
    differences += [_difference(gone, None) for gone in before.values()]
    return Diff(old, new, tuple(differences))


def state(cell: ReportedCell | None) -> str:
    """`pass`, `fail in generate (cache-layers-empty)`, `pass, caveat uncached`."""
    return "not in the matrix" if cell is None else _state(cell.told)


def _state(cell: Told) -> str:
    where = f" in {cell.stage}" if cell.stage and cell.outcome is Outcome.FAIL else ""
    failure = f" ({cell.failure})" if cell.failure else ""
    mode = f", caveat {cell.caveat}" if cell.caveat else f", workaround {cell.workaround}" if cell.workaround else ""
    return f"{cell.outcome}{where}{failure}{mode}"


def counted(number: int) -> str:
    return "1 cell" if number == 1 else f"{number} cells"


def _difference(old: ReportedCell | None, new: ReportedCell | None) -> Difference:
    return Difference(old, new, _change(old.told if old else None, new.told if new else None))


def _change(old: Told | None, new: Told | None) -> Change:
    if old is None or not old.tested:
        return Change.NEWLY_TESTED if new is not None and new.tested else Change.NEVER_TESTED
    if new is None or not new.tested:
        return Change.NO_LONGER_TESTED
    if _state(old) == _state(new):
        return Change.UNCHANGED
    if old.flaky or new.flaky:
        return Change.SPURIOUS
    if (old.outcome is Outcome.PASS) != (new.outcome is Outcome.PASS):
        return Change.FIXED if new.outcome is Outcome.PASS else Change.REGRESSED
    same = old.fingerprint is not None and old.fingerprint == new.fingerprint
    facts = ("outcome", "stage", "caveat", "workaround")
    if same and all(getattr(old, name) == getattr(new, name) for name in facts):
        return Change.RENAMED
    return Change.CHANGED


def _story(each: Difference) -> str:
    if each.old is None or each.new is None:
        return state(each.cell)
    before, after = state(each.old), state(each.new)
    return after if before == after else f"{before} → {after}"


def _surroundings(diff: Diff) -> Iterator[str]:
    old, new = diff.old, diff.new
    for words, one, other in (
        ("matrix", old.matrix, new.matrix),
        ("policy", old.policy, new.policy),
        ("extra requirements", ", ".join(old.extras) or "none", ", ".join(new.extras) or "none"),
        ("compatcheck", old.compatcheck, new.compatcheck),
    ):
        if one != other:
            yield f"{words}: {one} → {other}"
    for name in dict.fromkeys([*old.scenario, *new.scenario]):
        one, other = old.scenario.get(name, "not told"), new.scenario.get(name, "not told")
        if one != other:
            yield f"scenario, {name}: {one} → {other}"
    for machine in old.platform:
        if machine not in new.platform:
            yield f"machine, only before: {_machine(asdict(machine))}"
    for machine in new.platform:
        if machine not in old.platform:
            yield f"machine, only now: {_machine(asdict(machine))}"
    both = [each for each in diff.differences if each.same_lock is not None]
    moved = [each for each in both if each.same_lock is False]
    if moved:
        yield f"locks: {len(moved)} of the {len(both)} cells with a lock in both were resolved to other packages"
    moves = Counter((name, *pair) for each in moved for name, pair in each.packages.items())
    for (name, before, after), count in sorted(moves.items(), key=lambda item: (-item[1], str(item[0]))):
        yield f"{name}: {before or 'not imported'} → {after or 'not imported'} ({counted(count)})"


def _machine(machine: Mapping[str, Any]) -> str:
    return ", ".join(f"{value} MiB" if name == "memory_mib" else str(value) for name, value in machine.items() if value)


def explained(each: Difference) -> str:
    """What speaks for or against the packages' part in a change, in a few words."""
    if each.change is Change.SPURIOUS:
        flaky, which = next(
            (cell.told, when) for cell, when in ((each.new, "now"), (each.old, "before")) if cell and cell.told.flaky
        )
        return f"only {flaky.agreeing} of {flaky.attempts} runs of one lock agreed {which}"
    if each.change not in (Change.REGRESSED, Change.FIXED, Change.CHANGED):
        return ""  # there is nothing in the cell to explain, or only one run to explain it with
    if each.packages:
        return ", ".join(
            f"{name} {before or 'none'} → {after or 'none'}" for name, (before, after) in each.packages.items()
        )
    if each.same_lock:
        return "the same lock: not the packages"
    return "another lock, and the same versions of what was imported" if each.same_lock is False else ""


def diff_document(diff: Diff) -> dict[str, Any]:
    """The comparison as plain data. Cells that did not change are counted, not listed."""
    silent = (Change.UNCHANGED, Change.NEVER_TESTED)
    return {
        "schema": DIFF_SCHEMA,
        "old": _side(diff.old),
        "new": _side(diff.new),
        "totals": {str(change): count for change, count in diff.totals.items()},
        "cells_compared": len(diff.differences),
        "surroundings": list(diff.surroundings),
        "cells": [_document(each) for each in diff.differences if each.change not in silent],
    }


def _side(report: Reported) -> dict[str, Any]:
    return {
        "matrix": report.matrix,
        "generated": report.generated,
        "cells": len(report.cells),
        "totals": _totals(report.cells),
    }


def _totals(cells: Iterable[ReportedCell]) -> dict[str, int]:
    counts = Counter(cell.outcome for cell in cells)
    return {str(outcome): counts[outcome] for outcome in Outcome if counts[outcome]}


def _document(each: Difference) -> dict[str, Any]:
    def side(cell: ReportedCell | None) -> dict[str, Any] | None:
        if cell is None:
            return None
        told = cell.told
        return {"outcome": str(told.outcome), "stage": told.stage, "failure": told.failure,
                "caveat": told.caveat, "workaround": told.workaround, "lock": told.lock,
                "attempts": told.attempts, "agreeing": told.agreeing}  # fmt: skip

    return {
        "id": each.cell.id,
        "python": each.cell.python,
        "versions": dict(each.cell.versions),
        "change": str(each.change),
        "old": side(each.old),
        "new": side(each.new),
        "same_lock": each.same_lock,
        "packages": {name: list(pair) for name, pair in each.packages.items()},
        "explained": explained(each) or None,
    }
