"""Whether the cycles of a matrix fit into this machine's memory, asked before they are run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .domain import Limits, Scenario
from .errors import MemoryShort
from .forecast import Forecast, advice, at_a_time, forecast, lacking, span
from .matrix import Matrix
from .memory_evidence import room_mib
from .scenario.material import material
from .scenario.model_shape import ModelShape, shape_of


@dataclass(frozen=True)
class Demand:
    """What one scenario takes of the memory."""

    scenario: Scenario
    shape: ModelShape
    """Of its model."""
    forecast: Forecast


def demand_of(scenario: Scenario, model: Path) -> Demand:
    """What a scenario takes with the model in a folder."""
    shape = shape_of(model)
    return Demand(scenario, shape, forecast(scenario, shape))


def most_demanding(matrix: Matrix, cache: Path) -> Demand:
    """Of the scenarios of the matrix, the one that takes the most. Raises as `material` does."""
    scenarios = [matrix.of_variant(variant).scenario for variant in matrix.variants]
    demands = [demand_of(scenario, material(scenario, cache).model) for scenario in scenarios]
    return max(demands, key=lambda each: each.forecast.peak.most)


def require_room(demand: Demand, limits: Limits) -> None:
    """Raises MemoryShort, with what would fit, where the cycle would not fit into what is free, or into its limit."""
    room = room_mib()
    if reason := lacking(demand.forecast, room, limits.memory_mib):
        told = advice(demand.scenario, demand.shape, min(room, limits.memory_mib))
        raise MemoryShort(
            f"{demand.scenario.model} was not run: {reason}",
            f"{told} Or raise the limit: --memory-mib, or limits.memory_mib in the matrix. Or run it anyway: --force.",
        )


def memory_line(found: Forecast, room: float) -> str:
    """What a plan says of memory."""
    count, peak = at_a_time(found, room), found.peak
    fit = f"{count} at a time {'fit' if count > 1 else 'fits'}" if count else "it does not fit"
    where = f"in {peak.stage}: {peak.what}"
    return f"{span(peak.least, peak.most)} a cell ({where}); {room / 1024:.1f} GiB are free, {fit}"
