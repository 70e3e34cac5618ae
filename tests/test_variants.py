"""Cells that are asked several methods and models: each a process of its own, imports paid once, one report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeRun
from jsonschema import Draft202012Validator
from made_up import texts
from minimatrix.releases import NEW

from compatcheck import runner, variants
from compatcheck.domain import Architecture, Cell, EndingKind, Method, Observation, Outcome, Scenario, Stage
from compatcheck.matrix import Matrix, Variant
from compatcheck.report.files import methods_files
from compatcheck.report.methods_text import METHODS_SCHEMA_FILE
from compatcheck.runner import Cold
from compatcheck.variants import Variants, methods_of
from compatcheck.warm_cell import WarmCell

pytestmark = pytest.mark.minimatrix

GOOD = {"torch": (NEW["torch"],), "transformers": (NEW["transformers"],), "peft": (NEW["peft"],)}
METHODS = (Method.PROMPT_TUNING, Method.LORA)
MODELS = (Architecture.BLOOM, Architecture.LLAMA)


def asked(make_run: MakeRun, *pefts: str, share: float = 0.0, **fields: Any) -> Variants:
    fields = {"method": METHODS, "architecture": MODELS, **fields}
    return Variants(make_run({**GOOD, "peft": pefts}, **fields), share)


def told(found: dict[Variant, Any]) -> dict[str, str]:
    return {variant.name: str(result.outcome) for variant, result in found.items()}


def only(found: dict[Cell, dict[Variant, Any]]) -> dict[Variant, Any]:
    (results,) = found.values()
    return results


# ---------------------------------------------------------------------- the matrix


def test_every_method_is_asked_of_every_model_and_nothing_else_changes() -> None:
    axes = {"torch": ("2",), "transformers": ("4",), "peft": ("0",)}
    plain = Matrix("m", axes)
    assert plain.variants == (Variant(Method.PROMPT_TUNING, "tiny-bloom"),)
    assert plain.of_variant(plain.variants[0]) == plain
    several = Matrix("m", axes, method=METHODS, architecture=MODELS, scenario=Scenario(epochs=2))
    names = [variant.name for variant in several.variants]
    assert names == ["prompt-tuning on bloom", "lora on bloom", "prompt-tuning on llama", "lora on llama"]
    lora = several.of_variant(several.variants[3])
    assert lora.scenario == Scenario(epochs=2, model="tiny-llama", method=Method.LORA)
    assert several.resolution_digest == lora.resolution_digest == plain.resolution_digest
    assert len({several.digest, lora.digest, plain.digest}) == 3


def test_a_scenario_without_a_method_is_known_by_what_it_always_was() -> None:
    # the digests of the observations that the committed reports were made from
    assert Scenario().digest == "098e1e3daa99f6f3"
    digests = {Scenario(method=method).digest for method in Method}
    assert len(digests) == len(Method) and Scenario(method=Method.PROMPT_TUNING).digest == Scenario().digest


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"architecture": MODELS, "scenario": Scenario(model="some/model")}, "scenario.model: 'some/model'"),
        ({"method": (Method.LORA, Method.LORA)}, "method: something stands there twice"),
    ],
)
def test_what_makes_no_sense_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Matrix("m", {"torch": ("2",), "transformers": ("4",), "peft": ("0",)}, **fields)


# ---------------------------------------------------------------------- the run


def test_scenarios_are_forked_and_say_what_cold_ones_say(make_run: MakeRun) -> None:
    held = asked(make_run, NEW["peft"], share=1.0)
    found = only(held.run_all(held.run.expand().cells))
    assert set(told(found).values()) == {"pass"} and len(found) == 4
    assert (held.audit.forked, held.audit.compared, held.audit.disagreements, held.off) == (4, 4, [], {})
    assert "4 scenarios were forked; 4 of them were made again" in held.lines()[0]


def test_what_is_known_is_not_run_again(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    held = asked(make_run, NEW["peft"])
    cells = held.run.expand().cells
    before = only(held.run_all(cells))
    assert all(result.observation.facts["isolation"] == "fork" for result in before.values())

    def never(*_: Any) -> None:
        raise AssertionError("it was run again")

    monkeypatch.setattr(variants, "probed", never)
    again = asked(make_run, NEW["peft"])
    assert only(again.run_all(cells)) == before
    # one more method is one more run of each model, and no more
    runs: list[str] = []

    def counted(slot: Any, uv: Any, work: Any, *rest: Any) -> Any:
        runs.append(str(work.scenario.method))
        return kept(slot, uv, work, *rest)

    monkeypatch.undo()
    kept = variants.probed
    monkeypatch.setattr(variants, "probed", counted)
    more = asked(make_run, NEW["peft"], method=(*METHODS, Method.IA3))
    more.run_all(more.run.expand().cells)
    assert runs == ["ia3", "ia3"]


def test_a_crash_of_one_scenario_does_not_lose_the_others(make_run: MakeRun) -> None:
    held = asked(make_run, "0.0.0")
    found = only(held.run_all(held.run.expand().cells))
    assert told(found) == {
        "prompt-tuning on bloom": "pass",
        "lora on bloom": "fail",
        "prompt-tuning on llama": "pass",
        "lora on llama": "fail",
    }
    died = [each.observation for variant, each in found.items() if variant.method is Method.LORA]
    assert {each.ending.kind for each in died} == {EndingKind.SIGNALLED}
    assert {each.stage for each in died} == {Stage.TRAIN}
    # what could be chance was tried once more, by a process of its own
    assert {each.attempts for variant, each in found.items() if variant.method is Method.LORA} == {2}


def test_where_a_package_cannot_be_imported_every_scenario_fails_by_itself(make_run: MakeRun) -> None:
    held = asked(make_run, "0.2.7")
    found = only(held.run_all(held.run.expand().cells))
    assert {(str(each.outcome), each.stage) for each in found.values()} == {("fail", Stage.IMPORT)}
    assert {each.observation.chain[0].type for each in found.values()} == {"RuntimeError"}


def test_forks_that_say_something_else_are_taken_back(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second look at the last scenario finds that processes of their own fare otherwise."""
    held = asked(make_run, NEW["peft"], share=0.0)
    seen = 0

    def wants(observation: Observation) -> bool:
        nonlocal seen
        seen += 1
        held.audit.forked += 1
        return seen == 3

    monkeypatch.setattr(held.audit, "wants", wants)
    monkeypatch.setattr(held.audit, "agree", lambda *_: held.audit.disagreements.append("made up") or False)
    (cell,) = held.run.expand().cells
    found = only(held.run_all([cell]))
    assert set(told(found).values()) == {"pass"} and held.off == {cell.id: "made up"}
    for result in found.values():
        assert result.attempts == 1 and "isolation" not in result.observation.facts


def test_without_a_fork_it_is_slower_and_the_same(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    forked = asked(make_run, "0.0.1", store="forked")
    cold = asked(make_run, "0.0.1", store="cold")
    first = only(forked.run_all(forked.run.expand().cells))
    monkeypatch.setattr(WarmCell, "source", lambda self: None)
    second = only(cold.run_all(cold.run.expand().cells))
    assert told(first) == told(second)
    for variant, result in first.items():
        one, other = result.observation, second[variant].observation
        assert (one.checks, one.chain, one.imported) == (other.checks, other.chain, other.imported)


def test_the_source_is_cold_where_a_probe_is_not_forked(tmp_path: Path) -> None:
    assert Cold(tmp_path).events is None and runner.MARK
    warm = WarmCell(tmp_path / "no-python")
    assert warm.source() is None and "could not be started" in warm.reason


# ---------------------------------------------------------------------- the report


@pytest.fixture
def files(make_run: MakeRun) -> dict[str, str]:
    held = asked(make_run, "0.0.1", NEW["peft"])
    held.run_all(held.run.expand().cells)
    return texts(methods_files(methods_of(held)))


def test_what_is_ignored_in_silence_stands_first(files: dict[str, str]) -> None:
    said = files["methods.md"]
    assert "8 scenarios were run: 4 work, 2 fail, and 2 run to the end" in said
    assert said.index("## Ignored in silence") < said.index("## Each pair of versions")
    assert "prompt-tuning on llama, lora on llama" in said
    assert "prompt-tuning: with 1 pair of versions one model raises and another (llama) gives a wrong result" in said
    rows = [line for line in said.splitlines() if line.startswith(("| bloom ", "| llama "))]
    # the shares, and then one table for each pair of versions
    assert [row.split("|")[2].strip() for row in rows[2:]] == ["❌ B", "⚠️ A", "✅", "✅"]


def test_the_page_says_the_same_without_a_script(files: dict[str, str]) -> None:
    page = files["methods.html"]
    assert "<script" not in page and "Ignored in silence" in page and page.count("<tbody>") == 2
    assert "prompt-tuning on llama, lora on llama" in page


def test_the_data_have_the_form_of_their_schema(files: dict[str, str]) -> None:
    schema = json.loads(METHODS_SCHEMA_FILE.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    data = json.loads(files["methods.json"])
    assert [error.message for error in Draft202012Validator(schema).iter_errors(data)] == []
    scenarios = {(each["method"], each["model"]): each for each in data["cells"][0]["scenarios"]}
    silent = scenarios["prompt-tuning", "tiny-llama"]
    # the first of a kind of failure is run again by a process of its own, the next one is not
    assert (silent["outcome"], silent["ignored"], silent["isolation"]) == ("wrong", True, "process")
    assert silent["signature"] == "adapter-silently-ignored"
    assert (scenarios["lora", "tiny-llama"]["ignored"], scenarios["lora", "tiny-llama"]["isolation"]) == (True, "fork")
    assert scenarios["prompt-tuning", "tiny-bloom"]["outcome"] == "fail"
    data["cells"][0]["scenarios"][0]["outcome"] = "works"
    assert list(Draft202012Validator(schema).iter_errors(data))


def test_nothing_measured_is_a_report_too(make_run: MakeRun) -> None:
    held = asked(make_run, NEW["peft"])
    held.run.expand()
    context = methods_of(held)
    assert context.headline() == ["Nothing of this matrix has been measured yet."]
    assert context.totals()[Outcome.UNTESTED] == 4 and "·" in "".join(methods_files(context)["methods.md"])
