"""Environments of stub packages, without an index: for tests of what looks at the environment it finds."""

from __future__ import annotations

import venv
from pathlib import Path

from minimatrix import wheels
from minimatrix.releases import find


def stub_environment(folder: Path, versions: dict[str, str]) -> Path:
    """The python of a new environment in `folder` with these stub releases and nothing else."""
    venv.create(folder, with_pip=False, symlinks=True)
    site = next(folder.glob("lib/python3*/site-packages"))
    whole = {"accelerate": "0.3.0", "tokenizers": "0.21.0", **versions}
    wheels.install(site, [find(package, version) for package, version in whole.items()])
    return folder / "bin" / "python"
