"""`compatcheck report`: write the reports from what the store knows. Runs nothing, needs no network."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .common import DEFAULT_REPORTS, add_matrix, add_places, add_scenario, opened_run, report_folder

if TYPE_CHECKING:
    from ..pipeline import Run

EPILOG = """\
A diagnosis is never stored: a better catalogue re-reads every old observation here, without running anything.

  compatcheck report                                 the default matrix into reports/
  compatcheck report matrix/quick.toml               another one into reports/quick/
  compatcheck report --format json --stdout | jq .totals
  compatcheck report --junit cells.xml               and every cell as a test, for a CI service
  compatcheck report matrix/bloomz-560m.toml --agrees-with reports   does the full model say what the tiny one says?
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "report", help="write the reports from what is known", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add_matrix(parser)
    add_scenario(parser)
    parser.add_argument(
        "--reports", type=Path, default=DEFAULT_REPORTS, help="folder to write into (default: %(default)s)"
    )
    parser.add_argument("--stdout", action="store_true", help="print one format instead of writing files")
    parser.add_argument(
        "--format", choices=("html", "markdown", "json", "csv", "junit"), default="markdown", help="for --stdout"
    )
    parser.add_argument("--junit", type=Path, metavar="FILE", help="also write the cells as tests, for a CI service")
    parser.add_argument(
        "--schema", action="store_true", help="print the JSON Schema of compatibility.json, and no more"
    )
    parser.add_argument(
        "--readme", type=Path, metavar="FILE", action="append", default=[],
        help="also renew what stands between FILE's markers; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--since", metavar="OLD", help="let the page tell what changed since a report: a compatibility.json, a "
        "directory with one, or a git revision",
    )  # fmt: skip
    parser.add_argument(
        "--earlier", metavar="REPORT", help="a report of the same cells with the policy contemporary: torch.md then "
        "tells what the drift of the other packages changed",
    )  # fmt: skip
    parser.add_argument(
        "--agrees-with", metavar="REPORT", help="hold this report against one of the same cells with another model: a "
        "compatibility.json, a directory with one, or a git revision",
    )  # fmt: skip
    add_places(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    from dataclasses import replace

    from ..report.comparison import compared_with
    from ..report.diff import compared
    from ..report.document import SCHEMA_FILE, document_pieces
    from ..report.files import read_file, report_files, write_reports, written_file
    from ..report.junit import junit_text
    from ..report.readme import with_blocks
    from ..report.reread import FILE, load_reported, reread
    from ..reporting import context_of

    if arguments.schema:
        print(SCHEMA_FILE.read_text(encoding="utf-8"), end="")
        return 0
    with opened_run(arguments) as run:
        if len(run.matrix.variants) > 1:
            return _methods(arguments, run)
        context = context_of(run)
    if arguments.agrees_with:
        context = replace(context, agreement=compared_with(context, load_reported(arguments.agrees_with)))
    folder = report_folder(arguments)
    if not arguments.stdout:
        _spare(folder / FILE, context.tally.told, arguments.store)
    earlier = load_reported(arguments.earlier) if arguments.earlier else None
    diff = None
    if arguments.since:
        before = load_reported(arguments.since, (folder / FILE).as_posix())
        diff = compared(before, reread(document_pieces(context), "this report"))
    if arguments.junit:
        written_file(arguments.junit, junit_text(context))
    if arguments.stdout and arguments.format == "junit":
        print(junit_text(context), end="")
        return 0
    if arguments.stdout:
        ending = {"html": "html", "markdown": "md", "json": "json", "csv": "csv"}[arguments.format]
        sys.stdout.writelines(report_files(context, diff)[f"compatibility.{ending}"])
        return 0
    for line in context.headline():
        print(line)
    for path in write_reports(context, folder, diff, earlier):
        print(path)
    for readme in arguments.readme:
        seen = Path(os.path.relpath(folder, readme.parent)).as_posix()
        print(written_file(readme, with_blocks(read_file(readme), context, seen)))
    return 0


def _spare(standing: Path, told: int, store: Path) -> None:
    """Refuse to put a report of nothing in the place of one of measurements, and say where one tells of fewer cells: a
    clone has reports and no store. `told`: the cells that this report tells a finding of.
    """
    from ..errors import InputError, UsageError
    from ..report.reread import FILE
    from ..report.retold import load_summary

    try:
        known = load_summary(standing).found
    except InputError:
        return  # those of another version, or half a file, are nobody's loss
    if known > told > 0:
        print(f"compatcheck: {standing} told of {known} cells that were run; now it tells of {told}", file=sys.stderr)
    elif known > told:
        taken = f"Take them in: compatcheck merge {standing.parent} --into {store}; or run"
        first = taken if standing.name == FILE else "Run"
        raise UsageError(
            f"the store {store} knows no run of this matrix, and {standing} has {known} that were measured: it stays",
            f"{first} the matrix, name the store that knows it, or write elsewhere: --reports FOLDER.",
        )


def _methods(arguments: argparse.Namespace, run: Run) -> int:
    """The report of a matrix whose cells are asked several methods or architectures."""
    from ..errors import UsageError
    from ..report.files import methods_files, write_methods
    from ..variants import Variants, methods_of

    given = ("junit", "readme", "since", "earlier", "agrees_with")
    if asked := [name for name in given if getattr(arguments, name)]:
        raise UsageError(
            f"--{asked[0].replace('_', '-')} is not for a matrix with several methods or architectures",
            "Leave it out: methods.html, methods.md and methods.json are written.",
        )
    context = methods_of(Variants(run))
    if arguments.stdout:
        ending = {"html": "html", "markdown": "md", "json": "json"}.get(arguments.format)
        if ending is None:
            raise UsageError(f"such a matrix has no report as {arguments.format}", "html, markdown and json are there.")
        sys.stdout.writelines(methods_files(context)[f"methods.{ending}"])
        return 0
    told = sum(each.tally.told for each in context.contexts.values())
    _spare(report_folder(arguments) / "methods.json", told, arguments.store)
    for line in context.headline():
        print(line)
    for path in write_methods(context, report_folder(arguments)):
        print(path)
    return 0
