"""Ends without a word, brought about by real processes: each is told apart from the others and gets its own advice."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from made_up import observation
from minimatrix import wheels
from minimatrix.releases import cell_with, find, with_fault

from compatcheck.domain import Ending, EndingKind, Limits, Observation, Raised, Scenario, Stage
from compatcheck.explanation import explain, explain_observation
from compatcheck.memory_evidence import oom_kills, room_mib
from compatcheck.runner import Work, observe
from compatcheck.scenario.material import material
from compatcheck.sudden_end import End, SuddenEnd, sudden_end, sudden_end_of

SCENARIO = Scenario()
WORK = Work(SCENARIO, Path(__file__).parent, material(SCENARIO).texts)


@pytest.fixture
def observed(tmp_path: Path):
    """What is observed of a probe over stub packages of which one has a fault."""

    def run(fault: str, **limits: float) -> Observation:
        import venv

        venv.create(tmp_path / "env", with_pip=False, symlinks=True)
        site = next((tmp_path / "env").glob("lib/python3*/site-packages"))
        whole = {"accelerate": "0.3.0", "tokenizers": "0.21.0", **cell_with(with_fault(fault))}
        wheels.install(site, [find(package, version) for package, version in whole.items()])
        given = Limits(**({"stage_seconds": 20, "memory_mib": 400} | limits))
        return observe(tmp_path / "env" / "bin" / "python", WORK, given)

    return run


@pytest.mark.parametrize(
    ("fault", "limits", "end", "advice"),
    [
        ("segfault-in-train", {}, End.CRASH, "look there first"),
        ("illegal-instruction-in-train", {}, End.CRASH, "--require-hashes"),
        ("segfault-in-import", {}, End.IMPORT, "--require-hashes"),
        ("sigkill-in-train", {}, End.KILLED, "dmesg"),
        ("slow-leak-in-train", {"memory_mib": 250}, End.MEMORY, "auto_find_batch_size=True"),
        ("hang-in-train", {"stage_seconds": 1.5}, End.HANG, "py-spy dump"),
    ],
)
def test_a_probe_that_ends_without_a_word(
    observed, fault: str, limits: dict[str, float], end: End, advice: str
) -> None:
    found = sudden_end(observed(fault, **limits))
    assert found is not None and found.end is end
    assert any(advice in each for each in found.advice)
    assert found.evidence
    if end in (End.CRASH, End.HANG):
        assert found.where is not None and any(found.where.function in each for each in found.evidence)


def test_an_observation_is_explained_with_the_advice_of_its_end(observed) -> None:
    found = explain_observation(observed("segfault-in-train"))
    assert found is not None and found.signature is not None and found.end is not None
    assert found.as_json()["end"] == "crash" and "evidence   SIGSEGV in the stage train" in found.as_text()
    assert explain_observation(observation()) is None


def test_a_probe_that_raises_or_passes_did_not_end_without_a_word(observed) -> None:
    assert sudden_end(observed("raise-in-train")) is None
    assert sudden_end(observation()) is None


def killed(curve: list[list[float]], room: float) -> Observation:
    seen = observation(stage=Stage.TRAIN, ending=Ending(EndingKind.SIGNALLED, signal="SIGKILL"))
    return replace(seen, facts={"memory": {"limit_mib": 6144, "room_mib": room, "curve_mib": curve}})


def test_the_curve_of_the_memory_tells_a_kill_for_memory_from_another() -> None:
    rising = [[0.2, 500.0], [0.5, 2000.0], [0.8, 3600.0]]
    for_memory, otherwise = sudden_end(killed(rising, 4000.0)), sudden_end(killed(rising, 60_000.0))
    assert for_memory is not None and for_memory.end is End.MEMORY
    assert "3600 MiB resident at the last look, of 4000 MiB" in for_memory.evidence[0]
    assert otherwise is not None and otherwise.end is End.KILLED


def test_what_the_output_says_of_memory_counts() -> None:
    seen = observation(stage=Stage.TRAIN, ending=Ending(EndingKind.SIGNALLED, signal="SIGABRT"))
    crashed = sudden_end(seen)
    assert crashed is not None and crashed.end is End.CRASH
    found = sudden_end(replace(seen, output_tail="terminate called after throwing an instance of 'std::bad_alloc'"))
    assert found is not None and found.end is End.MEMORY and "bad_alloc" in found.evidence[0]


def test_the_model_that_is_advised_fits_the_machine() -> None:
    def advice(memory_mib: int, room_mib: float = 10.0**6) -> str:
        seen = killed([[0.1, room_mib - 1]], room_mib)
        found = sudden_end(replace(seen, machine=replace(seen.machine, memory_mib=memory_mib)))
        assert found is not None
        return next(each for each in found.advice if "parameter" in each)

    assert "bloom-560m" in advice(8192) and "bloom-1b7" in advice(16_384) and "bloom-7b1" in advice(65_536)
    assert "no BLOOM is small enough" in advice(2048)
    assert "no BLOOM is small enough" in advice(65_536, 2048.0), "a container of 2 GiB on a machine of 64"


# ---------------------------------------------------------------------- as a shell and a log tell them


def shell(code: str, *, limit: str = "true") -> str:
    """What a shell writes of a Python process that runs `code`."""
    command = f'{limit}; "$0" -X faulthandler -c "$1"; echo "exit code $?"'
    done = subprocess.run(
        ["bash", "-c", command, sys.executable, code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=60,
    )  # fmt: skip
    return done.stdout


def account(text: str) -> SuddenEnd:
    found = explain(text).end
    assert found is not None, text
    return found


def test_a_segfault_by_ctypes_names_the_frame() -> None:
    text = shell("import ctypes\ndef touch():\n    ctypes.string_at(0)\ntouch()")
    assert "Segmentation fault" in text
    found = account(text)
    assert found.end is End.CRASH and found.where is not None
    assert found.where.file == "ctypes/__init__.py" and found.where.function == "string_at"
    assert [frame.function for frame in explain(text).diagnosis.exception.frames][:2] == ["<module>", "touch"]  # type: ignore[union-attr]


def test_a_segfault_while_a_package_is_imported(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import ctypes\nctypes.CDLL(None).abort()\n")
    found = account(shell(f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nimport broken"))
    assert found.end is End.IMPORT and found.where is not None and found.where.file.endswith("broken.py")


def test_a_hang_that_faulthandler_shows() -> None:
    code = (
        "import faulthandler, time\nfaulthandler.dump_traceback_later(0.3, exit=True)\n"
        "def stuck():\n    time.sleep(60)\nstuck()"
    )
    found = account(shell(code))
    assert found.end is End.HANG and found.where is not None and found.where.function == "stuck"


def test_memory_that_is_refused_raises_and_is_no_sudden_end() -> None:
    text = shell("x = b'x' * (1 << 33)", limit="ulimit -v 2000000")
    found = explain(text)
    assert found.diagnosis is not None and found.diagnosis.exception is not None
    assert found.diagnosis.exception.type == "MemoryError" and found.end is None


@pytest.mark.parametrize(
    ("line", "end"),
    [
        ("slurmstepd: error: Detected 1 oom_kill event in StepId=1.0.", End.MEMORY),
        ("Out of memory: Killed process 4711 (python) total-vm:9000000kB", End.MEMORY),
        ("terminate called after throwing an instance of 'std::bad_alloc'", End.MEMORY),
        ("bash: line 1: 4711 Killed                  python train.py", End.KILLED),
        ("exitcode: -9 (pid: 4711)", End.KILLED),
        ("Segmentation fault (core dumped)", End.CRASH),
        ("torch.distributed: Signal 11 (SIGSEGV) received by PID 4711", End.CRASH),
        ("Timeout (0:01:00)!", End.HANG),
        ("slurmstepd: error: *** JOB 1 ON n1 CANCELLED AT 2026 DUE TO TIME LIMIT ***", End.HANG),
        ("make: *** [train] Error 1", None),
    ],
)
def test_what_a_line_says(line: str, end: End | None) -> None:
    found = sudden_end_of(Raised("", "", line))
    assert (found.end if found else None) is end


def test_the_kernels_numbers_can_be_read_or_are_nothing() -> None:
    assert oom_kills() >= 0
    assert room_mib() > 10


def test_a_child_that_is_killed_leaves_the_exit_code_that_a_launcher_tells() -> None:
    text = shell("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert f"exit code {128 + signal.SIGKILL}" in text
    found = sudden_end_of(Raised("", "", text.strip().splitlines()[-1]))
    assert found is not None and found.end is End.KILLED
