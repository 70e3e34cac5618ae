"""Badges say what the cells say, and nothing about what was not measured."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from made_up import CACHE_LAYERS, cell, context, observation, result

from compatcheck.cli import main
from compatcheck.domain import CORE, Outcome
from compatcheck.errors import UsageError
from compatcheck.report.badges import COLOURS, Badge, badge, badge_files, badge_json, badge_svg, pins_of
from compatcheck.report.document import json_text
from compatcheck.report.files import write_reports
from compatcheck.report.reread import ReportedCell, Told

TABLE = {
    ("2.5.1", "4.51.3", "0.15.2"): "fail", ("2.5.1", "4.51.3", "0.15.1"): "pass", ("2.5.1", "5.0.0", "0.15.2"): "fail",
    ("2.6.0", "4.51.3", "0.15.2"): "pass", ("2.6.0", "4.51.3", "0.15.1"): "pass", ("2.6.0", "5.0.0", "0.15.2"): "wrong",
    ("2.6.0", "4.36.2", "0.15.2"): "unresolvable", ("2.6.0", "4.41.2", "0.15.2"): "untested",
    ("2.6.0", "4.43.4", "0.15.2"): "error", ("2.6.0", "4.51.3", "0.7.1"): "fail",
}  # fmt: skip
CELLS = [
    ReportedCell("-".join(key), "3.11", tuple(zip(CORE, key, strict=True)), Told(Outcome(word)))
    for key, word in TABLE.items()
]


@pytest.mark.parametrize(
    ("pins", "label", "message", "color"),
    [
        ({"peft": "0.15.2"}, "peft 0.15.2, torch 2.6.0", "works with 1 of 3 transformers", "orange"),
        ({"peft": "0.15"}, "peft 0.15.2, torch 2.6.0", "works with 1 of 3 transformers", "orange"),
        ({"peft": "0.15.1"}, "peft 0.15.1, torch 2.6.0", "works with 1 of 1 transformers", "brightgreen"),
        ({"peft": "0.7.1"}, "peft 0.7.1, torch 2.6.0", "works with 0 of 1 transformers", "red"),
        ({"transformers": "4.51.3"}, "transformers 4.51.3, torch 2.6.0", "works with 2 of 3 peft", "yellowgreen"),
        ({"torch": "2.6.0"}, "torch 2.6.0", "works with 2 of 5 transformers x peft pairs", "orange"),
        ({"torch": "2.6.0+cu124", "peft": "0.15.1"}, "torch 2.6.0, peft 0.15.1", "works with 1 of 1 transformers",
         "brightgreen"),
        ({"transformers": "4.51.3", "peft": "0.15.2"}, "transformers 4.51.3, peft 0.15.2", "works with 1 of 2 torch",
         "yellowgreen"),
        ({"torch": "2.6.0", "transformers": "4.51.3", "peft": "0.15.2"},
         "torch 2.6.0, transformers 4.51.3, peft 0.15.2", "works", "brightgreen"),
        ({"torch": "2.6.0", "transformers": "5.0.0", "peft": "0.15.2"},
         "torch 2.6.0, transformers 5.0.0, peft 0.15.2", "gives a wrong result", "red"),
        ({"torch": "2.6.0", "transformers": "4.41.2", "peft": "0.15.2"},
         "torch 2.6.0, transformers 4.41.2, peft 0.15.2", "not measured", "lightgrey"),
        ({"peft": "9.9"}, "peft 9.9", "not measured", "lightgrey"),
        ({"peft": "0.1"}, "peft 0.1", "not measured", "lightgrey"),
    ],
)  # fmt: skip
def test_a_badge_counts_what_it_names(pins: dict[str, str], label: str, message: str, color: str) -> None:
    assert badge(CELLS, pins) == Badge(label, message, color)


def test_a_second_python_does_not_count_twice() -> None:
    more = [ReportedCell(f"{each.id}-312", "3.12", each.releases, Told(Outcome.FAIL)) for each in CELLS]
    assert badge([*CELLS, *more], {"peft": "0.15.1"}) == badge(CELLS, {"peft": "0.15.1"})


def test_the_json_is_what_shields_reads_and_the_picture_says_the_same() -> None:
    made = Badge("a <b> & 'c'", "works with 1 of 2 d", "orange")
    assert json.loads(badge_json(made)) == {
        "schemaVersion": 1, "label": "a <b> & 'c'", "message": "works with 1 of 2 d", "color": "orange"
    }  # fmt: skip
    root = ElementTree.fromstring(badge_svg(made))
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["a <b> & 'c'", "works with 1 of 2 d"]
    assert root.get("aria-label") == "a <b> & 'c': works with 1 of 2 d"
    width = float(root.get("width", ""))
    places = [
        (float(each.get("x", "")), float(each.get("textLength", "")))
        for each in root.iter("{http://www.w3.org/2000/svg}text")
    ]
    assert all(x - long / 2 > 0 and x + long / 2 < width for x, long in places)
    assert places[0][0] + places[0][1] / 2 < places[1][0] - places[1][1] / 2


@pytest.mark.parametrize("colour", COLOURS.values())
def test_white_letters_can_be_read_on_every_colour(colour: str) -> None:
    """WCAG AA: a contrast of 4.5."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.03928 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    assert 1.05 / (light + 0.05) >= 4.5


def test_pins_are_read_from_a_requirements_file() -> None:
    text = """\
# comment
--index-url https://example.org
Torch==2.6.0+cpu  # cpu
transformers==4.51.3 \\
    --hash=sha256:00
peft>=0.15
numpy==2.0
https://example.org/x.whl
"""
    assert pins_of(text, "r.txt") == {"torch": "2.6.0", "transformers": "4.51.3"}
    with pytest.raises(UsageError, match=r"r\.txt pins none of torch, transformers, peft"):
        pins_of("numpy==1\npeft>=0.15\n", "r.txt")


def test_the_report_has_a_badge_for_the_newest_of_each(tmp_path: Path) -> None:
    table = context([result(cell(), observation()), result(cell(peft="0.10.0"), observation(CACHE_LAYERS))])
    files = badge_files(table)
    assert set(files) == {f"{name}.{end}" for name in ("torch", "transformers", "peft") for end in ("svg", "json")}
    assert json.loads(files["peft.json"])["message"] == "works with 1 of 1 transformers"
    assert json.loads(files["transformers.json"])["message"] == "works with 1 of 2 peft"
    write_reports(table, tmp_path)
    assert {path.name for path in (tmp_path / "badges").iterdir()} == set(files)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "compatibility.json"
    report.write_text(json_text(context([result(cell(), observation())])))
    words = ["badge", "--report", str(report)]
    assert main([*words, "--peft", "0.15", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["message"] == "works with 1 of 1 transformers"
    pins = tmp_path / "requirements.txt"
    pins.write_text("torch==2.6.0\ntransformers==4.51.3\npeft==0.10.0\n")
    out = tmp_path / "new" / "badge.svg"
    assert main([*words, "--requirements", str(pins), "--peft", "0.15.2", "-o", str(out)]) == 0
    assert ElementTree.parse(out).getroot().get("aria-label", "").endswith("peft 0.15.2: works")
    assert main(words) == 2
    assert main([*words, "--peft", "new"]) == 2
    assert main([*words, "--requirements", str(tmp_path / "none.txt")]) == 2
