"""What is said of a cell in the end: experiments before time, time before the table."""

from __future__ import annotations

from datetime import datetime, timezone

import made_up
import pytest

from compatcheck.attribution import Blame, Culprit, Kind, Pair
from compatcheck.cell_blame import CellBlame, Part
from compatcheck.cell_verdicts import Ground, OwnTime, verdicts_of
from compatcheck.domain import Digest, Outcome
from compatcheck.experiment import Experiment, agreement
from compatcheck.report.blame_text import blame_text
from compatcheck.report.context import Context
from compatcheck.report.document import document
from compatcheck.report.files import folders
from compatcheck.table import CLEAN, Row, Table

UNIT = (Outcome.FAIL, "odd")
TABLE = Table(
    [
        Row(f"lib{lib} app{app}", "3.11", {"lib": lib, "app": app}, Outcome.FAIL if lib == "1" else Outcome.PASS,
            "odd" if lib == "1" else None)
        for lib in ("1", "2")
        for app in ("1", "2")
    ]
)  # fmt: skip
READ = Blame(Kind.CULPRIT, (Culprit("lib", None, "1", "2"),), (Pair("lib2 app1", "lib1 app1", "lib"),), unit=UNIT)
CELLS = {"lib1 app1": READ, "lib1 app2": READ}
DRIFT = Blame(
    Kind.DRIFT, (Culprit("dep", "3.0", "3.1", released="2026-01-05"),), (Pair("aa", "bb", "dep"),), 20, UNIT,
    worked="the packages of 2025-12-01",
)  # fmt: skip


def tried(cell: str, blame: Blame, drawn: str = "", end: str = "lib2 app1") -> dict[str, Experiment]:
    at = datetime(2026, 1, 2, tzinfo=timezone.utc)
    return {cell: Experiment(cell, Digest("bb"), at, CellBlame(blame, (Part(end, blame),)), drawn)}


def test_without_experiments_the_table_speaks() -> None:
    said = verdicts_of(TABLE, CELLS, {}, {})
    assert {(each.blame, each.ground) for each in said.values()} == {(READ, Ground.TABLE)}


def test_an_experiment_outweighs_the_table_and_drift_holds_for_the_same_failure() -> None:
    said = verdicts_of(TABLE, CELLS, tried("lib1 app1", DRIFT), {})
    assert said["lib1 app1"].blame == DRIFT and said["lib1 app1"].ground is Ground.EXPERIMENT
    other = said["lib1 app2"].blame
    assert (other.verdict, other.culprits, other.via) == (Kind.DRIFT, DRIFT.culprits, "lib1 app1")
    words = "it worked with the packages of 2025-12-01; dep 3.0 -> 3.1 (2026-01-05) broke it"
    assert words in DRIFT.words() and "read from lib1 app1" in other.words()


def test_what_is_no_drift_is_not_carried_over() -> None:
    exact = Blame(Kind.CULPRIT, (Culprit("lib", None, "0.5", "1.5"),), unit=UNIT)
    said = verdicts_of(TABLE, CELLS, tried("lib1 app1", exact), {})
    assert said["lib1 app1"].blame == exact and said["lib1 app2"].blame == READ


@pytest.mark.parametrize(
    "blame",
    [
        Blame(Kind.DRIFT, DRIFT.culprits, unit=(Outcome.FAIL, "another")),
        Blame(Kind.UNDETERMINED, unit=UNIT, reason="no verdict"),
    ],
)
def test_an_experiment_that_does_not_speak_of_the_failure_changes_nothing(blame: Blame) -> None:
    said = verdicts_of(TABLE, CELLS, tried("lib1 app1", blame), {})
    assert all(each.blame == READ and each.ground is Ground.TABLE for each in said.values())


def test_a_cell_that_worked_with_the_packages_of_its_own_time_is_drift() -> None:
    then, now = {"lib": "1", "dep": "3.0", "x": "1"}, {"lib": "1", "dep": "3.1", "x": "1"}
    own = OwnTime(CLEAN, then, now, (Digest("aa"), Digest("bb")))
    (one, other) = verdicts_of(TABLE, CELLS, {}, {"lib1 app1": own}).values()
    assert one.blame.verdict is Kind.DRIFT and other.blame == READ
    assert one.blame.culprits == (Culprit("dep", "3.0", "3.1"),)
    assert one.blame.as_data()["evidence"] == ["aa", "bb"]
    many = OwnTime(CLEAN, then, {**now, "x": "2"}, (Digest("aa"), Digest("bb")))
    said = verdicts_of(TABLE, CELLS, {}, {"lib1 app1": many})["lib1 app1"].blame
    assert said.verdict is Kind.DRIFT and not said.culprits
    assert "one or more of the 2 that differ (dep, x)" in said.words()


def test_the_same_failure_then_is_no_drift() -> None:
    own = OwnTime(UNIT, {"dep": "3.0"}, {"dep": "3.1"}, (Digest("aa"), Digest("bb")))
    assert verdicts_of(TABLE, CELLS, {}, {"lib1 app1": own})["lib1 app1"].blame == READ


@pytest.mark.parametrize(
    ("experiment", "words"),
    [
        ([Culprit("lib", None, "0.5", "1.7")], "borne out"),
        ([Culprit("lib", "0.4", "0.5", "2")], "borne out"),
        ([Culprit("lib", None, "0.5", "2.1")], "another border of lib"),
        ([Culprit("lib", None, "1.5", "2")], "another border of lib"),
        ([Culprit("dep", "3.0", "3.1")], "lib plays no part by experiment"),
        ([Culprit("lib", None, "1", "2"), Culprit("dep", "3.0", "3.1")], "borne out in part: dep plays a part too"),
        ([], "the experiment comes to no culprit (undetermined)"),
    ],
)
def test_the_table_is_borne_out_or_it_is_said_why_not(experiment: list[Culprit], words: str) -> None:
    kind = Kind.PAIR if experiment else Kind.UNDETERMINED
    found = agreement(READ, Blame(kind, tuple(experiment)))
    assert found.words() == words
    assert found.whole is (words == "borne out") and bool(found.against) is not words.startswith("borne out")


def test_what_an_experiment_could_not_try_it_does_not_contradict() -> None:
    read = Blame(Kind.PAIR, (Culprit("lib", None, "1", "2"), Culprit("app", "1", "2")))
    found = agreement(read, Blame(Kind.CULPRIT, (Culprit("lib", None, "1", "2"),)), ["app"])
    assert found.words() == "borne out in part: nothing is said of app: no cell that differs in it passes"
    assert not found.against and not found.whole


def test_of_what_an_experiment_could_not_try_the_table_tells() -> None:
    """The only passing end differs in `lib`; that `app` takes the failure away as well, to another, the table knows."""
    rows = [
        Row("lib1 app1", "3.11", {"lib": "1", "app": "1"}, Outcome.FAIL, "odd"),
        Row("lib1 app2", "3.11", {"lib": "1", "app": "2"}, Outcome.WRONG, "other"),
        Row("lib2 app1", "3.11", {"lib": "2", "app": "1"}, Outcome.PASS, None),
    ]
    pairs = (Pair("lib2 app1", "lib1 app1", "lib", border="lib"), Pair("lib1 app2", "lib1 app1", "app", border="app"))
    read = Blame(Kind.PAIR, (Culprit("lib", None, "1", "2"), Culprit("app", None, "1", "2")), pairs, unit=UNIT)
    found = Blame(
        Kind.CULPRIT, (Culprit("lib", None, "0.5", "1.5"),), (Pair("aa", "bb", "lib", border="lib"),), unit=UNIT
    )
    made = tried("lib1 app1", found)
    said = verdicts_of(Table(rows), {"lib1 app1": read}, made, {})["lib1 app1"]
    assert said.ground is Ground.EXPERIMENT and said.blame.verdict is Kind.PAIR
    assert said.blame.culprits == (Culprit("lib", None, "0.5", "1.5"), Culprit("app", None, "1", "2"))
    assert [pair.bad for pair in said.blame.evidence] == ["bb", "lib1 app1"]
    assert "of app the table tells alone" in said.blame.words()
    both = tried("lib1 app1", found, end="lib1 app2")
    assert verdicts_of(Table(rows), {"lib1 app1": read}, both, {})["lib1 app1"].blame == found


def test_the_table_says_between_which_versions_it_broke() -> None:
    read = Blame(Kind.CULPRIT, (Culprit("lib", "1.0", "2.0"),))
    for good, bad, against in (("1.0", "1.1", ""), ("1.9", "2.0", ""), ("0.8", "0.9", "another border of lib")):
        assert agreement(read, Blame(Kind.CULPRIT, (Culprit("lib", good, bad),))).against == against


def context(*, drawn: str = "", then: bool = False) -> Context:
    from dataclasses import replace

    bad, good = made_up.cell(peft="0.10.0"), made_up.cell(peft="0.13.2")
    plain = made_up.context(
        [made_up.result(bad, made_up.observation(made_up.CACHE_LAYERS)), made_up.result(good, made_up.observation())]
    )
    unit = (Outcome.FAIL, "cache-layers-empty")
    lock = made_up.lock(bad)
    pair = Pair("abc", lock.digest, "dep 3.0 works, 3.1 does not")
    blame = Blame(Kind.DRIFT, DRIFT.culprits, (pair,), 20, unit, worked=DRIFT.worked)
    return replace(plain, experiments=tried(bad.id, blame, drawn, good.id), evidence={lock.digest: lock})


def test_reports_tell_an_experiment_with_its_locks_and_hold_the_table_against_it() -> None:
    of = context(drawn="seed 7, 1 of 1 failing cells")
    (cell,) = [cell for cell in document(of)["cells"] if cell["outcome"] == "fail"]
    assert cell["blame"]["verdict"] == "drift" and cell["blame"]["ground"] == "experiment"
    assert [each["package"] for each in cell["blame"]["culprits"]] == ["dep"]
    text = blame_text(of)
    assert "1 of 1 failing cells have a verdict (1 drift); 0 (0.0%) are undetermined" in text
    assert "| `dep<3.1`" in text and "(2026-01-05)" in text
    assert (
        "Of 1 cells drawn by chance the experiment bears the table out in 0, in part in 0, and contradicts it in 1."
        in text
    )
    assert "**peft plays no part by experiment**" in text and "by chance (seed 7, 1 of 1 failing cells)" in text
    ((name, _),) = folders(of)["evidence"]
    assert f"(evidence/{name})" in text


def test_without_experiments_the_page_says_so() -> None:
    plain = made_up.context([made_up.result(made_up.cell(), made_up.observation())])
    text = blame_text(plain)
    assert "No measured cell fails." in text and "No experiment was made." in text
    assert "evidence" not in folders(plain)
