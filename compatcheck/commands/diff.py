"""`compatcheck diff OLD NEW`: what changed between two reports."""

from __future__ import annotations

import argparse

EPILOG = """\
OLD and NEW are a compatibility.json, a directory that holds one, or a git revision of the one at --path.

  compatcheck diff HEAD~1 reports/                       since the last commit
  compatcheck diff origin/main . --format markdown       for a pull request
  compatcheck diff last-week.json reports --fail-on-regression

A change of a cell whose own runs disagree is called spurious, not a regression. Exit code: 0, whatever changed;
with --fail-on-regression 1 where a cell regressed.
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "diff", help="print what changed between two reports", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("old", metavar="OLD", help="file, directory or git revision")
    parser.add_argument("new", metavar="NEW", help="file, directory or git revision")
    parser.add_argument("--format", choices=("text", "markdown", "json"), default="text", help="default: %(default)s")
    parser.add_argument(
        "--path", default="reports/compatibility.json", metavar="FILE",
        help="of the report in a git revision, from the working directory (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--fail-on-regression", action="store_true", help="exit with 1 where a cell regressed")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    import json

    from ..errors import EXIT_DONE, EXIT_NEGATIVE
    from ..report.diff import Change, compared, diff_document
    from ..report.diff_text import diff_lines, diff_markdown
    from ..report.reread import load_reported

    diff = compared(load_reported(arguments.old, arguments.path), load_reported(arguments.new, arguments.path))
    if arguments.format == "json":
        print(json.dumps(diff_document(diff), indent=1, ensure_ascii=False))
    elif arguments.format == "markdown":
        print(diff_markdown(diff), end="")
    else:
        print("\n".join(diff_lines(diff)))
    return EXIT_NEGATIVE if arguments.fail_on_regression and diff.totals[Change.REGRESSED] else EXIT_DONE
