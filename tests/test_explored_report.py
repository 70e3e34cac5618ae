"""The reports of a matrix of which few cells were run: what is inferred is never told as if it had been measured."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from jsonschema import Draft202012Validator
from made_up import CACHE_LAYERS, cell, context, observation, result, texts

from compatcheck.cli import main
from compatcheck.conclusion import Conclusion, Explored
from compatcheck.domain import CellResult, Outcome, printable
from compatcheck.errors import UsageError
from compatcheck.inference_audit import Audit, Audited
from compatcheck.interval import Interval
from compatcheck.report.audit_text import audit_lines
from compatcheck.report.badges import badge_files
from compatcheck.report.cell_text import cell_lines
from compatcheck.report.comparison import agreement_between, finding
from compatcheck.report.context import Context
from compatcheck.report.diff import Change, compared
from compatcheck.report.document import SCHEMA_FILE, document, json_text
from compatcheck.report.files import folders
from compatcheck.report.heat_map import looks_of, overview
from compatcheck.report.junit import junit_text
from compatcheck.report.markdown import markdown_text, pins_table
from compatcheck.report.page import html_text
from compatcheck.report.page_data import FIELDS
from compatcheck.report.reread import reported
from compatcheck.report.table_csv import csv_text

VALIDATOR = Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
WORKS, FAILS = cell(peft="0.14.0"), cell(peft="0.10.0")
NEW, BAD_NEW, REFUSED, OPEN = (
    cell(transformers="5.0.0", peft=peft) for peft in ("0.15.2", "0.10.0", "0.12.0", "0.14.0")
)
AUDITED = cell(transformers="5.0.0", peft="0.13.2")
DECLARED = "peft 0.12.0 requires transformers <5"


def table() -> Context:
    """Three cells were run, one of them for the audit, which it fails; three are inferred; one is open."""
    conclusions = {
        NEW.id: Conclusion(Outcome.PASS, None, 0.93, (WORKS.id,), (FAILS.id,)),
        BAD_NEW.id: Conclusion(Outcome.FAIL, "cache-layers-empty", 0.875, (FAILS.id,)),
        REFUSED.id: Conclusion(Outcome.UNRESOLVABLE, None, 1.0, declared=DECLARED),
        # a cell that was run is told as it was, whatever was inferred of it
        WORKS.id: Conclusion(Outcome.FAIL, None, 0.9),
    }
    audit = Audit(
        (Audited(AUDITED.id, Outcome.PASS, None, Outcome.FAIL, "cache-layers-empty"),
         Audited(WORKS.id, Outcome.PASS, None, Outcome.PASS, None)),
        (Interval(9, 10),),
    )  # fmt: skip
    explored = Explored(conclusions, audit)
    run = [result(WORKS, observation()), *(result(each, observation(CACHE_LAYERS)) for each in (FAILS, AUDITED))]
    return context([*run, *(result(each) for each in (NEW, BAD_NEW, REFUSED, OPEN))], explored=explored)


@pytest.fixture(name="told", scope="module")
def told_table() -> Context:
    return table()


def test_what_was_run_and_what_is_inferred_are_counted_apart(told: Context) -> None:
    assert told.totals == {Outcome.PASS: 1, Outcome.FAIL: 2, Outcome.UNTESTED: 1}
    assert told.inferred_totals == {Outcome.PASS: 1, Outcome.FAIL: 1, Outcome.UNRESOLVABLE: 1}
    first, *rest = told.headline()
    assert first.startswith("Of 3 combinations that were run and install without complaint, 1 work; 2 fail, and 0")
    assert "1 further combinations are untested: nothing is claimed." in rest
    (inferred,) = (line for line in rest if "inferred: " in line)
    assert inferred.startswith("3 combinations were not run and are inferred: 1 to work, 1 to fail, 1 not to install. ")
    assert "the inferred outcome was wrong in 1 of 2 (50.0 %; 95 % interval " in inferred
    assert (
        "The newest of everything (torch 2.6.0, transformers 5.0.0, peft 0.15.2) works (inferred, confidence 0.93)."
        in rest
    )
    assert "The newest combination that works and was run: torch 2.6.0, transformers 4.51.3, peft 0.14.0." in rest


def test_pins_blame_and_badges_rest_on_measured_cells_alone(told: Context) -> None:
    best = told.newest_passing()
    assert best is not None and best.cell == WORKS
    assert "0.15.2" not in pins_table(told)
    assert {row.cell_id for row in told.findings.table.telling} == {WORKS.id, FAILS.id, AUDITED.id}
    badges = "".join(texts(folders(told)["badges"]).values())
    assert "peft 0.15.2: not measured" in badges, "its only cell is inferred"
    (failure,) = told.classes
    assert len(failure.entries) == 2 and failure.inferred == 1
    agreement = agreement_between(told, "other", {NEW.id: finding(told.by_id[NEW.id])})
    assert not agreement.compared, "nothing that was inferred is held against another model's run"


def test_a_badge_of_a_report_file_counts_no_inferred_cell(told: Context, tmp_path: Path) -> None:
    back = reported(json_text(told), "a file")
    assert [each.id for each in back.measured] == [entry.cell.id for entry in told.measured]
    path = tmp_path / "compatibility.json"
    path.write_text(json_text(told), encoding="utf-8")
    made = tmp_path / "peft.json"
    assert main(["badge", "--report", str(path), "--peft", NEW.versions["peft"], "--json", "-o", str(made)]) == 0
    assert made.read_text() == badge_files(told)["peft.json"]


def test_cells_of_which_the_same_is_said_are_written_like_any_other() -> None:
    alike, other, untested = (cell(transformers="5.0.0", peft=f"0.1{number}.5") for number in range(3))
    same = Conclusion(Outcome.FAIL, "cache-layers-empty", 0.875, (FAILS.id,))
    refused = Conclusion(Outcome.UNRESOLVABLE, None, 1.0, declared='peft\u202e[2J <5,"<b>"')
    told = context(
        [result(FAILS, observation(CACHE_LAYERS)), *map(CellResult, (alike, NEW, other, OPEN, untested))],
        explored=Explored({alike.id: same, NEW.id: same, other.id: refused}),
    )
    text, data = json_text(told), document(told)
    assert json.loads(text) == json.loads(json.dumps(data))
    assert len(data["tracebacks"]) == 1 and len(re.findall(r"\n  \{\"digest\":.*\}\n ", text)) == 1, "one a line"
    plain = json.dumps({**data, "tracebacks": []}, indent=1, ensure_ascii=False)
    assert (
        re.sub(r'"tracebacks": \[.*?\n \]', '"tracebacks": []', text, flags=re.DOTALL)
        == plain.replace("\u202e", "\\u202e") + "\n"
    )
    rows = list(csv.reader(csv_text(told).splitlines()))
    assert len({len(row) for row in rows}) == 1
    assert [row[0] for row in rows[1:]] == [printable(entry.cell.id) for entry in told.entries]
    assert [row[5:7] for row in rows[1:]] == [[entry.outcome, entry.basis] for entry in told.entries]
    assert rows[2][5:] == rows[3][5:] != rows[4][5:] and rows[5][5:] == rows[6][5:]
    shown = json.loads(re.search('id="data">(.*?)</script>', html_text(told), re.S)[1])
    cells = dict(zip(shown["grids"][0]["transformers"], shown["grids"][0]["cells"], strict=True))
    by_peft = dict(zip(shown["pefts"], cells["5.0.0"], strict=True))
    assert by_peft[alike.versions["peft"]] == by_peft[NEW.versions["peft"]] != by_peft[OPEN.versions["peft"]]
    said = dict(zip(FIELDS, shown["unrun"][by_peft[NEW.versions["peft"]] - 1], strict=False))
    assert shown["outcomes"][said["outcome"]] == "fail" and said["grounds"][0] == 875 and len(shown["unrun"]) == 3


def test_compatibility_json_tells_basis_grounds_and_audit(told: Context) -> None:
    data = json.loads(json.dumps(document(told)))
    data["scenario"]["material"] = "0123456789abcdef"
    assert [error.message for error in VALIDATOR.iter_errors(data)] == []
    cells = {each["id"]: each for each in data["cells"]}
    assert {name for name, each in cells.items() if each["basis"] == "inferred"} == {NEW.id, BAD_NEW.id, REFUSED.id}
    assert cells[NEW.id]["inferred"] == {
        "confidence": 0.93, "rests_on": [WORKS.id], "against": [FAILS.id], "declared": None, "source": None,
    }  # fmt: skip
    assert cells[NEW.id]["attempts"] == 0 and cells[NEW.id]["started"] is None
    assert cells[BAD_NEW.id]["signature"] == "cache-layers-empty"
    assert cells[REFUSED.id]["reason"] == DECLARED
    assert "inferred" not in cells[WORKS.id] and cells[WORKS.id]["outcome"] == "pass"
    assert cells[OPEN.id]["outcome"] == "untested" and cells[OPEN.id]["basis"] == "measured"
    assert data["exploration"]["inferred"] == {"fail": 1, "pass": 1, "unresolvable": 1}
    audit = data["exploration"]["audit"]
    assert (audit["errors"]["hits"], audit["errors"]["count"], audit["errors"]["share"]) == (1, 2, 0.5)
    assert audit["errors"]["low"] == pytest.approx(0.0945, abs=1e-3)
    assert audit["errors"]["high"] == pytest.approx(0.9055, abs=1e-3)
    assert audit["by_outcome"].keys() == {"pass"} and audit["retired"][0]["hits"] == 1
    assert [each["id"] for each in audit["cells"]] == [AUDITED.id, WORKS.id]


@pytest.mark.parametrize(
    "change",
    [
        lambda each: each.pop("inferred"),
        lambda each: each.update(outcome="untested"),
        lambda each: each.update(basis="measured"),
        lambda each: each.update(attempts=1),
        lambda each: each["inferred"].update(confidence=1.5),
    ],
)
def test_the_schema_refuses_an_inferred_cell_that_looks_measured(told: Context, change: object) -> None:
    data = json.loads(json.dumps(document(told)))
    data["scenario"]["material"] = "0123456789abcdef"
    assert callable(change)
    change(next(each for each in data["cells"] if each["id"] == NEW.id))
    assert list(VALIDATOR.iter_errors(data))


def test_compatibility_csv_tells_them_row_by_row(told: Context) -> None:
    rows = {row["id"]: row for row in csv.DictReader(io.StringIO(csv_text(told)))}
    assert rows[NEW.id]["basis"] == "inferred" and rows[NEW.id]["confidence"] == "0.930"
    assert rows[NEW.id]["rests_on"] == WORKS.id and rows[NEW.id]["against"] == FAILS.id
    assert rows[NEW.id]["audit_errors"].startswith("1 of 2 (50.0 %; 95 % interval")
    assert rows[BAD_NEW.id]["audit_errors"] == "not audited" and rows[REFUSED.id]["rests_on"] == DECLARED
    assert rows[WORKS.id]["basis"] == "measured" and rows[WORKS.id]["confidence"] == ""
    assert "confidence" not in csv_text(context([result(WORKS, observation())])).splitlines()[0]


def test_compatibility_md_and_html_show_the_audit_and_mark_what_was_not_run(told: Context) -> None:
    markdown, page = markdown_text(told), html_text(told)
    for text in (markdown, page):
        assert "How far the inferred cells can be trusted" in text
        assert "3 of 7 cells were run, 3 are inferred from them, and 1 are untested" in text
        assert "1 of 2 (50.0 %; 95 % interval 9.5 % to 90.5 %)" in text
        assert "1 of 10 (10.0 %" in text and AUDITED.id in text
    row = next(line for line in markdown.splitlines() if line.startswith("| 5.0.0"))
    assert row.split("|")[2:-1] == [" *(❌ A)* ", " *(🚫)*   ", " ❌ A     ", " ·       ", " *(✅)*   "] or (
        [each.strip() for each in row.split("|")[2:-1]] == ["*(❌ A)*", "*(🚫)*", "❌ A", "·", "*(✅)*"]
    )
    assert "- Inferred, not run: 1 further cells" in markdown
    assert page.count('class="pass inferred"') == 1 and page.count('class="fail inferred"') == 1
    plain = context([result(WORKS, observation())])
    assert "inferred cells can be trusted" not in markdown_text(plain) + html_text(plain)


def test_the_page_carries_what_a_cell_rests_on(told: Context) -> None:
    text = html_text(told).split('<script type="application/json" id="data">')[1].split("</script>")[0]
    data = json.loads(text)
    order = [
        (grid["transformers"][row], data["pefts"][column], values)
        for grid in data["grids"]
        for row, line in enumerate(grid["cells"])
        for column, values in enumerate(line)
        if values
    ]
    at = {(transformers, peft): values for transformers, peft, values in order}
    confidence, rests, against, _ = at["5.0.0", "0.15.2"][9]
    assert confidence == 930
    assert [order[place][:2] for place in rests] == [("4.51.3", "0.14.0")]
    assert [order[place][:2] for place in against] == [("4.51.3", "0.10.0")]
    assert at["4.51.3", "0.14.0"][9] == 0


def test_pictures_and_junit_do_not_count_it_as_run(told: Context) -> None:
    picture = "".join(overview(told, looks_of(told)))
    assert "1 of 3 combinations work" in picture and "inferred, not run (3)" in picture
    suites = ElementTree.fromstring(junit_text(told))
    assert (suites.get("tests"), suites.get("failures"), suites.get("skipped")) == ("7", "2", "4")
    said = [each.get("message") for each in suites.iter("skipped")]
    assert "has not been run; fail is inferred, confidence 0.88" in said


def test_show_says_what_an_inferred_cell_rests_on(told: Context) -> None:
    text = "\n".join(cell_lines(told, told.by_id[NEW.id], Path("matrix/full.toml")))
    assert "outcome     pass (inferred, confidence 0.93: it was not run)" in text
    assert WORKS.id in text and "were wrong in 1 of 2" in text
    bad = "\n".join(cell_lines(told, told.by_id[BAD_NEW.id], Path("matrix/full.toml")))
    assert "(cache-layers-empty)" in bad and "no cell that was inferred to be fail" in bad


def test_an_inferred_cell_is_neither_blamed_nor_compared(told: Context) -> None:
    from compatcheck.commands.blame import _failing

    with pytest.raises(UsageError, match=r"was not run: fail is inferred, confidence 0\.88"):
        _failing(told.by_id[BAD_NEW.id], Path("matrix/full.toml"))
    before = context([result(each.cell, observation(CACHE_LAYERS)) for each in told.entries])
    diff = compared(reported(json_text(before), "before"), reported(json_text(told), "now"))
    changes = {each.cell.id: each.change for each in diff.differences}
    assert changes[NEW.id] is Change.NO_LONGER_TESTED and changes[WORKS.id] is Change.FIXED


def test_a_failure_by_another_name_and_one_without_a_name_are_told_apart() -> None:
    fail, key, layers = Outcome.FAIL, "cache-key-missing", "cache-layers-empty"
    audit = Audit((
        Audited(WORKS.id, Outcome.PASS, None, Outcome.PASS, None),
        Audited(FAILS.id, fail, layers, fail, layers),
        Audited(AUDITED.id, fail, key, fail, layers),
        Audited(BAD_NEW.id, fail, None, fail, layers),
        Audited(OPEN.id, fail, layers, Outcome.PASS, None),
    ))  # fmt: skip
    assert (audit.errors, audit.names, audit.unnamed) == (Interval(1, 5), Interval(1, 2), 1)
    assert [each.cell_id for each in audit.misnamed] == [AUDITED.id]
    conclusions = {BAD_NEW.id: Conclusion(fail, None, 0.9, (FAILS.id,))}
    told = context([result(WORKS, observation()), result(BAD_NEW)], explored=Explored(conclusions, audit))
    found = document(told)["exploration"]["audit"]
    assert (found["other_names"]["hits"], found["other_names"]["count"], found["unnamed"]) == (1, 2, 1)
    markdown = markdown_text(told)
    assert "the failure was another one in 1 of 2 (50.0 %" in markdown
    assert "1 were rightly inferred to fail, without a name." in markdown
    assert (
        f"| `{AUDITED.id}`" in markdown and f"`{BAD_NEW.id}`" not in markdown.split("| missed")[1].split("What each")[0]
    )


def test_an_audit_that_has_not_been_run_is_said_to_be_none() -> None:
    explored = Explored({NEW.id: Conclusion(Outcome.PASS, None, 0.9, (WORKS.id,))})
    told = context([result(WORKS, observation()), result(NEW)], explored=explored)
    assert "how often they are wrong is not known" in told.headline()[1]
    assert audit_lines(explored.audit) == [explored.audit.words()]
    assert "how often they are wrong is not known" in markdown_text(told)
