"""What a module of one release imports when another release takes it, and no requirement brings along."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from minimatrix.index import LocalIndex
from minimatrix.wheels import Release

from compatcheck.catalogues import load_catalogue
from compatcheck.cli import main
from compatcheck.domain import Outcome
from compatcheck.foretold import foretold_failures
from compatcheck.import_needs import BrokenNeed, ImportNeeds, shipped_needs
from compatcheck.import_reader import Need, Tree
from compatcheck.space import Space
from compatcheck.undeclared import Undeclared, shipped_undeclared, undeclared_needs, undeclared_of, written
from compatcheck.unimportable import unimportable

BOFT = Undeclared("peft", ("0.2", "0.3"), "peft/boft.py", "torch.utils.cpp", "setuptools", ("3.11",), ("2.5", "2.6"))
TAKES = "from torch.utils.cpp import load\nfrom torch import nn\n"
BUILDS = "import os\nimport setuptools\nimport torch.version\ntry:\n    import ninja\nexcept ImportError: ...\n"
BROUGHT: Mapping[tuple[str, str], set[str]] = {("3.11", "2.7"): {"setuptools"}, ("3.12", "2.6"): {"setuptools"}}
"""By Python and torch what comes along with it."""


def trees(package: str, releases: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, Tree]]:
    return {package: {release: Tree(package, files.get, ("torch", "peft")) for release, files in releases.items()}}


def locked(python: str, releases: tuple[tuple[str, str], ...]) -> set[str] | None:
    versions = dict(releases)
    if (python, versions["torch"]) == ("3.12", "2.5"):
        return None
    return {*versions, *BROUGHT.get((python, versions["torch"]), set())}


def found(cpp: str = BUILDS, pythons: tuple[str, ...] = ("3.11",), boft: str = TAKES) -> tuple[Undeclared, ...]:
    peft = {"peft/__init__.py": "from . import boft", "peft/boft.py": boft}
    takers = trees("peft", {"0.1": {"peft/__init__.py": "import torch"}, "0.2": peft, "0.3": peft})
    torch = {"torch/__init__.py": "import numpy", "torch/nn.py": "", "torch/utils/cpp.py": cpp}
    others = trees("torch", {"2.4": {"torch/__init__.py": ""}, "2.5": torch, "2.6": torch, "2.7": torch})
    return undeclared_needs(takers, others, {"peft": [("peft", ())]}, pythons, locked)


def test_what_a_module_imports_and_no_lock_brings_along_is_found_with_who_takes_it() -> None:
    assert found() == (BOFT,)


def test_each_python_has_releases_of_its_own_that_lack_it_and_what_has_no_lock_is_not_told() -> None:
    other = replace(BOFT, pythons=("3.12",), lacking=("2.7",))
    assert found(pythons=("3.11", "3.12")) == (BOFT, other)
    assert found(pythons=("3.10", "3.11"))[1:] == (BOFT,)


@pytest.mark.parametrize(
    ("cpp", "boft"),
    [
        (BUILDS.replace("import setuptools", "def later():\n    import setuptools"), TAKES),
        (BUILDS.replace("import setuptools", "import wheel"), TAKES),
        (BUILDS, "try:\n    from torch.utils.cpp import load\nexcept ImportError: ...\n"),
        (BUILDS, "from torch import nn\n"),
    ],
    ids=["imported later", "in no lock by that name", "taken in a try", "not taken"],
)
def test_what_may_not_be_reached_or_is_not_known_by_its_name_is_not_told(cpp: str, boft: str) -> None:
    assert found(cpp, boft=boft) == ()


def test_the_file_gives_back_what_was_found() -> None:
    found = (BOFT, replace(BOFT, pythons=("3.12", "3.13"), lacking=("2.4",)))
    assert undeclared_of(json.loads(written(found))) == found
    assert undeclared_of(json.loads(written(()))) == ()


def test_it_stops_the_cells_of_its_pythons_alone_after_what_python_comes_to_first() -> None:
    versions = (("3.11", "3.12"), ("2.5", "2.7"), ("4.1",), ("0.1", "0.2"))
    space = Space(("python", "torch", "transformers", "peft"), versions, np.ones(8, dtype=np.bool_))
    catalogue = load_catalogue()
    needs = ImportNeeds({}, (), undeclared=(replace(BOFT, file="peft/tuners/boft/layer.py"),))
    told = foretold_failures(space, needs, catalogue)
    assert [space.point(place) for place in told] == [("3.11", "2.5", "4.1", "0.2")]
    (one,) = told.values()
    assert one.unit == (Outcome.FAIL, "import-setuptools-missing")
    assert one.said == (
        "peft 0.2 imports torch.utils.cpp (peft/tuners/boft/layer.py), and that imports setuptools, which torch 2.5 "
        "does not bring along"
    )
    lacks = BrokenNeed("peft", ("0.2",), "peft/a.py", Need("transformers", "Gone", False), ("4.1",))
    first = foretold_failures(space, replace(needs, broken=(lacks,)), catalogue)
    assert len(first) == 4 and all("Gone" in each.said for each in first.values())


def test_what_is_shipped_is_told_of_cells_and_not_of_an_environment_that_may_have_more() -> None:
    shipped = shipped_undeclared()
    assert shipped and set(shipped) <= set(shipped_needs().of_locks)
    for each in shipped:
        read = shipped_needs().read
        assert set(each.releases) <= set(read[each.package]) and set(each.lacking) <= set(read[each.other])
        release, other = each.releases[-1], each.lacking[-1]
        assert unimportable({each.package: release, each.other: other, "transformers": "4.41.2"}) is None


def test_the_command_asks_the_index_and_the_resolver(
    index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    extension = (("torch/extension.py", b"import tokenizers", 0o644),)
    index.publish(
        Release("torch", "7.0.0", further=extension),
        Release("torch", "7.1.0", requires=("tokenizers",), further=extension),
        Release(
            "peft", "7.0.0", requires=("torch",),
            further=(("peft/PeftModel.py", b"from torch.extension import load", 0o644),),
        ),
    )  # fmt: skip
    out, here = tmp_path / "undeclared.json", f"{sys.version_info.major}.{sys.version_info.minor}"
    arguments = ["--by", "peft>=7", "--of", "torch>=7", "--python", here, "3.99"]
    assert main(["catalogue", "undeclared", "--out", str(out), *arguments]) == 0
    assert undeclared_of(json.loads(out.read_text())) == (
        Undeclared("peft", ("7.0.0",), "peft/PeftModel.py", "torch.extension", "tokenizers", (here,), ("7.0.0",)),
    )
    assert "left out: " in capsys.readouterr().err
