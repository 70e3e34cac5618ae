"""Ranges admit what was measured inside them, refuse the rest, and say where their edges are."""

from __future__ import annotations

from itertools import product

from packaging.specifiers import SpecifierSet

from compatcheck.ranges import Boundary, between, range_of

VERSIONS = ("1.0", "1.1", "2.0", "2.1", "10.0")


def test_every_choice_of_versions_is_admitted_exactly() -> None:
    for choice in product((False, True), repeat=len(VERSIONS)):
        admitted = {version for version, chosen in zip(VERSIONS, choice, strict=True) if chosen}
        found = range_of("peft", admitted, VERSIONS, VERSIONS)
        if not admitted:
            assert found is None
            continue
        assert found is not None
        specifier = SpecifierSet(found.specifier(VERSIONS))
        assert {version for version in VERSIONS if version in specifier} == admitted
        assert {version for place, version in enumerate(VERSIONS) if place in found} == admitted


def test_an_end_that_nothing_speaks_against_stays_open() -> None:
    found = range_of("peft", {"2.0"}, VERSIONS, {"1.1", "2.0"})
    assert found is not None
    assert found.specifier(VERSIONS) == ">=2.0"


def test_a_boundary_names_both_sides_and_what_lies_between() -> None:
    found = range_of("peft", {"2.1", "10.0"}, VERSIONS, VERSIONS)
    assert found is not None
    assert found.boundaries(VERSIONS, ["2.0", "2.0.5", "2.1", "3.0"]) == (Boundary("peft", "2.1", "2.0", ("2.0.5",)),)
    assert between("10.0", "2.0", ["9.0", "3.0", "10.0"]) == ("3.0", "9.0")
