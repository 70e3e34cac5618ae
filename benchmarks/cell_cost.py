"""What a cell costs: the bare cycle script, nox and tox sessions, cells through compatcheck, and many of them.

All in one run on one machine, so that the ratios mean something. Writes benchmarks/results.md.

Usage: python benchmarks/cell_cost.py [--repeat N] [--session-repeat N] [--cells 10,100,1000] [--output FILE]
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from typing import Any

from platformdirs import user_cache_path
from scaling import Scaled, scaled, stub_index
from tabulate import tabulate

from compatcheck.domain import Cell, CellResult, Isolation, Observation, Stage
from compatcheck.environment import Uv
from compatcheck.executor import slot_for
from compatcheck.machine import this_machine
from compatcheck.matrix import Matrix, load_matrix
from compatcheck.pipeline import Run
from compatcheck.progress import Progress
from compatcheck.runner import probe_environment
from compatcheck.scenario import TEXTS, TINY_BLOOM
from compatcheck.slot import Slot
from compatcheck.store import Store

HERE = Path(__file__).resolve().parent
CELL = {"torch": "2.6.0", "transformers": "4.51.3", "peft": "0.15.2"}
PEFTS = ("0.13.2", "0.14.0", "0.15.1", "0.15.2", "0.16.0", "0.17.1", "0.18.1", "0.19.1")
"""A batch that shares its layers; all of them pass."""
NOXFILE = """
import nox
nox.options.default_venv_backend = {backend!r}

@nox.session
def cell(session):
    session.install({requirements})
    session.run("python", {script!r}, {model!r}, {texts!r}, session.create_tmp(), env={environment!r})
"""
TOXFILE = """
[tox]
skipsdist = true
envlist = cell
[testenv]
deps =
    {requirements}
setenv =
    HF_HUB_OFFLINE = 1
    CUDA_VISIBLE_DEVICES =
pass_env = *
commands = python {script} {model} {texts} {{envtmpdir}}
"""


@dataclass(frozen=True)
class Row:
    name: str
    seconds: list[float]
    """Of one cell each."""
    peak_mib: float | None = None


@dataclass
class Clock(Progress):
    """When each cell began and ended."""

    began: dict[Cell, float] = field(default_factory=dict)
    took: dict[Cell, float] = field(default_factory=dict)

    def preparing(self, cell: Cell, worker: int) -> None:
        self.began[cell] = time.perf_counter()

    def finished(self, result: CellResult, worker: int) -> None:
        self.took[result.cell] = time.perf_counter() - self.began[result.cell]


# ---------------------------------------------------------------------- without compatcheck


def bare(slot: Slot, repeat: int, cold: bool = False) -> Row:
    """The plain script in the slot; `cold`: none of the environment's files in the page cache, no bytecode."""
    times, peaks = [], []
    for _ in range(repeat):
        if cold:
            make_cold(slot.environment)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            command = [str(slot.python), "-I", str(HERE / "bare_cycle.py"), str(TINY_BLOOM)]
            seconds, peak = measured(
                [*command, str(TEXTS["role-prompts"]), name],
                probe_environment(slot.python, folder, "benchmark"),
                folder,
            )
            times.append(seconds)
            peaks.append(peak)
    how = "files not in memory, no bytecode" if cold else "warm environment"
    return Row(f"bare cycle script, {how}", times, max(peaks))


def make_cold(environment: Path) -> None:
    for path in environment.rglob("*"):
        if path.suffix == ".pyc":
            path.unlink()
        elif path.is_file():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measured(command: list[str], environment: dict[str, str], folder: Path) -> tuple[float, float]:
    """Wall clock in seconds and peak resident memory in MiB of one process."""
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    complaint = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"the bare script failed:\n{complaint.decode()[-2000:]}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def timed(repeat: int, work: Callable[[], object]) -> list[float]:
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return times


def session(command: list[str], name: str, text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_text(text)
        done = subprocess.run([sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


def sessions(repeat: int) -> Iterable[Row]:
    pins = [f"{package}=={version}" for package, version in CELL.items()]
    places = {"script": str(HERE / "bare_cycle.py"), "model": str(TINY_BLOOM), "texts": str(TEXTS["role-prompts"])}
    for backend in ("uv", "virtualenv"):
        wanted = ", ".join(map(repr, pins))
        environment = {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
        text = NOXFILE.format(backend=backend, requirements=wanted, environment=environment, **places)
        work = timed(repeat, lambda text=text: session(["nox", "-f", "noxfile.py"], "noxfile.py", text))
        yield Row(f"plain nox session a cell ({'pip' if backend == 'virtualenv' else 'uv'}, wheels downloaded)", work)
    if importlib.util.find_spec("tox") is not None:
        text = TOXFILE.format(requirements="\n    ".join(pins), **places)
        yield Row("tox a cell (pip, wheels downloaded)", timed(repeat, lambda: session(["tox"], "tox.ini", text)))


# ---------------------------------------------------------------------- through compatcheck


@dataclass(frozen=True)
class Batch:
    """One run of a batch of cells that share their lower layers."""

    name: str
    cells: int
    seconds: float
    """Of the whole run, what is started for it and compared by it included."""
    took: list[float]
    """Each cell, from its worker's beginning to its record; where it was run again by itself, both."""
    compared: int
    observations: list[Observation]
    sync: float

    @property
    def forks(self) -> list[float]:
        """The cells that were forked and not run again, but the first: it shows the layers what to load."""
        forked = ["isolation" in each.facts for each in self.observations]
        return [took for took, alone in zip(self.took[1:], forked[1:], strict=True) if alone]


def batch(matrix: Matrix, cache: Path, isolation: Isolation, jobs: int, share: float) -> Batch:
    spent: list[float] = []
    prepare = Slot.prepare

    def clocked(slot: Slot, *arguments: Any) -> Path:
        began = time.perf_counter()
        try:
            return prepare(slot, *arguments)
        finally:
            spent.append(time.perf_counter() - began)

    with tempfile.TemporaryDirectory() as name, Store(Path(name) / "store.sqlite3") as store:
        clock = Clock()
        run = Run(matrix, store, cache, jobs, clock)
        run.isolation, run.audit_share = isolation, share
        cells = run.expand().cells
        run.resolve(cells, {})
        Slot.prepare = clocked  # type: ignore[method-assign]
        try:
            began = time.perf_counter()
            results = run.run(cells)
            seconds = time.perf_counter() - began
        finally:
            Slot.prepare = prepare  # type: ignore[method-assign]
        observations = [each.observation for each in results.values() if each.observation]
        assert len(observations) == len(cells) and all(each.outcome == "pass" for each in observations)
        compared = run.bench.audit.compared if run.bench else 0
        if run.bench and run.bench.forking:
            assert run.bench.audit.disagreements == [] and run.bench.forking.off == {}, run.bench.lines()
        told = f"compatcheck, {isolation}, {jobs} slot{'s' if jobs > 1 else ''}"
        took = [clock.took[cell] for cell in cells]
        return Batch(told, len(cells), seconds, took, compared, observations, sum(spent))


def shares(each: Batch) -> list[object]:
    """Where the time of a cell goes, on the average of the batch (seconds)."""
    count = each.cells
    stage = {name: sum(r.seconds for o in each.observations for r in o.stages if r.stage is name) for name in Stage}
    imports = stage[Stage.IMPORT] / count
    work = sum(stage.values()) / count - imports
    probes = sum(o.seconds for o in each.observations) / count
    taken = sum(each.took) / count
    return [each.name, each.sync / count, imports, work, probes - imports - work, taken - probes - each.sync / count]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--session-repeat", type=int, default=2, help="of nox and tox; 0: leave them out")
    parser.add_argument("--cells", default="10,100,1000", help="of stub packages; empty: leave them out")
    parser.add_argument("--cache", type=Path, default=user_cache_path("compatcheck"))
    parser.add_argument("--output", type=Path, default=HERE / "results.md")
    arguments = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    matrix = load_matrix(HERE.parent / "matrix" / "quick.toml")
    axes = {package: (version,) for package, version in CELL.items()}
    matrix = replace(matrix, axes={**axes, "peft": PEFTS})

    # everything downloaded, unpacked and compiled before the clock runs
    batch(matrix, arguments.cache, Isolation.PROCESS, 2, 0.0)
    with tempfile.TemporaryDirectory() as name, Store(Path(name) / "store.sqlite3") as store:
        run = Run(replace(matrix, axes=axes), store, arguments.cache)
        cell = run.expand().cells[0]
        resolved: list[float] = []
        for _ in range(3):
            resolved += timed(1, lambda: Uv(run.uv.url, run.uv.torch_backend).resolution(cell))
        lock = run.resolve([cell], {})[cell].lock  # type: ignore[union-attr]
        assert lock is not None
        with slot_for(cell, arguments.cache / "environments") as slot:
            slot.prepare(lock, run.uv)
            cold = bare(slot, max(2, arguments.repeat // 3), cold=True)
            bare(slot, 1)
            rows = [bare(slot, arguments.repeat), cold]
    batches = [
        batch(matrix, arguments.cache, isolation, jobs, share)
        for isolation, jobs, share in (
            (Isolation.PROCESS, 1, 0.0),
            (Isolation.FORK, 1, 0.0),
            (Isolation.FORK, 1, 0.05),
            (Isolation.PROCESS, 2, 0.0),
            (Isolation.FORK, 2, 0.05),
        )
    ]
    for each in batches[:2]:
        peak = max(observation.peak_rss_mib for observation in each.observations)
        if "fork" in each.name:
            rows.append(Row(f"{each.name}: a cell whose layers are there", each.forks, peak))
        else:
            rows.append(Row(f"{each.name}: a warm cell", each.took, peak))
    rows += list(sessions(arguments.session_repeat)) if arguments.session_repeat else []
    sizes = [int(each) for each in arguments.cells.split(",") if each]
    with stub_index() as index:
        many = [scaled(size, index) for size in sizes]
        many += [scaled(min(sizes[-1], 100), index, workers=count) for count in (1, 2, 4)] if sizes else []
    arguments.output.write_text(text_of(rows, batches, median(resolved), many))
    print(arguments.output.read_text())


def text_of(rows: list[Row], batches: list[Batch], resolving: float, many: list[Scaled]) -> str:
    base = median(rows[0].seconds)
    plain = {row.name: median(row.seconds) for row in rows if "session" in row.name}
    machine, now = this_machine(), datetime.now(timezone.utc)
    cell = ", ".join(f"{package} {version}" for package, version in CELL.items())
    said = [
        "# What a cell costs",
        f"Written by `nox -s benchmark` on {now:%Y-%m-%d %H:%M} UTC: {machine.cpu}, {machine.cores} cores, "
        f"{machine.memory_mib / 1024:.0f} GiB, {machine.system}; load {os.getloadavg()[2]:.1f} in the last minutes, "
        f"the benchmark's own included. Cell: {cell}, tiny BLOOM.",
        _table(
            ["what", "runs", "median", "spread", "time / bare", "peak memory / bare", "cells an hour"],
            [_row(row, rows[0]) for row in rows],
        ),
        f"Whole runs of {batches[0].cells} cells that differ in peft, environments switched in between, with what is "
        "started for the run. *Again*: forked cells that were also run by a process of their own.",
        _table(
            [
                "run",
                "cells",
                "again",
                "a cell",
                "a cell / bare",
                "cells an hour",
                *(f"{n}: slower" for n in plain),
            ],
            [_whole(each, base, plain.values()) for each in batches],
        ),
        f"Where a cell's time goes (seconds, mean). Resolving comes before, once a day: {resolving:.2f} s a lock.",
        _table(
            ["run", "sync", "import", "work and checks", "rest of the process", "mend, record, the rest"],
            [[name, *(f"{value:.2f}" for value in values)] for name, *values in map(shares, batches[:2])],
        ),
    ]
    if many:
        said.append(
            "Many cells, of stub packages (a process each). *Again* is the run once more, with everything known."
        )
        headers = ["cells", "workers", "run", "a cell", "of it the probe", "resolving a cell", "again"]
        said.append(_table(headers, [_scaled(each) for each in many]))
    return "\n\n".join(said) + "\n"


def _row(row: Row, first: Row) -> list[object]:
    middle = median(row.seconds)
    spread = f"{min(row.seconds):.2f} to {max(row.seconds):.2f} s"
    peak = f"{row.peak_mib / (first.peak_mib or 1.0):.2f}" if row.peak_mib else ""
    ratio = f"{middle / median(first.seconds):.2f}"
    return [row.name, len(row.seconds), f"{middle:.2f} s", spread, ratio, peak, f"{3600 / middle:.0f}"]


def _whole(each: Batch, base: float, plain: Iterable[float]) -> list[object]:
    one = each.seconds / each.cells
    told: list[object] = [
        each.name,
        each.cells,
        each.compared,
        f"{one:.2f} s",
        f"{one / base:.2f}",
        f"{3600 / one:.0f}",
    ]
    return [*told, *(f"{seconds / one:.1f} x" for seconds in plain)]


def _scaled(each: Scaled) -> list[object]:
    one = [f"{value / each.cells:.3f} s" for value in (each.seconds, each.probes, each.resolving)]
    return [each.cells, each.workers, f"{each.seconds:.1f} s", *one, f"{each.again:.2f} s"]


def _table(headers: list[str], rows: list[list[Any]]) -> str:
    return tabulate(rows, headers=headers, tablefmt="github")


if __name__ == "__main__":
    main()
