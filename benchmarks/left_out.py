"""What `explain` says of a failure that its catalogue does not know: every log of tests/logs without its own signature.

    python benchmarks/left_out.py > benchmarks/left_out.md

Of a failure whose signature is taken out nothing closer than its relatives can be told: it should come out unknown, by
its place, by a wide name that is true of it, or by a signature that the catalogue itself sets beside its own. Whatever
else names it is listed, to be looked at: there a signature may claim what is not its own.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from log_corpus import Case, read_corpus

from compatcheck.catalogues import Catalogue
from compatcheck.explanation import explain, shipped_catalogue
from compatcheck.signatures import Signature

KINDS = ("unknown", "by its place", "by a wide name", "by a relative", "by another")


@dataclass(frozen=True)
class Said:
    """What was said of a log whose own signature was not there."""

    case: Case
    own: Signature
    instead: Signature | None

    @property
    def kind(self) -> str:
        if self.instead is None:
            return "unknown"
        if self.instead.within:
            return "by its place"
        if self.instead.broad:
            return "by a wide name"
        related = self.instead.id in self.own.beside or self.own.id in self.instead.beside
        return "by a relative" if related else "by another"


def all_said() -> Iterator[Said]:
    """Of every log that has a name, the signatures in their order."""
    catalogue = shipped_catalogue()
    cases: dict[str, list[Case]] = defaultdict(list)
    for case in read_corpus():
        if case.expect:
            cases[case.expect].append(case)
    for own in catalogue:
        less = Catalogue(tuple(each for each in catalogue if each is not own))
        for case in cases[own.id]:
            yield Said(case, own, explain(case.text, less).signature)


def main() -> None:
    said = []
    for number, each in enumerate(all_said(), 1):
        said.append(each)
        print(f"\r{number} logs", end="", file=sys.stderr)
    print(file=sys.stderr)
    counts = Counter(each.kind for each in said)
    print("| without its own signature a log is named | logs | of all |\n|---|---:|---:|")
    for kind in KINDS:
        print(f"| {kind} | {counts[kind]} | {counts[kind] / len(said):.1%} |")
    others = Counter((each.own.id, each.instead.id) for each in said if each.instead and each.kind == "by another")
    print("\n| its own | named by another | logs |\n|---|---|---:|")
    for (own, other), count in sorted(others.items()):
        print(f"| {own} | {other} | {count} |")


if __name__ == "__main__":
    main()
