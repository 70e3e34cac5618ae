"""What typeshed's stubs of Python's library say of a release and a system that are not on this machine."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Release = tuple[int, int]
_NEVER: Release = (99, 0)


@dataclass(frozen=True)
class Stubs:
    """A folder of stubs, `stdlib` of typeshed."""

    folder: Path

    def modules(self, release: Release, platform: str) -> dict[str, frozenset[str]]:
        """Every module of a release on `platform` (`win32`, `linux`), with its public names; none without any."""
        lifetimes = self._lifetimes()
        found = {}
        for path in sorted(self.folder.rglob("*.pyi")):
            parts = path.relative_to(self.folder).with_suffix("").parts
            module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            first, last = _lifetime(module, lifetimes)
            if first <= release <= last and (names := self._names(path, release, platform)):
                found[module] = frozenset(names)
        return found

    def _lifetimes(self) -> dict[str, tuple[Release, Release]]:
        """What the file VERSIONS says: the first and the last release of a module."""
        lifetimes = {}
        for line in (self.folder / "VERSIONS").read_text(encoding="utf-8").splitlines():
            module, colon, span = line.partition("#")[0].partition(":")
            if colon:
                first, _, last = span.strip().partition("-")
                lifetimes[module.strip()] = (_release(first), _release(last) if last else _NEVER)
        return lifetimes

    def _names(self, path: Path, release: Release, platform: str) -> set[str]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        defined = {name for statement in tree.body for name in self._defined(statement, release, platform)}
        return {name for name in defined if not name.startswith("_")}

    def _defined(self, statement: ast.stmt, release: Release, platform: str) -> set[str]:
        if isinstance(statement, ast.If):
            branch = statement.body if _holds(statement.test, release, platform) else statement.orelse
            return {name for each in branch for name in self._defined(each, release, platform)}
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            return {statement.name}
        if isinstance(statement, ast.Assign):
            return {each.id for each in statement.targets if isinstance(each, ast.Name)}
        if isinstance(statement, ast.AnnAssign):
            return {statement.target.id} if isinstance(statement.target, ast.Name) else set()
        if isinstance(statement, ast.ImportFrom) and statement.names[0].name == "*" and not statement.level:
            path = self.folder / f"{(statement.module or '').replace('.', '/')}.pyi"
            return self._names(path, release, platform) if path.is_file() else set()
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            return {each.name for each in statement.names if each.asname == each.name}  # what a stub hands on
        return set()


def _release(text: str) -> Release:
    major, _, minor = text.strip().partition(".")
    return int(major), int(minor)


def _lifetime(module: str, lifetimes: Mapping[str, tuple[Release, Release]]) -> tuple[Release, Release]:
    """Of a module that is not listed itself, that of the one that it is in."""
    parts = module.split(".")
    for size in range(len(parts), 0, -1):
        if found := lifetimes.get(".".join(parts[:size])):
            return found
    return (3, 0), _NEVER


def _holds(test: ast.expr, release: Release, platform: str) -> bool:
    """Whether a condition on the release and the system holds; any other is taken to hold."""
    if isinstance(test, ast.BoolOp):
        held = [_holds(each, release, platform) for each in test.values]
        return all(held) if isinstance(test.op, ast.And) else any(held)
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return not _holds(test.operand, release, platform)
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1):
        return True
    asked, operator, given = ast.unparse(test.left), test.ops[0], ast.literal_eval(test.comparators[0])
    if asked == "sys.platform":
        return bool((platform == given) is isinstance(operator, ast.Eq))
    if asked == "sys.version_info":
        return bool((release >= given[:2]) is isinstance(operator, ast.GtE))
    return True


def differing(before: Mapping[str, frozenset[str]], after: Mapping[str, frozenset[str]]) -> dict[str, Sequence[str]]:
    """What `after` lacks of `before`: modules to their names, none where it lacks the module."""
    lacked: dict[str, Sequence[str]] = {}
    for module, names in before.items():
        if module not in after:
            lacked[module] = ()
        elif gone := sorted(names - after[module]):
            lacked[module] = gone
    return lacked


def moved_on(
    modules: Mapping[str, Sequence[str]], before: Mapping[str, frozenset[str]], after: Mapping[str, frozenset[str]]
) -> dict[str, list[str]]:
    """What a release has, given what the one before it has and what the stubs say of both."""
    gone, come = differing(before, after), differing(after, before)
    there = {
        module: sorted({*names, *come.get(module, ())} - set(gone.get(module, ())))
        for module, names in modules.items()
        if not (module in gone and not gone[module])
    }
    return there | {module: sorted(after[module]) for module, names in come.items() if not names}
