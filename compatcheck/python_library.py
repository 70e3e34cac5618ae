"""What Python's own library has, release by release, and what of it Windows lacks: so that a name that a traceback
misses there is told as one of a later Python, of an earlier one, or of another system. One JSON file,
`data/python_library.json`; `compatcheck catalogue python` renews it from the interpreters of this machine and from
typeshed's stubs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .domain import Word

SHIPPED = Path(__file__).resolve().parent / "data" / "python_library.json"
_PYTHON_2 = "2."

ASKED = re.compile(
    r"(?<!initialized )module '?(?P<module>\w{1,60}(?:\.\w{1,60}){0,4})'? has no attribute '?(?P<name>\w{1,100})"
    r"|cannot import name '?(?P<name2>\w{1,100})'? from '?(?P<module2>\w{1,60}(?:\.\w{1,60}){0,4})'?"
    r"(?: \((?P<path>[^)\n]{1,300})\))?"
    r"|No module named (?!'[\w.]{1,120}'; '\w{1,60}' is not a package)"
    r"'?(?P<module3>\w{1,60}(?:\.\w{1,60}){0,4})(?![\w.]\w)"
)
"""How a message says that a name, or a module, is missed."""
_ANYBODYS = frozenset({
    "chunk", "commands", "compiler", "compression", "exceptions", "formatter", "mutex", "new", "parser",
    "repr", "sets", "symbol", "thread", "user",
})  # fmt: skip
"""Modules of some Pythons whose name a module of one's own may have, too: that one is missing tells nothing."""
_WITHIN_PYTHON = re.compile(r"[\\/](?:lib|Lib|lib64|Python\d*|python[\d.]+)[\\/]|^unknown location$")
"""A path of the library itself, or of an installed package in its place."""


class Standing(Word):
    """How Python's releases stand to what is missed."""

    LATER = "later"
    """It came with a later release than the oldest Python 3 that was read, and stayed."""
    REMOVED = "removed"
    """The oldest Python 3 that was read has it, and the newest has not."""
    PYTHON2 = "python 2"
    """Python 2 has it, and no Python 3."""
    POSIX = "posix"
    """Every release has it, but on Windows."""
    EVERYWHERE = "everywhere"
    """A module that every release has."""
    ODD = "odd"
    """A name that every release has, or none, or only some between: the module is another one, or not wholly there."""


@dataclass(frozen=True)
class Asked:
    """What a message misses in the library, and which Python releases have it."""

    module: str
    name: str
    """Empty where it is the module itself."""
    standing: Standing
    have: tuple[str, ...]
    """The releases of Python 3 that have it, oldest first; empty where none has."""
    newest: bool
    """Whether the newest that was read is one of them."""

    @property
    def what(self) -> str:
        return f"{self.module}.{self.name}" if self.name else f"the module {self.module}"

    def as_text(self) -> str:
        """`collections.Mapping is in Python 3.6 to 3.9`."""
        if self.standing is Standing.PYTHON2:
            return f"{self.what} is in Python 2 alone"
        if not self.have:
            return f"no Python that was read has {self.what}"
        until = "" if self.newest else f" to {self.have[-1]}" if len(self.have) > 1 else " alone"
        since = self.have[0] + (" and later" if self.newest else "")
        return f"{self.what} is in Python {since}{until}" + (
            ", but not on Windows" if self.standing is Standing.POSIX else ""
        )


@dataclass(frozen=True)
class PythonModule:
    """A module of the library."""

    releases: int
    """Which releases have it: a bit for each of those that were read, the oldest's the lowest."""
    read: int
    """In which of them its names could be read."""
    names: Mapping[int, str]
    """Releases to the names that just these have, a blank before and after each."""

    def having(self, name: str) -> int:
        return next((releases for releases, names in self.names.items() if f" {name} " in names), 0)


@dataclass(frozen=True)
class PythonLibrary:
    """The table, with what is looked up in it."""

    pythons: tuple[str, ...]
    """The releases that were read, oldest first."""
    modules: Mapping[str, PythonModule]
    not_on_windows: Mapping[str, str]
    """Modules to the names that Windows lacks, as in `PythonModule.names`; an empty text where it lacks the module."""

    def asked(self, found: re.Match[str]) -> Asked | None:
        """What a message misses, as `ASKED` finds it; None where it is nothing of the library's."""
        if found["path"] and not _WITHIN_PYTHON.search(found["path"]):
            return None
        module = found["module"] or found["module2"] or found["module3"]
        return self.missed(module, found["name"] or found["name2"] or "")

    def missed(self, module: str, name: str = "") -> Asked | None:
        """The same of a module, or of a name in it."""
        known = self.modules.get(module)
        if known is None or (not name and module in _ANYBODYS):
            return None
        every = known.read if name and known.read else self._every
        within = self.modules.get(f"{module}.{name}") if name else known
        having = (known.having(name) if name else 0) | (within.releases if within else 0)
        threes = self._threes & every
        have = having & threes
        standing = self._standing(having, threes)
        if standing is Standing.ODD and have == threes:
            posix = self._lacks_windows(module, name)
            standing = Standing.POSIX if posix else Standing.ODD if name else Standing.EVERYWHERE
        names = tuple(python for place, python in enumerate(self.pythons) if have >> place & 1)
        return Asked(module, name, standing, names, bool(have) and have.bit_length() == threes.bit_length())

    @property
    def _every(self) -> int:
        return (1 << len(self.pythons)) - 1

    @property
    def _threes(self) -> int:
        return sum(1 << place for place, python in enumerate(self.pythons) if not python.startswith(_PYTHON_2))

    @staticmethod
    def _standing(having: int, threes: int) -> Standing:
        have = having & threes
        if not have:
            return Standing.PYTHON2 if having else Standing.ODD
        first, last = bool(have & threes & -threes), have.bit_length() == threes.bit_length()
        if last and not first:
            return Standing.LATER
        return Standing.REMOVED if first and not last else Standing.ODD

    def _lacks_windows(self, module: str, name: str) -> bool:
        lacked = self.not_on_windows.get(module)
        return lacked is not None and (not lacked or f" {name} " in lacked)


def gathered(
    read: Iterable[tuple[str, Mapping[str, Sequence[str]]]], not_on_windows: Mapping[str, Sequence[str]]
) -> PythonLibrary:
    """The table of what each Python has: its release, and its modules with their names (none where they could not be
    read); oldest first."""
    pythons: list[str] = []
    releases: dict[str, int] = {}
    readable: dict[str, int] = {}
    having: dict[str, dict[str, int]] = {}
    for place, (python, modules) in enumerate(read):
        pythons.append(python)
        for module, names in modules.items():
            releases[module] = releases.get(module, 0) | 1 << place
            readable[module] = readable.get(module, 0) | (1 << place if names else 0)
            for name in names:
                of_module = having.setdefault(module, {})
                of_module[name] = of_module.get(name, 0) | 1 << place
    modules_read = {
        module: PythonModule(releases[module], readable[module], _grouped(having.get(module, {})))
        for module in sorted(releases)
    }
    lacked = {module: _spaced(names) for module, names in sorted(not_on_windows.items())}
    return PythonLibrary(tuple(pythons), modules_read, lacked)


def _grouped(having: Mapping[str, int]) -> dict[int, str]:
    groups: dict[int, list[str]] = {}
    for name, releases in sorted(having.items()):
        groups.setdefault(releases, []).append(name)
    return {releases: _spaced(names) for releases, names in sorted(groups.items(), reverse=True)}


def _spaced(names: Sequence[str]) -> str:
    return f" {' '.join(names)} " if names else ""


def written(library: PythonLibrary) -> str:
    """The table as text, a line for each module."""
    modules = ",\n".join(
        json.dumps(module) + ":" + json.dumps([each.releases, each.read, each.names], separators=(",", ":"))
        for module, each in library.modules.items()
    )
    lacked = ",\n".join(f"{json.dumps(module)}:{json.dumps(names)}" for module, names in library.not_on_windows.items())
    head = f'{{"schema":1,"pythons":{json.dumps(library.pythons)}'
    return f'{head},"not_on_windows":{{\n{lacked}\n}},"modules":{{\n{modules}\n}}}}\n'


def read(text: str) -> PythonLibrary:
    """The table from its text."""
    told = json.loads(text)
    return PythonLibrary(
        tuple(told["pythons"]),
        {
            module: PythonModule(releases, readable, {int(each): names for each, names in groups.items()})
            for module, (releases, readable, groups) in told["modules"].items()
        },
        told["not_on_windows"],
    )


@cache
def shipped_library() -> PythonLibrary:
    """The table that comes with this package, read once."""
    return read(SHIPPED.read_text(encoding="utf-8"))
