"""The report as one row a cell: compatibility.csv."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from operator import itemgetter

from ..conclusion import Conclusion, Explored
from ..domain import CORE, Mode, printable
from .context import Context
from .entry import Entry, Shared

COLUMNS = (
    "id", "python", "torch", "transformers", "peft", "outcome", "basis", "stage", "cached", "uncached", "class",
    "exception", "message", "seconds", "peak_rss_mib", "lock",
)  # fmt: skip
INFERRED = ("confidence", "rests_on", "against", "audit_errors")
"""Further columns where cells are inferred; the last is how often cells that were inferred so were wrong."""
MESSAGE_CAP = 300
FIELDS = 4096
"""Fields that are remembered at a time: most say what those of other cells say."""
FORMULA = ("=", "+", "-", "@")
"""How a formula begins."""
QUOTE = '"'


def csv_text(context: Context) -> str:
    """Comma-separated, one header line. No cell can start a formula in a spreadsheet."""
    return "".join(csv_pieces(context))


def csv_pieces(context: Context) -> Iterator[str]:
    """A line a piece."""
    field = lru_cache(maxsize=FIELDS)(_field)
    said = Shared(lambda entry: ",".join(map(field, map(str, _said(context, entry)))))
    core = itemgetter(*CORE)
    yield ",".join(COLUMNS if context.explored is None else COLUMNS + INFERRED) + "\n"
    for entry in context.entries:
        cell = entry.cell
        place = ",".join(map(field, (cell.python, *core(cell.versions))))
        yield f"{_field(cell.id)},{place},{said(entry)}\n"


def _said(context: Context, entry: Entry) -> Iterator[object]:
    """The columns behind those of its place."""
    observation, exception = entry.result.observation, entry.exception
    yield from (entry.outcome, entry.basis, entry.result.stage or "")
    yield from (entry.mode(Mode.CACHED) or "", entry.mode(Mode.UNCACHED) or "", entry.failure or "")
    yield from (exception.type, exception.message[:MESSAGE_CAP]) if exception else ("", "")
    yield from (observation.seconds, observation.peak_rss_mib) if observation else ("", "")
    yield entry.result.lock.digest if entry.result.lock else ""
    if context.explored:
        yield from _inferred(context.explored, entry.conclusion)


def _inferred(explored: Explored, held: Conclusion | None) -> tuple[str, ...]:
    if held is None:
        return ("",) * len(INFERRED)
    audit = explored.audit.by_outcome.get(held.outcome)
    rests = held.said or " ".join(held.rests_on)
    return f"{held.confidence:.3f}", rests, " ".join(held.against), audit.missed.words() if audit else "not audited"


def _field(text: str) -> str:
    """As a spreadsheet shows it and never runs it."""
    shown = " ".join(printable(text).split())
    if shown[:1] in FORMULA:
        shown = f"'{shown}"
    return f'"{shown.replace(QUOTE, 2 * QUOTE)}"' if "," in shown or QUOTE in shown else shown
