"""Progress as an object: the pipeline tells it what happens; the command line chooses how it is shown."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TextIO

from .domain import Cell, CellResult, Outcome, inert
from .protocol import Heard

if TYPE_CHECKING:
    from rich.console import Group


class Progress:
    """Shows nothing. The base of the others."""

    def resolving(self, total: int) -> None:
        """`total` cells are to be resolved."""

    def resolved(self, cell: Cell) -> None: ...

    def running(self, total: int, known: int) -> None:
        """`total` cells are to be run; `known` more are known already."""

    def preparing(self, cell: Cell, worker: int) -> None:
        """The worker makes the cell's environment."""

    def heard(self, cell: Cell, worker: int, event: str, fields: Mapping[str, Any]) -> None:
        """The cell's probe told an event (see probe.py)."""

    def finished(self, result: CellResult, worker: int, scenario: str = "") -> None:
        """A cell is done; `scenario` says which of several, where it is asked several."""

    def waiting(self, cells: int, seconds: float) -> None:
        """The index was away for these; they are tried again after a while."""

    def explored(self, words: str) -> None:
        """How far an exploration is, in a line."""

    def done(self) -> None: ...


class _Counting(Progress):
    """Counts, for those that show."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.total = self.known = self.count = 0
        self.to_resolve = self.resolved_count = 0
        self.outcomes: Counter[Outcome] = Counter()
        self.began = time.monotonic()

    def resolving(self, total: int) -> None:
        self.to_resolve, self.resolved_count = total, 0

    def running(self, total: int, known: int) -> None:
        self.total, self.known, self.count = total, known, 0
        self.began = time.monotonic()

    def finished(self, result: CellResult, worker: int, scenario: str = "") -> None:
        with self.lock:
            self.count += 1
            self.outcomes[result.outcome] += 1

    def waiting(self, cells: int, seconds: float) -> None:
        with self.lock:
            self.outcomes[Outcome.ERROR] = max(0, self.outcomes[Outcome.ERROR] - cells)
            self.outcomes += Counter()  # without those of which there are none

    @property
    def tally(self) -> str:
        return ", ".join(f"{count} {outcome}" for outcome, count in self.outcomes.most_common()) or "none yet"

    @property
    def left(self) -> str:
        if self.count < 3:
            return ""
        seconds = (time.monotonic() - self.began) / self.count * (self.total - self.count)
        return f"about {seconds / 60:.0f} min left" if seconds >= 90 else f"about {seconds:.0f} s left"


class PlainProgress(_Counting):
    """One line a cell, for logs and CI."""

    def __init__(self, out: TextIO = sys.stderr) -> None:
        super().__init__()
        self.out = out

    def _say(self, line: str) -> None:
        print(inert(line), file=self.out, flush=True)

    def resolving(self, total: int) -> None:
        super().resolving(total)
        if total:
            self._say(f"resolving {total} cells")

    def resolved(self, cell: Cell) -> None:
        with self.lock:
            self.resolved_count += 1
            if self.resolved_count % 50 == 0 or self.resolved_count == self.to_resolve:
                self._say(f"resolved {self.resolved_count}/{self.to_resolve}")

    def running(self, total: int, known: int) -> None:
        super().running(total, known)
        self._say(f"running {total} cells; {known} are known already")

    def finished(self, result: CellResult, worker: int, scenario: str = "") -> None:
        super().finished(result, worker, scenario)
        where = f" in {result.stage}" if result.stage else ""
        seconds = f" {result.observation.seconds:.1f} s" if result.observation else ""
        name = f"{result.cell.id} {scenario}".rstrip()
        self._say(f"[{self.count}/{self.total}] {name} {result.outcome}{where}{seconds} {self.left}".rstrip())
        if result.trouble:
            self._say(f"    {result.trouble}")

    def waiting(self, cells: int, seconds: float) -> None:
        super().waiting(cells, seconds)
        self._say(f"the index was away for {cells} cells; trying again in {seconds:.0f} s")

    def explored(self, words: str) -> None:
        self._say(words)

    def done(self) -> None:
        if self.total:
            self._say(f"done: {self.tally}")


class LiveProgress(_Counting):
    """A live display on a terminal: a bar, the outcomes so far, what each worker does, the time left."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console
        from rich.live import Live
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        self.bars = Bars(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
        )  # fmt: skip
        self.task = self.bars.add_task("resolving", total=None, left="")
        self.workers: dict[int, str] = {}
        self.live = Live(console=Console(stderr=True), get_renderable=self._shown, refresh_per_second=8)
        self.live.start()

    def _shown(self) -> Group:
        from rich.console import Group
        from rich.text import Text

        with self.lock:
            lines = [Text(f"  slot {number}: {what}", style="dim") for number, what in sorted(self.workers.items())]
            return Group(self.bars, Text(f"  so far: {self.tally}"), *lines)

    def resolving(self, total: int) -> None:
        super().resolving(total)
        self.bars.update(self.task, description="resolving", total=total, completed=0)

    def resolved(self, cell: Cell) -> None:
        self.bars.advance(self.task)

    def running(self, total: int, known: int) -> None:
        super().running(total, known)
        self.bars.reset(self.task, description=f"cells ({known} known)", total=total, left="")

    def preparing(self, cell: Cell, worker: int) -> None:
        with self.lock:
            self.workers[worker] = f"{cell.id}: environment"

    def heard(self, cell: Cell, worker: int, event: str, fields: Mapping[str, Any]) -> None:
        if event == "stage-began":
            with self.lock:
                self.workers[worker] = f"{cell.id}: {fields['stage']}"

    def finished(self, result: CellResult, worker: int, scenario: str = "") -> None:
        super().finished(result, worker, scenario)
        self.bars.update(self.task, advance=1, left=self.left)
        if result.trouble:
            self.live.console.print(f"{result.cell.id}: {result.trouble}", style="red", markup=False)

    def waiting(self, cells: int, seconds: float) -> None:
        super().waiting(cells, seconds)
        self.live.console.print(f"the index was away for {cells} cells; trying again in {seconds:.0f} s")

    def done(self) -> None:
        self.workers.clear()
        self.live.stop()


class DetailedProgress(PlainProgress):
    """Every event of the probe as it happens, for a person who watches one cell."""

    def preparing(self, cell: Cell, worker: int) -> None:
        self._say(f"{cell.id}\n  making the environment")

    def heard(self, cell: Cell, worker: int, event: str, fields: Mapping[str, Any]) -> None:
        for line in event_lines(event, fields):
            self._say(line)


def event_lines(event: str, fields: Mapping[str, Any]) -> Iterator[str]:
    """What an event of the probe says to a person."""
    if event == "stage-ended":
        yield (
            f"  {fields['stage']:<9} {fields['status']:<7} {fields['seconds']:7.2f} s  "
            f"{fields['peak_rss_mib'] or 0:8.0f} MiB"
        )
        for raised in fields["chain"][-1:]:
            yield f"    {raised['type']}: {raised['message'].strip()[:400]}"
    elif event == "mode":
        yield f"    generate, {fields['mode']}: {fields['status']}"
    elif event == "check":
        verdict = "holds" if fields["passed"] else "DOES NOT HOLD"
        yield f"    check {fields['name']}: {verdict} {fields['detail']}".rstrip()
    elif event == "expected":
        yield f"  memory    expected: {fields['memory']}"


def probe_lines(out: TextIO | None = None) -> Heard:
    """Writes the events of one probe as they happen; None: to standard error."""

    def heard(event: str, fields: Mapping[str, Any]) -> None:
        for line in event_lines(event, fields):
            print(line, file=out or sys.stderr, flush=True)

    return heard


def chosen_progress(out: TextIO = sys.stderr) -> Progress:
    """Live on a terminal that can move its cursor, plain lines elsewhere."""
    able = out.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown", "")
    return LiveProgress() if able else PlainProgress(out)
