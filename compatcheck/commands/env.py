"""`compatcheck env`: everything about an environment that an issue report needs, without secrets."""

from __future__ import annotations

import argparse
from pathlib import Path

EPILOG = """\
Reads what is installed without importing it, so it answers where `import torch` fails. Environment variables are
told only where they change what the packages do; values that look like secrets are masked.

  compatcheck env                                 to paste into an issue
  compatcheck env --python other/bin/python       another environment
  compatcheck env --imports                       also whether torch, transformers, peft and accelerate import
  compatcheck env --json
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "env", help="print what an issue report needs", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--python", type=Path, metavar="PATH", help="the python of another environment")
    parser.add_argument("--imports", action="store_true", help="also import the core packages, which takes seconds")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    import json

    from ..environment_facts import environment_facts

    facts = environment_facts(arguments.python, imports=arguments.imports)
    if arguments.json:
        print(json.dumps(facts.as_json(), indent=1, ensure_ascii=False))
    else:
        print(facts.as_text(), end="")
    return 0
