"""`compatcheck merge`: join what several machines, or reports, know into one store."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .common import DEFAULT_MATRIX, DEFAULT_STORE, add_cache, cache_folder

if TYPE_CHECKING:
    from ..matrix import Matrix

EPILOG = """\
Each machine runs its part, and one of them joins what came of it and writes the report:

  compatcheck run matrix/article.toml --shard 1/3 --store part-1.sqlite3
  compatcheck merge part-1.sqlite3 part-2.sqlite3 part-3.sqlite3 --into .compatcheck/store.sqlite3
  compatcheck report matrix/article.toml

A clone has reports and no store. What a report knows is taken in, and the next run goes on where it ends:

  compatcheck merge reports/full
  compatcheck refresh matrix/full.toml --dry-run

Of a report every cell that was run is taken, with its lock, and nothing that was inferred. Its scenario must be that
of its matrix, matrix/NAME.toml where --matrix names no other.

Nothing is lost and nothing counted twice: merging the same store or report again changes nothing, and what a store has
of a run counts more than what a report retells of it. The platform is part of what an observation is known by, so
machines of different platforms may be joined.
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "merge", help="join what several machines, or reports, know", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "sources", nargs="+", type=Path, metavar="STORE|REPORT",
        help="a store to take over, or a report: its folder, or the compatibility.json in it",
    )  # fmt: skip
    parser.add_argument("--into", type=Path, default=DEFAULT_STORE, metavar="STORE", help="default: %(default)s")
    parser.add_argument(
        "--matrix",
        type=Path,
        metavar="FILE",
        help="the matrix file of a report (default: the one of its name in matrix/)",
    )
    add_cache(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    from ..errors import UsageError
    from ..remade import take_report
    from ..report.reread import FILE
    from ..store import Store

    reports = [path for path in arguments.sources if path.suffix == ".json" or (path / FILE).is_file()]
    # before the store to join into is made
    if missing := [str(path) for path in arguments.sources if path not in reports and not path.is_file()]:
        raise UsageError(
            f"there is no store {', '.join(missing)}, and no report",
            f"Name stores that `compatcheck run --store` has written, or folders with a {FILE} (of several methods or "
            "architectures no report is taken).",
        )
    matrices = {path: _matrix_of(path, arguments.matrix) for path in reports}
    with Store(arguments.into) as store:
        for path in arguments.sources:
            if path in matrices:
                taken = take_report(path, matrices[path], cache_folder(arguments), store)
                print(f"{path}: {taken.new} new observations, of {taken.runs} that the report tells of", flush=True)
            else:
                print(f"{path}: {store.merge(path)} new observations", flush=True)
    return 0


def _matrix_of(report: Path, named: Path | None) -> Matrix:
    """Raises UsageError where the matrix of a report is not found."""
    from ..errors import UsageError
    from ..matrix import load_matrix
    from ..report.retold import load_summary

    name = load_summary(report).matrix
    file = named or DEFAULT_MATRIX.parent / f"{name}.toml"
    if not file.is_file():
        raise UsageError(
            f"{report} is of the matrix {name!r}, and there is no {file}", "Name its matrix file: --matrix FILE."
        )
    return load_matrix(file)
