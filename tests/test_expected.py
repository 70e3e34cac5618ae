"""What is to be expected of versions that were not run: its ground, its order, and that it decides nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_table import DAY, PEFT, TORCH, TRANSFORMERS, table

from compatcheck.check_formats import FORMATS
from compatcheck.domain import Basis, Outcome, Policy
from compatcheck.inferred_grid import InferredGrid, Kind, problem
from compatcheck.installation import Installed
from compatcheck.judgement import Judgement, judged_environment
from compatcheck.known import KnownTable
from compatcheck.minor_lines import same_line
from compatcheck.verdict import Standing, Verdict, lookup

GRID = InferredGrid(
    "every", "3.11", Policy.TODAY, DAY, 40, 12, 1,
    {"torch": ("2.5.1", "2.7.1"), "transformers": ("4.44.2", "4.48.3"), "peft": ("0.12.0", "0.15.2")},
    (Kind(Outcome.PASS, 0.97), Kind(Outcome.FAIL, 0.9, "cache-layers-empty")),
    (". 0", ". 1", "0 0", "0 ."),
)  # fmt: skip
KNOWN = replace(table(), inferred=(GRID,))


def asked(torch: str, transformers: str, peft: str, known: KnownTable = KNOWN, **others: str) -> Verdict:
    return lookup({"torch": torch, "transformers": transformers, "peft": peft, "python": "3.11", **others}, known)


def test_what_is_inferred_of_these_very_versions_is_told_and_decides_nothing() -> None:
    verdict = asked("2.7.1", "4.44.2", "0.15.2")
    assert verdict.status is Standing.UNKNOWN and not verdict.bad and verdict.named is None
    said = verdict.expected
    assert said is not None and said.basis is Basis.INFERRED and not said.instead
    assert said.words() == (
        f"works: inferred from 40 runs of {DAY} beside the newest other packages, confidence 0.97; 1 of 12 such cells "
        "drawn by chance went otherwise"
    )
    assert f"expected: {said.words()}" in verdict.as_text()
    told = verdict.as_json()["expected"]
    assert told == {
        "outcome": "pass", "signature": None, "basis": "inferred", "confidence": 0.97, "instead": {}, "beside": {},
        "runs": 40, "audit": {"drawn": 12, "missed": 1}, "python_pairs": None,
    }  # fmt: skip
    json.dumps(told)
    failing = asked("2.5.1", "4.48.3", "0.15.2").expected
    assert failing is not None and failing.words().startswith("fails (cache-layers-empty): inferred")


def test_a_measured_release_of_the_same_line_comes_before_one_that_is_inferred() -> None:
    verdict = asked("2.5.0", "4.44.0", "0.12.1", numpy="1.26.4")
    said = verdict.expected
    assert said is not None and said.basis is Basis.MEASURED and said.outcome is Outcome.PASS
    assert said.instead == {"torch": "2.5.1", "transformers": "4.44.2", "peft": "0.12.0"}
    assert said.words() == (
        f"works, as with torch 2.5.1, transformers 4.44.2, peft 0.12.0 instead (measured {DAY}, beside numpy 2.1.0)"
    )
    assert verdict.as_json()["expected"]["confidence"] is None
    inferred = asked("2.7.0", "4.48.1", "0.12.0").expected
    assert inferred is not None and inferred.basis is Basis.INFERRED
    assert inferred.instead == {"torch": "2.7.1", "transformers": "4.48.3"}


@pytest.mark.parametrize("transformers", TRANSFORMERS)
def test_what_was_measured_needs_no_expectation(transformers: str) -> None:
    for torch, peft in zip(TORCH, PEFT, strict=False):
        verdict = asked(torch, transformers, peft)
        assert verdict.cell is not None and verdict.expected is None


def test_nothing_is_expected_where_no_release_of_the_line_is_known() -> None:
    assert asked("2.9.0", "4.44.2", "0.12.0").expected is None
    assert asked("2.7.1", "4.48.3", "0.15.2").expected is None, "untested in the grid"
    assert asked("2.7.1", "4.44.2", "0.15.2", table()).expected is None, "no grid"


def test_another_python_stands_for_one_on_which_nothing_was_run() -> None:
    for versions, basis in [(("2.6.0", "4.44.2", "0.12.0"), "measured"), (("2.7.1", "4.44.2", "0.15.2"), "inferred")]:
        said = asked(*versions, python="3.13").expected
        assert said is not None and said.basis == basis and said.instead == {"Python": "3.11"}


def test_what_sources_say_comes_first() -> None:
    verdict = asked("2.7.1", "5.1.0", "0.17.0", replace(KNOWN, inferred=(wide("5.1.0", "0.17.0"),)))
    assert verdict.status is Standing.KNOWN_BAD and verdict.source and verdict.expected is None


def wide(transformers: str, peft: str) -> InferredGrid:
    axes = {"torch": ("2.7.1",), "transformers": (transformers,), "peft": (peft,)}
    return replace(GRID, axes=axes, rows=("0",))


def test_check_tells_it_and_strict_still_refuses() -> None:
    versions = {"torch": "2.7.1", "transformers": "4.44.2", "peft": "0.15.2"}
    finding = judged_environment(Installed(Path("python"), "3.11.7", versions), KNOWN)
    judgement = Judgement((finding,), KNOWN.name, 0, strict=True)
    assert judgement.exit_code == 5
    text = FORMATS["text"](judgement)
    assert "\n  expected works: inferred from 40 runs" in text
    assert json.loads(FORMATS["json"](judgement))["findings"][0]["verdict"]["expected"]["confidence"] == 0.97


def test_a_line_is_the_first_two_numbers() -> None:
    among = ("4.9.2", "4.45.2", "4.46.2", "4.46.10")
    assert same_line("4.46.0", among) == "4.46.10" and same_line("4.46.2", among) == "4.46.2"
    assert same_line("4.4.0", among) is None


def test_a_grid_that_does_not_fit_its_axes_is_told() -> None:
    assert problem(GRID) == ""
    assert problem(replace(GRID, rows=GRID.rows[1:])) == "rows: 3 instead of 2 x 2"
    assert problem(replace(GRID, rows=(*GRID.rows[:3], "0 2"))) == "rows[3]: not 2 numbers of kinds"
