"""Whether the cycles of a matrix fit into this machine's memory, asked before they are run."""

from __future__ import annotations

from pathlib import Path

from .domain import Limits, Scenario
from .errors import MemoryShort
from .forecast import Forecast, advice, at_a_time, forecast, lacking, span
from .matrix import Matrix
from .memory_evidence import room_mib
from .scenario.material import material
from .scenario.model_shape import shape_of


def most_demanding(matrix: Matrix, cache: Path) -> tuple[Scenario, Forecast]:
    """The scenario of the matrix that takes the most, and what it takes. Raises as `material` does."""
    scenarios = [matrix.of_variant(variant).scenario for variant in matrix.variants]
    told = [(each, forecast(each, shape_of(material(each, cache).model))) for each in scenarios]
    return max(told, key=lambda each: each[1].peak.most)


def require_matrix_room(matrix: Matrix, cache: Path) -> None:
    """Raises MemoryShort, with the numbers and what would fit, where one cell alone would not."""
    scenario, found = most_demanding(matrix, cache)
    require_room(scenario, material(scenario, cache).model, found, matrix.limits)


def require_room(scenario: Scenario, model: Path, found: Forecast, limits: Limits) -> None:
    """Raises MemoryShort where the cycle would not fit into what is free, or not into its limit."""
    room = room_mib()
    if reason := lacking(found, room, limits.memory_mib):
        told = advice(scenario, shape_of(model), min(room, limits.memory_mib))
        raise MemoryShort(
            f"{scenario.model} was not run: {reason}",
            f"{told} Or raise the limit: --memory-mib, or limits.memory_mib in the matrix. Or run it anyway: --force.",
        )


def memory_line(found: Forecast, room: float) -> str:
    """What a plan says of memory."""
    count, peak = at_a_time(found, room), found.peak
    fit = f"{count} at a time {'fit' if count > 1 else 'fits'}" if count else "it does not fit"
    where = f"in {peak.stage}: {peak.what}"
    return f"{span(peak.least, peak.most)} a cell ({where}); {room / 1024:.1f} GiB are free, {fit}"
