"""The options and the way of `compatcheck run` over a matrix with `explore = "adaptive"`."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..domain import Cell
    from ..pipeline import Run

_SECONDS = {"s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}
_BYTES = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def duration(text: str) -> float:
    """`2h`, `90min`, `45s` in seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|min|m|h)", text.strip())
    if not found or float(found[1]) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form 2h, 90min or 45s")
    return float(found[1]) * _SECONDS[found[2]]


def size(text: str) -> int:
    """`30GB`, `30GiB` in bytes."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([MGT]i?B)", text.strip())
    if not found or float(found[1]) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form 30GB or 30GiB")
    return int(float(found[1]) * _BYTES[found[2]])


def share(text: str) -> float:
    """A number above 0 and up to 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share such as 0.99")
    return value


def count(text: str) -> int:
    """A whole number, at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of cells")
    return int(text)


def add_budget(parser: argparse.ArgumentParser, target: float | None = 0.99) -> None:
    """The options of an exploration. `target`: the default of --target-accuracy; None: it ends without one."""
    budget = parser.add_argument_group('a matrix with explore = "adaptive"')
    budget.add_argument("--budget", type=duration, metavar="TIME", help="end after this time: 2h, 90min")
    budget.add_argument(
        "--max-cells", type=count, metavar="N", help="end after so many runs of cells, the audit's among them"
    )
    budget.add_argument(
        "--target-accuracy", type=share, default=target, metavar="SHARE",
        help="end once this accuracy is expected and an audit finds no miss (default: "
        + ("%(default)s)" if target is not None else "end once no new cell is untested, and an audit finds no miss)"),
    )  # fmt: skip
    budget.add_argument(
        "--max-disk", type=size, metavar="SIZE",
        help="environments take no more than this: torch versions come and go, never in the middle of a cell",
    )  # fmt: skip
    budget.add_argument("--seed", type=int, default=1, help="of what is left to chance (default: %(default)s)")


def limits_held(arguments: argparse.Namespace, held: bool) -> None:
    """Refuse limits of an exploration where there is none: nothing would hold them. Raises UsageError."""
    from ..errors import UsageError

    given = [name for name in ("budget", "max_cells", "max_disk") if getattr(arguments, name) is not None]
    if given and not held:
        raise UsageError(
            f'--{given[0].replace("_", "-")} is for a matrix with explore = "adaptive", and not with --again',
            "Leave it out; --only, --axis and --shard choose fewer cells.",
        )


def explore_cells(arguments: argparse.Namespace, run: Run, cells: Sequence[Cell]) -> int:
    """Explore, and tell what came of it."""
    from ..errors import EXIT_DONE, MachineError
    from ..exploration import Budget, Exploration, planned_words
    from ..report.audit_text import audit_lines

    print("reading what the releases declare (once; some minutes for a large matrix)", file=sys.stderr, flush=True)
    with suppress(MachineError):
        # free evidence: what the releases declare
        run.learn_requirements()
    budget = Budget(arguments.budget, arguments.max_cells, arguments.target_accuracy, arguments.max_disk)
    allowed = None if len(cells) == len(run.expansion().cells) else set(cells)
    exploration = Exploration(run, budget, allowed, arguments.seed)
    for line in planned_words(run, exploration):
        print(line, file=sys.stderr, flush=True)
    standing = exploration.explore()
    print(f"{standing.words()}: {exploration.reason}")
    print("\n".join(audit_lines(exploration.audit())))
    return EXIT_DONE
