"""The page as text: what stands in it without a browser, and that nothing from outside becomes markup."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import made_up
import pytest

from compatcheck.domain import Outcome, Raised
from compatcheck.report.context import Context
from compatcheck.report.diff import compared
from compatcheck.report.document import json_text
from compatcheck.report.page import html_text
from compatcheck.report.page_data import FIELDS, TEXT_CAP
from compatcheck.report.reread import reported

HOSTILE = "</script><img src=x onerror=alert(1)> \x1b[31mred\x00 \u202egnp & <b>"


class Reader(HTMLParser):
    """Elements, attributes and the text outside scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.scripts: list[str] = []
        self._within = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._within = tag

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within == "script":
            self.scripts.append(data)
        elif self._within != "style":
            self.text += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


def three_cells() -> Context:
    passing, failing, wrong = (made_up.cell(peft=version) for version in ("0.15.2", "0.12.0", "0.10.0"))
    return made_up.context(
        [
            made_up.result(passing, made_up.observation()),
            made_up.result(failing, made_up.observation(made_up.CACHE_LAYERS)),
            made_up.result(wrong, made_up.observation(cached=False)),
        ]
    )


def data_of(page: str) -> dict[str, object]:
    return json.loads(read(page).scripts[0])


def test_the_page_reads_without_its_script() -> None:
    context = three_cells()
    reader = read(html_text(context))
    for line in context.headline():
        assert line in reader.text
    cells = [attributes["class"] for tag, attributes in reader.elements if tag == "td" and attributes.get("class")]
    assert cells == ["wrong", "fail", "pass"]
    assert "Cache only has 0 layers" in reader.text


def test_nothing_is_fetched_from_anywhere() -> None:
    reader = read(html_text(three_cells()))
    assert not [tag for tag, _ in reader.elements if tag in ("img", "iframe", "object", "embed")]
    links = [attributes["href"] or "" for tag, attributes in reader.elements if tag == "link"]
    assert links and all(link.startswith("data:image/svg+xml,") for link in links)
    assert not [attributes for tag, attributes in reader.elements if tag == "script" and "src" in attributes]
    assert not re.search(r"url\(|@import", html_text(three_cells()))


def test_the_data_hold_every_cell_at_its_place() -> None:
    data = data_of(html_text(three_cells()))
    (grid,) = data["grids"]
    outcomes = [data["outcomes"][cell[FIELDS.index("outcome")]] for cell in grid["cells"][0]]
    assert dict(zip(data["pefts"], outcomes, strict=True)) == {"0.10.0": "wrong", "0.12.0": "fail", "0.15.2": "pass"}
    failing = grid["cells"][0][data["pefts"].index("0.12.0")]
    assert data["classes"][failing[FIELDS.index("failure")]]["key"] == "cache-layers-empty"
    assert "Cache only has 0 layers" in data["texts"][failing[FIELDS.index("message")]]


def test_the_script_reads_the_fields_that_the_page_writes() -> None:
    page = html_text(three_cells())
    told = re.search(r"const FIELDS = \[(.*?)\]", page, re.S)
    assert told and tuple(re.findall(r'"(\w+)"', told[1])) == FIELDS


@pytest.mark.parametrize("where", ["message", "resolver", "trouble"])
def test_text_from_outside_stays_text(where: str) -> None:
    cell = made_up.cell()
    result = {
        "message": made_up.result(cell, made_up.observation(Raised("Odd<Error>", "m", HOSTILE))),
        "resolver": made_up.result(cell, reason=HOSTILE),
        "trouble": made_up.result(cell, trouble=HOSTILE),
    }[where]
    page = html_text(made_up.context([result]))
    assert page.count("</script>") == 2
    assert "<img" not in page
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202a-\u202e]", page.replace("\r", ""))
    assert any("onerror=alert(1)" in text for text in data_of(page)["texts"])


def test_a_megabyte_of_message_is_cut_with_a_word() -> None:
    raised = Raised("ValueError", "builtins", "x" * 1_000_000)
    page = html_text(made_up.context([made_up.result(made_up.cell(), made_up.observation(raised))]))
    assert len(page) < 120_000
    (text,) = [text for text in data_of(page)["texts"] if text.startswith("ValueError: xxx")]
    assert text.endswith("more characters]") and len(text) < TEXT_CAP + 50


def test_an_untested_table_has_a_page_too() -> None:
    context = made_up.context([made_up.result(made_up.cell(), trouble="the index is down")])
    assert context.totals[Outcome.ERROR] == 1
    text = read(html_text(context)).text
    assert "Nothing of this matrix has been measured yet" in text and "in the middle" not in text


def test_what_changed_since_an_older_report_stands_on_top_with_links() -> None:
    cells = [made_up.cell(peft=version) for version in ("0.12.0", "0.15.2")]
    before = made_up.context([made_up.result(cell, made_up.observation()) for cell in cells])
    after = made_up.context(
        [
            made_up.result(cells[0], made_up.observation(made_up.CACHE_LAYERS)),
            made_up.result(cells[1], made_up.observation()),
        ]
    )
    diff = compared(reported(json_text(before), "last week"), reported(json_text(after), "this report"))
    reader = read(html_text(after, diff))
    assert "What changed" in reader.text and "Against the report of 2026-01-02" in reader.text
    assert "1 regressed, 1 unchanged" in reader.text
    links = [attributes["href"] for tag, attributes in reader.elements if tag == "a"]
    assert f"#{cells[0].id}" in links and f"#{cells[1].id}" not in links
    assert "What changed" not in read(html_text(after)).text


def test_of_a_large_change_some_cells_are_named_and_the_rest_counted() -> None:
    cells = [made_up.cell(peft=f"0.{number}.0") for number in range(100)]
    before = made_up.context([made_up.result(cell, made_up.observation()) for cell in cells])
    after = made_up.context([made_up.result(cell, made_up.observation(made_up.CACHE_LAYERS)) for cell in cells])
    diff = compared(reported(json_text(before), "last week"), reported(json_text(after), "this report"))
    reader = read(html_text(after, diff))
    links = [attributes["href"] for tag, attributes in reader.elements if tag == "a"]
    assert sum(link == f"#{cell.id}" for cell in cells for link in links) == 40
    assert "and 60 more" in reader.text and "100 regressed; 100 cells in all" in reader.text
