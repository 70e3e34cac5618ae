"""`compatcheck probe`: run the cycle in an environment as it is, and say what came of it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .common import add_material, chosen_scenario

EPILOG = """\
Trains, saves, loads and generates with a shipped tiny BLOOM on the CPU, in a process of its own, with the packages
that are installed. Nothing is installed or changed. Takes about as long as importing the packages and a few seconds.

  compatcheck probe                                  the environment that compatcheck is installed in
  compatcheck probe --python .venv/bin/python        another one, which need not have compatcheck
  compatcheck probe --model bloomz-560m              with the real model of the hub
  compatcheck probe --model tiny-llama --method lora    another architecture, another method
  compatcheck probe --model bloomz-560m --dtype bf16    in half precision
  compatcheck probe --data mine.csv --column prompt
  compatcheck probe --sweep virtual_tokens=4,8,20    one setting, side by side: loss, time, memory

What memory it will take is told before (`compatcheck memory` tells it alone); what would not fit is not run.

Exit code: 0 it works; 1 it fails or gives a wrong result; 2 torch, transformers or peft is not installed; 4 it would
not fit into memory.
"""


METHODS = ("prompt-tuning", "prefix-tuning", "p-tuning", "lora", "ia3")
"""The words of domain.Method, which the help does without."""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "probe", help="run the cycle in the current environment", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--python", type=Path, metavar="PATH", help="the python of another environment")
    parser.add_argument(
        "--model", default="tiny-bloom",
        help="tiny-bloom, tiny-llama (or gpt2, opt, qwen2, mistral), bloomz-560m, bloomz-560m:random, a hub identifier "
        "or a directory",
    )  # fmt: skip
    parser.add_argument("--method", choices=METHODS, default=METHODS[0], help="what is trained (default: %(default)s)")
    add_material(parser)
    parser.add_argument(
        "--sweep", metavar="FIELD=VALUES", help="run the cycle once a value, and show loss, time and memory side by "
        "side. FIELD is one of [scenario] in a matrix file. Example: virtual_tokens=4,8,20",
    )  # fmt: skip
    parser.add_argument("--table", metavar="FILE|URL", help="another table of measurements to compare with")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--force", action="store_true", help="run it also where it would not fit into memory")
    parser.add_argument("--quiet", action="store_true", help="no progress on standard error")
    limits = parser.add_argument_group("limits")
    limits.add_argument("--stage-seconds", type=float, default=120.0, help="for any one stage (default: %(default)s)")
    limits.add_argument("--memory-mib", type=int, help="for the probe (default: 6144, or what the model needs)")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    import json

    from ..domain import Limits, Method, Outcome, Scenario
    from ..errors import EXIT_DONE, EXIT_NEGATIVE, UsageError
    from ..own_environment import ProbeResult, probe_environment
    from ..own_runs import known_table
    from ..progress import probe_lines
    from ..protocol import silent
    from ..sweep import Sweep, swept, table_text

    try:
        limits = Limits(arguments.stage_seconds)
        if arguments.memory_mib is not None:
            limits = Limits(arguments.stage_seconds, arguments.memory_mib)
    except ValueError as error:
        raise UsageError(str(error), "Example: --stage-seconds 300 --memory-mib 8192") from None
    base = chosen_scenario(arguments, Scenario(method=Method(arguments.method)))
    table = known_table(arguments.table)

    def probed(scenario: Scenario) -> ProbeResult:
        heard = silent if arguments.quiet else probe_lines()
        return probe_environment(
            arguments.python, scenario=scenario, limits=limits, heard=heard, table=table, forced=arguments.force,
            memory_by_need=arguments.memory_mib is None,
        )  # fmt: skip

    if arguments.sweep:
        sweep = Sweep.parsed(arguments.sweep, base)
        results = []
        for each in swept(sweep, base, probed):
            results.append(each)
            if not arguments.quiet:
                print(f"{sweep.field} {each.value}: {each.result.outcome}", file=sys.stderr)
        if arguments.json:
            print(json.dumps([each.as_json() for each in results], indent=1, ensure_ascii=False))
        else:
            print(table_text(sweep, results))
        return EXIT_DONE if all(each.result.outcome is Outcome.PASS for each in results) else EXIT_NEGATIVE
    result = probed(base)
    if arguments.json:
        print(json.dumps(result.as_json(), indent=1, ensure_ascii=False))
    else:
        print(result.as_text(), end="")
    return EXIT_DONE if result.outcome is Outcome.PASS else EXIT_NEGATIVE
