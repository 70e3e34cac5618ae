"""The pictures of a report: plain SVG that follows the reader's light or dark scheme."""

from __future__ import annotations

from .context import Context
from .date_chart import date_chart
from .heat_map import one_torch, overview, panels
from .stage_charts import memory_chart, time_chart

OVERVIEW = "heatmap.svg"


def picture_files(context: Context) -> dict[str, str]:
    """File name to SVG of every picture that the context has something for."""
    shown = panels(context)
    found: dict[str, str | None] = {OVERVIEW: overview(context) if shown else None}
    for panel in shown:
        found[f"heatmap-{panel.name}.svg"] = one_torch(context, panel)
    found["memory.svg"] = memory_chart(context)
    found["time.svg"] = time_chart(context)
    found["dates.svg"] = date_chart(context)
    return {name: text for name, text in found.items() if text is not None}
