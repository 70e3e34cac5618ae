"""Where a rule ends, as tightly as all that was ever measured allows. Pure.

An edge of a rule lies between two measured versions of its table. Cells of the releases in between, measured beside the
table, move its two sides together: `compatcheck rules --exact` measures them by halving. The statement on an edge is
one about the cells that it names: beside other versions the rule may end at another release.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from packaging.version import Version

from .ranges import Boundary, between
from .rules import Rule
from .table import Row, Table


@dataclass(frozen=True)
class Edge:
    """One end of a rule: two measured cells that differ in one package's release alone."""

    rule: Rule
    boundary: Boundary
    """The same edge by the table's own versions."""
    inside: Row
    """The last cell, on the way out, of which the claim is true."""
    outside: Row
    """The first of which it is not."""
    untold: tuple[str, ...] | None
    """The releases between the two, none of which says anything; None where the releases are not known."""
    tried: frozenset[str] = frozenset()
    """Those of them that were tried: nothing to install, or this machine's fault."""

    @property
    def axis(self) -> str:
        return self.boundary.axis

    @property
    def last(self) -> str:
        """The release in which the claim still holds."""
        return self.inside.point[self.axis]

    @property
    def first(self) -> str:
        """The release in which it no longer does."""
        return self.outside.point[self.axis]

    @property
    def exact(self) -> bool:
        """Whether no release in between is left that could say something."""
        return self.untold is not None and not self.waiting

    @property
    def waiting(self) -> tuple[str, ...]:
        """The releases in between that were not tried yet."""
        return tuple(each for each in self.untold or () if each not in self.tried)

    @property
    def next(self) -> str | None:
        """The release whose run halves what is left; None where nothing is."""
        if self.untold is None or not self.waiting:
            return None
        middle = (len(self.untold) - 1) / 2
        return min(self.waiting, key=lambda each: abs(self.untold.index(each) - middle) if self.untold else 0)

    @property
    def beside(self) -> dict[str, str]:
        """What both cells share, the Python included."""
        return {name: version for name, version in self.inside.point.items() if name != self.axis}


def edges_of(rule: Rule, table: Table, finer: Table, releases: Mapping[str, Sequence[str]]) -> tuple[Edge, ...]:
    """The edges of a rule of `table`, each by the pair of cells that makes it tightest.

    `finer` holds the table's cells and those that were measured beside it; `releases` all releases of the axes. An
    edge beyond which no measured cell contradicts the claim is not among them: nothing is known there.
    """
    by_id = {row.cell_id: row for row in table.telling}
    within = [by_id[cell] for cell in rule.cells]
    return tuple(
        edge for boundary in rule.boundaries if (edge := _edge(rule, boundary, within, table, finer, releases))
    )


def _edge(
    rule: Rule,
    boundary: Boundary,
    within: Sequence[Row],
    table: Table,
    finer: Table,
    releases: Mapping[str, Sequence[str]],
) -> Edge | None:
    found = []
    for row in within:
        if row.point[boundary.axis] != boundary.inside:
            continue
        other = table.moved(row, **{boundary.axis: boundary.outside})
        if other is not None and other.unit is not None and not rule.holds(other.unit):
            found.append(_tightened(rule, boundary, row, other, finer, releases.get(boundary.axis)))
    if not found:
        return None
    # of two that are as tight, the one beside the newest of the other packages
    newest = {id(edge): [Version(version) for version in edge.beside.values()] for edge in found}
    return max(found, key=lambda edge: (edge.exact, -len(edge.waiting), newest[id(edge)]))


def _tightened(
    rule: Rule, boundary: Boundary, inside: Row, outside: Row, finer: Table, releases: Sequence[str] | None
) -> Edge:
    axis = boundary.axis
    low, high = sorted((Version(boundary.inside), Version(boundary.outside)))
    line = [row for row in finer.line(inside, axis).rows if low <= Version(row.point[axis]) <= high]
    if Version(boundary.inside) > Version(boundary.outside):
        line.reverse()
    last, first = inside, outside
    for each in line:
        if each.unit is not None and not rule.holds(each.unit):
            first = each
            break
        last = each
    if releases is None:
        return Edge(rule, boundary, last, first, None)
    untold = between(last.point[axis], first.point[axis], releases)
    tried = {row.point[axis] for each in untold if (row := finer.moved(last, **{axis: each})) is not None and row.tried}
    return Edge(rule, boundary, last, first, untold, frozenset(tried))
