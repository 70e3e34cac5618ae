"""What is generated in the READMEs: the same in every language, and what the committed report says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from made_up import CACHE_LAYERS, cell, context, observation, result

from compatcheck.domain import Raised, Stage
from compatcheck.errors import UsageError
from compatcheck.report.context import Context
from compatcheck.report.readme import BLOCKS, torch_alike, with_blocks

HERE = Path(__file__).parent.parent
REPORT = json.loads((HERE / "reports" / "compatibility.json").read_text(encoding="utf-8"))
CHINESE = (HERE / "README.zh-CN.md").read_text(encoding="utf-8")


def place(name: str) -> str:
    return f"<!-- generated: {name} -->\n<!-- /generated: {name} -->\n"


def block(text: str, name: str) -> str:
    found = re.search(
        rf"<!-- generated: {re.escape(name)} -->\n(.*?)<!-- /generated: {re.escape(name)} -->", text, re.S
    )
    assert found, name
    return found[1]


def facts(text: str) -> list[str]:
    """Every number and version, in order."""
    return re.findall(r"\d+(?:\.\d+)*", text)


def table(*, newest_works: bool = False) -> Context:
    odd = Raised("Odd", "m", "x <b>")
    return context(
        [
            result(cell("2.5.1", peft="0.10.0"), observation(odd, Stage.TRAIN)),
            result(cell("2.5.1", peft="0.12.0"), observation()),
            result(cell("2.5.1", peft="0.13.2"), reason="conflict"),
            result(cell("2.6.0", peft="0.10.0"), observation(CACHE_LAYERS)),
            result(cell("2.6.0", peft="0.12.0"), observation()),
            result(cell("2.6.0", peft="0.13.2"), observation() if newest_works else observation(CACHE_LAYERS)),
            result(cell("2.5.1", transformers="4.49.0", peft="0.12.0"), trouble="no disk"),
            result(cell("2.6.0", transformers="4.49.0", peft="0.12.0")),
        ]
    )


NOTHING = context([result(cell())])


@pytest.mark.parametrize("found", [table(), table(newest_works=True), NOTHING], ids=["some", "newest", "nothing"])
@pytest.mark.parametrize("name", ["headline", "pins", "heatmap", "torch"])
def test_both_languages_tell_the_same_facts(name: str, found: Context) -> None:
    english, chinese = (BLOCKS[each](found, "reports") for each in (name, f"{name}.zh-CN"))
    assert english.strip() and chinese.strip()
    assert sorted(facts(english)) == sorted(facts(chinese))
    assert english.count("\n- ") == chinese.count("\n- ")
    assert re.search(r"[\u4e00-\u9fff]", chinese) and not re.search(r"[\u4e00-\u9fff]", english)


def test_every_block_is_known_in_both_languages() -> None:
    assert {name.removesuffix(".zh-CN") for name in BLOCKS if name.endswith(".zh-CN")} == {
        name for name in BLOCKS if not name.endswith(".zh-CN")
    }


def test_what_stands_between_the_markers_is_renewed_and_nothing_else() -> None:
    text = f"# A\n\n{place('headline')}\nkept\n\n{place('heatmap')}end\n"
    once = with_blocks(text, table(), "docs/reports")
    assert once == with_blocks(once, table(), "docs/reports"), "a second time changes nothing"
    assert re.sub(r"(<!-- generated: \w+ -->\n).*?(<!-- /)", r"\1\2", once, flags=re.S) == text
    assert "(docs/reports/pictures/heatmap.svg)](docs/reports/compatibility.md)" in once
    assert "- Of 5 combinations that install without complaint, 2 work" in once
    assert "`torch==2.6.0 transformers==4.51.3 peft==0.12.0`" in block(once, "headline"), "no other place for the pins"
    with_pins = with_blocks(text + place("pins"), table())
    assert "torch==" not in block(with_pins, "headline") and "torch==" in block(with_pins, "pins")


def test_torch_is_said_to_decide_as_much_as_it_does() -> None:
    assert torch_alike(table()) == (1, 2)
    said = BLOCKS["torch"](table(), "reports")
    assert "Of the 2 pairs" in said and "1 go the same way" in said
    assert "0 of the 3 kinds of failure show with every torch" in said
    assert "Only with torch 2.6.0: “Cache only has 0 layers”." in said


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("nothing", "no place"),
        (place("headline") + place("weather"), "no part weather"),
        (place("headline") + "<!-- generated: pins -->\n", "pins is not closed"),
        (
            "<!-- generated: pins -->\n" + place("headline") + "<!-- /generated: pins -->",
            "not closed, or stands within",
        ),
    ],
)
def test_broken_markers_are_refused(text: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        with_blocks(text, table())


# ---------------------------------------------------------------------- what is committed


def test_the_chinese_readme_says_what_the_report_says() -> None:
    said = block(CHINESE, "headline.zh-CN")
    lines = [line for line in said.splitlines() if line.startswith("- ")]
    assert [facts(line) for line in lines] == [facts(line) for line in REPORT["headline"]]
    assert REPORT["generated"][:10] in said
    page = (HERE / "reports" / "compatibility.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if "`torch==" in line and line.startswith("| ")]
    assert [line for line in block(CHINESE, "pins.zh-CN").splitlines() if "`torch==" in line] == rows
    picture = block(CHINESE, "heatmap.zh-CN")
    assert facts(picture)[:2] == [str(len(REPORT["cells"])), str(REPORT["totals"]["pass"])]


def test_the_chinese_readme_says_of_torch_what_was_measured() -> None:
    torches = sorted({each["versions"]["torch"] for each in REPORT["cells"]})
    pairs: dict[tuple[str, str], dict[str, tuple[str, str]]] = {}
    layers: dict[str, set[tuple[str, str]]] = {torch: set() for torch in torches}
    for each in REPORT["cells"]:
        versions = each["versions"]
        key = versions["transformers"], versions["peft"]
        pairs.setdefault(key, {})[versions["torch"]] = (each["outcome"], each["signature"])
        if each["signature"] == "cache-layers-empty":
            layers[versions["torch"]].add(key)
    alike = sum(len(set(found.values())) == 1 for found in pairs.values())
    first = block(CHINESE, "torch.zh-CN").splitlines()[0]
    assert facts(first)[0] == str(len(pairs)) and facts(first)[-1] == str(alike)
    # 在三个 torch 版本上、在同样的 transformers 与 peft 组合里出现，一个不多，一个不少
    assert len(torches) == 3 and layers[torches[0]]
    assert all(found == layers[torches[0]] for found in layers.values())


def test_what_the_readmes_point_to_is_there() -> None:
    for name in ("README.md", "README.zh-CN.md"):
        text = (HERE / name).read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            if not target.startswith("http"):
                assert (HERE / target).exists(), (name, target)
    (lock,) = re.findall(r"reports/locks/(\S+)\.txt", CHINESE)
    assert {each["id"]: each["outcome"] for each in REPORT["cells"]}[lock] == "pass"
    assert (HERE / "reports" / "locks" / f"{lock}.txt").is_file()


def test_every_module_has_its_room_in_the_readme() -> None:
    rooms = (HERE / "README.md").read_text(encoding="utf-8").partition("## The code in half a page")[2]
    modules = {path.name for path in (HERE / "compatcheck").glob("*.py")} - {"__init__.py", "__main__.py"}
    told = set(re.findall(r"`([a-z_]+\.py)`", rooms))
    assert modules <= told, f"without a room: {sorted(modules - told)}"
    places = (HERE / "compatcheck", HERE / "compatcheck" / "report")
    gone = {each for each in told if not any((place / each).is_file() for place in places)}
    assert not gone, f"a room without a module: {sorted(gone)}"
