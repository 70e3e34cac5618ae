"""SIGKILL at random moments of a run over real packages: a matrix of four cells, from the configured index."""

from __future__ import annotations

import os
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from .kills import _killed, _problems
from .stub_world import PYTHON, SETTINGS, StubWorld
from .trials import Trials

MATRIX = f"""
python = ["{PYTHON}"]
[axes]
torch = ["2.6.0"]
transformers = ["4.43.4", "4.51.3"]
peft = ["0.12.0", "0.15.2"]
"""
SAID = ("id", "outcome", "stage", "modes", "exception", "signature", "reason")
"""What is the same in every run of a cell; numbers differ in their last digits."""


class RealWorld(StubWorld):
    """Real packages through the user's own settings and cache of uv, whose wheels are fetched once."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "", folder)
        self.cells = 4
        self.matrix.write_text(MATRIX)

    @property
    def environment(self) -> dict[str, str]:
        replaced = (*SETTINGS, "UV_CACHE_DIR", "UV_HTTP_RETRIES")
        told = {name: value for name, value in super().environment.items() if name not in replaced}
        return told | {name: os.environ[name] for name in replaced if name in os.environ}

    def report(self, **changed: str) -> dict[str, Any]:
        cells = super().report(**changed)["cells"]
        return {cell["id"]: {name: cell[name] for name in SAID} for cell in cells}


def real_kills(count: int, rng: random.Random) -> list[Trials]:
    trials = Trials("kill -9 at a random moment of a run over real packages")
    with trials.clock(), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = RealWorld(folder / "whole")
        began = time.monotonic()
        if (done := whole.run("--jobs", "1", seconds=1200)).returncode:
            raise RuntimeError(f"the undisturbed run: {done.stderr[-300:]}")
        usual, expected = time.monotonic() - began, whole.report()
        victims = []
        for number in range(count):
            world = RealWorld(folder / f"killed-{number}")
            victims.append(_killed(world, folder, nox=False, rng=rng, usual=usual, jobs="1"))
            trials.count("; ".join(_problems(world, expected)))
            world.remove()
        trials.note = f"{', '.join(victims)}; outcomes {', '.join(each['outcome'] for each in expected.values())}"
    return [trials]
