"""Every word of letters, digits and underscores in the Python sources of the stack's releases. A name that stands in
none of them no release can have had: then no pin brings it. One JSON file, `data/lexicon.json`; `compatcheck catalogue
words` renews it from the wheels of the index.

Words in comments and strings count, too: what a release makes of a string while it runs is not taken for a name that
it never had.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .index_wheels import IndexWheel

SHIPPED = Path(__file__).resolve().parent / "data" / "lexicon.json"
SHORTEST, LONGEST = 3, 80
"""Characters of a word that is kept."""
_WORD = re.compile(rf"(?<!\w)[A-Za-z_]\w{{{SHORTEST - 1},{LONGEST - 1}}}(?!\w)", re.ASCII)
_ESCAPE = re.compile(r"\\[abfnrtv](?=[A-Za-z_])")
"""`\\n` before a word in a string: its letter is none of the word's."""
_ENDINGS = (".py", ".pyi")


@dataclass(frozen=True)
class PackageWords:
    """What was read of one package."""

    first: str
    """The oldest release that was read."""
    last: str
    """The newest one."""
    text: str
    """Its words in their order, a blank before each of them."""


@dataclass(frozen=True)
class Lexicon:
    """The table, with what is looked up in it."""

    packages: Mapping[str, PackageWords]

    def never(self, package: str, word: str) -> bool:
        """Whether the package was read and no release of it has the word, which is long enough to have been kept, or
        one that begins with it: a text may have been cut off in it."""
        read = self.packages.get(package)
        return read is not None and bool(_WORD.fullmatch(word)) and f" {word}" not in read.text

    def nowhere(self, word: str) -> bool:
        """Whether no release of any package has the word."""
        return all(self.never(package, word) for package in self.packages)


def words_of(texts: Iterable[str]) -> set[str]:
    """The words of a release's files."""
    found: set[str] = set()
    for text in texts:
        found.update(_WORD.findall(_ESCAPE.sub(" ", text)))
        found.update(_WORD.findall(text))
    return found


def gathered(wheels: Iterable[IndexWheel]) -> Lexicon:
    """The table of some releases' wheels, oldest first in every package."""
    words: dict[str, set[str]] = {}
    releases: dict[str, list[str]] = {}
    for wheel in wheels:
        paths = sorted(path for path in wheel.text.paths if path.endswith(_ENDINGS))
        words.setdefault(wheel.package, set()).update(words_of(wheel.text(path) or "" for path in paths))
        releases.setdefault(wheel.package, []).append(wheel.release)
    return Lexicon({
        package: PackageWords(releases[package][0], releases[package][-1], "".join(f" {word}" for word in sorted(each)))
        for package, each in words.items()
    })  # fmt: skip


def renewed(before: Lexicon | None, found: Lexicon) -> Lexicon:
    """The table with what was read in the place of what it had of the same packages; the others stay."""
    packages = {**(before.packages if before else {}), **found.packages}
    return Lexicon(dict(sorted(packages.items())))


def written(lexicon: Lexicon) -> str:
    """The table as text, a line for each package."""
    lines = ",\n".join(
        f'"{name}":{json.dumps({"first": each.first, "last": each.last, "words": each.text}, separators=(",", ":"))}'
        for name, each in lexicon.packages.items()
    )
    return f'{{"schema":1,"packages":{{\n{lines}\n}}}}\n'


def read(text: str) -> Lexicon:
    """The table from its text."""
    packages = json.loads(text)["packages"]
    return Lexicon({name: PackageWords(each["first"], each["last"], each["words"]) for name, each in packages.items()})


@cache
def shipped_lexicon() -> Lexicon:
    """The table that comes with this package, read once."""
    return read(SHIPPED.read_text(encoding="utf-8"))
