"""`compatcheck infer`: the whole table of an explored matrix, measured and inferred cells, as CSV. Runs nothing."""

from __future__ import annotations

import argparse
import sys

from .common import add_matrix, add_places, add_scenario, opened_run

EPILOG = """\
compatibility.csv on its own: one row a cell, its outcome (untested where nothing is claimed) and basis (measured or
inferred), and of an inferred one the confidence that its outcome is right, what it rests on (the likest measured cells
that say the same, or what releases declare), a cell as like that says something else, and how often the audit found
cells that were inferred so to be wrong. The audit goes to stderr.

  compatcheck infer matrix/full.toml > table.csv
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "infer", help="the whole table of an explored matrix, with grounds and audit", description=__doc__,
        epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add_matrix(parser)
    add_scenario(parser)
    add_places(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    from ..errors import UsageError
    from ..report.audit_text import audit_lines
    from ..report.table_csv import csv_pieces
    from ..reporting import context_of

    with opened_run(arguments) as run:
        context = context_of(run)
    if context.explored is None:
        raise UsageError(
            f"the matrix {run.matrix.name!r} is not explored: every cell of it is run",
            'Name one with explore = "adaptive", such as matrix/full.toml.',
        )
    sys.stdout.writelines(csv_pieces(context))
    for line in audit_lines(context.explored.audit):
        print(line, file=sys.stderr)
    return 0
