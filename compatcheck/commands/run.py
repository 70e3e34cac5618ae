"""`compatcheck run`: run the cells of a matrix that are not known yet."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from .adaptive import add_budget, explore_cells, limits_held
from .common import (
    add_matrix,
    add_places,
    add_scenario,
    add_selection,
    chosen_cells,
    chosen_jobs,
    known_by_report,
    opened_run,
)

if TYPE_CHECKING:
    from ..domain import Cell, CellResult
    from ..own_command import CommandResult
    from ..pipeline import Run

EPILOG = """\
What is already known is not run again; a run that was interrupted goes on where it was.

  compatcheck run                                    the default matrix
  compatcheck run matrix/quick.toml --jobs 2         another one, two cells at a time
  compatcheck run --only 'torch2.6.0*peft0.15.*'     some of its cells
  compatcheck run --only CELL --again --live         one cell once more, watched
  compatcheck run matrix/full.toml --budget 2h       few cells of a large matrix; the others are inferred
  compatcheck run --command "pytest -x" --with pytest   a project's own tests instead of the cycle

Exit code: 0 done; 1 exactly one cell was selected and it does not pass, or --command fails in some cell; 4 some
cells could not be measured (no network, no disk: run again, it goes on); 130 interrupted.
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "run", help="run the cells of a matrix that are not known yet", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add_matrix(parser)
    add_selection(parser)
    add_scenario(parser)
    parser.add_argument(
        "--jobs", "-j", type=int, default=0, metavar="N", help="cells at a time (default: one for each two cores)"
    )
    parser.add_argument(
        "--isolation", choices=("process", "fork"), default="process",
        help="process: every cell is a process of its own (default); fork: a child of a process that has imported the "
        "layers that it shares with others, from the same files (Linux; some are run again by a process of their own)",
    )  # fmt: skip
    cluster = parser.add_argument_group("many machines")
    cluster.add_argument(
        "--executor", choices=("local", "dask"), default="local",
        help="local: this machine (default); dask: the workers of a Dask cluster (compatcheck[dask] on all of them)",
    )  # fmt: skip
    cluster.add_argument(
        "--scheduler", metavar="ADDRESS", default="",
        help="of the cluster, tcp://host:8786 (default: an own one on this machine with --jobs workers)",
    )  # fmt: skip
    parser.add_argument("--again", action="store_true", help="run the selected cells even where they are known")
    parser.add_argument("--force", action="store_true", help="run also what would not fit into memory")
    parser.add_argument("--live", action="store_true", help="show every step of every cell")
    parser.add_argument("--plain", action="store_true", help="plain lines instead of the live display")
    add_budget(parser)
    own = parser.add_argument_group("a project's own tests")
    own.add_argument(
        "--command", metavar="COMMAND",
        help="run this in every cell's environment instead of the cycle; results are told and not stored",
    )  # fmt: skip
    own.add_argument(
        "--with", metavar="REQUIREMENT", action="append", default=[], dest="extras",
        help="install this too, for --command; may be repeated",
    )  # fmt: skip
    own.add_argument("--folder", type=Path, default=Path(), help="where to run it (default: the working folder)")
    own.add_argument("--seconds", type=float, default=1800.0, help="for --command in one cell (default: %(default)s)")
    add_places(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    from ..domain import Isolation, Outcome
    from ..errors import EXIT_DONE, EXIT_MACHINE, EXIT_NEGATIVE, MachineError, UsageError
    from ..fleet import Fleet
    from ..matrix import Explore
    from ..progress import DetailedProgress, PlainProgress, Progress, chosen_progress

    if arguments.command is not None:
        return _run_command(arguments)
    if arguments.scheduler and arguments.executor != "dask":
        raise UsageError("--scheduler is the address of a Dask cluster", "Add --executor dask.")
    if arguments.extras:
        raise UsageError("--with is for --command", "Add --command, or name it under extras in the matrix file.")
    jobs = chosen_jobs(arguments)
    with opened_run(arguments, jobs=jobs) as run:
        explored = run.matrix.explore is Explore.ADAPTIVE and not arguments.again
        limits_held(arguments, explored)
        if elsewhere := known_by_report(arguments, run):
            print(f"compatcheck: {elsewhere[0]}; to go on from there: {elsewhere[1]}", file=sys.stderr, flush=True)
        cells = chosen_cells(arguments, run)
        progress: Progress
        if arguments.live:
            progress = DetailedProgress()
        elif arguments.plain or run.matrix.explore is Explore.ADAPTIVE:
            progress = PlainProgress()
        else:
            progress = chosen_progress(sys.stderr)
        if arguments.executor == "dask":
            run.fleet = Fleet(arguments.scheduler, jobs)
        run.progress, run.isolation, run.forced = progress, Isolation(arguments.isolation), arguments.force
        if run.fleet is None and not run.forced:
            _keep_to_memory(run)
        if explored:
            if len(run.matrix.variants) > 1:
                raise UsageError(
                    f'{arguments.matrix}: explore = "adaptive" is not for several methods or architectures',
                    "Leave one of them in the matrix file, or the line with explore out.",
                )
            return explore_cells(arguments, run, cells)
        if len(run.matrix.variants) > 1:
            if run.fleet is not None:
                raise UsageError(
                    "--executor dask is not for a matrix with several methods or architectures",
                    "Leave it out; --shard spreads the cells over machines.",
                )
            return _run_variants(run, cells, arguments.again)
        results = run.run(cells, again=arguments.again)
        with suppress(MachineError):
            # only the report's comparison with what the packages declare needs it; the next run tries again
            run.learn_requirements()
        for result in results.values():
            if len(cells) == 1 or result.outcome is Outcome.ERROR:
                print(f"{result.cell.id}: {result.outcome}" + (f": {result.trouble}" if result.trouble else ""))
        for line in (*(run.bench.lines() if run.bench else ()), *(run.fleet.lines() if run.fleet else ())):
            print(line, file=sys.stderr)
        print(_summary(results.values()))
        if run.matrix.confirm:
            results |= _confirmed(run)
    if unmeasured := sum(result.outcome is Outcome.ERROR for result in results.values()):
        told = f"{unmeasured} cells could not be measured, for the reasons above; none is held against a package."
        print(f"compatcheck: {told}\n  Mend that and run again: what is measured is kept.", file=sys.stderr)
        return EXIT_MACHINE
    if len(cells) == 1 and next(iter(results.values())).outcome is not Outcome.PASS:
        return EXIT_NEGATIVE
    return EXIT_DONE


def _keep_to_memory(run: Run) -> None:
    """Fewer cells at a time where so many would not fit into memory."""
    from ..fitting import most_demanding
    from ..forecast import at_a_time
    from ..memory_evidence import room_mib

    found, room = most_demanding(run.matrix, run.cache).forecast, room_mib()
    fitting = max(1, at_a_time(found, room))
    if fitting < run.jobs:
        told = f"a cell takes {found.words}, {room / 1024:.1f} GiB are free"
        print(f"memory: {fitting} at a time instead of {run.jobs}: {told} (--force: {run.jobs})", file=sys.stderr)
        run.jobs = fitting


def _confirmed(run: Run) -> dict[Cell, CellResult]:
    """What the matrix's `confirm` asks for, once every cell is known; what could not be measured."""
    from ..domain import Outcome
    from ..pipeline import confirming_run
    from ..report.agreement_text import sentences
    from ..reporting import context_of, to_confirm

    if left := sum(result.outcome is Outcome.UNTESTED for result in run.results()):
        print(f"confirm: waits until the other {left} cells are known")
        return {}
    full, cells = confirming_run(run), to_confirm(run)
    print(f"confirm: {len(cells)} cells with {full.matrix.scenario.model}, {full.jobs} at a time", file=sys.stderr)
    full.progress = type(run.progress)()
    full.store.save_expansion(full.matrix.digest, run.expansion())
    results = full.run(cells)
    agreement = context_of(run).agreement
    assert agreement is not None
    for line in sentences(agreement):
        print(line)
    for pair in agreement.disagreements:
        print(f"  {pair.cell}: {pair.own.words()} with {agreement.own}, {pair.other.words()} with {agreement.other}")
    return {cell: result for cell, result in results.items() if result.outcome is Outcome.ERROR}


def _run_variants(run: Run, cells: Iterable[Cell], again: bool) -> int:
    """A matrix whose cells are asked several methods or architectures."""
    from ..domain import Outcome
    from ..errors import EXIT_DONE, EXIT_MACHINE
    from ..variants import Variants

    variants = Variants(run)
    found = variants.run_all(cells, again=again)
    results = [result for each in found.values() for result in each.values()]
    for line in variants.lines():
        print(line, file=sys.stderr)
    print(f"{len(found)} cells, {_summary(results, 'scenarios')}")
    return EXIT_MACHINE if any(result.outcome is Outcome.ERROR for result in results) else EXIT_DONE


def _run_command(arguments: argparse.Namespace) -> int:
    from dataclasses import replace

    from ..domain import Outcome
    from ..errors import EXIT_DONE, EXIT_MACHINE, EXIT_NEGATIVE
    from ..own_command import command_of, run_command

    logs = arguments.store.parent / "command-logs"
    command = command_of(arguments.command, arguments.folder, logs, arguments.seconds)
    # one at a time unless asked for: a project's tests may write into its folder
    with opened_run(arguments, jobs=max(1, arguments.jobs)) as run:
        if arguments.extras:
            run.matrix = replace(run.matrix, extras=(*run.matrix.extras, *arguments.extras))
        cells = chosen_cells(arguments, run)
        results = run_command(run, cells, command, lambda result: print(result.as_line(), flush=True))
    print(_summary(results))
    if any(result.outcome is Outcome.ERROR for result in results):
        return EXIT_MACHINE
    return EXIT_DONE if all(result.outcome is Outcome.PASS for result in results) else EXIT_NEGATIVE


def _summary(results: Iterable[CellResult | CommandResult], what: str = "cells") -> str:
    from collections import Counter

    counts = Counter(str(result.outcome) for result in results)
    return f"{counts.total()} {what}: " + ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
