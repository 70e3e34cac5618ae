"""`compatcheck explain [FILE]`: what a traceback or a log is, whose fault, and what to pin or change."""

from __future__ import annotations

import argparse
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from ..plain_words import Explanation

EPILOG = """\
FILE is anything that holds the traceback: a CI job's whole log, a notebook's output, the text of an issue; also
compressed (gzip, bzip2, xz), or a zip of logs as GitHub gives a run's. Without FILE, or with -, it is read from
standard input. Nothing is run, and nothing leaves the machine.

  compatcheck explain error.log
  python train.py 2>&1 | compatcheck explain
  compatcheck explain error.log --json | jq -r .remedy

The exit code is 0 for an unknown failure too: with --json its signature is null.
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "explain", help="say what a traceback or a log is", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("file", metavar="FILE", nargs="?", default="-", help="the log; - for standard input (default)")
    parser.add_argument("--json", action="store_true", help="print plain data instead of words")
    parser.add_argument(
        "--catalogue", metavar="FOLDER", type=Path,
        help="signatures of your own, tried before the shipped ones (see compatcheck catalogue)",
    )  # fmt: skip
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    from ..errors import UsageError
    from ..packed_log import BROKEN

    try:
        if arguments.file == "-":
            explanation = _explained(_standard_input(), arguments)
        else:
            with Path(arguments.file).open("rb") as stream:
                explanation = _explained(stream, arguments)
    except BROKEN as error:
        raise UsageError(
            f"{arguments.file} cannot be unpacked: {error}", "Unpack it, and give the file that holds the log."
        ) from None
    except OSError as error:
        raise UsageError(
            f"{arguments.file} cannot be read: {error.strerror or error}", "Give a file, or - and the text by a pipe."
        ) from None
    if arguments.json:
        print(json.dumps(explanation.as_json(), indent=2, ensure_ascii=False))
    else:
        print(explanation.as_text(), end="")
    return 0


def _standard_input() -> BinaryIO:
    from ..errors import UsageError

    if sys.stdin is None:
        raise UsageError("standard input is closed", "Give a file, or the text by a pipe.")
    if sys.stdin.isatty():
        print("paste the traceback, and end it with Ctrl-D", file=sys.stderr)
    elif isinstance(sys.stdin.buffer, io.BufferedReader) and not sys.stdin.buffer.peek(1):
        # a pipe takes standard output alone, and tracebacks go to standard error
        print("compatcheck: nothing came in; for a traceback: python train.py 2>&1 | compatcheck explain",
              file=sys.stderr)  # fmt: skip
    return sys.stdin.buffer


def _explained(stream: BinaryIO, arguments: argparse.Namespace) -> Explanation:
    from ..catalogues import joined, load_catalogue
    from ..explanation import explain_stream, shipped_catalogue
    from ..packed_log import unpacked

    catalogue = shipped_catalogue()
    if arguments.catalogue:
        catalogue = joined(load_catalogue(arguments.catalogue), catalogue)
    if isinstance(stream, io.BufferedReader):
        stream, members = unpacked(stream)
        if members:
            print(f"compatcheck: read one after the other: {', '.join(members)}", file=sys.stderr)
    return explain_stream(stream, catalogue)
