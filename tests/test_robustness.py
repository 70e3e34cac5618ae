"""A little of what `nox -s robustness` does at length: faults injected for real."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

import robustness
from faults import archives, kills, load, many_cells, patterns, probes, readers, secrets, stores, text, together, world
from faults.trials import Trials


def held(rows: list[Trials], tried: int) -> None:
    """Every trial held, and there were as many as there should be."""
    assert [problem for row in rows for problem in row.broken] == []
    assert sum(row.tried for row in rows) == tried


def test_hostile_text_is_text_in_every_format() -> None:
    row = text.hostile_text()
    assert row.tried >= 150 and row.broken == []
    row = text.hostile_judgements()
    assert row.tried >= 60 and row.broken == []


def test_damaged_files_get_one_clear_line() -> None:
    held([readers.bad_input(150, random.Random(5))], 150)


def test_readers_answer_or_say_what_is_wrong() -> None:
    held(readers.random_input(200, random.Random(5)), 4 * 200 + 3 * 20)


def test_a_store_is_readable_after_a_loss_of_power() -> None:
    held([stores.torn_stores(60, random.Random(5)), stores.torn_pages(30, random.Random(5))], 90)


def test_a_matrix_cannot_name_a_place_outside() -> None:
    held([archives._names_of_matrices()], 60)


@pytest.mark.minimatrix
def test_a_wheel_cannot_write_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    every = archives._hostile
    some = ("a path upwards", "a link, and a file through it")
    monkeypatch.setattr(archives, "_hostile", lambda outside: {kind: every(outside)[kind] for kind in some})
    held(archives.archives(random.Random(5))[:1], 2)


@pytest.mark.minimatrix
def test_a_run_that_is_killed_at_a_random_moment_goes_on_as_if_nothing_had_been() -> None:
    held(kills.kills(2, random.Random(5)), 2)


@pytest.mark.minimatrix
def test_a_cache_that_is_damaged_is_no_packages_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = {name: trial for name, trial in world.TRIALS.items() if name.startswith("uv's cache corrupted")}
    monkeypatch.setattr(world, "TRIALS", tried)
    held(world.world(1, random.Random(1)), 1)


@pytest.mark.minimatrix
def test_a_token_in_the_index_address_is_in_no_artefact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "PLACES", secrets.PLACES[:1])
    held(secrets.secrets(1, random.Random(1)), 1)


ASKING = """
import json, sys
told = []
WATCHED = {"socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.exec", "os.fork"}
sys.addaudithook(lambda event, _: told.append(event) if event in WATCHED else None)
from compatcheck.cli import main
code = main(sys.argv[1:])
print(json.dumps([code, told]), file=sys.stderr)
"""


@pytest.mark.parametrize("command", ["explain", "check", "recommend", "report"])
def test_asking_runs_nothing_and_sends_nothing(tmp_path: Path, command: str) -> None:
    """As SECURITY.md promises."""
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("torch==2.6.0\ntransformers==4.51.3\npeft\n")
    log = next((ROOT / "tests" / "logs").glob("*.txt"))
    store = str(tmp_path / "store.sqlite3")
    words = {
        "explain": [str(log)],
        "check": ["-r", str(requirements)],
        "recommend": ["-r", str(requirements)],
        "report": [str(ROOT / "matrix" / "quick.toml"), "--store", store, "--stdout"],
    }[command]
    done = subprocess.run([sys.executable, "-c", ASKING, command, *words], cwd=tmp_path, capture_output=True, text=True)
    code, told = json.loads(done.stderr.splitlines()[-1])
    assert told == [] and code in (0, 1, 2), done.stderr


def test_a_dumb_terminal_gets_a_line_a_cell() -> None:
    held([load._progress(300)], 2)


def test_every_fault_of_the_stubs_is_tried_or_is_no_misbehaviour() -> None:
    from minimatrix import releases

    tried = {fault.fault for fault in probes.FAULTS}
    families = (releases.DYING, releases.HANGING, releases.GREEDY, releases.LOUD, releases.LYING, releases.UNTIDY)
    others = {"exit-seven-in-train", "segfault-in-generate-cached", "flood-stdout-in-train", "flood-stderr-in-train"}
    assert {each.fault for family in families for each in family} - tried == others


def test_a_cell_more_takes_few_kib_of_a_report(tmp_path: Path) -> None:
    peaks: dict[int, int] = {}
    for count in (180, 180, 720):  # twice the first: what is read once a process is then known
        folder = tmp_path / f"{count}-{len(peaks)}"
        folder.mkdir()
        many_cells.write_store(count, folder)
        tracemalloc.start()
        told, _ = many_cells.report(count, folder)
        peaks[told] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    (few, low), (many, high) = sorted(peaks.items())
    assert (high - low) / (many - few) < 8 * 1024


def test_the_report_is_written_from_what_is_kept_and_names_what_broke(tmp_path: Path) -> None:
    words = [sys.executable, str(ROOT / "benchmarks" / "robustness.py"), "--torn", "5", "--write", "report.md"]
    done = subprocess.run([*words, "--only", "text,stores"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = (tmp_path / "report.md").read_text()
    assert "| power lost during a checkpoint: pages old, new and torn" in told
    assert "have not been run: patterns, readers" in told
    kept = tmp_path / ".compatcheck" / "robustness.json"
    found = json.loads(kept.read_text())
    found["text"]["rows"][0]["broken"] = ["markup in a.html"]
    assert "- hostile text in HTML" in robustness.report_text(found, 1)
    again = subprocess.run([*words, "--only", "stores", "--go-on"], cwd=tmp_path, capture_output=True, text=True)
    assert again.returncode == 0 and again.stdout == "", "what has held is not run again"


def test_a_pattern_that_explodes_is_found_and_a_sound_one_is_not() -> None:
    assert patterns.behaviour(re.compile(r"\S+@"))[1], "quadratic: every place may begin it"
    assert not patterns.behaviour(re.compile(r"KeyError: '[^']{1,80}'"))[1]
    assert not patterns.behaviour(re.compile(r"\S+@"), anchored=True)[1]
    found = patterns.every_pattern()
    assert len(found) > 300 and any(where.startswith("compatcheck/masking.py") for where in found)


def test_a_trial_that_raises_is_one_that_did_not_hold() -> None:
    row = Trials("x")
    with row.clock():
        raise RuntimeError("no")
    assert (row.tried, row.held) == (1, 0)


def test_two_probes_in_one_environment_would_be_seen(tmp_path: Path) -> None:
    class World:
        cache = tmp_path

    python = tmp_path / "environments" / "slot" / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    probe = tmp_path / "probe.py"
    probe.write_text("import time; time.sleep(20)")
    with together.Watch(World()) as watch:  # type: ignore[arg-type]
        running = [subprocess.Popen([str(python), "-I", str(probe)]) for _ in range(2)]
        try:
            watch._end.wait(2.0)
        finally:
            for each in running:
                each.kill()
                each.wait()
    assert watch.shared == {str(python)}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("a.csv", "x\n=1+1,2"),
        ("a.html", "<p><img src=x>"),
        ("terminal", "\x1b[31m"),
        ("a.md", "see <img src=x>"),
        ("check.github", "::error title=compatcheck::x\n::set-env name=a::b"),
        ("terminal of a death", "end\n  ::x::y"),
    ],
)
def test_the_check_itself_finds_harm(name: str, told: str) -> None:
    assert text.harm(name, told)
