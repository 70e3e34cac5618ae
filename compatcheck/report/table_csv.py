"""The report as one row a cell: compatibility.csv."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from functools import cache

from ..conclusion import Conclusion, Explored
from ..domain import CORE, Mode, printable
from .context import Context
from .entry import Entry

COLUMNS = (
    "id", "python", "torch", "transformers", "peft", "outcome", "basis", "stage", "cached", "uncached", "class",
    "exception", "message", "seconds", "peak_rss_mib", "lock",
)  # fmt: skip
INFERRED = ("confidence", "rests_on", "against", "audit_errors")
"""Further columns where cells are inferred; the last is how often cells that were inferred so were wrong."""
MESSAGE_CAP = 300
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""What stands in a line as it is: nothing of it is quoted, and it starts no formula."""


def csv_text(context: Context) -> str:
    """Comma-separated, one header line. No cell can start a formula in a spreadsheet."""
    return "".join(csv_pieces(context))


def csv_pieces(context: Context) -> Iterator[str]:
    """A line a piece. What is said of a cell that was not run is written once for all that it is said of."""
    yield _line(COLUMNS if context.explored is None else COLUMNS + INFERRED) + "\n"
    said: dict[Conclusion | None, str] = {}
    release = cache(lambda version: _line((version,)))
    for entry in context.entries:
        if entry.result.known:
            text = _line(_said(context, entry))
        elif (text := said.get(entry.conclusion, "")) == "":
            text = said[entry.conclusion] = _line(_said(context, entry))
        cell = entry.cell
        name = cell.id if PLAIN.fullmatch(cell.id) else _line((cell.id,))
        place = ",".join((name, release(cell.python), *(release(cell.versions[name]) for name in CORE)))
        yield f"{place},{text}\n"


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


def _line(values: Iterable[object]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(map(_harmless, values))
    return out.getvalue()


def _inferred(explored: Explored, held: Conclusion | None) -> tuple[str, ...]:
    if held is None:
        return ("",) * len(INFERRED)
    audit = explored.audit.by_outcome.get(held.outcome)
    rests = held.said or " ".join(held.rests_on)
    return f"{held.confidence:.3f}", rests, " ".join(held.against), audit.missed.words() if audit else "not audited"


def _harmless(value: object) -> str:
    """As text that a spreadsheet shows and never runs."""
    text = " ".join(printable(str(value)).split())
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
