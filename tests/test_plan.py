"""What a plan says of downloads and disk."""

from __future__ import annotations

import pytest
from conftest import MakeRun
from minimatrix.releases import NEW

from compatcheck import plan
from compatcheck.domain import Architecture, Method
from compatcheck.plan import UNPACKED, built_plan
from compatcheck.variants import Variants

pytestmark = pytest.mark.minimatrix
AXES = {package: (version,) for package, version in NEW.items()}


def test_what_is_unpacked_already_costs_nothing_more(make_run: MakeRun, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    run = make_run(AXES)
    cells = run.expand().cells
    before = built_plan(run, cells)
    assert before.download == sum(wheel.size for wheel in before.wheels) > 0
    assert before.disk == int(before.download * UNPACKED)
    run.run(cells)
    other = make_run({**AXES, "peft": ("0.1.1",)}, store="other")
    after = built_plan(other, other.expand().cells)
    assert {wheel.name for wheel in after.wheels - after.unpacked} == {"peft"}
    assert after.download == next(wheel.size for wheel in after.wheels if wheel.name == "peft")
    assert f"1 of {len(after.wheels)} wheels are not in uv's cache" in "\n".join(after.lines())


def test_where_files_cannot_be_linked_the_copies_are_counted(make_run: MakeRun, monkeypatch) -> None:
    run = make_run({**AXES, "torch": ("2.0.1", "newest")})
    cells = run.expand().cells
    linked = built_plan(run, cells)
    monkeypatch.setattr(plan, "can_link", lambda one, other: False)
    copied = built_plan(run, cells)
    assert linked.copied == 0 and "unpacked once, linked" in "\n".join(linked.lines())
    assert copied.copied > sum(wheel.size for wheel in copied.wheels), "two slots hold the rest twice"
    assert copied.disk == int((copied.download + copied.copied) * UNPACKED)
    assert "copied into the environments" in "\n".join(copied.lines())


def test_several_scenarios_are_counted_and_cost_more_time(make_run: MakeRun) -> None:
    one = make_run(AXES)
    several = make_run(AXES, method=tuple(Method), architecture=(Architecture.BLOOM, Architecture.LLAMA))
    first, second = (built_plan(run, run.expand().cells) for run in (one, several))
    assert (first.scenarios, second.scenarios) == (1, 10) and second.seconds > first.seconds
    assert "scenarios    10 a cell" in "\n".join(second.lines())
    Variants(several).run_all(several.expand().cells)
    after = built_plan(several, several.expand().cells)
    assert (after.to_run, after.cells[0].state) == (0, "known: 10 scenarios")
