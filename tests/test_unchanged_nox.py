"""The noxfile: what is seen to is not done again while nothing changes, and is as soon as anything does."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import made_up
import pytest

from compatcheck.domain import Digest
from compatcheck.store import Store

ROOT = Path(__file__).parent.parent
# every test reads the noxfile anew
pytestmark = pytest.mark.filterwarnings("ignore:The session:FutureWarning")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("noxfile.py", "pyproject.toml", "matrix/quick.toml", "compatcheck/cli.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "compatibility.md").write_text("a report")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COMPATCHECK_STORE", str(tmp_path / "store.sqlite3"))
    with Store(tmp_path / "store.sqlite3") as store:
        store.save_observation(made_up.lock(made_up.cell()), Digest("aa"), made_up.observation())
    return tmp_path


@pytest.fixture
def noxfile(tree: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("the_noxfile", tree / "noxfile.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def done(noxfile: ModuleType, tree: Path, *words: str) -> Any:
    session = SimpleNamespace(virtualenv=SimpleNamespace(location=str(tree)), posargs=list(words))
    return noxfile.Done(session, "matrix/quick.toml", "reports")


def touch_report(tree: Path) -> None:
    (tree / "reports" / "compatibility.md").write_text("another")


def remove_report(tree: Path) -> None:
    (tree / "reports" / "compatibility.md").unlink()


def change_matrix(tree: Path) -> None:
    with (tree / "matrix" / "quick.toml").open("a") as file:
        file.write("# changed\n")


def change_code(tree: Path) -> None:
    (tree / "compatcheck" / "new.py").write_text("")


def measure(tree: Path) -> None:
    with Store(tree / "store.sqlite3") as store:
        store.save_observation(made_up.lock(made_up.cell()), Digest("bb"), made_up.observation())


def lose_store(tree: Path) -> None:
    (tree / "store.sqlite3").unlink()


def break_store(tree: Path) -> None:
    (tree / "store.sqlite3").write_bytes(b"no database" * 1000)


@pytest.mark.parametrize(
    "change", [touch_report, remove_report, change_matrix, change_code, measure, lose_store, break_store]
)
def test_what_is_done_is_done_until_something_changes(noxfile: ModuleType, tree: Path, change: Any) -> None:
    assert not done(noxfile, tree).holds(), "nothing was done yet"
    done(noxfile, tree).keep()
    assert done(noxfile, tree).holds()
    change(tree)
    assert not done(noxfile, tree).holds()


def test_another_day_other_words_and_other_settings_are_a_change(
    noxfile: ModuleType, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(noxfile, tree).keep()
    assert done(noxfile, tree).holds() and not done(noxfile, tree, "--jobs", "2").holds()
    monkeypatch.setenv("UV_INDEX_URL", "http://127.0.0.1:9/simple")
    assert not done(noxfile, tree).holds()
    monkeypatch.delenv("UV_INDEX_URL")
    assert done(noxfile, tree).holds()
    monkeypatch.setattr(noxfile, "datetime", SimpleNamespace(now=lambda zone: made_up.NOON))
    assert not done(noxfile, tree).holds()
