"""Precision and recall of `compatcheck explain` over tests/logs, and the tables of them.

python tests/log_scores.py                                  print the tables
python tests/log_scores.py README.md benchmarks/first_tries.md  write them between those files' markers
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from pathlib import Path

from log_corpus import Case, Verdict, read_corpus

from compatcheck.catalogues import Catalogue

_BLOCK = "(<!-- generated: {0} -->\\n).*?(<!-- /generated: {0} -->)"


@dataclass(frozen=True)
class Scores:
    """How well a set of logs was read."""

    logs: int
    known: int
    """Logs of a failure that the catalogue knows."""
    right: int
    """Of those, named as what they are."""
    wrong: int
    """Logs of either kind that were named as something they are not."""

    @property
    def precision(self) -> float:
        """Of what was named, the part that was named right."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        """Of what could be named, the part that was named right."""
        return self.right / self.known if self.known else 1.0


def scores(cases: Iterable[Case], verdict: Callable[[str], str | None]) -> Scores:
    """The scores of `verdict`, a function from a log to the identifier of a signature or None."""
    pairs = [(case.expect, verdict(case.text)) for case in cases]
    return Scores(
        len(pairs),
        sum(expect is not None for expect, _ in pairs),
        sum(expect == found is not None for expect, found in pairs),
        sum(found is not None and expect != found for expect, found in pairs),
    )


def table(cases: list[Case], verdict: Callable[[str], str | None]) -> str:
    """The README's table."""
    rows = [
        "| logs from | logs | of known failures | named right | named wrong | precision | recall |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    groups = {
        "this project's own runs": [case for case in cases if case.measured],
        "public threads": [case for case in cases if not case.measured and not case.written],
        "written for the tests": [case for case in cases if case.written],
        "all": cases,
    }
    for name, group in groups.items():
        of = scores(group, verdict)
        rows.append(
            f"| {name} | {of.logs} | {of.known} | {of.right} | {of.wrong} | {of.precision:.3f} | {of.recall:.3f} |"
        )
    return "\n".join(rows) + "\n"


def first_tries(
    cases: list[Case],
    verdict: Callable[[str], str | None],
    places: Container[str | None] = frozenset(),
    *,
    by_set: bool = False,
) -> str:
    """The table of the logs that explain had never seen: what it said at once, and what it says today. A row for each
    day, and one for all, or one for each set.

    `places`: the signatures that know only the place; what they name today is counted as right, and told apart.
    """
    rows = [
        "| tried for the first time on | logs | with something to name | named right | of these by the place alone "
        "| not named | named wrong | with nothing to name | today named right | of these by the place alone |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    tried = [(case, case.tried) for case in cases if case.tried]
    sets = sorted({each.when for _, each in tried}, key=_in_order)
    for title, within in _rows_of(sets, by_set=by_set).items():
        of = [(case, each.verdict) for case, each in tried if each.when in within]
        said = [each for _, each in of]
        named = [case for case, each in of if each is not Verdict.NONE]
        today = [case.expect for case in named if case.expect == verdict(case.text) is not None]
        by_place, unknown, wrong = (said.count(each) for each in (Verdict.PLACED, Verdict.UNKNOWN, Verdict.WRONG))
        right = said.count(Verdict.RIGHT) + by_place
        none = said.count(Verdict.NONE)
        rows.append(
            f"| {title} | {len(of)} | {len(named)} | {right} ({right / len(named):.0%}) | {by_place} | {unknown} "
            f"| {wrong} | {none} | {len(today)} ({len(today) / len(named):.0%}) "
            f"| {sum(each in places for each in today)} |"
        )
    return "\n".join(rows) + "\n"


def _rows_of(sets: list[str], *, by_set: bool) -> dict[str, list[str]]:
    """A row's title and the sets that it is of."""
    if by_set:
        return {each: [each] for each in sets}
    days: dict[str, list[str]] = {}
    for each in sets:
        days.setdefault(each.partition(" ")[0], []).append(each)
    rows = {f"{day}, {len(of)} sets": of for day, of in days.items()}
    return {**rows, f"all {len(sets)} sets": sets} if len(rows) > 1 else rows


def _in_order(when: str) -> tuple[str, int]:
    """The day, and the set by its number."""
    day, _, number = when.partition(" set ")
    return day, int(number)


def place_ids(catalogue: Catalogue) -> frozenset[str]:
    """The signatures that know the place and no more."""
    return frozenset(each.id for each in catalogue.places)


def tables(cases: list[Case], verdict: Callable[[str], str | None], places: Container[str | None]) -> dict[str, str]:
    """Every table by the name of its markers."""
    return {
        "logs": table(cases, verdict),
        "first-tries": first_tries(cases, verdict, places),
        "first-tries-by-set": first_tries(cases, verdict, places, by_set=True),
    }


def with_table(text: str, name: str, rows: str) -> str:
    """`text` with the table between the markers of that name; unchanged where it has none."""
    return re.sub(_BLOCK.format(name), lambda found: found[1] + rows + found[2], text, flags=re.DOTALL)


def main() -> None:
    from compatcheck.explanation import explain, shipped_catalogue

    def verdict(text: str) -> str | None:
        signature = explain(text).signature
        return signature.id if signature else None

    written = tables(read_corpus(), verdict, place_ids(shipped_catalogue()))
    for file in map(Path, sys.argv[1:]):
        text = file.read_text(encoding="utf-8")
        for name, rows in written.items():
            text = with_table(text, name, rows)
        file.write_text(text, encoding="utf-8")
    if not sys.argv[1:]:
        print(*written.values(), sep="\n", end="")


if __name__ == "__main__":
    main()
