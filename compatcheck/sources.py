"""What the stack's packages say in their own sources, release by release: the messages that they raise, the names that
can be imported from them, and what their classes take and have. One JSON file, `data/sources.json`, made from wheels by
`source_table`.

Releases are the last ones of every minor line. What every release says alike is left out of names, keywords and
members; of messages it is kept, for they are looked up by their text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from .domain import Raised
from .raise_site import Site, Span, parts_of, plain_text
from .source_packages import ALSO_IN, PACKAGES, TOOLS, folder_of

SHIPPED = Path(__file__).resolve().parent / "data" / "sources.json"
MESSAGE_CAP = 4000
"""Characters of a message that are compared."""
_START = 8
"""Characters by which a message is looked up, at most."""

_WORDS_BESIDE = 4
"""Words of a plain message that count where the package is spoken of beside it."""
_UNQUOTED = str.maketrans("", "", "'\"")

_PYTHONS_OWN = re.compile(
    r"[\w.>]\(\) (?:missing \d|takes |got (?:an unexpected|some positional-only|multiple values)|argument after \*)"
)
"""What Python says of any call whose arguments do not fit; torch's parser of arguments says the same in C++."""

_ALIASES = {"EnvironmentError": "OSError", "IOError": "OSError", "_LinAlgError": "LinAlgError"}
"""Names of a class in a source, and the one that Python shows."""

_SAYS_ITSELF = re.compile(r"\s*(?:raise|assert)\b")
"""A line of Python that raised what it says: then nothing that it calls did."""


@dataclass(frozen=True)
class Lifetime:
    """Which of a package's releases have something."""

    package: str
    first: str
    """The first release read that has it; empty where the very first one that was read does."""
    last: str
    """The last one; empty where the newest one does."""

    def as_text(self) -> str:
        """`peft 0.11.1 to 0.17.1`, with what lies open said so."""
        if self.first and self.last:
            return f"{self.package} {self.first}" + (f" to {self.last}" if self.first != self.last else "")
        if self.first:
            return f"{self.package} {self.first} and later"
        return f"{self.package} up to {self.last}" if self.last else f"every {self.package} that was read"

    @property
    def specifier(self) -> str:
        """`>=0.11.1,<=0.17.1`: from the first to the last release that was read and has it."""
        return ",".join(
            part for part in (f">={self.first}" if self.first else "", f"<={self.last}" if self.last else "") if part
        )


def _shown(name: str) -> str:
    """A class by the name that Python shows."""
    return _ALIASES.get(name, name)


def _by_class(raised: Raised) -> bool:
    """Whether the class is given, and it is not Python itself that speaks."""
    return bool(raised.type) and not (raised.type == "TypeError" and _PYTHONS_OWN.search(raised.message))


def _tails(file: str) -> Iterator[str]:
    """A path, and what is left of it without its first folders."""
    parts = file.split("/")
    yield from ("/".join(parts[place:]) for place in range(len(parts)))


@dataclass(frozen=True)
class PackageSources:
    """What was read of one package."""

    releases: tuple[str, ...]
    raised: Sequence[Sequence[Any]]
    """Exception, template, the file and the function that raise it, and the first and last place in `releases`."""
    names: Mapping[str, Mapping[str, Sequence[Any]]]
    """Module to name to first and last place, and the module where the newest release has it instead."""
    modules: Mapping[str, Span]
    classes: frozenset[str]
    keywords: Mapping[str, Mapping[str, Span]]
    members: Mapping[str, Mapping[str, Span]]

    def lifetime(self, package: str, span: Sequence[Any]) -> Lifetime:
        first, last = int(span[0]), int(span[1])
        end = len(self.releases) - 1
        return Lifetime(
            package,
            self.releases[first] if first else "",
            self.releases[last] if last < end else "",
        )


class Sources:
    """The table, with what is looked up in it. Of its many messages only those that may be meant become sites."""

    def __init__(self, packages: Mapping[str, PackageSources]) -> None:
        order = sorted(packages, key=lambda name: PACKAGES.index(name) if name in PACKAGES else len(PACKAGES))
        self.packages = {name: packages[name] for name in order}

    @cached_property
    def _rows(self) -> tuple[tuple[str, Sequence[Any]], ...]:
        """What every package raises."""
        return tuple((name, row) for name, each in self.packages.items() for row in each.raised)

    def _site(self, place: int) -> Site:
        package, (kind, template, where, first, last) = self._rows[place]
        file, _, function = str(where).partition(" ")
        return Site(package, kind, template, file, function, (first, last))

    @cached_property
    def _needles(self) -> tuple[str, ...]:
        """The longest words of every message, by which it is found."""
        return tuple(max(parts_of(row[1]), key=len) for _, row in self._rows)

    @cached_property
    def _rows_by_start(self) -> tuple[int, dict[str, list[int]]]:
        """How many characters of a needle are its start, and each start with the places of its messages in `_rows`."""
        length = min((*map(len, self._needles), _START))
        found: dict[str, list[int]] = {}
        for place, needle in enumerate(self._needles):
            found.setdefault(needle[:length], []).append(place)
        return length, found

    def _said_in(self, text: str) -> Iterator[Site]:
        """The messages whose needle stands in a text, in the packages' order."""
        length, by_start = self._rows_by_start
        starts = {text[at : at + length] for at in range(len(text) - length + 1)}
        for place in sorted(place for start in starts & by_start.keys() for place in by_start[start]):
            if self._needles[place] in text:
                yield self._site(place)

    def site(self, raised: Raised, spoken_of: Collection[str] = ()) -> Site | None:
        """Where the packages' sources raise this: the class and the words agree, and where there is a traceback its
        last frame lies in that package, or in none that is installed (which a plain message needs). The longest wording
        wins, and of two packages with the same one that whose newest release has it; None where none fits.

        `spoken_of`: the packages that the text around it names; a plain message of theirs counts by itself, where its
        class is given, it has four words and Python does not say it of any call.
        """
        text = plain_text(raised.message[:MESSAGE_CAP])
        if raised.type == "KeyError":  # its text is the repr of what was given to it
            text = text.strip("'\"")
        sites = self._sites(raised, text, spoken_of)
        if not sites and (unquoted := text.translate(_UNQUOTED)) != text:
            sites = [site for site in self._sites(raised, unquoted, spoken_of) if "`" in site.template]
        sites = sites or self._broken_off(raised)
        return max(sites, key=lambda site: (len(site.template), not self.lifetime(site).last), default=None)

    def _broken_off(self, raised: Raised) -> list[Site]:
        """The messages that this is the beginning of, of the file that the traceback ends in: what follows an empty
        line, or was cut off, is not read."""
        if not raised.frames:
            return []
        file = raised.frames[-1].file
        packages = [package for package in self.packages if f"/{folder_of(package)}/" in f"/{file}"]
        return [site for site in self.begun(raised, packages) if f"/{file}".endswith(f"/{site.file}")]

    def _sites(self, raised: Raised, text: str, spoken_of: Collection[str]) -> list[Site]:
        return [
            site
            for site in self._said_in(text)
            if not raised.type or _shown(site.exception) == _shown(raised.type)
            if site.says(text, from_start=bool(raised.type))
            if self._lies_in(raised, site)
            or (site.package in spoken_of and site.words >= _WORDS_BESIDE and _by_class(raised))
        ]

    def _lies_in(self, raised: Raised, site: Site) -> bool:
        """Whether the traceback does not speak against the site's package as the one that raised; speaks for it, where
        the message alone would not, and the class is not the package's own."""
        plain = site.plain and raised.type not in self.packages[site.package].classes
        if not raised.frames:
            return not plain
        file = raised.frames[-1].file
        if site.native and not plain:
            return not _SAYS_ITSELF.match(raised.code)
        installed = not file.startswith(("/", "~", "<", ".")) and ":" not in file and "/" in file
        folders = folder_of(site.package), ALSO_IN.get(site.package, site.package)
        # where a script raises so few words itself, they are its own
        of_script = site.few and bool(_SAYS_ITSELF.match(raised.code))
        return any(f"/{folder}/" in f"/{file}" for folder in folders) or not (installed or plain or of_script)

    def home_of(self, name: str) -> str | None:
        """The one package of which a name of two words at least could be imported, and cannot from every release;
        None where there are several, or none."""
        if not re.search(r"[a-z0-9][A-Z]|[a-zA-Z0-9]_[a-zA-Z]", name.strip("_")):
            return None
        homes = [package for package, each in self.packages.items() if name in each.names.get(package, {})]
        return homes[0] if len(homes) == 1 else None

    @cached_property
    def _rows_by_opening(self) -> dict[str, list[int]]:
        """The first characters of a message's first words to the places of the messages that begin with them."""
        found: dict[str, list[int]] = {}
        for place, (_, row) in enumerate(self._rows):
            found.setdefault(parts_of(row[1])[0][:_START], []).append(place)
        return found

    def begun(self, raised: Raised, spoken_of: Collection[str] = ()) -> list[Site]:
        """The messages of the stack, and of the tools that the text around it names, of its class, that this is the
        beginning of."""
        text = plain_text(raised.message[:MESSAGE_CAP]).rstrip(" .,:;'\"")
        sites = (
            self._site(place)
            for size in range(1, _START + 1)
            for place in self._rows_by_opening.get(text[:size], ())
            if self._rows[place][0] not in TOOLS or self._rows[place][0] in spoken_of
        )
        return [site for site in sites if _shown(site.exception) == _shown(raised.type) and site.begins(text)]

    def raised_at(self, raised: Raised) -> list[Site]:
        """What the function that the traceback ends in raises, of this class, and begins with this message."""
        last, text = raised.frames[-1], plain_text(raised.message[:MESSAGE_CAP])
        function = last.function.rsplit(".", 1)[-1]
        where = {f"{file} {function}" for file in _tails(last.file)}
        return [
            site
            for place, (_, row) in enumerate(self._rows)
            if row[2] in where and _shown(row[0]) == _shown(raised.type)
            for site in (self._site(place),)
            if plain_text(site.template).startswith(text)
        ]

    def lifetime(self, site: Site) -> Lifetime:
        """The releases that raise a message."""
        return self.packages[site.package].lifetime(site.package, site.span)

    def name(self, module: str, name: str) -> tuple[Lifetime, str] | None:
        """The releases in which `module` has `name`, and the module that has it in the newest one where that is
        another; None where every release that has the module has the name, or none does."""
        sources = self.packages.get(module.split(".")[0])
        found = sources.names.get(module, {}).get(name) if sources else None
        if sources is None or found is None:
            return None
        return sources.lifetime(module.split(".")[0], found), str(found[2]) if len(found) > 2 else ""

    def module(self, module: str) -> Lifetime | None:
        """The releases that have a module; None where nothing is known of it."""
        package = module.split(".")[0]
        found = self.packages[package].modules.get(module) if package in self.packages else None
        return self.packages[package].lifetime(package, found) if found else None

    def class_of(self, name: str) -> str | None:
        """The package whose class this is, the first of several; None where no package has such a class."""
        return next((package for package, each in self.packages.items() if name in each.classes), None)

    def keyword(self, owner: str, keyword: str) -> Lifetime | None:
        """The releases in which a class or function takes a keyword; None where that never changed."""
        return self._of(owner, keyword, "keywords")

    def changes(self, owner: str) -> bool:
        """Whether what a class or function takes by name differs between the releases."""
        return any(owner in each.keywords for each in self.packages.values())

    def member(self, owner: str, member: str) -> Lifetime | None:
        """The releases in which a class has a member; None where that never changed."""
        return self._of(owner, member, "members")

    def _of(self, owner: str, name: str, kind: str) -> Lifetime | None:
        for package, each in self.packages.items():
            if span := getattr(each, kind).get(owner, {}).get(name):
                return each.lifetime(package, span)
        return None


def sources_of(data: Mapping[str, Any]) -> Sources:
    """The table from its data."""
    packages = {}
    for package, each in data["packages"].items():
        packages[package] = PackageSources(
            tuple(each["releases"]), each["messages"], each["names"], each["modules"],
            frozenset(each["classes"].split()), each["keywords"], each["members"],
        )  # fmt: skip
    return Sources(packages)


@cache
def shipped_sources() -> Sources:
    """The table that comes with this package, read once."""
    return sources_of(json.loads(SHIPPED.read_text(encoding="utf-8")))
