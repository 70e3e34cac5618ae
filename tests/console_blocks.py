"""The README's answers of `compatcheck recommend`, `check` and `explain`: python tests/console_blocks.py README.md

A block of ```console holds commands after `$ ` and what they say. `[...]` stands for lines that are left out. A comment
after `-r requirements.txt` is that file's content. Nothing but the shipped table is asked, so it takes a second; what
real packages said is taken from reports/clients.md.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from compatcheck import cli

HERE = Path(__file__).resolve().parent.parent

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ASKED = re.compile(r"compatcheck (recommend|check|explain)\b")
_IN_TREE = re.compile(r"(?<= )tests/logs/\S+")
"""A log of this tree."""
LEFT_OUT = "[...]"


@dataclass(frozen=True)
class Answer:
    """A command of a block with the lines that stand below it."""

    command: str
    lines: tuple[str, ...]

    @property
    def repeatable(self) -> bool:
        """Whether the table alone answers it."""
        return bool(_ASKED.match(self.command)) and not re.search(r"--python \S*/|\.in\b|-o ", self.command)


def answers(text: str) -> Iterator[Answer]:
    """Every command with an answer, in order."""
    for block in _BLOCK.findall(text):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *lines = part.rstrip("\n").split("\n")
            if lines:
                yield Answer(command, tuple(lines))


def asked_again(command: str) -> list[str]:
    """What the command says now, in an empty folder."""
    words, _, content = command.partition("#")
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as said:
        os.chdir(folder)
        try:
            if content:
                lines = re.split(r",\s+", content.strip())
                Path("requirements.txt").write_text("".join(f"{line}\n" for line in lines))
            cli.main(shlex.split(_IN_TREE.sub(lambda path: str(HERE / path[0]), words))[1:])
        finally:
            os.chdir(before)
    return said.getvalue().splitlines()


def shortened(said: list[str], like: tuple[str, ...]) -> list[str]:
    """`said` with the same number of lines left standing around `[...]` as `like` has."""
    place = next((number for number, line in enumerate(like) if line.strip() == LEFT_OUT), None)
    if place is None:
        return said
    after = len(like) - place - 1
    return [*said[:place], like[place], *said[len(said) - after :]]


def ageless(lines: list[str] | tuple[str, ...]) -> list[str]:
    """Without the numbers that change from day to day."""
    return [re.sub(r"\b\d+ days? (old|ago)", r"N days \1", line) for line in lines]


def renewed(text: str, sessions: str = "") -> str:
    """The text with every answer as it is now, or as it was in `sessions`, a report on runs."""
    were = {answer.command: list(answer.lines) for answer in answers(sessions)}
    for answer in answers(text):
        said = asked_again(answer.command) if answer.repeatable else were.get(answer.command)
        if said is not None:
            old = "\n".join((f"$ {answer.command}", *answer.lines))
            new = "\n".join((f"$ {answer.command}", *shortened(said, answer.lines)))
            text = text.replace(old, new)
    return text


if __name__ == "__main__":
    path = Path(sys.argv[1])
    os.environ.pop("COMPATCHECK_STORE", None)
    clients = path.parent / "reports" / "clients.md"
    path.write_text(renewed(path.read_text(encoding="utf-8"), clients.read_text(encoding="utf-8")), encoding="utf-8")
