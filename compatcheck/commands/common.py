"""What several subcommands share: options, and opening a matrix with its store."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..domain import Cell, Scenario
    from ..pipeline import Run
    from ..progress import Progress

PATIENCE = (15.0, 60.0, 240.0)
"""Seconds before each further try of cells for which the index was away."""
DEFAULT_MATRIX = Path("matrix/article.toml")
DTYPES = ("fp32", "bf16", "fp16")
"""The words of domain.Dtype, which the help does without."""
DEFAULT_REPORTS = Path("reports")
DEFAULT_STORE = Path(".compatcheck/store.sqlite3")


def add_matrix(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "matrix", nargs="?", type=Path, default=DEFAULT_MATRIX, help="matrix file (default: %(default)s)"
    )


def add_places(parser: argparse.ArgumentParser) -> None:
    places = parser.add_argument_group("places")
    places.add_argument(
        "--store", type=Path, default=Path(os.environ.get("COMPATCHECK_STORE", DEFAULT_STORE)),
        help="the database of all that is known (default: %(default)s, or COMPATCHECK_STORE)",
    )  # fmt: skip
    add_cache(places)


def add_cache(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--cache", type=Path, default=None,
        help="where environments are kept (default: the user's cache folder, or COMPATCHECK_CACHE); "
        "put it on the same disk as uv's cache, so that files are linked and not copied",
    )  # fmt: skip


def add_selection(parser: argparse.ArgumentParser) -> None:
    chosen = parser.add_argument_group("which cells")
    chosen.add_argument(
        "--only", metavar="GLOB", action="append", default=[],
        help="only cells whose identifier, or a part of it, matches; may be repeated. Example: 'torch2.6.0*peft0.15.*'",
    )  # fmt: skip
    chosen.add_argument("--skip", metavar="GLOB", action="append", default=[], help="leave out such cells")
    chosen.add_argument(
        "--shard", metavar="N/M", help="only the Nth of M parts: for M machines, whose stores `compatcheck merge` joins"
    )
    chosen.add_argument(
        "--axis", metavar="NAME=ENTRY", action="append", default=[],
        help="only this entry of an axis, as the matrix file writes it. Example: torch=newest",
    )  # fmt: skip


def add_scenario(parser: argparse.ArgumentParser) -> None:
    changed = parser.add_argument_group("scenario")
    changed.add_argument(
        "--model", help="instead of the matrix's model: tiny-bloom, bloomz-560m (from the hub), bloomz-560m:random "
        "(its exact shape, built here), a hub identifier, or a directory",
    )  # fmt: skip
    add_material(changed)


def add_material(parser: argparse._ActionsContainer) -> None:
    """What the model is trained on, in what numbers, and whether its code is run."""
    parser.add_argument(
        "--data", metavar="NAME|FILE", help="texts to train on: role-prompts, quotations (shipped), "
        "awesome-chatgpt-prompts, english_quotes, hub:owner/name/file (of the hub), or a file: text, .jsonl, .csv, "
        ".tsv, .parquet",
    )  # fmt: skip
    parser.add_argument("--column", metavar="NAME", help="of the data, with the texts (default: the usual or only one)")
    parser.add_argument("--dtype", choices=DTYPES, help="of the model (default: fp32)")
    parser.add_argument(
        "--trust-remote-code", action="store_true", default=None,
        help="run code that the model brings along, with all your rights; without it such a model is refused",
    )  # fmt: skip


def chosen_scenario(arguments: argparse.Namespace, scenario: Scenario) -> Scenario:
    """The scenario with what the options change of it."""
    from dataclasses import replace

    from ..domain import Dtype

    chosen = {
        name: getattr(arguments, name, None) for name in ("model", "data", "column", "dtype", "trust_remote_code")
    }
    changed = {name: value for name, value in chosen.items() if value}
    if "dtype" in changed:
        changed["dtype"] = Dtype(changed["dtype"])
    return replace(scenario, **changed)


def chosen_jobs(arguments: argparse.Namespace) -> int:
    """Cells at a time: as asked for, or one for each two cores."""
    asked: int = arguments.jobs
    return asked if asked > 0 else max(1, (os.cpu_count() or 1) // 2)


def cache_folder(arguments: argparse.Namespace) -> Path:
    from platformdirs import user_cache_path

    chosen = arguments.cache or os.environ.get("COMPATCHECK_CACHE")
    # a probe runs in a folder of its own
    return Path(chosen).absolute() if chosen else user_cache_path("compatcheck")


@contextmanager
def opened_run(arguments: argparse.Namespace, progress: Progress | None = None, jobs: int = 1) -> Iterator[Run]:
    """The matrix of the arguments with its store. Raises InputError, UsageError, StoreError."""
    from dataclasses import replace

    from ..errors import UsageError
    from ..matrix import load_matrix
    from ..pipeline import Run
    from ..progress import Progress
    from ..releases import RETRIES
    from ..store import Store

    matrix = load_matrix(arguments.matrix)
    if getattr(arguments, "model", None) and matrix.architecture:
        raise UsageError(
            f"--model is not for the matrix {matrix.name!r}: its architecture names the models",
            "Leave it out, or take another matrix.",
        )
    matrix = replace(matrix, scenario=chosen_scenario(arguments, matrix.scenario))
    with Store(arguments.store) as store:
        patience = () if os.environ.get(RETRIES) == "0" else PATIENCE
        yield Run(matrix, store, cache_folder(arguments), jobs, progress or Progress(), patience)


def axis_choices(arguments: argparse.Namespace) -> dict[str, list[str]]:
    """`--axis torch=newest` as axis to entries. Raises UsageError."""
    from ..errors import UsageError

    chosen: dict[str, list[str]] = {}
    for choice in arguments.axis:
        name, sign, entry = choice.partition("=")
        if not sign or not entry:
            raise UsageError(f"--axis {choice!r} is not of the form NAME=ENTRY", "Example: --axis torch=2.6.0")
        chosen.setdefault(name, []).append(entry)
    return chosen


def chosen_cells(arguments: argparse.Namespace, run: Run) -> tuple[Cell, ...]:
    """The cells that the selection options leave, after the matrix was expanded and remembered.

    Those whose Python is not there are left out, and that is said.
    """
    from collections import Counter

    from ..machine import not_installed
    from ..matrix import selected, sharded

    expansion = run.expand()
    missing = Counter(cell.python for cell, why in expansion.excluded if why == not_installed(cell.python))
    for python, count in missing.items():
        print(f"compatcheck: {count} cells are left out: {not_installed(python)}", file=sys.stderr)
    cells = expansion.cells
    if choices := axis_choices(arguments):
        kept = set(run.cells_along(choices))
        cells = tuple(cell for cell in cells if cell in kept)
    cells = selected(cells, arguments.only, arguments.skip)
    return sharded(cells, arguments.shard) if arguments.shard else cells


def report_folder(arguments: argparse.Namespace) -> Path:
    """The default matrix reports into the folder itself, any other into a folder of its name."""
    folder: Path = getattr(arguments, "reports", DEFAULT_REPORTS)
    return folder if arguments.matrix.stem == DEFAULT_MATRIX.stem else folder / arguments.matrix.stem


def known_by_report(arguments: argparse.Namespace, run: Run) -> tuple[str, str] | None:
    """What a report knows of a matrix that this store has never seen, and the command that takes it in."""
    from ..remade import offered

    if run.store.expansion(run.matrix.digest) is not None:
        return None
    folder = report_folder(arguments)
    if not (found := offered(folder, run.matrix)):
        return None
    known = (
        f"the store {arguments.store} knows nothing of this matrix, and {folder} tells of {found} cells that were run"
    )
    return known, f"compatcheck merge {folder} --into {arguments.store}"
