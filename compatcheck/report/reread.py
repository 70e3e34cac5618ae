"""A written report read again: what a comparison and a badge need of a compatibility.json."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..agreement import Spent
from ..domain import Basis, Machine, Outcome
from ..errors import InputError, UsageError
from ..parse import structured
from .document import SCHEMA

FILE = "compatibility.json"
TESTED = (Outcome.PASS, Outcome.FAIL, Outcome.WRONG, Outcome.UNRESOLVABLE)
"""The outcomes that are a finding about the packages."""


@dataclass(frozen=True)
class ReportedCell:
    """One cell as a report tells it."""

    id: str
    python: str
    versions: Mapping[str, str]
    outcome: Outcome
    basis: Basis = Basis.MEASURED
    stage: str | None = None
    signature: str | None = None
    fingerprint: str | None = None
    workaround: str | None = None
    caveat: str | None = None
    attempts: int = 1
    agreeing: int = 1
    imported: Mapping[str, str] = field(default_factory=dict)
    lock: str | None = None
    stages: tuple[Spent, ...] = ()

    @property
    def tested(self) -> bool:
        return self.outcome in TESTED and self.basis is Basis.MEASURED

    @property
    def flaky(self) -> bool:
        """Whether runs of one and the same lock did not agree."""
        return self.agreeing < self.attempts

    @property
    def failure(self) -> str | None:
        """The signature, or the fingerprint of an unknown failure; None for a pass."""
        return self.signature or (f"unknown-{self.fingerprint[:8]}" if self.fingerprint else None)


@dataclass(frozen=True)
class Reported:
    """One report."""

    schema: int
    compatcheck: str
    generated: str
    matrix: str
    policy: str
    extras: tuple[str, ...]
    platform: tuple[Machine, ...]
    scenario: Mapping[str, Any]
    cells: tuple[ReportedCell, ...]


def reported(text: str, source: str) -> Reported:
    """The report that `text` holds. Raises InputError."""
    remedy = "A compatibility.json is wanted, as `compatcheck report` writes it."
    try:
        data = json.loads(text)
    except ValueError as error:
        raise InputError(source, [f"not JSON: {error}"], remedy) from None
    if isinstance(data, dict) and isinstance(data.get("schema"), int) and data["schema"] > SCHEMA:
        raise InputError(
            source, [f"schema: {data['schema']} is newer than {SCHEMA}"], "Upgrade compatcheck to read this report."
        )
    found = structured(data, Reported, source, strict=False, remedy=remedy)
    seen: set[str] = set()
    for place, cell in enumerate(found.cells):
        if cell.id in seen:
            raise InputError(source, [f"cells[{place}].id: {cell.id!r} stands there twice"], remedy)
        seen.add(cell.id)
    return found


def load_reported(where: str, path: str = f"reports/{FILE}") -> Reported:
    """The report at `where`: a file, a directory that holds one, or a git revision of `path`. Raises InputError."""
    place = Path(where)
    if place.is_dir():
        place = next((each for each in (place / FILE, place / path) if each.is_file()), place / FILE)
    if place.exists() or place.suffix == ".json":
        try:
            return reported(place.read_text(encoding="utf-8"), str(place))
        except FileNotFoundError:
            raise InputError(str(place), ["no such file"], "Write it with `compatcheck report`.") from None
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(str(place), [f"cannot be read: {error}"]) from None
    return reported(_committed(where, path), f"{where}:{path}")


def _committed(revision: str, path: str) -> str:
    """The text of `path`, relative to the working directory, as git has it at `revision`."""
    what = f"{revision!r} is neither a file, nor a directory with a {FILE}, nor a git revision that has {path}"
    if revision.startswith("-") or ":" in revision:
        raise UsageError(what, "A revision is a branch, a tag, a commit or an expression such as HEAD~3.")
    try:
        done = subprocess.run(["git", "show", f"{revision}:./{path}"], capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(what, f"git could not be asked: {error}") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise UsageError(what, f"git says: {said[0]}" if said else "git did not say why.")
    return done.stdout.decode("utf-8", "replace")
