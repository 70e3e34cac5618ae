"""The page at the size of the full table, in Chromium: bytes, first paint, and the time a filter takes.

    nox -s page_scale [-- FILE]

The cells are made up (20 torch x 46 transformers x 17 peft, with borders, lone bad releases, 2 % failures by chance,
stages, times and messages like real ones); the page, its template and its script are the real ones.
Everything is told beside the same page with 384 cells, from one run.
"""

from __future__ import annotations

import random
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from tabulate import tabulate

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
import made_up

from compatcheck.domain import Raised, Stage
from compatcheck.report.context import Context
from compatcheck.report.page import html_text

SIZES = {"384 cells": (3, 16, 8), "15,640 cells": (20, 46, 17)}
REPEATS = 5
FILTER = """
(word) => {
  const box = document.getElementById("search");
  const start = performance.now();
  box.value = word;
  box.dispatchEvent(new Event("input"));
  document.body.getBoundingClientRect();
  return performance.now() - start;
}
"""
PAINTED = "performance.getEntriesByName('first-contentful-paint').length > 0"
PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


def fault(torch: float, transformers: float, peft: float) -> str:
    """What fails at a place of the grid, each axis from 0 to 1: pieces with straight borders, as in the real table."""
    if 0.25 < transformers < 0.3:
        return "of_one_bad_release"
    if transformers > 0.4 and peft < 0.5:
        return "cache" if transformers < 0.8 else "cache_position"
    if transformers < 0.2 and peft > 0.6:
        return "encoder_decoder_cache"
    return "too_old_torch" if torch < 0.2 and transformers > 0.7 else ""


def table(torches: int, transformers: int, pefts: int) -> Context:
    """A table of that size whose cells differ in times, memory, stage and message."""
    rng = random.Random(7)
    results = []
    for torch in range(torches):
        for release in range(transformers):
            for peft in range(pefts):
                cell = made_up.cell(f"2.{torch}.0", f"4.{release}.1", f"0.{peft}.2")
                keyword = fault(torch / torches, release / transformers, peft / pefts)
                if rng.random() < 0.02:
                    keyword = f"chance_{rng.randrange(9)}"
                raised = Raised("TypeError", "builtins", f"got an unexpected keyword {keyword}") if keyword else None
                stage = list(Stage)[2 + len(keyword) % 6]
                seen = made_up.observation(raised, stage, minute=rng.randrange(10_000))
                stages = tuple(
                    replace(each, seconds=rng.random() * 4, peak_rss_mib=rng.uniform(300, 900)) for each in seen.stages
                )
                results.append(made_up.result(cell, replace(seen, stages=stages, seconds=rng.uniform(3, 9))))
    return made_up.context(results)


def measured(browser: Browser, path: Path) -> tuple[float, float]:
    """First contentful paint and the slowest filter, in milliseconds: the median of some loads."""
    paints, filters = [], []
    for _ in range(REPEATS):
        page = browser.new_page()
        page.goto(path.as_uri())
        page.wait_for_function("document.querySelectorAll('td a').length > 0")
        page.wait_for_function(PAINTED)
        paints.append(page.evaluate(PAINT))
        filters.append(max(page.evaluate(FILTER, word) for word in ("peft 0.12", "keyword", "fail", "")))
        page.close()
    return statistics.median(paints), statistics.median(filters)


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, size in SIZES.items():
            context = table(*size)
            started = time.perf_counter()
            text = html_text(context)
            seconds = time.perf_counter() - started
            path = Path(folder) / f"{len(rows)}.html"
            path.write_text(text, encoding="utf-8")
            rows.append([name, path.stat().st_size / 1e6, *measured(browser, path), seconds])
        browser.close()
    ratio = [large / small for small, large in zip(rows[0][1:], rows[1][1:], strict=True)]
    headers = ["page", "MB", "first paint ms", "filter ms", "written in s"]
    text = tabulate([*rows, ["ratio", *ratio]], headers=headers, floatfmt=".2f", tablefmt="github")
    print(text)
    if len(sys.argv) > 1:
        told = f"Written by `nox -s page_scale` on {date.today()}: Chromium, median of {REPEATS} loads."
        Path(sys.argv[1]).write_text(f"# The page at full size\n\n{told}\n\n{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
