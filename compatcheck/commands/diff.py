"""`compatcheck diff OLD NEW`: what changed between two reports."""

from __future__ import annotations

import argparse
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from .common import DEFAULT_MATRIX, opened_run

if TYPE_CHECKING:
    from ..report.reread import Reported

EPILOG = """\
OLD and NEW are a compatibility.json, a directory that holds one, a git revision of the one at --path, or a store: what
it knows of the matrix, diagnosed by today's catalogue. STORE@2026-11-24 is what the store knew at the end of that day,
STORE@2026-11-24T09:30 at that minute (UTC), of the locks that it holds now.

  compatcheck diff HEAD~1 reports/                       since the last commit
  compatcheck diff origin/main . --format markdown       for a pull request
  compatcheck diff last-week.json reports --fail-on-regression
  compatcheck diff yesterday.sqlite3 .compatcheck/store.sqlite3
  compatcheck diff .compatcheck/store.sqlite3@2026-11-24 .compatcheck/store.sqlite3

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
    parser.add_argument("old", metavar="OLD", help="file, directory, git revision, store or STORE@DATE")
    parser.add_argument("new", metavar="NEW", help="file, directory, git revision, store or STORE@DATE")
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
    from ..report.reread import load_reported, reread

    path, until = _dated(where)
    if not _is_store(path):
        return load_reported(where, arguments.path)
    from ..report.document import document_pieces
    from ..reporting import context_of

    with opened_run(argparse.Namespace(matrix=arguments.matrix, store=path, cache=None)) as run:
        run.until = until
        return reread(document_pieces(context_of(run)), where)


def _is_store(path: Path) -> bool:
    return path.is_file() and path.open("rb").read(len(STORE)) == STORE


def _dated(where: str) -> tuple[Path, datetime | None]:
    """`STORE@MOMENT` as its parts; anything else without a moment. Raises UsageError."""
    from ..errors import UsageError

    path, sign, moment = where.rpartition("@")
    if not sign or not _is_store(Path(path)):
        return Path(where), None
    try:
        found = datetime.fromisoformat(moment)
    except ValueError:
        raise UsageError(f"{moment!r} is no moment", f"Example: {path}@2026-11-24, or 2026-11-24T09:30.") from None
    if len(moment) == len("2026-11-24"):
        found += timedelta(days=1, microseconds=-1)
    return Path(path), found if found.tzinfo else found.replace(tzinfo=timezone.utc)
