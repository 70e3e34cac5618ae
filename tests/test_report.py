"""The reports: what the context says, and that every renderer shows text from outside as text."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import made_up
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import CACHE_LAYERS, NOON, cell, context, observation, result

from compatcheck.domain import Ending, EndingKind, Outcome, Raised, Stage, printable
from compatcheck.errors import InputError, MachineError, UsageError
from compatcheck.report import files
from compatcheck.report.cell_text import cell_lines, one_entry
from compatcheck.report.context import Context
from compatcheck.report.document import document, json_text
from compatcheck.report.files import report_files, write_reports
from compatcheck.report.markdown import markdown_text
from compatcheck.report.page import html_text
from compatcheck.report.pieces import json_pieces
from compatcheck.report.table_csv import csv_text

HOSTILE = Raised("Error</td>", "builtins", "=HYPERLINK(1) | `x` </script><img src=x onerror=alert(1)> [a](b)\n\x1b[31m")


@pytest.fixture
def mixed() -> Context:
    """One cell of every kind."""
    return context(
        [
            result(cell(peft="0.10.0"), observation(CACHE_LAYERS, minute=1)),
            result(cell(peft="0.12.0"), observation(HOSTILE, Stage.TRAIN)),
            result(cell(peft="0.13.2"), observation(CACHE_LAYERS)),
            result(cell(peft="0.14.0"), observation(cached=False, base_generates_rightly=True)),
            result(cell(peft="0.15.0"), observation(uncached=False)),
            result(cell(peft="0.15.2"), observation(minute=9)),
            result(cell(transformers="5.0.0"), reason="No solution found when resolving dependencies: Because"),
            result(cell(transformers="5.0.0", peft="0.10.0"), trouble="the package index did not answer"),
            result(cell(transformers="5.0.0", peft="0.12.0")),
            result(
                cell(transformers="5.0.0", peft="0.13.2"),
                observation(stage=Stage.TRAIN, ending=Ending(EndingKind.SIGNALLED, signal="SIGSEGV")),
            ),
        ]
    )


def test_the_context_counts_and_groups(mixed: Context) -> None:
    assert mixed.totals == {
        Outcome.PASS: 2, Outcome.FAIL: 4, Outcome.WRONG: 1, Outcome.UNRESOLVABLE: 1, Outcome.ERROR: 1,
        Outcome.UNTESTED: 1,
    }  # fmt: skip
    assert sum(mixed.totals.values()) == len(mixed.entries)
    assert mixed.tested == 7
    classes = {each.key: (each.letter, len(each.entries)) for each in mixed.classes}
    assert classes["cache-layers-empty"] == ("A", 2), "the most frequent class is A"
    assert {"cached-tokens-drift", "segmentation-fault", "resolver-conflict"} <= set(classes)
    (unknown,) = (key for key in classes if key.startswith("unknown-"))
    assert next(each for each in mixed.classes if each.key == unknown).signature is None
    assert mixed.generated == NOON.replace(minute=9), "the newest observation, not the clock"


def test_the_headline_says_what_a_reader_must_know(mixed: Context) -> None:
    said = mixed.headline()
    assert said[0] == (
        "Of 7 combinations that install without complaint, 2 work; "
        "4 fail, and 1 runs to the end and gives a wrong result."
    )
    assert "1 further combinations cannot be installed: The declared ranges of the packages conflict (1)." in said
    assert "The newest combination that works: torch 2.6.0, transformers 4.51.3, peft 0.15.2." in said
    assert context([result(cell())]).headline() == ["Nothing of this matrix has been measured yet."]


def test_the_document_has_the_fields_that_others_read(mixed: Context) -> None:
    data = json.loads(json_text(mixed))
    assert data == json.loads(json.dumps(document(mixed)))
    assert {"schema", "generated", "matrix", "policy", "platform", "scenario", "cells"} <= set(data)
    assert all(
        {
            "id", "python", "versions", "outcome", "basis", "stage", "modes", "exception", "signature", "checks",
            "seconds", "peak_rss_mib", "lock",
        } <= set(each)
        for each in data["cells"]
    )  # fmt: skip
    by_outcome = {each["outcome"]: each for each in data["cells"]}
    assert set(by_outcome) == {"pass", "fail", "wrong", "unresolvable", "error", "untested"}
    first = data["cells"][0]
    assert first["exception"] == {"type": "KeyError", "message": CACHE_LAYERS.message}
    assert (first["signature"], first["stage"]) == ("cache-layers-empty", "generate")
    assert by_outcome["wrong"]["modes"] == {"cached": "wrong", "uncached": "pass"}
    assert by_outcome["wrong"]["workaround"] == "uncached"
    assert data["cells"][4]["caveat"] == "uncached"
    assert by_outcome["error"]["reason"] == "the package index did not answer"
    assert len(first["lock"]) == 16 and first["basis"] == "measured"


def test_the_table_marks_every_outcome(mixed: Context) -> None:
    page = markdown_text(mixed)
    lines = [line for line in page.splitlines() if line.startswith(("| 4.51.3", "| 5.0.0"))]
    rows = {line.split("|")[1].strip(): line for line in lines}
    assert rows["4.51.3"].count("❌ A") == 2
    assert "⚠️" in rows["4.51.3"] and "+" in rows["4.51.3"], "wrong, with a workaround"
    assert "✅ *" in rows["4.51.3"].replace("✅*", "✅ *"), "a pass with a caveat"
    for mark in ("🚫", "💥", "·"):
        assert mark in rows["5.0.0"]
    for wanted in (
        "## What to pin",
        "`torch==2.6.0 transformers==4.51.3 peft==0.15.2`",
        "huggingface/peft#2379",
        "Some Linux 1",
    ):
        assert wanted in page


def test_the_contents_lead_to_every_section_and_the_newest_torch_comes_first() -> None:
    results = [result(cell(torch, "4.51.3", peft), observation(seen)) for torch, peft, seen in (
        ("2.5.1", "0.15.2", None), ("2.6.0", "0.15.2", CACHE_LAYERS), ("2.15.0", "0.10.0", None))]  # fmt: skip
    page = markdown_text(context(results))
    headings = [line.lstrip("# ") for line in page.splitlines() if line.startswith("##")]
    known = {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}
    contents = page.split("## Contents")[1].split("\n## ")[0]
    linked = re.findall(r"\]\(#([^)]*)\)", contents)
    assert set(linked) <= known and len(linked) == len(set(linked))
    sections = [line[3:] for line in page.splitlines() if line.startswith("## ") and line != "## Contents"]
    assert re.findall(r"^- \[([^]]*)\]", contents, re.M) == sections
    assert "torch [2.15.0](#torch-2150-python-311) · [2.6.0](" in contents
    assert "[A](#a-cache-only-has-0-layers-cache-layers-empty)" in contents
    tables = [line for line in page.splitlines() if line.startswith("### torch ")]
    assert tables == [f"### torch {torch}, Python 3.11" for torch in ("2.15.0", "2.6.0", "2.5.1")]
    pins = page.split("## What to pin")[1].split("\n## ")[0]
    assert pins.index("| 2.15.0") < pins.index("| 2.6.0") < pins.index("| 2.5.1")


def test_markdown_shows_text_from_outside_as_text(mixed: Context) -> None:
    page = markdown_text(mixed)
    (line,) = (line for line in page.splitlines() if "HYPERLINK" in line)
    code = line.split("`")
    assert len(code) == 3, "one code span: no backtick of the message ends it"
    assert "\x1b" not in page and "<img" not in page.replace(code[1], "")


def test_no_cell_of_the_csv_starts_a_formula(mixed: Context) -> None:
    rows = list(csv.reader(io.StringIO(csv_text(mixed))))
    assert len(rows) == len(mixed.entries) + 1
    assert all(len(row) == len(rows[0]) for row in rows)
    assert not any(value[:1] in ("=", "+", "-", "@") for row in rows for value in row)
    assert any("HYPERLINK" in value for row in rows for value in row)


@settings(deadline=None)
@given(st.text(alphabet='ab ,;"=+-@\n\t\x1b\u202e', max_size=12))
def test_a_reader_of_the_csv_gets_every_field_whole(words: str) -> None:
    told = context([result(cell(), observation(Raised("Odd", "builtins", words))), result(cell(peft="0.14.0"))])
    header, first, second = csv.reader(io.StringIO(csv_text(told)))
    assert len(header) == len(first) == len(second)
    message = first[header.index("message")]
    assert message.removeprefix("'") == " ".join(printable(words).split()), "but for white space and what commands"
    assert not message.startswith(("=", "+", "-", "@"))


def test_a_tally_counts_each_cell_once(mixed: Context) -> None:
    tally = mixed.tally
    assert sum(tally.measured.values()) == len(mixed.entries) and not tally.inferred
    assert tally.told == 8, "all but the one that could not be measured and the one that was not run"
    assert (tally.caveats, tally.workarounds) == (1, {Outcome.WRONG: 1})
    assert (mixed.caveats, mixed.workarounds) == (1, 1)


def test_two_reports_of_the_same_observations_are_the_same(mixed: Context) -> None:
    assert made_up.texts(report_files(mixed)) == made_up.texts(report_files(mixed))


def test_reports_are_written_whole_and_old_locks_go(mixed: Context, tmp_path: Path) -> None:
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "old.txt").write_text("")
    write_reports(mixed, tmp_path)
    names = {path.name for path in (tmp_path / "locks").iterdir()}
    assert "old.txt" not in names and f"{cell().id}.txt" in names
    text = (tmp_path / "locks" / f"{cell().id}.txt").read_text()
    assert made_up.lock(cell()).requirements in text
    assert not list(tmp_path.glob("*.new"))


def test_a_report_of_which_one_file_cannot_be_made_leaves_the_older_one_as_it_was(
    mixed: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Context) -> Iterator[str]:
        yield "half of a"
        raise OSError("no space left")

    write_reports(context([result(cell(), observation())]), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    monkeypatch.setattr(files, "picture_files", lambda _: [("heatmap.svg", broken(mixed))])
    with pytest.raises(MachineError, match="the report cannot be written"):
        write_reports(mixed, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert not list(tmp_path.rglob("*.new"))


@pytest.mark.parametrize("compact", [False, True])
def test_json_in_pieces_is_json(compact: bool) -> None:
    data: dict[str, Any] = {"a": [], "b": [1, {"c": "x\n\u2028"}], "d": {"e": [{"f": None}, []], "g": {}}, "h": []}
    in_pieces = {"a": iter([]), "b": iter(data["b"]), "d": {"e": iter([{"f": None}, iter([])]), "g": {}}, "h": []}
    layout: dict[str, Any] = {"separators": (",", ":")} if compact else {"indent": 1}
    whole = json.dumps(data, ensure_ascii=False, **layout)
    pieces = list(json_pieces(in_pieces, compact=compact))
    assert "".join(pieces) == whole and len(pieces) > 8


def test_a_report_that_cannot_be_written_is_the_machines_fault(mixed: Context, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match="the report cannot be written"):
        write_reports(mixed, tmp_path / "file" / "reports")


def test_show_tells_everything_about_a_cell(mixed: Context) -> None:
    entry = one_entry(mixed, cell(peft="0.10.0").id)
    text = "\n".join(cell_lines(mixed, entry, Path("matrix/made-up.toml")))
    for wanted in (
        "outcome     fail in generate", "Some Linux 1", "train", "500 MiB", "Cache only has 0 layers",
        "(cache-layers-empty)", "what to do", "see         huggingface/peft#2379", "peft/peft_model.py:1156",
        f"compatcheck run matrix/made-up.toml --only {entry.cell.id} --again --live",
    ):  # fmt: skip
        assert wanted in text
    wrong = "\n".join(cell_lines(mixed, mixed.entries[3], Path("m.toml")))
    assert "workaround  use_cache=False" in wrong and "DOES NOT HOLD" in wrong
    conflict = "\n".join(cell_lines(mixed, mixed.entries[6], Path("m.toml")))
    assert "resolver    No solution found" in conflict


def test_show_needs_exactly_one_cell(mixed: Context) -> None:
    with pytest.raises(UsageError, match="names 2 cells"):
        one_entry(mixed, "peft0.10.0")
    with pytest.raises(UsageError, match="no cell of 10 is selected"):
        one_entry(mixed, "peft9")


def test_letters_go_on_after_z() -> None:
    results = [
        result(
            cell(peft=f"0.{number}.0"),
            observation(Raised(f"Error{chr(97 + number // 26)}{chr(97 + number % 26)}", "m", "x")),
        )
        for number in range(30)
    ]
    letters = [each.letter for each in context(results).classes]
    assert letters[0] == "A" and letters[25] == "Z" and letters[26] == "AA" and len(set(letters)) == 30


def test_the_readme_documents_every_field_of_the_document(mixed: Context) -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    section = readme.split("## compatibility.json")[1].split("\n## ")[0]
    data = document(mixed)
    for name in [*data, *data["cells"][0], "exploration", "inferred"]:
        assert any(form in section for form in (f"`{name}`", f".{name}`", f"`{name}[")), name


def test_how_many_cells_were_run_is_said() -> None:
    cells = [cell(peft=f"0.{number}.0") for number in range(3)]
    run = [result(each, observation()) for each in cells]
    whole = context(run)
    assert whole.basis_words() == "Every cell is measured; none is inferred."
    partly = context([run[0], run[1], result(cells[2])])
    assert partly.basis_words() == "2 of 3 cells are measured, none inferred."
    inferred = replace(whole, entries=(made_up.inferred(whole.entries[0]), *whole.entries[1:]))
    assert inferred.basis_words() == "2 of 3 cells are measured, 1 inferred."
    assert inferred.basis_words() in markdown_text(inferred) and inferred.basis_words() in html_text(inferred)


def test_a_report_says_how_many_cells_were_forked() -> None:
    cells = [cell(peft=version) for version in ("0.13.2", "0.14.0", "0.15.2")]
    cold = context([result(cell, observation()) for cell in cells])
    assert cold.isolation_words() == "Every cell was a process of its own."
    of = [observation(isolation="fork"), observation(isolation="fork"), observation()]
    mixed = context([result(cell, each) for cell, each in zip(cells, of, strict=True)])
    assert mixed.isolation_words().startswith("2 of 3 cells were children of a process")
    for each in (cold, mixed):
        assert each.isolation_words() in markdown_text(each) and each.isolation_words() in html_text(each)


def test_a_forged_name_does_not_leave_the_reports_folder(
    mixed: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "folders", lambda _: {"locks": [("../../out.txt", "x")]})
    with pytest.raises(InputError, match="not the name of a file"):
        write_reports(mixed, tmp_path / "a" / "reports")
    assert not list(tmp_path.rglob("out.txt"))


def test_a_model_whose_own_code_was_run_is_said_to_be_one() -> None:
    plain = context([result(cell(), observation())])
    matrix = replace(plain.matrix, scenario=replace(plain.matrix.scenario, trust_remote_code=True, column="prompt"))
    trusted = replace(plain, matrix=matrix)
    for told in (markdown_text, html_text):
        assert "own code was run" in told(trusted) and "own code was run" not in told(plain)
    assert document(trusted)["scenario"]["trust_remote_code"] is True
    # reports of today are those of yesterday where nothing of it was used
    assert not {"trust_remote_code", "column"} & document(plain)["scenario"].keys()
