"""How the known table is made: reports with their locks, and the local store, turned into cells. Deterministic."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from itertools import product
from math import floor
from pathlib import Path
from typing import Any

from packaging.version import Version

from . import __version__
from .domain import CORE, Basis, Lock, Outcome, Policy, Stage
from .errors import InputError
from .inferred_grid import NOTHING, InferredGrid, Kind
from .known import COMPANIONS
from .lock_text import lock_of_text
from .parse import structured
from .shipped import KIND, SCHEMA

REPORT_SCHEMA = 1
REMEDY = "Name compatibility.json files that `compatcheck report` has written."


@dataclass(frozen=True)
class _Machine:
    platform: str


@dataclass(frozen=True)
class _Scenario:
    model: str


@dataclass(frozen=True)
class _Inferred:
    confidence: float


@dataclass(frozen=True)
class _Errors:
    hits: int
    count: int


@dataclass(frozen=True)
class _Audit:
    errors: _Errors


@dataclass(frozen=True)
class _Exploration:
    audit: _Audit


@dataclass(frozen=True)
class _Cell:
    """A cell of a report, as far as the table needs it."""

    id: str
    python: str
    versions: dict[str, str]
    outcome: Outcome
    basis: Basis
    signature: str | None
    fingerprint: str | None
    stage: Stage | None
    lock: str | None
    started: datetime | None
    attempts: int
    agreeing: int
    caveat: str | None
    workaround: str | None
    imported: dict[str, str]
    resolved: datetime | None = None
    """When the resolver answered: of a cell that cannot be installed all that there is."""
    inferred: _Inferred | None = None


@dataclass(frozen=True)
class _Report:
    """A compatibility.json, as far as the table needs it."""

    schema: int
    matrix: str
    policy: Policy
    generated: datetime
    platform: tuple[_Machine, ...]
    scenario: _Scenario
    released: dict[str, date]
    cells: tuple[_Cell, ...]
    exploration: _Exploration | None = None


def table_text(reports: Sequence[Path], found: Collection[Path] = ()) -> str:
    """The table of these reports (compatibility.json, with `locks/` beside it) as the file's text.

    The same reports give the same bytes. Of one combination under one policy that stands in several reports, the later
    named one counts; a report of which no cell counts is no source. Of explored matrices among those that were `found`
    and not named, the measured cells are kept apart, where no other report has them: they stand far from each other,
    and ranges would be read off the gaps between them. What is inferred is no cell: it travels as a grid. Raises
    InputError.
    """
    sources: list[dict[str, Any]] = []
    released: dict[str, str] = {}
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    scattered: dict[tuple[Any, ...], dict[str, Any]] = {}
    told: dict[tuple[Any, ...], int] = {}
    locks: dict[str, Lock] = {}
    grids: list[InferredGrid] = []
    read = [(path, _report(path)) for path in reports]
    apart = [report.exploration is not None and path in found for path, report in read]
    for (path, report), aside in sorted(zip(read, apart, strict=True), key=lambda each: each[1]):
        sources.append(_source(report))
        grids += _grids(report)
        released |= {name: day.isoformat() for name, day in report.released.items()}
        for cell in report.cells:
            if cell.basis is not Basis.MEASURED or cell.outcome is Outcome.UNTESTED:
                # what was not run is nothing to pin by
                continue
            lock = _lock(path.parent / "locks" / f"{cell.id}.txt", cell.lock) if cell.lock else None
            if lock is not None and cell.outcome is Outcome.PASS:
                # the lock of a cell that fails is of no use to anyone who pins
                locks[lock.digest] = lock
            key = (cell.python, tuple(sorted(cell.versions.items())), report.policy)
            if aside:
                if key not in rows:
                    scattered[key] = _row(cell, len(sources) - 1, lock)
            elif key not in rows or _tells(cell) >= told[key]:
                rows.pop(key, None)  # so that the cells of a source stand together
                rows[key], told[key] = _row(cell, len(sources) - 1, lock), _tells(cell)
    counting = sorted({row["source"] for row in (*rows.values(), *scattered.values())})
    places = {source: place for place, source in enumerate(counting)}
    cells, others = (
        [row | {"source": places[row["source"]]} for row in section.values()] for section in (rows, scattered)
    )
    return _written([sources[source] for source in counting], released, cells, locks, others, grids)


def _grids(report: _Report) -> Iterator[InferredGrid]:
    """What an explored report infers, a grid for each Python. A matrix with further axes gives none."""
    if report.exploration is None or any(cell.versions.keys() != set(CORE) for cell in report.cells):
        return
    errors = report.exploration.audit.errors
    for python in sorted({cell.python for cell in report.cells}, key=Version):
        cells = [cell for cell in report.cells if cell.python == python]
        axes = {name: tuple(sorted({cell.versions[name] for cell in cells}, key=Version)) for name in CORE}
        inferred = {
            tuple(cell.versions[name] for name in CORE): Kind(
                # rounded down: nothing that was not run is certain
                cell.outcome,
                floor(round(100 * cell.inferred.confidence, 6)) / 100,
                cell.signature,
            )
            for cell in cells
            if cell.inferred is not None
        }
        kinds = sorted(set(inferred.values()), key=lambda kind: (kind.outcome, kind.signature or "", kind.confidence))
        numbers: dict[tuple[str, ...], str] = {point: str(kinds.index(kind)) for point, kind in inferred.items()}
        rows = tuple(
            " ".join(numbers.get((torch, transformers, peft), NOTHING) for peft in axes["peft"])
            for torch, transformers in product(axes["torch"], axes["transformers"])
        )
        runs = sum(cell.basis is Basis.MEASURED and cell.outcome is not Outcome.UNTESTED for cell in cells)
        yield InferredGrid(
            report.matrix, python, report.policy, report.generated.date(), runs, errors.count, errors.hits, axes,
            tuple(kinds), rows,
        )  # fmt: skip


def _tells(cell: _Cell) -> int:
    return int(cell.outcome is not Outcome.ERROR)


def report_paths(folder: Path) -> list[Path]:
    """The reports in a folder: its own and those of its subfolders, the folder's own last, so that it counts."""
    own = folder / "compatibility.json"
    return [*sorted(folder.glob("*/compatibility.json")), *([own] if own.is_file() else [])]


def _report(path: Path) -> _Report:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(str(path), ["no such file"], REMEDY) from None
    except (OSError, ValueError) as error:
        raise InputError(str(path), [f"cannot be read: {error}"], REMEDY) from None
    if not isinstance(data, dict) or "matrix" not in data or data.get("schema") != REPORT_SCHEMA:
        raise InputError(str(path), [f"not a report of schema {REPORT_SCHEMA}"], REMEDY)
    return structured(data, _Report, str(path), strict=False, remedy=REMEDY)


def _source(report: _Report) -> dict[str, Any]:
    return {
        "matrix": report.matrix,
        "policy": report.policy,
        "platform": ", ".join(sorted({machine.platform for machine in report.platform})),
        "model": report.scenario.model,
        "generated": report.generated.date().isoformat(),
    }


def _row(cell: _Cell, source: int, lock: Lock | None) -> dict[str, Any]:
    """A cell, with what is as usual left out."""
    beside = lock.versions if lock else cell.imported
    found = cell.started or cell.resolved
    repeated = cell.attempts > 1
    row = {
        "source": source,
        "python": cell.python,
        "versions": cell.versions,
        "outcome": cell.outcome,
        "signature": cell.signature,
        "fingerprint": None if cell.signature else cell.fingerprint,
        "stage": cell.stage,
        "lock": cell.lock,
        "measured": found.date().isoformat() if found else None,
        "attempts": cell.attempts if repeated else None,
        "agreeing": cell.agreeing if repeated else None,
        "caveat": cell.caveat,
        "workaround": cell.workaround,
        "beside": {name: beside[name] for name in COMPANIONS if name in beside and name not in cell.versions},
    }
    return {name: value for name, value in row.items() if value not in (None, {})}


def _lock(path: Path, digest: str) -> Lock:
    """The lock in a file of reports/locks. Raises InputError where it is not the one the report names."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(str(path), [f"cannot be read: {error.strerror or error}"], REMEDY) from None
    try:
        lock = lock_of_text(text)
    except ValueError as error:
        raise InputError(str(path), [f"not a lock file: {error}"], REMEDY) from None
    if lock.digest != digest:
        raise InputError(str(path), [f"holds the lock {lock.digest}, the report names {digest}"], REMEDY)
    return lock


def _written(
    sources: Sequence[Any],
    released: Mapping[str, str],
    rows: Iterable[Mapping[str, Any]],
    locks: Mapping[str, Lock],
    scattered: Iterable[Mapping[str, Any]],
    grids: Iterable[InferredGrid],
) -> str:
    """One line a cell, a lock and a distribution: a change of the table reads well in a diff."""
    parts = {
        (item.name, item.version, item.hashes): None for digest in sorted(locks) for item in locks[digest].distributions
    }
    places = {part: place for place, part in enumerate(sorted(parts))}
    lock_rows = {
        digest: {
            "python": lock.python,
            "platform": lock.platform,
            "items": [places[item.name, item.version, item.hashes] for item in lock.distributions],
        }
        for digest, lock in sorted(locks.items())
    }
    sections = [
        f'"kind": {json.dumps(KIND)}',
        f'"schema": {SCHEMA}',
        f'"compatcheck": {json.dumps(__version__)}',
        _list("sources", sources),
        _mapping("released", dict(sorted(released.items()))),
        _list("cells", rows),
        _list("scattered", scattered),
        _list("inferred", map(_grid_row, grids)),
        _list("distributions", [list(part) for part in sorted(parts)]),
        _mapping("locks", lock_rows),
    ]
    return "{\n" + ",\n".join(sections) + "\n}\n"


def _grid_row(grid: InferredGrid) -> dict[str, Any]:
    kinds = [{name: value for name, value in asdict(kind).items() if value is not None} for kind in grid.kinds]
    return {**asdict(grid), "generated": grid.generated.isoformat(), "kinds": kinds}


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _list(name: str, values: Iterable[Any]) -> str:
    return f'"{name}": [\n' + ",\n".join(_compact(value) for value in values) + "\n]"


def _mapping(name: str, values: Mapping[str, Any]) -> str:
    return f'"{name}": {{\n' + ",\n".join(f"{_compact(key)}:{_compact(value)}" for key, value in values.items()) + "\n}"
