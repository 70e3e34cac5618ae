"""The published JSON Schema: what the reports are held against, and whether it would notice anything."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from made_up import CACHE_LAYERS, cell, context, observation, result

from compatcheck.cli import main
from compatcheck.domain import Ending, EndingKind, Mode, Outcome, Raised, Stage, Status
from compatcheck.report.context import Context
from compatcheck.report.document import SCHEMA, SCHEMA_FILE, document
from compatcheck.report.files import report_files

SCHEMA_TEXT = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA_TEXT, format_checker=FormatChecker())
REPORTS = Path(__file__).parent.parent / "reports"


def problems(data: Any) -> list[str]:
    return [f"{error.json_path}: {error.message[:200]}" for error in VALIDATOR.iter_errors(data)]


def mixed() -> Context:
    odd = Raised("Odd", "m", "</script> \x00 \u202e")
    return context(
        [
            result(cell(), observation()),
            result(cell(peft="0.14.0"), observation(uncached=False)),
            result(cell(peft="0.10.0"), observation(CACHE_LAYERS)),
            result(cell(peft="0.12.0"), observation(cached=False, base_generates_rightly=True)),
            result(cell(peft="0.13.2"), observation(odd, Stage.TRAIN)),
            result(
                cell(peft="0.7.1"), observation(stage=Stage.TRAIN, ending=Ending(EndingKind.SIGNALLED, None, "SIGBUS"))
            ),
            result(cell(torch="2.5.1"), reason="No solution found when resolving dependencies"),
            result(cell(torch="2.5.1", peft="0.10.0"), trouble="the index did not answer"),
            result(cell(torch="2.5.1", peft="0.12.0")),
        ]
    )


def data() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(document(mixed())))
    return found | {"scenario": found["scenario"] | {"material": "0123456789abcdef"}}


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA_TEXT)
    assert SCHEMA_TEXT["properties"]["schema"]["const"] == SCHEMA


@pytest.mark.parametrize("path", sorted(REPORTS.rglob("compatibility.json")), ids=lambda path: path.parent.name)
def test_the_committed_reports_have_this_form(path: Path) -> None:
    assert problems(json.loads(path.read_text(encoding="utf-8"))) == []


def test_the_schema_lies_beside_the_report() -> None:
    assert json.loads("".join(report_files(mixed())["compatibility.schema.json"])) == SCHEMA_TEXT
    assert json.loads((REPORTS / "compatibility.schema.json").read_text(encoding="utf-8")) == SCHEMA_TEXT


def test_reports_of_every_outcome_have_this_form() -> None:
    found = data()
    assert {each["outcome"] for each in found["cells"]} == {str(outcome) for outcome in Outcome}
    assert problems(found) == []
    empty = json.loads(json.dumps(document(context([result(cell())])))) | {"scenario": found["scenario"]}
    assert problems(empty) == []


def _without(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda found: found.pop(name)


def _cell(place: int, **fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda found: found["cells"][place].update(fields)


@pytest.mark.parametrize(
    "spoil",
    [
        *(_without(name) for name in SCHEMA_TEXT["required"]),
        lambda found: found.update(more=1),
        lambda found: found.update(schema=2),
        lambda found: found["totals"].update(odd=1),
        lambda found: found["released"].update({"peft 1": "yesterday"}),
        lambda found: found["scenario"].update(odd=1),
        lambda found: found["classes"][0].update(letter="a"),
        _cell(0, outcome="works"),
        _cell(0, stage="train"),
        _cell(0, stages=[{"stage": "train"}]),
        _cell(0, lock=None),
        _cell(0, lock="short"),
        _cell(0, attempts=0),
        _cell(0, attempts="1"),
        _cell(0, started="noon"),
        _cell(0, seconds=-1),
        _cell(0, versions={"torch": "2.6.0"}),
        _cell(0, signature="cache-layers-empty"),
        _cell(2, caveat="uncached"),
        _cell(2, exception="KeyError"),
        _cell(6, reason=None),
        _cell(8, stages=[{"stage": "train", "status": "ok", "seconds": 1, "peak_rss_mib": None}]),
    ],
)  # fmt: skip
def test_the_schema_notices(spoil: Callable[[dict[str, Any]], None]) -> None:
    found = copy.deepcopy(data())
    spoil(found)
    assert problems(found)


def objects(node: Any, path: str = "$") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        if node.get("type") == "object":
            yield path, node
        for name, each in node.items():
            yield from objects(each, f"{path}.{name}")
    elif isinstance(node, list):
        for place, each in enumerate(node):
            yield from objects(each, f"{path}[{place}]")


def test_every_field_is_described_and_no_object_is_open_in_silence() -> None:
    found = list(objects(SCHEMA_TEXT))
    assert len(found) > 10
    for path, node in found:
        assert node.get("description"), path
        assert "additionalProperties" in node and node["additionalProperties"] is not True, path
        for name, each in node.get("properties", {}).items():
            target = each if "$ref" not in each else SCHEMA_TEXT["$defs"][each["$ref"].rsplit("/", 1)[1]]
            assert each.get("description") or target.get("description"), f"{path}.{name}"


@pytest.mark.parametrize(
    ("name", "words"),
    [("outcome", Outcome), ("stage", Stage), ("mode", Mode)],
)
def test_the_words_are_those_of_the_vocabulary(name: str, words: Any) -> None:
    assert SCHEMA_TEXT["$defs"][name]["enum"] == [str(word) for word in words]
    definitions = SCHEMA_TEXT["$defs"]
    assert definitions["ending"]["properties"]["kind"]["enum"] == [str(kind) for kind in EndingKind]
    assert definitions["stageRecord"]["properties"]["status"]["enum"] == [str(status) for status in Status]


def test_the_command_prints_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out) == SCHEMA_TEXT
