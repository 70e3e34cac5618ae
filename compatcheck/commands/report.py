"""`compatcheck report`: write the reports from what the store knows. Runs nothing, needs no network."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from .common import add_matrix, add_places, add_scenario, opened_run, report_folder

EPILOG = """\
A diagnosis is never stored: a better catalogue re-reads every old observation here, without running anything.

  compatcheck report                                 the default matrix into reports/
  compatcheck report matrix/quick.toml               another one into reports/quick/
  compatcheck report --format json --stdout | jq .totals
  compatcheck report --junit cells.xml               and every cell as a test, for a CI service
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "report", help="write the reports from what is known", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add_matrix(parser)
    add_scenario(parser)
    parser.add_argument(
        "--reports", type=Path, default=Path("reports"), help="folder to write into (default: %(default)s)"
    )
    parser.add_argument("--stdout", action="store_true", help="print one format instead of writing files")
    parser.add_argument(
        "--format", choices=("markdown", "json", "csv", "junit"), default="markdown", help="for --stdout"
    )
    parser.add_argument("--junit", type=Path, metavar="FILE", help="also write the cells as tests, for a CI service")
    parser.add_argument(
        "--schema", action="store_true", help="print the JSON Schema of compatibility.json, and no more"
    )
    parser.add_argument(
        "--readme", type=Path, metavar="FILE", action="append", default=[],
        help="also renew what stands between FILE's markers; may be repeated",
    )  # fmt: skip
    add_places(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    from ..pipeline import context_of
    from ..report.document import SCHEMA_FILE
    from ..report.files import read_file, report_files, write_reports, written_file
    from ..report.junit import junit_text
    from ..report.readme import with_blocks

    if arguments.schema:
        print(SCHEMA_FILE.read_text(encoding="utf-8"), end="")
        return 0
    with opened_run(arguments) as run:
        context = context_of(run)
    if arguments.junit:
        written_file(arguments.junit, junit_text(context))
    if arguments.stdout and arguments.format == "junit":
        print(junit_text(context), end="")
        return 0
    if arguments.stdout:
        ending = {"markdown": "md", "json": "json", "csv": "csv"}[arguments.format]
        print(report_files(context)[f"compatibility.{ending}"], end="")
        return 0
    for line in context.headline():
        print(line)
    for path in write_reports(context, report_folder(arguments)):
        print(path)
    for readme in arguments.readme:
        seen = Path(os.path.relpath(report_folder(arguments), readme.parent)).as_posix()
        print(written_file(readme, with_blocks(read_file(readme), context, seen)))
    return 0
