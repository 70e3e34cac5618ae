"""Memory and time over the stages of the cycle: for each torch the middle of its passing cells, and their spread."""

from __future__ import annotations

from collections.abc import Callable

from ..domain import PROBE_STAGES, Outcome, StageRecord
from .charts import Chart, Dot, Line, Scale, decade_ticks, linear_ticks, quantile
from .context import Context
from .drawing import Label, text_width
from .pieces import Pieces

LEFT, RIGHT, TOP, HEIGHT = 92.0, 24.0, 104.0, 260.0
STEP = 26.0
"""Between two series at one stage."""
COLOURS = 6

Values = dict[str, list[tuple[str, list[float]]]]
"""Torch to its stages, each with the ascending values of the passing cells."""


def stages_known(context: Context) -> bool:
    """Whether a run that passes was observed, so that there is something to draw."""
    return bool(_values(context, lambda record: record.seconds)) and bool(
        _values(context, lambda record: record.peak_rss_mib)
    )


def memory_chart(context: Context) -> Pieces:
    """Highest resident memory within each stage."""
    values = _values(context, lambda record: record.peak_rss_mib)
    ticks = linear_ticks([number for stages in values.values() for _, numbers in stages for number in numbers])
    return _chart(values, ticks, False, "Memory over the stages", "MiB", lambda tick: f"{tick:g}").svg()


def time_chart(context: Context) -> Pieces:
    """Wall clock of each stage, on a logarithmic axis."""
    values = _values(context, lambda record: record.seconds)
    ticks = decade_ticks(number for stages in values.values() for _, numbers in stages for number in numbers)
    return _chart(values, ticks, True, "Time over the stages", "seconds", lambda tick: f"{tick:g}").svg()


def _values(context: Context, measure: Callable[[StageRecord], float | None]) -> Values:
    found: dict[str, dict[str, list[float]]] = {torch: {} for torch in context.versions("torch")}
    for entry in context.known:
        if entry.outcome is Outcome.PASS and entry.result.observation is not None:
            for record in entry.result.observation.stages:
                if (value := measure(record)) is not None:
                    found[entry.cell.versions["torch"]].setdefault(str(record.stage), []).append(value)
    return {
        torch: [(str(stage), sorted(stages[str(stage)])) for stage in PROBE_STAGES if str(stage) in stages]
        for torch, stages in found.items()
        if stages
    }


def _chart(
    values: Values,
    ticks: tuple[float, ...],
    logarithmic: bool,
    title: str,
    unit: str,
    said: Callable[[float], str],
) -> Chart:
    stages = [str(stage) for stage in PROBE_STAGES]
    room = max(STEP * len(values) + 22, 76)
    right, bottom = LEFT + room * len(stages), TOP + HEIGHT
    scale = Scale(ticks, bottom, TOP, logarithmic)
    lines = [Line(((LEFT, scale.place(tick)), (right, scale.place(tick))), "line") for tick in ticks]
    labels = [Label(said(tick), LEFT - 10, scale.place(tick) + 4, "soft end") for tick in ticks]
    labels.append(Label(unit, LEFT - 10, TOP - 16, "soft small end"))
    dots: list[Dot] = []
    for number, stage in enumerate(stages):
        if number:
            lines.append(Line(((LEFT + number * room, TOP), (LEFT + number * room, bottom)), "line"))
        labels.append(Label(stage, LEFT + (number + 0.5) * room, bottom + 22, "middle"))
    keys, x = [], LEFT
    for series, (torch, measured) in enumerate(values.items()):
        style, shape = f"series{series % COLOURS}", series % 3
        key = f"torch {torch} ({len(measured[0][1])} cells)"
        dots.append(Dot(x + 5, 57, style, shape))
        keys.append(Label(key, x + 16, 61))
        x += 16 + text_width(key) + 18
        path = []
        for stage, numbers in measured:
            across = LEFT + (stages.index(stage) + 0.5) * room + (series - (len(values) - 1) / 2) * STEP
            at = {share: scale.place(quantile(numbers, share)) for share in (0, 0.25, 0.5, 0.75, 1)}
            lines.append(Line(((across, at[0]), (across, at[1])), f"thin {style}"))
            lines.append(Line(((across, at[0.25]), (across, at[0.75])), f"thick {style}"))
            dots.append(Dot(across, at[0.5], style, shape))
            path.append((across, at[0.5]))
        if not logarithmic:
            lines.append(Line(tuple(path), f"path {style}"))
    note = "" if logarithmic or ticks[0] == 0 else f" The axis begins at {said(ticks[0])}."
    legend = f"Mark: median of the cells that work. Thick: their middle half. Thin: least to most.{note}"
    labels.append(Label(legend, LEFT, bottom + 50, "soft small"))
    description = f"{title} in {unit}, for each torch, over the cells that work. " + " ".join(
        f"torch {torch}: " + ", ".join(f"{stage} {quantile(numbers, 0.5):.3g}" for stage, numbers in measured) + "."
        for torch, measured in values.items()
    )
    width = max(right, x, LEFT + 640) + RIGHT
    return Chart(title, description, width, bottom + 68, (*labels, *keys), tuple(lines), (), tuple(dots))
