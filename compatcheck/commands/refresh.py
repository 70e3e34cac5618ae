"""`compatcheck refresh`: what the index has that the table lacks, and only the runs that it makes needed."""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from .adaptive import add_budget, limits_held
from .common import add_matrix, add_places, add_scenario, chosen_jobs, known_by_report, opened_run

if TYPE_CHECKING:
    from ..expansion import Expansion
    from ..exploration import Exploration
    from ..pipeline import Run
    from ..renewal import Renewal

EPILOG = """\
The matrix is looked up again. Releases that left it are dropped: a newer patch took their place, or `window =
"spec-0"` in the matrix file no longer supports them. Their runs stay in the store, and still tell what a release
close to them will do. Of a matrix with explore = "adaptive" every new release is run once, and then only new cells of
which nothing can be inferred, until none is left; some of the others are run as an audit. Of any other matrix every
new cell is run. What was measured before is not run again, whatever has become of the other packages since. A refresh
that was interrupted, or whose budget was used, goes on with the next one.

  compatcheck refresh matrix/full.toml --dry-run             what came, what left, and what it makes uncertain
  compatcheck refresh matrix/full.toml --budget 2h           run what is needed, tell what changed
  compatcheck refresh matrix/full.toml --format markdown     the same for a pull request

`compatcheck report` writes the reports then.
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "refresh", help="look for new releases, and run only what they make uncertain", description=__doc__,
        epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add_matrix(parser)
    add_scenario(parser)
    parser.add_argument("--dry-run", action="store_true", help="run nothing and remember nothing: only tell")
    parser.add_argument("--format", choices=("text", "markdown"), default="text", help="default: %(default)s")
    parser.add_argument(
        "--jobs", "-j", type=int, default=0, metavar="N", help="cells at a time (default: one for each two cores)"
    )
    add_budget(parser, target=None)
    add_places(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    from ..domain import Outcome
    from ..errors import EXIT_DONE, EXIT_MACHINE, MachineError, UsageError
    from ..matrix import Explore
    from ..progress import PlainProgress
    from ..renewal import renewal_of
    from ..report.renewal_text import renewal_lines, renewal_markdown
    from ..reporting import context_of

    jobs = chosen_jobs(arguments)
    with opened_run(arguments, PlainProgress(), jobs) as run:
        adaptive = run.matrix.explore is Explore.ADAPTIVE
        limits_held(arguments, adaptive)
        if len(run.matrix.variants) > 1:
            raise UsageError(
                "refresh is not for a matrix with several methods or architectures",
                f"Run it: compatcheck run {arguments.matrix} runs what is new.",
            )
        elsewhere = known_by_report(arguments, run)
        if elsewhere and not arguments.dry_run:
            known, command = elsewhere
            raise UsageError(known, f"Take them in first: {command}. To begin anew: compatcheck run {arguments.matrix}")
        before = context_of(run) if run.store.expansion(run.matrix.digest) is not None else None
        expansion = run.expansion_today()
        renewal = renewal_of(run.cells_before(), expansion, run.matrix.window)
        if arguments.dry_run:
            if elsewhere:
                print(f"Before a refresh: {elsewhere[0]}. Take them in: {elsewhere[1]}")
            for line in (*renewal.lines(), *_foreseen(arguments, run, renewal, expansion, adaptive)):
                print(line)
            return EXIT_DONE
        for line in renewal.lines():
            print(line, file=sys.stderr, flush=True)
        run.begin_refresh()
        run.expand()
        with suppress(MachineError):
            # free evidence: what the releases declare
            run.learn_requirements()
        ended = True
        if adaptive:
            ended = _explored(arguments, run, renewal)
        elif renewal.new:
            run.run(renewal.new)
        after = context_of(run)
        troubled = [after.by_id[cell.id] for cell in renewal.new if after.by_id[cell.id].outcome is Outcome.ERROR]
        if ended and not troubled:
            run.end_refresh()
        if arguments.format == "markdown":
            print(renewal_markdown(renewal, before, after), end="")
        else:
            print("\n".join(renewal_lines(renewal, before, after)))
    if not ended:
        print("The budget is used, and new cells are untested: refresh again, and it goes on.", file=sys.stderr)
    if troubled:
        said = f"{len(troubled)} new cells could not be measured: {troubled[0].result.trouble}"
        print(f"compatcheck: {said}\n  Mend that and refresh again: it goes on.", file=sys.stderr)
        return EXIT_MACHINE
    return EXIT_DONE


def _exploration(
    arguments: argparse.Namespace, run: Run, renewal: Renewal, expansion: Expansion | None = None
) -> Exploration:
    from ..exploration import Budget, Exploration

    budget = Budget(arguments.budget, arguments.max_cells, arguments.target_accuracy, arguments.max_disk)
    return Exploration(run, budget, set(renewal.new), arguments.seed, expansion)


def _explored(arguments: argparse.Namespace, run: Run, renewal: Renewal) -> bool:
    """Whether nothing is left to do."""
    from ..exploration import EVERYTHING, planned_words

    exploration = _exploration(arguments, run, renewal)
    for line in planned_words(run, exploration):
        print(line, file=sys.stderr, flush=True)
    standing = exploration.explore()
    print(f"{exploration.runs} runs: {standing.words()}: {exploration.reason}", file=sys.stderr)
    return exploration.enough() or exploration.reason == EVERYTHING


def _foreseen(
    arguments: argparse.Namespace, run: Run, renewal: Renewal, expansion: Expansion, adaptive: bool
) -> list[str]:
    """What a refresh would have to do."""
    if not renewal.new:
        return []
    if not adaptive:
        return [f"every one of the {len(renewal.new)} new cells would be run"]
    exploration = _exploration(arguments, run, renewal, expansion)
    held = exploration.explorer.inference()
    known = int((held.measured & exploration.scope).sum())
    decided = int((held.inferred & exploration.scope).sum())
    return [
        f"of the new cells {known} are known already and {decided} can be inferred from what is known; "
        f"{len(renewal.new) - known - decided} are uncertain",
        f"each of the {len(renewal.came)} releases that came would be run once, and then what is still uncertain",
    ]
