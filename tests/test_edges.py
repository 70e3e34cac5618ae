"""The releases that the catalogue names for the table's failures, against a run at these very releases."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.version import Version

from compatcheck.catalogues import load_catalogue
from compatcheck.matrix import load_matrix

HERE = Path(__file__).parent.parent
REPORT = json.loads((HERE / "reports" / "bisect" / "edges" / "compatibility.json").read_text(encoding="utf-8"))
WENT = {
    (cell["versions"]["transformers"], cell["versions"]["peft"]): (cell["outcome"], cell["signature"])
    for cell in REPORT["cells"]
}
AXES = {
    package: sorted({cell["versions"][package] for cell in REPORT["cells"]}, key=Version)
    for package in ("transformers", "peft")
}
SHOWN = {signature for _, signature in WENT.values() if signature}


@dataclass(frozen=True)
class Edge:
    """A release that a signature's roles name."""

    signature: str
    package: str
    version: str

    def with_version(self, pair: tuple[str, str], version: str) -> tuple[str, str]:
        return (version, pair[1]) if self.package == "transformers" else (pair[0], version)

    def of(self, pair: tuple[str, str]) -> Version:
        return Version(pair[0] if self.package == "transformers" else pair[1])

    @property
    def failing(self) -> list[tuple[str, str]]:
        return [pair for pair, (_, signature) in WENT.items() if signature == self.signature]


def edges(role: str) -> list[Edge]:
    found = []
    for signature in load_catalogue():
        package, _, version = getattr(signature.roles, role).partition(" ")
        if signature.id in SHOWN and package in AXES and version:
            found.append(Edge(signature.id, package, version))
    return found


def test_the_run_is_of_the_whole_matrix_and_names_every_failure() -> None:
    matrix = load_matrix(HERE / "matrix" / "edges.toml")
    assert {package: list(matrix.axes[package]) for package in AXES} == AXES
    assert len(WENT) == len(AXES["transformers"]) * len(AXES["peft"])
    assert all(signature for outcome, signature in WENT.values() if outcome != "pass")


@pytest.mark.parametrize("edge", edges("trigger"), ids=lambda edge: f"{edge.signature} {edge.package} {edge.version}")
def test_nothing_fails_so_before_the_release_that_brought_it_and_with_it_not_all_passes(edge: Edge) -> None:
    assert edge.failing and min(map(edge.of, edge.failing)) >= Version(edge.version)
    first = next(version for version in AXES[edge.package] if Version(version) >= Version(edge.version))
    assert any(WENT[edge.with_version(pair, first)][0] != "pass" for pair in edge.failing)


@pytest.mark.parametrize("edge", edges("fixed_in"), ids=lambda edge: f"{edge.signature} {edge.package} {edge.version}")
def test_nothing_fails_so_from_the_release_on_that_mended_it_and_before_it_nothing_passes(edge: Edge) -> None:
    assert edge.failing and max(map(edge.of, edge.failing)) < Version(edge.version)
    axis = AXES[edge.package]
    before = axis[axis.index(edge.version) - 1]
    assert any(
        WENT[edge.with_version(pair, before)][0] != "pass" and WENT[edge.with_version(pair, edge.version)][0] == "pass"
        for pair in edge.failing
    )


def test_the_releases_of_the_failures_that_people_meet_most_are_among_them() -> None:
    mended = {edge.signature for edge in edges("fixed_in")}
    brought = {edge.signature for edge in edges("trigger")}
    cache = {"cache-layers-empty", "cache-layer-is-none", "cache-not-subscriptable", "prompt-not-inserted"}
    assert cache <= mended & brought and "bloom-refuses-num-items-in-batch" in mended
