"""explain adds what the measured table says of a failure where a text does not name the versions."""

from __future__ import annotations

from pathlib import Path

import pytest
from log_corpus import FOLDER, read_case
from made_up_table import PEFT, TORCH, TRANSFORMERS, table

from compatcheck.catalogues import load_catalogue
from compatcheck.domain import CORE, Basis, Outcome, Policy
from compatcheck.explanation import explain
from compatcheck.measured_failure import AS_GOOD, ENOUGH, SAMPLE, measured_failure
from compatcheck.shipped import load_table
from compatcheck.signatures import Basis as BasisOfRange

LOG = read_case(FOLDER / "cache-layers-empty.txt").text
MEASURED = [
    signature.id
    for signature in load_catalogue()
    if any(each.basis is BasisOfRange.MEASURED for each in signature.affected)
    if measured_failure(signature.id, {}, load_table())
]


@pytest.fixture(autouse=True)
def no_own_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPATCHECK_STORE", str(tmp_path / "none.sqlite3"))


def test_it_says_where_the_failure_is_and_what_passes_instead() -> None:
    found = measured_failure("cache-layers-empty", {}, table())
    assert found is not None
    assert found.combinations == len(TORCH) * 2
    assert found.spans == {"transformers": ("4.44.2", "5.0.0"), "peft": ("0.7.1", "0.7.1")}
    assert found.words() == "4 combinations fail so: transformers 4.44.2 to 5.0.0, peft 0.7.1"
    assert [(each.specifier, each.passing, each.of, each.sure) for each in found.mends] == [
        ("peft>=0.12.0", 4, 8, False)
    ], "transformers 4.40.0 was run in the place of two only"
    assert found.mends[0].words() == "4 of the 8 combinations run with peft>=0.12.0 instead"


def test_a_version_that_the_text_names_narrows_it() -> None:
    found = measured_failure("cache-layers-empty", {"transformers": "4.44.2", "peft": "0.6.0"}, table())
    assert found is not None and found.combinations == len(TORCH)
    assert found.words() == "2 combinations fail so with transformers 4.44.2: peft 0.7.1"
    other = measured_failure("cache-layers-empty", {"transformers": TRANSFORMERS[0]}, table())
    assert other is not None and other.named == {}, "with this one nothing fails so"


def test_nothing_is_said_of_what_the_table_does_not_know() -> None:
    assert measured_failure("hub-unreachable", {}, table()) is None
    assert measured_failure("cache-layers-empty", {}, table(without=tuple(
        (torch, transformers, PEFT[0]) for torch in TORCH for transformers in TRANSFORMERS
    ))) is None  # fmt: skip


@pytest.mark.parametrize("signature", MEASURED)
def test_the_shipped_table_bears_out_every_word(signature: str) -> None:
    """Counted again, cell by cell."""
    known = load_table()
    cells = [
        cell
        for cell in (*known.cells, *known.scattered)
        if cell.policy is Policy.TODAY and cell.basis is Basis.MEASURED
        if cell.outcome in (Outcome.PASS, Outcome.FAIL, Outcome.WRONG)
    ]
    went: dict[tuple[str, ...], list[bool]] = {}
    for cell in cells:
        went.setdefault(tuple(cell.versions[name] for name in CORE), []).append(cell.works)
    failing = {tuple(cell.versions[name] for name in CORE) for cell in cells if cell.signature == signature}
    found = measured_failure(signature, {}, known)
    assert found is not None and found.combinations == len(failing)
    for name, (first, last) in found.spans.items():
        assert {first, last} <= {key[CORE.index(name)] for key in failing}
    for mend in found.mends:
        place = CORE.index(mend.package)
        axis = sorted({key[place] for key in went}, key=lambda version: [int(part) for part in version.split(".")])
        versions = axis[axis.index(mend.first) : axis.index(mend.last) + 1]
        beside = {(key[:place], key[place + 1 :]) for key in failing}
        tried = {
            version: [
                all(went[(*before, version, *after)]) for before, after in beside if (*before, version, *after) in went
            ]
            for version in axis
        }
        least = SAMPLE * max(map(len, tried.values()))
        compared = [came for version in versions if len(came := tried[version]) >= least and came]
        assert (mend.passing, mend.of) == (sum(map(sum, compared)), sum(map(len, compared)))
        assert mend.passing / mend.of >= ENOUGH * AS_GOOD
        assert mend.open_ended is (mend.last == axis[-1])


def test_a_traceback_without_versions_is_told_what_to_pin() -> None:
    found = explain(LOG)
    text, data = found.as_text(), found.as_json()
    assert found.failing is not None and found.measured is None
    assert "combinations fail so: transformers 4." in text and "combinations run with peft" in text
    assert data["pins"] == [found.failing.mends[0].specifier] and data["pins"][0].startswith("peft>=")
    assert data["failing"]["mended_by"][0]["pin"] == data["pins"][0]
    assert data["failing"]["says"] in " ".join(text.split())


def test_with_the_very_versions_it_says_what_to_take_in_the_place_of_one() -> None:
    cells = load_table().cells
    cell = next(cell for cell in cells if cell.signature == "cache-layers-empty" and cell.versions["peft"] == "0.10.0")
    found = explain("\n".join(f"{name}=={version}" for name, version in cell.versions.items()) + f"\n{LOG}")
    assert found.failing is not None and found.failing.combinations == 1 and found.measured is not None
    assert "fail so" not in found.as_text(), "of these very versions the table's own word is told"
    mends = {mend.package: mend for mend in found.failing.mends}
    assert mends["peft"].sure and mends["peft"].newer and found.failing.mends[0] is mends["peft"]
    passing = [
        each.versions["peft"]
        for each in cells
        if each.works and all(each.versions[name] == cell.versions[name] for name in ("torch", "transformers"))
    ]
    assert {mends["peft"].first, mends["peft"].last} <= set(passing)


def test_where_the_sources_tell_the_releases_it_is_silent() -> None:
    by_source = explain(read_case(FOLDER / "import-cache-class-missing.txt").text)
    assert by_source.signature is not None and by_source.signature.id in MEASURED
    assert by_source.failing is None and by_source.sources is not None and by_source.sources.pins
