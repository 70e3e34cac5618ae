"""A report taken into a store again: nothing is lost that a report tells, nothing is named otherwise, nothing mixed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from made_up import CACHE_LAYERS, NOON, cell, lock, observation

from compatcheck import reporting
from compatcheck.attribution import Blame, Culprit, Kind, Pair
from compatcheck.catalogues import Catalogue, load_catalogue
from compatcheck.cell_blame import CellBlame, Part
from compatcheck.classify import diagnose
from compatcheck.cli import main
from compatcheck.conclusion import ChosenCell
from compatcheck.domain import (
    Cell,
    Digest,
    Ending,
    EndingKind,
    Frame,
    Lock,
    Machine,
    Observation,
    Outcome,
    Raised,
    Resolution,
    Retold,
    Stage,
)
from compatcheck.errors import InputError
from compatcheck.expansion import Expansion
from compatcheck.experiment import Experiment
from compatcheck.flakes import agreeing, runs, settled, verdict
from compatcheck.lock_text import lock_of_text
from compatcheck.matrix import load_matrix
from compatcheck.pipeline import Run
from compatcheck.probe import PROBE_VERSION
from compatcheck.remade import take_report
from compatcheck.report.context import Context
from compatcheck.report.diff import Change, Diff, compared
from compatcheck.report.document import SCHEMA_FILE, document
from compatcheck.report.files import write_reports
from compatcheck.report.kept import FACTS, OF_A_DEATH
from compatcheck.report.reread import load_reported
from compatcheck.report.retold import load_retold
from compatcheck.reporting import context_of
from compatcheck.store import Store
from compatcheck.table import TELLING

ROOT = Path(__file__).parent.parent
SOME = '[axes]\ntorch = ["2.6.0"]\ntransformers = ["4.51.3"]\npeft = ["newest"]\n'
WRAPPED = (
    Raised("KeyError", "builtins", "'base_model'", (Frame("peft/utils/other.py", 5, "get"),), "return x[y]"),
    Raised("RuntimeError", "somewhere", "it went wrong", (Frame("transformers/trainer.py", 7, "<module>"),)),
)
DIED = Ending(EndingKind.SIGNALLED, None, "SIGBUS")
OTHER_MACHINE = Machine("", "Another Linux 2", "another processor", 8, 16384, "")


def chained(*chain: Raised) -> Observation:
    seen = observation(chain[-1], Stage.TRAIN)
    stages = tuple(replace(each, chain=chain if each.chain else ()) for each in seen.stages)
    return replace(seen, stages=stages)


SEEN: dict[str, Observation | str | None] = {
    "0.15.2": observation(isolation="fork"),
    "0.14.0": observation(uncached=False),
    "0.13.2": observation(CACHE_LAYERS),
    "0.12.0": observation(cached=False, base_generates_rightly=True, adapter_ignored=True),
    "0.11.1": chained(*WRAPPED),
    "0.10.0": observation(stage=Stage.TRAIN, ending=DIED, memory={"room_mib": 900.0, "curve_mib": [[1.0, 880.0]]}),
    "0.9.0": "No solution found when resolving dependencies",
    "0.8.2": None,
}  # fmt: skip
"""What became of each peft: a run, a refusal, or nothing."""


@dataclass
class Desk:
    """A matrix, a report of it, and the store that it was written from."""

    folder: Path
    matrix_file: Path
    locks: Callable[[Cell], Lock]

    @property
    def report(self) -> Path:
        return self.folder / "reports" / "small"

    def run(self, store: Store) -> Run:
        return Run(load_matrix(self.matrix_file), store, self.folder / "cache")

    def context(self, name: str) -> Context:
        with Store(self.folder / name) as store:
            return context_of(self.run(store))

    def take(self, name: str = "taken.sqlite3") -> tuple[int, int]:
        with Store(self.folder / name) as store:
            taken = take_report(self.report, load_matrix(self.matrix_file), self.folder / "cache", store)
        return taken.new, taken.runs

    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.report / "compatibility.json").read_text(encoding="utf-8"))
        return found

    def rewrite(self, data: object) -> None:
        (self.report / "compatibility.json").write_text(json.dumps(data), encoding="utf-8")

    def grow_old(self) -> None:
        """As reports were before they held all that a diagnosis is made from."""
        data = self.data()
        for each in data["cells"]:
            for name in ("machine", "facts", "traceback", "output"):
                each.pop(name, None)
        for name in ("tracebacks", "releases", "requires", "requires_python"):
            del data[name]
        data["excluded"] = [{"id": each["id"], "reason": each["reason"]} for each in data["excluded"]]
        self.rewrite(data)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "matrix").mkdir()
    (tmp_path / "matrix" / "small.toml").write_text(SOME)

    with Store(tmp_path / "store.sqlite3") as store:
        run = Run(load_matrix(tmp_path / "matrix" / "small.toml"), store, tmp_path / "cache")
        platform, settings, matrix = run.platform, run.matrix.resolution_digest, run.matrix.digest

        def locks(of: Cell) -> Lock:
            return replace(lock(of), platform=platform)

        for number, (peft, seen) in enumerate(SEEN.items()):
            of = cell(peft=peft)
            if isinstance(seen, str):
                store.save_resolution(of, settings, platform, Resolution(None, seen, NOON))
            elif seen is not None:
                store.save_resolution(of, settings, platform, Resolution(locks(of), "", NOON))
                machine = replace(OTHER_MACHINE if number % 2 else seen.machine, platform=platform)
                for minute in (number, number + 30) if peft == "0.10.0" else (number,):
                    started = NOON + timedelta(minutes=minute)
                    here = replace(seen, machine=machine, probe_version=PROBE_VERSION, started=started)
                    store.save_observation(locks(of), run.material.digest, here)
        cells = tuple(cell(peft=peft) for peft in SEEN)
        expansion = Expansion(
            cells, {"peft 0.15.2": NOON.replace(hour=0)}, ((cell(peft="0.7.1"), "too old"),),
            {"transformers 4.51.3": ("torch>=2 ; extra == 'torch'",), "peft 0.15.2": ("torch>=1.13", "transformers")},
            {"peft": ("0.15.2", "0.15.3")}, {"peft 0.15.2": ">=3.9"},
        )  # fmt: skip
        store.save_expansion(matrix, expansion)
        good, bad = locks(cell(peft="0.7.0")), locks(cell(peft="0.13.2"))
        blame = Blame(
            Kind.CULPRIT, (Culprit("peft", "0.7.0", "0.8.0", unknown=("0.7.1",)),),
            (Pair(good.digest, bad.digest, "moving peft alone"),), 9, (Outcome.FAIL, "cache-layers-empty"),
            no_part={"torch": 3},
        )  # fmt: skip
        found = CellBlame(blame, (Part("an end", blame),))
        experiment = Experiment(cell(peft="0.13.2").id, bad.digest, NOON, found, "seed 1")
        store.save_lock(good)
        store.save_experiment(experiment, settings, run.material.digest, PROBE_VERSION, platform)
        desk = Desk(tmp_path, tmp_path / "matrix" / "small.toml", locks)
        write_reports(context_of(run), desk.report)
    return desk


def test_a_store_made_from_a_report_gives_the_same_report(desk: Desk) -> None:
    before = document(desk.context("store.sqlite3"))
    assert not list(Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))).iter_errors(desk.data()))
    assert {each["outcome"] for each in before["cells"]} == set(map(str, Outcome)) - {"error"}
    assert desk.take() == (7 - 1, 6)
    assert document(desk.context("taken.sqlite3")) == before
    assert before["experiments"] and (desk.report / "evidence").is_dir()
    with Store(desk.folder / "store.sqlite3") as store, Store(desk.folder / "taken.sqlite3") as taken:
        expansion = desk.run(store).expansion()
        assert desk.run(taken).expansion() == expansion
        for each in expansion.cells:
            one, other = desk.run(store).stored(each), desk.run(taken).stored(each)
            assert (one.lock and one.lock.digest) == (other.lock and other.lock.digest)
            if one.observation is not None:
                assert other.observation is not None and other.observation.chain == one.observation.chain
                assert other.observation.machine == one.observation.machine
                assert other.observation.retold == Retold(one.attempts, one.agreeing)
    desk.report.rename(desk.folder / "first")
    write_reports(desk.context("taken.sqlite3"), desk.report)
    for path in sorted((desk.folder / "first").rglob("*")):
        if path.is_file():
            again = desk.report / path.relative_to(desk.folder / "first")
            assert again.read_bytes() == path.read_bytes(), path.name


def test_taking_the_same_report_twice_changes_nothing(desk: Desk) -> None:
    desk.take()
    before = document(desk.context("taken.sqlite3"))
    assert desk.take() == (0, 6)
    assert document(desk.context("taken.sqlite3")) == before


def test_what_was_seen_counts_more_than_what_is_retold_of_it(desk: Desk) -> None:
    desk.grow_old()
    assert desk.take() == (6, 6)
    assert desk.take("store.sqlite3") == (0, 6), "all of it is there already"
    with Store(desk.folder / "store.sqlite3") as store:
        assert all(each.retold is None for each in store.every_observation())
    with Store(desk.folder / "taken.sqlite3") as taken:
        assert all(each.retold is not None for each in taken.every_observation())
        assert taken.merge(desk.folder / "store.sqlite3") == 1, "the earlier run of the cell that was run twice"
        assert all(each.retold is None for each in taken.every_observation())
        result = desk.run(taken).stored(cell(peft="0.10.0"))
        assert (result.attempts, result.agreeing) == (2, 2)
        locks = [desk.locks(cell(peft=peft)) for peft, seen in SEEN.items() if isinstance(seen, Observation)]
        assert [taken.lock(each.digest) for each in locks] == locks, "with the sizes of the wheels, which no report has"
    with Store(desk.folder / "other.sqlite3") as other:
        other.merge(desk.folder / "store.sqlite3")
        assert desk.take("other.sqlite3") == (0, 6)
        assert [other.lock(each.digest) for each in locks] == locks


# ---------------------------------------------------------------------- older reports


def named(context: Context) -> dict[str, tuple[str | None, str | None]]:
    found = {entry.cell.id: entry.diagnosis for entry in context.entries if entry.diagnosis}
    return {name: (each.signature, each.fingerprint) for name, each in found.items()}


def test_a_failure_of_an_older_report_keeps_its_name(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    before = named(desk.context("store.sqlite3"))
    desk.grow_old()
    assert desk.take() == (6, 6)
    after = desk.context("taken.sqlite3")
    assert named(after) == before
    wrong = cell(peft="0.12.0").id
    name, fingerprint = before[wrong]
    told = after.by_id[wrong].result.observation
    assert name and told is not None and told.retold is not None and not told.retold.complete
    left = diagnose(replace(told, retold=None), load_catalogue())
    assert left.signature != name, "what is left of it alone would not be recognised"
    diff = compared(load_reported(str(desk.report)), load_reported(str(_written(after, desk.folder / "again"))))
    assert changes(diff) == {Change.UNCHANGED: 7, Change.NEVER_TESTED: 1}
    # what such a report was made into says as little as it did
    again = json.loads((desk.folder / "again" / "compatibility.json").read_text(encoding="utf-8"))
    assert not again["tracebacks"] and not any("facts" in each for each in again["cells"])
    assert "Of 6 cells, known from an older report, it is not told how they were kept apart." in (
        desk.folder / "again" / "compatibility.md"
    ).read_text(encoding="utf-8")

    without = Catalogue(tuple(each for each in load_catalogue() if each.id != name))
    monkeypatch.setattr(reporting, "load_catalogue", lambda: without)
    fallen = named(desk.context("taken.sqlite3"))[wrong]
    assert fallen == (left.signature, fingerprint), "a name that the catalogue lacks is not kept, and the group is"


def changes(diff: Diff) -> dict[Change, int]:
    return {change: count for change, count in diff.totals.items() if count}


def _written(context: Context, folder: Path) -> Path:
    folder.mkdir()
    write_reports(context, folder)
    return folder


def test_a_failure_that_had_no_name_gets_one_when_the_catalogue_has_it() -> None:
    seen = replace(observation(CACHE_LAYERS), retold=Retold(1, 1, False, None, Digest("feed" * 4)))
    found = diagnose(seen, load_catalogue())
    assert (found.signature, found.fingerprint) == ("cache-layers-empty", "feed" * 4)


def test_a_report_holds_every_fact_that_a_signature_asks_for() -> None:
    assert {name for signature in load_catalogue() for name in signature.facts} <= set(FACTS)
    cell = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))["properties"]["cells"]["items"]["properties"]
    assert set(cell["facts"]["properties"]) == {*FACTS, OF_A_DEATH}, "and the schema describes them"


def test_of_an_older_report_the_cells_that_were_drawn_for_the_audit_stay_apart(desk: Desk) -> None:
    data = desk.data()
    audited = {"id": cell().id, "inferred": "pass", "inferred_signature": None}
    data["exploration"] = {"audit": {"cells": [audited]}}
    desk.rewrite(data)
    assert load_retold(desk.report).choices == (ChosenCell(cell().id, "audit", "pass", None, 0.0, 0),)


# ---------------------------------------------------------------------- several runs


def again(seen: Observation, minute: int, retold: Retold | None = None) -> Observation:
    return replace(seen, started=NOON + timedelta(minutes=minute), retold=retold)


def test_a_retold_run_stands_for_the_runs_before_it() -> None:
    crash = observation(stage=Stage.TRAIN, ending=DIED)
    told = again(crash, 5, Retold(3, 2))
    assert settled([told]) and (runs([told]), agreeing([told])) == (3, 2)
    assert not settled([again(crash, 5, Retold(1, 1))]), "one that could be chance is tried again"
    earlier = [again(crash, 1), again(observation(), 2)]
    assert (runs([*earlier, told]), agreeing([*earlier, told])) == (3, 2), "they are among the three"
    later = again(crash, 9)
    assert (runs([*earlier, told, later]), agreeing([*earlier, told, later])) == (4, 3)
    assert verdict([*earlier, told, later]) is later
    two = [again(crash, 4, Retold(2, 2)), again(crash, 5, Retold(4, 4))]
    assert (runs(two), agreeing(two)) == (4, 4), "two reports of one table count its runs once"


def test_runs_agree_whatever_root_an_older_report_leaves_out() -> None:
    whole, cut = chained(*WRAPPED), again(chained(WRAPPED[-1]), 3, Retold(1, 1, False, None, None))
    assert agreeing([whole, cut]) == 2
    assert agreeing([whole, again(chained(WRAPPED[-1]), 3)]) == 1


# ---------------------------------------------------------------------- what is refused


def _cell(data: dict[str, Any], peft: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in data["cells"] if each["versions"]["peft"] == peft)
    return found


BROKEN: tuple[tuple[str, Callable[[dict[str, Any]], object]], ...] = (
    ("cells: missing", lambda data: data.pop("cells")),
    ("cells: not a list", lambda data: data.update(cells={})),
    ("cells[0].outcome: fail, and what was seen comes to pass", lambda data: data["cells"][0].update(outcome="fail")),
    ("cells[0].outcome: 'perhaps' is none of", lambda data: data["cells"][0].update(outcome="perhaps")),
    ("cells[0].stages[1].seconds: expected a number", lambda data: data["cells"][0]["stages"][1].update(seconds="1")),
    ("cells[0].started: Invalid isoformat string", lambda data: data["cells"][0].update(started="yesterday")),
    ("cells[0]: started, ending", lambda data: data["cells"][0].update(ending=None)),
    ("cells[0].modes.cached: wrong", lambda data: data["cells"][0]["modes"].update(cached="wrong")),
    ("cells[0].agreeing: 2 of 1", lambda data: data["cells"][0].update(agreeing=2)),
    ("cells[0].machine: platform has no 7", lambda data: data["cells"][0].update(machine=7)),
    ("cells[0].lock: 0123456789abcdef, and", lambda data: data["cells"][0].update(lock="0123456789abcdef")),
    ("cells[0].versions.torch: '2.x' is no version of", lambda data: data["cells"][0]["versions"].update(torch="2.x")),
    ("cells[0].versions.../torch: ", lambda data: data["cells"][0]["versions"].update({"../torch": "2"})),
    ("cells[0].python: '3.x'", lambda data: data["cells"][0].update(python="3.x")),
    ("cells[0].id: ", lambda data: data["cells"][0]["versions"].update(torch="2.7.0")),
    (
        "cells[1].id: 'py311-torch2.6.0-transformers4.51.3-peft0.15.2' stands there twice",
        lambda data: data["cells"][1].update(data["cells"][0]),
    ),
    ("cells[2].traceback: feedfeedfeedfeed is not", lambda data: _cell(data, "0.13.2").update(traceback="feed" * 4)),
    ("cells[2].traceback: missing", lambda data: _cell(data, "0.13.2").update(traceback=None)),
    ("tracebacks[0].chain[0].frames[0]", lambda data: data["tracebacks"][0]["chain"][0]["frames"][0].pop()),
    ("cells[6].lock: there is none", lambda data: _cell(data, "0.9.0").update(reason=None)),
    ("excluded: not a list", lambda data: data.update(excluded=7)),
    ("experiments: not a list", lambda data: data.update(experiments={})),
    (
        "experiments[0].found.blame.verdict: 'it' is none",
        lambda data: data["experiments"][0]["found"]["blame"].update(verdict="it"),
    ),
    ("schema: 99 is newer", lambda data: data.update(schema=99)),
    ("policy", lambda data: data.update(policy="contemporary")),
    ("extras: trl, and none in the matrix small", lambda data: data.update(extras=["trl"])),
    ("scenario.epochs: 4, and 3 in the matrix small", lambda data: data["scenario"].update(epochs=4)),
    ("scenario.epochs: expected a whole number", lambda data: data["scenario"].update(epochs="3")),
    ("scenario.probe: 0, and", lambda data: data["scenario"].update(probe=0)),
    (
        "scenario.material: feedfeed, and here",
        lambda data: data["scenario"].update(material="feedfeed"),
    ),
)


@pytest.mark.parametrize(("said", "damage"), BROKEN, ids=[said for said, _ in BROKEN])
def test_a_damaged_report_and_one_of_other_runs_is_refused(
    desk: Desk, said: str, damage: Callable[[dict[str, Any]], object]
) -> None:
    data = desk.data()
    damage(data)
    desk.rewrite(data)
    with pytest.raises(InputError) as refused:
        desk.take()
    assert any(each.startswith(said) for each in refused.value.problems), refused.value.problems
    assert "compatibility.json" in str(refused.value)
    with Store(desk.folder / "taken.sqlite3") as store:
        assert not list(store.every_observation()) and not store.told_cells(
            desk.run(store).matrix.resolution_digest, desk.run(store).platform
        ), "nothing of it was taken"


def test_half_a_report_is_refused(desk: Desk) -> None:
    path = desk.report / "compatibility.json"
    path.write_text(path.read_text(encoding="utf-8")[:-2000], encoding="utf-8")
    with pytest.raises(InputError, match=r"not JSON: .* at character"):
        desk.take()
    path.unlink()
    with pytest.raises(InputError, match="no such file"):
        desk.take()


def test_a_report_without_its_locks_is_refused(desk: Desk) -> None:
    shutil.rmtree(desk.report / "locks")
    with pytest.raises(InputError, match=r"cells\[0\]\.lock: .*\.txt cannot be read"):
        desk.take()


def test_a_lock_of_another_cell_is_refused(desk: Desk) -> None:
    data = desk.data()
    one, other = data["cells"][:2]
    locks = desk.report / "locks"
    (locks / f"{one['id']}.txt").write_bytes((locks / f"{other['id']}.txt").read_bytes())
    one["lock"] = other["lock"]
    desk.rewrite(data)
    with pytest.raises(InputError, match=r"cells\[0\]\.lock: .* is the lock of another cell"):
        desk.take()


@pytest.mark.parametrize(
    "text",
    ["", "torch==2.6.0\n", "# a, for Python 3.11 on linux-x86_64\n    --hash=sha256:" + "ab" * 32 + "\n",
     "# a, for Python 3.11 on linux-x86_64\ntorch==2.x\n", "# a, for Python 3.11 on linux-x86_64\ntorch>=2\n"],
)  # fmt: skip
def test_what_is_no_lock_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"Python and platform|line 2"):
        lock_of_text(text)


# ---------------------------------------------------------------------- the commands


def test_merge_takes_reports_beside_stores(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(desk.folder / "store.sqlite3", desk.folder / "part.sqlite3")
    words = ["--into", "all.sqlite3", "--cache", "cache"]
    assert main(["merge", "reports/small", "part.sqlite3", "reports/small/compatibility.json", *words]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "reports/small: 6 new observations, of 6 that the report tells of",
        "part.sqlite3: 1 new observations",
        "reports/small/compatibility.json: 0 new observations, of 6 that the report tells of",
    ]
    Path("matrix/small.toml").rename("mine.toml")
    assert main(["merge", "reports/small", "--into", "none.sqlite3"]) == 2
    assert "is of the matrix 'small', and there is no matrix/small.toml" in capsys.readouterr().err
    assert not Path("none.sqlite3").exists()
    assert main(["merge", "reports/small", "--matrix", "mine.toml", *words]) == 0
    assert main(["merge", "reports", *words]) == 2
    assert "there is no store reports, and no report" in capsys.readouterr().err


def test_a_report_that_would_be_overwritten_with_nothing_says_how_it_is_taken_in(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["report", "matrix/small.toml", "--store", "new.sqlite3", "--cache", "cache"]
    with Store(Path("new.sqlite3")) as store:
        store.save_expansion(desk.run(store).matrix.digest, Expansion((cell(),), {}))
    assert main(words) == 2
    assert "Take them in: compatcheck merge reports/small --into new.sqlite3;" in capsys.readouterr().err
    assert main(["merge", "reports/small", "--into", "new.sqlite3", "--cache", "cache"]) == 0
    assert main(words) == 0


def test_a_refresh_that_would_begin_anew_beside_a_report_says_how_to_go_on(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["refresh", "matrix/small.toml", "--store", "new.sqlite3", "--cache", "cache"]
    assert main(words) == 2
    told = capsys.readouterr().err
    assert "new.sqlite3 knows nothing of this matrix, and reports/small tells of 7 cells that were run" in told
    assert "Take them in first: compatcheck merge reports/small --into new.sqlite3." in told


# ---------------------------------------------------------------------- the committed reports


@pytest.mark.parametrize("name", ["full", "every-minor", "contemporary", "bloomz-560m"])
def test_every_lock_and_every_name_of_a_committed_report_is_found_again(name: str) -> None:
    """That a lock has the digest told, and a run comes to the outcome told, is seen to as it is read."""
    catalogue, folder = load_catalogue(), ROOT / "reports" / name
    told = {each.id: each.told for each in load_reported(str(folder)).measured}
    retold = load_retold(folder)
    assert retold.runs == sum(each.outcome in TELLING for each in told.values()) >= 384
    for each in retold.cells:
        seen = each.observation
        if seen is None or seen.outcome is Outcome.PASS or (seen.retold is not None and seen.retold.complete):
            continue
        found = diagnose(seen, catalogue)
        said = told[each.cell.id]
        assert (found.signature, found.fingerprint) == (said.signature, said.fingerprint), each.cell.id


def test_the_committed_report_of_the_article_goes_into_a_store_and_comes_out_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    matrix, report = load_matrix(Path("matrix/article.toml")), Path("reports")
    with Store(tmp_path / "store.sqlite3") as store:
        taken = take_report(report, matrix, tmp_path / "cache", store)
        assert taken.new == taken.runs == 384
        run = Run(matrix, store, tmp_path / "cache")
        context = context_of(run)
        # every run is known, so none would be made again
        locks = [entry.result.lock for entry in context.entries]
        assert all(each is not None and run.known(each) is not None for each in locks)
    _written(context, tmp_path / "again")
    diff = compared(load_reported("reports"), load_reported(str(tmp_path / "again")))
    assert changes(diff) == {Change.UNCHANGED: 384}
    assert set(diff.surroundings) <= {"scenario, method: not told → prompt-tuning"}, (
        "which the report is too old to tell"
    )
    for path in sorted((ROOT / "reports" / "locks").iterdir()):
        assert (tmp_path / "again" / "locks" / path.name).read_bytes() == path.read_bytes()
