"""What releases take of each other, and the cells that fail by it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import requests
from minimatrix.index import LocalIndex

from compatcheck.catalogues import load_catalogue
from compatcheck.cli import main
from compatcheck.domain import Outcome
from compatcheck.errors import IndexUnavailable
from compatcheck.explore import Explorer
from compatcheck.foretold import TRIED, foretold_failures, tried
from compatcheck.import_needs import BrokenNeed, ImportNeeds, broken_needs, needs_of, needs_on, shipped_needs, written
from compatcheck.import_reader import Need, Tree
from compatcheck.index_wheels import BLOCK, WHOLE, RangeFile, opened
from compatcheck.inference import inference_of
from compatcheck.runtime_ranges import RuntimeRange
from compatcheck.space import Space
from compatcheck.table import CLEAN, Unit

PACKAGES = ("transformers", "peft")
CACHE = Need("transformers", "HybridCache", False)
BROKEN = BrokenNeed("peft", ("0.2", "0.3"), "peft/model.py", CACHE, ("4.1", "5.0"))
NEEDS = ImportNeeds({}, (BROKEN,))
IMPORT: Unit = (Outcome.FAIL, "import-cache-class-missing")


def release(package: str, files: Mapping[str, str]) -> Tree:
    return Tree(package, {f"{package}/{name}": text for name, text in files.items()}.get, PACKAGES)


def space() -> Space:
    versions = (("3.11",), ("2.6",), ("4.1", "4.2", "5.0"), ("0.1", "0.2", "0.3"))
    return Space(("python", "torch", "transformers", "peft"), versions, np.ones(9, dtype=np.bool_))


def at(transformers: str, peft: str) -> int:
    return next(each for each in range(9) if space().point(each)[2:] == (transformers, peft))


def test_a_name_that_some_releases_lack_is_found_with_who_takes_it() -> None:
    model = {"__init__.py": "from .model import *", "model.py": "from transformers import HybridCache"}
    trees = {
        "transformers": {
            "4.1": release("transformers", {"__init__.py": "class Other: ..."}),
            "4.2": release("transformers", {"__init__.py": "class HybridCache: ...\nclass Other: ..."}),
            "5.0": release("transformers", {"__init__.py": "class Other: ..."}),
        },
        "peft": {
            "0.1": release("peft", {"__init__.py": "from transformers import Other, made_at_run_time"}),
            "0.2": release("peft", model),
            "0.3": release("peft", model),
        },
    }  # fmt: skip
    entries = {"transformers": [("transformers", ())], "peft": [("peft", ())]}
    assert broken_needs(trees, entries) == (BROKEN,)


def test_the_file_gives_back_what_was_read() -> None:
    needs = ImportNeeds(
        {"peft": {"0.2": "abc", "0.3": "def"}},
        (BROKEN, BrokenNeed("peft", ("0.2",), "peft/x.py", Need("torch", "float9", True), ("2.0",))),
        (RuntimeRange("transformers", ("4.1", "4.2"), "tokenizers", ">=0.14,<0.19"),),
    )
    assert needs_of(json.loads(written(needs))) == needs


def test_a_broken_need_has_a_name_and_stops_the_cells_of_its_releases() -> None:
    found = foretold_failures(space(), NEEDS, load_catalogue())
    assert {space().point(place)[2:] for place in found} == {
        ("4.1", "0.2"), ("4.1", "0.3"), ("5.0", "0.2"), ("5.0", "0.3")
    }  # fmt: skip
    told = found[at("5.0", "0.3")]
    assert told.unit == IMPORT
    assert told.said == "peft 0.3 imports transformers.HybridCache (peft/model.py), which transformers 5.0 lacks"


def test_a_foretold_cell_is_inferred_on_the_ground_of_the_source_and_is_no_material() -> None:
    foretold = foretold_failures(space(), NEEDS, load_catalogue())
    known = {at("4.2", "0.1"): CLEAN, at("4.1", "0.3"): IMPORT}
    held = inference_of(space(), known, foretold=foretold)
    place = at("5.0", "0.2")
    assert held.unit_of(place) == IMPORT
    assert held.confidence[place] == pytest.approx(TRIED / (TRIED + 1))
    ground = held.ground_of(place)
    assert ground is not None and ground.source == foretold[place].said and not ground.measured
    assert held.learnt is not None and held.learnt.places.tolist() == [at("4.2", "0.1")]


def test_a_package_that_goes_on_without_torch_takes_nothing_of_anyone() -> None:
    """transformers 5.0 wants torch 2.6, 4.2 takes nothing that torch 2.5 lacks; peft's import comes first."""
    axes = ("python", "torch", "transformers", "peft")
    wide = Space(axes, (("3.11",), ("2.5", "2.6"), ("4.1", "5.0"), ("0.1", "0.2")), np.ones(8, dtype=np.bool_))
    floor = RuntimeRange("transformers", ("5.0",), "torch", ">=2.6.0", True)
    takes = BrokenNeed(
        "transformers", ("4.1", "5.0"), "transformers/t.py", Need("torch", "float9", True), ("2.5", "2.6")
    )
    found = foretold_failures(wide, ImportNeeds({}, (takes, BROKEN), (floor,)), load_catalogue())
    said = {wide.point(place)[1:]: each.said.split(" (")[0] for place, each in found.items()}
    assert said == {
        ("2.5", "4.1", "0.1"): "transformers 4.1 uses torch.float9",
        ("2.5", "4.1", "0.2"): "transformers 4.1 uses torch.float9",
        ("2.5", "5.0", "0.1"): "transformers 5.0 goes on without torch 2.5: it wants >=2.6.0",
        ("2.5", "5.0", "0.2"): "peft 0.2 imports transformers.HybridCache",
        ("2.6", "4.1", "0.1"): "transformers 4.1 uses torch.float9",
        ("2.6", "4.1", "0.2"): "transformers 4.1 uses torch.float9",
        ("2.6", "5.0", "0.1"): "transformers 5.0 uses torch.float9",
        ("2.6", "5.0", "0.2"): "transformers 5.0 uses torch.float9",
    }
    units = {each.unit for each in found.values() if "goes on" in each.said}
    assert units == {(Outcome.FAIL, None)}, "how it fails without torch is told by runs"


def test_what_only_runs_can_name_has_the_name_of_the_runs_most_like_it_or_none() -> None:
    """Without torch 2.0 to 2.3 the cells fail one way beside old pefts, and another way beside new ones."""
    torches, releases, pefts = (
        tuple(f"2.{n}" for n in range(5)),
        tuple(f"5.{n}" for n in range(8)),
        ("0.1", "0.2", "0.3", "0.4"),
    )
    axes = ("python", "torch", "transformers", "peft")
    wide = Space(axes, (("3.11",), torches, releases, pefts), np.ones(5 * 8 * 4, dtype=np.bool_))
    floor = RuntimeRange("transformers", releases, "torch", ">=2.4.0", True)
    foretold = foretold_failures(wide, ImportNeeds({}, (), (floor,)), load_catalogue())
    assert len(foretold) == 4 * 8 * 4

    def unit(place: int) -> Unit:
        return Outcome.FAIL, "placeholder-used" if wide.point(place)[3] < "0.3" else "name-of-torch-missing"

    def held_of(known: dict[int, Unit]) -> list[Unit | None]:
        held = inference_of(wide, known, foretold=foretold)
        return [held.unit_of(place) for place in foretold]

    assert set(held_of({})) == {(Outcome.FAIL, None)}
    # a third was run: enough to tell the rest by peft, whatever the torch
    told = held_of({place: unit(place) for place in list(foretold)[::3]})
    assert told == [unit(place) for place in foretold]
    # what was run without torch teaches nothing of the cells with it
    known = {place: unit(place) for place in foretold} | {wide.size - 1: CLEAN}
    held = inference_of(wide, known, foretold=foretold)
    assert held.learnt is not None and held.learnt.places.tolist() == [wide.size - 1]


def test_a_run_that_went_otherwise_ends_the_statement() -> None:
    foretold = foretold_failures(space(), NEEDS, load_catalogue())
    said = tried(foretold, {at("4.1", "0.3"): IMPORT, at("5.0", "0.2"): CLEAN})
    assert not said.standing and not said.explained
    assert said.trust == pytest.approx(TRIED / (TRIED + 2))
    held = inference_of(space(), {at("5.0", "0.2"): CLEAN}, foretold=foretold)
    assert not held.foretold and held.unit_of(at("4.1", "0.2")) != IMPORT


def test_the_explorer_asks_last_for_what_is_foretold_and_audits_it() -> None:
    foretold = foretold_failures(space(), NEEDS, load_catalogue())
    explorer, order = Explorer(space(), foretold=foretold), []
    while choices := explorer.batch(1):
        order += [choice.place for choice in choices]
        explorer.tell({choice.place: foretold[choice.place].unit if choice.place in foretold else CLEAN
                       for choice in choices})  # fmt: skip
        if len(order) == 5:
            drawn = [choice.place for choice in explorer.draw_audit(9)]
            assert set(drawn) == set(foretold)
            assert not explorer.unseen()
    assert len(order) == 9 and set(order[5:]) == set(foretold)


def test_what_is_shipped_names_releases_that_were_read_and_signatures_that_are_known() -> None:
    needs = shipped_needs()
    assert set(needs.read) == {
        "torch", "transformers", "peft", "accelerate", "huggingface_hub", "tokenizers", "safetensors"
    }  # fmt: skip
    assert all(len(digest) == 64 for releases in needs.read.values() for digest in releases.values())
    for each in needs.broken:
        assert set(each.releases) <= set(needs.read[each.package])
        assert set(each.lacking) < set(needs.read[each.other])


def test_a_large_wheel_is_read_in_parts() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("big", bytes(8 * BLOCK))
        archive.writestr("small.py", "x = 1")
    data, asked = packed.getvalue(), []

    def part(first: int, last: int) -> bytes:
        asked.append(first)
        return data[first : last + 1]

    with zipfile.ZipFile(io.BufferedReader(RangeFile(part, len(data)))) as archive:
        assert archive.read("small.py") == b"x = 1"
        assert len(asked) <= 2
        assert archive.read("big") == bytes(8 * BLOCK)


@pytest.mark.parametrize("status", [200, 503])
def test_a_part_that_does_not_come_is_the_indexs_fault_and_shows_no_password(status: int) -> None:
    """Of a large wheel the directory is read at first, and every file when it is asked for."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("big", bytes(WHOLE))
        archive.writestr("small.py", "x = 1")
    data, statuses = packed.getvalue(), [206]

    def get(url: str, headers: dict[str, str], timeout: int) -> requests.Response:
        first, last = map(int, headers["Range"].removeprefix("bytes=").split("-"))
        answer = requests.Response()
        answer.status_code, answer.url, answer._content = statuses[-1], url, data[first : last + 1]
        return answer

    url = "https://somebody:hunter2@example.invalid/big-1-py3-none-any.whl"
    text = opened(SimpleNamespace(get=get), SimpleNamespace(url=url, filename="big-1-py3-none-any.whl", size=len(data)))
    assert text("small.py") == "x = 1" and text("none.py") is None
    statuses.append(status)
    with pytest.raises(IndexUnavailable, match="could not be read") as caught:
        text("big")
    assert "hunter2" not in str(caught.value)


def test_the_command_reads_the_index_and_names_what_it_read(
    index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    out = tmp_path / "needs.json"
    assert main(["catalogue", "imports", "--out", str(out), "--of", "transformers>=5.0", "peft"]) == 0
    needs = needs_of(json.loads(out.read_text()))
    assert list(needs.read) == ["transformers", "peft"] and "4.44.0" not in needs.read["transformers"]
    assert all(len(digest) == 64 for releases in needs.read.values() for digest in releases.values())
    assert needs.broken == (), "the stubs take of each other what they have"


def test_an_index_that_a_matrix_names_may_have_other_builds() -> None:
    assert needs_on("https://example.invalid/simple/").statements == ()
    assert needs_on(None) is shipped_needs() and shipped_needs().statements
