"""What the measured table says of the versions that a log names, and the nearest combination that passed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from .domain import CORE, Outcome
from .errors import CompatcheckError
from .measured_cells import whatever_python

if TYPE_CHECKING:
    from .shipped import KnownTable


@dataclass(frozen=True)
class MeasuredWord:
    """The table's word."""

    status: str | None
    """works, known-bad, wrong, unknown or stale, as `lookup` has it. None where it depends on a torch not named."""
    signature: str | None
    """What was measured to go wrong with these versions."""
    says: str
    nearest: tuple[str, ...] = ()
    """Pins of the nearest combination that passed, where these versions are not known to work."""

    def as_json(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "signature": self.signature,
            "says": self.says,
            "nearest_working": list(self.nearest),
        }


def measured_word(versions: Mapping[str, str]) -> MeasuredWord | None:
    """The word on these versions: exact where torch, transformers and peft are named, over every measured torch where
    only the other two are. None where fewer are named, or where one is no version or the table cannot be read."""
    if not (versions.get("transformers") and versions.get("peft")):
        return None
    try:
        from .own_runs import known_table

        table = known_table()
        return _exact(versions, table) if versions.get("torch") else _whatever_torch(versions, table)
    except (CompatcheckError, InvalidVersion):
        return None


def _exact(versions: Mapping[str, str], table: KnownTable) -> MeasuredWord:
    from .verdict import lookup

    verdict = lookup(versions, table)
    said = ", ".join(f"{name} {verdict.versions[name]}" for name in CORE)
    said += f" on Python {verdict.python}" if verdict.python else ""
    said = f"{str(verdict.status).replace('-', ' ')}: {said}"
    if verdict.cell is not None:
        named = verdict.cell.signature or verdict.cell.fingerprint
        said += f" ({named})" if named and verdict.bad else ""
        said += f", {verdict.cell.basis} {verdict.cell.measured or ''}".rstrip()
    elif verdict.source:
        said += f" ({verdict.source}; not run)"
    elif verdict.expected:
        said += f" (expected: {verdict.expected.words()})"
    said = "; ".join([said, *verdict.notes])
    return MeasuredWord(str(verdict.status), verdict.named, said, _nearest(versions, table, str(verdict.status)))


def _whatever_torch(versions: Mapping[str, str], table: KnownTable) -> MeasuredWord | None:
    wanted = {name: versions[name] for name in ("transformers", "peft")}
    cells = [cell for cell in table.cells if all(cell.versions.get(name) == wanted[name] for name in wanted)]
    python = ".".join(str(versions.get("python", "")).split(".")[:2])
    cells = [cell for cell in cells if cell.python == python] or [*whatever_python(cells)]
    if not cells:
        return None
    groups: dict[str, set[str]] = {}
    for cell in cells:
        came = "works" if cell.outcome is Outcome.PASS else f"{cell.outcome} ({cell.signature or 'unknown'})"
        groups.setdefault(came, set()).add(cell.versions["torch"])
    signatures, outcomes = {cell.signature for cell in cells}, {cell.outcome for cell in cells}
    said = "; ".join(f"{came} with torch {', '.join(sorted(found, key=Version))}" for came, found in groups.items())
    status = _STATUS.get(next(iter(outcomes))) if len(outcomes) == 1 else None
    return MeasuredWord(
        status,
        next(iter(signatures)) if len(signatures) == 1 else None,
        f"transformers {wanted['transformers']}, peft {wanted['peft']}, torch not named: {said}",
        _nearest(wanted, table, status),
    )


def _nearest(versions: Mapping[str, str], table: KnownTable, status: str | None) -> tuple[str, ...]:
    from .mending import nearest_working

    if status == "works":
        return ()
    python = versions.get("python")
    cell = nearest_working(
        {name: versions[name] for name in CORE if versions.get(name)},
        table,
        python if python in table.pythons else None,
    )
    return tuple(f"{name}=={cell.versions[name]}" for name in CORE) if cell else ()


_STATUS = {
    Outcome.PASS: "works",
    Outcome.FAIL: "known-bad",
    Outcome.UNRESOLVABLE: "known-bad",
    Outcome.WRONG: "wrong",
}
