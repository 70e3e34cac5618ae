"""Pins: only what passed, nearest to what was asked, with the reason where something had to give."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from itertools import product

import pytest
from packaging.version import Version
from test_verdict import DAY, TODAY, known, table

from compatcheck.bounds import bounds
from compatcheck.domain import CORE, Basis, Outcome, Policy
from compatcheck.errors import UsageError
from compatcheck.import_needs import BrokenNeed, ImportNeeds, shipped_needs
from compatcheck.import_reader import Need
from compatcheck.measured_cells import whatever_python
from compatcheck.recommendation import recommend
from compatcheck.request import Request, request_of
from compatcheck.shipped import KnownCell, load_table
from compatcheck.verdict import lookup

SHIPPED = load_table()


def random_request(chance: random.Random) -> dict[str, str]:
    asked = {}
    for name in CORE:
        axis = SHIPPED.axes[name]
        low, high = sorted(chance.choices(range(len(axis)), k=2))
        form = chance.choice(
            [None, None, f">={axis[low]}", f"<={axis[high]}", f">={axis[low]},<={axis[high]}", axis[low],
             f"!={axis[low]}", f">{axis[low]},<{axis[high]}.1", f"=={Version(axis[high]).major}.*"]
        )  # fmt: skip
        if form:
            asked[name] = form
    return asked


def test_every_recommendation_of_a_random_hundred_is_a_passing_cell_within_what_was_asked() -> None:
    """And where there is none, no passing cell is within it: checked against the table by hand."""
    chance = random.Random(20)
    found = 0
    for _ in range(100):
        asked, prefer = random_request(chance), chance.choice(["newest", "stable", "oldest"])
        try:
            request = request_of(asked, python=chance.choice([None, "3.11"]), prefer=prefer, table=SHIPPED)
        except UsageError as error:
            assert "contradict" in str(error)
            continue
        answer = recommend(request, table=SHIPPED)
        assert answer.cell is not None
        assert answer.cell in SHIPPED.cells and answer.cell.outcome is Outcome.PASS and answer.cell.steady
        standing = lookup({**answer.versions, "python": answer.cell.python}, SHIPPED, SHIPPED.newest)
        assert not standing.bad, (asked, standing.as_text())
        fits = {
            cell.key
            for cell in SHIPPED.cells
            if cell.works and all(request.ranges[name].contains(cell.versions[name]) for name in asked)
        }
        assert answer.found == bool(fits), asked
        if answer.found:
            assert answer.cell.key in fits
            found += 1
        else:
            assert answer.missed and {each.package for each in answer.concessions} == set(answer.missed)
    assert found >= 50, "most requests of the sample can be fulfilled"


def test_newest_and_oldest_cannot_be_bettered_in_one_package() -> None:
    for prefer, step in (("newest", 1), ("oldest", -1)):
        answer = recommend(prefer=prefer, table=SHIPPED)
        for name, version in answer.versions.items():
            axis = SHIPPED.axes[name]
            place = axis.index(version)
            better = axis[place + 1 :] if step == 1 else axis[:place]
            for other in better:
                assert not any(cell.works for cell in SHIPPED.at({**answer.versions, name: other}))


def test_a_newer_release_that_fails_is_passed_over_and_named() -> None:
    cells = [known(), known(Outcome.FAIL, transformers="5.0.0", signature="cache-layers-empty")]
    answer = recommend(table=table(*cells), today=DAY)
    assert answer.versions["transformers"] == "4.40.0" and answer.found
    (given,) = answer.concessions
    assert (given.package, given.wanted) == ("transformers", "5.0.0")
    assert "cache-layers-empty" in given.reason and "cache-layers-empty" in answer.as_text()


def test_where_nothing_passes_the_nearest_miss_is_told_with_the_reason() -> None:
    cells = [
        known(transformers="4.40.0"),
        known(transformers="4.50.0"),
        known(Outcome.WRONG, transformers="5.0.0", signature="prompt-injected-at-every-step"),
    ]
    answer = recommend({"transformers": ">=5"}, table=table(*cells), today=DAY)
    assert not answer.found and answer.missed == ("transformers",)
    assert answer.versions["transformers"] == "4.50.0", "the nearest"
    assert "wrong result" in answer.concessions[0].reason and "Nothing that was measured" in answer.as_text()
    gap = recommend({"transformers": "4.45.0"}, table=table(*cells), today=DAY)
    assert "4.40.0 and 4.50.0" in gap.concessions[0].reason


def test_as_few_packages_as_can_be_give_way_and_torch_only_where_it_must() -> None:
    cells = [
        known(Outcome.FAIL),
        known(torch="2.1"),
        known(peft="0.11.0"),
        known(transformers="4.41.0", peft="0.11.0"),
    ]
    asked = {"torch": "2.0", "transformers": "4.40.0", "peft": "0.10.0"}
    answer = recommend(asked, table=table(*cells), today=DAY)
    assert answer.missed == ("peft",) and answer.versions["torch"] == "2.0"


def test_another_python_gives_way_last() -> None:
    cells = [known(python="3.9"), known(torch="2.1")]
    answer = recommend({"torch": "2.0"}, python="3.11", table=table(*cells), today=DAY)
    assert answer.missed == ("torch",)
    nothing = recommend(python="3.12", table=table(*cells), today=DAY)
    assert nothing.missed == ("python",) and "Python 3.9, 3.11" in nothing.concessions[0].reason


def test_measured_comes_before_inferred() -> None:
    cells = [known(transformers="5.0.0", basis=Basis.INFERRED), known()]
    assert recommend(table=table(*cells), today=DAY).versions["transformers"] == "4.40.0"
    only = recommend({"transformers": ">=5"}, table=table(*cells), today=DAY)
    assert only.found and "inferred" in only.as_text()


def test_a_cell_whose_runs_do_not_agree_is_never_recommended() -> None:
    cells = [known(transformers="5.0.0", attempts=3, agreeing=2), known()]
    assert recommend(table=table(*cells), today=DAY).versions["transformers"] == "4.40.0"


def test_stable_prefers_neighbours_that_work_over_newness_and_no_caveat_over_both() -> None:
    versions = ("4.38.0", "4.40.0", "4.42.0", "5.0.0", "5.1.0")
    cells = [known(transformers=version) for version in versions]
    cells[3] = known(Outcome.FAIL, transformers="5.0.0")
    assert recommend(prefer="newest", table=table(*cells)).versions["transformers"] == "5.1.0"
    assert recommend(prefer="stable", table=table(*cells)).versions["transformers"] == "4.40.0"
    cells[1] = replace(cells[1], caveat="uncached")
    assert recommend(prefer="stable", table=table(*cells)).versions["transformers"] == "4.38.0"


def test_a_range_for_a_package_of_the_lock_counts() -> None:
    cells = [known(beside={"numpy": "2.4.6"}), known(torch="1.9", beside={"numpy": "1.26.4"})]
    answer = recommend({"numpy": "<2"}, table=table(*cells), today=DAY)
    assert answer.found and answer.versions["torch"] == "1.9"
    cell = recommend(table=SHIPPED).cell
    assert cell is not None
    lock = SHIPPED.lock(cell)
    assert lock is not None
    version = lock.versions["fsspec"]
    assert recommend({"fsspec": f"=={version}"}, table=SHIPPED).found
    assert recommend({"fsspec": f"!={version}"}, table=SHIPPED).cell is not None


def test_without_any_pass_there_is_nothing_to_recommend() -> None:
    answer = recommend(table=table(known(Outcome.FAIL)), today=DAY)
    assert answer.cell is None and not answer.found and answer.pins == () and answer.lock is None
    assert "Nothing" in answer.as_text() and json.loads(json.dumps(answer.as_json()))["found"] is False
    assert bounds(answer) is None


def test_own_runs_and_the_age_are_told() -> None:
    own = known(source=replace(TODAY, own=True))
    answer = recommend(table=table(known()).with_own(table(own)), today=date(2026, 1, 30))
    assert answer.cell is own and answer.age == 20
    assert "your own run" in answer.as_text() and "20 days old" in answer.as_text()


def test_a_request_comes_with_its_own_python() -> None:
    with pytest.raises(UsageError):
        recommend(Request(), python="3.11", table=SHIPPED)


def test_todays_environment_comes_before_a_contemporary_one() -> None:
    old = known(source=replace(TODAY, policy=Policy.CONTEMPORARY))
    new = known()
    assert recommend(table=table(old, new), today=DAY).cell is new


# ------------------------------------------------------------------ bounds


def holds(requirement: str, name: str, version: str) -> bool:
    from packaging.requirements import Requirement

    parsed = Requirement(requirement)
    assert parsed.name == name
    return parsed.specifier.contains(version)


@pytest.mark.parametrize("seed", range(20))
def test_every_measured_combination_within_the_bounds_works(seed: int) -> None:
    chance = random.Random(seed)
    try:
        answer = recommend(random_request(chance), table=SHIPPED)
    except UsageError:
        return
    ranges = bounds(answer)
    assert (ranges is None) == (not answer.found)
    if ranges is None:
        return
    inside = {
        name: [each for each in SHIPPED.axes[name] if holds(requirement, name, each)]
        for name, requirement in zip(CORE, ranges.requirements, strict=True)
    }
    assert {name: tuple(versions) for name, versions in inside.items()} == dict(ranges.versions)
    points = [dict(zip(CORE, point, strict=True)) for point in product(*inside.values())]
    assert len(points) == ranges.combinations
    for point in points:
        found = whatever_python(SHIPPED.at(point))
        assert found and all(cell.works for cell in found), point
    assert all(answer.versions[name] in versions for name, versions in inside.items())
    assert all(answer.request.admits(name, each) for name, versions in inside.items() for each in versions)


def test_bounds_leave_out_a_series_in_the_middle() -> None:
    cells = [known(transformers=version) for version in ("4.38.0", "4.40.2", "4.42.0", "5.0.0")]
    cells[1] = known(Outcome.FAIL, transformers="4.40.2")
    ranges = bounds(recommend(table=table(*cells)))
    assert ranges is not None
    assert ranges.requirements == ("torch==2.0", "transformers>=4.38.0,!=4.40.*,<=5.0.0", "peft==0.10.0")
    cells.append(known(transformers="4.40.1"))
    ranges = bounds(recommend(table=table(*cells)))
    assert ranges is not None and ranges.requirements[1] == "transformers>=4.38.0,!=4.40.2,<=5.0.0"


def test_bounds_leave_out_what_a_further_axis_breaks() -> None:
    bad = known(Outcome.FAIL, transformers="5.0.0")
    cells = [
        known(),
        known(transformers="5.0.0"),
        replace(bad, versions={**bad.versions, "accelerate": "0.30.0"}),
    ]
    ranges = bounds(recommend({"transformers": "<5"}, table=table(*cells)))
    assert ranges is not None and ranges.requirements[1] == "transformers==4.40.0"
    whole = bounds(recommend(table=table(*cells[:2])))
    assert whole is not None and whole.requirements[1] == "transformers>=4.40.0,<=5.0.0"


def works_everywhere(cells: tuple[KnownCell, ...], versions: Mapping[str, str]) -> bool:
    found = [cell for cell in cells if dict(cell.versions) == dict(versions)]
    return bool(found) and all(cell.works for cell in found)


@pytest.mark.parametrize("seed", range(30))
def test_bounds_of_random_tables_are_true_and_cannot_be_widened(seed: int) -> None:
    """Over tables that were never measured, with holes, failures and repeated cells: every known combination within
    works, and no version beside either end can be added to its package."""
    chance = random.Random(seed)
    axes = {name: [f"{place}.{chance.randint(0, 3)}.0" for place in range(1, 6)] for name in CORE}
    outcomes = [Outcome.PASS] * 8 + [Outcome.FAIL, Outcome.WRONG, Outcome.UNTESTED]
    cells = []
    for point in product(*axes.values()):
        for _ in range(chance.choice([0, 1, 1, 1, 1, 2])):
            cells.append(known(chance.choice(outcomes), **dict(zip(CORE, point, strict=True))))
    made = table(*cells)
    answer = recommend(prefer=chance.choice(["newest", "stable", "oldest"]), table=made)
    ranges = bounds(answer)
    if ranges is None:
        assert answer.cell is None or not works_everywhere(made.cells, answer.versions)
        return
    inside = {
        name: [each for each in made.axes[name] if holds(requirement, name, each)]
        for name, requirement in zip(CORE, ranges.requirements, strict=True)
    }
    points = [dict(zip(CORE, point, strict=True)) for point in product(*inside.values())]
    assert all(works_everywhere(made.cells, point) for point in points)
    assert len(points) == ranges.combinations and dict(answer.versions) in points
    for name in CORE:
        axis = list(made.axes[name])
        low, high = axis.index(inside[name][0]), axis.index(inside[name][-1])
        for beyond in (axis[low - 1] if low else None, axis[high + 1] if high + 1 < len(axis) else None):
            if beyond is not None:
                wider = [{**point, name: beyond} for point in points]
                assert not all(works_everywhere(made.cells, point) for point in wider), (name, beyond)


def test_bounds_never_hold_a_combination_that_is_not_known() -> None:
    cells = [known(), known(transformers="5.0.0", peft="0.20.0"), known(transformers="5.0.0")]
    ranges = bounds(recommend(table=table(*cells)))
    assert ranges is not None and ranges.combinations == 2


# ------------------------------------------------------------------ what sources say of releases in between

CACHE = Need("transformers", "HybridCache", False)


def broken(monkeypatch: pytest.MonkeyPatch, *needs: BrokenNeed, read: Mapping[str, tuple[str, ...]]) -> None:
    told = ImportNeeds({name: dict.fromkeys(releases, "") for name, releases in read.items()}, needs)
    monkeypatch.setattr("compatcheck.gaps.shipped_needs", lambda: told)


@pytest.mark.parametrize("seed", range(20))
def test_nothing_within_the_bounds_takes_what_another_release_within_them_lacks(seed: int) -> None:
    try:
        answer = recommend(random_request(random.Random(seed)), table=SHIPPED)
    except UsageError:
        return
    if (ranges := bounds(answer)) is None:
        return
    needs = shipped_needs()
    inside = {
        name: [each for each in needs.read[name] if holds(requirement, name, each)]
        for name, requirement in zip(CORE, ranges.requirements, strict=True)
    }
    told = [
        each.words(release, other)
        for each in needs.statements
        if set(each.pair) <= inside.keys()
        for release, other in product(*(inside[name] for name in each.pair))
        if each.stops(release, other)
    ]
    assert told == []


def test_bounds_leave_out_what_sources_say_and_tell_why(monkeypatch: pytest.MonkeyPatch) -> None:
    need = BrokenNeed("peft", ("0.10.4", "0.11.0", "0.11.1"), "peft/x.py", CACHE, ("4.38.0", "4.39.0"))
    read = {"peft": ("0.10.4", "0.11.0", "0.11.1", "0.12.0"), "transformers": ("4.38.0", "4.39.0")}
    broken(monkeypatch, need, read=read)
    cells = [known(peft=peft, transformers=each) for peft in ("0.10.0", "0.12.0") for each in ("4.38.0", "4.40.0")]
    ranges = bounds(recommend(table=table(*cells)))
    assert ranges is not None
    assert ranges.requirements[1:] == (
        "transformers>=4.38.0,<=4.40.0", "peft>=0.10.0,!=0.10.4,!=0.11.*,<=0.12.0"
    )  # fmt: skip
    assert "# left out: peft 0.11.0 imports transformers.HybridCache (peft/x.py), which" in ranges.as_text()
    assert [each["version"] for each in ranges.as_json()["gaps"]] == ["0.10.4", "0.11.0", "0.11.1"]


def test_of_two_unmeasured_releases_the_one_that_fails_more_often_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    need = BrokenNeed("peft", ("0.11.0", "0.11.1"), "peft/x.py", CACHE, ("4.39.0",))
    read = {"peft": ("0.11.0", "0.11.1"), "transformers": ("4.38.0", "4.39.0", "4.39.1")}
    broken(monkeypatch, need, read=read)
    cells = [known(peft=peft, transformers=each) for peft in ("0.10.0", "0.12.0") for each in ("4.38.0", "4.40.0")]
    ranges = bounds(recommend(table=table(*cells)))
    assert ranges is not None
    assert ranges.requirements[1:] == ("transformers>=4.38.0,!=4.39.0,<=4.40.0", "peft>=0.10.0,<=0.12.0")


def test_where_no_whole_table_has_a_pass_one_that_was_run_for_an_explored_one_is_taken() -> None:
    """The shipped table: torch 2.7.1 stands in an explored matrix alone."""
    cells = [cell for cell in SHIPPED.scattered if cell.versions["torch"] == "2.7.1"]
    assert "2.7.1" not in SHIPPED.axes["torch"] and any(cell.works for cell in cells)
    for prefer in ("newest", "stable", "oldest"):
        answer = recommend({"torch": "2.7.1"}, prefer=prefer)
        assert answer.found and answer.alone and answer.cell in cells and answer.cell.works
        assert (answer.fitting, answer.passing) == (len(cells), sum(cell.works for cell in cells))
        assert f"of {len(cells)} within it that were run for an explored one" in answer.as_text()
        assert answer.as_json()["alone"] and answer.lock is not None and bounds(answer) is None
    newest, oldest = (recommend({"torch": "2.7.1"}, prefer=prefer).versions for prefer in ("newest", "oldest"))
    assert Version(newest["transformers"]) > Version(oldest["transformers"])
    assert not recommend({"torch": ">=2.6"}).alone, "a table that was run whole counts before it"
    miss = recommend({"torch": "2.7.1", "peft": "99"})
    assert not miss.found and not miss.alone and "no such version was measured" not in miss.concessions[0].reason


def test_of_a_release_that_was_run_and_never_works_it_is_not_said_that_it_was_not_measured() -> None:
    failed = next(
        cell for cell in SHIPPED.scattered if not cell.works and cell.versions["torch"] not in SHIPPED.axes["torch"]
    )
    reasons = {each.package: each.reason for each in recommend(failed.versions).concessions}
    assert reasons["torch"] == "run for an explored table only, where nothing within what was asked works"
