"""What an import is sure to take of other packages, read from small packages made up here."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from compatcheck.import_reader import Need, Taken, Tree, imports_of

INSTALLED = ("base", "top")


def tree(files: Mapping[str, str], package: str = "top") -> Tree:
    return Tree(package, files.get, INSTALLED)


def taken(text: str, **more: str) -> list[Taken]:
    files = {"top/__init__.py": text} | {f"top/{name}.py": each for name, each in more.items()}
    return tree(files).taken([("top", ())])


def names(text: str, **more: str) -> list[str]:
    return [each.need.name for each in taken(text, **more)]


def test_what_stands_at_the_top_of_a_module_is_taken_in_its_order() -> None:
    found = taken(
        "from base import One\nfrom . import inner\nfrom base.deep import Two as Other\n", inner="import base"
    )
    assert found == [
        Taken(Need("base", "One", False), "top/__init__.py"),
        Taken(Need("base", "", False), "top/inner.py"),
        Taken(Need("base.deep", "Two", False), "top/__init__.py"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    from base import Name\nexcept ImportError:\n    pass\n",
        "if unknown():\n    from base import Name\n",
        "if is_other_available():\n    from base import Name\n",
        "if is_base_available('2.0'):\n    from base import Name\n",
        "if not is_base_available():\n    from base import Name\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from base import Name\n",
        "def later():\n    from base import Name\n",
        "raise ImportError\nfrom base import Name\n",
        "import base\nx = lambda: base.Name\n",
        "import base\nx = base.Other if hasattr(base, 'Other') else base.Name\n".replace("base.Other if", "1 if"),
        "import base\nx = ready and base.Name\n",
        "from __future__ import annotations\nimport base\ndef f(x: base.Name): ...\n",
        "import base\nbase.Name = 1\n",
    ],
)
def test_what_may_not_be_reached_is_no_need(text: str) -> None:
    assert "Name" not in names(text)


@pytest.mark.parametrize(
    "text",
    [
        "if is_base_available():\n    from base import Name\n",
        "if is_base_available() and not TYPE_CHECKING:\n    from base import Name\n",
        "if TYPE_CHECKING:\n    pass\nelse:\n    from base import Name\n",
        "import base\nx = [base.Name]\n",
        "import base as other\nclass A(other.Name):\n    pass\n",
        "import base\nclass A:\n    x: int = base.Name\n",
        "import base\ndef f(x=base.Name): ...\n",
        "import base\n@base.Name\ndef f(): ...\n",
        "import base\ndef f(x: base.Name): ...\n",
    ],
)
def test_what_is_sure_to_be_reached_is_a_need(text: str) -> None:
    assert "Name" in names(text)


def test_a_package_that_imports_when_it_is_asked_is_followed_for_the_names_that_are_wanted() -> None:
    files = {
        "top/__init__.py": "if TYPE_CHECKING:\n    from .one import One\n    from .models import *\n",
        "top/one.py": "from base import A\nfrom . import two\n",
        "top/two.py": "from base import B\n",
        "top/three.py": "from base import C\n",
        "top/models/__init__.py": "if TYPE_CHECKING:\n    from .bloom import *\n",
        "top/models/bloom.py": "from base import D\nclass Bloom: ...\n",
    }
    assert [each.need.name for each in tree(files).taken([("top", ("One",))])] == ["A", "B"]
    assert [each.need.name for each in tree(files).taken([("top", ("Bloom",))])] == ["D"]
    assert [each.need.name for each in tree(files).taken([("top", ("three",))])] == ["C"]


def test_a_release_has_what_it_defines_passes_on_lists_or_has_as_a_module() -> None:
    files = {
        "base/__init__.py": "from .deep import *\ntry:\n    from .a import Maybe\nexcept ValueError: ...\nValue = 1\n",
        "base/deep.py": "class Deep: ...\n",
        "base/stubs.pyi": "Stubbed: int\n",
    }
    base = tree(files, "base")
    assert all(base.has(Need("base", name, False)) for name in ("Deep", "Maybe", "Value", "deep", "stubs", ""))
    assert base.has(Need("base.stubs", "Stubbed", True))
    assert not base.has(Need("base", "Gone", False))
    assert not base.has(Need("base.gone", "", False))


def test_of_a_script_the_imports_of_some_packages_are_told() -> None:
    script = "def run():\n    import base\n    from top.deep import A, B\n    import json\n"
    assert imports_of(script, INSTALLED) == {"base": [("base", ())], "top": [("top.deep", ("A", "B"))]}
