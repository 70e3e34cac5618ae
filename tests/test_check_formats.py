"""What `compatcheck check` writes: for people, for GitHub, for code scanning and for CI services."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import junitparser
import pytest
from made_up_table import DAY
from test_judgement import BAD, TABLE, UNKNOWN, WORKS, environment, with_waiver

from compatcheck.check_formats import FORMATS
from compatcheck.judgement import Judgement, judged_environment, judged_requirements, waived
from compatcheck.requirement_files import read_requirements
from compatcheck.waivers import Settings, Waiver


@pytest.fixture
def mixed(tmp_path: Path) -> Judgement:
    """A bad finding in a file whose name has to be quoted, one that is waived, one unknown, and one of nothing."""
    path = tmp_path / "odd, name: 100%.txt"
    path.write_text("\ntorch\ntransformers==4.44.2\npeft==0.7.1\n")
    findings = [
        replace(judged_requirements(path, read_requirements(path), TABLE), subject=path.name, file=path.name),
        judged_environment(environment({**BAD, "transformers": "5.0.0", "peft": "0.12.0"}), TABLE),
        judged_environment(environment(UNKNOWN), TABLE),
        judged_environment(environment({}), TABLE),
    ]
    settings = Settings(waivers=(Waiver(DAY, "we <know> & care", "cache-key-missing"),))
    return waived(findings, settings, TABLE, today=DAY)


def test_json_tells_everything(mixed: Judgement) -> None:
    told = json.loads(FORMATS["json"](mixed))
    assert [each["status"] for each in told["findings"]] == ["known-bad", "known-bad", "unknown", None]
    assert told["findings"][0]["works"]["peft"] == "0.12.0"
    assert told["findings"][0]["ranges"]["counts"]["known-bad"] == 2
    assert told["findings"][1]["waived"] == {"reason": "we <know> & care", "until": DAY.isoformat()}
    assert told["exit_code"] == 1 and told["table"] == "a made-up table" and told["table_age_days"] == 0


def test_github_annotations_are_one_line_each_and_escaped(mixed: Judgement) -> None:
    lines = FORMATS["github"](mixed).splitlines()
    assert lines[0].startswith(
        "::error file=odd%2C name%3A 100%25.txt,line=4,title=compatcheck::odd, name: 100%25.txt: 0 of"
    )
    assert [line.split(" ")[0].split("::")[1] for line in lines] == ["error", "notice", "warning", "notice"]
    assert "%0A  remedy   " in lines[0]


def test_sarif_has_a_rule_for_every_signature_and_suppresses_what_is_waived(mixed: Judgement) -> None:
    told = json.loads(FORMATS["sarif"](mixed))
    run = told["runs"][0]
    assert told["version"] == "2.1.0"
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == ["cache-layers-empty", "cache-key-missing", "unknown"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"] and result["message"]["text"]
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place == {
        "artifactLocation": {"uri": "odd%2C%20name%3A%20100%25.txt"},
        "region": {"startLine": 4},
    }
    assert [result["level"] for result in run["results"]] == ["error", "note", "warning"]
    assert "we <know> & care" in run["results"][1]["suppressions"][0]["justification"]
    assert run["invocations"][0]["exitCode"] == 1


SARIF = json.loads((Path(__file__).parent / "schemas" / "sarif.json").read_text())


@pytest.mark.parametrize("strict", [False, True])
def test_sarif_is_valid_and_what_code_scanning_takes(mixed: Judgement, strict: bool) -> None:
    told = json.loads(FORMATS["sarif"](replace(mixed, strict=strict)))
    jsonschema.validate(told, SARIF)
    for result in told["runs"][0]["results"]:
        # GitHub refuses the whole file where one result has no place: github/codeql-action#2459
        assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    works = waived([judged_environment(environment(WORKS), TABLE)], Settings(), TABLE, today=DAY)
    told = json.loads(FORMATS["sarif"](works))
    jsonschema.validate(told, SARIF)
    assert told["runs"][0]["results"] == [], "what works is no alert"


def test_junit_is_read_by_another_reader_as_it_is_meant(mixed: Judgement) -> None:
    suites = junitparser.JUnitXml.fromstring(FORMATS["junit"](mixed).encode())
    (suite,) = suites
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (4, 1, 0, 2)
    kinds = [[type(each) for each in case.result] for case in suite]
    assert kinds == [[junitparser.Failure], [junitparser.Skipped], [], [junitparser.Skipped]]
    assert [case.classname for case in suite] == ["compatcheck"] * 4
    suites.update_statistics()
    assert (suites.tests, suites.failures, suites.errors, suites.skipped) == (4, 1, 0, 2), "as the reader counts them"


def test_junit_counts_what_it_holds(mixed: Judgement) -> None:
    suite = ElementTree.fromstring(FORMATS["junit"](mixed))[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("4", "1", "2")
    failure = suite[0].find("failure")
    assert failure is not None and failure.get("type") == "cache-layers-empty" and "remedy" in (failure.text or "")
    assert "we <know> & care" in (suite[1].find("skipped").get("message") or "")


def test_every_format_says_when_a_waiver_has_expired() -> None:
    judgement = with_waiver(DAY - timedelta(1), packages=WORKS)
    for name, render in FORMATS.items():
        assert "expired" in render(judgement), name


def test_strict_makes_errors_of_what_is_unknown() -> None:
    judgement = waived([judged_environment(environment(UNKNOWN), TABLE)], Settings(), TABLE, strict=True, today=DAY)
    assert FORMATS["github"](judgement).startswith("::error ")
    assert 'failures="1"' in FORMATS["junit"](judgement)


def test_strict_makes_an_error_of_nothing_to_judge_where_there_is_nothing_else() -> None:
    empty = judged_environment(environment({}), TABLE)
    judgement = waived([empty], Settings(), TABLE, strict=True, today=DAY)
    assert [line.split(" ")[0] for line in FORMATS["github"](judgement).splitlines()] == ["::error", "::error"]
    assert 'failures="1"' in FORMATS["junit"](judgement) and 'type="nothing-judged"' in FORMATS["junit"](judgement)
    (run,) = json.loads(FORMATS["sarif"](judgement))["runs"]
    assert [each["ruleId"] for each in run["results"]] == ["nothing-judged"] and run["results"][0]["level"] == "error"
    assert json.loads(FORMATS["json"](judgement))["exit_code"] == 5
    jsonschema.validate(json.loads(FORMATS["sarif"](judgement)), SARIF)


def test_what_was_not_measured_is_said_not_to_be_with_what_to_do_next() -> None:
    told = FORMATS["text"](waived([judged_environment(environment(UNKNOWN), TABLE)], Settings(), TABLE, today=DAY))
    assert "unknown: this combination was not measured" in told and "  find out compatcheck probe" in told
