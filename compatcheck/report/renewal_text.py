"""What a refresh changed, for people: the releases that came and left, and what the table says of them now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ..domain import Outcome
from ..renewal import Renewal
from ..table import PYTHON
from .audit_text import audit_lines
from .context import Context
from .entry import Entry
from .markup import escaped

CAP = 40
"""Cells that are listed one by one."""


def renewal_lines(renewal: Renewal, before: Context | None, after: Context) -> list[str]:
    """For a terminal."""
    lines = renewal.lines()
    lines += [f"  {line}" for line in _came(renewal, after)]
    if otherwise := _otherwise(before, after):
        lines.append(f"{len(otherwise)} cells that were there before are told otherwise now")
        lines += [f"  {line}" for line in otherwise[:CAP]]
        lines += [f"  and {len(otherwise) - CAP} more"] if len(otherwise) > CAP else []
    return lines + (audit_lines(after.explored.audit) if after.explored else [])


def renewal_markdown(renewal: Renewal, before: Context | None, after: Context) -> str:
    """For a pull request."""
    parts = ["## What changed", "\n".join(f"- {escaped(line)}" for line in renewal.lines())]
    if came := _came(renewal, after):
        parts += ["### The releases that came", "\n".join(f"- {line}" for line in came)]
    if otherwise := _otherwise(before, after):
        listed = [f"- {line}" for line in otherwise[:CAP]]
        listed += [f"- and {len(otherwise) - CAP} more"] if len(otherwise) > CAP else []
        parts += [f"### {len(otherwise)} cells that were there before are told otherwise now", "\n".join(listed)]
    parts += ["### The table now", "\n".join(f"- {line}" for line in after.headline())]
    if after.explored is not None:
        lines = [f"- {line.strip()}" for line in audit_lines(after.explored.audit)]
        parts += ["### The audit of what is inferred", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def _came(renewal: Renewal, after: Context) -> list[str]:
    """`transformers 5.2.0: 340 cells: 12 run (9 pass, 3 fail); 320 inferred (200 pass, 120 fail); 8 untested`."""
    lines = []
    for axis, version in renewal.came:
        entries = [
            each for each in after.entries
            if version == (each.cell.python if axis == PYTHON else each.cell.versions.get(axis))
        ]  # fmt: skip
        run = [each for each in entries if each.measured and each.outcome is not Outcome.UNTESTED]
        inferred = [each for each in entries if not each.measured]
        parted = ((run, "run"), (inferred, "inferred"))
        said = [f"{len(some)} {word} ({_counted(some)})" for some, word in parted if some]
        if rest := len(entries) - len(run) - len(inferred):
            said.append(f"{rest} untested")
        lines.append(f"{axis} {version}: {len(entries)} cells: {'; '.join(said)}")
    return lines


def _counted(entries: Iterable[Entry]) -> str:
    counts = Counter(entry.outcome for entry in entries)
    return ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])


def _otherwise(before: Context | None, after: Context) -> list[str]:
    """Cells of both tables whose outcome or failure is told otherwise."""
    if before is None:
        return []
    pairs = ((before.by_id[entry.cell.id], entry) for entry in after.entries if entry.cell.id in before.by_id)
    return [
        f"{new.cell.id}: {_told(old)} → {_told(new)}"
        for old, new in pairs
        if (old.outcome, old.failure) != (new.outcome, new.failure)
    ]


def _told(entry: Entry) -> str:
    failure = f" ({entry.failure})" if entry.failure else ""
    return f"{entry.outcome}{failure}{'' if entry.measured else ', inferred'}"
