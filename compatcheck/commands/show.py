"""`compatcheck show CELL`: everything that is known about a cell."""

from __future__ import annotations

import argparse
from pathlib import Path

from .common import DEFAULT_MATRIX, add_places, add_scenario, opened_run

EPILOG = """\
CELL is an identifier as the plan and the reports print it, or a glob that matches exactly one cell.

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

    from ..report.cell_text import cell_lines, one_entry
    from ..reporting import context_of

    with opened_run(arguments) as run:
        context = context_of(run)
        entry = one_entry(context, arguments.cell)
        # a report does not keep all that is known of a cell
        whole = replace(entry, result=run.stored(entry.cell))
    print("\n".join(cell_lines(context, whole, arguments.matrix)))
    return 0
