"""Two models held against each other, cell by cell: what counts as the same, and how it is told."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from jsonschema import Draft202012Validator
from made_up import CACHE_LAYERS, cell, context, observation, result, texts

from compatcheck.agreement import Agreement, Finding, Likeness, Pair, Spent, agreement_of
from compatcheck.domain import Outcome, Raised, Stage, Status
from compatcheck.errors import UsageError
from compatcheck.interval import Interval
from compatcheck.report.agreement_text import agreement_section, agreement_text
from compatcheck.report.comparison import compared_with
from compatcheck.report.context import Context
from compatcheck.report.document import SCHEMA_FILE, document, json_text
from compatcheck.report.files import report_files
from compatcheck.report.page import html_text
from compatcheck.report.reread import reported

PASS = Finding(Outcome.PASS, lock="one")
FAIL = Finding(Outcome.FAIL, "generate", "cache-layers-empty", "one")


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    # Newcombe (1998), Statistics in Medicine 17, 857-872, table I, method 3
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_wilsons(hits: int, count: int, low: float, high: float) -> None:
    found = Interval(hits, count)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.0001)


def test_of_nothing_nothing_is_known() -> None:
    nothing = Interval(0, 0)
    assert (nothing.share, nothing.low, nothing.high, nothing.words()) == (None, 0.0, 1.0, "0 of 0")


@pytest.mark.parametrize(
    ("own", "other", "likeness"),
    [
        (PASS, PASS, Likeness.SAME),
        (FAIL, FAIL, Likeness.SAME),
        (FAIL, replace(FAIL, failure="unknown-0a1b2c3d"), Likeness.OTHER_FAILURE),
        (FAIL, replace(FAIL, stage="train"), Likeness.OTHER_STAGE),
        (FAIL, PASS, Likeness.OTHER_OUTCOME),
        (replace(FAIL, outcome=Outcome.WRONG), FAIL, Likeness.OTHER_OUTCOME),
        (PASS, Finding(Outcome.UNTESTED), Likeness.UNTESTED),
        (Finding(Outcome.ERROR), PASS, Likeness.UNTESTED),
        (Finding(Outcome.UNRESOLVABLE, "resolve"), Finding(Outcome.UNRESOLVABLE, "resolve"), Likeness.UNTESTED),
    ],
)
def test_what_differs_first_decides(own: Finding, other: Finding, likeness: Likeness) -> None:
    assert Pair("a", own, other).likeness is likeness


def test_findings_stand_first_and_are_counted() -> None:
    others = {"a": PASS, "b": FAIL, "c": replace(FAIL, stage="train"), "d": PASS, "e": PASS}
    found = agreement_of("full", {"a": PASS, "b": PASS, "c": FAIL, "d": replace(PASS, lock="two")}, "tiny", others)
    assert [pair.cell for pair in found.pairs] == ["a", "b", "c", "d"]
    assert [pair.cell for pair in found.disagreements] == ["b", "c"]
    assert [pair.cell for pair in found.ordered] == ["b", "c", "a", "d"]
    assert (found.outcome, found.stage, found.failure) == (Interval(3, 4), Interval(2, 4), Interval(2, 4))
    assert found.other_locks == 1 and found.untested == 0
    assert found.by_failure() == {"pass": Interval(2, 2), "cache-layers-empty": Interval(0, 2)}


def test_a_cell_that_was_to_be_compared_and_was_not_run_is_counted() -> None:
    found = agreement_of("tiny", {"a": PASS}, "full", {}, ["a", "b"])
    assert (len(found.pairs), found.untested, found.outcome) == (2, 2, Interval(0, 0))


def test_costs_are_those_of_stages_that_went_well_with_both() -> None:
    def spent(seconds: float, peak: float | None, status: Status = Status.OK) -> tuple[Spent, ...]:
        return (Spent(Stage.TRAIN, status, seconds, peak),)

    own = {"a": replace(PASS, spent=spent(1.0, 100.0)), "b": replace(PASS, spent=spent(3.0, 300.0)), "c": PASS}
    others = {"a": replace(PASS, spent=spent(10.0, None)), "b": replace(PASS, spent=spent(9.0, 5.0)), "c": PASS}
    (train,) = agreement_of("full", own, "tiny", others).costs()
    assert (train.cells, train.own_seconds, train.other_seconds) == (2, 2.0, 9.5)
    assert (train.own_peak_mib, train.other_peak_mib) == (300.0, 5.0)
    others["b"] = replace(PASS, spent=spent(9.0, 5.0, Status.DIED))
    (train,) = agreement_of("full", own, "tiny", others).costs()
    assert (train.cells, train.own_peak_mib) == (1, 100.0)


# ---------------------------------------------------------------------- in the reports

ODD = Raised("Odd", "m", "<b>|</script>")


def tiny() -> Context:
    return context(
        [
            result(cell(), observation()),
            result(cell(peft="0.10.0"), observation(CACHE_LAYERS)),
            result(cell(peft="0.12.0"), observation(ODD, Stage.TRAIN)),
        ]
    )


def full(*, differing: bool) -> Context:
    """The same cells, the last one not yet run."""
    other = observation() if differing else observation(CACHE_LAYERS)
    found = context([result(cell(), observation()), result(cell(peft="0.10.0"), other), result(cell(peft="0.12.0"))])
    return replace(found, agreement=compared_with(found, reported(json_text(tiny()), "tiny")))


def agreement(found: Context) -> Agreement:
    assert found.agreement is not None
    return found.agreement


def test_a_written_report_is_compared_and_what_is_missing_is_untested() -> None:
    found = agreement(full(differing=False))
    assert (found.failure, found.untested, found.other) == (Interval(2, 2), 1, "tiny-bloom")
    assert [cost.stage for cost in found.costs()][:2] == [Stage.IMPORT, Stage.LOAD]
    said = agreement_section(found)
    assert "All 2 cells that were run with both models go the same way" in said
    assert "1 further cells have not been run with both." in said and "34.2 % to 100.0 %" in said


def test_a_disagreement_stands_in_every_form_of_the_report() -> None:
    shown = full(differing=True)
    found, name = agreement(shown), cell(peft="0.10.0").id
    assert [pair.cell for pair in found.disagreements] == [name]
    files = texts(report_files(shown))
    section = files["compatibility.md"]
    assert "1 of 2 cells that were run with both models go another way." in section
    assert section.index(name) < section.index("## What to pin")
    assert f"| `{name}`" in section and "another outcome" in section
    lines = files["agreement.md"].split("## Every cell")[1].splitlines()
    assert name in lines[4] and "another outcome" in lines[4]
    page = html_text(shown)
    assert "1 of 2 cells that were run with both models go another way." in page
    assert f'<a href="#{name}">{name}</a>' in page
    data = document(shown)["agreement"]
    assert data["outcome"]["hits"] == 1 and data["cells"][0]["likeness"] == "other-outcome"
    assert data["cells"][0]["found"][1]["failure"] == "cache-layers-empty"


def test_text_from_outside_stays_text() -> None:
    found = agreement_of("full", {"a": replace(FAIL, failure="<b>|")}, "tiny", {"a": FAIL})
    assert "<b>" not in agreement_text(found) and "\\<b\\>\\|" in agreement_text(found)
    page = html_text(replace(full(differing=False), agreement=found))
    assert "(<b>|)" not in page and "(&lt;b&gt;|)" in page


def test_the_data_have_the_form_of_the_schema() -> None:
    validator = Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
    for differing in (False, True):
        data = json.loads(json_text(full(differing=differing)))
        data["scenario"]["material"] = "0123456789abcdef"
        assert [error.message for error in validator.iter_errors(data)] == []
        data["agreement"]["cells"][0]["likeness"] = "alike"
        assert list(validator.iter_errors(data))


def test_without_a_second_model_nothing_is_said_of_agreement() -> None:
    assert "agreement.md" not in report_files(tiny()) and "agreement" not in document(tiny())
    assert "say the same?" not in html_text(tiny())


def test_reports_without_a_common_cell_are_refused() -> None:
    with pytest.raises(UsageError, match="none of the 1 cells"):
        compared_with(context([result(cell(peft="9.9"))]), reported(json_text(tiny()), "tiny"))
