"""`compatcheck blame CELL`: who is to blame for a failing cell, by experiment."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from .common import DEFAULT_MATRIX, add_places, add_scenario, opened_run

if TYPE_CHECKING:
    from ..attribution import Blame, Culprit, Pair
    from ..cell_blame import CellBlame
    from ..domain import Lock
    from ..laboratory import CycleRunner
    from ..pipeline import Run
    from ..releases import ReleaseSource
    from ..report.context import Context
    from ..report.entry import Entry
    from ..table import Row

EPILOG = """\
CELL is an identifier as the plan and the reports print it, or a glob that matches exactly one cell. It is held
against the same cell with the unpinned packages of earlier days, and against the nearest passing cell of each axis;
between the complete locks of both, one package after the other is moved, and then the culprit's releases are searched
for the first bad one. Every half-sentence of the answer rests on two runs, named by the digests of their locks. Runs
are kept in the store: asked again, or after an interruption, what was run costs nothing. The verdict is kept too, and
stands in later reports (blame.md, compatibility.json).

  compatcheck blame 'torch2.6.0*4.51.3*peft0.12*'
  compatcheck blame 'torch2.6.0*4.51.3*peft0.12*' --table-only     what the table says by itself, no runs
  compatcheck blame 'torch2.6.0*4.51.3*peft0.12*' --locks locks/   the evidence as requirements files
  compatcheck blame --sample 6 --seed 1                            six failing cells, drawn by chance
  compatcheck blame --each-failure                                 one cell of every failure class

--json: an object, for --sample and --each-failure a list of them: cell, outcome, signature, verdict, culprits (package,
last_good, first_bad, fixed_in), evidence (digests of locks; with --table-only cells), words, pairs (good, bad, says,
note), worked and also (for drift), no_part, inseparable, reason, runs, held_against.

Exit code 1: no verdict on some cell (undetermined, or the failure comes and goes).
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "blame", help="who is to blame for a failing cell, by experiment", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("cell", metavar="CELL", nargs="?", help="identifier or glob")
    chosen.add_argument("--sample", type=int, metavar="N", help="instead of CELL: N failing cells, drawn by chance")
    chosen.add_argument("--each-failure", action="store_true", help="instead of CELL: one cell of each failure class")
    parser.add_argument(
        "--seed", type=int, default=int(f"{date.today():%Y%m%d}"), help="of the draw (default: today, %(default)s)"
    )
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
    import json

    from ..attribution import Kind
    from ..cell_blame import CellBlame
    from ..errors import EXIT_DONE, EXIT_NEGATIVE
    from ..reporting import context_of

    say = teller()
    found: list[tuple[Entry, CellBlame]] = []
    with opened_run(arguments) as run:
        context = context_of(run)
        chosen = _chosen(arguments, context)
        for number, (entry, drawn) in enumerate(chosen, 1):
            if len(chosen) > 1:
                say(f"cell {number} of {len(chosen)}: {entry.cell.id}")
            if arguments.table_only:
                blamed = CellBlame(context.findings.blame.cells[entry.cell.id])
            else:
                blamed = _by_experiment(arguments, run, context, entry, say)
                _keep(run, entry, blamed, drawn)
            found.append((entry, blamed))
            if not arguments.json:
                print("\n".join(blame_lines(entry, blamed)), flush=True)
    if arguments.json:
        data = [_data(entry, blamed) for entry, blamed in found]
        print(json.dumps(data[0] if arguments.cell else data, indent=2))
    open_ones = sum(blamed.blame.verdict in (Kind.UNDETERMINED, Kind.FLAKY) for _, blamed in found)
    return EXIT_NEGATIVE if open_ones else EXIT_DONE


def _chosen(arguments: argparse.Namespace, context: Context) -> list[tuple[Entry, str]]:
    """The cells to blame, each with how chance chose it. Raises UsageError where there is nothing to blame."""
    import random

    from ..errors import UsageError
    from ..report.cell_text import one_entry

    if arguments.cell:
        return [(_failing(one_entry(context, arguments.cell), arguments.matrix), "")]
    failing = [context.by_id[cell] for cell in context.findings.blame.cells]
    if not failing:
        raise UsageError("no measured cell fails: there is nothing to blame", "Run the matrix first.")
    if arguments.each_failure:
        return [(each.entries[len(each.entries) // 2], "") for each in context.classes if each.entries[0] in failing]
    if arguments.sample < 1:
        raise UsageError("--sample: at least one cell")
    drawn = random.Random(arguments.seed).sample(failing, min(arguments.sample, len(failing)))
    return [(entry, f"seed {arguments.seed}, {len(drawn)} of {len(failing)} failing cells") for entry in drawn]


def _failing(entry: Entry, matrix: Path) -> Entry:
    """`entry`, which must be one that fails. Raises UsageError."""
    from ..domain import Outcome
    from ..errors import UsageError
    from ..report.context import BAD

    name = entry.cell.id
    if entry.conclusion is not None:
        raise UsageError(
            f"{name} was not run: {entry.outcome} is {entry.conclusion.words()}",
            f"Run it first: compatcheck run {matrix} --only {name} --again",
        )
    if entry.outcome in BAD:
        return entry
    if entry.outcome is Outcome.PASS:
        raise UsageError(f"{name} passes: there is nothing to blame", "Name a cell that fails.")
    if entry.outcome is Outcome.UNTESTED:
        raise UsageError(
            f"{name} has not been run: nothing is known of it", f"Run the matrix first: compatcheck run {matrix}"
        )
    if entry.outcome is Outcome.UNRESOLVABLE:
        said = entry.result.resolution.reason if entry.result.resolution else ""
        raise UsageError(
            f"{name} cannot be installed, so there is no run to blame anything for. The resolver says: {said[:600]}",
            "Name a cell that fails.",
        )
    raise UsageError(
        f"{name} has not been measured: {entry.result.trouble[:600]}",
        f"That is this machine's fault. Run it again: compatcheck run {matrix} --only {name}",
    )


def _keep(run: Run, entry: Entry, found: CellBlame, drawn: str) -> None:
    from datetime import datetime, timezone

    from ..experiment import Experiment

    lock = entry.result.lock
    assert lock is not None
    before = run.experiments().get(entry.cell.id)
    if before is not None and before.lock == lock.digest:
        drawn = drawn or before.drawn
    run.keep(Experiment(entry.cell.id, lock.digest, datetime.now(timezone.utc), found, drawn))


def _by_experiment(
    arguments: argparse.Namespace, run: Run, context: Context, entry: Entry, say: Callable[[str], None]
) -> CellBlame:
    from dataclasses import replace

    from ..attribution import expected_runs
    from ..cell_blame import CellBlame, End, blame_cell
    from ..deltas import differing
    from ..laboratory import InstallableReleases, Locksmith, RealLaboratory, large_packages
    from ..releases import PackageIndex, index_url
    from ..table import CLEAN
    from ..time_travel import earlier_locks

    table = context.findings.table
    row = next(each for each in table.rows if each.cell_id == entry.cell.id)
    failing = entry.result.lock
    assert failing is not None
    locks = {each.cell.id: each.result.lock for each in context.entries if each.result.lock is not None}
    locksmith = Locksmith(entry.cell.python, run.uv, tuple(entry.cell.versions))
    for lock in locks.values():
        if lock.python == failing.python:
            locksmith.learn(lock)
    runner = cycle_runner(arguments, run, say)
    laboratory = RealLaboratory(locksmith, runner, row.unit)
    source = run.source or PackageIndex(run.matrix.index.url or index_url())
    releases = InstallableReleases(
        source,
        entry.cell.python,
        {} if arguments.large else large_packages(*locks.values()),
    )

    def passing_earlier() -> Iterator[End]:
        for earlier in earlier_locks(entry.cell, failing, run.matrix, context.expansion.released, run.store, run.uv):
            locksmith.learn(earlier.lock)
            if laboratory.trial(earlier.lock.versions).unit == CLEAN:
                yield End(f"{entry.cell.id} with {earlier.name}", earlier.lock.versions, earlier.name)

    def between(end: End) -> None:
        locksmith.ends = [failing.versions, end.versions]
        apart = len(differing(end.versions, failing.versions))
        about = expected_runs(end.versions, failing.versions)
        say(f"{apart} packages differ: about {about} runs for one culprit, fewer where they are known already")

    def lock_of(other: Row) -> dict[str, str] | None:
        lock = locks.get(other.cell_id)
        return lock.versions if lock else None

    found = blame_cell(
        laboratory, releases, table, row, failing.versions, lock_of, passing_earlier(),
        most_runs=arguments.max_runs, say=say, before=between,
    )  # fmt: skip
    if arguments.locks:
        write_locks(arguments.locks, found.blame, runner.lock)
    return CellBlame(
        dated(found.blame, source), tuple(replace(part, blame=dated(part.blame, source)) for part in found.parts)
    )


def dated(blame: Blame, source: ReleaseSource) -> Blame:
    """`blame` with the days on which the first bad releases came out, as far as the index says."""
    from dataclasses import replace

    from ..errors import CompatcheckError

    def with_day(culprit: Culprit) -> Culprit:
        try:
            known = {each.version: each.uploaded for each in source.releases(culprit.package)}
        except CompatcheckError:
            return culprit
        day = known.get(culprit.first_bad or "")
        return replace(culprit, released=f"{day:%Y-%m-%d}") if day else culprit

    return replace(blame, culprits=tuple(map(with_day, blame.culprits)), also=tuple(map(with_day, blame.also)))


def cycle_runner(arguments: argparse.Namespace, run: Run, say: Callable[[str], None]) -> CycleRunner:
    """The cycle as the matrix of `run` has it, with the run's store."""
    from ..catalogues import load_catalogue
    from ..laboratory import CycleRunner

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
        "worked": blame.worked,
        "reason": blame.reason,
        "inseparable": list(blame.inseparable),
        "no_part": dict(blame.no_part or {}),
        "runs": blame.runs,
        "pairs": [
            {"good": each.good, "bad": each.bad, "says": each.says, "note": each.note} for each in blame.evidence
        ],
    }


def _data(entry: Entry, found: CellBlame) -> dict[str, object]:
    return {
        "cell": entry.cell.id,
        "outcome": str(entry.outcome),
        "signature": entry.failure,
        **blame_data(found.blame),
        "held_against": [{"end": part.end, **blame_data(part.blame)} for part in found.parts],
    }
