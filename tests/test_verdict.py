"""What is said of versions: each standing, what is not measured, and what differs from the measurement."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest

from compatcheck.domain import Basis, Outcome, Policy
from compatcheck.errors import UsageError
from compatcheck.shipped import KnownCell, KnownTable, Source, load_table
from compatcheck.verdict import STALE_DAYS, Standing, lookup

DAY = date(2026, 1, 10)
TODAY = Source("made up", Policy.TODAY, "linux-x86_64", "tiny-bloom", DAY)


def known(
    outcome: Outcome = Outcome.PASS, *, torch: str = "2.0", transformers: str = "4.40.0", peft: str = "0.10.0",
    python: str = "3.11", **fields: object,
) -> KnownCell:  # fmt: skip
    versions = {"torch": torch, "transformers": transformers, "peft": peft}
    made = KnownCell(python, versions, outcome, TODAY, measured=DAY)
    return replace(made, **fields)  # type: ignore[arg-type]


def table(*cells: KnownCell) -> KnownTable:
    return KnownTable("made up", cells)


ASKED = {"torch": "2.0", "transformers": "4.40.0", "peft": "0.10.0"}


@pytest.mark.parametrize(
    ("outcome", "standing"),
    [
        (Outcome.PASS, Standing.WORKS),
        (Outcome.FAIL, Standing.KNOWN_BAD),
        (Outcome.UNRESOLVABLE, Standing.KNOWN_BAD),
        (Outcome.WRONG, Standing.WRONG),
        (Outcome.ERROR, Standing.UNKNOWN),
        (Outcome.UNTESTED, Standing.UNKNOWN),
    ],
)
def test_every_outcome_has_its_standing(outcome: Outcome, standing: Standing) -> None:
    verdict = lookup(ASKED, table(known(outcome)), DAY)
    assert verdict.status is standing
    assert verdict.bad == (standing in (Standing.KNOWN_BAD, Standing.WRONG))


def test_every_cell_of_the_shipped_table_is_found_again() -> None:
    shipped = load_table()
    expected = {"pass": "works", "fail": "known-bad", "unresolvable": "known-bad", "wrong": "wrong"}
    for cell in shipped.cells:
        verdict = lookup({**cell.versions, **cell.beside, "python": cell.python}, shipped, shipped.newest)
        if verdict.cell is cell:
            assert verdict.status == expected[cell.outcome] and verdict.differences == ()
            assert verdict.bad is False or (verdict.title and verdict.remedy)
        assert "\n" not in verdict.as_text()
        assert json.loads(json.dumps(verdict.as_json()))["status"] == verdict.status


def test_a_version_that_was_not_measured_is_unknown_with_its_neighbours_on_both_sides() -> None:
    cells = [known(transformers=version) for version in ("4.38.0", "4.40.0", "4.50.0", "5.0.0")]
    verdict = lookup({**ASKED, "transformers": "4.41.0"}, table(*cells), DAY)
    assert verdict.status is Standing.UNKNOWN and verdict.cell is None and verdict.basis is None
    assert [each.versions["transformers"] for each in verdict.neighbours] == ["4.40.0", "4.50.0"]
    beyond = lookup({**ASKED, "transformers": "6.0"}, table(*cells), DAY)
    assert [each.versions["transformers"] for each in beyond.neighbours] == ["5.0.0"]
    assert "nearest" in beyond.as_text()


def test_a_neighbour_is_told_once_and_the_two_that_lead_stand_on_both_sides() -> None:
    sides = [{"transformers": one, "peft": other} for one in ("4.40.0", "4.50.0") for other in ("0.10.0", "0.12.0")]
    then = replace(TODAY, policy=Policy.CONTEMPORARY)
    cells = [known(source=source, **side) for source in (then, TODAY) for side in sides]
    verdict = lookup({**ASKED, "transformers": "4.41.0", "peft": "0.11.0"}, table(*cells), DAY)
    assert [(each.versions["transformers"], each.versions["peft"]) for each in verdict.neighbours] == [
        ("4.40.0", "0.10.0"), ("4.50.0", "0.12.0"), ("4.40.0", "0.12.0"), ("4.50.0", "0.10.0"),
    ]  # fmt: skip
    assert {each.policy for each in verdict.neighbours} == {Policy.TODAY}


def test_another_python_is_another_cell() -> None:
    verdict = lookup({**ASKED, "python": "3.12.1"}, table(known()), DAY)
    assert verdict.status is Standing.UNKNOWN and verdict.neighbours[0].python == "3.11"
    assert "only on 3.11" in verdict.as_text()


def test_without_a_python_the_worst_counts_and_the_others_are_told() -> None:
    verdict = lookup(ASKED, table(known(), known(Outcome.FAIL, python="3.9")), DAY)
    assert verdict.status is Standing.KNOWN_BAD and "pass" in verdict.as_text()


def test_versions_are_compared_as_versions() -> None:
    assert lookup({**ASKED, "torch": "2.0.0+cu118"}, table(known()), DAY).status is Standing.WORKS
    assert lookup({**ASKED, "Torch": "2.0.0"}, table(known()), DAY).status is Standing.WORKS
    assert lookup({**ASKED, "torch": "2.0.0rc1"}, table(known()), DAY).status is Standing.UNKNOWN


@pytest.mark.parametrize("versions", [{}, {"torch": "2.0"}, {**ASKED, "peft": "newest"}, {**ASKED, "peft": ""}])
def test_what_is_no_set_of_versions_is_refused(versions: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        lookup(versions, table(known()), DAY)


def test_old_measurements_go_stale_and_locked_ones_do_not() -> None:
    late = DAY + timedelta(days=STALE_DAYS + 1)
    assert lookup(ASKED, table(known()), late).status is Standing.STALE
    assert lookup(ASKED, table(known()), late).age == STALE_DAYS + 1
    contemporary = replace(TODAY, policy=Policy.CONTEMPORARY)
    assert lookup(ASKED, table(known(source=contemporary)), late).status is Standing.WORKS
    beside = known(beside={"accelerate": "1.2.0"})
    assert lookup({**ASKED, "accelerate": "1.2.0"}, table(beside), late).status is Standing.WORKS


def test_a_companion_of_another_series_makes_it_stale() -> None:
    cell = known(beside={"accelerate": "1.2.0"})
    near = lookup({**ASKED, "accelerate": "1.3.0"}, table(cell), DAY)
    assert near.status is Standing.WORKS and near.differences[0].measured == "1.2.0"
    assert lookup({**ASKED, "accelerate": "0.30.0"}, table(cell), DAY).status is Standing.STALE


@pytest.mark.parametrize(
    ("signature", "standing"),
    [
        ("import-cache-class-missing", Standing.KNOWN_BAD),  # peft looks for a class that transformers does not have
        ("accelerate-dropped-keyword", Standing.STALE),  # accelerate itself took the keyword away
        (None, Standing.STALE),
    ],
)
def test_a_failure_among_the_three_stays_one_beside_another_companion(
    signature: str | None, standing: Standing
) -> None:
    cell = known(Outcome.FAIL, signature=signature, beside={"accelerate": "1.15.0", "huggingface-hub": "0.36.2"})
    for other in ({"accelerate": "0.30.0"}, {"huggingface-hub": "0.35.3"}):
        verdict = lookup({**ASKED, **other}, table(cell), DAY)
        assert verdict.status is standing and verdict.differences


def test_of_two_environments_the_one_most_alike_counts() -> None:
    old = known(source=replace(TODAY, policy=Policy.CONTEMPORARY), beside={"accelerate": "0.25.0", "numpy": "1.26.0"})
    new = known(Outcome.FAIL, beside={"accelerate": "1.15.0", "numpy": "2.4.0"})
    assert lookup({**ASKED, "accelerate": "0.25.0"}, table(new, old), DAY).status is Standing.WORKS
    assert lookup({**ASKED, "accelerate": "1.15.0"}, table(new, old), DAY).status is Standing.KNOWN_BAD
    assert lookup(ASKED, table(new, old), DAY).status is Standing.KNOWN_BAD, "what a user gets today"


def test_own_runs_take_precedence() -> None:
    own = known(Outcome.FAIL, source=replace(TODAY, own=True), fingerprint="abc")
    both = table(known()).with_own(table(own))
    verdict = lookup(ASKED, both, DAY)
    assert verdict.status is Standing.KNOWN_BAD and verdict.cell is own and len(both.cells) == 1
    assert "fingerprint abc" in verdict.as_text()


def test_measured_counts_before_inferred_and_inferred_says_so() -> None:
    inferred = known(Outcome.FAIL, basis=Basis.INFERRED)
    assert lookup(ASKED, table(inferred, known()), DAY).basis is Basis.MEASURED
    assert "inferred" in lookup(ASKED, table(inferred), DAY).as_text()


def test_runs_that_do_not_agree_are_no_verdict() -> None:
    verdict = lookup(ASKED, table(known(attempts=3, agreeing=2)), DAY)
    assert verdict.status is Standing.UNKNOWN and "1 of 3" in verdict.as_text()


def test_of_several_measurements_of_a_neighbour_the_one_that_counts_is_told_once() -> None:
    old = known(Outcome.FAIL, peft="0.11.0", source=replace(TODAY, policy=Policy.CONTEMPORARY))
    new, far = known(peft="0.11.0"), known(peft="0.14.0")
    verdict = lookup({**ASKED, "peft": "0.12.0"}, table(old, new, far), DAY)
    assert verdict.neighbours == (new, far)
