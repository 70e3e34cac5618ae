"""Matrix files: what they may say, and what is said of those that are wrong."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import ClassVar

import pytest

from compatcheck.domain import Cell, Policy
from compatcheck.errors import InputError, UsageError
from compatcheck.expansion import expanded
from compatcheck.matrix import Matrix, load_matrix, selected, sharded
from compatcheck.releases import Release

SHIPPED = sorted((Path(__file__).parent.parent / "matrix").glob("*.toml"))
AXES = {"torch": ("2.6.0",), "transformers": ("4.51.3",), "peft": ("0.15.2",)}
MINIMAL = '[axes]\ntorch = ["2.6.0"]\ntransformers = ["4.51.3"]\npeft = ["0.15.2"]\n'


class Known:
    """A release source that knows a few releases."""

    VERSIONS: ClassVar = {
        "torch": ("2.5.1", "2.6.0", "2.10.0"),
        "transformers": ("4.43.0", "4.43.4", "4.44.0", "4.44.2", "4.51.3", "5.0.0"),
        "peft": ("0.7.1", "0.9.0", "0.15.2", "0.21.0"),
        "accelerate": ("1.0.0",),
    }

    def releases(self, package: str) -> tuple[Release, ...]:
        date = datetime(2026, 1, 1, tzinfo=timezone.utc)
        return tuple(Release(version, date) for version in self.VERSIONS[package])


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "m.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_shipped_matrices_parse(path: Path) -> None:
    matrix = load_matrix(path)
    assert matrix.name == path.stem
    assert matrix.description


def test_the_default_matrix_covers_what_the_article_asks_about() -> None:
    matrix = load_matrix(Path(__file__).parent.parent / "matrix" / "article.toml")
    assert set(matrix.axes["torch"]) >= {"2.5.1", "2.6.0", "newest"}
    assert len(matrix.axes["transformers"]) >= 8 and len(matrix.axes["peft"]) >= 6
    versions = matrix.axes["transformers"]
    for minor in ("4.43", "4.44", "4.57", "5.0"):
        assert any(version.startswith(minor) for version in versions)
    assert versions[-1] == matrix.axes["peft"][-1] == "newest"


@pytest.mark.parametrize(
    ("entry", "cells"),
    [
        ("newest", ["5.0.0"]),
        ("4.43.4", ["4.43.4"]),
        ("newest-of-each-minor >=4.44", ["4.44.2", "4.51.3", "5.0.0"]),
        ("newest-of-each-minor >=4.43.1,<4.51", ["4.43.4", "4.44.2"]),
        ("all >=4.43,<4.44", ["4.43.0", "4.43.4"]),
    ],
)
def test_entries_become_versions(entry: str, cells: list[str]) -> None:
    matrix = Matrix("m", {**AXES, "transformers": (entry,)})
    found = [cell.versions["transformers"] for cell in expanded(matrix, Known()).cells]
    assert found == cells


def test_cells_are_ordered_so_that_neighbours_share_most_and_versions_are_no_strings() -> None:
    matrix = Matrix("m", {"peft": ("0.15.2", "0.9.0"), "transformers": ("4.51.3",), "torch": ("2.10.0", "2.6.0")})
    cells = expanded(matrix, Known()).cells
    assert [(cell.versions["torch"], cell.versions["peft"]) for cell in cells] == [
        ("2.6.0", "0.9.0"), ("2.6.0", "0.15.2"), ("2.10.0", "0.9.0"), ("2.10.0", "0.15.2"),
    ]  # fmt: skip
    assert list(cells[0].versions) == ["torch", "transformers", "peft"]


def test_exclude_include_and_a_further_axis(tmp_path: Path) -> None:
    text = """
        python = ["3.10", "3.11"]
        policy = "contemporary"
        [axes]
        torch = ["2.5.1", "2.6.0"]
        transformers = ["5.0.0"]
        peft = ["0.15.2"]
        accelerate = ["1.0.0"]
        [[exclude]]
        reason = "too old together"
        where = { torch = "<2.6", transformers = ">=5" }
        [[exclude]]
        reason = "not for this Python"
        python = "<3.11"
        [[include]]
        python = "3.12"
        versions = { torch = "2.6.0", transformers = "4.43.0", peft = "0.9.0" }
    """
    expansion = expanded(load_matrix(written(tmp_path, text)), Known())
    assert [cell.id for cell in expansion.cells] == [
        "py311-torch2.6.0-transformers5.0.0-peft0.15.2-accelerate1.0.0",
        "py312-torch2.6.0-transformers4.43.0-peft0.9.0",
    ]
    assert [reason for _, reason in expansion.excluded] == [
        "too old together", "not for this Python", "too old together",
    ]  # fmt: skip
    assert {"torch 2.6.0", "peft 0.9.0", "transformers 4.43.0"} <= set(expansion.released)
    with pytest.raises(InputError, match=r"include\[0\]\.versions\.peft: peft has no release 0\.9\.9"):
        expanded(load_matrix(written(tmp_path, text.replace('"0.9.0"', '"0.9.9"'))), Known())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "required field 'axes' is missing"),
        (MINIMAL + "wheels = 1\n", "axes.wheels"),
        ("wheels = 1\n" + MINIMAL, "unknown key 'wheels'"),
        ('polcy = "today"\n' + MINIMAL, "unknown key 'polcy'"),
        ('policy = "yesterday"\n' + MINIMAL, "policy: 'yesterday' is none of today, contemporary"),
        ("[axes]\ntorch = []\ntransformers = ['5']\npeft = ['1']\n", "axes.torch: an axis needs at least one version"),
        ("[axes]\ntorch = ['2']\ntransformers = ['5']\n", "axes.peft: this axis is missing"),
        ("[axes]\ntorch = [2.6]\ntransformers = ['5']\npeft = ['1']\n", "axes.torch[0]: expected a string, got 2.6"),
        ("[axes]\ntorch = ['latest']\ntransformers = ['5']\npeft = ['1']\n", "axes.torch[0]: 'latest' is neither"),
        ("[axes]\ntorch = ['all =>2']\ntransformers = ['5']\npeft = ['1']\n", "is not a specifier"),
        ('python = ["3"]\n' + MINIMAL, "python[0]: '3' is not of the form '3.11'"),
        (MINIMAL + '[[exclude]]\nreason = "x"\n', "exclude[0].where: a rule without"),
        (
            MINIMAL + '[[exclude]]\nreason = "x"\nwhere = {numpy = "<2"}\n',
            "exclude[0].where.numpy: the matrix has no such",
        ),
        (MINIMAL + '[[exclude]]\nwhere = {torch = "<2"}\n', "exclude[0].reason: required field 'reason' is missing"),
        (
            MINIMAL + '[[include]]\npython = "3.11"\nversions = {torch = "1"}\n',
            "include[0].versions: transformers is missing",
        ),
        (MINIMAL + "[scenario]\nepochs = 0\n", "scenario: epochs: must be at least 1, got 0"),
        (MINIMAL + "[scenario]\nlearning_rat = 1.0\n", "scenario: unknown key 'learning_rat'"),
        (MINIMAL + "[limits]\nmemory_mib = -1\n", "limits: stage_seconds and memory_mib must be positive"),
        ('extras = ["numpy <<2"]\n' + MINIMAL, "extras[0]: 'numpy <<2' is not a requirement"),
        ('extras = ["peft <1"]\n' + MINIMAL, "extras[0]: 'peft <1' is about an axis"),
        (MINIMAL + "[scenario]\nseed = -1\n", "scenario: seed: must lie between 0 and 4294967295, got -1"),
        ("axes = [", "not TOML"),
    ],
)
def test_a_bad_file_is_refused_with_the_path_to_the_field(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        load_matrix(written(tmp_path, text))
    assert said in str(caught.value)
    assert "m.toml" in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_missing_file_names_those_that_there_are(tmp_path: Path) -> None:
    written(tmp_path, MINIMAL)
    with pytest.raises(InputError) as caught:
        load_matrix(tmp_path / "other.toml")
    assert "no such file" in str(caught.value) and "m.toml" in str(caught.value)
    with pytest.raises(InputError, match=r"Matrix files here: .*m\.toml"):
        load_matrix(tmp_path)


def test_where_there_are_no_matrix_files_it_is_said_where_they_come_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="come with compatcheck's repository") as caught:
        load_matrix(Path("matrix/article.toml"))
    assert "pyproject" not in str(caught.value)


def test_a_version_that_does_not_exist_is_named_with_its_neighbours() -> None:
    with pytest.raises(InputError, match=r"axes\.peft\[1\]: peft has no release 0\.15\.9 \(near it: 0\.15\.2"):
        expanded(Matrix("m", {**AXES, "peft": ("0.15.2", "0.15.9")}), Known())


def test_narrowing_to_an_entry_and_to_one_that_is_not_there() -> None:
    matrix = Matrix("m", {**AXES, "torch": ("2.5.1", "newest")})
    assert expanded(matrix.narrowed("torch", ["newest"]), Known()).cells[0].versions["torch"] == "2.10.0"
    with pytest.raises(UsageError, match=r"no entry '2\.6\.0'"):
        matrix.narrowed("torch", ["2.6.0"])
    with pytest.raises(UsageError, match="no axis 'numpy'"):
        matrix.narrowed("numpy", ["1"])


def test_selection_by_globs() -> None:
    cells = expanded(Matrix("m", {**AXES, "peft": ("0.7.1", "0.9.0", "0.15.2")}), Known()).cells
    assert [cell.versions["peft"] for cell in selected(cells, ["peft0.7.1", "*peft0.9*"])] == ["0.7.1", "0.9.0"]
    assert [cell.versions["peft"] for cell in selected(cells, skip=["peft0.9.0"])] == ["0.7.1", "0.15.2"]
    with pytest.raises(UsageError, match="no cell of 3 is selected by peft9"):
        selected(cells, ["peft9"])
    for empty in (([""],), ([], [""])):
        with pytest.raises(UsageError, match="an empty pattern names no cells"):
            selected(cells, *empty)


def test_shards_are_a_partition_and_keep_batches_together() -> None:
    axes = {**AXES, "transformers": ("all >=4.43,<4.52",), "peft": ("0.7.1", "0.9.0", "0.15.2")}
    cells = expanded(Matrix("m", axes), Known()).cells
    parts = [sharded(cells, f"{number}/3") for number in (1, 2, 3)]
    assert sorted(cell.id for part in parts for cell in part) == sorted(cell.id for cell in cells)
    homes = [{cell.versions["transformers"] for cell in part} for part in parts]
    assert not homes[0] & homes[1] and not homes[1] & homes[2] and not homes[0] & homes[2]
    assert sharded(cells, "9/9") == (), "more parts than batches"
    for bad in ("0/3", "4/3", "3", "a/b", "1/3/5"):
        with pytest.raises(UsageError, match="is not of the form 3/8"):
            sharded(cells, bad)


def test_what_decides_a_lock_is_in_its_settings_and_nothing_else_is() -> None:
    base = Matrix("m", AXES)
    assert base.resolution_digest == Matrix("other", AXES, description="x").resolution_digest
    assert base.resolution_digest == Matrix("m", AXES, contemporary_days=3).resolution_digest
    different = [
        Matrix("m", AXES, policy=Policy.CONTEMPORARY),
        Matrix("m", AXES, policy=Policy.CONTEMPORARY, contemporary_days=3),
        Matrix("m", AXES, extras=("accelerate<1",)),
    ]
    assert len({matrix.resolution_digest for matrix in (base, *different)}) == 4
    assert base.digest != Matrix("m", {**AXES, "peft": ("0.9.0",)}).digest
    assert base.digest == Matrix("m", AXES, description="other words").digest


def test_a_cell_given_twice_is_run_once() -> None:
    twice = Cell("3.11", {"torch": "2.6.0", "transformers": "4.51.3", "peft": "0.15.2"})
    assert expanded(Matrix("m", AXES, include=(twice,)), Known()).cells == (twice,)


@pytest.mark.parametrize(
    ("python", "versions", "said"),
    [
        ("../3.11", {}, "include[0].python: '../3.11' is not of the form"),
        ("3.11", {"torch": "../../1"}, "include[0].versions.torch"),
        ("3.11", {"../x": "1"}, "include[0].versions.../x: not a package's name"),
        ("3.11", {"torch": "newest"}, "an included cell needs exact versions"),
    ],
)
def test_nothing_that_becomes_a_path_leaves_its_folder(python: str, versions: dict[str, str], said: str) -> None:
    cell = Cell(python, {"torch": "1", "transformers": "1", "peft": "1", **versions})
    with pytest.raises(ValueError) as told:
        Matrix("m", AXES, include=(cell,))
    assert said in str(told.value)


@pytest.mark.parametrize("name", ["../x", "a/b", "-r", "x y", "x\n", ""])
def test_an_axis_is_a_packages_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a package's name"):
        Matrix("m", {**AXES, name: ("1.0",)})
