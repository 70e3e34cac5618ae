"""`compatcheck memory`: what memory a cycle would take, and which model fits this machine. Runs nothing."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .common import DTYPES
from .probe import METHODS

if TYPE_CHECKING:
    from ..domain import Scenario
    from ..forecast import Forecast
    from ..scenario.model_shape import ModelShape

EPILOG = """\
The numbers are of the whole process at each stage's peak: derived from the model's shape where they can be, measured
where not. What is free is what the machine has left, or what a container's limit leaves of it.

  compatcheck memory                                    bloomz-560m, as the cycle runs it
  compatcheck memory --model ./my-model --batch-size 1
  compatcheck memory --model bloomz-7b1 --dtype bf16 --room-gib 40

Exit code: 0 it fits; 1 it does not.
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "memory", help="what memory a cycle takes, and which model fits here", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "--model", default="bloomz-560m",
        help="bloomz-560m, -1b1, -1b7, -3b, -7b1 (known without their files), or what probe takes (default: "
        "%(default)s)",
    )  # fmt: skip
    parser.add_argument("--method", choices=METHODS, default=METHODS[0], help="what is trained (default: %(default)s)")
    parser.add_argument("--dtype", choices=DTYPES, default=DTYPES[0], help="of the model (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=4, metavar="N", help="texts a step (default: %(default)s)")
    parser.add_argument("--max-length", type=int, default=48, metavar="N", help="tokens a text (default: %(default)s)")
    parser.add_argument("--room-gib", type=float, metavar="N", help="for a machine with so much free instead of this")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    import json

    from ..domain import Dtype, Method, Scenario
    from ..errors import EXIT_DONE, EXIT_NEGATIVE, UsageError
    from ..forecast import at_a_time, forecast
    from ..memory_evidence import room_mib
    from ..scenario.material import model_shape

    batch, length = arguments.batch_size, arguments.max_length
    try:
        scenario = Scenario(
            model=arguments.model, method=Method(arguments.method), dtype=Dtype(arguments.dtype), batch_size=batch,
            texts=max(2, batch), max_length=length,
        )  # fmt: skip
    except ValueError as error:
        raise UsageError(str(error), "Example: --batch-size 1 --max-length 128") from None
    shape = model_shape(arguments.model)
    found = forecast(scenario, shape)
    if arguments.room_gib is not None and not arguments.room_gib > 0:
        raise UsageError(f"--room-gib {arguments.room_gib:g}: nothing fits into it", "Example: --room-gib 8")
    room = room_mib() if arguments.room_gib is None else arguments.room_gib * 1024
    fits = at_a_time(found, room)
    if arguments.json:
        stages = {str(each.stage): [each.least, each.most] for each in found.stages}
        told = {
            "model": arguments.model,
            "parameters": shape.parameters,
            "trained": found.trained,
            "stages_mib": stages,
        }
        print(json.dumps({**told, "room_mib": room, "at_a_time": fits}, indent=1))
    else:
        print("\n".join(_lines(scenario, shape, found, room)))
    return EXIT_DONE if fits else EXIT_NEGATIVE


def _lines(scenario: Scenario, shape: ModelShape, found: Forecast, room: float) -> Iterator[str]:
    from tabulate import tabulate

    from ..fitting import memory_line
    from ..forecast import family_rows

    yield (
        f"{scenario.model}: {shape.parameters:,} parameters, {scenario.method} trains {found.trained:,}; "
        f"{scenario.dtype}, {scenario.batch_size} texts of {scenario.max_length} tokens a step"
    )
    rows = [(each.stage, f"{each.least:.0f} to {each.most:.0f}", each.what) for each in found.stages]
    yield tabulate(rows, headers=("stage", "MiB at its peak", "what takes it"), disable_numparse=True)
    yield f"\npeak: {memory_line(found, room)}"
    yield f"\nof BLOOM, with {room / 1024:.1f} GiB (GiB at the peak; * fits)"
    yield tabulate(family_rows(scenario, room), headers=("model", "fp32", "fp32, batch 1", "bf16", "bf16, batch 1"))
