"""The cells of a report side by side: for every Python and torch, transformers by peft."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from packaging.version import Version

from .entry import Entry


@dataclass(frozen=True)
class Panel:
    """The cells of one Python and one torch."""

    python: str
    torch: str
    lines: Mapping[str, Mapping[str, Entry]]
    """transformers version to peft version to the cell."""

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(entry for line in self.lines.values() for entry in line.values())

    @property
    def pefts(self) -> set[str]:
        return {peft for line in self.lines.values() for peft in line}


def panels_of(entries: Iterable[Entry]) -> tuple[Panel, ...]:
    """A panel for each Python and torch that has cells, oldest first."""
    found: dict[tuple[str, str], dict[str, dict[str, Entry]]] = {}
    for entry in entries:
        versions = entry.cell.versions
        lines = found.setdefault((entry.cell.python, versions["torch"]), {})
        lines.setdefault(versions["transformers"], {})[versions["peft"]] = entry
    ordered = sorted(found.items(), key=lambda item: (Version(item[0][0]), Version(item[0][1])))
    return tuple(Panel(python, torch, lines) for (python, torch), lines in ordered)
