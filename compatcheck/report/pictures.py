"""The pictures of a report: plain SVG that follows the reader's light or dark scheme."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from .context import Context
from .date_chart import date_chart, dates_known
from .heat_map import CHINESE, looks_of, one_torch, overview, panel_name
from .pieces import Pieces
from .stage_charts import memory_chart, stages_known, time_chart

OVERVIEW, OVERVIEW_CHINESE = "heatmap.svg", "heatmap.zh-CN.svg"
MEMORY, TIME, DATES = "memory.svg", "time.svg", "dates.svg"


def panel_file(python: str, torch: str) -> str:
    """The name of the large heat map of one Python and one torch."""
    return f"heatmap-{panel_name(python, torch)}.svg"


def drawings(context: Context) -> dict[str, Callable[[], Pieces]]:
    """File name to what draws it, for every picture that the context has something for."""
    shown, looks = context.panels, looks_of(context)
    found: dict[str, Callable[[], Pieces]] = {}
    if shown:
        found |= {
            OVERVIEW: partial(overview, context, looks),
            OVERVIEW_CHINESE: partial(overview, context, looks, CHINESE),
        }
    for panel in shown:
        found[panel_file(panel.python, panel.torch)] = partial(one_torch, context, panel, looks)
    if stages_known(context):
        found |= {MEMORY: partial(memory_chart, context), TIME: partial(time_chart, context)}
    if dates_known(context):
        found[DATES] = partial(date_chart, context)
    return found


def picture_files(context: Context) -> Iterator[tuple[str, Pieces]]:
    """File name and SVG."""
    return ((name, draw()) for name, draw in drawings(context).items())
