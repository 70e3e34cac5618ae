"""The logs under tests/logs: where each is from, what it must be recognised as, and which line decides.

    #: source: https://github.com/huggingface/peft/issues/2379
    #: expect: cache-layers-empty
    #: note: whatever is worth saying
    #: tried: 2026-11-25 set 1: unknown
    Traceback (most recent call last):
      ...
    => KeyError: 'Cache only has 0 layers, attempted to access layer with index 0'

`tried` stands in the logs of public threads that were collected as a test, before the catalogue was changed for them:
the day, the set, and what explain said that first time, judged by hand (see `Verdict`).

The leading lines that begin with `#:` and the mark `=> ` are no part of the log. `expect: unknown` is for what no
signature may take; such a log has no mark where nothing in it tells of a failure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

FOLDER = Path(__file__).parent / "logs"
MARK = "=> "
UNKNOWN = "unknown"
_HEADER = re.compile(r"#: ?(?P<name>[a-z]+): ?(?P<value>.*)")


class Verdict(StrEnum):
    """What explain said of a log at the first try."""

    RIGHT = "right"
    PLACED = "placed"
    """Right, but by its place alone, with the advice that any failure there gets."""
    UNKNOWN = "unknown"
    """It gave no name, and should have."""
    WRONG = "wrong"
    """It gave a name that is not the right one, or one where there is none to give."""
    NONE = "none"
    """It gave no name, and there is none to give: another program's failure, or a slip in a script."""


@dataclass(frozen=True)
class Tried:
    """A log's first try."""

    when: str
    """The day and the set, `2026-11-25 set 1`."""
    verdict: Verdict


@dataclass(frozen=True)
class Case:
    """A log of the corpus."""

    path: Path
    source: str
    expect: str | None
    """The signature; None for what must stay unknown."""
    text: str
    """As it was printed: without header and mark."""
    line: int | None
    """Where the deciding line stands in `text`, counted from 1."""
    header: tuple[str, ...] = ()
    tried: Tried | None = None
    """None for the logs that the catalogue was written with."""

    @property
    def measured(self) -> bool:
        """From a run of this project, and not from a public thread."""
        return self.source.startswith("measured")

    @property
    def written(self) -> bool:
        """In the form of another language's failures, for want of that language here."""
        return self.source.startswith("written")


def read_case(path: Path) -> Case:
    """The case in a file. Raises ValueError with the file's name where its form is not the corpus's."""
    lines = path.read_bytes().decode("utf-8").split("\n")
    header = []
    while lines and lines[0].startswith("#:"):
        header.append(lines.pop(0))
    fields = {}
    for each in header:
        found = _HEADER.fullmatch(each.rstrip("\r"))
        if not found or found["name"] not in ("source", "expect", "note", "tried"):
            raise ValueError(f"{path.name}: {each!r} is not a header line")
        fields[found["name"]] = found["value"].strip()
    if not fields.get("source") or not fields.get("expect"):
        raise ValueError(f"{path.name}: the header needs source and expect")
    marked = [place for place, line in enumerate(lines) if line.startswith(MARK)]
    if len(marked) > 1 or (not marked and fields["expect"] != UNKNOWN):
        raise ValueError(f"{path.name}: {len(marked)} lines are marked, and one decides")
    for place in marked:
        lines[place] = lines[place].removeprefix(MARK)
    expect = None if fields["expect"] == UNKNOWN else fields["expect"]
    line = marked[0] + 1 if marked else None
    tried = _tried(path, fields["tried"]) if "tried" in fields else None
    return Case(path, fields["source"], expect, "\n".join(lines), line, tuple(header), tried)


def _tried(path: Path, text: str) -> Tried:
    found = re.fullmatch(r"(?P<when>\d{4}-\d\d-\d\d set \d{1,3}): (?P<verdict>[a-z]+)", text)
    if not found or found["verdict"] not in set(Verdict):
        raise ValueError(f"{path.name}: tried: {text!r} is not of the form `2026-11-25 set 1: unknown`")
    return Tried(found["when"], Verdict(found["verdict"]))


def read_corpus(folder: Path = FOLDER) -> list[Case]:
    return [read_case(path) for path in sorted(folder.glob("*.txt"))]


def blessed(case: Case, signature: str | None, line: int | None) -> str:
    """The file's text with this verdict and this mark in it."""
    lines = case.text.split("\n")
    if line is not None:
        lines[line - 1] = MARK + lines[line - 1]
    header = [
        f"#: expect: {signature or UNKNOWN}" if each.startswith(("#: expect:", "#:expect:")) else each
        for each in case.header
    ]
    return "\n".join([*header, *lines])
