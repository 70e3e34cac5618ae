"""The stubs of the minimatrix under the real probe: a good release passes, a fault shows as what it is.

No resolver and no runner: the wheels are unpacked, the probe is started, its events are read from a file.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil
import pytest
from minimatrix import releases, wheels
from minimatrix.wheels import Release

from compatcheck import probe
from compatcheck.domain import Scenario

PROBE = Path(probe.__file__)
CELL = [releases.find(*each) for each in {**releases.NEW, "tokenizers": "0.21.0", "accelerate": "0.3.0"}.items()]
START = """
import runpy, sys
del sys.argv[0]
sys.path.insert(0, {!r})
runpy.run_path(sys.argv[0], run_name="__main__")
"""
TEXTS = [
    f"number {number} of the short texts that the toy model learns, and {number * number} is its square"
    for number in range(16)
]
SEGFAULT, ABORT, ILLEGAL = -signal.SIGSEGV, -signal.SIGABRT, -signal.SIGILL


@dataclass
class Run:
    """What a probe did."""

    code: int | None
    """Exit code; None where it had to be killed."""
    lines: list[str]
    output: str
    peak_mib: float
    work: Path
    pid: int

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        return [event for line in self.lines if isinstance(event := parsed(line), dict)]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event.get("event") == kind]

    @property
    def began(self) -> list[str]:
        return [event["stage"] for event in self.of("stage-began") if "stage" in event]

    @property
    def statuses(self) -> dict[str, str]:
        return {event["stage"]: event["status"] for event in self.of("stage-ended")}

    @property
    def failed_checks(self) -> set[str]:
        return {event["name"] for event in self.of("check") if not event.get("passed", True)}

    @property
    def modes(self) -> dict[str, str]:
        return {event["mode"]: event["status"] for event in self.of("mode")}

    @property
    def children(self) -> list[int]:
        path = self.work / "children"
        return [int(line) for line in path.read_text().split()] if path.exists() else []


def parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


Enough = Callable[[list[str], float], bool]


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """A function that runs the probe in a cell of stub releases; all that it started is ended afterwards."""
    started: list[Run] = []

    def run_cell(*wanted: Release, enough: Enough | None = None, **scenario: Any) -> Run:
        chosen = {each.package: each for each in (*CELL, *wanted)}
        site, work = tmp_path / "site-packages", tmp_path / "work"
        wheels.install(site, chosen.values())
        work.mkdir()
        result = probed(site, work, enough, scenario)
        started.append(result)
        return result

    yield run_cell
    for each in started:
        for child in each.children:
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                pass


def probed(site: Path, work: Path, enough: Enough | None, scenario: dict[str, Any]) -> Run:
    request, events, output = work / "request.json", work / "events", work / "output"
    with events.open("wb") as sink, output.open("wb") as noise:
        settings = {
            "events_fd": sink.fileno(),
            "model": str(work),
            "texts": TEXTS,
            "work": str(work),
            "scenario": asdict(Scenario(**scenario)),
        }
        request.write_text(json.dumps(settings))
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", START.format(str(site)), str(PROBE), str(request)],
            stdin=subprocess.DEVNULL,
            stdout=noise,
            stderr=noise,
            cwd=work,
            pass_fds=[sink.fileno()],
            start_new_session=True,
        )
        try:
            code, peak = watched(process, events, enough)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
    lines = events.read_text("utf-8", errors="replace").splitlines()
    written = output.read_text("utf-8", errors="replace")
    for path in (events, output):
        path.unlink()  # floods are large
    return Run(code, lines, written, peak, work, process.pid)


def watched(process: subprocess.Popen[bytes], events: Path, enough: Enough | None) -> tuple[int | None, float]:
    """The exit code (None where `enough` was seen before the end) and the highest memory of the tree, MiB."""
    watch, peak, deadline = psutil.Process(process.pid), 0.0, time.monotonic() + 20
    while process.poll() is None:
        assert time.monotonic() < deadline, "the probe neither ended nor came to what the test waits for"
        try:
            tree = [watch, *watch.children(recursive=True)]
            peak = max(peak, sum(each.memory_info().rss for each in tree) / 2**20)
        except psutil.NoSuchProcess:
            pass
        if enough is not None and enough(events.read_text("utf-8", errors="replace").splitlines(), peak):
            return None, peak
        time.sleep(0.01)
    return process.returncode, peak


def in_stage(stage: str) -> Enough:
    return lambda lines, _: any(f'"stage": "{stage}", "event": "stage-began"' in line for line in lines)


def of_family(family: tuple[Release, ...], *deeds: str) -> list[Any]:
    chosen = [each for each in family if not deeds or each.deed in deeds]
    assert chosen
    return [pytest.param(each, id=f"{each.package}-{each.fault}") for each in chosen]


def passes(result: Run) -> bool:
    return (
        result.code == 0
        and list(result.statuses.values()) == ["ok"] * 8
        and not result.failed_checks
        and len({event["name"] for event in result.of("check") if "name" in event}) == 6
        and result.of("done") != []
    )


def test_the_good_cell_passes_and_is_fast(run: Any) -> None:
    began = time.process_time()
    result = run()
    assert passes(result), result.lines
    losses = next(event["facts"]["losses"] for event in result.of("facts") if "losses" in event["facts"])
    assert len(losses) == 12 and losses[-1] < losses[0]
    assert result.modes == {"cached": "ok", "uncached": "ok"}
    assert sum(event["seconds"] for event in result.of("stage-ended")) < 1.5, "the stubs must stay fast"
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "release", [pytest.param(each, id=each.requirement) for each in releases.GOOD if not each.fault]
)
def test_every_good_release_passes(run: Any, release: Release) -> None:
    result = run(release)
    assert passes(result), result.output
    assert result.of("imported")[0]["versions"][release.package] == release.version


def test_other_scenarios_pass_too(run: Any) -> None:
    assert passes(run(init="text", virtual_tokens=3, epochs=2, batch_size=3, new_tokens=5, seed=1))


@pytest.mark.parametrize("release", of_family(releases.RAISING, "raise"))
def test_a_release_that_raises_fails_in_its_stage(run: Any, release: Release) -> None:
    result = run(release)
    stage = release.stage
    assert result.code == 0 and result.of("done")
    if stage == "generate-uncached":
        assert result.modes == {"cached": "ok", "uncached": "failed"}
        assert set(result.statuses.values()) == {"ok"} and not result.failed_checks
        return
    failed = next(event for event in result.of("stage-ended") if event["status"] == "failed")
    assert failed["stage"] == stage.partition("-cached")[0]
    raised = failed["chain"][-1]
    assert (raised["type"], raised["message"]) == ("RuntimeError", "the stub raises, as it was built to")
    assert raised["frames"][-1]["file"] == f"{release.package}/_deeds.py"
    if stage == "generate-cached":
        assert result.modes == {"cached": "failed", "uncached": "ok"}
        assert not result.failed_checks and "verify" in result.statuses, "the other mode is still verified"
    else:
        assert list(result.statuses)[-1] == failed["stage"], "nothing runs after the failure"


def test_sys_exit_fails_the_stage(run: Any) -> None:
    result = run(releases.with_fault("sys-exit-in-train"))
    assert result.statuses["train"] == "failed" and result.of("stage-ended")[-1]["chain"][-1]["type"] == "SystemExit"


@pytest.mark.parametrize("release", of_family(releases.WRONG))
def test_a_wrong_release_fails_exactly_the_checks_meant_for_it(run: Any, release: Release) -> None:
    result = run(release)
    assert set(result.statuses.values()) == {"ok"} and len(result.statuses) == 8
    assert result.failed_checks == releases.CHECKS_FAILED[release.fault], result.of("check")


def test_every_check_is_seen_to_fail() -> None:
    planted = {name for release in releases.WRONG for name in releases.CHECKS_FAILED[release.fault]}
    assert planted == {
        "loss-fell",
        "only-prompt-changed",
        "reload-equals-save",
        "prompt-has-effect",
        "cached-equals-reference",
        "uncached-equals-reference",
    }


def test_a_fault_between_two_packages_shows_only_where_both_are_there(run: Any) -> None:
    result = run(releases.find("peft", "0.1.0"))
    assert result.modes == {"cached": "failed", "uncached": "ok"}
    raised = next(event["chain"][-1] for event in result.of("stage-ended") if event["status"] == "failed")
    kind, _, text = releases.CACHE_MESSAGE.partition(": ")
    assert raised["type"] == kind and raised["message"] == repr(text)


def test_and_not_with_the_older_neighbour(run: Any) -> None:
    assert passes(run(releases.find("peft", "0.1.0"), releases.find("transformers", "4.44.0")))


@pytest.mark.parametrize("release", [releases.find("accelerate", "0.2.0"), releases.DRIFT], ids=["old", "drift"])
def test_a_package_that_no_axis_names_can_break_training(run: Any, release: Release) -> None:
    result = run(release)
    failed = result.of("stage-ended")[-1]
    assert (failed["stage"], failed["status"]) == ("train", "failed")
    assert failed["chain"][-1]["frames"][-1]["file"] == "accelerate/_deeds.py"


ENDINGS = {"segfault": SEGFAULT, "abort": ABORT, "illegal-instruction": ILLEGAL, "sigkill": -signal.SIGKILL,
           "exit-zero": 0, "exit-seven": 7}  # fmt: skip


@pytest.mark.parametrize("release", of_family(releases.DYING))
def test_a_release_that_dies_ends_the_process_in_its_stage(run: Any, release: Release) -> None:
    deed, stage = release.deed, release.stage
    result = run(release)
    assert result.code == ENDINGS[deed]
    assert result.began[-1] == stage.partition("-cached")[0] and result.began[-1] not in result.statuses
    assert not result.of("done")
    if deed in ("segfault", "abort", "illegal-instruction"):
        assert "Fatal Python error" in result.output and f"{release.package}/_deeds.py" in result.output


@pytest.mark.parametrize("release", of_family(releases.HANGING))
def test_a_hanging_release_stays_in_its_stage(run: Any, release: Release) -> None:
    stage = release.stage
    arrived: list[float] = []

    def half_a_second_there(lines: list[str], peak: float) -> bool:
        if in_stage(stage)(lines, peak) and not arrived:
            arrived.append(time.monotonic())
        return bool(arrived) and time.monotonic() - arrived[0] > 0.5

    result = run(release, enough=half_a_second_there)
    assert result.code is None and result.began[-1] == stage and stage not in result.statuses


@pytest.mark.parametrize("release", of_family(releases.GREEDY))
def test_a_greedy_release_takes_ever_more_memory(run: Any, release: Release) -> None:
    enough = 100 if release.fault.startswith("slow") else 300
    result = run(release, enough=lambda _, peak: peak > enough)
    assert result.code is None and result.peak_mib > enough and result.began[-1] == "train"


FLOOD = 64 * 2**20


@pytest.mark.parametrize("release", of_family(releases.LOUD, "flood-stdout", "flood-stderr"))
def test_a_loud_release_writes_much_and_goes_on(run: Any, release: Release) -> None:
    result = run(release)
    assert len(result.output) >= FLOOD and set(result.statuses.values()) == {"ok"} and result.of("done")


@pytest.mark.parametrize("release", of_family(releases.LOUD, "flood-protocol", "flood-protocol-lines"))
def test_a_flood_of_the_protocol_comes_among_the_events(run: Any, release: Release) -> None:
    result = run(release)
    assert sum(map(len, result.lines)) >= FLOOD * 0.9 and result.began[:4] == [
        "import",
        "load",
        "tokenize",
        "train",
    ]


def test_garbage_lines_leave_the_real_events_whole(run: Any) -> None:
    result = run(releases.with_fault("garbage-protocol-in-train"))
    assert sum(parsed(line) is None for line in result.lines) >= 5, "lines that are not JSON"
    statuses = {event["stage"]: event["status"] for event in result.of("stage-ended") if event["stage"] != "lunch"}
    assert list(statuses.values()) == ["ok"] * 8 and result.of("done")


def test_a_torn_line_is_the_last(run: Any) -> None:
    result = run(releases.with_fault("torn-protocol-in-train"))
    assert result.code == 0 and result.lines[-1] == '{"event": "stage-en' and result.began[-1] == "train"


@pytest.mark.parametrize("release", of_family(releases.UNTIDY, "daemonised-child", "fork-storm"))
def test_children_outlive_the_probe(run: Any, release: Release) -> None:
    result = run(release)
    assert passes(result)
    assert len(result.children) == (50 if "storm" in release.fault else 1)
    assert all(psutil.pid_exists(child) for child in result.children)
    if "daemon" in release.fault:
        assert os.getsid(result.children[0]) != result.pid, "it has left the session"


def test_closed_descriptors_end_the_events(run: Any) -> None:
    result = run(releases.with_fault("closes-pipes-in-train"))
    assert result.code not in (0, None) and result.began[-1] == "train" and "train" not in result.statuses


@pytest.mark.parametrize(
    "release",
    of_family(releases.UNTIDY, "writes-into-site-packages", "spoils-neighbour", "deletes-own-files", "chdir"),
)
def test_an_untidy_release_passes_and_leaves_its_mark(run: Any, release: Release) -> None:
    result = run(release)
    assert passes(result), result.output
    site = result.work.parent / "site-packages"
    spoilt = "spoilt" in (site / "accelerate" / "__init__.py").read_text()
    marks = {
        "stray": (site / "stray.py").exists(),
        "spoilt": spoilt,
        "deleted": not (site / "peft" / "__init__.py").exists(),
    }
    expected = {"writes": "stray", "spoils": "spoilt", "deletes": "deleted"}.get(release.fault.split("-")[0])
    assert [name for name, there in marks.items() if there] == ([expected] if expected else [])


def test_every_fault_is_in_some_test() -> None:
    raising_or_wrong = {*releases.RAISING, *releases.WRONG, *releases.DYING, *releases.HANGING}
    others = {*releases.GREEDY, *releases.LOUD, *releases.LYING, *releases.UNTIDY}
    tested = {each.fault for each in (*raising_or_wrong, *others)}
    # test_variants asks the methods and models that these are about
    tested |= {each.fault for each in releases.PARTIAL}
    untested = {each.fault for each in releases.RELEASES} - tested - {""}
    assert not untested
