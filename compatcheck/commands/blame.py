"""`compatcheck blame CELL`: who is to blame for a failing cell, by experiment."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .common import DEFAULT_MATRIX, add_places, add_scenario, opened_run

if TYPE_CHECKING:
    from ..attribution import Blame, Pair
    from ..cell_blame import CellBlame, End
    from ..domain import Lock
    from ..laboratory import CycleRunner
    from ..pipeline import Run
    from ..report.context import Context, Entry
    from ..table import Row, Table

EPILOG = """\
CELL is an identifier as the plan and the reports print it, or a glob that matches exactly one cell. It is held
against the same cell with the unpinned packages of earlier days, and against the nearest passing cell of each axis;
between the complete locks of both, one package after the other is moved, and then the culprit's releases are searched
for the first bad one. Every half-sentence of the answer rests on two runs, named by the digests of their locks. Runs
are kept in the store: asked again, the same question costs none.

  compatcheck blame 'torch2.6.0*4.51.3*peft0.12*'
  compatcheck blame 'torch2.6.0*4.51.3*peft0.12*' --table-only     what the table says by itself, no runs
  compatcheck blame 'torch2.6.0*4.51.3*peft0.12*' --locks locks/   the evidence as requirements files

Exit code 1: no verdict (undetermined, or the failure comes and goes).
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "blame", help="who is to blame for a failing cell, by experiment", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("cell", metavar="CELL", help="identifier or glob")
    parser.add_argument(
        "--matrix", type=Path, default=DEFAULT_MATRIX, help="the matrix file it belongs to (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")
    parser.add_argument("--table-only", action="store_true", help="no runs: only what the measured table says")
    add_experiment(parser)
    add_scenario(parser)
    add_places(parser)
    parser.set_defaults(execute=execute)


def add_experiment(parser: argparse.ArgumentParser) -> None:
    """The options that `blame` and `bisect` share."""
    group = parser.add_argument_group("experiments")
    group.add_argument(
        "--max-runs", type=int, default=250, metavar="N", help="no verdict after so many (default: %(default)s)"
    )
    group.add_argument("--again", action="store_true", help="do not answer from the store: run everything anew")
    group.add_argument(
        "--large", action="store_true",
        help="search the releases of packages over 300 MiB too (torch), and download them",
    )  # fmt: skip
    group.add_argument("--locks", type=Path, metavar="DIR", help="write the locks of the evidence as requirements here")


def execute(arguments: argparse.Namespace) -> int:
    from ..cell_blame import CellBlame
    from ..errors import EXIT_DONE, EXIT_NEGATIVE, UsageError
    from ..flips import blame_from_table
    from ..pipeline import context_of
    from ..report.cell_text import one_entry
    from ..table import CLEAN

    with opened_run(arguments) as run:
        context = context_of(run)
        entry = one_entry(context, arguments.cell)
        table = context.findings.table
        row = next(each for each in table.rows if each.cell_id == entry.cell.id)
        if row.unit is None:
            raise UsageError(f"{row.cell_id} is {row.outcome}: there is no run to blame anything for")
        if row.unit == CLEAN:
            raise UsageError(f"{row.cell_id} passes: there is nothing to blame", "Name a cell that fails.")
        if arguments.table_only:
            found = CellBlame(blame_from_table(table).cells[row.cell_id])
        else:
            found = _by_experiment(arguments, run, context, entry, table)
    if arguments.json:
        print(_json(entry, found))
    else:
        print("\n".join(blame_lines(entry, found)))
    return EXIT_DONE if found.blame.culprits else EXIT_NEGATIVE


def _by_experiment(arguments: argparse.Namespace, run: Run, context: Context, entry: Entry, table: Table) -> CellBlame:
    from ..cell_blame import End, blame_cell
    from ..laboratory import InstallableReleases, Locksmith, RealLaboratory, large_packages
    from ..releases import PackageIndex, index_url
    from ..table import CLEAN
    from ..time_travel import earlier_locks

    row = next(each for each in table.rows if each.cell_id == entry.cell.id)
    failing = entry.result.lock
    assert failing is not None
    locks = {each.cell.id: each.result.lock for each in context.entries if each.result.lock is not None}
    say = teller()
    locksmith = Locksmith(entry.cell.python, run.uv, tuple(entry.cell.versions))
    for lock in locks.values():
        if lock.python == failing.python:
            locksmith.learn(lock)
    runner = cycle_runner(arguments, run, say)
    laboratory = RealLaboratory(locksmith, runner, row.unit)
    releases = InstallableReleases(
        run.source or PackageIndex(run.matrix.index.url or index_url()),
        entry.cell.python,
        {} if arguments.large else large_packages(*locks.values()),
    )

    def passing_earlier() -> Iterator[End]:
        for earlier in earlier_locks(entry.cell, failing, run.matrix, context.expansion.released, run.store, run.uv):
            locksmith.learn(earlier.lock)
            if laboratory.trial(earlier.lock.versions).unit == CLEAN:
                yield End(f"{entry.cell.id} with {earlier.name}", earlier.lock.versions, drift=True)

    def between(end: End) -> None:
        locksmith.ends = [failing.versions, end.versions]

    def lock_of(other: Row) -> dict[str, str] | None:
        lock = locks.get(other.cell_id)
        return lock.versions if lock else None

    found = blame_cell(
        laboratory, releases, table, row, failing.versions, lock_of, passing_earlier(),
        most_runs=arguments.max_runs, say=say, before=between,
    )  # fmt: skip
    if arguments.locks:
        write_locks(arguments.locks, found.blame, runner.lock)
    return found


def cycle_runner(arguments: argparse.Namespace, run: Run, say: Callable[[str], None]) -> CycleRunner:
    """The cycle as the matrix of `run` has it, with the run's store."""
    from ..laboratory import CycleRunner
    from ..signatures import load_catalogue

    return CycleRunner(
        run.uv, run.store, run.cache / "environments", run.matrix.scenario, run.matrix.limits, run.material,
        load_catalogue(), run.platform, arguments.again, say,
    )  # fmt: skip


def teller() -> Callable[[str], None]:
    """Progress as lines on standard error, each with the seconds since the start."""
    import sys
    import time

    began = time.monotonic()
    return lambda text: print(f"[{time.monotonic() - began:5.0f} s] {text}", file=sys.stderr, flush=True)


def write_locks(folder: Path, blame: Blame, lock_of: Callable[[str], Lock | None]) -> None:
    """The locks of the evidence as requirements files that pip, uv and `compatcheck bisect` take."""
    folder.mkdir(parents=True, exist_ok=True)
    for digest in dict.fromkeys(end for pair in blame.evidence for end in (pair.good, pair.bad)):
        if lock := lock_of(digest):
            (folder / f"{digest}.txt").write_text(lock.requirements)


def blame_lines(entry: Entry, found: CellBlame) -> list[str]:
    blame = found.blame
    lines = [f"{entry.cell.id}: {entry.outcome} in {entry.result.stage}", "", blame.words(), ""]
    lines += evidence_lines(blame.evidence)
    lines += [f"held against {part.end}: {part.blame.verdict}, {part.blame.runs} runs" for part in found.parts]
    return lines


def evidence_lines(evidence: Iterable[Pair]) -> list[str]:
    """Each half-sentence with the two runs that it rests on."""
    lines = []
    for pair in evidence:
        lines.append(f"  {pair.says}\n    good {pair.good}   bad {pair.bad}")
        if pair.note:
            lines.append(f"    ({pair.note})")
    return [*lines, ""] if lines else []


def blame_data(blame: Blame) -> dict[str, object]:
    """All of a verdict, plain: the reports' form and what backs it."""
    from dataclasses import asdict

    return {
        **blame.as_data(),
        "also": [asdict(each) for each in blame.also],
        "words": blame.words(),
        "reason": blame.reason,
        "inseparable": list(blame.inseparable),
        "no_part": dict(blame.no_part or {}),
        "runs": blame.runs,
        "pairs": [
            {"good": each.good, "bad": each.bad, "says": each.says, "note": each.note} for each in blame.evidence
        ],
    }


def _json(entry: Entry, found: CellBlame) -> str:
    import json

    data = {
        "cell": entry.cell.id,
        "outcome": str(entry.outcome),
        "signature": entry.failure,
        **blame_data(found.blame),
        "held_against": [{"end": part.end, **blame_data(part.blame)} for part in found.parts],
    }
    return json.dumps(data, indent=2)
