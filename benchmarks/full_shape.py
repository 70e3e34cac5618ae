"""Ten cells with bloomz-560m's full shape: the copies of the weights that they leave on the disk, and their time.

The same cells are run with the tiny model too, in the same run and the same environments, so that the ratios mean
something. Every file that any probe writes is looked at while it runs. Writes benchmarks/full_shape.md.

Usage: python benchmarks/full_shape.py [--cells N] [--jobs N] [--cache FOLDER] [--output FILE]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from statistics import median

from platformdirs import user_cache_path
from tabulate import tabulate

from compatcheck.disk import gib
from compatcheck.domain import PROBE_STAGES, Cell, CellResult, Observation, Stage
from compatcheck.errors import CompatcheckError
from compatcheck.fitting import most_demanding
from compatcheck.machine import this_machine
from compatcheck.matrix import Matrix, load_matrix
from compatcheck.pipeline import Run
from compatcheck.progress import PlainProgress
from compatcheck.scenario.material import material
from compatcheck.store import Store

HERE = Path(__file__).resolve().parent
AXES = {
    "torch": ("2.6.0",),
    "transformers": ("4.49.0", "4.51.3"),
    "peft": ("0.13.2", "0.15.2", "0.17.1", "0.19.1", "newest"),
}
LOOK_SECONDS = 0.5
LARGE = 0.1
"""Of the weights' size: a file of a probe that is larger is told, whatever it is called."""


@dataclass
class Watch:
    """Looks at the folders that probes write into, until it is told to end."""

    folder: Path
    weights: int
    most: int = 0
    """Bytes that the probes' folders held at most, each file once."""
    large: frozenset[str] = frozenset()

    def __enter__(self) -> Watch:
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._end.wait(LOOK_SECONDS):
            files = files_of([self.folder])
            self.most = max(self.most, sum(size for _, size in files.values()))
            self.large |= {path.name for path, size in files.values() if size >= LARGE * self.weights}


def files_of(folders: Iterable[Path]) -> dict[tuple[int, int], tuple[Path, int]]:
    """Every file below the folders once, by device and inode, with a name of it and its allocated bytes."""
    found: dict[tuple[int, int], tuple[Path, int]] = {}
    for folder in folders:
        for place, _, names in os.walk(folder):
            for name in names:
                path = Path(place, name)
                try:
                    state = path.lstat()
                except OSError:
                    continue
                found[state.st_dev, state.st_ino] = (path, state.st_blocks * 512)
    return found


def copies(folders: Iterable[Path], weights: Path) -> list[Path]:
    """The files that hold as much as the weights and as safetensors do, each inode once."""
    size = weights.stat().st_size
    found = (path for path, _ in files_of(folders).values())
    return [path for path in found if path.suffix in (".safetensors", ".bin", ".pt") and _large(path, size)]


def _large(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size >= size / 2
    except OSError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=user_cache_path("compatcheck"))
    parser.add_argument("--output", type=Path, default=HERE / "full_shape.md")
    arguments = parser.parse_args()
    full = replace(load_matrix(HERE.parent / "matrix" / "bloomz-560m.toml"), axes=AXES, name="full-shape-benchmark")
    tiny = replace(full, scenario=replace(full.scenario, model="tiny-bloom"), name="full-shape-benchmark-tiny")
    with tempfile.TemporaryDirectory(prefix="full-shape-") as name:
        here = Path(name)
        # the probes' folders are made below this one, so that all that they write is seen
        tempfile.tempdir = os.environ["TMPDIR"] = str(here)
        with Store(here / "store.sqlite3") as store:
            text = measured(full, tiny, store, arguments, here)
    arguments.output.write_text(text, encoding="utf-8")
    print(text)


def measured(full: Matrix, tiny: Matrix, store: Store, arguments: argparse.Namespace, here: Path) -> str:
    cache = arguments.cache.absolute()
    model = material(full.scenario, cache).model
    weights = model / "model.safetensors"
    runs = {}
    watch = Watch(here, weights.stat().st_size)
    # the tiny model first: downloads and environments are not the full shape's to pay
    for matrix in (tiny, full):
        run = Run(matrix, store, cache, arguments.jobs, PlainProgress(sys.stderr))
        cells = run.expand().cells[: arguments.cells]
        if matrix is full:
            with watch:
                runs[matrix.name] = run.run(cells)
        else:
            runs[matrix.name] = run.run(cells)
    return text_of(runs[full.name], runs[tiny.name], watch, copies([cache, here], weights), weights, full, cache)


def text_of(
    full: dict[Cell, CellResult], tiny: dict[Cell, CellResult], watch: Watch, found: list[Path], weights: Path,
    matrix: Matrix, cache: Path,
) -> str:  # fmt: skip
    machine, now = this_machine(), datetime.now(timezone.utc)
    pairs = [
        (cell, result.observation, tiny[cell].observation)
        for cell, result in full.items()
        if result.observation is not None and tiny[cell].observation is not None
    ]
    passing = [(seen, small) for _, seen, small in pairs if seen.outcome == "pass" and small.outcome == "pass"]
    expected = most_demanding(matrix, cache).forecast.peak
    disk = (
        f"{len(full)} cells, {len(pairs)} of them observed. The weights take {gib(weights.stat().st_size)}. Afterwards "
        f"the cache and the probes' folders held **{len(found)} {'copy' if len(found) == 1 else 'copies'}** of them. "
        f"While the cells ran, the probes' own folders (with the store) held at most {watch.most / 2**20:.1f} MiB; "
        f"files of more than a tenth of the weights among them: {', '.join(sorted(watch.large)) or 'none'}."
    )
    rows = [
        [cell.id, str(seen.outcome), str(small.outcome), f"{seen.seconds:.1f}", f"{seen.seconds / small.seconds:.1f}",
         f"{seen.peak_rss_mib:.0f}"]
        for cell, seen, small in pairs
    ]  # fmt: skip
    parts = [
        "# Cells with bloomz-560m's full shape",
        f"Written by `benchmarks/full_shape.py` on {now:%Y-%m-%d %H:%M} UTC: {machine.cpu}, {machine.cores} cores, "
        f"{machine.memory_mib / 1024:.0f} GiB, {machine.system}; load {os.getloadavg()[2]:.1f} in the last minutes, "
        f"the benchmark's own included. {matrix.scenario.threads} thread a cell; {matrix.scenario.epochs} epochs of "
        f"{matrix.scenario.texts} texts, batch size {matrix.scenario.batch_size}; random weights in the exact shape.",
        disk,
        tabulate(
            rows, headers=["cell", "full shape", "tiny", "seconds", "seconds / tiny", "peak, MiB"], tablefmt="github",
            disable_numparse=True,
        ),
    ]  # fmt: skip
    if passing:
        parts += [
            f"Where the time of the {len(passing)} cells that pass goes: the median of each stage. Forecast of the "
            f"peak: {expected.least:.0f} to {expected.most:.0f} MiB, in {expected.stage}.",
            tabulate(
                [_stage_row(stage, passing) for stage in PROBE_STAGES] + [_rest_row(passing)],
                headers=["part", "full shape, s", "share", "tiny, s", "full / tiny", "peak, MiB"], tablefmt="github",
                disable_numparse=True,
            ),
        ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _seconds(seen: Observation, stage: Stage) -> float:
    return next((each.seconds for each in seen.stages if each.stage is stage), 0.0)


def _stage_row(stage: Stage, passing: list[tuple[Observation, Observation]]) -> list[str]:
    large = median(_seconds(seen, stage) for seen, _ in passing)
    small = median(_seconds(seen, stage) for _, seen in passing)
    whole = median(seen.seconds for seen, _ in passing)
    peaks = [each.peak_rss_mib or 0.0 for seen, _ in passing for each in seen.stages if each.stage is stage]
    ratio = f"{large / small:.1f}" if small >= 0.01 else "-"
    return [str(stage), f"{large:.2f}", f"{large / whole:.0%}", f"{small:.2f}", ratio, f"{max(peaks, default=0):.0f}"]


def _rest_row(passing: list[tuple[Observation, Observation]]) -> list[str]:
    """The interpreter's start and end, and what lies between the stages."""

    def rest(seen: Observation) -> float:
        return seen.seconds - sum(each.seconds for each in seen.stages)

    large, small = median(rest(seen) for seen, _ in passing), median(rest(seen) for _, seen in passing)
    whole = median(seen.seconds for seen, _ in passing)
    return ["the rest", f"{large:.2f}", f"{large / whole:.0%}", f"{small:.2f}", f"{large / max(small, 0.01):.1f}", ""]


if __name__ == "__main__":
    try:
        main()
    except CompatcheckError as error:
        sys.exit(f"{error}")
