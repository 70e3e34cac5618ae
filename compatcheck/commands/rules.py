"""`compatcheck rules`: the shortest statements that hold of all that was measured, and where they end."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from .common import add_matrix, add_places, add_scenario, opened_run, report_folder

if TYPE_CHECKING:
    from ..borders import Edge
    from ..domain import Cell
    from ..pipeline import Run
    from ..report.context import Context
    from ..rules import Rule

EPILOG = """\
Each rule holds for every measured cell within it. Its edges lie between two measured versions; --exact measures the
releases in between, by halving, until the two sides are neighbours, and runs both sides twice. What it measures is
kept in the store: an interrupted search goes on where it was, and later reports know it (boundaries.md).

  compatcheck rules                             the rules, each with its edges
  compatcheck rules --about cache-layers        only rules with this in their words
  compatcheck rules --exact                     find the very releases; prints an estimate first
  compatcheck rules --json | jq '.[].text'
"""

Say = Callable[[str], None]
REPETITIONS = 2
"""Runs of the cells at an exact edge: what comes and goes must not pass for a border."""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "rules", help="what holds of all that was measured, and where it ends", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add_matrix(parser)
    add_scenario(parser)
    parser.add_argument(
        "--about", metavar="TEXT", action="append", default=[],
        help="only rules whose words contain TEXT, such as a signature or `peft<`; may be repeated",
    )  # fmt: skip
    parser.add_argument("--exact", action="store_true", help="measure the releases between the two sides of every edge")
    parser.add_argument(
        "--max-runs", type=int, default=400, metavar="N", help="with --exact: no more runs than this (%(default)s)"
    )
    parser.add_argument(
        "--large", action="store_true", help="with --exact: search the releases of torch too, and download them"
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="cells at a time (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the rules as JSON, as compatibility.json has them")
    parser.add_argument(
        "--reports", type=Path, default=Path("reports"),
        help="with --exact: boundaries.md is written into this folder (default: %(default)s)",
    )  # fmt: skip
    add_places(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    import json
    import sys

    from ..errors import EXIT_DONE, UsageError
    from ..report.boundaries_text import boundaries_text
    from ..report.files import written_file
    from ..report.findings import rule_data
    from ..reporting import context_of
    from .blame import teller

    with opened_run(arguments, jobs=max(1, arguments.jobs)) as run:
        context = context_of(run)
        if not _chosen(context, arguments.about):
            told = " with these words" if arguments.about else ""
            raise UsageError(
                f"there is no rule{told} in what {arguments.store} knows of this matrix",
                "See all: compatcheck rules, or run the matrix first. A report that is there has its own rules "
                "(compatibility.md, compatibility.json).",
            )
        if arguments.exact:
            context = _exact(arguments, run, teller())
    chosen = _chosen(context, arguments.about)
    if arguments.json:
        print(json.dumps([rule_data(rule, edges) for rule, edges in chosen], indent=2))
    else:
        print("\n\n".join("\n".join(_lines(rule, edges)) for rule, edges in chosen))
    if arguments.exact:
        path = written_file(report_folder(arguments) / "boundaries.md", boundaries_text(context))
        print(path, file=sys.stderr if arguments.json else sys.stdout)
    return EXIT_DONE


def _chosen(context: Context, about: Iterable[str]) -> list[tuple[Rule, tuple[Edge, ...]]]:
    words = tuple(about)
    return [
        (rule, edges)
        for rule, edges in context.findings.edges
        if not words or any(word in rule.words() for word in words)
    ]


def _lines(rule: Rule, edges: Iterable[Edge]) -> list[str]:
    lines = [rule.words(), f"  holds in all {len(rule.cells)} measured cells within; refuted by {rule.refuted_by()}"]
    told = {edge.boundary: edge for edge in edges}
    for boundary in rule.boundaries:
        if (edge := told.get(boundary)) is None:
            lines.append(f"  {boundary.words()}; nothing measured beyond it contradicts")
            continue
        beside = ", ".join(f"{name} {version}" for name, version in edge.beside.items() if name != "python")
        lines.append(f"  {edge.axis}: {edge.last} still, {edge.first} no longer ({_tightness(edge)}), beside {beside}")
    return lines


def _tightness(edge: Edge) -> str:
    if edge.exact:
        return "exact"
    if edge.untold is None:
        return "the releases in between are not known: run the matrix again"
    return f"{len(edge.waiting)} releases in between not measured"


def _exact(arguments: argparse.Namespace, run: Run, say: Say) -> Context:
    """Halve every edge that is not exact until it is, all edges at once, and run both sides of each twice."""
    import sys

    from ..errors import UsageError
    from ..progress import chosen_progress
    from ..reporting import context_of

    run.progress = chosen_progress(sys.stderr)
    run.expand()
    context = context_of(run)
    left = arguments.max_runs
    first: set[Cell] = set()
    again: set[Cell] = set()
    say(_estimate(context, arguments))
    while True:
        edges = _wanted(context, arguments)
        # a cell without a result, such as one that cannot be installed, is not asked for for ever
        cells = dict.fromkeys(cell for edge in edges if (cell := _next(edge, context)) and cell not in first)
        tried = first
        if not cells:
            cells, tried = dict.fromkeys(cell for cell in _once(context, edges) if cell not in again), again
        if not cells:
            return context
        chosen = list(cells)[:left]
        if not chosen:
            raise UsageError(f"{arguments.max_runs} runs were not enough", "What was measured is kept: run again.")
        tried.update(chosen)
        left -= len(chosen)
        run.run(chosen, again=tried is again)
        context = context_of(run)
        edges = _wanted(context, arguments)
        say(f"{sum(edge.exact for edge in edges)} of {len(edges)} edges are exact")


def _wanted(context: Context, arguments: argparse.Namespace) -> list[Edge]:
    from ..laboratory import large_packages

    locks = [entry.result.lock for entry in context.entries if entry.result.lock is not None]
    apart = set() if arguments.large else large_packages(*locks).keys()
    return [edge for _, edges in _chosen(context, arguments.about) for edge in edges if edge.axis not in apart]


def _next(edge: Edge, context: Context) -> Cell | None:
    """The cell that halves what is left of an edge; None where nothing is."""
    from ..domain import Cell

    release = edge.next
    if release is None:
        return None
    cell = context.measured_by_id[edge.inside.cell_id].cell
    return Cell(cell.python, {**cell.versions, edge.axis: release})


def _once(context: Context, edges: Iterable[Edge]) -> list[Cell]:
    """The cells at exact edges that were not run twice yet."""
    ends = {row.cell_id for edge in edges if edge.exact for row in (edge.inside, edge.outside)}
    entries = (context.measured_by_id[cell] for cell in sorted(ends))
    return [entry.cell for entry in entries if entry.result.attempts < REPETITIONS]


def _estimate(context: Context, arguments: argparse.Namespace) -> str:
    edges = _wanted(context, arguments)
    halvings = {
        (edge.inside.cell_id, edge.outside.cell_id): math.ceil(math.log2(len(edge.waiting) + 1)) for edge in edges
    }
    runs = sum(halvings.values()) + len(_once(context, edges)) + 2 * sum(map(bool, halvings.values()))
    seconds = sorted(entry.result.observation.seconds for entry in context.entries if entry.result.observation)
    usual = seconds[len(seconds) // 2] if seconds else 0.0
    exact = sum(edge.exact for edge in edges)
    return (
        f"{exact} of {len(edges)} edges are exact; about {runs} runs for the others, {runs * usual / 60:.0f} min at "
        f"{usual:.0f} s a run, and what has to be downloaded"
    )
