"""Blame, rules, axes and declarations in the reports: from the same cells, in every format, and true of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import made_up

from compatcheck.declared import declarations, declared_specifier
from compatcheck.domain import Outcome
from compatcheck.expansion import Expansion
from compatcheck.report.axis_answer import python_text, torch_text
from compatcheck.report.document import document
from compatcheck.report.files import report_files
from compatcheck.report.markdown import markdown_text
from compatcheck.report.reread import reported
from compatcheck.table import Row

REPORTS = Path(__file__).resolve().parent.parent / "reports"
COMMITTED = json.loads((REPORTS / "compatibility.json").read_text(encoding="utf-8"))


def grid(torches: tuple[str, ...] = ("2.5.1", "2.6.0")) -> list:
    """peft 0.13.2 mends the cache, whatever the torch."""
    results = []
    for torch in torches:
        for peft in ("0.12.0", "0.13.2", "0.15.2"):
            raised = made_up.CACHE_LAYERS if peft == "0.12.0" else None
            results.append(made_up.result(made_up.cell(torch, peft=peft), made_up.observation(raised)))
    return results


def test_blame_stands_at_the_cell_with_cells_as_evidence() -> None:
    data = document(made_up.context(grid()))
    for cell in data["cells"]:
        if cell["outcome"] == "pass":
            assert cell["blame"] is None
            continue
        blame = cell["blame"]
        assert blame["verdict"] == "culprit"
        assert blame["culprits"] == [
            {"package": "peft", "last_good": None, "first_bad": "0.12.0", "fixed_in": "0.13.2"}
        ]
        good = next(each for each in data["cells"] if each["id"] == blame["evidence"][0])
        assert good["outcome"] == "pass" and good["versions"] == {**cell["versions"], "peft": "0.13.2"}
        assert "torch plays no part (the same on all 2 tried)" in blame["text"]


def test_rules_and_axes_are_in_the_document_and_the_markdown() -> None:
    context = made_up.context(grid())
    data = document(context)
    assert [rule["text"] for rule in data["rules"]] == [
        "peft>=0.13.2 -> pass, whatever the torch",
        "peft<0.13.2 -> does not work in generate, whatever the torch",
        "peft<0.13.2 -> fail (cache-layers-empty) in generate, whatever the torch",
    ]
    assert {axis["axis"]: axis["plays_part"] for axis in data["axes"]} == {"torch": False, "peft": True}
    text = markdown_text(context)
    assert all(rule["text"] in text for rule in data["rules"])
    assert "torch plays no part: 3 pairs of cells differ in it alone" in text


def on(python: str, results: list) -> list:
    return [
        replace(each, cell=replace(each.cell, python=python)) if each.observation
        else made_up.result(replace(each.cell, python=python), reason=each.resolution.reason)
        for each in results
    ]  # fmt: skip


def test_of_several_pythons_their_part_is_told_and_what_cannot_be_installed_where() -> None:
    refusal = "Because the current Python version (3.9.18) does not satisfy Python>=3.10 and peft==0.15.2 depends on it"
    refused = [
        made_up.result(each.cell, reason=refusal) if each.cell.versions["peft"] == "0.15.2" else each for each in grid()
    ]
    context = made_up.context([*on("3.9", refused), *grid(), *on("3.12", grid())])
    text = python_text(context)
    # two with every Python: 2 x 3 pairs of each torch; one that 3.9 refuses: 1 pair of each
    assert "# Does another Python help?" in text and "**No: 14 of 14 pairs" in text
    assert "- python 3.9 against 3.11: 0 of 4 pairs differ." in text
    rows = [[part.strip() for part in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| 3.")]
    assert ["3.9", "2.6.0", "3", "1", "The release does not support this Python (1)"] in rows
    assert ["3.12", "2.6.0", "3", "0", ""] in rows
    whole = markdown_text(context)
    assert "## Does another Python help?" in whole and "[python.md](python.md)" in whole
    assert "2 further combinations cannot be installed: The release does not support this Python (2)." in whole
    pins = [[part.strip() for part in line.split("|")[1:-1]] for line in whole.splitlines() if "peft==" in line]
    assert ["2.6.0", "3.9", "`torch==2.6.0 transformers==4.51.3 peft==0.13.2`"] in pins
    assert ["2.6.0", "3.12", "`torch==2.6.0 transformers==4.51.3 peft==0.15.2`"] in pins
    assert "python.md" in report_files(context) and "python.md" not in report_files(made_up.context(grid()))
    breaks = [each for each in on("3.12", grid()) if each.cell.versions["peft"] == "0.12.0"]
    mended = [made_up.result(each.cell, made_up.observation()) for each in breaks]
    assert "Python 3.12 works in 2 combinations" in python_text(made_up.context([*grid(), *mended]))


def test_torch_is_judged_by_cells_that_differ_in_it_alone() -> None:
    context = made_up.context(grid())
    text = torch_text(context)
    assert "**No: 3 of 3 pairs" in text and "torch 2.5.1 rescues nothing" in text and "Nowhere." in text
    torch_decides = [
        made_up.result(made_up.cell("2.5.1"), made_up.observation(made_up.CACHE_LAYERS)),
        made_up.result(made_up.cell("2.6.0"), made_up.observation()),
    ]
    text = torch_text(made_up.context(torch_decides))
    assert "**Often: 1 of 1 pairs" in text and "torch 2.6.0 works in 1 combinations" in text
    assert "Not judged" in torch_text(made_up.context(torch_decides[:1]))
    alone = made_up.result(replace(made_up.cell("2.4.1"), python="3.12"), made_up.observation())
    text = torch_text(made_up.context([*torch_decides, alone]))
    assert (
        "Of torch 2.4.1 no cell can be compared." in text
        and "2.4.1 rescues" not in text
        and "2.4.1 against" not in text
    )
    assert "torch 2.5.1 rescues nothing: whatever works with it works with every other torch tried (1 pair)." in text


def test_which_failures_another_torch_mends_is_counted() -> None:
    mended = [
        made_up.result(made_up.cell("2.5.1"), made_up.observation(made_up.CACHE_LAYERS)),
        made_up.result(made_up.cell("2.6.0"), made_up.observation()),
    ]
    context = made_up.context([*mended, *without_remedy()])
    (remedy,) = context.findings.question("torch").remedies
    assert (remedy.cells, remedy.mended, remedy.otherwise) == (3, 1, 0)
    row = next(line for line in torch_text(context).splitlines() if "`cache-layers-empty`" in line)
    assert [part.strip() for part in row.split("|")[-4:-1]] == ["3", "1", "0"]
    assert "Of 1 failures another torch mends 1: `cache-layers-empty` (1 of 3 cells)." in markdown_text(context)
    assert "Of 1 failures another torch mends 0." in markdown_text(made_up.context(grid()))


def without_remedy() -> list:
    """Two cells that fail in the same way on both torches."""
    return [
        made_up.result(made_up.cell(torch, peft="0.10.0"), made_up.observation(made_up.CACHE_LAYERS))
        for torch in ("2.5.1", "2.6.0")
    ]


def test_the_same_cells_in_their_own_time_are_told_from_the_store() -> None:
    context = made_up.context(grid())
    then = made_up.context([made_up.result(entry.cell, made_up.observation(minute=1)) for entry in context.entries])
    text = torch_text(replace(context, in_their_time=then.by_id))
    assert "In 0 of them the two locks differ; in 2 the outcome or the failure does." in text
    assert "And the packages that nobody pins?" not in torch_text(context)


def test_drift_is_told_cell_by_cell() -> None:
    context = made_up.context(grid())
    before = document(context)
    for cell in before["cells"]:
        cell["lock"] = "another"
    before["cells"][0] |= {"outcome": "pass", "signature": None, "fingerprint": None, "stage": None}
    text = torch_text(context, reported(json.dumps(before), "before"))
    assert "In 6 of them the two locks differ; in 1 the outcome or the failure does." in text
    assert f"{before['cells'][0]['id']}: pass  then, fail cache-layers-empty today" in text
    assert "change nothing in this table" not in text.rpartition("##")[2]


def test_what_a_release_declares_is_read_with_its_markers_and_extras() -> None:
    lines = [
        "transformers<5,>=4.30",
        'torch>=2.4; extra == "torch"',
        'numpy<2; python_version < "3.9"',
        "not a requirement at all !!",
    ]
    assert declared_specifier(lines, "transformers", "3.11") == "<5,>=4.30"
    assert declared_specifier(lines, "torch", "3.11") == ">=2.4"
    assert declared_specifier(lines, "numpy", "3.11") is None
    assert declared_specifier(["transformers"], "transformers", "3.11") == ""


def test_the_requirement_that_the_metadata_should_have_carried() -> None:
    def row(transformers: str, outcome: Outcome) -> Row:
        versions = {"torch": "2.6.0", "transformers": transformers, "peft": "0.12.0"}
        return Row(transformers, "3.11", versions, outcome, None if outcome is Outcome.PASS else "x")

    passes = {"4.41.2", "4.43.4"}
    seen = ("4.36.2", "4.41.2", "4.43.4", "4.44.2", "5.0.0")
    rows = [row(version, Outcome.PASS if version in passes else Outcome.FAIL) for version in seen]
    found = {(each.package, each.version): each for each in declarations(rows, {"peft 0.12.0": ["transformers<5"]})}
    peft = found["peft", "0.12.0"]
    assert (peft.accepted, peft.broken, peft.share) == (5, 3, 0.6)
    (need,) = peft.requirements
    assert (need.declared, need.measured, need.admitted) == ("<5", ">=4.41.2,<4.44.2", ("4.36.2", "4.44.2"))


def test_every_failing_cell_of_the_committed_report_has_a_verdict() -> None:
    bad = [cell for cell in COMMITTED["cells"] if cell["outcome"] in ("fail", "wrong")]
    undetermined = [cell["id"] for cell in bad if cell["blame"]["verdict"] == "undetermined"]
    assert len(undetermined) <= len(bad) / 20
    by_id = {cell["id"]: cell for cell in COMMITTED["cells"]}
    for cell in bad:
        evidence = cell["blame"]["evidence"]
        locks = [each for each in evidence if each not in by_id]
        assert evidence and all((REPORTS / "evidence" / f"{digest}.txt").is_file() for digest in locks), cell["id"]
        ends = [by_id[each] for each in evidence if each in by_id]
        assert locks or len({(each["outcome"], each["signature"]) for each in ends}) > 1, cell["id"]


def test_the_expansion_keeps_what_wheels_declare_through_the_store() -> None:
    assert Expansion((), {}).declared == {}
    assert any(each["requirements"] for each in COMMITTED["declared"])
    known = {each["version"]: each for each in COMMITTED["declared"] if each["package"] == "peft"}
    assert all(need["declared"] is not None for each in known.values() for need in each["requirements"])
