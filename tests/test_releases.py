"""Which versions there are, as a package index tells it."""

from __future__ import annotations

import pytest
from minimatrix.index import LocalIndex
from packaging.specifiers import SpecifierSet

from compatcheck.errors import IndexUnavailable, UsageError
from compatcheck.releases import DEFAULT_INDEX, PackageIndex, Release, index_url, masked, newest_of_each_minor


def test_final_releases_only_oldest_first_with_dates(index: LocalIndex) -> None:
    found = PackageIndex(index.url).releases("torch")
    versions = [each.version for each in found]
    assert "2.1.1" not in versions, "yanked"
    assert not any("rc" in version for version in versions), "pre-release"
    assert versions == sorted(versions, key=lambda each: tuple(map(int, each.split("."))))
    assert versions[-1] == "2.1.0" and found[-1].uploaded is not None


def test_a_package_is_asked_for_once(index: LocalIndex) -> None:
    source = PackageIndex(index.url)
    assert source.releases("peft") is source.releases("PEFT")
    assert index.count("/simple/peft/") == 1


def test_an_unknown_package_is_the_askers_mistake(index: LocalIndex) -> None:
    with pytest.raises(UsageError, match="no package named 'nothing-like-it'"):
        PackageIndex(index.url).releases("nothing-like-it")


@pytest.mark.parametrize("trouble", [{"status": 500}, {"status": 401}, {"body": b"<<garbage"}])
def test_an_index_that_misbehaves_is_the_machines_fault(index: LocalIndex, trouble: dict) -> None:
    index.disturb("/simple/peft/", **trouble)
    with pytest.raises(IndexUnavailable, match="did not answer"):
        PackageIndex(index.url).releases("peft")


def test_an_index_that_is_down_is_the_machines_fault_and_no_secret_is_told(index: LocalIndex) -> None:
    index.go_down()
    with pytest.raises(IndexUnavailable) as caught:
        PackageIndex(index.url.replace("http://", "http://user:s3cret@")).releases("peft")
    assert "s3cret" not in str(caught.value)


def test_the_configured_index_is_found() -> None:
    assert index_url({}) == DEFAULT_INDEX
    assert index_url({"PIP_INDEX_URL": "https://a/"}) == "https://a/"
    assert index_url({"PIP_INDEX_URL": "https://a/", "UV_DEFAULT_INDEX": "https://b/"}) == "https://b/"


def test_credentials_are_masked() -> None:
    assert (
        masked("see https://user:token@host/simple/ and http://host/x")
        == "see https://***@host/simple/ and http://host/x"
    )


def test_the_newest_of_each_minor() -> None:
    releases = [Release(version, None) for version in ("4.9.1", "4.10.0", "4.9.0", "4.10.2", "5.0.0")]
    found = newest_of_each_minor(releases, SpecifierSet(">=4.9,<5"))
    assert [each.version for each in found] == ["4.9.1", "4.10.2"]
