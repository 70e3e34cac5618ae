"""Which versions of others a transformers accepts at all: it compares what is installed as it is imported, and raises
where that lies outside, or, where it is torch, goes on without it. Read from its source. Pure.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from .domain import Raised, Stage
from .source_reader import parsed

PACKAGE = "transformers"
TABLE = "transformers/dependency_versions_table.py"
CHECK = "transformers/dependency_versions_check.py"
UTILITIES = "transformers/utils/import_utils.py"
UNSURE = ("python", "accelerate")
"""An accelerate that is too old counts as missing before it is compared; the interpreter is no package."""
_WARNS = re.compile(r"Disabling PyTorch because PyTorch >= ([\d.]+) is required")
_LOWEST = re.compile(r">= version\.parse\('([\d.]+)'\)")
_OPERATORS: Mapping[str, Callable[[Version, Version], bool]] = {
    "<": operator.lt, "<=": operator.le, "==": operator.eq, "!=": operator.ne, ">=": operator.ge, ">": operator.gt,
}  # fmt: skip


@dataclass(frozen=True)
class RuntimeRange:
    """What some releases of a package accept of another one."""

    package: str
    releases: tuple[str, ...]
    other: str
    """By its normal name."""
    accepted: str
    """`>=0.34.0,<1.0`"""
    switches_off: bool = False
    """Whether the package goes on without the other one, and fails where that is needed."""

    @property
    def pair(self) -> tuple[str, str]:
        """The packages by their normal names."""
        return self.package, self.other

    @property
    def stage(self) -> Stage:
        """Where the cycle ends, at the latest."""
        return Stage.LOAD if self.switches_off else Stage.IMPORT

    def refuses(self, version: str) -> bool:
        """Compared as the package itself does it: the numbers alone, a release candidate comes before its release."""
        there = Version(version)
        return not all(
            _OPERATORS[each.operator](there, Version(each.version)) for each in SpecifierSet(self.accepted)
        )  # fmt: skip

    def stops(self, release: str, other: str) -> bool:
        """Whether this release goes no further beside that version of the other package."""
        return release in self.releases and self.refuses(other)

    def raised_by(self, other: str) -> Raised:
        """What is raised beside that version."""
        if self.switches_off:
            told = "AutoModelForCausalLM requires the PyTorch library but it was not found in your environment."
        else:
            wanted = f"{self.other}{self.accepted}"
            told = f"{wanted} is required for a normal functioning of this module, but found {self.other}=={other}."
        return Raised("ImportError", "builtins", told)

    def words(self, release: str, other: str) -> str:
        """`transformers 4.57.6 refuses huggingface-hub 1.0.1 as it is imported: it wants >=0.34.0,<1.0 (...)`"""
        if self.switches_off:
            return (
                f"{self.package} {release} goes on without {self.other} {other}: it wants {self.accepted} ({UTILITIES})"
            )
        refuses = f"{self.package} {release} refuses {self.other} {other} as it is imported"
        return f"{refuses}: it wants {self.accepted} ({TABLE})"


def accepted_by(text: Callable[[str], str | None]) -> dict[str, str]:
    """From a path in a release's wheel to the file's text: normal names to what is accepted of each; nothing where the
    files are not as they were in every release that was looked at.
    """
    wanted, asked = _strings(text(TABLE), "deps"), _strings(text(CHECK), "pkgs_to_check_at_runtime")
    found: dict[str, str] = {}
    for name in asked:
        requirement = wanted.get(name, "")
        if name not in UNSURE and requirement.startswith(name) and _plain(accepted := requirement[len(name) :]):
            found[canonicalize_name(name)] = accepted
    return found


def _plain(accepted: str) -> bool:
    try:
        return bool(accepted) and all(each.operator in _OPERATORS for each in SpecifierSet(accepted))
    except InvalidSpecifier:
        return False


def _strings(text: str | None, name: str) -> dict[str, str]:
    """What a module assigns to `name`: a dictionary of strings, or a list of them, each to itself."""
    tree = parsed(text) if text is not None else None
    for node in tree.body if tree is not None else ():
        if isinstance(node, ast.Assign) and any(
            isinstance(each, ast.Name) and each.id == name for each in node.targets
        ):
            try:
                told = ast.literal_eval(node.value)
            except ValueError:
                return {}
            pairs = told.items() if isinstance(told, dict) else ((each, each) for each in told)
            return {str(key): str(value) for key, value in pairs}
    return {}


def lowest_torch(text: Callable[[str], str | None]) -> str | None:
    """The torch below which a release goes on without torch, with a warning; None where it does not say so."""
    source = text(UTILITIES) or ""
    warned = _WARNS.search(source)
    if warned is None or (tree := parsed(source)) is None:
        return None
    for node in ast.walk(tree):
        named = isinstance(node, ast.FunctionDef) and node.name == "is_torch_available"
        if named or (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_torch_available"):
            for compared in _LOWEST.findall(ast.unparse(node)):
                if Version(compared) == Version(warned[1]):
                    return str(compared)
    return None


def ranges_of(
    accepted: Iterable[tuple[str, Mapping[str, str]]], switches_off: bool = False
) -> tuple[RuntimeRange, ...]:
    """From releases, in their order, with what they accept."""
    found: dict[tuple[str, str], list[str]] = {}
    for release, told in accepted:
        for other, range_ in told.items():
            found.setdefault((other, range_), []).append(release)
    return tuple(RuntimeRange(PACKAGE, tuple(releases), *key, switches_off) for key, releases in found.items())
