"""Forked cells say what cold processes say; where one would not, it is not forked, or found out and taken back."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from conftest import MakeRun
from minimatrix.releases import CHECKS_FAILED, NEW, cell_with, with_fault
from stub_environments import stub_environment
from test_minimatrix import CACHE_AXES, attempts, outcomes

from compatcheck import bench, runner
from compatcheck.domain import EndingKind, Isolation, Limits, Mode, Observation, Outcome, Scenario, Stage
from compatcheck.forks import Parent, Unforkable
from compatcheck.pipeline import Run
from compatcheck.runner import Work, observe
from compatcheck.scenario.material import material
from compatcheck.scratch import scratch

pytestmark = pytest.mark.minimatrix

LIMITS = Limits(stage_seconds=20, memory_mib=400)
SCENARIO = Scenario()
WORK = Work(SCENARIO, Path(__file__).parent, material(SCENARIO).texts)
LAYER = ("torch", "tokenizers", "accelerate", "transformers")


@pytest.fixture
def folder() -> Iterator[Path]:
    with scratch() as made:
        yield made


def parent_in(environment: Path, folder: Path, modules: tuple[str, ...] = LAYER) -> Parent:
    parent = Parent.started(environment, folder)
    parent.load(modules, {"peft"})
    return parent


def forked(tmp_path: Path, folder: Path, fault: str, limits: Limits = LIMITS) -> Observation:
    release = with_fault(fault)
    python = stub_environment(tmp_path / "env", cell_with(release))
    parent = parent_in(python, folder, tuple(name for name in LAYER if name != release.package))
    try:
        return observe(python, WORK, limits, source=parent)
    finally:
        parent.close()


def test_a_forked_cell_tells_what_a_cold_one_tells(tmp_path: Path, folder: Path) -> None:
    python = stub_environment(tmp_path / "env", NEW)
    cold = observe(python, WORK, LIMITS)
    parent = parent_in(python, folder)
    assert set(LAYER) <= set(parent.modules) and "peft" not in parent.modules
    for _ in range(2):
        seen = observe(python, WORK, LIMITS, source=parent)
        assert seen.outcome is Outcome.PASS
        assert seen.imported == cold.imported and seen.facts == cold.facts
        assert [check.measured for check in seen.checks] == [check.measured for check in cold.checks]
    parent.close()


@pytest.mark.parametrize("fault", [*CHECKS_FAILED, "raise-in-train", "raise-in-import", "raise-in-generate-cached"])
def test_what_is_wrong_is_wrong_in_a_fork_too(tmp_path: Path, folder: Path, fault: str) -> None:
    seen = forked(tmp_path, folder, fault)
    cold = observe(tmp_path / "env" / "bin" / "python", WORK, LIMITS)
    assert (seen.outcome, seen.stage, seen.chain) == (cold.outcome, cold.stage, cold.chain)
    assert seen.checks == cold.checks
    assert [seen.mode(mode) for mode in Mode] == [cold.mode(mode) for mode in Mode]


@pytest.mark.parametrize(
    ("fault", "kind", "signal"),
    [
        ("segfault-in-train", EndingKind.SIGNALLED, "SIGSEGV"),
        ("abort-in-train", EndingKind.SIGNALLED, "SIGABRT"),
        ("sigkill-in-train", EndingKind.SIGNALLED, "SIGKILL"),
        ("exit-zero-in-train", EndingKind.EXITED, None),
        ("exit-seven-in-train", EndingKind.EXITED, None),
    ],
)
def test_how_a_fork_dies_is_told(tmp_path: Path, folder: Path, fault: str, kind: EndingKind, signal: str) -> None:
    seen = forked(tmp_path, folder, fault)
    assert (seen.ending.kind, seen.ending.signal) == (kind, signal)
    assert (seen.outcome, seen.stage) == (Outcome.FAIL, Stage.TRAIN)


def test_limits_hold_for_forks(tmp_path: Path, folder: Path) -> None:
    seen = forked(tmp_path, folder, "hang-ignoring-sigterm-in-train", Limits(stage_seconds=1.5, memory_mib=400))
    assert (seen.ending.kind, seen.stage) == (EndingKind.TIMED_OUT, Stage.TRAIN)
    assert "most recent call first" in seen.output_tail


def test_memory_beyond_the_limit_ends_a_fork(tmp_path: Path, folder: Path) -> None:
    seen = forked(tmp_path, folder, "allocate-in-child-in-train", Limits(stage_seconds=30, memory_mib=250))
    assert (seen.ending.kind, seen.stage) == (EndingKind.OUT_OF_MEMORY, Stage.TRAIN)


@pytest.mark.parametrize("fault", ["daemonised-child-in-train", "fork-storm-in-train"])
def test_no_descendant_of_a_fork_is_left_behind(
    tmp_path: Path, folder: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    marked: list[str] = []
    make = runner.probe_environment

    def noted(python: Path, home: Path, mark: str) -> dict[str, str]:
        marked.append(mark)
        return make(python, home, mark)

    monkeypatch.setattr(runner, "probe_environment", noted)
    forked(tmp_path, folder, fault)
    (mark,) = set(marked)
    left = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(runner.MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                left.append(process.pid)
        except psutil.Error:
            continue
    assert left == []


def test_nothing_lives_on_when_the_parent_is_closed(tmp_path: Path, folder: Path) -> None:
    python = stub_environment(tmp_path / "env", NEW)
    parent = parent_in(python, folder)
    copy = parent.split()
    assert parent._process is not None
    family = [parent._process.pid, *(each.pid for each in psutil.Process(parent._process.pid).children())]
    assert len(family) == 2
    copy.close()
    parent.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(psutil.pid_exists(pid) for pid in family):
        time.sleep(0.05)
    assert not any(psutil.pid_exists(pid) for pid in family)


# ---------------------------------------------------------------------- never where a layer differs


def site_of(python: Path) -> Path:
    return next(python.parent.parent.glob("lib/python3*/site-packages"))


def test_a_layer_of_which_one_file_changed_is_not_forked_from(tmp_path: Path, folder: Path) -> None:
    python = stub_environment(tmp_path / "env", NEW)
    parent = parent_in(python, folder)
    assert parent.objections() == []
    module = site_of(python) / "transformers" / "_version.py"
    module.write_text(module.read_text() + "# the same meaning, another file\n")
    assert parent.objections() == [str(module)]
    parent.close()


def test_what_imports_asked_about_the_environment_must_have_the_same_answer(tmp_path: Path, folder: Path) -> None:
    python = stub_environment(tmp_path / "env", NEW)
    site = site_of(python)
    (site / "asking.py").write_text(
        "import importlib.metadata, importlib.util\n"
        "there = importlib.util.find_spec('optional') is not None\n"
        "kept = importlib.metadata.version('tokenizers')\n"
        "importlib.metadata.version('peft')\n"
        "try:\n    importlib.metadata.version('absent')\nexcept importlib.metadata.PackageNotFoundError:\n    pass\n"
    )
    parent = parent_in(python, folder, ("asking",))
    assert parent.objections() == []

    def renamed(package: str, version: str) -> None:
        (info,) = site.glob(f"{package}-*.dist-info")
        before = info.name.removesuffix(".dist-info").partition("-")[2]
        text = (info / "METADATA").read_text()
        fresh = info.rename(info.with_name(f"{package}-{version}.dist-info"))
        assert f"\nVersion: {before}\n" in text
        (fresh / "METADATA").write_text(text.replace(f"\nVersion: {before}\n", f"\nVersion: {version}\n"))

    renamed("peft", "9.9.9")
    assert parent.objections() == [], "it was told which peft there is, and has not kept it"
    renamed("tokenizers", "9.9.9")
    assert parent.objections() == ["the version of tokenizers"]
    (site / "optional.py").write_text("")
    assert "whether there is a module optional" in parent.objections()
    (site / "absent-1.0.dist-info").mkdir()
    (site / "absent-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: absent\nVersion: 1.0\n")
    assert "the version of absent" in parent.objections()
    parent.close()


def test_a_module_that_imports_an_upper_layer_is_left_to_the_cells(tmp_path: Path, folder: Path) -> None:
    python = stub_environment(tmp_path / "env", NEW)
    site = site_of(python)
    (site / "above.py").write_text("def later():\n    import peft\n")
    (site / "across.py").write_text("try:\n    import peft\nexcept ImportError:\n    pass\n")
    (site / "around.py").write_text("import across\n")
    (site / "hidden.py").write_text("import importlib\ntry:\n    importlib.import_module('peft')\nexcept:\n    pass\n")
    parent = parent_in(python, folder, ("above", "across", "around"))
    assert "above" in parent.modules
    assert not {"across", "around", "peft"} & set(parent.modules)
    with pytest.raises(Unforkable, match="hidden hid that it wanted something of an upper layer"):
        parent.load(["hidden"], {"peft"})
    parent.close()


def test_a_process_with_threads_is_not_forked(tmp_path: Path, folder: Path) -> None:
    python = stub_environment(tmp_path / "env", NEW)
    (site_of(python) / "threaded.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(30,), daemon=True).start()\n"
    )
    parent = Parent.started(python, folder)
    with pytest.raises(Unforkable, match="2 threads are alive"):
        parent.load(["threaded"], ())
    with pytest.raises(Unforkable, match="2 threads are alive"):
        parent.split()
    parent.close()


def test_what_the_layers_wrote_while_they_were_imported_is_in_every_forks_output(tmp_path: Path, folder: Path) -> None:
    release = with_fault("raise-in-train")
    python = stub_environment(tmp_path / "env", cell_with(release))
    (site_of(python) / "chatty.py").write_text("import sys\nprint('a warning of the layer', file=sys.stderr)\n")
    parent = parent_in(python, folder, ("chatty",))
    assert "a warning of the layer" in observe(python, WORK, LIMITS, source=parent).output_tail
    parent.close()


# ---------------------------------------------------------------------- the whole way


def test_a_matrix_comes_out_the_same_by_forks_and_by_processes(make_run: MakeRun) -> None:
    cold, forks = make_run(CACHE_AXES), make_run(CACHE_AXES, store="forks", jobs=2)
    forks.isolation, forks.audit_share = Isolation.FORK, 0.0
    cold.run(cold.expand().cells)
    forks.run(forks.expand().cells)
    assert outcomes(cold) == outcomes(forks)
    observed = [result.observation for result in forks.results() if result.observation]
    by_fork = [each for each in observed if each.facts.get("isolation") == "fork"]
    assert forks.bench is not None and forks.bench.forking is not None
    assert forks.bench.audit.disagreements == [] and forks.bench.forking.off == {}
    # one kind of failure, of which the first was made again by a process of its own
    assert len(by_fork) == len(observed) - 1 and forks.bench.audit.compared == 1


def test_a_fork_that_says_something_else_is_found_out_and_taken_back(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    axes = {"torch": ("newest",), "transformers": ("newest",), "peft": ("0.1.0", "0.1.1", "0.4.0", "newest")}
    run = make_run(axes)
    run.isolation, run.audit_share = Isolation.FORK, 0.0
    honest = bench.observe
    forks = 0

    def lying(*arguments: object) -> Observation:
        """The third fork does not see what the cell does."""
        nonlocal forks
        seen = honest(*arguments)  # type: ignore[arg-type]
        if arguments[-1] is not None:
            forks += 1
            if forks == 3:
                stages = tuple(
                    dataclasses.replace(each, status="failed") if each.stage is Stage.LOAD else each
                    for each in seen.stages[:2]
                )
                return dataclasses.replace(seen, stages=stages)
        return seen

    monkeypatch.setattr(bench, "observe", lying)
    cells = run.expand().cells
    results = run.run(cells)
    assert run.bench is not None and run.bench.forking is not None
    assert len(run.bench.audit.disagreements) == 1 and len(run.bench.forking.off) == 1
    assert any("not forked from the layer" in line for line in run.bench.lines())
    assert not any(each.observation and "isolation" in each.observation.facts for each in results.values())
    plain = make_run(axes, store="plain")
    plain.run(plain.expand().cells)
    assert outcomes(run) == outcomes(plain)
    assert sorted(attempts(tmp_path / "store.sqlite3")) == sorted(attempts(tmp_path / "plain.sqlite3"))


def test_a_single_cell_is_not_worth_a_fork(make_run: MakeRun) -> None:
    run: Run = make_run({package: (version,) for package, version in NEW.items()})
    run.isolation = Isolation.FORK
    (result,) = run.run(run.expand().cells).values()
    assert result.outcome is Outcome.PASS and run.bench is not None and run.bench.audit.forked == 0


def test_no_zygote_outlives_a_run(make_run: MakeRun) -> None:
    run = make_run({**{package: (version,) for package, version in NEW.items()}, "peft": ("0.1.1", "newest")})
    run.isolation = Isolation.FORK
    others = set(psutil.Process(os.getpid()).children(recursive=True))
    run.run(run.expand().cells)
    assert run.bench is not None and run.bench.audit.forked == 2
    assert set(psutil.Process(os.getpid()).children(recursive=True)) - others == set()
