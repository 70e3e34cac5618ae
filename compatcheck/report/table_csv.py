"""The report as one row a cell: compatibility.csv."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from ..conclusion import Conclusion, Explored
from ..domain import Mode, printable
from .context import Context

COLUMNS = (
    "id", "python", "torch", "transformers", "peft", "outcome", "basis", "stage", "cached", "uncached", "class",
    "exception", "message", "seconds", "peak_rss_mib", "lock",
)  # fmt: skip
INFERRED = ("confidence", "rests_on", "against", "audit_errors")
"""Further columns where cells are inferred; the last is how often cells that were inferred so were wrong."""
MESSAGE_CAP = 300


def csv_text(context: Context) -> str:
    """Comma-separated, one header line. No cell can start a formula in a spreadsheet."""
    return "".join(csv_pieces(context))


def csv_pieces(context: Context) -> Iterator[str]:
    """A line a piece."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(COLUMNS if context.explored is None else COLUMNS + INFERRED)
    for entry in context.entries:
        observation, exception = entry.result.observation, entry.exception
        rows.writerow(
            _harmless(value)
            for value in (
                entry.cell.id,
                entry.cell.python,
                *(entry.cell.versions[package] for package in ("torch", "transformers", "peft")),
                entry.outcome,
                entry.basis,
                entry.result.stage or "",
                entry.mode(Mode.CACHED) or "",
                entry.mode(Mode.UNCACHED) or "",
                entry.failure or "",
                exception.type if exception else "",
                exception.message[:MESSAGE_CAP] if exception else "",
                observation.seconds if observation else "",
                observation.peak_rss_mib if observation else "",
                entry.result.lock.digest if entry.result.lock else "",
                *(_inferred(context.explored, entry.conclusion) if context.explored else ()),
            )
        )
        yield out.getvalue()
        out.seek(0)
        out.truncate()
    yield out.getvalue()


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
