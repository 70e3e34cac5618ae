"""The command line: parse, call, print, choose the exit code."""

from __future__ import annotations

import argparse
import difflib
import errno
import io
import os
import platform
import re
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import NoReturn

from . import __version__
from .commands import (
    badge,
    bisect,
    blame,
    cache,
    catalogue,
    check,
    claims,
    diff,
    env,
    explain,
    infer,
    memory,
    merge,
    plan,
    probe,
    recommend,
    refresh,
    report,
    rules,
    run,
    show,
    table,
)
from .errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_MACHINE, EXIT_UNEXPECTED, EXIT_USAGE, CompatcheckError

COMMANDS = (
    *(run, plan, refresh, report, infer, show),
    *(recommend, check, probe, memory, explain),
    *(blame, bisect, rules, claims, diff),
    *(badge, env, table, catalogue, merge, cache),
)

DESCRIPTION = """\
Finds out, by experiment, which combinations of torch, transformers and peft really work: a minimal prompt-tuning
cycle (train, save, load, generate, and a check that the result is right) is run in an environment of its own for
every combination of a matrix."""

EPILOG = """\
start with
  compatcheck recommend                  which versions to pin
  compatcheck check requirements.txt     is what a project allows known to be bad?
  python train.py 2>&1 | compatcheck explain

to measure, in a clone of the repository
  compatcheck plan matrix/quick.toml     what a small run would cost
  compatcheck run matrix/quick.toml      run it
  compatcheck report matrix/quick.toml   write reports/quick/

exit codes
  0 done    1 the finding asked about is negative    2 usage    3 unexpected    4 the machine's fault
  5 nothing is known (check --strict)    130 interrupted
"""


class _Parser(argparse.ArgumentParser):
    """One that asks whether a near word was meant, instead of listing twenty."""

    def error(self, message: str) -> NoReturn:
        if found := re.match(r"argument (COMMAND|ACTION): invalid choice: '([^']*)' \(choose from (.*)\)", message):
            near = difflib.get_close_matches(found[2], re.findall(r"[\w-]+", found[3]), 1)
            question = f": do you mean {near[0]}?" if near else f" ({self.prog} --help lists them)"
            message = f"there is no {found[1].lower()} {found[2]!r}{question}"
        super().error(message)


def built_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="compatcheck", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"compatcheck {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in COMMANDS:
        command.add(subparsers)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Catches everything: the exit code and one clear line say what came of it."""
    try:
        signal.signal(signal.SIGTERM, _interrupt)
        if sys.stdout is None:
            sys.stdout = io.StringIO()
        if isinstance(sys.stdout, io.TextIOWrapper):
            # what the terminal's encoding has no character for is a question mark, and no error
            sys.stdout.reconfigure(errors="replace")
        return _told(arguments)
    except CompatcheckError as error:
        from .domain import inert

        print(f"compatcheck: {inert(str(error))}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("compatcheck: interrupted; what was measured is kept, run again to go on", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _give_up_output()
        return EXIT_DONE
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            _give_up_output()
            print("compatcheck: the disk is full\n  Free some space and run again.", file=sys.stderr)
            return EXIT_MACHINE
        return _unexpected()


def _told(arguments: list[str] | None) -> int:
    """One command, whose output has gone out: what the interpreter writes as it ends, nobody catches."""
    try:
        code = main_inner(arguments)
    except SystemExit:
        sys.stdout.flush()
        raise
    sys.stdout.flush()
    return code


def _give_up_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main_inner(arguments: list[str] | None = None) -> int:
    """The same without the net: raises what goes wrong."""
    parser = built_parser()
    parsed = parser.parse_args(arguments)
    if "execute" not in parsed:
        parser.print_help(sys.stderr)
        return EXIT_USAGE
    return int(parsed.execute(parsed))


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _unexpected() -> int:
    from .masking import masked_text

    text = "\n".join(
        [
            f"compatcheck {__version__}, Python {platform.python_version()}, {platform.platform()}",
            f"command: compatcheck {' '.join(sys.argv[1:])}",
            "",
            traceback.format_exc(),
        ]
    )
    text = masked_text(text)
    print("compatcheck: an unexpected error; please file it with this text", file=sys.stderr)
    try:
        path = Path(".compatcheck", "unexpected-error.txt")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        print(f"  (kept in {path})", file=sys.stderr)
    except OSError:
        pass
    print(text, file=sys.stderr)
    return EXIT_UNEXPECTED


if __name__ == "__main__":
    sys.exit(main())
