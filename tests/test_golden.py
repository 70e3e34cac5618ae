"""The whole report of the stub packages, as data, against the one that was read and found right.

`pytest tests/test_golden.py --bless` writes what the report says now into tests/golden; the difference is for reading.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import PYTHON, MakeRun
from test_minimatrix import CACHE_AXES, timeless

from compatcheck.report.document import document
from compatcheck.reporting import context_of

pytestmark = pytest.mark.minimatrix
GOLDEN = Path(__file__).parent / "golden" / "minimatrix.json"


def comparable(found: dict[str, Any]) -> dict[str, Any]:
    """A report without clocks, machine and locks, and with the Python that runs the tests by another name."""
    kept = timeless(found)
    for name in ("platform", "compatcheck"):
        del kept[name]
    del kept["scenario"]["material"]  # told by a test of its own
    for cell in kept["cells"]:
        del cell["lock"]
        cell["reason"] = cell["reason"] is not None  # its words are those of the resolver's version
        for check in cell["checks"]:
            del check["measured"], check["limit"], check["detail"]
    text = json.dumps(kept, indent=1, ensure_ascii=False)
    tag = f"py{PYTHON.replace('.', '')}"
    renamed: dict[str, Any] = json.loads(text.replace(tag, "pyXY").replace(f'"{PYTHON}"', '"X.Y"'))
    return renamed


def of_the_form(found: Any, wanted: Any) -> Any:
    """`found` without the fields that `wanted` has not: a report may come to say more."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        return {name: of_the_form(value, wanted[name]) for name, value in found.items() if name in wanted}
    if isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        return [of_the_form(each, other) for each, other in zip(found, wanted, strict=True)]
    return found


def test_the_report_of_the_stub_packages_is_the_one_that_was_read(
    make_run: MakeRun, request: pytest.FixtureRequest
) -> None:
    run = make_run(CACHE_AXES, jobs=2)
    run.run(run.expand().cells)
    run.learn_requirements()
    found = comparable(document(context_of(run)))
    if request.config.getoption("--bless"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    wanted = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert wanted["cells"] and wanted.keys() <= found.keys()
    for name in wanted:
        assert of_the_form(found[name], wanted[name]) == wanted[name], name
