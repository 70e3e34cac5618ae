"""Every format is consumed unchanged: pip and uv really install from it, out of a local index of stub wheels."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import packaging.pylock
import pytest
import tomli
from conftest import PYTHON
from minimatrix.index import LocalIndex
from minimatrix.releases import DRIFT, NEW
from minimatrix.wheels import Release

from compatcheck.domain import Cell, Limits, Scenario
from compatcheck.environment import Uv
from compatcheck.errors import MachineError, UsageError
from compatcheck.matrix import Index, Matrix
from compatcheck.own_runs import known_table, own_table
from compatcheck.pin_formats import PinFormat, pins_text
from compatcheck.pipeline import Run
from compatcheck.recommendation import Recommendation, recommend
from compatcheck.releases import PackageIndex
from compatcheck.request import request_of
from compatcheck.resolved_pins import recommend_resolved
from compatcheck.shipped import KnownTable
from compatcheck.store import Store

pytestmark = pytest.mark.minimatrix

AXES = {"torch": (NEW["torch"],), "transformers": ("4.44.0", NEW["transformers"]), "peft": ("0.1.0", NEW["peft"])}


@pytest.fixture(scope="module")
def measured(uv_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> KnownTable:
    """The store of a run over four cells of stubs as a table: one of them fails."""
    folder = tmp_path_factory.mktemp("measured")
    with LocalIndex() as index, pytest.MonkeyPatch.context() as patch, Store(folder / "store.sqlite3") as store:
        patch.setenv("UV_CACHE_DIR", str(uv_cache))
        matrix = Matrix(
            "stub", AXES, python=(PYTHON,), index=Index(url=index.url),
            limits=Limits(stage_seconds=20, memory_mib=1024), scenario=Scenario(epochs=2, new_tokens=6),
        )  # fmt: skip
        run = Run(matrix, store, folder / "cache")
        run.run(run.expand().cells)
    return own_table(folder / "store.sqlite3", {})


@pytest.fixture
def answer(measured: KnownTable) -> Recommendation:
    return recommend(prefer="newest", table=measured)


def test_own_runs_become_cells_with_their_locks(measured: KnownTable, answer: Recommendation) -> None:
    assert len(measured.cells) == 4 and all(cell.source.own for cell in measured.cells)
    outcomes = {(cell.versions["transformers"], cell.versions["peft"]): str(cell.outcome) for cell in measured.cells}
    assert outcomes == {
        ("4.44.0", "0.1.0"): "pass",
        ("4.44.0", NEW["peft"]): "pass",
        (NEW["transformers"], "0.1.0"): "fail",
        (NEW["transformers"], NEW["peft"]): "pass",
    }
    failing = measured.at({**NEW, "peft": "0.1.0"})[0]
    assert failing.stage == "generate" and (failing.signature or failing.fingerprint)
    assert answer.found and dict(answer.versions) == NEW and answer.lock is not None
    path = Path(measured.name)
    both = known_table(store=path)
    assert both.at(NEW) and len(both.cells) == len(known_table(store=path.with_name("none")).cells) + 4


def freeze(python: Path) -> dict[str, str]:
    done = subprocess.run(
        ["uv", "pip", "list", "--format", "json", "--python", str(python)], capture_output=True, text=True, check=True
    )
    return {each["name"]: each["version"] for each in json.loads(done.stdout)}


def installed(tmp_path: Path, command: list[str], index: LocalIndex) -> Mapping[str, str]:
    """What a fresh environment holds after `command` (PYTHON stands for its interpreter) ran in `tmp_path`."""
    environment = tmp_path / ".venv"
    subprocess.run(["uv", "venv", "-q", "--python", sys.executable, str(environment)], check=True, cwd=tmp_path)
    python = environment / "bin" / "python"
    # nox points uv at its own environment, which `uv sync` would empty
    own = ("UV_PROJECT_ENVIRONMENT", "VIRTUAL_ENV")
    settings = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PIP_") and name not in own},
        "UV_DEFAULT_INDEX": index.url,
        "PIP_INDEX_URL": index.url,
        "PIP_NO_CACHE_DIR": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_CONFIG_FILE": os.devnull,
    }
    done = subprocess.run(
        [word.replace("PYTHON", str(python)) for word in command],
        capture_output=True, text=True, cwd=tmp_path, env=settings,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return freeze(python)


PIP = [sys.executable, "-m", "pip", "--python", "PYTHON", "install"]
UV = ["uv", "pip", "install", "--python", "PYTHON"]


@pytest.mark.parametrize(
    ("form", "name", "command"),
    [
        ("requirements", "requirements.txt", [*PIP, "-r", "requirements.txt"]),
        ("requirements", "requirements.txt", [*PIP, "--require-hashes", "--no-deps", "-r", "requirements.txt"]),
        ("requirements", "requirements.txt", [*UV, "-r", "requirements.txt"]),
        ("requirements", "requirements.txt", ["uv", "pip", "sync", "--python", "PYTHON", "requirements.txt"]),
        ("constraints", "constraints.txt", [*PIP, "-c", "constraints.txt", "peft"]),
        ("constraints", "constraints.txt", [*UV, "-c", "constraints.txt", "peft"]),
        ("pylock", "pylock.toml", [*PIP, "-r", "pylock.toml"]),
        ("pylock", "pylock.toml", [*UV, "-r", "pylock.toml"]),
        ("pylock", "pylock.toml", ["uv", "pip", "sync", "--python", "PYTHON", "pylock.toml"]),
        ("uv", "pyproject.toml", ["uv", "sync", "-q"]),
        ("pyproject", "pyproject.toml", [*PIP, "--group", "pinned"]),
        ("pyproject", "pyproject.toml", [*UV, "--group", "pinned"]),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(Path(word).name for word in value),
)
def test_pip_and_uv_install_exactly_what_was_measured(
    form: str, name: str, command: list[str], measured: KnownTable, index: LocalIndex, tmp_path: Path
) -> None:
    answer = recommend({"transformers": "4.44.0"}, table=measured)
    assert answer.lock is not None
    index.publish(DRIFT)  # newer than what was measured: must not be taken
    (tmp_path / "project").mkdir()
    text = pins_text(answer, PinFormat(form), PackageIndex(index.url))
    (tmp_path / "project" / name).write_text(text)
    assert installed(tmp_path / "project", command, index) == answer.lock.versions


@pytest.mark.parametrize(
    ("form", "name", "command"),
    [
        ("requirements", "requirements.txt", [*PIP, "-r", "requirements.txt"]),
        ("pylock", "pylock.toml", [*UV, "-r", "pylock.toml"]),
        ("uv", "pyproject.toml", ["uv", "sync", "-q"]),
    ],
)
def test_pins_beside_the_rest_of_a_project_are_installed(
    form: str, name: str, command: list[str], measured: KnownTable, index: LocalIndex, tmp_path: Path
) -> None:
    """The newest that works would be transformers 5: what else the project needs does not go with it."""
    index.publish(Release("tokenizers", "0.22.0", requires=("transformers<5",)), DRIFT)
    source = tmp_path / "asked.txt"
    source.write_text("peft\ntokenizers>=0.22\n")
    asked = replace(request_of(files=[source], table=measured), ranges={})
    uv = Uv(index.url)
    answer = recommend_resolved(
        asked, measured, lambda cell, others: uv.resolution(Cell(cell.python, cell.versions), others)
    )
    assert answer.found and answer.versions["transformers"] == "4.44.0" and answer.lock is not None
    assert answer.refused and "transformers<5" in answer.refused[0].reason
    assert answer.lock.versions["accelerate"] == "0.3.0", "as it was measured, though a newer one is there"
    assert answer.moved == {"tokenizers": ("0.21.0", "0.22.0")}
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / name).write_text(pins_text(answer, PinFormat(form), PackageIndex(index.url)))
    found = installed(tmp_path / "project", command, index)
    assert found.items() >= {**answer.versions, "tokenizers": "0.22.0"}.items()
    if form != "uv":  # which takes the lock as constraints
        assert found == answer.lock.versions


def test_a_tampered_wheel_is_refused(answer: Recommendation, index: LocalIndex, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(pins_text(answer, PinFormat.REQUIREMENTS))
    index.disturb("/files/peft-*.whl", tampered=True)
    with pytest.raises(AssertionError, match=r"(?i)hash"):
        installed(tmp_path, [*PIP, "-r", "requirements.txt"], index)


def test_the_pylock_is_valid_and_names_only_measured_wheels(answer: Recommendation, index: LocalIndex) -> None:
    text = pins_text(answer, PinFormat.PYLOCK, PackageIndex(index.url))
    lock = packaging.pylock.Pylock.from_dict(tomli.loads(text))
    assert answer.lock is not None
    assert {package.name: str(package.version) for package in lock.packages} == answer.lock.versions
    hashes = {item.name: set(item.hashes) for item in answer.lock.distributions}
    for package in lock.packages:
        assert package.wheels
        for wheel in package.wheels:
            assert wheel.hashes["sha256"] in hashes[package.name] and wheel.url is not None
            with urllib.request.urlopen(wheel.url) as served:
                assert len(served.read()) == wheel.size


def test_a_wheel_that_is_gone_from_the_index_is_told(answer: Recommendation, index: LocalIndex) -> None:
    index.withdraw("peft", NEW["peft"])
    with pytest.raises(MachineError, match="no longer has a wheel of peft"):
        pins_text(answer, PinFormat.PYLOCK, PackageIndex(index.url))


def test_without_its_lock_a_cell_still_gives_pins(answer: Recommendation, index: LocalIndex, tmp_path: Path) -> None:
    bare = recommend(table=KnownTable("bare", answer.table.cells))
    assert bare.lock is None
    for form in (PinFormat.REQUIREMENTS, PinFormat.CONSTRAINTS):
        assert [line for line in pins_text(bare, form).splitlines() if not line.startswith("#")] == list(bare.pins)
    (tmp_path / "requirements.txt").write_text(pins_text(bare, PinFormat.REQUIREMENTS))
    assert installed(tmp_path, [*UV, "-r", "requirements.txt"], index).items() >= NEW.items()
    with pytest.raises(UsageError, match="needs the lock"):
        pins_text(bare, PinFormat.PYLOCK, PackageIndex(index.url))


def test_the_head_says_where_the_pins_come_from(answer: Recommendation) -> None:
    assert answer.lock is not None
    for form in (PinFormat.REQUIREMENTS, PinFormat.CONSTRAINTS, PinFormat.UV, PinFormat.PYPROJECT):
        head = pins_text(answer, form).splitlines()[:2]
        assert all(line.startswith("# ") for line in head)
        assert "measured" in head[0] and answer.lock.digest in head[1] and f"Python {PYTHON}" in head[1]


def test_json_and_text_say_the_same(answer: Recommendation) -> None:
    data = json.loads(pins_text(answer, PinFormat.JSON))
    assert data["found"] and data["pins"] == list(answer.pins) and data["lock"]["versions"] == answer.lock.versions  # type: ignore[union-attr]
    assert all(pin in pins_text(answer, PinFormat.TEXT) for pin in answer.pins)
