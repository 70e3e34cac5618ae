"""JUnit XML: parsed by a parser, counted, and safe whatever a message holds."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from made_up import CACHE_LAYERS, cell, context, observation, result

from compatcheck.domain import Raised, Stage
from compatcheck.report.context import Context
from compatcheck.report.files import written_file
from compatcheck.report.junit import MESSAGE_CAP, junit_text, shown

HOSTILE = "]]></failure><testcase name='x'/> & \x00\x1b[31m\ufffe\u202eabc \"'\n" + "x" * 9000


def mixed() -> Context:
    return context(
        [
            result(cell(), observation()),
            result(cell(peft="0.14.0"), observation(uncached=False)),
            result(cell(peft="0.10.0"), observation(CACHE_LAYERS)),
            result(cell(peft="0.12.0"), observation(cached=False, base_generates_rightly=True)),
            result(cell(peft="0.13.2"), observation(Raised("Odd", "m", HOSTILE), Stage.TRAIN)),
            result(cell(torch="2.5.1"), reason="No solution found when resolving dependencies"),
            result(cell(torch="2.5.1", peft="0.10.0"), trouble="the index did not answer"),
            result(cell(torch="2.5.1", peft="0.12.0")),
        ]
    )


def test_every_cell_is_a_test_with_its_outcome() -> None:
    root = ElementTree.fromstring(junit_text(mixed()))
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert len(cases) == len(mixed().entries) == len(list(root.iter("testcase")))
    kinds = {name: [child.tag for child in case] for name, case in cases.items()}
    head = "transformers 4.51.3, peft"
    assert kinds == {
        f"torch 2.6.0, {head} 0.15.2": [],
        f"torch 2.6.0, {head} 0.14.0": ["system-out"],
        f"torch 2.6.0, {head} 0.10.0": ["failure"],
        f"torch 2.6.0, {head} 0.12.0": ["failure"],
        f"torch 2.6.0, {head} 0.13.2": ["failure"],
        f"torch 2.5.1, {head} 0.15.2": ["skipped"],
        f"torch 2.5.1, {head} 0.10.0": ["error"],
        f"torch 2.5.1, {head} 0.12.0": ["skipped"],
    }
    failure = cases[f"torch 2.6.0, {head} 0.10.0"].find("failure")
    assert failure is not None and failure.get("type") == "cache-layers-empty"
    assert failure.get("message") == "fails in generate: Cache only has 0 layers"
    for wanted in ("cause: ", "what to do: ", "KeyError", "huggingface/peft#2379", "--only py311-torch2.6.0"):
        assert wanted in (failure.text or "")
    wrong = cases[f"torch 2.6.0, {head} 0.12.0"].find("failure")
    assert wrong is not None and "check cached-equals-reference does not hold" in (wrong.text or "")


def test_the_counts_are_those_of_the_tests() -> None:
    root = ElementTree.fromstring(junit_text(mixed()))
    for group in (root, *root.iter("testsuite")):
        cases = list(group.iter("testcase"))
        assert int(group.get("tests", "")) == len(cases)
        for tag, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            assert int(group.get(name, "")) == sum(case.find(tag) is not None for case in cases)
        times = sum(float(case.get("time", "")) for case in cases)
        assert abs(float(group.get("time", "")) - times) < 0.01
    assert [suite.get("name") for suite in root] == ["py311 torch 2.5.1", "py311 torch 2.6.0"]


def test_a_hostile_message_is_text_and_is_cut() -> None:
    text = junit_text(mixed())
    text.encode("utf-8")
    root = ElementTree.fromstring(text)
    (odd,) = (found for found in root.iter("failure") if "Odd" in (found.text or ""))
    assert "]]></failure><testcase name='x'/> &" in (odd.text or "")
    assert "\\x1b[31m" in (odd.text or "") and "\\x00" in (odd.text or "") and "\\u202e" in (odd.text or "")
    assert "[cut]" in (odd.text or "") and len(odd.text or "") < 2 * MESSAGE_CAP


def test_every_character_there_is_can_be_shown() -> None:
    everything = "".join(map(chr, [*range(0x3000), *range(0xD700, 0x10100)]))
    for start in range(0, len(everything), 500):
        root = ElementTree.Element("a")
        root.text = shown(everything[start : start + 500])
        again = ElementTree.fromstring(ElementTree.tostring(root, encoding="unicode"))
        assert again.text == root.text


def test_a_folder_is_made_for_the_file(tmp_path: Path) -> None:
    path = written_file(tmp_path / "new" / "cells.xml", junit_text(mixed()))
    assert ElementTree.parse(path).getroot().tag == "testsuites"
