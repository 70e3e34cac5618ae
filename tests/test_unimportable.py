"""What the packages' sources say of a combination that was not run, and who hears it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from made_up_table import DAY, SOURCE, table

import compatcheck
from compatcheck.check_formats import FORMATS
from compatcheck.cli import main
from compatcheck.domain import Outcome, Stage
from compatcheck.judgement import Judgement, judged_requirements, waived
from compatcheck.known import KnownCell, KnownTable
from compatcheck.measured_word import measured_word
from compatcheck.requirement_files import read_requirements
from compatcheck.shipped import load_table
from compatcheck.unimportable import unimportable
from compatcheck.verdict import Standing, lookup
from compatcheck.waivers import Settings, Waiver

BROKEN = {"torch": "2.9.0", "transformers": "5.1.0", "peft": "0.17.0"}
"""In no table: peft 0.17 takes HybridCache of transformers, which 5.0 took away."""
SAID = "peft 0.17.0 imports transformers.HybridCache (peft/peft_model.py), which transformers 5.1.0 lacks"
TABLE = table()


def cell(outcome: Outcome, stage: Stage | None = None, torch: str = "2.6.0") -> KnownCell:
    return KnownCell("3.11", {**BROKEN, "torch": torch}, outcome, SOURCE, stage=stage, measured=DAY)


def test_what_cannot_be_imported_is_known_bad_without_a_run() -> None:
    verdict = lookup(BROKEN, TABLE)
    assert verdict.status is Standing.KNOWN_BAD and verdict.bad
    assert verdict.cell is None and verdict.basis is None and verdict.neighbours
    assert verdict.named == "import-cache-class-missing" and verdict.source == SAID
    told = verdict.as_json()
    assert (told["signature"], told["cell"], told["source"]) == ("import-cache-class-missing", None, SAID)
    assert f"not run: {SAID}" in verdict.as_text()


@pytest.mark.parametrize(
    "other",
    [{"peft": "0.18.1"}, {"transformers": "4.57.6"}, {"transformers": "5.1.0.dev0"}, {"peft": "0.17.9"}],
    ids=lambda other: str(*other.values()),
)
def test_of_what_has_the_name_or_was_not_read_nothing_is_said(other: dict[str, str]) -> None:
    verdict = lookup({**BROKEN, **other}, TABLE)
    assert verdict.status is Standing.UNKNOWN and verdict.source == "" and verdict.named is None


def test_a_run_counts_before_the_sources_and_against_them() -> None:
    for outcome, stage, said in (
        (Outcome.PASS, None, False),
        (Outcome.FAIL, Stage.GENERATE, False),
        (Outcome.FAIL, Stage.IMPORT, True),
        (Outcome.ERROR, None, True),
    ):
        beside = KnownTable("one cell", (cell(outcome, stage),))
        assert bool(lookup(BROKEN, beside).source) is said, (outcome, stage)
    measured = KnownTable("one cell", (cell(Outcome.PASS, torch=BROKEN["torch"]),))
    assert lookup(BROKEN, measured).status is Standing.WORKS


def test_of_the_measured_cells_all_of_which_the_sources_say_so_fail() -> None:
    told = [cell for cell in load_table().cells if unimportable(cell.versions)]
    assert len(told) > 50
    assert {cell.outcome for cell in told} <= {Outcome.FAIL, Outcome.UNRESOLVABLE}


@pytest.fixture(name="pinned")
def pinned_file(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.txt"
    path.write_text("".join(f"{name}=={version}\n" for name, version in BROKEN.items()))
    return path


def judged(path: Path, settings: Settings | None = None) -> Judgement:
    finding = judged_requirements(path, read_requirements(path), TABLE)
    return waived([finding], settings or Settings(), TABLE, today=DAY)


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_of_check_says_why(pinned: Path, form: str) -> None:
    judgement = judged(pinned)
    assert judgement.exit_code == 1
    told = FORMATS[form](judgement)
    assert "import-cache-class-missing" in told
    if form in ("text", "json", "github", "junit"):
        assert f"{SAID}; not run" in told or f'"source": "{SAID}"' in told
    if form == "text":
        assert "  works    torch==" in told, "what works is told, too"


def test_without_a_signature_the_source_is_the_title(pinned: Path) -> None:
    (finding,) = judged(pinned).findings
    assert finding.verdict is not None
    nameless = replace(finding, verdict=replace(finding.verdict, signature=None))
    told = Judgement((nameless,), "made up", 0)
    assert f"known bad: {SAID}" in FORMATS["text"](told)
    sarif = json.loads(FORMATS["sarif"](told))
    assert sarif["runs"][0]["results"][0]["ruleId"] == "cannot-be-imported"


def test_a_waiver_of_the_signature_covers_it(pinned: Path) -> None:
    waiver = Waiver(date(DAY.year + 1, 1, 1), "we do not import peft", "import-cache-class-missing")
    judgement = judged(pinned, Settings(waivers=(waiver,)))
    assert judgement.exit_code == 0 and not judgement.unused


def test_the_command_ends_with_code_one(pinned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "-r", str(pinned)]) == 1
    assert f"basis    {SAID}; not run" in capsys.readouterr().out


def test_assert_compatible_raises_and_says_that_it_was_not_run() -> None:
    with pytest.raises(compatcheck.IncompatibleVersions) as caught:
        compatcheck.assert_compatible(versions=BROKEN, table=TABLE)
    assert f"known    {SAID}; not run" in str(caught.value)


def test_a_log_that_names_the_versions_hears_it() -> None:
    word = measured_word(BROKEN)
    assert word is not None
    assert (word.status, word.signature) == ("known-bad", "import-cache-class-missing")
    assert f"({SAID}; not run)" in word.says and word.nearest


def test_a_companion_that_lacks_a_name_is_told_though_the_three_were_measured() -> None:
    """peft 0.15 and later take clear_device_cache of accelerate, which has it since 0.32; peft asks for 0.21."""
    core = {"torch": "2.6.0", "transformers": "4.49.0", "peft": "0.15.2"}
    (measured, *_) = load_table().at(core)
    assert lookup({**core, **measured.beside}, load_table()).status is Standing.WORKS
    told = lookup({**core, **measured.beside, "accelerate": "0.31.0"}, load_table())
    assert told.status is Standing.KNOWN_BAD and told.cell is None
    assert "imports accelerate.utils.memory.clear_device_cache" in told.source
    assert f"measured beside accelerate {measured.beside['accelerate']}, here it is 0.31.0" in told.notes
    assert measured in told.neighbours
    later = lookup({**core, **measured.beside, "accelerate": "0.32.0"}, load_table())
    assert later.status is not Standing.KNOWN_BAD


def test_a_run_with_that_companion_silences_the_sources() -> None:
    core = {"torch": "2.6.0", "transformers": "4.49.0", "peft": "0.15.2"}
    ran = KnownCell("3.11", core, Outcome.PASS, SOURCE, measured=DAY, beside={"accelerate": "1.10.0"})
    other = replace(ran, versions={**core, "transformers": "4.50.3"}, beside={"accelerate": "0.31.0"})
    asked = {**core, "accelerate": "0.31.0"}
    assert lookup(asked, KnownTable("one", (ran,))).status is Standing.KNOWN_BAD
    assert lookup(asked, KnownTable("two", (ran, other))).status is Standing.STALE
