"""The whole way over stub packages: matrix -> locks -> environments -> observations -> store -> report."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import PYTHON, MakeRun
from minimatrix.index import LocalIndex
from minimatrix.releases import NEW, OLD, with_fault

from compatcheck.domain import Limits, Outcome, Policy, Stage
from compatcheck.errors import IndexUnavailable, InputError
from compatcheck.pipeline import Run
from compatcheck.report.document import document
from compatcheck.report.files import write_reports
from compatcheck.reporting import context_of
from compatcheck.store import Store

pytestmark = pytest.mark.minimatrix

CACHE_AXES = {
    "torch": ("2.0.1", "newest"),
    "transformers": ("4.44.0", "5.0.0", "newest"),
    "peft": ("0.1.0", "0.1.1", "0.9.1", "newest"),
}


def outcomes(run: Run) -> dict[str, tuple[str, str | None]]:
    """Every cell of the run's matrix: its versions to outcome and stage."""
    return {
        " ".join(result.cell.versions.values()): (str(result.outcome), str(result.stage) if result.stage else None)
        for result in run.results()
    }


def attempts(store: Path) -> list[int]:
    connection = sqlite3.connect(store)
    try:
        return [row[0] for row in connection.execute("SELECT attempt FROM observations")]
    finally:
        connection.close()


def timeless(document: dict) -> dict:
    """A report without what differs between two runs of the same thing: clocks, memory, and the clock's fields."""
    text = json.loads(json.dumps(document))
    del text["generated"]
    for cell in text["cells"]:
        for name in ("started", "seconds", "peak_rss_mib", "resolved"):
            del cell[name]
        for stage in cell["stages"]:
            del stage["seconds"], stage["peak_rss_mib"]
        cell.get("facts", {}).pop("memory", None)
        cell.pop("output", None)  # of a process that died, with its addresses
    return text


def test_the_table_says_what_is_so(make_run: MakeRun) -> None:
    run = make_run(CACHE_AXES, jobs=2)
    cells = run.expand().cells
    assert len(cells) == 2 * 3 * 4
    run.run(cells)
    works = ("pass", None)
    for torch in ("2.0.1", "2.1.0"):
        assert {versions: said for versions, said in outcomes(run).items() if versions.startswith(torch)} == {
            f"{torch} 4.44.0 0.1.0": works,
            f"{torch} 4.44.0 0.1.1": works,
            f"{torch} 4.44.0 0.9.1": works,
            f"{torch} 4.44.0 0.10.0": works,
            f"{torch} 5.0.0 0.1.0": ("fail", "generate"),
            f"{torch} 5.0.0 0.1.1": works,
            f"{torch} 5.0.0 0.9.1": ("unresolvable", "resolve"),
            f"{torch} 5.0.0 0.10.0": works,
            f"{torch} 5.1.0 0.1.0": ("fail", "generate"),
            f"{torch} 5.1.0 0.1.1": works,
            f"{torch} 5.1.0 0.9.1": ("unresolvable", "resolve"),
            f"{torch} 5.1.0 0.10.0": works,
        }
    failing = next(result for result in run.results() if result.outcome is Outcome.FAIL)
    assert failing.observation is not None and failing.observation.workaround == "uncached"
    assert failing.observation.imported["peft"] == "0.1.0", "the versions that the probe really imported"


@pytest.mark.parametrize(
    ("fault", "outcome", "stage"),
    [
        *((f"raise-in-{stage}", Outcome.FAIL, stage) for stage in ("import", "load", "tokenize", "train")),
        *((f"raise-in-{stage}", Outcome.FAIL, stage) for stage in ("save", "reload", "generate", "verify")),
        ("cache-off-by-one", Outcome.WRONG, "verify"),
        ("segfault-in-train", Outcome.FAIL, "train"),
        ("hang-in-train", Outcome.FAIL, "train"),
        ("allocate-memory-in-train", Outcome.FAIL, "train"),
        ("exit-zero-in-train", Outcome.FAIL, "train"),
    ],
)
def test_every_way_to_go_wrong_is_recorded_as_what_it_is(
    make_run: MakeRun, fault: str, outcome: Outcome, stage: str
) -> None:
    release = with_fault(fault)
    extras = () if release.package in NEW else (release.requirement,)
    axes = {package: (version,) for package, version in NEW.items()}
    if release.package in NEW:
        axes[release.package] = (release.version,)
    run = make_run(axes, extras=extras, limits=Limits(stage_seconds=3, memory_mib=300))
    run.forced = True  # real packages would not fit into so little; the stubs do
    (result,) = run.run(run.expand().cells).values()
    assert (result.outcome, str(result.stage)) == (outcome, stage)


@pytest.mark.parametrize(
    "fault",
    [
        "writes-into-site-packages-in-train",
        "spoils-neighbour-in-train",
        "deletes-own-files-in-train",
        "spoils-torch-in-train",
        "spoils-settings-in-train",
    ],
)
def test_what_a_probe_does_to_its_environment_does_not_reach_the_next_cell(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cold"))
    axes = {package: (version,) for package, version in NEW.items()}
    clean = make_run(axes)
    clean.run(clean.expand().cells)
    (slot,) = (tmp_path / "cache" / "environments").glob("*/env")
    before = {path: body for path, body in _contents(slot).items() if "peft" not in path}
    dirty = make_run({**axes, "peft": (with_fault(fault).version,)})
    dirty.run(dirty.expand().cells)
    (result,) = clean.run(clean.expand().cells, again=True).values()
    assert result.outcome is Outcome.PASS
    assert {path: body for path, body in _contents(slot).items() if "peft" not in path} == before


def _contents(environment: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(environment)): path.read_bytes()
        for path in environment.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and path.name not in ("INSTALLER", "REQUESTED")
    }


def test_what_is_known_is_not_run_again_and_again_runs_it(make_run: MakeRun, index: LocalIndex) -> None:
    axes = {"torch": ("newest",), "transformers": ("newest",), "peft": ("0.1.1", "newest")}
    run = make_run(axes)
    cells = run.expand().cells
    first = run.run(cells)
    before = index.count("/files/*")
    assert run.run(cells) == first
    assert attempts(run.store.path) == [0, 0]
    assert index.count("/files/*") == before
    run.run(cells[:1], again=True)
    assert sorted(attempts(run.store.path)) == [0, 0, 1]


def test_the_policy_chooses_the_packages_that_are_no_axes(make_run: MakeRun) -> None:
    axes = {package: (version,) for package, version in OLD.items()}
    today = make_run(axes)
    (now,) = today.run(today.expand().cells).values()
    then = make_run(axes, policy=Policy.CONTEMPORARY, contemporary_days=9)
    (before,) = then.run(then.expand().cells).values()
    assert now.outcome is Outcome.PASS
    assert (before.outcome, before.stage) == (Outcome.FAIL, Stage.TRAIN)
    assert now.lock is not None and before.lock is not None
    assert (now.lock.versions["accelerate"], before.lock.versions["accelerate"]) == ("0.3.0", "0.2.0")


def test_an_index_that_goes_away_is_an_error_of_no_package_and_the_run_goes_on_later(
    make_run: MakeRun, index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cold"))
    axes = {"torch": ("newest",), "transformers": ("newest",), "peft": ("0.1.1", "newest")}
    run = make_run(axes)
    cells = run.expand().cells
    index.disturb("/files/peft-0.10.0-*", status=500)
    results = run.run(cells)
    assert [str(result.outcome) for result in results.values()] == ["pass", "error"]
    assert "index did not answer" in list(results.values())[1].trouble
    index.calm()
    assert [str(result.outcome) for result in run.run(cells).values()] == ["pass", "pass"]
    assert attempts(run.store.path) == [0, 0]
    assert all(not result.trouble for result in run.results())


def test_an_index_that_was_away_for_a_while_is_asked_again(
    make_run: MakeRun, index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cold"))
    axes = {"torch": ("newest",), "transformers": ("newest",), "peft": ("0.1.1", "newest")}
    run = make_run(axes, patience=(0.01, 0.01, 0.01))
    waited: list[int] = []
    monkeypatch.setattr(run.progress, "waiting", lambda cells, seconds: waited.append(cells))
    cells = run.expand().cells
    index.disturb("/files/peft-0.10.0-*.whl", status=503, times=2)
    assert [str(result.outcome) for result in run.run(cells).values()] == ["pass", "pass"]
    assert waited == [1, 1]
    assert attempts(run.store.path) == [0, 0] and all(not result.trouble for result in run.results())


def test_no_index_at_all_is_said_once(make_run: MakeRun, index: LocalIndex) -> None:
    run = make_run({package: (version,) for package, version in NEW.items()})
    index.go_down()
    with pytest.raises(IndexUnavailable, match="did not answer for 'torch'"):
        run.expand()
    index.come_up()
    cells = run.expand().cells
    index.go_down()
    with pytest.raises(IndexUnavailable):
        run.run(cells)


def test_a_version_that_the_index_lacks_is_refused_before_anything_runs(make_run: MakeRun) -> None:
    with pytest.raises(InputError, match=r"peft has no release 0\.99"):
        make_run({**CACHE_AXES, "peft": ("0.99",)}).expand()


def test_the_report_is_made_from_the_store_alone(make_run: MakeRun, index: LocalIndex, tmp_path: Path) -> None:
    run = make_run(CACHE_AXES, jobs=2)
    run.run(run.expand().cells)
    index.go_down()
    context = context_of(run)
    assert context.totals == {Outcome.PASS: 16, Outcome.FAIL: 4, Outcome.UNRESOLVABLE: 4}
    assert context.headline()[0].startswith("Of 20 combinations that install without complaint, 16 work; 4 fail")
    written = write_reports(context, tmp_path / "reports")
    assert {path.name for path in written} >= {"compatibility.md", "compatibility.json", "compatibility.csv", "locks"}
    assert len(list((tmp_path / "reports" / "locks").iterdir())) == 20
    data = json.loads((tmp_path / "reports" / "compatibility.json").read_text())
    assert data == json.loads(json.dumps(document(context)))
    failing = [cell for cell in data["cells"] if cell["outcome"] == "fail"]
    assert all("Cache only has 0 layers" in cell["exception"]["message"] for cell in failing)
    assert all(cell["modes"] == {"cached": "fail", "uncached": "pass"} for cell in failing)
    page = (tmp_path / "reports" / "compatibility.md").read_text()
    assert "torch 2.1.0" in page and "transformers \\ peft" in page


@pytest.fixture
def command(index: LocalIndex, tmp_path: Path) -> Callable[..., list[str]]:
    """The command line over a matrix file of stub packages."""
    (tmp_path / "stub.toml").write_text(
        f'python = ["{PYTHON}"]\n[axes]\ntorch = ["newest"]\n'
        'transformers = ["4.44.0", "5.0.0", "newest"]\npeft = ["0.1.0", "0.1.1", "0.2.0", "0.3.0", "0.4.0", "newest"]\n'
        f'[scenario]\nepochs = 2\n[limits]\nstage_seconds = 20\nmemory_mib = 1000\n[index]\nurl = "{index.url}"\n'
    )

    def made(name: str, *words: str, store: str = "store.sqlite3") -> list[str]:
        places = ["--store", str(tmp_path / store), "--cache", str(tmp_path / "cache")]
        matrix = ["--matrix"] if name == "show" else []
        target = [*words[:1], *matrix, str(tmp_path / "stub.toml"), *words[1:]] if name == "show" else [
            str(tmp_path / "stub.toml"), *words]  # fmt: skip
        return [sys.executable, "-m", "compatcheck", name, *target, *places]

    return made


@pytest.fixture(scope="module")
def kept() -> dict[str, dict]:
    """What the tests of this file have made and share."""
    return {}


@pytest.fixture
def of_one_run(command, kept: dict[str, dict]) -> dict:
    """The timeless report of the command line's matrix, run in one go."""
    if "report" not in kept:
        subprocess.run(command("run", "--plain", store="whole.sqlite3"), check=True, capture_output=True)
        shown = command("report", "--stdout", "--format", "json", store="whole.sqlite3")
        kept["report"] = timeless(printed(shown))
    return kept["report"]


def printed(command: list[str]) -> dict:
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_goes_on_where_it_was(
    command, of_one_run: dict, tmp_path: Path, how: signal.Signals
) -> None:
    running = subprocess.Popen(
        command("run", "--plain"),
        stderr=subprocess.PIPE,
        text=True,
        # where the tests themselves run in the background, SIGINT is ignored, and that is inherited
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert running.stderr is not None
    for line in running.stderr:
        if line.startswith("[4/"):
            break
    running.send_signal(how)
    rest = running.stderr.read()
    code = running.wait(timeout=30)
    if how is not signal.SIGKILL:
        assert code == 130 and "run again to go on" in rest, rest
    again = subprocess.run(command("run", "--plain"), capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    known = re.search(r"running (\d+) cells; (\d+) are known already", again.stderr)
    assert known and int(known[1]) + int(known[2]) == 18 and int(known[2]) >= 4
    crashes = 3  # a crash is run again before it counts; nothing else is
    assert sorted(attempts(tmp_path / "store.sqlite3")) == [0] * 18 + [1] * crashes, "no finished cell ran twice"
    assert timeless(printed(command("report", "--stdout", "--format", "json"))) == of_one_run


def test_no_probe_outlives_a_killed_run(command, tmp_path: Path) -> None:
    matrix = tmp_path / "stub.toml"
    matrix.write_text(
        matrix.read_text().replace('["0.1.0", "0.1.1", "0.2.0", "0.3.0", "0.4.0", "newest"]', '["0.5.0"]')
    )
    running = subprocess.Popen(command("run", "--live", "--only", "5.0.0"), stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    for line in running.stderr:
        if "tokenize" in line:
            break
    time.sleep(0.3)
    probes = _children(running.pid)
    assert probes
    running.kill()
    running.wait()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(Path(f"/proc/{pid}").exists() for pid in probes):
        time.sleep(0.05)
    assert [pid for pid in probes if Path(f"/proc/{pid}").exists()] == []


def _children(pid: int) -> list[int]:
    import psutil

    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def test_the_command_line_says_what_it_does(command, tmp_path: Path) -> None:
    ids = subprocess.run(command("plan", "--ids"), capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(ids) == 18
    plan = subprocess.run(command("plan"), capture_output=True, text=True, check=True).stdout
    assert "cells        18, of them to run: 18" in plan and "download" in plan
    assert not (tmp_path / "cache" / "environments").exists(), "a plan installs nothing"
    bad = next(each for each in ids if "transformers5.0.0-peft0.1.0" in each)
    one = subprocess.run(command("run", "--only", bad, "--live"), capture_output=True, text=True)
    assert one.returncode == 1 and f"{bad}: fail" in one.stdout and "generate  failed" in one.stderr
    good = subprocess.run(command("run", "--only", "5.0.0-peft0.1.1"), capture_output=True, text=True)
    assert good.returncode == 0
    shown = subprocess.run(command("show", bad), capture_output=True, text=True, check=True).stdout
    for wanted in ("fail in generate", "workaround", "Cache only has 0 layers", f"--only {bad} --again", "imported"):
        assert wanted in shown
    known = subprocess.run(command("plan"), capture_output=True, text=True, check=True).stdout
    assert "known: fail" in known and "of them to run: 16" in known


def test_a_run_on_a_path_with_spaces_and_without_home(command, tmp_path: Path) -> None:
    places = ["--store", str(tmp_path / "a b" / "s ü.sqlite3"), "--cache", str(tmp_path / "c d")]
    words = [*command("run", "--plain", "--only", "5.0.0-peft0.1.1")[:-4], *places]
    environment = {name: value for name, value in os.environ.items() if name != "HOME"} | {"LC_ALL": "C"}
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


def test_shards_merged_give_the_report_of_one_run(command, of_one_run: dict, tmp_path: Path) -> None:
    for number in (1, 2):
        part = command("run", "--plain", "--shard", f"{number}/2", store=f"part-{number}.sqlite3")
        subprocess.run(part, check=True, capture_output=True)
    parts = [str(tmp_path / f"part-{number}.sqlite3") for number in (1, 2)]
    joined = ["--into", str(tmp_path / "joined.sqlite3")]
    subprocess.run([sys.executable, "-m", "compatcheck", "merge", *parts, *joined], check=True, capture_output=True)
    joint = timeless(printed(command("report", "--stdout", "--format", "json", store="joined.sqlite3")))
    assert joint == of_one_run and len(joint["cells"]) == 18


def test_four_runs_at_once_on_one_store_run_nothing_twice(command, tmp_path: Path) -> None:
    runs = [
        subprocess.Popen(
            command("run", "--plain", "--skip", "peft0.4.0"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(4)
    ]
    for each in runs:
        _, complaint = each.communicate(timeout=120)
        assert each.returncode == 0, complaint.decode()
    assert attempts(tmp_path / "store.sqlite3") == [0] * 15


def test_no_secret_of_the_environment_reaches_a_report_a_log_or_the_store(
    command, index: LocalIndex, tmp_path: Path
) -> None:
    secret = "pl4nted-t0ken"
    matrix = tmp_path / "stub.toml"
    matrix.write_text(matrix.read_text().replace(f'url = "{index.url}"', ""))
    environment = {
        **os.environ,
        "UV_DEFAULT_INDEX": index.url.replace("http://", f"http://user:{secret}@"),
        "HF_TOKEN": secret,
        "WANDB_API_KEY": secret,
    }
    index.disturb("/files/peft-0.2.0-*", status=500)
    done = subprocess.run(command("run", "--plain", "--only", "5.0.0"), capture_output=True, text=True, env=environment)
    assert done.returncode == 4, "one cell could not be measured"
    reported = subprocess.run(
        command("report", "--reports", str(tmp_path / "reports")), capture_output=True, text=True, env=environment
    )
    assert reported.returncode == 0, reported.stderr
    assert secret not in done.stdout + done.stderr + reported.stdout + reported.stderr
    for path in tmp_path.rglob("*"):
        if path.is_file() and "uv-cache" not in path.parts:
            assert secret.encode() not in path.read_bytes(), path
    with Store(tmp_path / "store.sqlite3") as store:
        bodies = [zlib.decompress(row[0]) for table in ("observations", "locks", "expansions")
                  for row in store._rows(f"SELECT body FROM {table}", ())]  # fmt: skip
    assert bodies and not any(secret.encode() in body for body in bodies)


def test_what_the_wheels_declare_is_read_once_and_kept(make_run: MakeRun, index: LocalIndex) -> None:
    run = make_run({"torch": ("newest",), "transformers": ("5.0.0",), "peft": ("0.9.1", "newest")})
    run.expand()
    run.learn_requirements()
    declared = run.store.expansion(run.matrix.digest).declared
    assert set(declared["peft 0.9.1"]) == {"torch", "transformers", "accelerate", "tokenizers<0.20"}
    assert "torch" not in {release.split()[0] for release in declared}
    asked = index.count("*.whl")
    assert asked
    run.expand()
    run.learn_requirements()
    assert run.store.expansion(run.matrix.digest).declared == declared
    assert index.count("*.whl") == asked
