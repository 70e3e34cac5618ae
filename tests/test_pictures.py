"""The pictures: well-formed, in light and dark, each cell in its place, and no text upon another."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
from made_up import CACHE_LAYERS, NOON, cell, context, inferred, observation, result, texts

from compatcheck.domain import Basis, CellResult, Outcome, Raised, Stage, printable
from compatcheck.expansion import Expansion
from compatcheck.report import heat_map
from compatcheck.report.charts import Scale, decade_ticks, linear_ticks, quantile
from compatcheck.report.context import Context
from compatcheck.report.drawing import fitted, spread_out
from compatcheck.report.files import write_reports
from compatcheck.report.pictures import picture_files
from compatcheck.table import TELLING

SVG = "{http://www.w3.org/2000/svg}"


def test_an_overview_draws_the_newest_panels_that_one_can_look_at_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = texts(picture_files(mixed(torches=3)))["heatmap.svg"]
    assert shown.count("<rect") > 60 and "panels" not in shown
    monkeypatch.setattr(heat_map, "MOST_SQUARES", 45)
    drawn = texts(picture_files(mixed(torches=3)))
    assert 40 < drawn["heatmap.svg"].count("<rect") < 60
    assert "torch 2.2.0" in drawn["heatmap.svg"] and "torch 2.0.0" not in drawn["heatmap.svg"]
    assert "The newest 2 of 3 panels" in drawn["heatmap.svg"] and "共 3 个分图" in drawn["heatmap.zh-CN.svg"]
    assert "heatmap-py311-torch2.0.0.svg" in drawn
    monkeypatch.setattr(heat_map, "MOST_SQUARES", 1)
    assert "The newest 1 of 3 panels" in texts(picture_files(mixed(torches=3)))["heatmap.svg"]


def test_an_overview_of_many_panels_is_small_enough_to_look_at_and_has_the_newest_first() -> None:
    for each, scaled in ((mixed(torches=3), 0), (mixed(6, 45, 17), 6 * 45 * 17)):
        text = "".join(heat_map.overview(each, heat_map.looks_of(each)))
        _, _, width, height = map(float, (ElementTree.fromstring(text).get("viewBox") or "").split())
        assert width <= heat_map.WIDTH + 40 and height <= heat_map.HIGHEST + 120
        assert text.count("scale(") == scaled, "in small squares the mark is smaller, too"
        titles = [said for label in tags(text, "text") if (said := label.text or "").startswith("torch 2.")]
        assert titles == [f"torch {torch}" for torch in reversed(each.versions("torch"))]
        apart_and_inside("heatmap.svg", text)


def dated(results: list[CellResult], days: int = 40) -> Context:
    """With a day of release for every version: each package's releases `days` apart."""
    found = context(results)
    released = {
        f"{package} {version}": NOON + timedelta(days=number * days)
        for package in ("torch", "transformers", "peft")
        for number, version in enumerate(found.versions(package))
    }
    return replace(found, expansion=Expansion(found.expansion.cells, released))


def mixed(torches: int = 2, transformers: int = 4, pefts: int = 5, days: int = 40) -> Context:
    seen = itertools.cycle(
        [
            observation(),
            observation(CACHE_LAYERS),
            observation(uncached=False),
            observation(cached=False, base_generates_rightly=True),
            observation(Raised("O<d>d & \x1b", "m", "x"), Stage.TRAIN),
            "reason",
            "trouble",
            None,
        ]
    )
    results = []
    for torch, across, down in itertools.product(range(torches), range(transformers), range(pefts)):
        of = cell(f"2.{torch}.0", f"4.{across}.{across}", f"0.{down}.1")
        each = next(seen)
        if isinstance(each, str):
            results.append(result(of, reason="conflict") if each == "reason" else result(of, trouble="no disk"))
        else:
            results.append(result(of, each))
    return dated(results, days)


def drawn_files(of: Context) -> dict[str, str]:
    return texts(picture_files(of))


def tags(text: str, name: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(text).iter(f"{SVG}{name}"))


def test_each_picture_is_there_and_is_svg_of_its_own() -> None:
    found = drawn_files(mixed())
    assert set(found) == {
        "heatmap.svg", "heatmap.zh-CN.svg", "heatmap-py311-torch2.0.0.svg", "heatmap-py311-torch2.1.0.svg",
        "memory.svg", "time.svg", "dates.svg",
    }  # fmt: skip
    for name, text in found.items():
        root = ElementTree.fromstring(text)
        assert root.tag == f"{SVG}svg" and root.get("viewBox")
        assert root.find(f"{SVG}title") is not None and (root.findtext(f"{SVG}desc") or "").strip(), name
        assert "prefers-color-scheme: dark" in text
        assert not re.search(r"(?:href|src)=\"(?!#)|url\(|@import|<script|<image", text), "nothing is fetched"
        assert "None" not in text and "nan" not in text


def test_the_heat_map_shows_each_cell_by_colour_and_by_mark() -> None:
    table = mixed()
    totals = {str(outcome): count for outcome, count in table.totals.items()}
    text = drawn_files(table)["heatmap.svg"]
    legend = Counter({**dict.fromkeys(totals, 1)})
    legend["pass"] += 1  # the caveat
    legend[str(next(each.outcome for each in table.entries if each.workaround))] += 1
    squares = Counter(each.get("class") for each in tags(text, "rect"))
    del squares["paper"]
    marks = Counter((each.get("href") or "").lstrip("#") for each in tags(text, "use"))
    assert squares == marks == Counter(totals) + legend
    said = " ".join(each.text or "" for each in tags(text, "text"))
    passing = table.totals[Outcome.PASS]
    told = len(table.entries) - table.totals[Outcome.UNTESTED] - table.totals[Outcome.ERROR]
    assert told < len(table.entries), "what was not run says nothing"
    assert f"{passing} of {told} combinations work" in said and f"works ({passing})" in said
    chinese = drawn_files(table)["heatmap.zh-CN.svg"]
    assert Counter(each.get("class") for each in tags(chinese, "rect")) == squares + Counter(paper=1)
    assert f"可用 ({passing})" in [each.text for each in tags(chinese, "text")]
    corners = sum("corner" in (each.get("class") or "") for each in tags(text, "path"))
    assert corners == sum(bool(each.caveat or each.workaround) for each in table.entries) + 2


def test_a_torchs_heat_map_names_its_failure_classes() -> None:
    table = mixed()
    text = drawn_files(table)["heatmap-py311-torch2.1.0.svg"]
    titles = [each.text or "" for each in tags(text, "title")][1:]
    here = [each for each in table.entries if each.cell.versions["torch"] == "2.1.0"]
    assert len(titles) == len(here)
    assert sum(title.endswith(": works") or ": works;" in title for title in titles) == sum(
        each.outcome is Outcome.PASS for each in here
    )
    said = [each.text or "" for each in tags(text, "text")]
    for each in table.classes:
        count = sum(entry in here for entry in each.entries)
        if count:
            title = printable(each.title)
            assert said.count(each.letter) == count + 1, "in its cells and in the legend"
            assert any(title in line and f"({count})" in line for line in said)
    assert "2026-01" in said


def test_what_is_inferred_is_drawn_lighter() -> None:
    table = mixed()
    entries = tuple(
        inferred(each) if number % 9 == 0 and each.outcome in TELLING else each
        for number, each in enumerate(table.entries)
    )
    count = sum(each.basis is Basis.INFERRED for each in entries)
    assert count
    for name, text in drawn_files(replace(table, entries=entries)).items():
        faint = sum(each.get("class") == "faint" for each in tags(text, "g"))
        if name == "heatmap.svg":
            assert faint == count + 1 and f"inferred, not run ({count})" in text
    assert 'class="faint"' not in "".join(drawn_files(table).values())


def test_the_charts_tell_numbers_that_are_right() -> None:
    text = drawn_files(mixed())["memory.svg"]
    (description,) = tags(text, "desc")
    assert "torch 2.0.0: import 500, load 500" in (description.text or "")
    (description,) = tags(drawn_files(mixed())["dates.svg"], "desc")
    assert "torch: 2.0.0 " in (description.text or "")
    counts = re.findall(r"(\d+) of (\d+)", (description.text or "").split("peft: ")[1])
    found = mixed()
    measured = [each for each in found.entries if each.outcome not in (Outcome.ERROR, Outcome.UNTESTED)]
    assert sum(int(all_) for _, all_ in counts) == len(measured)
    assert sum(int(good) for good, _ in counts) == found.totals[Outcome.PASS]


Edges = tuple[float, float, float, float]


def edges(each: ElementTree.Element) -> Edges:
    """The box that a text takes, by an estimate that is rather too small than too large."""
    style, text = (each.get("class") or "").split(), each.text or ""
    size = 16 if "head" in style else 13 if "sub" in style else 11 if "small" in style else 12
    wide, high = sum(1 if sign > "\u2e7f" else 0.52 for sign in text) * size, size * 0.75
    if turned := re.fullmatch(r"translate\((\S+) (\S+)\) rotate\(-90\)", each.get("transform") or ""):
        x, y = float(turned[1]), float(turned[2])
        return x - high, y - wide, x, y
    x, y = float(each.get("x") or 0), float(each.get("y") or 0)
    x -= wide / 2 if "middle" in style else wide if "end" in style else 0
    return x, y - high, x + wide, y


@pytest.mark.parametrize("days", [0, 9, 40])
@pytest.mark.parametrize("size", [(1, 1, 1), (3, 4, 5), (2, 20, 12), (7, 3, 2)])
def test_no_text_lies_upon_another_or_outside(size: tuple[int, int, int], days: int) -> None:
    for name, text in drawn_files(mixed(*size, days)).items():
        apart_and_inside(name, text)


def apart_and_inside(name: str, text: str) -> None:
    root = ElementTree.fromstring(text)
    _, _, width, height = map(float, (root.get("viewBox") or "").split())
    boxes = [(edges(each), each.text) for each in tags(text, "text") if each.text]
    for (left, top, right, bottom), said in boxes:
        assert left >= 0 and top >= 0 and right <= width and bottom <= height, (name, said)
    for (one, said), (other, also) in itertools.combinations(boxes, 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart, (name, said, also)


def test_what_has_no_dates_or_no_pass_has_fewer_pictures() -> None:
    nothing = replace(context([result(cell(), observation(CACHE_LAYERS))]), expansion=Expansion((), {}))
    bare = replace(observation(), stages=())
    for each in (nothing, replace(context([result(cell(), bare)]), expansion=Expansion((), {}))):
        assert set(drawn_files(each)) == {"heatmap.svg", "heatmap.zh-CN.svg", "heatmap-py311-torch2.6.0.svg"}


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([1, 9.5], (0, 2, 4, 6, 8, 10)),
        ([500, 900], (500, 600, 700, 800, 900)),
        ([500], (500, 505)),
        ([0], (0, 2e-10)),
    ],
)
def test_ticks_are_round_and_hold_every_value(values: list[float], ticks: tuple[float, ...]) -> None:
    found = linear_ticks(values)
    assert found[0] <= min(values) and found[-1] >= max(values) and len(found) >= 2
    assert found == ticks


def test_scales_quantiles_and_places() -> None:
    assert decade_ticks([0.002, 5]) == (0.001, 0.01, 0.1, 1.0, 10.0)
    assert Scale((1, 100), 0, 10, logarithmic=True).place(10) == 5
    assert Scale((0, 100), 10, 0).place(25) == 7.5
    assert quantile([1, 2, 3, 4], 0.5) == 2.5 and quantile([7], 0.25) == 7
    assert spread_out([0, 1, 50], 10, -100, 100) == [-4.5, 5.5, 50]
    crowded = spread_out([0, 1, 2, 99, 100], 10, 0, 100)
    assert crowded[0] >= 0 and crowded[-1] <= 100
    assert all(after - before >= 10 - 1e-9 for before, after in itertools.pairwise(crowded))
    assert fitted("abcdefghij", 40) == "abcd…" and fitted("abc", 40) == "abc"


def test_the_markdown_shows_pictures_that_are_there(tmp_path: Path) -> None:
    for found in (mixed(), context([result(cell(), observation(CACHE_LAYERS))])):
        (tmp_path / "pictures").mkdir(exist_ok=True)
        (tmp_path / "pictures" / "old.svg").write_text("")
        write_reports(found, tmp_path)
        page = (tmp_path / "compatibility.md").read_text(encoding="utf-8")
        named = set(re.findall(r"\(pictures/([^)]+)\)", page))
        assert {path.name for path in (tmp_path / "pictures").iterdir()} == set(drawn_files(found))
        assert named == set(drawn_files(found)) - {"heatmap.zh-CN.svg"}
