"""Exploration: worlds whose truth is known, and the whole way over stub packages."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timezone
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from conftest import PYTHON, MakeRun
from test_minimatrix import CACHE_AXES

from compatcheck import grounds
from compatcheck.commands.common import chosen_cells
from compatcheck.domain import Cell, Isolation, Outcome
from compatcheck.exploration import Budget, Exploration
from compatcheck.explore import Choice, Explorer, Purse, Role
from compatcheck.import_needs import shipped_needs
from compatcheck.inference import ballot, inference_of, rising
from compatcheck.likeness import learnt_likeness
from compatcheck.matrix import Explore, Matrix
from compatcheck.refusal import declared_refusals
from compatcheck.releases import Release
from compatcheck.reporting import context_of
from compatcheck.space import Space, space_of
from compatcheck.table import CLEAN, Unit
from compatcheck.window import Window, supported_pythons, supported_releases

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
from explore_replay import REPORTS, ROOT, nearest, random_places, replayed, reported_table
from made_worlds import World, random_world, structured_world

FAULT: Unit = (Outcome.FAIL, "fault")


def shaped(*shape: int) -> Space:
    versions = tuple(tuple(f"1.{number}" for number in range(length)) for length in (1, *shape))
    return Space(("python", "torch", "transformers", "peft"), versions, np.ones(int(np.prod(shape)), dtype=np.bool_))


def explored(world: World, runs: int, seed: int = 1) -> tuple[Explorer, list[Unit]]:
    space = shaped(*world.shape)
    points = list(world.truth)
    truth = [(Outcome(world.truth[point][0]), world.truth[point][1]) for point in points]
    explorer = Explorer(space, seed)
    while len(explorer.known) < runs:
        choices = explorer.batch(min(8, runs - len(explorer.known)))
        explorer.tell({choice.place: truth[choice.place] for choice in choices})
    return explorer, truth


def agreement(explorer: Explorer, truth: list[Unit]) -> float:
    held = explorer.inference()
    return float(np.mean([held.unit_of(place) == unit for place, unit in enumerate(truth)]))


def test_a_tenth_of_a_world_with_borders_tells_the_rest() -> None:
    explorer, truth = explored(structured_world((4, 20, 10), 4, seed=3), 80)
    assert agreement(explorer, truth) >= 0.9


@pytest.mark.parametrize("units", [3, 6])
def test_worlds_without_structure_end_untested_and_little_is_claimed_of_them(units: int) -> None:
    """With 6 units two thirds of the cells fail, whatever their releases: no ground for a guess either."""
    decided, claimed, true = [], [], []
    for seed in range(6):
        explorer, truth = explored(random_world((3, 20, 10), units, seed), 100)
        held = explorer.inference()
        outcomes = [unit[0] for unit in truth]
        decided.append(held.decided)
        claimed.append(held.expected)
        true.append(max(map(outcomes.count, set(outcomes))) / len(outcomes))
    assert float(np.mean(decided)) < 0.18, "a sixth was measured"
    assert float(np.mean(claimed)) < float(np.mean(true)) + 0.2, "those that were measured are right"


def test_what_is_claimed_of_worlds_with_structure_is_true() -> None:
    claimed, right, decided = [], [], []
    for seed in range(4):
        explorer, truth = explored(structured_world((3, 20, 10), 6, seed), 90)
        held = explorer.inference()
        places = np.flatnonzero(held.inferred).tolist()
        claimed += held.confidence[places].tolist()
        right += [(unit := held.unit_of(place)) is not None and unit[0] is truth[place][0] for place in places]
        decided.append(held.decided)
    assert float(np.mean(decided)) > 0.7
    assert abs(float(np.mean(claimed)) - float(np.mean(right))) < 0.08


def test_more_votes_are_never_trusted_less() -> None:
    found = rising(np.array([1.0, 9.0, 4.0, 9.0]), np.array([2.0, 10.0, 10.0, 10.0]))
    assert found.tolist() == [0.5, 0.65, 0.65, 0.9]
    assert rising(np.array([3.0, 1.0]), np.array([4.0, 4.0])).tolist() == [0.5, 0.5]


def test_the_same_seed_and_answers_choose_the_same_cells() -> None:
    world = structured_world((3, 12, 8), 4, seed=5)
    first, second = (set(explored(world, 60)[0].known) for _ in range(2))
    assert first == second


def test_a_cell_that_was_measured_is_never_asked_for_nor_inferred_otherwise() -> None:
    explorer, truth = explored(structured_world((2, 10, 8), 4, seed=9), 60)
    assert not {choice.place for choice in explorer.batch(30)} & set(explorer.known)
    held = explorer.inference()
    assert all(held.unit_of(place) == truth[place] and held.measured[place] for place in explorer.known)


def test_the_audit_is_drawn_from_the_inferred_and_is_no_material() -> None:
    explorer, _ = explored(structured_world((3, 16, 10), 4, seed=2), 90)
    before = explorer.inference()
    drawn = explorer.draw_audit(12)
    assert {choice.role for choice in drawn} == {Role.AUDIT}
    assert not {choice.place for choice in drawn} & set(explorer.known)
    # an answer that nobody expects changes nothing of what is inferred
    explorer.hear_audit({choice.place: (Outcome.WRONG, "never seen") for choice in drawn})
    after = explorer.inference()
    assert (before.unit == after.unit).all() and before.units == after.units
    explorer.retire_audit()
    assert (Outcome.WRONG, "never seen") in explorer.inference().units


def test_an_inferred_cell_names_measured_cells_that_say_the_same() -> None:
    explorer, _ = explored(structured_world((3, 16, 10), 4, seed=4), 90)
    held = explorer.inference()
    assert held.inferred.any()
    for place in np.flatnonzero(held.inferred).tolist():
        ground, unit = held.ground_of(place), held.unit_of(place)
        assert ground is not None and unit is not None and ground.measured
        assert {explorer.known[other][0] for other in ground.measured} == {unit[0]}
        assert all(explorer.known[other] != unit for other in ground.against)
    assert held.ground_of(next(iter(explorer.known))) is None


def test_a_border_is_a_long_step_and_an_axis_of_no_part_is_short() -> None:
    everything = np.array([(one, other) for one in range(6) for other in range(5)])
    units = (everything[:, 0] >= 3).astype(np.int16)
    likeness = learnt_likeness((6, 5), everything, units)
    first, second = likeness.kernels
    assert first[2, 3] < 0.5 * min(first[0, 1], first[1, 2], first[3, 4])
    assert second[0, 4] > 0.5


def test_votes_over_a_table_are_those_of_each_cell() -> None:
    chance = np.random.default_rng(5)
    ranks = np.stack([chance.integers(0, length, 12) for length in (1, 4, 6, 3)], axis=1)
    likeness = learnt_likeness((1, 4, 6, 3), ranks, chance.integers(0, 3, 12))
    weights = np.zeros(72)
    np.add.at(weights, np.ravel_multi_index(ranks.T, (1, 4, 6, 3)), 1.0)
    asked = np.array([0, 2, 5, 1])
    place = int(np.ravel_multi_index(asked, (1, 4, 6, 3)))
    assert likeness.spread(weights)[place] == pytest.approx(likeness.among(asked[None], ranks).sum())
    assert likeness.to(asked)[place] == pytest.approx(1.0)


@pytest.mark.parametrize("agreeing", [1, 2, 3, 9])
def test_the_likest_cells_are_those_of_the_greatest_likeness(agreeing: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grounds, "AT_ONCE", 50)  # several times over
    chance = np.random.default_rng(agreeing)
    ranks = np.stack([chance.integers(0, length, 60) for length in (3, 7, 9)], axis=1)
    measured = np.unique(np.stack([chance.integers(0, length, 30) for length in (3, 7, 9)], axis=1), axis=0)
    likeness = learnt_likeness((3, 7, 9), measured, chance.integers(0, 3, len(measured)))
    measured = chance.permutation(measured)
    named, against = grounds.likest(likeness, ranks, measured[:agreeing], measured[agreeing:])
    for row, some, other in zip(likeness.among(ranks, measured), named.tolist(), against.tolist(), strict=True):
        order = np.argsort(-row, kind="stable").tolist()
        assert some == [each for each in order if each < agreeing][: grounds.NAMED]
        further = [each - agreeing for each in order[: grounds.NAMED] if each >= agreeing]
        assert other == (further[0] if further else -1)


def test_identifiers_made_by_place_are_those_of_the_cells() -> None:
    versions = [{"torch": torch, "peft": "0.9.0", "transformers": "4.40.0"} for torch in ("2.10.0", "2.9.1")]
    cells = [Cell("3.11", versions[0]), Cell("3.9", versions[0]), Cell("3.9", versions[1])]
    space = space_of(cells)
    assert list(space.ids(space.places())) == [space.cell(place).id for place in space.places().tolist()]


@pytest.mark.parametrize("report", sorted(REPORTS.keys() - {"every-minor"}))
def test_over_real_tables_it_is_right_more_often_than_the_nearest_of_random_cells(report: str) -> None:
    table = reported_table(*REPORTS[report])
    runs = table.space.count // 5
    ours = [replayed(table, [runs], seed)[0] for seed in (1, 2)]
    plain = [nearest(table, random_places(table, runs, seed)) for seed in (1, 2)]
    assert all(one.runs <= runs for one in ours)
    assert min(one.outcome for one in ours) > max(one.outcome for one in plain)


def test_nothing_known_is_all_untested() -> None:
    held = inference_of(shaped(2, 3, 4), {})
    assert held.decided == 0.0 and not held.inferred.any()


def test_a_space_leaves_out_what_is_no_cell() -> None:
    cells = [Cell("3.11", {"torch": "2.6.0", "transformers": one, "peft": other}) for one in ("4.9.0", "4.10.0")
             for other in ("0.1.0", "0.2.0")]  # fmt: skip
    space = space_of(cells[:3])
    assert space.versions[2] == ("4.9.0", "4.10.0"), "versions, not text, are in order"
    assert space.count == 3 and space.place(cells[3]) is None
    assert [space.cell(int(place)) for place in space.places()] == cells[:3]


def test_company_is_chosen_where_it_is_cheap_and_only_for_what_a_batch_may_cost() -> None:
    world = structured_world((3, 20, 10), 6, seed=2)
    explorer, truth = explored(world, 40)
    plain = explorer.batch(4)
    assert len(plain) == 4
    explorer.tell({choice.place: truth[choice.place] for choice in plain})
    company = 0.1
    choices = explorer.batch(4, company)
    rows = {explorer.space.point(choice.place)[:-1] for choice in choices}
    assert len(choices) > 4 and len({choice.place for choice in choices}) == len(choices)
    assert len(rows) + company * (len(choices) - len(rows)) == pytest.approx(4), "all of it is spent"


def test_for_the_same_time_cheap_company_tells_more() -> None:
    """Worlds whose runs cost a tenth beside another one: the same budget, with and without company."""
    company, budget = 0.1, 60.0
    right: dict[float, list[float]] = {1.0: [], company: []}
    for seed, price in product(range(3), right):
        world = structured_world((3, 20, 10), 6, seed)
        truth = [(Outcome(unit), name) for unit, name in world.truth.values()]
        explorer, left = Explorer(shaped(*world.shape), seed), budget
        while left >= 1 and (choices := explorer.batch(min(4.0, left), price)):
            rows = {explorer.space.point(choice.place)[:-1] for choice in choices}
            left -= len(rows) + price * (len(choices) - len(rows))
            explorer.tell({choice.place: truth[choice.place] for choice in choices})
        right[price].append(agreement(explorer, truth))
    assert np.mean(right[company]) > np.mean(right[1.0])


def test_the_first_cell_of_a_torch_pays_for_the_others() -> None:
    space = shaped(2, 3, 4)
    prices = np.ones(space.size)
    prices[:12] = 10.0
    purse = Purse(space, prices, 3, 0.1)
    purse.take(5)
    assert purse.left == 2, "the download is no run"
    assert purse.prices.tolist() == [1.0] * 4 + [0.1] * 4 + [1.0] * 16
    purse.take(6)
    purse.take(20)
    assert purse.left == pytest.approx(0.9)
    assert purse.affordable.tolist() == [False] * 4 + [True] * 4 + [False] * 12 + [True] * 4
    assert prices.tolist() == [10.0] * 12 + [1.0] * 12, "of this batch alone"


def test_the_places_that_share_their_first_versions_lie_together() -> None:
    space = shaped(2, 6, 6)
    for axes in (2, 3):
        alike = list(range(space.size))[space.alike(44, axes)]
        assert alike == [place for place in range(space.size) if space.point(place)[:axes] == space.point(44)[:axes]]


def test_what_releases_declare_refuses_without_a_resolver() -> None:
    cells = [
        Cell(python, {"torch": "2.6.0", "transformers": version, "peft": "0.5.0"})
        for python in ("3.9", "3.11") for version in ("4.36.0", "5.0.0")
    ]  # fmt: skip
    space = space_of(cells)
    requires = {"peft 0.5.0": ["transformers<5", 'torch>=9; extra == "new"']}
    refused = declared_refusals(space, requires, {"transformers 5.0.0": ">=3.10.0"})
    told = {space.cell(place).id: words for place, words in refused.items()}
    assert told == {
        cells[1].id: "transformers 5.0.0 requires python >=3.10.0",
        cells[3].id: "peft 0.5.0 requires transformers <5",
    }


def test_the_readme_tells_rightly_of_the_cells_that_sources_foretell() -> None:
    tables = [reported_table(*REPORTS[name]) for name in ("every-minor", "article")]
    said = {
        (table.name, place): unit for table in tables for place, unit in table.truth.items() if place in table.foretold
    }
    assert {outcome for outcome, _ in said.values()} == {Outcome.FAIL}
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"all {len(said)} cells of which the sources say so did fail" in readme
    assert f"{len(shipped_needs().broken)} names that some release takes" in readme


def test_of_every_torch_the_newest_that_is_held_to_pass_is_asked_for_until_it_was_run() -> None:
    explorer = Explorer(shaped(3, 6, 5))
    space = explorer.space

    def place(torch: int, transformers: int, peft: int) -> int:
        return int(np.ravel_multi_index((0, torch, transformers, peft), space.shape))

    everywhere = [(torch, transformers, peft) for torch in range(3) for transformers in range(6) for peft in range(5)]
    # transformers 1.5 fails, and with the oldest torch all do; the newest passing corner is told of torch 1.1 alone
    truth = {place(*each): FAULT if each[1] == 5 or each[0] == 0 else CLEAN for each in everywhere}
    corners = {place(torch, 4, 4) for torch in range(3)} | {place(torch, 5, 4) for torch in range(3)}
    explorer.tell({each: unit for each, unit in truth.items() if each not in corners or each == place(1, 4, 4)})
    (asked,) = explorer.unproven_pins()
    assert (asked.place, asked.role, asked.predicted) == (place(2, 4, 4), Role.PIN, CLEAN)
    # it fails: what is then the newest is known already
    explorer.tell({asked.place: FAULT})
    assert explorer.unproven_pins() == []


def test_a_pin_that_the_audit_ran_is_proven_and_one_that_it_refuted_is_none() -> None:
    explorer = Explorer(shaped(2, 4, 4))
    newest = [15, 31]
    explorer.tell({each: CLEAN for each in range(32) if each not in (*newest, 30)})
    assert [choice.place for choice in explorer.unproven_pins()] == newest[::-1]
    explorer.hear_audit({15: CLEAN, 31: FAULT})
    assert [choice.place for choice in explorer.unproven_pins()] == [30]


def test_whether_a_cell_works_is_doubted_more_than_by_what_name_it_fails() -> None:
    votes = {0: [1.0, 1.0, 1.0], 1: [0.0, 1.0, 0.0], 2: [1.0, 0.0, 0.0]}
    held = ballot(3, np.array([0, 0, 2], dtype=np.int16), lambda unit: np.array(votes[unit]))
    works, name, plain = held.doubt
    assert works > 2 * name > 4 * plain > 0


def test_spec_0_drops_minors_by_their_first_release() -> None:
    def release(version: str, year: int) -> Release:
        return Release(version, datetime(year, 6, 1, tzinfo=timezone.utc))

    releases = [release("1.0.0", 2022), release("1.0.9", 2026), release("1.1.0", 2025), Release("1.2.0", None)]
    today = date(2026, 11, 25)
    assert [each.version for each in supported_releases(releases, Window.SPEC0, today)] == ["1.1.0", "1.2.0"]
    assert supported_pythons(["3.9", "3.12", "3.13", "3.99"], Window.SPEC0, today) == ("3.13", "3.99")


def test_exploring_changes_no_digest() -> None:
    axes = {"torch": ("2.6.0",), "transformers": ("4.51.3",), "peft": ("0.15.2",)}
    assert Matrix("one", axes).digest == Matrix("one", axes, explore=Explore.ADAPTIVE).digest


@pytest.mark.minimatrix
def test_an_exploration_over_stub_packages_keeps_its_budget_and_goes_on(make_run: MakeRun) -> None:
    run = make_run(CACHE_AXES, explore=Explore.ADAPTIVE)
    run.expand()
    first = Exploration(run, Budget(cells=28))
    standing = first.explore()
    assert first.explorer.unproven_pins() == []
    assert first.runs <= 28 and standing.measured == len(first.explorer.known) + len(first.explorer.audited)
    measured = {result.cell.id for result in run.results() if result.outcome is not Outcome.UNTESTED}
    assert len(measured) == standing.measured < standing.cells == 24
    audited = set(first.explorer.audited)
    assert audited, "some runs are the audit's"
    # the report says the same from the store alone
    context = context_of(run)
    explored = context.explored
    assert explored is not None and explored.audit == first.audit()
    assert {entry.cell.id for entry in context.entries if entry.outcome is not Outcome.UNTESTED and entry.measured} == (
        measured
    )
    for entry in context.entries:
        if entry.conclusion is not None:
            assert entry.cell.id not in measured
            assert entry.conclusion.declared or set(entry.conclusion.rests_on) <= measured - {
                first.space.cell(place).id for place in audited
            }
    held = first.explorer.inference()
    assert len(explored.conclusions) == int(held.inferred.sum()) - sum(held.inferred[place] for place in audited)
    # the next call knows all of it, and the audit is still none of its material
    second = Exploration(run, Budget(cells=4))
    assert set(second.explorer.audited) == audited
    assert second.explorer.known == first.explorer.known
    second.explore()
    assert {CLEAN, *second.explorer.known.values()} >= {CLEAN}
    for place, unit in second.explorer.known.items():
        cell = second.space.cell(place)
        failing = cell.versions["peft"] == "0.1.0" and cell.versions["transformers"] != "4.44.0"
        assert (unit[0] is Outcome.FAIL) == failing


@pytest.mark.minimatrix
def test_company_is_taken_along_where_time_is_short_and_not_where_runs_are_counted(make_run: MakeRun) -> None:
    run = make_run(CACHE_AXES, explore=Explore.ADAPTIVE)
    run.expand()
    assert Exploration(run, Budget(cells=28)).company == Exploration(run, Budget(seconds=9.0, cells=28)).company == 1.0
    timed = Exploration(run, Budget(seconds=3600.0))
    assert timed.company == 0.3
    timed.run = replace(run, isolation=Isolation.FORK)
    assert timed.company == 0.1
    timed.run = run
    asked: list[list[tuple[str, ...]]] = []
    measured = timed._measured

    def watched(choices: Iterable[Choice], again: bool = False, save: bool = True) -> dict[int, Unit]:
        choices = list(choices)
        asked.append([timed.space.point(choice.place)[:-1] for choice in choices])
        return measured(choices, again, save)

    timed._measured = watched  # type: ignore[method-assign]
    assert timed.explore().measured > 8
    assert any(len(rows) > len(set(rows)) for rows in asked), "some differ from another of their batch in peft alone"


@pytest.mark.minimatrix
def test_a_missing_python_is_left_out_with_a_word(make_run: MakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(CACHE_AXES)
    run.matrix = Matrix("stub", run.matrix.axes, python=(PYTHON, "3.77"), index=run.matrix.index)
    expansion = run.expand()
    assert {cell.python for cell in expansion.cells} == {PYTHON}
    assert {reason for _, reason in expansion.excluded} == {"Python 3.77 is not installed on this machine"}
    cells = chosen_cells(Namespace(axis=[], only=[], skip=[], shard=None), run)
    assert cells == expansion.cells
    assert f"{len(expansion.excluded)} cells are left out: Python 3.77 is not installed" in capsys.readouterr().err
