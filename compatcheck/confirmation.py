"""Screen tiny, confirm full: which cells a matrix runs again with a larger model, and how. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .domain import Limits, digest_of
from .matrix import Matrix

SHORT: Mapping[str, Any] = {
    "texts": 2,
    "batch_size": 2,
    "epochs": 2,
    "max_length": 12,
    "new_tokens": 3,
    "prompts": ("I want", "I want you to act as a patient teacher who explains how"),
    "threads": 1,
}
"""As few steps as the checks need: those of matrix/bloomz-560m.toml, so that what it has measured is known here too."""
LIMITS = Limits(stage_seconds=600, memory_mib=10240)
"""What the full shape may take at least."""
CELL_MIB = 6144
"""What a cell with the full shape takes at its peak: so many fit beside each other."""


def confirming(matrix: Matrix) -> Matrix:
    """The matrix whose cells are those of `matrix`, with the model that confirms."""
    limits = Limits(
        max(matrix.limits.stage_seconds, LIMITS.stage_seconds), max(matrix.limits.memory_mib, LIMITS.memory_mib)
    )
    scenario = replace(matrix.scenario, model=matrix.confirm_model, **SHORT)
    return replace(matrix, name=f"{matrix.name}-confirmed", confirm=0, scenario=scenario, limits=limits)


def sampled(strata: Mapping[str, str], count: int, seed: int) -> tuple[str, ...]:
    """`count` of the cells, the same for the same seed, in the order of `strata` (cell to what it shows).

    Each kind of finding gives one cell, the most frequent first, then each in proportion to its size (Sainte-Laguë).
    Within a kind chance decides, and a cell that joins the matrix does not change the order of the others.
    """
    waiting: dict[str, list[str]] = {}
    for cell, shown in strata.items():
        waiting.setdefault(shown, []).append(cell)
    sizes = {shown: len(cells) for shown, cells in waiting.items()}
    for cells in waiting.values():
        cells.sort(key=lambda cell: digest_of(f"{seed} {cell}"), reverse=True)
    chosen: set[str] = set()
    given = dict.fromkeys(waiting, 0)
    for _ in range(min(count, len(strata))):
        left = [shown for shown, cells in waiting.items() if cells]
        shown = max(left, key=lambda each: (given[each] == 0, sizes[each] / (2 * given[each] + 1), each))
        chosen.add(waiting[shown].pop())
        given[shown] += 1
    return tuple(cell for cell in strata if cell in chosen)
