"""Whether the cycles of a matrix fit into this machine's memory, asked before they are run."""

from __future__ import annotations

from pathlib import Path

from .domain import Limits, Scenario
from .errors import MemoryShort
from .forecast import Forecast, advice, at_a_time, forecast, lacking, span
from .matrix import Matrix
from .memory_evidence import room_mib
from .scenario.material import material
from .scenario.model_shape import ModelShape, shape_of


def most_demanding(matrix: Matrix, cache: Path) -> tuple[Scenario, ModelShape, Forecast]:
    """The scenario of the matrix that takes the most, its model, and what it takes. Raises as `material` does."""
    told = []
    for variant in matrix.variants:
        scenario = matrix.of_variant(variant).scenario
        shape = shape_of(material(scenario, cache).model)
        told.append((scenario, shape, forecast(scenario, shape)))
    return max(told, key=lambda each: each[2].peak.most)


def require_room(scenario: Scenario, shape: ModelShape, found: Forecast, limits: Limits) -> None:
    """Raises MemoryShort, with what would fit, where the cycle would not fit into what is free, or into its limit."""
    room = room_mib()
    if reason := lacking(found, room, limits.memory_mib):
        told = advice(scenario, shape, min(room, limits.memory_mib))
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
