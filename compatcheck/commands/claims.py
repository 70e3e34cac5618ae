"""`compatcheck claims`: run a random sample of the report's statements of blame again, both ends of each."""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from .common import add_matrix, add_places, add_scenario, opened_run, report_folder

if TYPE_CHECKING:
    from ..claims import Seen
    from ..domain import Cell
    from ..pipeline import Run

EPILOG = """\
Every statement of blame in a report rests on two cells that differ in one package. A sample of these pairs is drawn by
chance, both cells are run once more with the same locks, and what they show is held against the table. The result is
written to claims.md beside the report.

  compatcheck claims                            20 claims of the default matrix, drawn by today's date
  compatcheck claims --sample 50 --seed 7       others
  compatcheck claims --only 'torch2.6.0*'       only claims whose cells both match

Exit code: 0 all hold, 1 some do not
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "claims", help="try a sample of the report's claims again", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add_matrix(parser)
    add_scenario(parser)
    parser.add_argument("--sample", type=int, default=20, metavar="N", help="claims to try (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=int(f"{date.today():%Y%m%d}"), help="of the draw (default: today, %(default)s)"
    )
    parser.add_argument("--only", metavar="GLOB", action="append", default=[], help="only claims about such cells")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="cells at a time (default: %(default)s)")
    parser.add_argument(
        "--reports", type=Path, default=Path("reports"), help="folder to write into (default: %(default)s)"
    )
    add_places(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    import sys

    from ..claims import cells_of, claims_of, sampled, tried
    from ..errors import EXIT_DONE, EXIT_NEGATIVE, UsageError
    from ..matrix import selected
    from ..progress import chosen_progress
    from ..report.claims_text import claims_text
    from ..report.files import written_file
    from ..reporting import context_of

    if arguments.sample < 1:
        raise UsageError("--sample: at least one claim")
    with opened_run(arguments, jobs=max(1, arguments.jobs)) as run:
        context = context_of(run)
        kept = {cell.id for cell in selected([entry.cell for entry in context.entries], arguments.only, [])}
        claims = [
            claim for claim in claims_of(context.findings.blame.cells) if claim.good in kept and claim.bad in kept
        ]
        if not claims:
            raise UsageError(
                "there is no claim to try: no measured cell is blamed on another",
                "Run the matrix first, or choose other cells.",
            )
        sample = sampled(claims, arguments.sample, arguments.seed)
        claimed = {entry.cell.id: (entry.outcome, entry.failure) for entry in context.entries}
        run.progress = chosen_progress(sys.stderr)
        seen = _seen_again(run, [context.by_id[cell].cell for cell in cells_of(sample)])
        trials = tried(sample, claimed, seen)
    text = claims_text(context, trials, len(claims), arguments.seed, date.today())
    print(written_file(report_folder(arguments) / "claims.md", text))
    holding = sum(trial.holds for trial in trials)
    print(f"{holding} of {len(trials)} claims hold")
    return EXIT_DONE if holding == len(trials) else EXIT_NEGATIVE


def _seen_again(run: Run, cells: list[Cell]) -> dict[str, Seen]:
    """What one fresh run of each cell shows."""
    from dataclasses import replace

    from ..catalogues import load_catalogue
    from ..classify import diagnosis_of
    from ..report.entry import Entry

    catalogue = load_catalogue()
    found = {}
    for cell, result in run.run(cells, again=True).items():
        if result.lock is not None and result.observation is not None:
            result = replace(result, observation=run.attempts(result.lock)[-1])
        entry = Entry(result, diagnosis_of(result, catalogue))
        found[cell.id] = (entry.outcome, entry.failure)
    return found
