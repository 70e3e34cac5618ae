"""Progress: what a person sees while cells run."""

from __future__ import annotations

import io

from compatcheck.domain import Cell, CellResult, Resolution
from compatcheck.progress import DetailedProgress, LiveProgress, PlainProgress, Progress, chosen_progress

CELLS = [Cell("3.11", {"torch": "2", "transformers": "4", "peft": str(number)}) for number in range(5)]


def play(progress: Progress) -> None:
    progress.resolving(5)
    for cell in CELLS:
        progress.resolved(cell)
    progress.running(5, 3)
    for cell in CELLS:
        progress.preparing(cell, 0)
        progress.heard(cell, 0, "stage-began", {"stage": "train"})
        stage = {"stage": "train", "status": "failed", "seconds": 1.0, "peak_rss_mib": 5.0}
        progress.heard(cell, 0, "stage-ended", {**stage, "chain": [{"type": "KeyError", "message": "x"}]})
        progress.heard(cell, 0, "mode", {"mode": "cached", "status": "ok"})
        progress.heard(cell, 0, "check", {"name": "loss-fell", "passed": False, "detail": "from 1 to 2"})
        progress.finished(CellResult(cell, Resolution(None, "conflict")), 0)
    progress.done()


def test_plain_lines_for_logs() -> None:
    out = io.StringIO()
    play(PlainProgress(out))
    lines = out.getvalue().splitlines()
    assert "running 5 cells; 3 are known already" in lines
    assert lines[-1] == "done: 5 unresolvable"
    assert any(line.startswith(f"[3/5] {CELLS[2].id} unresolvable in resolve") and "left" in line for line in lines)
    assert "\x1b" not in out.getvalue()


def test_every_event_for_a_person_who_watches_one_cell() -> None:
    out = io.StringIO()
    play(DetailedProgress(out))
    for wanted in (
        "train",
        "failed",
        "KeyError: x",
        "generate, cached: ok",
        "check loss-fell: DOES NOT HOLD from 1 to 2",
    ):
        assert wanted in out.getvalue()


def test_the_live_display_survives_a_whole_run() -> None:
    live = LiveProgress()
    play(live)
    assert live.count == 5 and live.tally == "5 unresolvable"


def test_a_log_gets_plain_lines() -> None:
    assert type(chosen_progress(io.StringIO())) is PlainProgress
