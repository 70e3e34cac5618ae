"""What was observed is kept without a diagnosis: a better catalogue names it without running anything again."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import MakeRun
from minimatrix.releases import cell_with, with_fault

from compatcheck import bench, reporting
from compatcheck.catalogues import joined, load_catalogue
from compatcheck.cli import main
from compatcheck.pipeline import Run
from compatcheck.reporting import context_of

pytestmark = pytest.mark.minimatrix


def named(run: Run) -> str | None:
    (entry,) = context_of(run).entries
    assert entry.diagnosis is not None
    return entry.diagnosis.signature


def test_an_old_observation_is_named_by_a_new_catalogue(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    versions = cell_with(with_fault("raise-in-train"))
    run = make_run({package: (version,) for package, version in versions.items()})
    run.run(run.expand().cells)
    (before,) = run.results()
    assert named(run) is None

    def never(*_: object, **__: object) -> None:
        raise AssertionError("nothing may be run")

    monkeypatch.setattr(bench, "observe", never)
    assert main(["catalogue", "propose", "--store", str(run.store.path)]) == 0
    folder = tmp_path / "catalogue"
    folder.mkdir()
    (folder / "50-new.toml").write_text(capsys.readouterr().out)
    better = joined(load_catalogue(folder), load_catalogue())
    monkeypatch.setattr(reporting, "load_catalogue", lambda: better)

    name = named(run)
    assert name is not None and name in {each.id for each in load_catalogue(folder)}
    (after,) = run.results()
    assert after == before and after.attempts == before.attempts
