"""What is wrong with a signature is said with file and field; the shipped ones are whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from compatcheck.cli import main
from compatcheck.defects import checked

GOOD = """
[[signature]]
id = "odd-thing"
title = "t"
cause = "c"
remedy = "r"
exception = "OddError"
message = "odd"
references = ["huggingface/peft#1", "https://example.org/x", "huggingface/peft@v0.14.0:src/peft/peft_model.py"]
examples = ['''
Traceback (most recent call last):
  File "peft/odd.py", line 1, in f
OddError: an odd thing''']
roles = { owner = "peft", fixed_in = "peft 0.14.0" }
"""


def said(folder: Path, text: str) -> list[str]:
    (folder / "10-x.toml").write_text(text)
    return [str(defect) for defect in checked(folder).defects]


def test_a_good_file_has_no_defect(tmp_path: Path) -> None:
    assert said(tmp_path, GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('title = "t"', "", "10-x.toml: signature[0].title: required field 'title' is missing"),
        ('title = "t"', 'title = " "', "10-x.toml: signature[0] odd-thing: title: is empty"),
        ('message = "odd"', "message = 'o(dd'", "10-x.toml: signature[0].message: not a regular expression"),
        ('"huggingface/peft#1"', '"peft 1"', "10-x.toml: signature[0] odd-thing: references[0]: 'peft 1' is neither"),
        ('owner = "peft", ', "", "10-x.toml: signature[0] odd-thing: roles.owner: is missing"),
        ("peft 0.14.0", "soon", "10-x.toml: signature[0] odd-thing: roles.fixed_in: 'soon' is not a package"),
        ('"OddError"', '"EvenError"', "10-x.toml: signature[0] odd-thing: examples[0]: is recognised as unknown"),
        ('message = "odd"', r"message = '(\w+\s?)+$'", "10-x.toml: signature[0] odd-thing: message: takes too long"),
        ('message = "odd"', r"message = '\w+ odd'", "10-x.toml: signature[0] odd-thing: message: takes too long"),
        (
            'cause = "c"\n',
            'cause = "{name} is odd"\n',
            "10-x.toml: signature[0] odd-thing: cause: {name} is filled in",
        ),
        ("roles =", 'beside = ["nobody"]\nroles =', "10-x.toml: signature[0] odd-thing: beside[0]: 'nobody' is no"),
        ("[[signature]]", "colour = 1\n[[signature]]", "10-x.toml: colour: unknown key"),
        ("[[signature]]", "[[signature", "10-x.toml: not TOML"),
    ],
)
def test_a_defect_is_said_with_file_and_field(tmp_path: Path, old: str, new: str, expected: str) -> None:
    found = said(tmp_path, GOOD.replace(old, new, 1))
    assert any(each.startswith(expected) for each in found), found


def test_one_signature_that_cannot_be_read_does_not_hide_the_next(tmp_path: Path) -> None:
    broken = GOOD.replace('title = "t"', "").replace("odd-thing", "first")
    found = said(tmp_path, broken + GOOD.replace("peft 0.14.0", "soon"))
    assert len(found) == 2 and "signature[0].title" in found[0] and "signature[1] odd-thing" in found[1]


def test_an_example_that_fits_two_signatures_must_be_explained(tmp_path: Path) -> None:
    wide = GOOD.replace("odd-thing", "wide").replace('message = "odd"\n', "").replace("an odd thing", "an even thing")
    (found,) = said(tmp_path, GOOD + wide)
    assert found.startswith("10-x.toml: signature[0] odd-thing: examples[0]: fits wide too")
    assert said(tmp_path, GOOD.replace("roles =", 'beside = ["wide"]\nroles =') + wide) == []
    backwards = said(tmp_path, wide + GOOD.replace("roles =", 'beside = ["wide"]\nroles ='))
    assert any("beside[0]: 'wide' stands before this one" in each for each in backwards)


def test_the_shipped_catalogue_has_no_defect() -> None:
    assert [str(defect) for defect in checked(Path(__file__).parent.parent / "compatcheck" / "catalogue").defects] == []


def test_the_command_tells_and_exits_with_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "10-x.toml"
    path.write_text(GOOD)
    assert main(["catalogue", "check", str(tmp_path)]) == 0
    assert "1 signatures, 1 examples, no defects" in capsys.readouterr().out
    path.write_text(GOOD.replace("peft 0.14.0", "soon"))
    assert main(["catalogue", "check", str(tmp_path)]) == 1
    assert "1 defects" in capsys.readouterr().out
    assert main(["catalogue", "check", str(tmp_path / "none")]) == 2
    assert main(["catalogue", "list", str(tmp_path)]) == 0
    assert "odd-thing" in capsys.readouterr().out
