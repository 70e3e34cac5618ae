"""`compatcheck diff OLD NEW`: what changed between two reports."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .common import DEFAULT_MATRIX, opened_run

if TYPE_CHECKING:
    from ..report.reread import Reported

EPILOG = """\
OLD and NEW are a compatibility.json, a directory that holds one, a git revision of the one at --path, or a store: what
it knows of the matrix, diagnosed by today's catalogue.

  compatcheck diff HEAD~1 reports/                       since the last commit
  compatcheck diff origin/main . --format markdown       for a pull request
  compatcheck diff last-week.json reports --fail-on-regression
  compatcheck diff yesterday.sqlite3 .compatcheck/store.sqlite3

A change of a cell whose own runs disagree is called spurious, not a regression. Exit code: 0, whatever changed;
with --fail-on-regression 1 where a cell regressed.
"""

STORE = b"SQLite format 3\x00"
"""How the file of a store begins."""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "diff", help="print what changed between two reports", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("old", metavar="OLD", help="file, directory, git revision or store")
    parser.add_argument("new", metavar="NEW", help="file, directory, git revision or store")
    parser.add_argument("--format", choices=("text", "markdown", "json"), default="text", help="default: %(default)s")
    parser.add_argument(
        "--path", default="reports/compatibility.json", metavar="FILE",
        help="of the report in a git revision, from the working directory (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--matrix", type=Path, default=DEFAULT_MATRIX, help="the matrix file, for a store (default: %(default)s)"
    )
    parser.add_argument("--fail-on-regression", action="store_true", help="exit with 1 where a cell regressed")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    import json

    from ..errors import EXIT_DONE, EXIT_NEGATIVE
    from ..report.diff import Change, compared, diff_document
    from ..report.diff_text import diff_lines, diff_markdown

    diff = compared(_side(arguments.old, arguments), _side(arguments.new, arguments))
    if arguments.format == "json":
        print(json.dumps(diff_document(diff), indent=1, ensure_ascii=False))
    elif arguments.format == "markdown":
        print(diff_markdown(diff), end="")
    else:
        print("\n".join(diff_lines(diff)))
    return EXIT_NEGATIVE if arguments.fail_on_regression and diff.totals[Change.REGRESSED] else EXIT_DONE


def _side(where: str, arguments: argparse.Namespace) -> Reported:
    from ..report.reread import load_reported, reported

    place = Path(where)
    if not (place.is_file() and place.open("rb").read(len(STORE)) == STORE):
        return load_reported(where, arguments.path)
    from ..pipeline import context_of
    from ..report.document import json_text

    with opened_run(argparse.Namespace(matrix=arguments.matrix, store=place, cache=None)) as run:
        return reported(json_text(context_of(run)), where)
