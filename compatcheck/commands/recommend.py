"""`compatcheck recommend`: which versions to pin. Answers from measurements, offline, without torch."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .common import DEFAULT_STORE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..domain import Resolution
    from ..known import KnownCell
    from ..pin_formats import PinFormat
    from ..recommendation import Recommendation

EPILOG = """\
  compatcheck recommend                                        the newest that works
  compatcheck recommend --torch 2.6.0 --transformers '>=4.50'
  compatcheck recommend --project pyproject.toml --bounds      the ranges to declare
  compatcheck recommend -r requirements.txt --format constraints -o constraints.txt
  compatcheck recommend -r requirements.txt --resolve --relax --format requirements -o pinned.txt
  compatcheck recommend --torch 2.6.0 --format requirements | pip install -r /dev/stdin

A version of two numbers means the whole series: --transformers 4.51 is every 4.51.x. Exit code 1: nothing that was
measured fulfils all that was asked; the nearest that works is told, and with --relax taken.

formats
  requirements   the complete lock with hashes          pip install -r FILE        uv pip install -r FILE
  constraints    every version of the lock              pip install -c FILE peft   uv pip install -c FILE peft
  pylock         the complete lock (asks the index)     pip install -r pylock.toml uv pip install -r pylock.toml
  uv             a whole pyproject.toml                 uv sync
  pyproject      a dependency group, named pinned       pip install --group pinned uv pip install --group pinned
"""

FORMATS = ("text", "requirements", "constraints", "pylock", "uv", "pyproject", "json")


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "recommend", help="which versions to pin", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    asked = parser.add_argument_group("what is asked")
    asked.add_argument(
        "requirement", nargs="*", metavar="REQUIREMENT", help="a package with a range. Example: 'peft>=0.13'"
    )
    for name in ("torch", "transformers", "peft"):
        asked.add_argument(f"--{name}", metavar="RANGE", help=f"version or range of {name}")
    asked.add_argument("--python", metavar="RANGE", help="the Python that it is for: 3.11, or a range")
    asked.add_argument(
        "-r",
        "--requirements",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="a requirements file, or a conda environment.yml",
    )
    asked.add_argument("--project", metavar="FILE", type=Path, help="a pyproject.toml: its dependencies and Python")
    for kind, word in (("--extra", "extra"), ("--group", "dependency group")):
        asked.add_argument(kind, metavar="NAME", action="append", default=[], help=f"with this {word} of the project")
    asked.add_argument(
        "--prefer", choices=("newest", "stable", "oldest"), default="newest",
        help="which of several answers: the newest releases, those whose neighbours work too, or the oldest",
    )  # fmt: skip
    asked.add_argument("--relax", action="store_true", help="take the nearest that works where nothing fulfils all")
    asked.add_argument(
        "--resolve", action="store_true",
        help="take the best that can be installed beside everything else the file names: asks the package index",
    )  # fmt: skip
    given = parser.add_argument_group("what is given")
    given.add_argument("--format", choices=FORMATS, default="text", help="see below (default: %(default)s)")
    given.add_argument("--bounds", action="store_true", help="ranges to declare, instead of pins")
    given.add_argument("-o", "--output", metavar="FILE", type=Path, help="write into a file")
    add_table(parser)
    parser.set_defaults(execute=execute)


def add_table(parser: argparse.ArgumentParser) -> None:
    """The options that say which measurements are asked."""
    measured = parser.add_argument_group("measurements")
    measured.add_argument("--table", metavar="FILE|URL", help="another table than the shipped one")
    measured.add_argument(
        "--store", type=Path, default=Path(os.environ.get("COMPATCHECK_STORE", DEFAULT_STORE)),
        help="the results of your own runs, which take precedence (default: %(default)s, or COMPATCHECK_STORE)",
    )  # fmt: skip


def execute(arguments: argparse.Namespace) -> int:
    from ..domain import Cell
    from ..errors import EXIT_DONE, EXIT_NEGATIVE
    from ..own_runs import known_table
    from ..pin_formats import PinFormat, pins_text
    from ..recommendation import recommend
    from ..releases import PackageIndex, index_url
    from ..request import request_of

    table = known_table(arguments.table, arguments.store)
    options = {name: text for name in ("torch", "transformers", "peft") if (text := getattr(arguments, name))}
    request = request_of(
        options,
        python=arguments.python,
        requirements=arguments.requirement,
        files=[*arguments.requirements, *([arguments.project] if arguments.project else [])],
        extras=arguments.extra,
        groups=arguments.group,
        prefer=arguments.prefer,
        table=table,
    )
    if arguments.resolve:
        from ..environment import Uv
        from ..resolved_pins import recommend_resolved

        uv = Uv()

        def solve(cell: KnownCell, others: Sequence[str]) -> Resolution:
            if sys.stderr.isatty():
                print(f"resolving {cell.words()} beside {len(others)} more", file=sys.stderr)
            return uv.resolution(Cell(cell.python, cell.versions), others)

        answer = recommend_resolved(request, table, solve, relax=arguments.relax)
    else:
        answer = recommend(request, table=table)
    form = PinFormat(arguments.format)
    found = answer.found or (arguments.relax and answer.cell is not None)
    if not found and form not in (PinFormat.TEXT, PinFormat.JSON):
        # pins that are not what was asked for must not get into a file by accident
        print(answer.as_text(), end="", file=sys.stderr)
        return EXIT_NEGATIVE
    if arguments.bounds and answer.found:
        _give(_bounds(answer, form), arguments.output)
    else:
        _give(pins_text(answer, form, PackageIndex(index_url())), arguments.output)
    return EXIT_DONE if found else EXIT_NEGATIVE


def _bounds(answer: Recommendation, form: PinFormat) -> str:
    from ..bounds import bounds
    from ..errors import UsageError
    from ..pin_formats import PinFormat

    ranges = bounds(answer)
    if ranges is None:
        raise UsageError("no bounds can be told: no block of combinations of the three alone is known")
    if form is PinFormat.JSON:
        return json.dumps(ranges.as_json(), indent=1) + "\n"
    if form in (PinFormat.TEXT, PinFormat.REQUIREMENTS, PinFormat.CONSTRAINTS):
        return ranges.as_text()
    raise UsageError(
        f"--bounds cannot be written as {form}", "Formats for bounds: text, requirements, constraints, json."
    )


def _give(text: str, output: Path | None) -> None:
    from ..errors import refused_by_disk

    if output is None:
        print(text, end="")
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise refused_by_disk(error, f"{output} cannot be written") from None
