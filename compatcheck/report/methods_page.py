"""Methods and architectures as one self-contained page: methods.html. No script, no network."""

from __future__ import annotations

from ..domain import Cell, Method
from ..matrix import Variant
from .entry import Entry
from .methods import MethodsContext, failed_checks
from .page import MARKS, WORDS, style, template
from .page_data import cut


def methods_html(context: MethodsContext) -> str:
    def entry_of(cell: Cell, method: Method, model: str) -> Entry:
        return context.entries[cell.id][Variant(method, model)]

    ignored: dict[str, list[str]] = {}
    for cell, variant in context.ignored:
        ignored.setdefault(cell.id, []).append(variant.name)
    return template("methods.html.j2").render(
        context=context,
        entry_of=entry_of,
        ignored=ignored,
        marks=MARKS,
        words=WORDS,
        failed=failed_checks,
        short=lambda model: model.removeprefix("tiny-"),
        css=style(),
        cut=cut,
    )
