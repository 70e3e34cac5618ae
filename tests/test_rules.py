"""Rules over tables: never a counter-example, every cell covered, and planted truths found again."""

from __future__ import annotations

import json
import random
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from compatcheck.domain import Outcome, Stage
from compatcheck.rules import MOST_RULES, Rule, rules_of
from compatcheck.table import CLEAN, Row, unit_text

REPORT = Path(__file__).resolve().parent.parent / "reports" / "compatibility.json"
PASS, FAIL = Outcome.PASS, Outcome.FAIL


def table(outcome_of, sizes: tuple[int, int, int] = (3, 8, 6)) -> list[Row]:
    """A full grid; `outcome_of(torch, transformers, peft)` gives None for a pass, or a signature."""
    rows = []
    for torch in range(sizes[0]):
        for transformers in range(sizes[1]):
            for peft in range(sizes[2]):
                signature = outcome_of(torch, transformers, peft)
                versions = {"torch": f"2.{torch}", "transformers": f"4.{transformers}", "peft": f"0.{peft}"}
                outcome = PASS if signature is None else Outcome.UNTESTED if signature == "?" else FAIL
                name = f"{torch}-{transformers}-{peft}"
                rows.append(Row(name, "3.11", versions, outcome, signature, None, Stage.TRAIN if signature else None))
    return rows


def true_of(rule: Rule, row: Row) -> bool:
    assert row.unit is not None
    if rule.claim == "pass":
        return row.unit == CLEAN
    return row.unit != CLEAN if rule.claim == "does not work" else unit_text(row.unit) == rule.claim


def check(rows: list[Row]) -> None:
    """What must hold whatever the table: asked through the specifiers, as a reader would."""
    rules = rules_of(rows)
    telling = [row for row in rows if row.unit is not None]
    for rule in (*rules.verdicts, *rules.failures):
        within = [row for row in telling if rule.admits(row.versions)]
        assert sorted(row.cell_id for row in within) == sorted(rule.cells) != []
        assert all(true_of(rule, row) for row in within)
    assert {cell for rule in rules.verdicts for cell in rule.cells} == {row.cell_id for row in telling}
    failing = {row.cell_id for row in telling if row.unit != CLEAN}
    assert {cell for rule in rules.failures for cell in rule.cells} == failing


def test_a_border_that_peft_mends() -> None:
    rows = table(lambda torch, transformers, peft: "cache" if transformers >= 3 and peft < 4 else None)
    rules = rules_of(rows)
    assert [rule.words() for rule in rules.failures] == [
        "transformers>=4.3 and peft<0.4 -> fail (cache) in train, whatever the torch"
    ]
    assert [rule.words() for rule in rules.verdicts] == [
        "transformers<4.3 -> pass, whatever the torch and peft",
        "peft>=0.4 -> pass, whatever the torch and transformers",
        "transformers>=4.3 and peft<0.4 -> does not work in train, whatever the torch",
    ]
    assert len(rules.failures[0].cells) == 3 * 5 * 4
    edges = {edge.axis: (edge.inside, edge.outside) for edge in rules.failures[0].boundaries}
    assert edges == {"transformers": ("4.3", "4.2"), "peft": ("0.3", "0.4")}


def test_a_lone_bad_release_is_named_alone_and_left_out_of_what_works() -> None:
    rules = rules_of(table(lambda torch, transformers, peft: "keyword" if transformers == 5 else None))
    assert [rule.words() for rule in rules.failures] == [
        "transformers==4.5 -> fail (keyword) in train, whatever the torch and peft"
    ]
    assert rules.verdicts[0].words() == "transformers!=4.5 -> pass, whatever the torch and peft"


def test_torch_is_named_only_where_it_plays_a_part() -> None:
    rules = rules_of(table(lambda torch, transformers, peft: "torch" if torch == 0 and transformers >= 6 else None))
    assert [rule.conditions for rule in rules.failures] == [{"torch": "<2.1", "transformers": ">=4.6"}]
    assert rules.failures[0].free == ("peft",)


def test_what_was_not_measured_supports_nothing() -> None:
    rows = table(lambda torch, transformers, peft: "?" if transformers in (0, 7) else None)
    (rule,) = rules_of(rows).verdicts
    assert rule.words() == "everything -> pass"
    assert not {cell for cell in rule.cells if cell.split("-")[1] in ("0", "7")}


def test_an_empty_table_has_no_rules() -> None:
    assert rules_of([]).verdicts == () and rules_of(table(lambda *place: "?")).failures == ()


def test_a_table_without_structure_is_told_to_be_uncovered() -> None:
    chance = random.Random(1)
    rows = table(lambda *place: chance.choice([None, "x"]), (3, 20, 12))
    rules = rules_of(rows)
    covered = {cell for rule in rules.verdicts for cell in rule.cells}
    assert len(rules.verdicts) <= 2 * MOST_RULES and rules.uncovered
    assert covered | set(rules.uncovered) == {row.cell_id for row in rows} and not covered & set(rules.uncovered)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_table_gets_a_rule_with_a_counter_example(data: st.DataObject) -> None:
    sizes = tuple(data.draw(st.integers(1, size)) for size in (2, 5, 4))
    places = [(a, b, c) for a in range(sizes[0]) for b in range(sizes[1]) for c in range(sizes[2])]
    seen = data.draw(st.lists(st.sampled_from([None, None, "x", "y", "?"]), min_size=len(places), max_size=len(places)))
    outcomes = dict(zip(places, seen, strict=True))
    check(table(lambda *place: outcomes[place], sizes))


def test_the_committed_table() -> None:
    cells = json.loads(REPORT.read_text(encoding="utf-8"))["cells"]
    rows = [
        Row(
            each["id"], each["python"], each["versions"], Outcome(each["outcome"]), each["signature"], each["lock"],
            Stage(each["stage"]) if each["stage"] else None,
        )
        for each in cells
    ]  # fmt: skip
    check(rows)
    rules = rules_of(rows)
    # a handful of statements, not a list of cells
    assert len(rules.verdicts) + len(rules.failures) < len(rows) / 8
