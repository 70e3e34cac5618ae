"""What came of trying claims again: claims.md."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from ..claims import End, Seen, Trial, cells_of
from .context import Context
from .markup import escaped, markdown_table


def claims_text(context: Context, trials: Sequence[Trial], of: int, seed: int, day: date) -> str:
    holding = sum(trial.holds for trial in trials)
    runs = len(cells_of([trial.claim for trial in trials]))
    rows = [
        [
            "holds" if trial.holds else "**does not hold**",
            escaped(trial.claim.says),
            f"`{trial.good.cell}`: {_shown(trial.good)}",
            f"`{trial.bad.cell}`: {_shown(trial.bad)}",
        ]
        for trial in trials
    ]
    machines = "; ".join(f"{each.system}, {each.cpu}, {each.cores} cores" for each in context.machines)
    return "\n\n".join(
        [
            "# Claims tried again",
            f"**{holding} of {len(trials)} claims hold.** Drawn by chance (seed {seed}) on {day} from the {of} pairs "
            f"of cells that the blame in [compatibility.md](compatibility.md) rests on; {runs} cells ran once more, "
            f"with real packages and the same locks. Machine: {machines}.",
            markdown_table(["", "claim", "works", "does not"], rows),
        ]
    ) + "\n"  # fmt: skip


def _shown(end: End) -> str:
    return _words(end.seen) if end.holds else f"{_words(end.seen)} instead of {_words(end.claimed)}"


def _words(seen: Seen) -> str:
    outcome, failure = seen
    return escaped(f"{outcome} ({failure})" if failure else str(outcome))
