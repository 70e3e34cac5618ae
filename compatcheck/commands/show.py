"""`compatcheck show CELL`: everything that is known about a cell."""

from __future__ import annotations

import argparse
from pathlib import Path

from .common import DEFAULT_MATRIX, add_places, add_scenario, opened_run

EPILOG = """\
CELL is an identifier as the plan and the reports print it, or a glob that matches exactly one cell. Of a cell that was
not run here, what the table of measurements says that comes with compatcheck.

  compatcheck show py311-torch2.6.0-transformers4.51.3-peft0.12.0
  compatcheck show 'torch2.6.0*4.51.3*peft0.12*'
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "show", help="print everything about a cell", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("cell", metavar="CELL", help="identifier or glob")
    parser.add_argument(
        "--matrix", type=Path, default=DEFAULT_MATRIX, help="the matrix file it belongs to (default: %(default)s)"
    )
    add_scenario(parser)
    add_places(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    from dataclasses import replace

    from ..domain import Outcome
    from ..errors import UsageError
    from ..report.cell_text import cell_lines, one_entry
    from ..reporting import context_of

    try:
        with opened_run(arguments) as run:
            context = context_of(run)
            entry = one_entry(context, arguments.cell)
            # a report does not keep all that is known of a cell
            whole = replace(entry, result=run.stored(entry.cell))
    except UsageError as error:
        # a clone has no store, and an installed package no matrix files: the table knows the cell all the same
        try:
            print(_from_table(arguments), end="")
        except UsageError as unknown:
            raise error if arguments.matrix.is_file() else unknown from None
        return 0
    print("\n".join(cell_lines(context, whole, arguments.matrix)))
    if whole.outcome is Outcome.UNTESTED and whole.conclusion is None:
        try:
            print(_from_table(arguments), end="")
        except UsageError:
            pass
    return 0


def _from_table(arguments: argparse.Namespace) -> str:
    """What the known table says of the one cell that is named. Raises UsageError where it has none, or several."""
    from ..check_formats import as_text
    from ..domain import Cell
    from ..errors import UsageError
    from ..installation import Installed
    from ..judgement import judged_environment, waived
    from ..matrix import selected
    from ..own_runs import known_table
    from ..waivers import Settings

    table = known_table(store=arguments.store)
    models = {Cell(grid.python, point): "which infers it" for grid in table.inferred for point in grid.points()}
    for known in (*table.scattered, *table.cells):
        models[Cell(known.python, known.versions)] = f"of {known.source.model}"
    found = selected(models, [arguments.cell])
    if len(found) > 1:
        some = ", ".join(each.id for each in found[:3])
        raise UsageError(f"{arguments.cell!r} names {len(found)} cells of {table.name}: {some} ...", "Name one.")
    (cell,) = found
    there = Installed(Path(), cell.python, cell.versions)
    subject = f"{arguments.store} has no run of it; {table.name}, {models[cell]}"
    finding = judged_environment(there, table, subject)
    return as_text(waived([finding], Settings(), table))
