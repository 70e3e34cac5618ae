"""The runner: whatever a probe does, it ends within its limits and is recorded as what it was."""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from minimatrix import wheels
from minimatrix.releases import CHECKS_FAILED, NEW, cell_with, find, with_fault

from compatcheck import probe_disk, runner
from compatcheck.domain import PROBE_STAGES, EndingKind, Limits, Mode, Observation, Outcome, Scenario, Stage
from compatcheck.errors import DiskFull, MachineError
from compatcheck.parse import unstructured
from compatcheck.probe_disk import ProbeDisk
from compatcheck.runner import Stopped, Work, observe, probe_environment
from compatcheck.scenario.material import material
from compatcheck.traceback_text import INSTALLED

LIMITS = Limits(stage_seconds=20, memory_mib=400)
SCENARIO = Scenario()
WORK = Work(SCENARIO, Path(__file__).parent, material(SCENARIO).texts)


@pytest.fixture
def python(tmp_path: Path):
    """An interpreter with the given stub versions and nothing else."""

    def made(versions: dict[str, str]) -> Path:
        environment = tmp_path / f"env{len(list(tmp_path.iterdir()))}"
        import venv

        venv.create(environment, with_pip=False, symlinks=True)
        site = next(environment.glob("lib/python3*/site-packages"))
        whole = {"accelerate": "0.3.0", "tokenizers": "0.21.0", **versions}
        wheels.install(site, [find(package, version) for package, version in whole.items()])
        return environment / "bin" / "python"

    made.folder = tmp_path
    return made


def observed(python, fault: str, limits: Limits = LIMITS) -> Observation:
    return observe(python(cell_with(with_fault(fault))), WORK, limits)


def test_a_good_cell_passes_and_tells_everything(python) -> None:
    heard: list[str] = []
    seen = observe(python(NEW), WORK, LIMITS, lambda event, fields: heard.append(event))
    assert seen.outcome is Outcome.PASS and seen.stage is None
    assert [str(record.stage) for record in seen.stages] == [
        "import", "load", "tokenize", "train", "save", "reload", "generate", "verify",
    ]  # fmt: skip
    assert seen.imported["torch"] == NEW["torch"] and seen.imported["peft"] == NEW["peft"]
    assert seen.mode(Mode.CACHED) == seen.mode(Mode.UNCACHED) == "pass"
    assert seen.facts["base_generates_rightly"] is True
    assert 0 < seen.seconds < 20 and seen.peak_rss_mib > 1
    assert all(record.peak_rss_mib for record in seen.stages)
    assert heard[0] == "began" and heard[-1] == "done"


@pytest.mark.parametrize("stage", ["import", "load", "tokenize", "train", "save", "reload", "generate", "verify"])
def test_what_raises_fails_in_its_stage(python, stage: str) -> None:
    seen = observed(python, f"raise-in-{stage}")
    assert (seen.outcome, str(seen.stage)) == (Outcome.FAIL, stage)
    assert seen.chain[-1].type == "RuntimeError"
    assert seen.chain[-1].frames[0].file == "probe.py"


@pytest.mark.parametrize("fault", CHECKS_FAILED)
def test_every_check_finds_the_fault_it_is_there_for(python, fault: str) -> None:
    seen = observed(python, fault)
    assert {check.name for check in seen.checks if not check.passed} == CHECKS_FAILED[fault]
    assert seen.outcome is (Outcome.PASS if fault == "uncached-wrong" else Outcome.WRONG)
    assert seen.caveat is (Mode.UNCACHED if fault == "uncached-wrong" else None)


def test_a_mode_that_works_where_the_default_fails_is_a_workaround(python) -> None:
    seen = observed(python, "raise-in-generate-cached")
    assert (seen.outcome, seen.stage) == (Outcome.FAIL, Stage.GENERATE)
    assert (seen.mode(Mode.CACHED), seen.mode(Mode.UNCACHED), seen.workaround) == ("fail", "pass", Mode.UNCACHED)


def test_a_mode_that_fails_where_the_default_works_is_a_caveat(python) -> None:
    seen = observed(python, "raise-in-generate-uncached")
    assert (seen.outcome, seen.caveat) == (Outcome.PASS, Mode.UNCACHED)
    assert next(mode for mode in seen.modes if mode.mode is Mode.UNCACHED).chain[-1].type == "RuntimeError"


@pytest.mark.parametrize(
    ("fault", "kind", "signal"),
    [
        ("segfault-in-train", EndingKind.SIGNALLED, "SIGSEGV"),
        ("abort-in-train", EndingKind.SIGNALLED, "SIGABRT"),
        ("illegal-instruction-in-train", EndingKind.SIGNALLED, "SIGILL"),
        ("sigkill-in-train", EndingKind.SIGNALLED, "SIGKILL"),
        ("exit-zero-in-train", EndingKind.EXITED, None),
        ("exit-seven-in-train", EndingKind.EXITED, None),
        ("closes-pipes-in-train", EndingKind.EXITED, None),
    ],
)
def test_how_a_process_dies_is_told(python, fault: str, kind: EndingKind, signal: str | None) -> None:
    seen = observed(python, fault)
    assert (seen.ending.kind, seen.ending.signal) == (kind, signal)
    assert (seen.outcome, seen.stage) == (Outcome.FAIL, Stage.TRAIN)


def test_a_native_crash_shows_its_stack(python) -> None:
    assert "Fatal Python error: Segmentation fault" in observed(python, "segfault-in-train").output_tail


@pytest.mark.parametrize(
    "fault",
    [
        *(f"hang-in-{stage}" for stage in PROBE_STAGES),
        "hang-ignoring-sigterm-in-train",
        "spin-in-train",
    ],
)
def test_a_hang_is_ended_at_the_limit_and_shows_where(python, fault: str) -> None:
    began = time.monotonic()
    seen = observed(python, fault, Limits(stage_seconds=1.5, memory_mib=400))
    assert time.monotonic() - began < 12
    stage = fault.rpartition("-in-")[2]
    assert (seen.ending.kind, str(seen.stage)) == (EndingKind.TIMED_OUT, stage)
    assert f"in {stage}" in seen.ending.detail
    assert "most recent call first" in seen.output_tail


@pytest.mark.parametrize("fault", ["allocate-memory-in-train", "slow-leak-in-train", "allocate-in-child-in-train"])
def test_memory_beyond_the_limit_ends_the_probe(python, fault: str) -> None:
    seen = observed(python, fault, Limits(stage_seconds=30, memory_mib=250))
    assert (seen.ending.kind, seen.stage) == (EndingKind.OUT_OF_MEMORY, Stage.TRAIN)
    assert seen.peak_rss_mib > 250


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_flood_on_a_stream_is_drained_and_cut(python, stream: str) -> None:
    seen = observed(python, f"flood-{stream}-in-train")
    assert seen.outcome is Outcome.PASS
    assert len(seen.output_tail) < 100_000


@pytest.mark.parametrize("fault", ["flood-protocol-in-train", "flood-protocol-lines-in-train"])
def test_a_flood_on_the_protocol_ends_the_probe(python, fault: str) -> None:
    seen = observed(python, fault)
    assert (seen.ending.kind, seen.outcome) == (EndingKind.FLOODED, Outcome.FAIL)


@pytest.mark.parametrize("fault", ["garbage-protocol-in-train", "torn-protocol-in-train"])
def test_broken_protocol_lines_are_counted_and_not_believed(python, fault: str) -> None:
    seen = observed(python, fault)
    assert seen.facts["broken_protocol_lines"] >= 1
    assert seen.outcome is (Outcome.PASS if fault.startswith("garbage") else Outcome.FAIL)


CHILDREN = ["daemonised-child-in-train", "unmarked-daemon-in-train", "fork-storm-in-train", "endless-storm-in-train"]


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the processes that the probe's packages noted as their children, read before the folder goes."""
    pids: list[int] = []
    size = probe_disk.size_mib

    def read(folder: Path) -> float:
        with suppress(OSError):
            pids.extend(map(int, (folder / "home" / "children").read_text().split()))
        return size(folder)

    monkeypatch.setattr(probe_disk, "size_mib", read)
    told = ProbeDisk.told
    monkeypatch.setattr(
        ProbeDisk, "told", lambda disk, ending, stages: (read(disk.folder), told(disk, ending, stages))[1]
    )
    return pids


@pytest.mark.parametrize("fault", CHILDREN)
def test_no_descendant_is_left_behind(python, fault: str, noted: list[int]) -> None:
    before = {process.pid for process in psutil.process_iter()}
    seen = observed(python, fault)
    assert seen.outcome is Outcome.PASS
    assert noted, "the children were there"
    assert [pid for pid in noted if psutil.pid_exists(pid)] == []
    young = [each for each in psutil.process_iter() if each.pid not in before and _of(each, python.folder)]
    assert young == []


def _of(process: psutil.Process, folder: Path) -> bool:
    """Whether a process has to do with this test: an interpreter of its environments, or a child of this process."""
    try:
        return str(folder) in " ".join(process.cmdline()) or process.ppid() == os.getpid()
    except psutil.Error:
        return False


def test_a_probe_whose_keeper_is_killed_ends_with_it(python) -> None:
    """And so do children that carry the mark."""
    seen: list[Observation] = []
    interpreter = python(cell_with(with_fault("hang-in-train")))
    running = threading.Thread(target=lambda: seen.append(observe(interpreter, WORK, LIMITS)))
    running.start()
    keepers: list[psutil.Process] = []
    deadline = time.monotonic() + 20
    while not keepers and time.monotonic() < deadline:
        keepers = [
            each for each in psutil.Process().children() if each.children() and "keeper.py" in str(each.cmdline())
        ]
        time.sleep(0.05)
    (keeper,) = keepers
    (probe,) = keeper.children()
    keeper.kill()
    running.join(20)
    assert seen[0].ending.signal == "SIGKILL" and seen[0].outcome is Outcome.FAIL
    assert not probe.is_running() or probe.status() == psutil.STATUS_ZOMBIE


def test_a_probe_that_cannot_be_started_is_the_machines_fault(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="the probe could not be started"):
        observe(tmp_path / "bin" / "python", WORK, LIMITS)


@pytest.mark.parametrize("fault", ["lies-and-dies-in-train", "lies-and-leaves-in-train"])
def test_a_forged_pass_is_none_where_the_process_died_or_left_early(python, fault: str) -> None:
    seen = observed(python, fault)
    assert seen.outcome is Outcome.FAIL
    assert seen.ending.kind in (EndingKind.SIGNALLED, EndingKind.EXITED)


@pytest.mark.parametrize("fault", ["lies-in-numbers-in-train", "enormous-line-in-train", "deletes-work-in-train"])
def test_nonsense_in_between_does_no_harm(python, fault: str) -> None:
    seen = observed(python, fault)
    if fault.startswith("deletes"):
        assert seen.ending.kind in (EndingKind.COMPLETED, EndingKind.EXITED)
    else:
        assert seen.outcome is Outcome.PASS and seen.facts["broken_protocol_lines"] >= 1
    assert len(json.dumps(unstructured(seen), allow_nan=False)) < 200_000


def test_what_a_probe_writes_is_bounded(python, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_disk, "DISK_MIB", 96)
    seen = observed(python, "fills-disk-in-train")
    assert (seen.ending.kind, seen.stage) == (EndingKind.FLOODED, Stage.TRAIN)
    assert "MiB to the disk; 96 MiB is the limit" in seen.ending.detail


def test_a_probe_that_fills_the_disk_between_two_looks_is_told_all_the_same(
    python, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe_disk, "DISK_MIB", 0.5)
    monkeypatch.setattr(runner, "SAMPLE_SECONDS", 1e9)
    interpreter = raising(python, "OSError: [Errno 28] No space left on device")
    site = next(interpreter.parent.parent.glob("lib/python3*/site-packages"))
    with (site / "peft" / "_fault.py").open("a") as file:
        file.write("with open('filling', 'wb') as file:\n    file.write(bytes(2**20))\n")
    seen = observe(interpreter, WORK, LIMITS)
    assert (seen.ending.kind, seen.outcome) == (EndingKind.FLOODED, Outcome.FAIL)
    assert "it wrote 1 MiB to the disk" in seen.ending.detail


@pytest.mark.parametrize("free", [1000.0, 0.02])
def test_a_disk_that_others_have_filled_is_the_machines_fault(
    python, monkeypatch: pytest.MonkeyPatch, free: float
) -> None:
    monkeypatch.setattr(probe_disk, "free_mib", lambda folder: free)
    with pytest.raises(DiskFull, match="the disk is full"):
        observe(raising(python, "OSError: [Errno 28] No space left on device"), WORK, LIMITS)


def raising(python, message: str) -> Path:
    """An interpreter whose peft raises this in train."""
    interpreter = python({**NEW, "peft": "0.2.0"})
    site = next(interpreter.parent.parent.glob("lib/python3*/site-packages"))
    (site / "peft" / "_fault.py").write_text(f"FAULT = 'raise-in-train'\nWHEN = ''\nMESSAGE = {message!r}\n")
    return interpreter


def test_secrets_in_exceptions_are_masked(python) -> None:
    said = "RuntimeError: https://me:pl4nted@host/x?token=pl4nted hf_pl4ntedpl4ntedpl4nted Bearer pl4ntedpl4nted"
    seen = observe(raising(python, said), WORK, LIMITS)
    assert seen.chain[-1].type == "RuntimeError" and "https://***@host" in seen.chain[-1].message
    assert "pl4nted" not in json.dumps(unstructured(seen))


def test_a_run_that_is_stopped_ends_the_probe_and_records_nothing(python) -> None:
    stop = threading.Event()
    threading.Timer(1.0, stop.set).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        observe(python(cell_with(with_fault("hang-in-train"))), WORK, LIMITS, stop=stop)
    assert time.monotonic() - began < 10


def test_nothing_of_the_environment_but_an_allow_list_reaches_the_probe(
    python, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_TOKEN", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "AWS_SECRET_ACCESS_KEY", "LD_PRELOAD_PLANTED"):
        monkeypatch.setenv(name, "planted")
    seen = probe_environment(Path("/x/bin/python"), Path("/home"), "m")
    assert "planted" not in str(seen)
    assert seen["HF_HUB_OFFLINE"] == "1" and seen["CUDA_VISIBLE_DEVICES"] == ""
    assert set(seen) & set(os.environ) <= {"PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TERM"}


def test_the_probes_own_folder_does_not_shadow_packages(python) -> None:
    """compatcheck has modules named like others' (parse, report, store); the probe must not see them."""
    interpreter = python(NEW)
    site = next(interpreter.parent.parent.glob("lib/python3*/site-packages"))
    (site / "peft" / "extra.py").write_text("")
    text = (site / "peft" / "__init__.py").read_text()
    (site / "peft" / "__init__.py").write_text(
        text + "\ntry:\n    import matrix\nexcept ImportError:\n    pass\nelse:\n    raise RuntimeError('shadowed')\n"
    )
    assert observe(interpreter, WORK, LIMITS).outcome is Outcome.PASS


def test_paths_of_this_machine_are_cut_where_they_begin() -> None:
    cut = INSTALLED.sub
    assert cut(r"\1", 'File "/opt/e/lib/python3.11/site-packages/peft/x.py"') == 'File "site-packages/peft/x.py"'
    assert cut(r"\1", "in (/usr/lib/python3.11/os.py)") == "in (lib/python3.11/os.py)"
    assert cut(r"\1", "file:///opt/dist-packages/a.py and /tmp/other") == "file://dist-packages/a.py and /tmp/other"
