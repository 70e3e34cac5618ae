"""The memory of a probe over its whole life: bounded, with every peak."""

from __future__ import annotations

from pathlib import Path

from minimatrix.releases import cell_with, with_fault
from stub_environments import stub_environment

from compatcheck.domain import Limits, MemoryPoint, Observation, Scenario, Stage
from compatcheck.memory_curve import POINTS, MemoryCurve, drawn_curve
from compatcheck.parse import structured, unstructured
from compatcheck.runner import Work, observe
from compatcheck.scenario.material import material


def test_however_long_it_takes_the_points_are_bounded_and_no_peak_is_lost() -> None:
    curve = MemoryCurve()
    for look in range(10_000):
        curve.add(look / 4, 5000.0 if look == 6321 else 100.0 + look / 100, Stage.TRAIN)
    assert POINTS <= len(curve.points) < 2 * POINTS
    assert max(point.mib for point in curve.points) == 5000.0
    times = [point.seconds for point in curve.points]
    assert times == sorted(times) and times[-1] > 2400


def test_a_curve_is_drawn_with_its_peak_and_the_stage() -> None:
    points = [MemoryPoint(0.2, 100.0, Stage.IMPORT), MemoryPoint(0.5, 800.0, Stage.TRAIN), MemoryPoint(0.7, 400.0)]
    assert drawn_curve(points) == "memory     ▂█▅ at most 800 MiB, in train"
    assert drawn_curve([]) == drawn_curve([MemoryPoint(0.1, 0.0)] * 2) == ""


def test_a_probe_keeps_its_curve_with_the_stages(tmp_path: Path) -> None:
    python = stub_environment(tmp_path / "env", cell_with(with_fault("slow-leak-in-train")))
    given = material(Scenario())
    seen = observe(python, Work(Scenario(), given.model, given.texts), Limits(stage_seconds=20, memory_mib=250))
    points = seen.memory_curve
    assert Stage.TRAIN in {point.stage for point in points}
    assert points[0].mib < max(point.mib for point in points) <= seen.peak_rss_mib + 0.1
    assert "in train" in drawn_curve(points)
    assert structured(unstructured(seen), Observation, "test") == seen
    # what was observed before there were curves is read as it was
    older = unstructured(seen)
    del older["memory_curve"]
    assert structured(older, Observation, "test").memory_curve == ()
