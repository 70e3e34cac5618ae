"""A refresh: what came and what left is seen, and only what a new release makes uncertain is run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timezone
from pathlib import Path

import pytest
from conftest import PYTHON
from minimatrix.index import LocalIndex
from minimatrix.wheels import Release

from compatcheck import window
from compatcheck.cli import main
from compatcheck.domain import Cell, Outcome
from compatcheck.expansion import Expansion
from compatcheck.matrix import load_matrix
from compatcheck.pipeline import Run
from compatcheck.renewal import renewal_of
from compatcheck.report.context import Context
from compatcheck.report.document import document
from compatcheck.reporting import context_of
from compatcheck.store import Store
from compatcheck.window import Window

# ---------------------------------------------------------------------- what came and what left


def expansion(*transformers: str, python: str = "3.11", known: tuple[str, ...] = ()) -> Expansion:
    cells = tuple(Cell(python, {"torch": "2.6.0", "transformers": each, "peft": "0.1.0"}) for each in transformers)
    return Expansion(cells, {}, known={"transformers": known or transformers})


def test_what_came_and_what_left_is_told_with_the_reason() -> None:
    before = expansion("4.9.0", "4.10.0", "4.10.1", "5.0.0")
    after = expansion("4.10.2", "5.0.0", "5.1.0", known=("4.9.0", "4.10.1", "4.10.2", "5.0.0", "5.1.0"))
    renewal = renewal_of(before, after, Window.SPEC0)
    assert renewal.lines() == [
        "transformers: 4.10.2, 5.1.0 came; 4.9.0 (out of the window spec-0), "
        "4.10.0 (the index has it no more, or it was yanked), 4.10.1 (4.10.2 takes its place) left",
        "2 cells are new, 3 are gone",
    ]
    assert renewal.came == (("transformers", "4.10.2"), ("transformers", "5.1.0"))
    assert {cell.versions["transformers"] for cell in renewal.new} == {"4.10.2", "5.1.0"}


def test_a_python_that_came_or_left_is_told_too() -> None:
    lines = renewal_of(expansion("5.0.0"), expansion("5.0.0", python="3.12")).lines()
    assert lines[0] == "python: 3.12 came; 3.11 (the matrix asks for others) left"


def test_nothing_that_changed_is_said() -> None:
    renewal = renewal_of(expansion("5.0.0"), expansion("5.0.0"))
    assert not renewal.new and not renewal.axes
    assert renewal.lines() == ["Nothing changed: the index has no release that the table lacks, and none left."]


def test_before_the_first_look_up_everything_is_new() -> None:
    assert len(renewal_of(None, expansion("4.9.0", "5.0.0")).new) == 2


# ---------------------------------------------------------------------- over stub packages

MATRIX = """
python = ["{python}"]
{settings}
[index]
url = "{url}"
[axes]
torch = {torch}
transformers = ["newest-of-each-minor >=4.44"]
peft = {peft}
[scenario]
epochs = 2
new_tokens = 6
[limits]
stage_seconds = 20
memory_mib = 1024
"""
OLDER = tuple(
    Release("peft", f"0.1{number}.0", datetime(2025, 4, number, tzinfo=timezone.utc)) for number in range(1, 4)
)
CAME = datetime(2025, 5, 20, tzinfo=timezone.utc)
NEXT, PATCH = Release("transformers", "5.2.0", CAME), Release("transformers", "5.1.1", CAME)
BROKEN = Release("transformers", "5.2.0", CAME, "raise-in-train")


@dataclass
class Desk:
    """A matrix file, a store, and the commands over them."""

    folder: Path
    index: LocalIndex
    told: Callable[[], str]

    def explored(self) -> None:
        """30 cells, 20 of which may be run."""
        self._write('explore = "adaptive"', '["2.0.1", "2.1.0"]', '["0.1.1", "all >=0.10"]')
        self.command("run", "--max-cells", "20")

    def whole(self, settings: str = "") -> None:
        """3 cells, all of which are run."""
        self._write(settings, '["2.1.0"]', '["0.10.0"]')

    def _write(self, settings: str, torch: str, peft: str) -> None:
        text = MATRIX.format(python=PYTHON, url=self.index.url, settings=settings, torch=torch, peft=peft)
        (self.folder / "stub.toml").write_text(text)

    def command(self, word: str, *options: str) -> str:
        """What it prints; it must end well."""
        places = ("--store", str(self.folder / "store.sqlite3"), "--cache", str(self.folder / "cache"))
        self.told()
        assert main([word, str(self.folder / "stub.toml"), *options, *places]) == 0
        return self.told()

    def context(self) -> Context:
        with Store(self.folder / "store.sqlite3") as store:
            return context_of(Run(load_matrix(self.folder / "stub.toml"), store, self.folder / "cache"))

    def measured(self) -> dict[str, Outcome]:
        """Every cell that was run."""
        found = self.context().measured
        return {entry.cell.id: entry.outcome for entry in found if entry.outcome is not Outcome.UNTESTED}


@pytest.fixture
def desk(tmp_path: Path, index: LocalIndex, capsys: pytest.CaptureFixture[str]) -> Desk:
    index.publish(*OLDER)
    return Desk(tmp_path, index, lambda: capsys.readouterr().out)


def of(context: Context, transformers: str) -> list[tuple[Outcome, bool]]:
    """What is said of the cells of a release, and whether it was seen."""
    entries = (each for each in context.entries if each.cell.versions["transformers"] == transformers)
    return [(each.outcome, each.measured) for each in entries]


@pytest.mark.minimatrix
def test_a_new_release_that_goes_as_the_others_takes_few_runs(desk: Desk) -> None:
    desk.explored()
    before = desk.measured()
    desk.index.publish(NEXT)
    plan = desk.command("refresh", "--dry-run")
    assert "transformers: 5.2.0 came" in plan and "10 cells are new, 0 are gone" in plan
    assert "each of the 1 releases that came would be run once" in plan
    assert desk.measured() == before, "a dry run runs nothing"
    assert not of(desk.context(), "5.2.0"), "and remembers nothing"

    told = desk.command("refresh")
    after = desk.measured()
    fresh = after.keys() - before.keys()
    assert all("transformers5.2.0" in name for name in fresh), "nothing else became uncertain"
    assert 1 <= len(fresh) < 10
    assert f"transformers 5.2.0: 10 cells: {len(fresh)} run ({len(fresh)} pass); " in told and "untested" not in told
    found = of(desk.context(), "5.2.0")
    assert {outcome for outcome, _ in found} == {Outcome.PASS} and not all(measured for _, measured in found)

    assert "Nothing changed" in desk.command("refresh") and desk.measured() == after


@pytest.mark.minimatrix
def test_a_new_release_that_goes_otherwise_is_found_out(desk: Desk) -> None:
    desk.explored()
    before = desk.measured()
    desk.index.publish(BROKEN)
    told = desk.command("refresh", "--format", "markdown")
    fresh = desk.measured().keys() - before.keys()
    assert all("transformers5.2.0" in name for name in fresh)
    assert {outcome for outcome, _ in of(desk.context(), "5.2.0")} == {Outcome.FAIL}
    assert "- transformers: 5.2.0 came" in told and f"{len(fresh)} run ({len(fresh)} fail)" in told


@pytest.mark.minimatrix
def test_a_clone_that_has_the_report_alone_goes_on_where_it_ends(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk.folder)
    desk.explored()
    desk.command("report")
    before, table = desk.context(), desk.command("infer")
    for path in desk.folder.glob("store.sqlite3*"):
        path.unlink()
    words = ("--into", "store.sqlite3", "--matrix", "stub.toml", "--cache", "cache")
    assert "Before a refresh: " in desk.command("refresh", "--dry-run"), "30 cells would be uncertain"
    assert main(["merge", "reports/stub", *words]) == 0
    assert f"{len(desk.measured())} new observations" in desk.told() and desk.command("infer") == table
    after = desk.context()
    assert document(after) == document(before), "the audit and what is claimed among it"
    assert desk.command("refresh", "--dry-run").startswith("Nothing changed")
    desk.index.publish(NEXT)
    desk.command("refresh")
    fresh = {name for name in desk.measured() if name not in {entry.cell.id for entry in before.measured}}
    assert fresh and all("transformers5.2.0" in name for name in fresh), "what was known is not run again"


@pytest.mark.minimatrix
def test_a_refresh_whose_budget_was_used_goes_on(desk: Desk) -> None:
    desk.explored()
    before = desk.measured()
    desk.index.publish(NEXT)
    desk.command("refresh", "--max-cells", "1", "--target-accuracy", "1")
    assert len(desk.measured()) == len(before) + 1
    told = desk.command("refresh", "--target-accuracy", "1")
    assert "transformers: 5.2.0 came" in told, "it is still new"
    assert all(measured for _, measured in of(desk.context(), "5.2.0")), "that accuracy only runs reach"
    assert "Nothing changed" in desk.command("refresh")


@pytest.mark.minimatrix
def test_a_patch_takes_the_place_of_the_release_before_it_whose_runs_still_tell(desk: Desk) -> None:
    desk.explored()
    desk.index.publish(PATCH)
    told = desk.command("refresh")
    assert "transformers: 5.1.1 came; 5.1.0 (5.1.1 takes its place) left" in told
    context = desk.context()
    assert {entry.cell.versions["transformers"] for entry in context.entries} == {"4.44.0", "5.0.0", "5.1.1"}
    inferred = [entry.conclusion for entry in context.entries if entry.conclusion and "5.1.1" in entry.cell.id]
    assert any("transformers5.1.0" in name for each in inferred for name in each.rests_on)


@pytest.mark.minimatrix
def test_a_matrix_that_is_run_whole_gets_its_new_cells(desk: Desk) -> None:
    desk.whole()
    assert "every one of the 3 new cells would be run" in desk.command("refresh", "--dry-run")
    desk.command("refresh")
    assert len(desk.measured()) == 3
    desk.index.publish(NEXT)
    assert "transformers 5.2.0: 1 cells: 1 run (1 pass)" in desk.command("refresh")
    assert len(desk.measured()) == 4


@pytest.mark.minimatrix
def test_what_left_the_window_is_dropped(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    months_before = window._months_before

    def today(day: date) -> None:
        """For packages; the Python that runs these tests is always supported."""
        packages = months_before(day, window.PACKAGE_MONTHS)
        monkeypatch.setattr(
            window, "_months_before", lambda _, months: packages if months == window.PACKAGE_MONTHS else date.min
        )

    # the oldest of the three came out on 1 February 2025
    desk.whole('window = "spec-0"')
    today(date(2025, 10, 1))
    desk.command("refresh")
    assert len(desk.measured()) == 3
    today(date(2027, 2, 10))
    told = desk.command("refresh", "--dry-run")
    assert "transformers: 4.44.0 (out of the window spec-0) left" in told and "0 cells are new, 1 are gone" in told
    desk.command("refresh")
    assert not of(desk.context(), "4.44.0") and len(desk.measured()) == 2
