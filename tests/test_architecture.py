"""The picture of the rooms is true: imports point one way, and the light things stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "compatcheck"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)

FOUNDATION = {"errors", "domain", "parse"}
DATA = FOUNDATION | {"machine", "releases", "matrix", "signatures", "catalogues", "table"}
"""What every stage may use: the vocabulary, and modules that only turn files and answers into it."""
TOP = {"cli", "__main__", "commands", "pytest_plugin", "nox"}
HEAVY = {"torch", "transformers", "peft", "numpy", "rich", "jinja2", "pypi_simple", "requests", "psutil", "tabulate"}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def imported(path: Path) -> set[str]:
    """The modules of compatcheck that `path` imports anywhere, by their first name."""
    found = set()
    here = list(path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = here[: len(here) - (node.level - 1)]
            words = base + (node.module.split(".") if node.module else [])
            found |= {words[0]} if words else {alias.name for alias in node.names}
    return found


def top_level_imports(path: Path) -> set[str]:
    """The foreign packages that importing `path` imports."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_the_foundation_imports_only_itself() -> None:
    foundation = [path for path in MODULES if name_of(path).split(".")[0] in FOUNDATION]
    assert {name_of(path).split(".")[0] for path in foundation} == FOUNDATION
    for path in foundation:
        assert imported(path) <= FOUNDATION, path


def test_the_probe_stands_alone() -> None:
    path = PACKAGE / "probe.py"
    assert imported(path) == set()
    assert top_level_imports(path) <= set(sys.stdlib_module_names)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_imports_what_stands_above_it(path: Path) -> None:
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    uses = imported(path)
    if first not in TOP:
        assert not uses & TOP
    if first == "report":
        assert not uses & {"pipeline", "remembered", "store", "runner", "executor", "environment"}, (
            "renderers see the context"
        )
    if first in {"store", "classify", "signature_fit", "attribution", "rules", "recommend", "bisection"}:
        assert not uses & {"pipeline", "remembered", "runner", "executor", "environment", "report"}, (
            "pure, or the store's edge"
        )


def test_the_rooms_that_touch_the_world_do_not_import_each_other() -> None:
    assert not imported(PACKAGE / "runner.py") & {"store", "pipeline", "environment", "slot", "executor"}
    assert not imported(PACKAGE / "environment.py") & {"store", "pipeline", "runner", "executor", "slot"}
    assert not imported(PACKAGE / "slot.py") & {"store", "pipeline", "runner", "executor"}


def test_no_module_is_named_for_nothing() -> None:
    assert not {path.stem for path in MODULES} & {"utils", "helpers", "manager", "misc"}


def test_importing_compatcheck_imports_nothing_heavy() -> None:
    code = f"import compatcheck, sys; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_help_needs_nothing_heavy() -> None:
    code = (
        "import sys; from compatcheck.cli import built_parser; built_parser().format_help(); "
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
