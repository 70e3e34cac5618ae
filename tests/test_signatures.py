"""The catalogue: its data are whole, and what is wrong with a file is said with the path to the field."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from compatcheck import catalogues
from compatcheck.catalogues import FOLDER, load_catalogue
from compatcheck.errors import InputError
from compatcheck.explanation import explain
from compatcheck.signatures import address

GOOD = """
[[signature]]
id = "some-words"
title = "t"
cause = "c"
remedy = "r"
exception = "KeyError"
"""


def test_the_shipped_catalogue_is_whole() -> None:
    catalogue = load_catalogue()
    assert len(list(catalogue)) >= 20
    for signature in catalogue:
        assert signature.title and signature.cause and signature.remedy, signature.id
        assert catalogue.get(signature.id) is signature
        assert catalogues.shipped_signature(signature.id) == signature
    assert catalogue.get("no-such-signature") is None and catalogues.shipped_signature("no-such-signature") is None
    assert {path.name for path in FOLDER.iterdir()} >= {"20-cache.toml", "90-machine.toml"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace('title = "t"\n', ""), "signature[0].title: required field 'title' is missing"),
        (GOOD + 'colour = "red"\n', "signature[0]: unknown key 'colour'"),
        (GOOD + "message = 'a(b'\n", "signature[0].message: not a regular expression"),
        (GOOD + "lines = [{ has = 'abcd', fits = 'ab(cd' }]\n", "signature[0].lines[0].fits: not a regular expression"),
        (GOOD + "code = 'a(b'\n", "signature[0].code: not a regular expression"),
        (GOOD + "code = '(?P=who)'\n", "signature[0]: code: the message has no group 'who'"),
        (GOOD + "unheard = 'who'\nmessage = '(?P<package>x)'\n", "unheard: the message has no group 'who'"),
        (GOOD + "unheard = 'who'\nmessage = '(?P<who>x)'\n", "unheard: the message has neither a group 'package' nor"),
        (GOOD + "packed = true\nmessage = '(?P<column>x)'\n", "packed: the message has no groups 'column', 'rows' and"),
        (GOOD + 'stages = ["lunch"]\n', "signature[0].stages[0]: 'lunch' is none of resolve, "),
        (GOOD.replace("some-words", "Some Words"), "signature[0]: id: 'Some Words' is not of the form some-words"),
        (GOOD.replace('exception = "KeyError"\n', ""), "signature[0]: nothing to recognise it by"),
        (GOOD + GOOD, "the id 'some-words' is given twice"),
        (
            GOOD + '[[signature.affected]]\nbasis = "guess"\nversions = {}\n',
            "affected[0].basis: 'guess' is none of ",
        ),
    ],
)
def test_a_bad_file_is_refused_with_the_path_to_the_field(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "10-x.toml").write_text(text)
    with pytest.raises(InputError) as caught:
        load_catalogue(tmp_path)
    assert said in str(caught.value) and "10-x.toml" in str(caught.value)


def test_the_order_of_the_files_is_the_order_of_trial(tmp_path: Path) -> None:
    (tmp_path / "20-b.toml").write_text(GOOD.replace("some-words", "later"))
    (tmp_path / "10-a.toml").write_text(GOOD.replace("some-words", "first") + GOOD.replace("some-words", "second"))
    assert [signature.id for signature in load_catalogue(tmp_path)] == ["first", "second", "later"]


@pytest.mark.parametrize(
    ("reference", "leads_to"),
    [
        ("huggingface/peft#2379", "https://github.com/huggingface/peft/issues/2379"),
        (
            "huggingface/peft@v0.9.0:src/peft/__init__.py",
            "https://github.com/huggingface/peft/blob/v0.9.0/src/peft/__init__.py",
        ),
        ("https://docs.python.org/3/#x", "https://docs.python.org/3/#x"),
        ("release wheels", "release wheels"),
    ],
)
def test_references_lead_somewhere(reference: str, leads_to: str) -> None:
    assert address(reference) == leads_to


def test_a_line_that_fits_is_found_by_its_needle() -> None:
    """What a signature's line must have word for word stands in its pattern, so that no line is passed over."""
    lines = [(each.id, line) for each in load_catalogue() for line in each.lines]
    assert lines
    passed_over = [(name, line.has) for name, line in lines if line.has not in re.sub(r"\\(.)", r"\1", line.fits)]
    assert not passed_over


def test_the_shipped_patterns_are_compiled_when_they_are_searched_with(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    real = re.compile
    monkeypatch.setattr(re, "compile", lambda pattern, flags=0: compiled.append(pattern) or real(pattern, flags))
    catalogue = catalogues._read(FOLDER)
    patterns = {each.message for each in catalogue if each.message}
    assert patterns and patterns.isdisjoint(compiled)
    known = catalogue.get("cache-layers-empty")
    said = "Cache only has 0 layers, attempted to access layer with index 0"
    assert known is not None and known.message_pattern.search(said) and known.message in compiled


@pytest.mark.parametrize(
    ("saved", "have", "named"),
    [
        ("8388608, 1", "4096, 4096", "four-bit-weights-for-plain-model"),
        ("4194304, 1", "4096, 4096", "four-bit-weights-for-plain-model"),  # stored in numbers of two bytes
        ("4096, 4096", "8388608, 1", "plain-weights-for-four-bit-model"),
        ("11008, 1", "32, 11008", "weights-other-shape"),  # GPTQ's scales, of another group size
        ("8388608, 1", "4096, 4000", "weights-other-shape"),
        ("4096, 4096", "4096, 1", "weights-other-shape"),
    ],
)
def test_a_weight_packed_into_four_bits_is_known_by_its_size(saved: str, have: str, named: str) -> None:
    listed = (
        "size mismatch for {}: copying a param with shape torch.Size([{}]) from checkpoint, "
        "the shape in current model is torch.Size([{}])."
    )
    lines = [listed.format("a.bias", "7", "8"), listed.format("a.weight", saved, have)]
    text = "RuntimeError: Error(s) in loading state_dict for Linear:\n\t" + "\n\t".join(lines)
    signature = explain(text).signature
    assert signature is not None and signature.id == named
