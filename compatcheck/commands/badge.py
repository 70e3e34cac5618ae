"""`compatcheck badge`: what some versions work with, as a badge for a README."""

from __future__ import annotations

import argparse
from pathlib import Path

EPILOG = """\
  compatcheck badge --peft 0.21.2 -o peft.svg                 which transformers it works with, on the newest torch
  compatcheck badge --peft 0.21 --torch 2.6.0 --json          for shields' endpoint badge
  compatcheck badge --torch 2.6.0 --transformers 4.51.3 --peft 0.15.2
  compatcheck badge --requirements requirements.txt -o works.svg

Counts what a report says and measures nothing; what is not in it gives a grey badge.
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "badge", help="print a badge that says what some versions work with", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    for package in ("torch", "transformers", "peft"):
        parser.add_argument(
            f"--{package}", metavar="VERSION", help=f"of {package}; two numbers are the newest measured of that series"
        )
    parser.add_argument(
        "--requirements", type=Path, metavar="FILE", help="take the versions that FILE pins with == (options go first)"
    )
    parser.add_argument(
        "--report", default="reports", metavar="WHERE", help="file, directory or git revision (default: %(default)s)"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--svg", action="store_true", help="as a picture (the default)")
    form.add_argument("--json", action="store_true", help="as the JSON of shields' endpoint badge")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write there instead of printing")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    from ..errors import UsageError
    from ..report.badges import badge, badge_json, badge_svg, pins_of
    from ..report.files import read_file, written_file
    from ..report.reread import load_reported

    pins = {}
    if arguments.requirements:
        pins = pins_of(read_file(arguments.requirements), str(arguments.requirements))
    given = {package: getattr(arguments, package) for package in ("torch", "transformers", "peft")}
    pins |= {package: version for package, version in given.items() if version}
    if not pins:
        raise UsageError("a badge of nothing", "Give --torch, --transformers, --peft or --requirements.")
    made = badge(load_reported(arguments.report).measured, pins)
    text = badge_json(made) if arguments.json else badge_svg(made)
    if arguments.output:
        print(written_file(arguments.output, text))
    else:
        print(text, end="")
    return 0
