"""The messages that a source raises: of each the class, the words, and holes for what is only known when it runs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .raise_site import HOLE

LEAST_PART, LEAST_ALL = 14, 24
"""Characters of a message's longest part between holes, and of all of them: less is not a message's own wording."""
_DEPTH = 6
"""Steps from an expression to the words in it."""
_STRIPPING = frozenset(("strip", "lstrip", "rstrip"))
_DEDENTING = frozenset(("dedent", "cleandoc"))

Told = Mapping[str, ast.expr]
"""What was assigned to a name, further up in the function or in the module."""


@dataclass(frozen=True, order=True)
class Said:
    """A message as it is raised."""

    exception: str
    template: str
    """Its words, one blank between two of them, and `{}` for each value."""
    file: str
    function: str


def messages_of(tree: ast.AST, file: str) -> Iterator[Said]:
    """What a file raises, or asserts; and what its own classes of exceptions say whenever they are raised."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name.endswith(("Error", "Exception")):
            for text in _said_by_class(node):
                yield from told_as(node.name, text, file, "__init__")
    yield from _messages(tree, file, "<module>", {})


def raised_in(tree: ast.AST, file: str) -> Iterator[Said]:
    """What the statements of a text raise, without what they name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise):
            yield from _raised(node.exc, {}, file, "")


def _said_by_class(node: ast.ClassDef) -> Iterator[str]:
    """What `__init__` of a class of exceptions hands to the class above it."""
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and method.name == "__init__":
            told: dict[str, ast.expr] = {}
            for each in _within(method):
                _learn(each, told)
                call = each.value if isinstance(each, ast.Expr) else None
                if isinstance(call, ast.Call) and last_name(call.func) == "__init__" and call.args:
                    yield _template(call.args[0], told)


def _messages(node: ast.AST, file: str, function: str, outside: Told) -> Iterator[Said]:
    told = dict(outside)
    for each in _within(node):
        _learn(each, told)
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _messages(each, file, each.name, told)
        elif isinstance(each, ast.Raise):
            yield from _raised(each.exc, told, file, function)
        elif isinstance(each, ast.Assert) and each.msg is not None:
            for text in _alternatives(each.msg, told):
                yield from told_as("AssertionError", _template(text, told), file, function)


def _within(node: ast.AST) -> Iterator[ast.AST]:
    """What stands in a function's body, in the order of the text; a function within it, but not what that holds."""
    ahead = list(ast.iter_child_nodes(node))[::-1]
    while ahead:
        each = ahead.pop()
        yield each
        if not isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.expr):
            ahead += list(ast.iter_child_nodes(each))[::-1]


def _learn(node: ast.AST, told: dict[str, ast.expr]) -> None:
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        told[node.targets[0].id] = node.value


def _raised(error: ast.expr | None, told: Told, file: str, function: str) -> Iterator[Said]:
    if not (isinstance(error, ast.Call) and error.args):
        return
    name = last_name(error.func)
    if not name[:1].isupper():
        return
    texts = [template for each in _alternatives(error.args[0], told) if (template := _template(each, told))]
    if len(error.args) > 1:  # Python shows them all, in brackets
        texts = [HOLE + text.removeprefix(HOLE) for text in texts]
    for text in texts:
        yield from told_as(name, text, file, function)


def last_name(node: ast.expr) -> str:
    """`name` of `name` and of `a.name`; empty of anything else."""
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")


def told_as(exception: str, template: str, file: str, function: str) -> Iterator[Said]:
    text = " ".join(template.split())
    parts = [part.strip() for part in text.split(HOLE)]
    if max(map(len, parts)) >= LEAST_PART and sum(map(len, parts)) >= LEAST_ALL:
        yield Said(exception, text, file, function)


def _alternatives(node: ast.expr, told: Told, depth: int = 0) -> list[ast.expr]:
    """The texts of which an expression is one: `a if b else c`, also by its name."""
    if depth > _DEPTH:
        return [node]
    if isinstance(node, ast.IfExp):
        return [each for part in (node.body, node.orelse) for each in _alternatives(part, told, depth + 1)]
    if isinstance(node, ast.Name) and isinstance(told.get(node.id), ast.IfExp | ast.Name):
        return _alternatives(told[node.id], told, depth + 1)
    return [node]


def _template(node: ast.expr, told: Told, depth: int = 0) -> str:
    """The text that an expression makes, with holes for what is only known when it runs."""
    if depth > _DEPTH:
        return HOLE
    if isinstance(node, ast.Constant):
        return node.value.replace(HOLE, "") if isinstance(node.value, str) else str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_template(each, told, depth + 1) for each in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _template(node.left, told, depth + 1) + _template(node.right, told, depth + 1)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return re.sub(r"%[-\d.]*[sdrfgx]", HOLE, _template(node.left, told, depth + 1))
    if isinstance(node, ast.Call):
        return _called(node, told, depth)
    if isinstance(node, ast.Name) and node.id in told:
        return _template(told[node.id], told, depth + 1)
    return HOLE


def _called(node: ast.Call, told: Told, depth: int) -> str:
    """What a method or a function makes of a text: `"...".format(x)`, `textwrap.dedent("...")`."""
    name = last_name(node.func)
    if isinstance(node.func, ast.Attribute) and name == "format":
        return _formatted(node.func.value, told, depth)
    if isinstance(node.func, ast.Attribute) and name in _STRIPPING:
        return _template(node.func.value, told, depth + 1)
    return _template(node.args[0], told, depth + 1) if name in _DEDENTING and node.args else HOLE


def _formatted(text: ast.expr, told: Told, depth: int) -> str:
    """The text before `.format`, whose holes are in curly brackets already."""
    while isinstance(text, ast.Name) and text.id in told and depth < _DEPTH:
        text, depth = told[text.id], depth + 1
    if isinstance(text, ast.Constant) and isinstance(text.value, str):
        return re.sub(r"\{[^{}]*\}", HOLE, text.value)
    if isinstance(text, ast.BinOp) and isinstance(text.op, ast.Add):
        return _formatted(text.left, told, depth + 1) + _formatted(text.right, told, depth + 1)
    return HOLE
