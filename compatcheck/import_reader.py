"""What happens while a release is imported, as its source says: which names of other packages it takes, in the order in
which Python would come to them. Read as text: nothing of it is imported or run.

Only what is sure to happen is read: what stands in a `try`, or under a condition that is not known, is left out. A
package that does its imports when a name is asked for (transformers) says where each name lives in what it shows to
type checkers alone; that way is followed for the names that are asked for.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

from .source_messages import last_name
from .source_reader import module_names, outer_statements, parsed

Text = Callable[[str], "str | None"]
"""A file's path in a wheel to its text; None where the wheel has no such file."""
_AVAILABLE = re.compile(r"is_(\w+)_available")
BESIDE = {"torch": ("torch._C", "torch._C._VariableFunctions")}
"""Compiled modules whose names a package's root takes in as it is imported; their stubs list them."""


@dataclass(frozen=True, order=True)
class Need:
    """A name of another package that an import takes."""

    module: str
    """`transformers`, or a module in it."""
    name: str
    """Empty: the module itself."""
    attribute: bool
    """Whether it is taken as `module.name`, not by `from module import name`."""

    @property
    def package(self) -> str:
        return self.module.split(".")[0]


@dataclass(frozen=True)
class Taken:
    """A need, and where it stands."""

    need: Need
    file: str


@dataclass
class Module:
    """What one file does as it is imported."""

    file: str
    steps: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    """In their order: a module, and the names that are taken from it; `module.name` of a foreign one likewise."""
    attributes: list[tuple[int, Need]] = field(default_factory=list)
    """Behind how many steps which attribute of a module is asked for."""
    lives: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Name to the module that has it, and its name there, as type checkers are told."""
    stars: list[str] = field(default_factory=list)
    """Modules of which type checkers are told that every name is here."""
    names: set[str] = field(default_factory=set)
    """What can be imported from it."""


class Tree:
    """The modules of one package in a release, each read when it is asked for."""

    def __init__(self, package: str, text: Text, installed: Collection[str]) -> None:
        self.package = package
        self._text = text
        self._installed = frozenset(installed)
        self._known: dict[str, Module | None] = {}
        self._files: dict[str, tuple[str, str] | None] = {}

    def module(self, name: str) -> Module | None:
        if name not in self._known:
            file = self._file(name)
            self._known[name] = read_module(file[1], name, file[0], self._installed) if file else None
        return self._known[name]

    def _file(self, module: str) -> tuple[str, str] | None:
        """A module's file and its text."""
        if module not in self._files:
            path = module.replace(".", "/")
            files = (f"{path}/__init__.py", f"{path}.py", f"{path}/__init__.pyi", f"{path}.pyi")
            self._files[module] = next(((file, text) for file in files if (text := self._text(file)) is not None), None)
        return self._files[module]

    def lacks(self, needs: Iterable[Need]) -> frozenset[Need]:
        """Those that the release does not have. The files' texts are forgotten afterwards."""
        found = frozenset(need for need in needs if not self.has(need))
        self._files.clear()
        return found

    def has(self, need: Need) -> bool:
        """Whether the release has what is taken. A name that stands under any condition counts."""
        if need.module not in self._known:
            # of hundreds of models only those are read that speak of the name, or pass others' names on
            file = self._file(need.module)
            if file is None or not (need.name in file[1] or "import *" in file[1]):
                return file is not None and self._file(f"{need.module}.{need.name}") is not None
        module = self.module(need.module)
        if module is None:
            return False
        if not need.name or need.name in module.names or self._file(f"{need.module}.{need.name}") is not None:
            return True
        beside = (*module.stars, *BESIDE.get(need.module, ()))
        return any(self.has(Need(other, need.name, False)) for other in beside if other != need.module)

    def taken(self, entries: Iterable[tuple[str, Sequence[str]]]) -> list[Taken]:
        """What the imports of `entries` (modules with the names that are wanted of them) take of other packages."""
        walk = _Walk(self)
        for module, names in entries:
            walk.take(module, names)
        self._files.clear()
        return walk.found


class _Walk:
    """Imports followed as Python follows them: each module once, its packages first."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._begun: set[str] = set()
        self._brought: set[tuple[str, str]] = set()
        self.found: list[Taken] = []

    def take(self, module: str, names: Iterable[str]) -> None:
        self._load(module)
        for name in names:
            self._bring(module, name)

    def _load(self, module: str) -> None:
        parts = module.split(".")
        for count in range(1, len(parts) + 1):
            name = ".".join(parts[:count])
            if name not in self._begun:
                self._begun.add(name)
                self._run(self._tree.module(name))

    def _run(self, module: Module | None) -> None:
        if module is None:
            return
        asked = list(module.attributes)
        for number, (other, names) in enumerate(module.steps):
            while asked and asked[0][0] <= number:
                self._note(asked.pop(0)[1], module.file)
            if other.split(".")[0] == self._tree.package:
                self.take(other, names)
                continue
            for name in names or ("",):
                self._note(Need(other, name, False), module.file)
        for _, need in asked:
            self._note(need, module.file)

    def _note(self, need: Need, file: str) -> None:
        if need.package != self._tree.package:
            self.found.append(Taken(need, file))

    def _bring(self, module: str, name: str) -> None:
        """A name that was asked for may be a module of its own, or live in one that is imported only now."""
        if (module, name) in self._brought:
            return
        self._brought.add((module, name))
        here = self._tree.module(module)
        if name == "*" or here is None:
            return
        if name in here.lives:
            self.take(here.lives[name][0], [here.lives[name][1]])
        elif self._tree.module(f"{module}.{name}") is not None:
            self._load(f"{module}.{name}")
        else:
            for other in here.stars:
                if self._tree.has(Need(other, name, False)):
                    self.take(other, [name])
                    break


# ------------------------------------------------------------------ one file


@cache
def read_module(text: str, name: str, file: str, installed: frozenset[str]) -> Module:
    """What one file does as it is imported, where the packages in `installed` are there; nothing where this Python
    cannot parse it. Releases have most files in common: each text is read once.
    """
    found = Module(file)
    if (tree := parsed(text)) is None:
        return found
    package = name if "/__init__." in file else name.rpartition(".")[0]
    _Reading(found, package, installed, "annotations" in _future(tree)).statements(tree.body)
    for node in outer_statements(tree.body):
        if isinstance(node, ast.If) and _holds(node.test, frozenset()) is False:
            _take_told(node.body, package, found)
    found.names |= module_names(tree)
    return found


def _future(tree: ast.Module) -> set[str]:
    return {
        alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
        for alias in node.names
    }


def _take_told(body: list[ast.stmt], package: str, found: Module) -> None:
    """What type checkers are told of the names of a package that imports them when they are asked for."""
    for node in outer_statements(body):
        if isinstance(node, ast.ImportFrom) and (module := _absolute(node, package)):
            for alias in node.names:
                if alias.name == "*":
                    found.stars.append(module)
                else:
                    found.lives.setdefault(alias.asname or alias.name, (module, alias.name))


def _absolute(node: ast.ImportFrom, package: str) -> str | None:
    if not node.level:
        return node.module
    parts = package.split(".")
    if node.level > len(parts):
        return None
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)


def _holds(test: ast.expr, installed: Collection[str]) -> bool | None:
    """Whether a condition holds; None where that is not known."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = _holds(test.operand, installed)
        return None if inner is None else not inner
    if isinstance(test, ast.BoolOp):
        told = [_holds(each, installed) for each in test.values]
        decisive = isinstance(test.op, ast.Or)
        return decisive if decisive in told else None if None in told else not decisive
    if isinstance(test, ast.Call) and not test.args and not test.keywords:
        named = _AVAILABLE.fullmatch(last_name(test.func))
        return True if named and named[1] in installed else None
    return False if last_name(test) == "TYPE_CHECKING" else None


@dataclass
class _Reading:
    """The statements of one file, in the order in which an import comes to them."""

    found: Module
    package: str
    installed: frozenset[str]
    annotations_wait: bool
    """Whether annotations are not looked at as the file is imported."""
    called: dict[str, str] = field(default_factory=dict)
    """Which module a name of this file stands for."""

    def statements(self, body: Sequence[ast.stmt]) -> bool:
        """Whether what stands behind them is sure to be reached."""
        for node in body:
            if isinstance(node, ast.Raise):
                return False
            if isinstance(node, ast.If):
                if (held := _holds(node.test, self.installed)) is None:
                    continue
                if not self.statements(node.body if held else node.orelse):
                    return False
            else:
                self._statement(node)
        return True

    def _statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                self.found.steps.append((alias.name, ()))
                if alias.asname or "." not in alias.name:
                    self.called[alias.asname or alias.name] = alias.name
        elif isinstance(node, ast.ImportFrom):
            if module := _absolute(node, self.package):
                self.found.steps.append((module, tuple(alias.name for alias in node.names)))
                self.found.stars += [module for alias in node.names if alias.name == "*"]
        elif isinstance(node, ast.ClassDef):
            self._look(*node.decorator_list, *node.bases, *(each.value for each in node.keywords))
            self.statements(node.body)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = node.args
            self._look(*node.decorator_list, *given.defaults, *given.kw_defaults)
            if not self.annotations_wait:
                each = (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg)
                self._look(*(arg.annotation for arg in each if arg is not None), node.returns)
        elif isinstance(node, ast.AnnAssign):
            self._look(node.value, None if self.annotations_wait else node.annotation)
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.Expr):
            self._look(node.value)

    def _look(self, *nodes: ast.expr | None) -> None:
        for node in nodes:
            for each in _reached(node) if node is not None else ():
                if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name):
                    module = self.called.get(each.value.id)
                    if module is not None and isinstance(each.ctx, ast.Load):
                        self.found.attributes.append((len(self.found.steps), Need(module, each.attr, True)))


def _reached(node: ast.expr) -> Iterator[ast.AST]:
    """The parts of an expression that are sure to be looked at."""
    ahead: list[ast.AST] = [node]
    while ahead:
        each = ahead.pop()
        yield each
        if isinstance(each, ast.IfExp):
            ahead.append(each.test)
        elif isinstance(each, ast.BoolOp):
            ahead.append(each.values[0])
        elif not isinstance(each, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            ahead += ast.iter_child_nodes(each)


def imports_of(source: str, packages: Collection[str]) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """Which modules of which packages a script imports anywhere, with the names that it takes, package by package."""
    found: dict[str, list[tuple[str, tuple[str, ...]]]] = {package: [] for package in packages}
    for node in ast.walk(ast.parse(source)):
        told: list[tuple[str, tuple[str, ...]]] = []
        if isinstance(node, ast.Import):
            told = [(alias.name, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            told = [(node.module, tuple(alias.name for alias in node.names))]
        for module, names in told:
            if module.split(".")[0] in found:
                found[module.split(".")[0]].append((module, names))
    return found
