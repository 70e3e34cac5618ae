"""Where every rule ends, to the very release where that was measured: boundaries.md."""

from __future__ import annotations

from collections.abc import Sequence

from ..borders import Edge
from ..ranges import Boundary
from ..rules import Rule
from ..table import unit_text
from .context import Context
from .markup import escaped, markdown_table

HEADERS = ("package", "holds in", "no longer in", "what it shows there", "releases in between", "beside", "runs")


def boundaries_text(context: Context) -> str:
    found = context.findings.edges
    edges = [edge for _, some in found for edge in some]
    exact = sum(edge.exact for edge in edges)
    open_ends = sum(len(rule.boundaries) for rule, _ in found) - len(edges)
    parts = [
        "# Where the rules end",
        f"**{exact} of {len(edges)} edges are known to the very release.** Both sides were run, with no release in "
        "between that could say something. Each edge rests on two cells that differ in one package alone; beside other "
        "versions a rule may end at another release, and between the edges only the cells of the table were run."
        if edges
        else "No rule has an edge.",
        f"{len(context.beside)} cells were measured beside the matrix for this. More: `compatcheck rules --exact`. "
        "The rules themselves: [compatibility.md](compatibility.md#rules).",
    ]
    if open_ends:
        parts.append(f"Beyond {open_ends} further edges nothing that was measured contradicts the rule.")
    parts += [_rule(context, rule, some) for rule, some in found]
    return "\n\n".join(parts) + "\n"


def _rule(context: Context, rule: Rule, edges: Sequence[Edge]) -> str:
    rows = [_row(context, edge) for edge in edges]
    known = {edge.boundary for edge in edges}
    rows += [_open(boundary) for boundary in rule.boundaries if boundary not in known]
    facts = f"Supported by {len(rule.cells)} cells. Refuted by {rule.refuted_by()}."
    table = markdown_table(HEADERS, rows)
    return "\n\n".join(filter(None, [f"## `{rule.words()}`", facts, table if rows else "It has no edge."]))


def _row(context: Context, edge: Edge) -> list[str]:
    beside = ", ".join(f"{name} {version}" for name, version in edge.beside.items() if name != "python")
    runs = (context.measured_by_id[row.cell_id].result for row in (edge.inside, edge.outside))
    shown = unit_text(edge.outside.unit) if edge.outside.unit else ""
    return [
        edge.axis,
        edge.last,
        f"**{edge.first}**" if edge.exact else edge.first,
        escaped(shown),
        _between(edge),
        beside,
        " + ".join(f"{each.agreeing} of {each.attempts}" for each in runs),
    ]


def _between(edge: Edge) -> str:
    if edge.untold is None:
        return "not known"
    if not edge.untold:
        return "none"
    if not edge.waiting:
        return f"{', '.join(edge.untold)}: nothing to run"
    return f"{len(edge.waiting)} not measured"


def _open(boundary: Boundary) -> list[str]:
    return [boundary.axis, boundary.inside, boundary.outside, "nothing measured contradicts", "", "", ""]
