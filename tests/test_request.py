"""What is asked: options, requirements, files, and everything that is no request."""

from __future__ import annotations

from pathlib import Path

import pytest

from compatcheck.errors import InputError, UsageError
from compatcheck.request import Prefer, request_of
from compatcheck.shipped import load_table

TABLE = load_table()


@pytest.mark.parametrize(
    ("text", "admitted", "refused"),
    [
        ("2.6.0", "2.6.0", "2.6.1"),
        ("2.6", "2.6.1", "2.7.0"),
        ("==2.6.0", "2.6.0", "2.6.1"),
        (">=2.5,<2.7", "2.6.9", "2.7.0"),
        ("~=2.5.0", "2.5.1", "2.6.0"),
        (" >= 2.6 ", "2.15.0", "2.5.9"),
    ],
)
def test_an_option_is_a_version_a_series_or_a_range(text: str, admitted: str, refused: str) -> None:
    request = request_of({"torch": text}, table=TABLE)
    assert request.admits("torch", admitted) and not request.admits("torch", refused)
    assert request.admits("peft", "0.1"), "what is not asked about is free"


@pytest.mark.parametrize(
    ("text", "admitted", "refused"), [("3.11", "3.11", "3.10"), ("3.11.7", "3.11", "3.12"), (">=3.11.4", "3.11", "3.9")]
)
def test_a_python_is_asked_for_by_its_minor_version(text: str, admitted: str, refused: str) -> None:
    request = request_of({}, python=text)
    assert request.admits("python", admitted) and not request.admits("python", refused)


def test_ranges_of_a_package_from_several_places_must_all_hold(tmp_path: Path) -> None:
    (tmp_path / "base.txt").write_text("transformers<5  # for now\n")
    path = tmp_path / "requirements.txt"
    path.write_text("-r base.txt\nTransformers>=4.49\nrequests\ntrl==0.12 ; python_version >= '3.8'\n")
    request = request_of({"transformers": "!=4.51.3"}, files=[path], table=TABLE)
    assert request.admits("transformers", "4.53.3")
    assert not any(request.admits("transformers", each) for each in ("4.47.1", "4.51.3", "5.0.0"))
    assert request.unjudged(TABLE) == ("trl",) and "requirements.txt line 2" in request.origins["transformers"]


def test_markers_count_for_the_python_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text("peft<0.15; python_version < '3.10'\npeft>=0.15; python_version >= '3.10'\n")
    assert request_of({}, files=[path], python="3.9").admits("peft", "0.14.0")
    assert request_of({}, files=[path], python="3.12").admits("peft", "0.21.2")


def test_a_project_says_its_dependencies_and_its_python(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text('[project]\nname = "p"\nrequires-python = ">=3.10"\ndependencies = ["peft[quality]>=0.15"]\n')
    request = request_of({}, files=[path], table=TABLE)
    assert request.admits("python", "3.11") and not request.admits("python", "3.9")
    assert not request.admits("peft", "0.13.2")
    assert request_of({}, files=[path], python="3.9").admits("python", "3.9"), "what is said outright counts"
    path.write_text('[project]\nname = "p"\nrequires-python = "three"\ndependencies = []\n')
    with pytest.raises(InputError, match="requires-python"):
        request_of({}, files=[path])


@pytest.mark.parametrize(
    ("options", "requirements", "said"),
    [
        ({"torch": ">3,<2"}, [], "contradict"),
        ({"torch": "2.6.0"}, ["torch>=2.7"], "contradict"),
        ({"torch": "newest"}, [], "neither a version nor a range"),
        ({}, ["peft>>1"], "not a requirement"),
        ({}, ["tensorflow>=2"], "unknown package"),
        ({"tensorflow": "2.0.0"}, [], "unknown package"),
        ({"torch": "9" * 5000}, [], "has 5000 characters"),
        ({}, ["peft>=" + "9" * 5000], "has 5006 characters"),
    ],
)
def test_what_is_no_request_is_refused_in_one_line(options: dict[str, str], requirements: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        request_of(options, requirements=requirements, table=TABLE)
    assert said in caught.value.what and "\n" not in caught.value.what


@pytest.mark.parametrize("text", ["peft>=\n", "torch==2.6.0\npeft >> 3\n"])
def test_a_file_that_does_not_parse_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text(text)
    with pytest.raises(InputError, match="line"):
        request_of({}, files=[path])
    with pytest.raises(InputError, match="no such file"):
        request_of({}, files=[tmp_path / "none.txt"])


def test_contradicting_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text("peft>=0.15\npeft<0.14\n")
    with pytest.raises(UsageError, match=r"requirements\.txt line 1, requirements\.txt line 2"):
        request_of({}, files=[path])


def test_a_marker_and_an_address_count_as_in_a_file() -> None:
    later = request_of({}, requirements=['peft>=0.15; python_version>="3.12"'], python="3.11", table=TABLE)
    assert later.admits("peft", "0.13.2")
    address = "git+https://github.com/huggingface/peft"
    assert request_of({}, requirements=[f"peft @ {address}"], table=TABLE).addresses == (f"peft from {address}",)


def test_an_extra_needs_a_project_that_may_have_it() -> None:
    with pytest.raises(UsageError, match=r"extra train: no pyproject\.toml is named"):
        request_of({"torch": "2.6.0"}, extras=["train"], table=TABLE)
    with pytest.raises(UsageError, match="group dev: "):
        request_of({}, files=[Path("requirements.txt")], groups=["dev"])


def test_an_unknown_preference_is_refused() -> None:
    with pytest.raises(UsageError, match="newest, stable, oldest"):
        request_of({}, prefer="best")
    assert request_of({}, prefer="oldest").prefer is Prefer.OLDEST
