"""Comparing two reports: every cell in exactly one kind of change, chance told from regression, and what else moved."""

from __future__ import annotations

import json
import random
import subprocess
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from made_up import CACHE_LAYERS, NOON, cell, context, lock, observation, result

from compatcheck.cli import main
from compatcheck.domain import CellResult, Observation, Outcome, Resolution
from compatcheck.errors import InputError, UsageError
from compatcheck.expansion import Expansion
from compatcheck.matrix import load_matrix
from compatcheck.pipeline import Run
from compatcheck.probe import PROBE_VERSION
from compatcheck.report.diff import Change, compared, diff_document, state
from compatcheck.report.diff_text import CAP, diff_lines, diff_markdown, summary
from compatcheck.report.document import json_text
from compatcheck.report.reread import Reported, ReportedCell, Told, load_reported, reported
from compatcheck.store import Store

NOTHING = reported(json_text(context([result(cell())])), "made up")


def seen(name: str = "a", outcome: Outcome = Outcome.PASS, **fields: Any) -> ReportedCell:
    defaults: dict[str, Any] = {"lock": "1", "imported": {"torch": "2.6.0"}}
    if outcome not in (Outcome.PASS, Outcome.UNTESTED, Outcome.ERROR):
        defaults |= {"signature": "some-failure", "fingerprint": "0123456789abcdef", "stage": "train"}
    return ReportedCell(name, "3.11", (("torch", "2.6.0"),), Told(outcome, **{**defaults, **fields}))


def side(*cells: ReportedCell, **fields: Any) -> Reported:
    return replace(NOTHING, cells=cells, **fields)


FAIL, WRONG, UNTESTED = Outcome.FAIL, Outcome.WRONG, Outcome.UNTESTED


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (seen(), seen(outcome=FAIL), Change.REGRESSED),
        (seen(), seen(outcome=WRONG), Change.REGRESSED),
        (seen(), seen(outcome=Outcome.UNRESOLVABLE), Change.REGRESSED),
        (seen(outcome=FAIL), seen(), Change.FIXED),
        (seen(outcome=FAIL), seen(outcome=WRONG), Change.CHANGED),
        (seen(outcome=FAIL), seen(outcome=FAIL, stage="generate"), Change.CHANGED),
        (seen(outcome=FAIL), seen(outcome=FAIL, signature="other", fingerprint="f" * 16), Change.CHANGED),
        (seen(outcome=FAIL), seen(outcome=FAIL, workaround="uncached"), Change.CHANGED),
        (seen(), seen(caveat="uncached"), Change.CHANGED),
        (seen(outcome=FAIL, signature=None), seen(outcome=FAIL), Change.RENAMED),
        (seen(outcome=FAIL), seen(outcome=FAIL, lock="2", fingerprint="f" * 16), Change.UNCHANGED),
        (seen(attempts=4, agreeing=3), seen(outcome=FAIL), Change.SPURIOUS),
        (seen(), seen(outcome=FAIL, attempts=4, agreeing=3), Change.SPURIOUS),
        (seen(), seen(outcome=FAIL, attempts=4, agreeing=4), Change.REGRESSED),
        (seen(attempts=4, agreeing=3), seen(), Change.UNCHANGED),
        (None, seen(outcome=FAIL), Change.NEWLY_TESTED),
        (seen(outcome=UNTESTED), seen(), Change.NEWLY_TESTED),
        (seen(outcome=Outcome.ERROR), seen(), Change.NEWLY_TESTED),
        (seen(), None, Change.NO_LONGER_TESTED),
        (seen(), seen(outcome=Outcome.ERROR), Change.NO_LONGER_TESTED),
        (None, seen(outcome=UNTESTED), Change.NEVER_TESTED),
        (seen(outcome=UNTESTED), None, Change.NEVER_TESTED),
    ],
)
def test_each_cell_has_the_change_that_it_deserves(
    old: ReportedCell | None, new: ReportedCell | None, change: Change
) -> None:
    diff = compared(side(*[old] if old else []), side(*[new] if new else []))
    assert [each.change for each in diff.differences] == [change]


def some_cells(chance: random.Random) -> list[ReportedCell]:
    found = []
    for name in chance.sample("abcdefghijklmnopqrst", chance.randrange(0, 20)):
        outcome = chance.choice(list(Outcome))
        attempts = chance.choice([1, 1, 3])
        fields: dict[str, Any] = {"attempts": attempts, "agreeing": chance.randint(1, attempts)}
        if outcome in (FAIL, WRONG):
            fields |= {
                "signature": chance.choice([None, "x", "y"]),
                "fingerprint": chance.choice(["1" * 16, "2" * 16]),
                "stage": chance.choice(["train", "generate"]),
            }
        found.append(seen(name, outcome, **fields))
    return found


@pytest.mark.parametrize("seed", range(60))
def test_the_totals_add_up(seed: int) -> None:
    """Whatever the two reports: each cell once, and what is gone and come explains the difference in every count."""
    chance = random.Random(seed)
    old, new = side(*some_cells(chance)), side(*some_cells(chance))
    diff, back = compared(old, new), compared(new, old)
    ids = {each.id for each in (*old.cells, *new.cells)}
    assert sorted(each.cell.id for each in diff.differences) == sorted(ids)
    assert sum(diff.totals.values()) == len(ids)
    tested = [sum(cell.told.tested for cell in each.cells) for each in (old, new)]
    totals = diff.totals
    assert tested[1] - tested[0] == totals[Change.NEWLY_TESTED] - totals[Change.NO_LONGER_TESTED]
    stay = (Change.REGRESSED, Change.FIXED, Change.CHANGED, Change.SPURIOUS, Change.RENAMED, Change.UNCHANGED)
    assert sum(totals[change] for change in stay) + totals[Change.NEWLY_TESTED] == tested[1]
    # the way back is the mirror image
    mirror = {
        Change.REGRESSED: Change.FIXED, Change.FIXED: Change.REGRESSED,
        Change.NEWLY_TESTED: Change.NO_LONGER_TESTED, Change.NO_LONGER_TESTED: Change.NEWLY_TESTED,
    }  # fmt: skip
    assert {change: back.totals[mirror.get(change, change)] for change in Change} == dict(totals)
    for change in Change:
        assert sum(len(group) for _, group in diff.groups(change)) == totals[change]
    document = diff_document(diff)
    listed = Counter(each["change"] for each in document["cells"])
    silent = totals[Change.UNCHANGED] + totals[Change.NEVER_TESTED]
    assert sum(listed.values()) + silent == document["cells_compared"] == len(ids)
    assert document["totals"] == {str(change): count for change, count in totals.items()}
    assert compared(old, old).totals[Change.UNCHANGED] == tested[0]


def test_what_else_changed_is_told() -> None:
    machine = replace(NOTHING.platform[0], cpu="another") if NOTHING.platform else None
    old = side(seen("a", imported={"torch": "2.6.0", "numpy": "1"}), seen("b"))
    new = side(
        seen("a", outcome=FAIL, lock="2", imported={"torch": "2.6.0", "numpy": "2"}),
        seen("b", outcome=FAIL),
        scenario={**NOTHING.scenario, "seed": 21},
        platform=(machine,) if machine else NOTHING.platform,
        compatcheck="9.9",
        extras=("accelerate<1",),
    )
    diff = compared(old, new)
    said = "\n".join(diff.surroundings)
    for wanted in (
        "scenario, seed: 20 → 21",
        f"compatcheck: {NOTHING.compatcheck} → 9.9",
        "extra requirements: none → accelerate<1",
        "locks: 1 of the 2 cells with a lock in both",
        "numpy: 1 → 2 (1 cell)",
    ):
        assert wanted in said
    assert compared(old, old).surroundings == ()
    explained = {each["id"]: each["explained"] for each in diff_document(diff)["cells"]}
    assert explained == {"a": "numpy 1 → 2", "b": "the same lock: not the packages"}


def test_another_name_for_the_same_failure_is_not_laid_upon_the_packages() -> None:
    diff = compared(side(seen(outcome=FAIL, signature=None)), side(seen(outcome=FAIL)))
    (found,) = diff_document(diff)["cells"]
    assert found["change"] == "named otherwise" and found["explained"] is None
    assert "\n  a\n" in "\n".join([*diff_lines(diff), ""])


def test_markdown_is_short_and_folds_the_details() -> None:
    many = [seen(f"cell{number}") for number in range(CAP + 25)]
    diff = compared(
        side(*many), side(*(seen(each.id, FAIL, signature="x<b>|y", fingerprint=None, stage=None) for each in many))
    )
    page = diff_markdown(diff)
    before = page.split("<details>")[0]
    assert "65 cells regressed" in before and before.count("\n") < 10
    assert page.count("<details>") == page.count("</details>")
    assert "and 25 more" in page and page.count("- cell") == CAP
    assert "x\\<b\\>\\|y" in page and "<b>" not in page
    head, rule, numbers = before.strip().splitlines()[-3:]
    assert head.count("|") == rule.count("|") == numbers.count("|")
    counts = [int(each) for each in numbers.strip("| ").split("|")]
    assert sum(counts[:-1]) == counts[-1] == 65


def test_text_tells_each_change_with_its_cells() -> None:
    diff = compared(side(seen("a"), seen("b", FAIL)), side(seen("a", FAIL), seen("b")))
    assert summary(diff) == "2 cells: 1 regressed, 1 fixed"
    text = "\n".join(diff_lines(diff))
    assert "regressed: pass → fail in train (some-failure) (1 cell)\n  a: the same lock: not the packages" in text
    assert text.index("regressed:") < text.index("fixed:")


def test_a_report_is_read_back_as_it_was_written() -> None:
    results = [
        result(cell(), observation()),
        result(cell(peft="0.10.0"), observation(CACHE_LAYERS)),
        result(cell(peft="0.12.0"), reason="conflict"),
        result(cell(peft="0.13.2")),
    ]
    back = reported(json_text(context(results)), "made up")
    assert [each.outcome for each in back.cells] == [each.outcome for each in results]
    assert state(back.cells[1]) == "fail in generate (cache-layers-empty)"
    assert back.cells[0].told.attempts == 1 and back.cells[0].told.lock


@pytest.mark.parametrize(
    ("text", "problem"),
    [("{", "not JSON"), ("[]", "made up"), ('{"schema": 99}', "newer"), ('{"schema": 1}', "cells")],
)
def test_what_is_no_report_is_refused_with_a_reason(text: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        reported(text, "made up")


def test_cells_of_which_the_same_is_told_are_checked_like_any_other() -> None:
    data = json.loads(json_text(context([CellResult(cell(peft=f"0.1{number}.0")) for number in range(3)])))
    back = reported(json.dumps(data), "made up")
    assert back.cells[0].told is back.cells[2].told and back.cells[0].releases[0] is back.cells[2].releases[0]
    assert [each.versions for each in back.cells] == [each["versions"] for each in data["cells"]]
    for name, wrong, problem in (
        ("outcome", "works", r"cells\[2\]\.outcome: 'works' is none of"),
        ("attempts", True, r"cells\[2\]\.attempts: expected a whole number"),
        ("python", 3.11, r"cells\[2\]\.python: expected a string"),
        ("versions", {"peft": 1}, r"cells\[2\]\.versions"),
    ):
        changed = json.loads(json.dumps(data))
        changed["cells"][2][name] = wrong
        with pytest.raises(InputError, match=problem):
            reported(json.dumps(changed), "made up")
    del data["cells"][2]["id"]
    with pytest.raises(InputError, match=r"cells\[2\].*'id' is missing"):
        reported(json.dumps(data), "made up")
    with pytest.raises(InputError, match=r"cells\[0\]"):
        reported(json.dumps({**data, "cells": ["x"]}), "made up")
    with pytest.raises(InputError, match="cells: not a list"):
        reported(json.dumps({**data, "cells": {}}), "made up")


def test_a_cell_that_stands_twice_is_refused() -> None:
    data = json.loads(json_text(context([result(cell(), observation())])))
    data["cells"] *= 2
    with pytest.raises(InputError, match="twice"):
        reported(json.dumps(data), "made up")


def test_files_directories_and_revisions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = json_text(context([result(cell(), observation())]))
    new = json_text(context([result(cell(), observation(CACHE_LAYERS))]))
    (tmp_path / "reports").mkdir()
    path = tmp_path / "reports" / "compatibility.json"
    path.write_text(old)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "old"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    path.write_text(new)
    monkeypatch.chdir(tmp_path)
    assert load_reported("HEAD").cells[0].outcome is Outcome.PASS
    for where in (".", "reports", str(path)):
        assert load_reported(where).cells[0].outcome is FAIL
    assert main(["diff", "HEAD", "."]) == 0
    assert main(["diff", "HEAD", ".", "--fail-on-regression"]) == 1
    assert main(["diff", ".", "HEAD", "--fail-on-regression"]) == 0
    for where in ("no-such-revision", "--output=x", "HEAD:README.md"):
        with pytest.raises(UsageError, match="neither a file, nor a directory"):
            load_reported(where)
    assert main(["diff", "missing.json", "."]) == 2


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_the_command_prints_every_format(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, each in (("old", observation()), ("new", observation(CACHE_LAYERS))):
        (tmp_path / f"{name}.json").write_text(json_text(context([result(cell(), each)])))
    assert main(["diff", str(tmp_path / "old.json"), str(tmp_path / "new.json"), "--format", form]) == 0
    out = capsys.readouterr().out
    assert "regressed" in out and "cache-layers-empty" in out
    if form == "json":
        assert json.loads(out)["totals"]["regressed"] == 1


def test_a_store_is_a_side_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    matrix_file = tmp_path / "small.toml"
    matrix_file.write_text('[axes]\ntorch = ["2.6.0"]\ntransformers = ["4.51.3"]\npeft = ["0.15.2", "0.10.0"]\n')
    matrix = load_matrix(matrix_file)
    cells = (cell(), cell(peft="0.10.0"))
    for name, last in (("old", observation()), ("new", observation(CACHE_LAYERS))):
        with Store(tmp_path / f"{name}.sqlite3") as store:
            run = Run(matrix, store, tmp_path / "cache")
            store.save_expansion(matrix.digest, Expansion(cells, {}))
            for each, seen_ in zip(cells, (observation(), last), strict=True):
                store.save_resolution(each, matrix.resolution_digest, run.platform, Resolution(lock(each), "", NOON))
                store.save_observation(lock(each), run.material.digest, _here(seen_, run.platform))
    words = ["diff", str(tmp_path / "old.sqlite3"), str(tmp_path / "new.sqlite3"), "--matrix", str(matrix_file)]
    assert main([*words, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {name: count for name, count in found["totals"].items() if count} == {"regressed": 1, "unchanged": 1}
    assert found["cells"][0]["id"] == cells[1].id


def test_two_moments_of_one_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A cell run on the second day, one run on both days with another end, and one that could not be resolved."""
    matrix_file = tmp_path / "small.toml"
    matrix_file.write_text(
        '[axes]\ntorch = ["2.6.0"]\ntransformers = ["4.51.3"]\npeft = ["0.15.2", "0.10.0", "0.7.1"]\n'
    )
    matrix, path = load_matrix(matrix_file), tmp_path / "store.sqlite3"
    day = 24 * 60
    late, flaky, refused = cell(), cell(peft="0.10.0"), cell(peft="0.7.1")
    with Store(path) as store:
        run = Run(matrix, store, tmp_path / "cache")
        store.save_expansion(matrix.digest, Expansion((late, flaky, refused), {}))
        for each in (late, flaky):
            store.save_resolution(each, matrix.resolution_digest, run.platform, Resolution(lock(each), "", NOON))
        refusal = Resolution(None, "they conflict", NOON + timedelta(days=1))
        store.save_resolution(refused, matrix.resolution_digest, run.platform, refusal)
        for each, seen_ in (
            (late, observation(minute=day)), (flaky, observation()), (flaky, observation(CACHE_LAYERS, minute=day)),
        ):  # fmt: skip
            store.save_observation(lock(each), run.material.digest, _here(seen_, run.platform))

    def totals(old: str, new: str) -> dict[str, int]:
        words = ["diff", old, new, "--matrix", str(matrix_file), "--format", "json"]
        assert main(words) == 0
        found = json.loads(capsys.readouterr().out)["totals"]
        return {name: count for name, count in found.items() if count}

    first = f"{path}@{NOON:%Y-%m-%d}"
    assert totals(first, str(path)) == {"spurious": 1, "newly tested": 2}
    assert totals(f"{path}@{NOON:%Y-%m-%dT%H:%M}", first) == {"unchanged": 1, "tested in neither": 2}
    assert totals(f"{path}@{NOON - timedelta(minutes=1):%Y-%m-%dT%H:%M}", first) == {
        "newly tested": 1, "tested in neither": 2,
    }  # fmt: skip
    assert totals(f"{path}@{NOON + timedelta(days=1):%Y-%m-%d}", str(path)) == {"unchanged": 3}
    assert main(["diff", f"{path}@yesterday", str(path)]) == 2
    assert "'yesterday' is no moment" in capsys.readouterr().err


def _here(each: Observation, platform: str) -> Observation:
    return replace(each, machine=replace(each.machine, platform=platform), probe_version=PROBE_VERSION)
