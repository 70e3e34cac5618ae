"""`compatcheck infer`: the whole table of an explored matrix, measured and inferred cells, as CSV. Runs nothing."""

from __future__ import annotations

import argparse
import csv
import sys

from .common import add_matrix, add_places, add_scenario, opened_run

EPILOG = """\
One row a cell: its basis (measured, inferred, or none where it is untested), the confidence that its outcome is right,
what an inferred cell rests on (the likest measured cells that say the same, or what releases declare), and a cell as
like that says something else. The audit goes to stderr.

  compatcheck infer matrix/full.toml > table.csv
"""
COLUMNS = ("id", "outcome", "signature", "basis", "confidence", "rests_on", "against")


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
    from ..domain import Basis, Outcome
    from ..exploration import Budget, Exploration, audit_lines

    with opened_run(arguments) as run:
        exploration = Exploration(run, Budget())
        held, audited = exploration.explorer.inference(), exploration.explorer.audited
    space = held.space
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(COLUMNS)
    for place in map(int, space.places()):
        unit = audited.get(place) or held.unit_of(place)
        measured = place in audited or bool(held.measured[place])
        if unit is None:
            rows.writerow([space.cell(place).id, Outcome.UNTESTED, "", "", f"{held.confidence[place]:.3f}", "", ""])
            continue
        told: list[str] = ["1", "", ""]
        if not measured and (ground := held.ground_of(place)) is not None:
            cells = " ".join(space.cell(each).id for each in ground.measured)
            against = " ".join(space.cell(each).id for each in ground.against)
            told = [f"{held.confidence[place]:.3f}", ground.declared or cells, against]
        basis = Basis.MEASURED if measured else Basis.INFERRED
        rows.writerow([space.cell(place).id, unit[0], unit[1] or "", basis, *told])
    for line in audit_lines(exploration.audit()):
        print(line, file=sys.stderr)
    return 0
