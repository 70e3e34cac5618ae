"""What the tests share: a loopback index of stub packages, and a run over it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from minimatrix.index import LocalIndex

from compatcheck.domain import Cell, Limits, Scenario
from compatcheck.matrix import Index, Matrix
from compatcheck.pipeline import Run
from compatcheck.store import Store

collect_ignore = ["downstream"]
"""Projects of their own, whose tests run where their packages are installed."""

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bless", action="store_true", help="write what is said now into tests/logs and tests/golden")


@pytest.fixture(scope="session")
def uv_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A uv cache of its own, shared by the tests: stub wheels must never get into the user's."""
    return tmp_path_factory.mktemp("uv-cache")


@pytest.fixture
def index(uv_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalIndex]:
    monkeypatch.setenv("UV_CACHE_DIR", str(uv_cache))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    for name in (
        "UV_DEFAULT_INDEX",
        "UV_INDEX_URL",
        "PIP_INDEX_URL",
        "UV_FIND_LINKS",
        "UV_EXTRA_INDEX_URL",
        "UV_INDEX",
    ):
        monkeypatch.delenv(name, raising=False)
    with LocalIndex() as served:
        yield served


MakeRun = Callable[..., Run]


@pytest.fixture
def make_run(index: LocalIndex, tmp_path: Path) -> Iterator[MakeRun]:
    """A run over the stub packages; keyword arguments go to Matrix, but for `jobs`, `store` and `patience`."""
    stores: list[Store] = []

    def made(
        axes: dict[str, tuple[str, ...]],
        *,
        jobs: int = 1,
        store: str = "store",
        patience: tuple[float, ...] = (),
        **fields: Any,
    ) -> Run:
        fields.setdefault("limits", Limits(stage_seconds=20, memory_mib=1024))
        fields.setdefault("scenario", Scenario(epochs=2, new_tokens=6))
        matrix = Matrix("stub", axes, python=(PYTHON,), index=Index(url=index.url), **fields)
        opened = Store(tmp_path / f"{store}.sqlite3")
        stores.append(opened)
        return Run(matrix, opened, tmp_path / "cache", jobs, patience=patience)

    yield made
    for each in stores:
        each.close()


def cell(versions: dict[str, str]) -> Cell:
    return Cell(PYTHON, versions)
