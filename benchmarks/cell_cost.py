"""What a cell costs: the bare cycle script, a warm cell through compatcheck, and a plain nox session a cell.

All in one run on one machine, so that the ratios mean something. Writes benchmarks/results.md.

Usage: python benchmarks/cell_cost.py [--repeat N] [--nox-repeat N]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from statistics import median

from platformdirs import user_cache_path
from tabulate import tabulate

from compatcheck.executor import slot_for
from compatcheck.machine import this_machine
from compatcheck.matrix import load_matrix, selected
from compatcheck.pipeline import Run
from compatcheck.runner import probe_environment
from compatcheck.scenario import TEXTS, TINY_BLOOM
from compatcheck.slot import Slot
from compatcheck.store import Store

HERE = Path(__file__).resolve().parent
CELL = {"torch": "2.6.0", "transformers": "4.51.3", "peft": "0.15.2"}
NOXFILE = """
import nox
nox.options.default_venv_backend = {backend!r}

@nox.session
def cell(session):
    session.install({requirements})
    session.run("python", {script!r}, {model!r}, {texts!r}, session.create_tmp(), env={environment!r})
"""


@dataclass(frozen=True)
class Row:
    name: str
    seconds: list[float]
    peak_mib: float | None = None


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


def bare(slot: Slot, repeat: int) -> Row:
    times, peaks = [], []
    for _ in range(repeat):
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
    return Row("bare cycle script, warm environment", times, max(peaks))


def timed(repeat: int, work: Callable[[], object]) -> list[float]:
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return times


def plain_nox(backend: str, repeat: int) -> Row:
    def session() -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "noxfile.py").write_text(
                NOXFILE.format(
                    backend=backend,
                    requirements=", ".join(repr(f"{package}=={version}") for package, version in CELL.items()),
                    script=str(HERE / "bare_cycle.py"),
                    model=str(TINY_BLOOM),
                    texts=str(TEXTS["role-prompts"]),
                    environment={"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""},
                )
            )
            subprocess.run(
                [sys.executable, "-m", "nox", "-f", "noxfile.py"], cwd=folder, check=True, capture_output=True
            )

    return Row(f"plain nox session a cell ({backend} backend, wheels already downloaded)", timed(repeat, session))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--nox-repeat", type=int, default=2)
    arguments = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    matrix = load_matrix(HERE.parent / "matrix" / "quick.toml")
    matrix = replace(matrix, axes={package: (version,) for package, version in CELL.items()})
    cache = user_cache_path("compatcheck")
    with tempfile.TemporaryDirectory() as name, Store(Path(name) / "store.sqlite3") as store:
        run = Run(matrix, store, cache)
        cells = selected(run.expand().cells)
        first = run.run(cells)[cells[0]]
        assert first.lock is not None
        with slot_for(cells[0], cache / "environments") as slot:
            slot.prepare(first.lock, run.uv)
            bare(slot, 1)
            rows = [bare(slot, arguments.repeat)]
        peaks: list[float] = []

        def warm_cell() -> None:
            observation = run.run(cells, again=True)[cells[0]].observation
            assert observation is not None and observation.outcome == "pass"
            peaks.append(observation.peak_rss_mib)

        rows.append(Row("warm cell through compatcheck, checks included", timed(arguments.repeat, warm_cell), 0.0))
        rows[-1] = replace(rows[-1], peak_mib=max(peaks))
        rows.append(Row("known cell through compatcheck", timed(arguments.repeat, lambda: run.run(cells))))
    if arguments.nox_repeat:
        rows.append(plain_nox("uv", arguments.nox_repeat))
    write(rows)


def write(rows: list[Row]) -> None:
    base = median(rows[0].seconds)
    base_peak = rows[0].peak_mib or 1.0
    table = tabulate(
        [
            [
                row.name,
                len(row.seconds),
                f"{median(row.seconds):.2f} s",
                f"{min(row.seconds):.2f} to {max(row.seconds):.2f} s",
                f"{median(row.seconds) / base:.2f}",
                f"{row.peak_mib / base_peak:.2f}" if row.peak_mib else "",
            ]
            for row in rows
        ],
        headers=["what", "runs", "median", "spread", "time / bare", "peak memory / bare"],
        tablefmt="github",
    )
    machine, now = this_machine(), datetime.now(timezone.utc)
    cell = ", ".join(f"{package} {version}" for package, version in CELL.items())
    text = (
        f"# What a cell costs\n\nWritten by `nox -s benchmark` on {now:%Y-%m-%d %H:%M} UTC: {machine.cpu}, "
        f"{machine.cores} cores, {machine.memory_mib / 1024:.0f} GiB, {machine.system}. "
        f"Cell: {cell}, tiny BLOOM.\n\n{table}\n"
    )
    (HERE / "results.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
