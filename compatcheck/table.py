"""The measured table as pure data: one row a cell, and the lines of cells that differ in one axis alone.

What a cell says is its unit: the outcome together with the signature. `unresolvable`, `error` and `untested` say
nothing about the packages that would have run, so they have no unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from packaging.version import Version

from .domain import Outcome, Stage

PYTHON = "python"
"""The name of the Python axis among the axes of a table."""

TELLING = (Outcome.PASS, Outcome.FAIL, Outcome.WRONG)
"""The outcomes that say something about the packages."""

Unit = tuple[Outcome, "str | None"]
"""Outcome and signature. The signature of a pass is None."""

CLEAN: Unit = (Outcome.PASS, None)


def unit_of(outcome: Outcome, signature: str | None) -> Unit | None:
    """What an outcome with its signature says; None where it says nothing about the packages."""
    if outcome is Outcome.PASS:
        return CLEAN
    return (outcome, signature) if outcome in TELLING else None


def unit_text(unit: Unit) -> str:
    """`pass`, `fail (cache-layers-empty)`."""
    outcome, signature = unit
    return str(outcome) if signature is None else f"{outcome} ({signature})"


@dataclass(frozen=True)
class Row:
    """One cell of a table."""

    cell_id: str
    python: str
    """Major and minor version, `3.11`."""
    versions: Mapping[str, str]
    """Axis package to exact version."""
    outcome: Outcome
    signature: str | None = None
    """The key of the failure class; None for a pass."""
    lock_digest: str | None = None
    stage: Stage | None = None
    """Where it stopped, where that is known: a failure at a later stage shows that this one was got past."""

    @cached_property
    def unit(self) -> Unit | None:
        return unit_of(self.outcome, self.signature)

    @property
    def tried(self) -> bool:
        """Whether there was a run, or an attempt at one."""
        return self.outcome is not Outcome.UNTESTED

    @cached_property
    def point(self) -> dict[str, str]:
        """The versions with the Python among them."""
        return {PYTHON: self.python, **self.versions}


@dataclass(frozen=True)
class Line:
    """The rows that differ in one axis alone, its oldest version first. Only rows that say something."""

    axis: str
    rows: tuple[Row, ...]

    @property
    def changes(self) -> bool:
        return len({row.unit for row in self.rows}) > 1


class Table:
    """Rows with their axes in order, and a look-up by coordinates. A cell may stand in it once."""

    def __init__(self, rows: Iterable[Row], versions: Mapping[str, Iterable[str]] | None = None) -> None:
        """`versions`: of each axis, also those of which there is no row."""
        self.rows: tuple[Row, ...] = tuple(rows)
        beside = versions or {}
        names: dict[str, None] = {PYTHON: None, **dict.fromkeys(beside)}
        for row in self.rows:
            names.update(dict.fromkeys(row.versions))
        self.names: tuple[str, ...] = tuple(names)
        """Every axis, Python first, in the order in which the rows name them."""
        self.versions: dict[str, tuple[str, ...]] = {
            name: tuple(
                sorted(
                    {*beside.get(name, ()), *(row.point[name] for row in self.rows if name in row.point)}, key=Version
                )
            )
            for name in self.names
        }
        """Axis to its versions, oldest first: those of every row, telling or not."""
        self.rank: dict[str, dict[str, int]] = {
            name: {version: place for place, version in enumerate(versions)} for name, versions in self.versions.items()
        }
        self._at: dict[tuple[str, ...], Row] = {}
        for row in self.rows:
            key = self._key(row.point)
            if key in self._at:
                raise ValueError(f"the table has {row.cell_id} and {self._at[key].cell_id} at one place")
            self._at[key] = row

    @cached_property
    def telling(self) -> tuple[Row, ...]:
        """The rows that say something about the packages."""
        return tuple(row for row in self.rows if row.unit is not None)

    @cached_property
    def axes(self) -> tuple[str, ...]:
        """The axes that have more than one version: the others cannot play a part."""
        return tuple(name for name in self.names if len(self.versions[name]) > 1)

    def _key(self, point: Mapping[str, str]) -> tuple[str, ...]:
        return tuple(point.get(name, "") for name in self.names)

    def at(self, point: Mapping[str, str]) -> Row | None:
        """The row at `point`; None where the table has none."""
        return self._at.get(self._key(point))

    def moved(self, row: Row, **versions: str) -> Row | None:
        """The row that differs from `row` in `versions` alone."""
        return self.at({**row.point, **versions})

    def line(self, row: Row, axis: str) -> Line:
        """The telling rows that share everything with `row` but `axis`, `row` among them."""
        found = (self.at({**row.point, axis: version}) for version in self.versions[axis])
        return Line(axis, tuple(other for other in found if other is not None and other.unit is not None))

    def lines(self, axis: str) -> Iterator[Line]:
        """Every line along `axis` that has at least two telling rows."""
        places = self.rank[axis]
        groups: dict[tuple[str, ...], list[Row]] = {}
        for row in self.telling:
            groups.setdefault(tuple(row.point.get(name, "") for name in self.names if name != axis), []).append(row)
        for group in groups.values():
            if len(group) > 1:
                yield Line(axis, tuple(sorted(group, key=lambda each: places.get(each.point.get(axis, ""), 0))))

    def distance(self, one: Row, other: Row) -> tuple[int, int]:
        """How many axes differ, and over how many of the table's versions together."""
        apart = [abs(self._place(one, name) - self._place(other, name)) for name in self.names]
        return sum(map(bool, apart)), sum(apart)

    def _place(self, row: Row, name: str) -> int:
        return self.rank[name].get(row.point.get(name, ""), -1)


def table_of(rows: Sequence[Row] | Table) -> Table:
    """`rows` as a Table; a Table as it is."""
    return rows if isinstance(rows, Table) else Table(rows)
