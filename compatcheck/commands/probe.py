"""`compatcheck probe`: run the cycle in an environment as it is, and say what came of it."""

from __future__ import annotations

import argparse
from pathlib import Path

EPILOG = """\
Trains, saves, loads and generates with a shipped tiny BLOOM on the CPU, in a process of its own, with the packages
that are installed. Nothing is installed or changed. Takes about as long as importing the packages and a few seconds.

  compatcheck probe                                  the environment that compatcheck is installed in
  compatcheck probe --python .venv/bin/python        another one, which need not have compatcheck
  compatcheck probe --model bloomz-560m              with the real model of the hub

Exit code: 0 it works; 1 it fails or gives a wrong result; 2 torch, transformers or peft is not installed.
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "probe", help="run the cycle in the current environment", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--python", type=Path, metavar="PATH", help="the python of another environment")
    parser.add_argument(
        "--model", default="tiny-bloom", help="tiny-bloom, bloomz-560m, a hub identifier or a directory"
    )
    parser.add_argument("--table", metavar="FILE|URL", help="another table of measurements to compare with")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress on standard error")
    limits = parser.add_argument_group("limits")
    limits.add_argument("--stage-seconds", type=float, default=120.0, help="for any one stage (default: %(default)s)")
    limits.add_argument("--memory-mib", type=int, default=6144, help="for the probe (default: %(default)s)")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    import json

    from ..domain import Limits, Outcome, Scenario
    from ..errors import EXIT_DONE, EXIT_NEGATIVE, UsageError
    from ..own_environment import probe_environment
    from ..own_runs import known_table
    from ..progress import probe_lines
    from ..protocol import silent

    try:
        limits = Limits(arguments.stage_seconds, arguments.memory_mib)
    except ValueError as error:
        raise UsageError(str(error), "Example: --stage-seconds 300 --memory-mib 8192") from None
    result = probe_environment(
        arguments.python,
        scenario=Scenario(model=arguments.model),
        limits=limits,
        heard=silent if arguments.quiet else probe_lines(),
        table=known_table(arguments.table),
    )
    if arguments.json:
        print(json.dumps(result.as_json(), indent=1, ensure_ascii=False))
    else:
        print(result.as_text(), end="")
    return EXIT_DONE if result.outcome is Outcome.PASS else EXIT_NEGATIVE
