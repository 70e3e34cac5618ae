"""Precision and recall of `compatcheck explain` over tests/logs, and the README's table of them.

python tests/log_scores.py          print the table
python tests/log_scores.py README.md    write it between that file's markers
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from log_corpus import Case, read_corpus

_BLOCK = re.compile(r"(<!-- generated: logs -->\n).*?(<!-- /generated: logs -->)", re.DOTALL)


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


def with_table(text: str, rows: str) -> str:
    """`text` with the table between its markers; unchanged where it has none."""
    return _BLOCK.sub(lambda found: found[1] + rows + found[2], text)


def main() -> None:
    from compatcheck.explanation import explain

    rows = table(read_corpus(), lambda text: explain(text).as_json()["signature"])
    if len(sys.argv) > 1:
        readme = Path(sys.argv[1])
        readme.write_text(with_table(readme.read_text(encoding="utf-8"), rows), encoding="utf-8")
    else:
        print(rows, end="")


if __name__ == "__main__":
    main()
