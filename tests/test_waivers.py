"""`[tool.compatcheck]`: waivers with a last day and a reason."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from compatcheck.errors import InputError
from compatcheck.waivers import Settings, Waiver, load_settings, nearest_pyproject

GOOD = """
[tool.compatcheck]
strict = true
[[tool.compatcheck.waivers]]
signature = "cache-layers-empty"
versions = { peft = "<0.12" }
until = 2027-01-31
reason = "we generate with use_cache=False"
"""


def test_settings_are_read_from_pyproject(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(GOOD)
    settings = load_settings(path)
    assert settings.strict and settings.waivers == (
        Waiver(date(2027, 1, 31), "we generate with use_cache=False", "cache-layers-empty", {"peft": "<0.12"}),
    )
    path.write_text("[tool.compatcheck]\ntable = 'known.json'\n")
    assert load_settings(path).table == str(tmp_path / "known.json")
    path.write_text("[tool.compatcheck]\ntable = 'https://host/known.json'\n")
    assert load_settings(path).table == "https://host/known.json"
    path.write_text("[project]\nname = 'x'\n")
    assert load_settings(path) == Settings()
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert nearest_pyproject(tmp_path / "a" / "b") == path


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("reason = ", "because = ", "unknown key 'because'"),
        ('"we generate with use_cache=False"', '" "', "reason: must not be empty"),
        ("until = 2027-01-31", "", "required field 'until' is missing"),
        ("2027-01-31", '"some day"', "until"),
        ('"<0.12"', '"old"', "versions.peft: 'old' is not a specifier"),
        ('signature = "cache-layers-empty"\nversions = { peft = "<0.12" }', "", "it would waive everything"),
        ("strict = true", "strict = 1", "strict: expected true or false"),
        ("strict = true", 'resolution = "newest"', "resolution: must be both, highest or lowest"),
        (
            "[tool.compatcheck]\nstrict = true\n[[tool.compatcheck.waivers]]",
            "[tool]\ncompatcheck = 3\n[[w]]",
            "not a table",
        ),
    ],
)
def test_what_is_wrong_with_settings_is_said_in_one_line(old: str, new: str, said: str, tmp_path: Path) -> None:
    assert old in GOOD
    path = tmp_path / "pyproject.toml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(InputError) as caught:
        load_settings(path)
    assert said in caught.value.what and "\n" not in caught.value.what


def test_a_waiver_counts_until_its_last_day_and_for_what_it_names() -> None:
    waiver = Waiver(date(2026, 5, 1), "known", "cache-layers-empty", {"peft": "<0.12"})
    assert not waiver.expired(date(2026, 5, 1)) and waiver.expired(date(2026, 5, 2))
    assert waiver.covers("cache-layers-empty", {"peft": "0.7.1"})
    assert not waiver.covers("cache-layers-empty", {"peft": "0.12.0"})
    assert not waiver.covers("cache-layers-empty", {})
    assert not waiver.covers("another", {"peft": "0.7.1"})
    assert Waiver(date(2026, 5, 1), "known", versions={"peft": "<0.12"}).covers(None, {"peft": "0.7.1"})
