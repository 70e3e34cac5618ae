"""Which versions of its companions a transformers refuses as it is imported."""

from __future__ import annotations

import pytest

from compatcheck.import_needs import shipped_needs
from compatcheck.runtime_ranges import CHECK, TABLE, UTILITIES, RuntimeRange, accepted_by, lowest_torch, ranges_of
from compatcheck.unimportable import unimportable

FILES = {
    TABLE: 'deps = {"accelerate": "accelerate>=0.26.0", "huggingface-hub": "huggingface-hub>=0.34.0,<1.0", '
    '"numpy": "numpy>=1.17", "python": "python>=3.9", "tqdm": "tqdm", "torch": "torch>=2.2", "odd": "odd~=1"}',
    CHECK: 'from .table import deps\npkgs_to_check_at_runtime = ["python", "tqdm", "numpy", "huggingface-hub", '
    '"accelerate", "odd"]\nfor pkg in pkgs_to_check_at_runtime:\n    require(deps[pkg])\n',
}
HUB = RuntimeRange("transformers", ("4.57.6",), "huggingface-hub", ">=0.34.0,<1.0")


def test_only_what_is_compared_for_sure_is_taken() -> None:
    assert accepted_by(FILES.get) == {"numpy": ">=1.17", "huggingface-hub": ">=0.34.0,<1.0"}
    assert accepted_by({TABLE: FILES[TABLE]}.get) == {}
    assert accepted_by({TABLE: "deps = made()", CHECK: FILES[CHECK]}.get) == {}
    assert accepted_by({TABLE: "deps = {", CHECK: FILES[CHECK]}.get) == {}


def test_releases_that_accept_the_same_stand_together() -> None:
    told = [("4.57.5", {"tokenizers": ">=0.22.0"}), ("4.57.6", {"tokenizers": ">=0.22.0", "numpy": ">=1.17"})]
    assert ranges_of(told) == (
        RuntimeRange("transformers", ("4.57.5", "4.57.6"), "tokenizers", ">=0.22.0"),
        RuntimeRange("transformers", ("4.57.6",), "numpy", ">=1.17"),
    )


@pytest.mark.parametrize(
    ("version", "refused"),
    [("0.33.9", True), ("0.34.0", False), ("0.36.2", False), ("1.0.0rc1", False), ("1.0.0", True), ("2.4.0", True)],
)
def test_versions_are_compared_as_the_package_compares_them(version: str, refused: bool) -> None:
    """1.0.0rc1 comes before 1.0, where pip would not take it for <1.0."""
    assert HUB.refuses(version) is refused


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"huggingface-hub": "1.0.1"}, "transformers 4.57.6 refuses huggingface-hub 1.0.1 as it is imported: it wants"),
        ({"tokenizers": "0.21.4"}, "transformers 4.57.6 refuses tokenizers 0.21.4 as it is imported: it wants"),
        # before it comes to what the other one lacks
        ({"huggingface-hub": "0.22.2"}, "transformers 4.57.6 refuses huggingface-hub 0.22.2"),
        ({"huggingface-hub": "0.36.0", "tokenizers": "0.22.1", "safetensors": "0.6.2", "numpy": "2.2.0"}, None),
    ],
)
def test_what_is_refused_is_told_with_its_name(other: dict[str, str], said: str | None) -> None:
    told = unimportable({"torch": "2.9.0", "transformers": "4.57.6", "peft": "0.18.1", **other})
    if said is None:
        assert told is None
        return
    assert told is not None and told.says.startswith(said) and told.signature is not None
    assert "refuses" in told.signature.title or "outside" in told.signature.id or "range" in told.signature.id


def test_every_release_that_was_read_compares_tokenizers_and_the_hub() -> None:
    needs = shipped_needs()
    for other in ("tokenizers", "huggingface-hub", "safetensors"):
        releases = [release for each in needs.ranges if each.other == other for release in each.releases]
        assert sorted(releases) == sorted(needs.read["transformers"]), other


NEW = """
def is_torch_available():
    parsed_version = version.parse(torch_version)
    if parsed_version < version.parse("2.4.0"):
        logger.warning_once(f"Disabling PyTorch because PyTorch >= 2.4 is required but found {torch_version}")
    return is_available and version.parse(torch_version) >= version.parse("2.4.0")
def is_other():
    return version.parse(torch_version) >= version.parse("2.9.0")
"""
OLD = """
if wanted:
    _torch_available, _torch_version = _is_package_available("torch", return_version=True)
    if _torch_available:
        _torch_available = version.parse(_torch_version) >= version.parse("2.1.0")
        if not _torch_available:
            logger.warning(f"Disabling PyTorch because PyTorch >= 2.1 is required but found {_torch_version}")
"""


@pytest.mark.parametrize(
    ("source", "lowest"),
    [
        (NEW, "2.4.0"),
        (OLD, "2.1.0"),
        (NEW.replace(">= 2.4 is", ">= 2.9 is"), None),
        (NEW.replace("Disabling", "Missing"), None),
        (NEW + "(", None),
        ("", None),
    ],
)
def test_the_lowest_torch_is_read_where_warning_and_comparison_agree(source: str, lowest: str | None) -> None:
    assert lowest_torch({UTILITIES: source}.get) == lowest


def test_beside_an_older_torch_it_goes_on_without() -> None:
    asked = {"torch": "2.3.1", "transformers": "5.1.0", "peft": "0.18.1"}
    told = unimportable(asked)
    assert told is not None and told.signature is not None
    assert told.says.startswith("transformers 5.1.0 goes on without torch 2.3.1: it wants >=2.4.0")
    assert told.signature.id == "torch-too-old-for-transformers"
    assert unimportable({**asked, "torch": "2.4.0"}) is None
