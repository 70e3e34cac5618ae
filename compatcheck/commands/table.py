"""`compatcheck table`: what the known table holds, and how it is made from reports."""

from __future__ import annotations

import argparse
from pathlib import Path

from .recommend import add_table

EPILOG = """\
  compatcheck table show                                      how old it is, and what it holds
  compatcheck table build reports -o compatcheck/data/table.json
  compatcheck table build reports/full/compatibility.json -o table.json
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "table", help="what is known, as one file", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    deeds = parser.add_subparsers(metavar="DEED", required=True)
    shown = deeds.add_parser("show", help="print what the table holds and how old it is")
    add_table(shown)
    shown.set_defaults(execute=show)
    built = deeds.add_parser("build", help="make a table of reports")
    built.add_argument(
        "reports", nargs="+", type=Path, metavar="REPORT",
        help="compatibility.json files with their locks/ beside them, or folders of reports (of whose subfolders the "
        "explored matrices' give what is found by its versions, and nothing to recommend)",
    )  # fmt: skip
    built.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="where to write it")
    built.set_defaults(execute=build)


def show(arguments: argparse.Namespace) -> int:
    from collections import Counter
    from datetime import datetime, timezone

    from ..own_runs import known_table
    from ..verdict import days

    table = known_table(arguments.table, arguments.store)
    age = days(table.age(datetime.now(timezone.utc).date()))
    print(f"{table.name}: {len(table.cells)} combinations, the newest measured {table.newest} ({age} ago)")
    for name, versions in {"python": table.pythons, **table.axes}.items():
        print(f"  {name}: {', '.join(versions)}")
    for kind in ("outcome", "basis"):
        counts = Counter(str(getattr(cell, kind)) for cell in table.cells).most_common()
        print(f"  {kind}: {', '.join(f'{count} {word}' for word, count in counts)}")
    for source in dict.fromkeys(cell.source for cell in table.cells):
        count = sum(cell.source == source for cell in table.cells)
        print(f"  {count} of {source.matrix} (policy {source.policy}, {source.platform}, {source.generated})")
    if table.scattered:
        print(f"  beside them {len(table.scattered)} of explored matrices, found by their versions")
    for grid in table.inferred:
        print(f"  inferred from {grid.runs:,} runs on Python {grid.python}: the other cells of {grid.matrix}")
    return 0


def build(arguments: argparse.Namespace) -> int:
    from ..errors import InputError, refused_by_disk
    from ..shipping import report_paths, table_text

    paths: list[Path] = []
    for each in arguments.reports:
        paths += report_paths(each) if each.is_dir() else [each]
    if not paths:
        raise InputError(str(arguments.reports[0]), ["holds no compatibility.json"])
    named = set(arguments.reports)
    text = table_text(paths, {path for path in paths if not named & {path, path.parent}})
    try:
        arguments.output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise refused_by_disk(error, f"{arguments.output} cannot be written") from None
    print(arguments.output)
    return 0
