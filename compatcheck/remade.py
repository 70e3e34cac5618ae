"""What a report knows, made into a store again: where the store that it was written from is gone, or somewhere else.

A report of another scenario, probe or policy than its matrix has today is refused: nothing is mixed that cannot be
compared.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .domain import Digest, Scenario, without_later
from .errors import InputError
from .matrix import Matrix
from .parse import structured, unstructured
from .probe import PROBE_VERSION
from .report.retold import RetoldReport, load_retold, load_summary
from .scenario.material import material
from .store import Store

OF_THE_RUNS = ("material", "probe")
"""What stands with a report's scenario and is none of its settings."""


@dataclass(frozen=True)
class Taken:
    """What came of taking a report into a store."""

    runs: int
    """That the report knows."""
    new: int
    """Of these, those that the store did not."""


def take_report(report: Path, matrix: Matrix, cache: Path, store: Store) -> Taken:
    """Take what the report at `report` knows into `store`, which is joined with it as with another machine's store.

    Raises InputError where the report is damaged, or is not one of this matrix.
    """
    retold = load_retold(report)
    check(retold, matrix, cache)
    with tempfile.TemporaryDirectory(prefix="compatcheck-") as folder:
        path = Path(folder) / "report.sqlite3"
        with Store(path) as made:
            fill(made, retold, matrix)
        return Taken(retold.runs, store.merge(path))


def offered(report: Path, matrix: Matrix) -> int:
    """How many cells of `matrix` a report tells a finding of; 0 where there is none, or one of another scenario."""
    try:
        summary = load_summary(report)
        same = _scenario(summary.scenario, str(report)).digest == matrix.scenario.digest
    except InputError:
        return 0
    return summary.found if same and summary.matrix == matrix.name else 0


def _scenario(told: Mapping[str, Any], source: str) -> Scenario:
    """Raises InputError."""
    own = {name: value for name, value in told.items() if name not in OF_THE_RUNS}
    try:
        return structured(own, Scenario, source)
    except InputError as error:
        raise InputError(source, [f"scenario.{each}" for each in error.problems], error.remedy) from None


def check(retold: RetoldReport, matrix: Matrix, cache: Path) -> None:
    """Raises InputError where the report tells of other runs than the matrix asks for today."""
    problems = [
        f"{name}: {told}, and {wanted} in the matrix {matrix.name}"
        for name, told, wanted in (
            ("policy", str(retold.policy), str(matrix.policy)),
            ("extras", ", ".join(sorted(retold.extras)) or "none", ", ".join(sorted(matrix.extras)) or "none"),
        )
        if told != wanted
    ]
    scenario = _scenario(retold.scenario, retold.source)
    if scenario.digest != matrix.scenario.digest:
        one, other = (without_later(unstructured(each)) for each in (scenario, matrix.scenario))
        problems += [
            f"scenario.{name}: {one.get(name)}, and {other.get(name)} in the matrix {matrix.name}"
            for name in dict.fromkeys((*one, *other))
            if one.get(name) != other.get(name)
        ]
    elif (here := material(matrix.scenario, cache).digest) != retold.scenario.get("material"):
        problems.append(f"scenario.material: {retold.scenario.get('material')}, and here model and texts are {here}")
    if (probe := retold.scenario.get("probe")) != PROBE_VERSION:
        problems.append(f"scenario.probe: {probe}, and the runs of this compatcheck are those of probe {PROBE_VERSION}")
    if problems:
        raise InputError(
            retold.source, problems,
            "A report is taken in beside runs that can be compared with its own: name its matrix file with --matrix, "
            "or run the matrix.",
        )  # fmt: skip


def fill(store: Store, retold: RetoldReport, matrix: Matrix) -> None:
    """Save all of the report in an empty store."""
    settings, scenario = matrix.resolution_digest, Digest(retold.scenario["material"])
    store.save_expansion(matrix.digest, retold.expansion, retold.generated)
    store.save_choices(matrix.digest, retold.choices, retold.generated)
    for evidence in retold.evidence:
        store.save_lock(evidence)
    for experiment in retold.experiments:
        store.save_experiment(experiment, settings, scenario, PROBE_VERSION, retold.platform)
    for each in retold.cells:
        lock = each.resolution.lock
        platform = lock.platform if lock is not None else retold.platform
        store.save_resolution(each.cell, settings, platform, each.resolution)
        if lock is not None and each.observation is not None:
            store.save_observation(lock, scenario, each.observation)
