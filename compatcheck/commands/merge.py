"""`compatcheck merge`: join the stores of several machines into one."""

from __future__ import annotations

import argparse
from pathlib import Path

from .common import DEFAULT_STORE

EPILOG = """\
Each machine runs its part, and one of them joins what came of it and writes the report:

  compatcheck run matrix/article.toml --shard 1/3 --store part-1.sqlite3
  compatcheck merge part-1.sqlite3 part-2.sqlite3 part-3.sqlite3 --into .compatcheck/store.sqlite3
  compatcheck report matrix/article.toml

Nothing is lost and nothing counted twice: merging the same store again changes nothing. The platform is part of what an
observation is known by, so machines of different platforms may be joined.
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "merge", help="join the stores of several machines", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("stores", nargs="+", type=Path, metavar="STORE", help="a store to take over")
    parser.add_argument("--into", type=Path, default=DEFAULT_STORE, metavar="STORE", help="default: %(default)s")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    from ..errors import UsageError
    from ..store import Store

    # before the store to join into is made
    if missing := [str(path) for path in arguments.stores if not path.is_file()]:
        raise UsageError(
            f"there is no store {', '.join(missing)}", "Name stores that `compatcheck run --store` has written."
        )
    with Store(arguments.into) as store:
        for path in arguments.stores:
            print(f"{path}: {store.merge(path)} new observations")
    return 0
