"""A release's Python source into what it says to others: the messages that it raises, the names that it has, what its
classes are called with. Read as text: nothing of it is imported or run."""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath

from .domain import digest_of
from .source_archives import python_files
from .source_messages import Said, last_name, messages_of, raised_in
from .source_packages import MODELS_READ, folder_of, is_no_library

_RAISES = re.compile(r"^ *raise \w+\(", re.MULTILINE)
STATEMENT_CAP = 2000
"""Characters of a `raise` that are looked at."""
_ALL = re.compile(r"^ *__all__ \+?= \[(.*?)\]", re.MULTILINE | re.DOTALL)


@dataclass
class SourceFacts:
    """What one release's source holds."""

    messages: set[Said] = field(default_factory=set)
    public: set[str] = field(default_factory=set)
    """What models' modules list in `__all__`."""
    bases: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Class to the names of what it is derived from."""
    names: dict[str, set[str]] = field(default_factory=dict)
    """Module to what can be imported from it."""
    classes: dict[str, str] = field(default_factory=dict)
    """Class to the module that defines it; the first one, of several."""
    keywords: dict[str, set[str]] = field(default_factory=dict)
    """Class, to what its `__init__` takes by name; `Class.method` and plain functions likewise."""
    open_ended: set[str] = field(default_factory=set)
    """Those of them that take any keyword."""
    members: dict[str, set[str]] = field(default_factory=dict)
    """Class to its methods, its fields, and what its methods set on `self`."""
    own: dict[str, set[str]] = field(default_factory=dict)
    """Of a model's classes, what they have and take themselves: what they inherit is told of their bases."""

    def add(self, other: SourceFacts) -> None:
        """Take in what another file holds."""
        self.messages |= other.messages
        self.public |= other.public
        self.bases = other.bases | self.bases
        self.open_ended |= other.open_ended
        self.names.update(other.names)
        for mine, theirs in (
            (self.keywords, other.keywords), (self.members, other.members), (self.own, other.own)
        ):  # fmt: skip
            for name, values in theirs.items():
                mine[name] = mine.get(name, set()) | values
        for name, module in other.classes.items():
            self.classes.setdefault(name, module)


def read_wheel(path: Path, package: str, known: dict[str, SourceFacts] | None = None) -> SourceFacts:
    """What the wheel or the source distribution at `path` holds of `package`. Tests are left out.

    `known` remembers files, so that what two releases have alike is read once.
    """
    facts = SourceFacts()
    known = {} if known is None else known
    folder = folder_of(package)
    for name, text in python_files(path, folder):
        parts = PurePosixPath(name).parts
        if is_no_library(parts):
            continue
        key = f"{name} {digest_of(text)}"
        if key not in known:
            model = parts[1:2] == ("models",) and parts[2:3] != ("auto",) and len(parts) > 3
            if not model:
                known[key] = read_source(text, name)
            elif parts[2] in MODELS_READ:
                known[key] = of_a_model(text, name)
            else:
                known[key] = skimmed(text, name)
        facts.add(known[key])
    _open_the_lazy(facts, folder)
    _inherit(facts)
    return facts


def _module(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def read_source(text: str, file: str) -> SourceFacts:
    """What the text of one file holds; nothing where this Python cannot parse it."""
    facts = SourceFacts()
    if (tree := parsed(text)) is None:
        return facts
    module = _module(file)
    facts.names[module] = module_names(tree)
    if ".models." in module:
        facts.public = _listed(text)
    for node in tree.body:
        _take_definition(node, module, facts)
    for name in _renamed_classes(tree):
        facts.classes.setdefault(name, module)
    facts.messages.update(messages_of(tree, file))
    return facts


def of_a_model(text: str, file: str) -> SourceFacts:
    """The same of one of hundreds of models' files: of its functions, which every model has under the same names, only
    that they are there, and nothing of what its configuration takes, which is whatever one gives it."""
    facts = read_source(text, file)
    facts.own = {owner: set(names) for owner, names in facts.members.items()}
    facts.keywords = {
        owner: names
        for owner, names in facts.keywords.items()
        if owner.partition(".")[0] in facts.members and not owner.endswith("Config")
    }
    return facts


def _renamed_classes(tree: ast.Module) -> Iterator[str]:
    """What a module calls the package's own classes where it imports them: `from .base import Base as FlagReranker`."""
    for node in outer_statements(tree.body):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield from (alias.asname for alias in node.names if alias.asname and alias.asname[:1].isupper())


def skimmed(text: str, file: str) -> SourceFacts:
    """The same of one of hundreds of models' files, without what its classes take and have."""
    facts = SourceFacts()
    module = _module(file)
    classes = re.findall(r"^ {0,4}class (\w+)", text, re.MULTILINE)
    facts.classes = dict.fromkeys(classes, module)
    facts.public = _listed(text)
    facts.names[module] = {*classes, *re.findall(r"^ {0,4}(?:async )?def (\w+)\((?!self)", text, re.MULTILINE)}
    if file.endswith("__init__.py") and (tree := parsed(text)) is not None:
        facts.names[module] = module_names(tree)
    for found in _RAISES.finditer(text):
        facts.messages.update(replace(said, file=file) for said in _raised_by(_statement(text, found.start())))
    return facts


def _listed(text: str) -> set[str]:
    return {name for found in _ALL.finditer(text) for name in re.findall(r"[\"'](\w+)[\"']", found[1])}


def _statement(text: str, start: int) -> str:
    """A `raise` with all of its parentheses."""
    depth = 0
    for place in range(text.index("(", start), min(len(text), start + STATEMENT_CAP)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if depth == 0:
            return textwrap.dedent(text[start : place + 1])
    return ""


@lru_cache(maxsize=50_000)
def _raised_by(statement: str) -> tuple[Said, ...]:
    """What a statement raises, of whatever file."""
    tree = parsed(statement)
    return tuple(raised_in(tree, "")) if tree else ()


def parsed(text: str) -> ast.Module | None:
    """A file's text as Python reads it; None where this Python cannot."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError):
        return None


# ------------------------------------------------------------------ names


def module_names(tree: ast.Module) -> set[str]:
    """What `from module import name` finds: definitions, imports and values, also under if and try; and what a lazy
    package lists in `_import_structure` and `__all__`."""
    found: set[str] = set()
    for node in outer_statements(tree.body):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Import):
            found.update(alias.asname or alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Expr):
            found.update(_assigned(node))
    return found - {"*"}


def outer_statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, also those under if, try and with; not what is in classes and functions."""
    for node in body:
        yield node
        for name in ("body", "orelse", "finalbody"):
            if isinstance(node, ast.If | ast.Try | ast.With):
                yield from outer_statements(getattr(node, name, []))
        if isinstance(node, ast.Try):
            for handler in node.handlers:
                yield from outer_statements(handler.body)


def _assigned(node: ast.stmt) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    names = {each.id for target in targets if target for each in ast.walk(target) if isinstance(each, ast.Name)}
    within = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    if within & {"_import_structure", "__all__"}:
        names |= {
            each.value
            for each in ast.walk(node)
            if isinstance(each, ast.Constant) and isinstance(each.value, str) and each.value.isidentifier()
        }
    return names


def _open_the_lazy(facts: SourceFacts, package: str) -> None:
    """transformers from 4.48 on collects what its root has from the `__all__` of every module below `models`."""
    root = facts.names.get(package, set())
    if "define_import_structure" in root:
        root |= facts.public


# ------------------------------------------------------------------ classes and functions


def _take_definition(node: ast.stmt, module: str, facts: SourceFacts) -> None:
    if isinstance(node, ast.If | ast.Try):
        for inner in outer_statements([node]):
            if inner is not node and isinstance(inner, ast.ClassDef | ast.FunctionDef):
                _take_definition(inner, module, facts)
    elif isinstance(node, ast.FunctionDef):
        _take_parameters(node.name, node, facts)
    elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id in facts.members:
        for name in (each.id for each in node.targets if isinstance(each, ast.Name)):
            facts.classes.setdefault(name, module)
            facts.bases[name] = (node.value.id,)
            facts.members[name] = set()
    elif isinstance(node, ast.ClassDef):
        facts.classes.setdefault(node.name, module)
        facts.bases[node.name] = tuple(name for each in node.bases if (name := last_name(each)))
        members = facts.members.setdefault(node.name, set())
        for inner in node.body:
            if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                members.add(inner.name)
                owner = node.name if inner.name == "__init__" else f"{node.name}.{inner.name}"
                if isinstance(inner, ast.FunctionDef):
                    _take_parameters(owner, inner, facts)
                members.update(_set_on_self(inner))
            elif isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name):
                members.add(inner.target.id)
                if any("dataclass" in ast.dump(each) for each in node.decorator_list):
                    facts.keywords.setdefault(node.name, set()).add(inner.target.id)
            elif isinstance(inner, ast.Assign):
                members.update(each.id for each in inner.targets if isinstance(each, ast.Name))
                members.update(_other_names(inner))


def _inherit(facts: SourceFacts) -> None:
    """A class has what its bases of the same package have; one without an `__init__` takes what theirs takes."""
    members: dict[str, set[str]] = {}
    keywords: dict[str, set[str]] = {}
    for name in facts.members:
        line = line_of(name, facts.bases)
        members[name] = set().union(*(facts.members.get(each, set()) for each in line))
        own = next(
            (place for place, each in enumerate(line) if "__init__" in facts.members.get(each, set())), len(line)
        )
        taken = [facts.keywords.get(each, set()) for each in line[: own + 1]]
        keywords[name] = set().union(*taken)
    facts.members = members
    facts.keywords = {name: values for name, values in (facts.keywords | keywords).items() if values or "." in name}


def line_of(name: str, bases: Mapping[str, tuple[str, ...]]) -> list[str]:
    """A class and all that it is derived from, the nearest first."""
    line = [name]
    for each in line:
        line += [base for base in bases.get(each, ()) if base not in line]
    return line


def _take_parameters(owner: str, node: ast.FunctionDef, facts: SourceFacts) -> None:
    given = node.args
    names = {each.arg for each in (*given.args, *given.kwonlyargs)} - {"self", "cls"}
    facts.keywords.setdefault(owner, set()).update(names, _renamed(node))
    if given.kwarg:
        facts.open_ended.add(owner)


def _renamed(node: ast.FunctionDef) -> set[str]:
    """What a decorator still takes under an old name: `@deprecate_kwarg("tokenizer", new_name="processing_class")`."""
    return {
        str(each.args[0].value)
        for each in node.decorator_list
        if isinstance(each, ast.Call)
        and "deprecate" in last_name(each.func)
        and each.args
        and isinstance(each.args[0], ast.Constant)
    }


def _other_names(node: ast.Assign) -> set[str]:
    """What a class answers to besides, by a list of its own: the other names of a configuration's fields
    (`attribute_map = {"hidden_size": "n_embd"}`), a tokenizer's special tokens and their ids."""
    lists = {each.id for each in node.targets if isinstance(each, ast.Name)}
    if "attribute_map" in lists and isinstance(node.value, ast.Dict):
        return {str(each.value) for each in node.value.keys if isinstance(each, ast.Constant)}
    if "SPECIAL_TOKENS_ATTRIBUTES" in lists and isinstance(node.value, ast.List):
        tokens = [str(each.value) for each in node.value.elts if isinstance(each, ast.Constant)]
        return {name for token in tokens for name in (token, f"{token}_id", f"{token}_ids")}
    return set()


_HANDED_OVER = {"register_buffer", "register_parameter", "register_module", "add_module", "setattr"}


def _set_on_self(node: ast.AST) -> set[str]:
    """What a method sets on `self`: by an assignment, or by its name (`self.register_buffer("inv_freq", ...)`)."""
    stored = {
        each.attr
        for each in ast.walk(node)
        if isinstance(each, ast.Attribute)
        and isinstance(each.ctx, ast.Store)
        and isinstance(each.value, ast.Name)
        and each.value.id == "self"
    }
    by_name = {
        str(argument.value)
        for each in ast.walk(node)
        if isinstance(each, ast.Call) and last_name(each.func) in _HANDED_OVER
        for argument in each.args[:2]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }
    return stored | by_name
