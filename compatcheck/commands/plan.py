"""`compatcheck plan`: which cells a run would have, and what they would cost. Runs and installs nothing."""

from __future__ import annotations

import argparse

from .common import add_matrix, add_places, add_scenario, add_selection, chosen_cells, opened_run

EPILOG = """\
Resolving asks the package index once a cell (about half a second each) and is kept for the run that follows;
--quick leaves it out, and then the costs are not told.

  compatcheck plan matrix/quick.toml
  compatcheck plan --ids --only 'peft0.15.*' | wc -l
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "plan", help="print the cells and what they would cost, without running anything", description=__doc__,
        epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add_matrix(parser)
    add_selection(parser)
    add_scenario(parser)
    parser.add_argument("--quick", action="store_true", help="do not resolve: print the cells only")
    parser.add_argument("--ids", action="store_true", help="print nothing but the identifiers, one a line")
    parser.add_argument("--jobs", "-j", type=int, default=1, metavar="N", help="for the estimate of the time")
    add_places(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    from ..plan import built_plan
    from ..progress import chosen_progress

    with opened_run(arguments) as run:
        cells = chosen_cells(arguments, run)
        if arguments.ids:
            print("\n".join(cell.id for cell in cells))
            return 0
        if arguments.quick:
            print("\n".join(cell.id for cell in cells))
            print(f"\n{len(cells)} cells")
            return 0
        run.progress = chosen_progress()
        try:
            plan = built_plan(run, cells)
        finally:
            run.progress.done()
        print("\n".join(plan.lines(arguments.jobs)))
    return 0
