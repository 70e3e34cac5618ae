"""Which passing ends a cell is held against, and what several attributions say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from compatcheck.attribution import Blame, Culprit, Kind, Pair
from compatcheck.cell_blame import End, blame_cell, ends_of, idle_axes, together
from compatcheck.domain import Outcome
from compatcheck.table import Row, Table
from compatcheck.trials import Verdict

UNIT = (Outcome.FAIL, "planted")
MINORS = range(10)


def judged(versions: Mapping[str, str]) -> Verdict:
    """lib from 1.4 on with app below 1.6 fails, and so does any app with dep from 1.8 on."""
    place = {name: int(version.partition(".")[2]) for name, version in versions.items()}
    if place.get("dep", 0) >= 8 or (place["lib"] >= 4 and place["app"] < 6):
        return Verdict(Outcome.FAIL, "planted", f"digest of {sorted(versions.items())}")
    return Verdict(Outcome.PASS, evidence=f"digest of {sorted(versions.items())}")


class World:
    def __init__(self) -> None:
        self.runs = 0

    def trial(self, versions: Mapping[str, str], repetition: int = 0) -> Verdict:
        self.runs += 1
        return judged(versions)

    def versions(self, package: str) -> Sequence[str]:
        return [f"1.{minor}" for minor in MINORS]


def table(dep: int = 1) -> tuple[Table, dict[str, dict[str, str]]]:
    """A coarse table of the world over core, lib and app; every lock has the same dep."""
    locks = {}
    rows = []
    for core in ("1.1", "1.2"):
        for lib in ("1.1", "1.3", "1.7"):
            for app in ("1.1", "1.5", "1.8"):
                versions = {"core": core, "lib": lib, "app": app}
                name = f"{core} {lib} {app}"
                locks[name] = {**versions, "dep": f"1.{dep}"}
                seen = judged(locks[name])
                rows.append(Row(name, "3.11", versions, seen.outcome, seen.signature))
    return Table(rows), locks


def row_of(of: Table, name: str) -> Row:
    return next(row for row in of.rows if row.cell_id == name)


def test_the_ends_are_the_nearest_passing_cells_that_differ_in_one_axis() -> None:
    of, locks = table()
    ends = ends_of(of, row_of(of, "1.2 1.7 1.5"), lambda row: locks[row.cell_id])
    assert {end.name for end in ends} == {"1.2 1.3 1.5", "1.2 1.7 1.8"}
    assert idle_axes(of, row_of(of, "1.2 1.7 1.5")) == {"core": 2}


def test_a_cell_is_blamed_on_both_axes_with_exact_releases_between_the_tables_own() -> None:
    of, locks = table()
    world = World()
    row = row_of(of, "1.2 1.7 1.5")
    found = blame_cell(world, world, of, row, locks[row.cell_id], lambda each: locks[each.cell_id])
    assert found.blame.verdict is Kind.PAIR
    by_name = {culprit.package: culprit for culprit in found.blame.culprits}
    assert (by_name["lib"].last_good, by_name["lib"].first_bad) == ("1.3", "1.4")
    assert by_name["app"].fixed_in == "1.6"
    assert found.blame.runs == world.runs == sum(part.blame.runs for part in found.parts)
    assert "core plays no part (the same on all 2 tried)" in found.blame.words()
    for pair in found.blame.evidence:
        assert pair.good != pair.bad


def test_drift_is_a_verdict_of_its_own() -> None:
    of, locks = table(dep=9)
    row = row_of(of, "1.2 1.1 1.8")
    assert row.unit == UNIT
    earlier = End("with the packages of then", {**locks[row.cell_id], "dep": "1.2"}, "the packages of then")
    world = World()
    found = blame_cell(world, world, of, row, locks[row.cell_id], lambda each: locks[each.cell_id], [earlier])
    assert found.blame.verdict is Kind.DRIFT
    (culprit,) = found.blame.culprits
    assert (culprit.package, culprit.last_good, culprit.first_bad) == ("dep", "1.7", "1.8")
    words = "drift of what is not pinned: it worked with the packages of then; dep 1.7 -> 1.8 broke it"
    assert words in found.blame.words()


def test_without_a_passing_cell_there_is_no_verdict_and_no_run() -> None:
    of, locks = table(dep=9)
    world = World()
    row = row_of(of, "1.2 1.7 1.5")
    found = blame_cell(world, world, of, row, locks[row.cell_id], lambda each: locks[each.cell_id])
    assert found.blame.verdict is Kind.UNDETERMINED and world.runs == 0
    assert "no passing lock" in found.blame.words()


def test_the_budget_holds_for_all_ends_together() -> None:
    of, locks = table()
    world = World()
    row = row_of(of, "1.2 1.7 1.5")
    found = blame_cell(world, world, of, row, locks[row.cell_id], lambda each: locks[each.cell_id], most_runs=9)
    assert world.runs <= 9
    assert found.blame.verdict is Kind.UNDETERMINED


def culprit(package: str, **known: str) -> Culprit:
    return Culprit(package, **known)  # type: ignore[arg-type]


def test_what_broke_it_comes_before_what_mends_it() -> None:
    mended = Blame(Kind.CULPRIT, (culprit("app", first_bad="1", fixed_in="2"),), (Pair("g1", "b", "app"),))
    broke = Blame(Kind.CULPRIT, (culprit("lib", last_good="3", first_bad="4"),), (Pair("g2", "b", "lib"),))
    both = together([mended, broke], UNIT, {"core": 3, "lib": 2})
    assert both.verdict is Kind.PAIR
    assert [each.package for each in both.culprits] == ["lib", "app"]
    assert both.no_part == {"core": 3}
    assert len(both.evidence) == 2


def test_two_findings_on_one_package_complete_each_other() -> None:
    below = Blame(Kind.CULPRIT, (culprit("lib", last_good="3", first_bad="4", still_bad="7"),))
    above = Blame(Kind.CULPRIT, (culprit("lib", first_bad="4", fixed_in="8"),))
    (joined,) = together([below, above], UNIT).culprits
    assert (joined.last_good, joined.first_bad, joined.fixed_in, joined.still_bad) == ("3", "4", "8", None)


def test_what_mends_a_drifted_cell_too_stands_apart() -> None:
    drift = Blame(Kind.DRIFT, (culprit("dep", last_good="1", first_bad="2"),))
    other = Blame(Kind.CULPRIT, (culprit("lib", first_bad="3", fixed_in="4"),))
    both = together([drift, other], UNIT)
    assert both.verdict is Kind.DRIFT
    assert [each.package for each in both.culprits] == ["dep"] and [each.package for each in both.also] == ["lib"]
    assert "beside that, lib 4 mended it" in both.words()


def test_flaky_outweighs_a_verdict() -> None:
    sure = Blame(Kind.CULPRIT, (culprit("lib", last_good="3", first_bad="4"),))
    assert together([sure, Blame(Kind.FLAKY, reason="comes and goes")], UNIT).verdict is Kind.FLAKY
