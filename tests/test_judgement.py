"""`compatcheck check`: environments, locks, ranges, waivers, exit codes and every format."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from made_up_table import DAY, table
from packaging.specifiers import SpecifierSet
from packaging.version import Version

import compatcheck
from compatcheck import cli, own_runs
from compatcheck.check_formats import FORMATS
from compatcheck.installation import Installed
from compatcheck.judgement import (
    Corner,
    Finding,
    Judgement,
    _admits_older,
    judged_environment,
    judged_lock,
    judged_requirements,
    waived,
)
from compatcheck.lock_files import read_lock
from compatcheck.requirement_files import read_requirements
from compatcheck.verdict import Standing
from compatcheck.waivers import Settings, Waiver

TABLE = table()
BAD = {"torch": "2.6.0+cu124", "transformers": "4.44.2", "peft": "0.7.1"}
WORKS = {"torch": "2.6.0", "transformers": "4.44.2", "peft": "0.20.0"}
WRONG = {"torch": "2.6.0", "transformers": "5.0.0", "peft": "0.20.0"}
UNKNOWN = {"torch": "2.6.0", "transformers": "4.44.2", "peft": "0.13.0"}


def environment(packages: dict[str, str]) -> Installed:
    return Installed(Path("python"), "3.11.7", {"numpy": "2.1.0", **packages})


@pytest.mark.parametrize(
    ("packages", "status", "code", "strict"),
    [
        (BAD, "known-bad", 1, 1),
        (WRONG, "wrong", 1, 1),
        (WORKS, "works", 0, 0),
        (UNKNOWN, "unknown", 0, 5),
        ({**WORKS, "numpy": "1.26.0"}, "stale", 0, 5),
    ],
)
def test_an_environment_is_judged_by_its_versions(
    packages: dict[str, str], status: str, code: int, strict: int
) -> None:
    finding = judged_environment(environment(packages), TABLE)
    assert finding.status == status
    assert waived([finding], Settings(), TABLE, today=DAY).exit_code == code
    assert waived([finding], Settings(strict=True), TABLE, today=DAY).exit_code == strict
    assert waived([finding], Settings(), TABLE, strict=True, today=DAY).exit_code == strict


def test_what_is_bad_comes_with_the_nearest_that_works() -> None:
    finding = judged_environment(environment(BAD), TABLE)
    assert finding.mend is not None
    # one package changes, and peft 0.12.0 is as many releases away as transformers 4.40.0: the newer one counts
    assert finding.mend.versions == {"torch": "2.6.0", "transformers": "4.44.2", "peft": "0.12.0"}
    assert judged_environment(environment(WORKS), TABLE).mend is None


def test_what_is_unknown_comes_with_what_works_nearby_and_how_to_find_out() -> None:
    finding = judged_environment(environment(UNKNOWN), TABLE)
    assert finding.mend is not None and finding.mend.versions["transformers"] == "4.44.2"
    told = FORMATS["text"](waived([finding], Settings(), TABLE, today=DAY)).splitlines()
    assert told[-3:-1] == [
        "  works    torch==2.6.0 transformers==4.44.2 peft==0.20.0",
        "  find out compatcheck probe runs the cycle with what is installed",
    ]
    assert len([line for line in told if line.startswith("  near")]) == 2


def test_without_the_packages_there_is_nothing_to_judge() -> None:
    finding = judged_environment(environment({"torch": "2.6.0"}), TABLE)
    assert finding.verdict is None and finding.note == "transformers and peft are not installed: nothing to judge"
    assert waived([finding], Settings(), TABLE).exit_code == 0


def test_strict_takes_no_silence_for_a_pass() -> None:
    empty, good = judged_environment(environment({}), TABLE), judged_environment(environment(WORKS), TABLE)
    alone = waived([empty], Settings(strict=True), TABLE, today=DAY)
    assert alone.exit_code == 5
    assert "nothing could be judged, and with strict that is no pass" in FORMATS["text"](alone).splitlines()
    beside = waived([empty, good], Settings(strict=True), TABLE, today=DAY)
    assert beside.exit_code == 0 and "no pass" not in FORMATS["text"](beside)


# ------------------------------------------------------------------ files


def judged(tmp_path: Path, text: str, corner: Corner = Corner.BOTH, python: str | None = None) -> Finding:
    path = tmp_path / "requirements.txt"
    path.write_text(text)
    return judged_requirements(path, read_requirements(path), TABLE, python, corner)


def test_ranges_tell_the_share_that_works_and_their_corners(tmp_path: Path) -> None:
    finding = judged(tmp_path, "transformers>=4.44\npeft>=0.7,<0.20\n")
    assert finding.share is not None and finding.line == 2
    assert finding.share.counts == {Standing.KNOWN_BAD: 6, Standing.WORKS: 2}
    assert (finding.share.works, finding.share.total) == (2, 8)
    assert finding.share.lowest.versions["peft"] == "0.7.1"
    assert finding.share.highest.versions == {"torch": "2.6.0", "transformers": "5.0.0", "peft": "0.12.0"}
    assert finding.share.open_above == ("torch", "transformers") and finding.share.open_below == ("torch",)
    assert finding.mend is not None and finding.mend.versions["transformers"] == "4.44.2"


def test_the_share_is_of_what_was_measured_however_long_ago(tmp_path: Path) -> None:
    old = DAY - timedelta(400)
    cells = tuple(replace(cell, measured=old, source=replace(cell.source, generated=old)) for cell in TABLE.cells)
    path = tmp_path / "requirements.txt"
    path.write_text("transformers>=4.44\npeft>=0.7,<0.20\n")
    finding = judged_requirements(path, read_requirements(path), replace(TABLE, cells=cells))
    assert finding.share is not None and finding.share.counts == {Standing.KNOWN_BAD: 6, Standing.WORKS: 2}


@pytest.mark.parametrize(
    ("wanted", "below"),
    [("", True), (">=2.4", True), (">2.4", True), ("<2.6,>=2.4.1", True), ("~=2.4.0", True), ("==2.4.*", True),
     (">=2.5", False), (">=2.5.1", False), (">2.5", False), ("==2.6.*", False), ("!=2.6.0,>=2.5", False)],
)  # fmt: skip
def test_a_range_that_reaches_below_the_table_is_said_to(wanted: str, below: bool) -> None:
    assert _admits_older(SpecifierSet(wanted), Version("2.5.1")) is below


def test_ranges_of_which_nothing_was_measured_are_said_to_be_such(tmp_path: Path) -> None:
    told = FORMATS["text"](waived([judged(tmp_path, "torch\npeft\n", python="3.13")], Settings(), TABLE, today=DAY))
    assert "no combination within the ranges was measured on Python 3.13\n" in told
    assert "  open     older torch, transformers, peft than any measured may be picked\n" in told


@pytest.mark.parametrize(
    ("corner", "which", "status"),
    [("both", "lowest", "known-bad"), ("lowest", "lowest", "known-bad"), ("highest", "highest", "works")],
)
def test_the_worse_corner_decides_unless_one_is_chosen(tmp_path: Path, corner: str, which: str, status: str) -> None:
    finding = judged(tmp_path, "transformers>=4.44,<5\npeft\n", Corner(corner))
    assert (finding.corner, str(finding.status)) == (which, status)


def test_what_is_pinned_is_judged_as_it_is(tmp_path: Path) -> None:
    finding = judged(tmp_path, "torch==2.6.0\ntransformers==4.44.2\npeft==0.7.1\n")
    assert finding.share is None and finding.status is Standing.KNOWN_BAD and finding.line == 3
    apart = judged(tmp_path, "torch==2.6.0\ntransformers==4.44.2\npeft==0.20.0\nnumpy==1.26.0\n")
    assert apart.status is Standing.STALE


def test_ranges_without_any_measured_release_are_unknown(tmp_path: Path) -> None:
    finding = judged(tmp_path, "torch==2.7.1\npeft==0.20.0\n")
    assert (
        finding.status is Standing.UNKNOWN and finding.note == "the table has no release within torch==2.7.1: unknown"
    )


def test_of_ranges_that_only_an_explored_table_knows_it_is_said_what_works(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text("torch==2.7.1\ntransformers>=4.40\npeft\n")
    finding = judged_requirements(path, read_requirements(path), compatcheck.load_table())
    assert finding.status is Standing.UNKNOWN and re.search(
        r"no release within torch==2\.7\.1: unknown; of \d+ combinations within it that were run for an explored table "
        r"\d+ work: compatcheck recommend names the newest", finding.note
    )  # fmt: skip


@pytest.mark.parametrize(
    "text", ["peft>=0.15\npeft<0.12\n", "torch==2.5.1\ntorch==2.6.0\ntransformers==4.44.2\npeft==0.12.0\n"]
)
def test_what_contradicts_itself_is_refused_with_its_lines(tmp_path: Path, text: str) -> None:
    with pytest.raises(compatcheck.InputError, match=r"line 1 and .*line 2: no release can fulfil") as caught:
        judged(tmp_path, text)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("text", ["", "torch\ntransformers\n", "-c held.txt\n"])
def test_a_project_without_peft_is_none_of_our_business(tmp_path: Path, text: str) -> None:
    (tmp_path / "held.txt").write_text("peft==0.7.1\n")
    assert judged(tmp_path, text).verdict is None


def test_another_python_is_not_taken_for_the_measured_one(tmp_path: Path) -> None:
    finding = judged(tmp_path, "transformers\npeft\n", python="3.12")
    assert finding.status is Standing.UNKNOWN and finding.share is not None and finding.share.total == 0
    assert finding.verdict is not None
    assert "nothing was measured on Python 3.12 (only on 3.11)" in finding.verdict.notes


def test_a_lock_for_several_platforms_is_judged_in_all_its_combinations(tmp_path: Path) -> None:
    path = tmp_path / "uv.lock"
    pins = [
        ("torch", "2.6.0"),
        ("torch", "2.6.0+cpu"),
        ("transformers", "4.44.2"),
        ("peft", "0.7.1"),
        ("peft", "0.20.0"),
    ]
    path.write_text("".join(f'[[package]]\nname = "{name}"\nversion = "{version}"\n\n' for name, version in pins))
    findings = judged_lock(path, read_lock(path), TABLE)
    assert [str(each.status) for each in findings] == ["known-bad", "works"]
    assert [each.line for each in findings] == [14, 18]
    path.write_text('[[package]]\nname = "torch"\nversion = "2.6.0"\n')
    assert judged_lock(path, read_lock(path), TABLE)[0].note == "transformers and peft not in it: nothing to judge"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Pipfile.lock", '{"default": {"torch": {"version": "==2.6.0"},\n"transformers": {"git": "https://x/y"}}}'),
        ("pylock.toml", '[[packages]]\n\nname = "transformers"\n[packages.vcs]\nurl = "https://x/y"\n'),
    ],
)
def test_what_a_lock_takes_from_a_repository_is_in_it_and_unknown(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    (finding,) = judged_lock(path, read_lock(path), TABLE)
    assert finding.status is Standing.UNKNOWN and "transformers in it from an address" in finding.note
    assert finding.line == (2 if name == "Pipfile.lock" else 3)


def test_the_packages_of_development_are_locked_too(tmp_path: Path) -> None:
    path = tmp_path / "Pipfile.lock"
    locked = {name: {"version": f"=={version}"} for name, version in WORKS.items()}
    path.write_text(json.dumps({"default": {}, "develop": locked}))
    assert judged_lock(path, read_lock(path), TABLE)[0].status is Standing.WORKS


# ------------------------------------------------------------------ waivers


def with_waiver(until: date, signature: str = "cache-layers-empty", packages: dict[str, str] = BAD) -> Judgement:
    settings = Settings(waivers=(Waiver(until, "we know", signature),))
    return waived([judged_environment(environment(packages), TABLE)], settings, TABLE, today=DAY)


def test_a_waiver_accepts_what_it_names_until_its_day() -> None:
    judgement = with_waiver(DAY)
    assert judgement.exit_code == 0 and judgement.findings[0].waiver is not None
    assert f"waived   until {DAY}: we know" in FORMATS["text"](judgement)


def test_an_expired_waiver_fails_with_a_clear_line() -> None:
    judgement = with_waiver(DAY - timedelta(1))
    assert judgement.exit_code == 1
    line = f"the waiver of cache-layers-empty expired on {DAY - timedelta(1)} (we know): what it covered counts again"
    assert line in FORMATS["text"](judgement).splitlines()
    idle = with_waiver(DAY - timedelta(1), packages=WORKS)
    assert idle.exit_code == 1 and "it covers nothing here: take it out" in FORMATS["text"](idle)


def test_a_waiver_of_something_else_covers_nothing() -> None:
    judgement = with_waiver(DAY, "cache-key-missing")
    assert judgement.exit_code == 1
    assert f"the waiver of cache-key-missing (until {DAY}) covers nothing here" in FORMATS["text"](judgement)


# ------------------------------------------------------------------ the command and the library


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(own_runs, "load_table", lambda source=None: TABLE)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["-r", "bad.txt"], 1, "known bad"),
        (["bad.txt"], 1, "known bad"),
        (["works.txt"], 0, ": works"),
        (["--lock", "works.txt", "--strict"], 0, ": works"),
        (["unknown.txt"], 0, "unknown"),
        (["unknown.txt", "--strict"], 5, "unknown"),
        (["ranges.txt"], 1, "10 of the 18 measured combinations within the ranges work (55 %)"),
        (["works.txt", "bad.txt"], 1, "bad.txt: "),
        (["nothing.txt"], 0, "nothing to judge"),
        (["nothing.txt", "--strict"], 5, "nothing could be judged, and with strict that is no pass"),
        (["nothing.txt", "works.txt", "--strict"], 0, "nothing to judge"),
    ],
)
def test_the_command_judges_files_and_says_so_with_its_code(
    project: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    for name, versions in (("bad", BAD), ("works", WORKS), ("unknown", UNKNOWN)):
        (project / f"{name}.txt").write_text("".join(f"{each}=={version}\n" for each, version in versions.items()))
    (project / "ranges.txt").write_text("transformers\npeft\n")
    (project / "nothing.txt").write_text("flask\n")
    assert cli.main(["check", *words]) == code
    assert said in capsys.readouterr().out
    if words[0].endswith(".txt"):
        assert cli.main(["check", str(project / words[0]), *words[1:]]) == code
        assert capsys.readouterr().out.startswith(f"{words[0]}: ")


def test_where_nothing_is_installed_the_file_to_judge_is_named(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "requirements.txt").write_text("flask\n")
    assert cli.main(["check"]) == 0
    assert "to judge what a project asks for: compatcheck check requirements.txt;" in capsys.readouterr().err
    assert cli.main(["check", "requirements.txt"]) == 0
    assert capsys.readouterr().err == ""


def test_an_extra_without_a_project_is_refused(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "works.txt").write_text("peft\n")
    for words in (["--extra", "train"], ["--group", "dev", "works.txt"]):
        assert cli.main(["check", *words]) == 2
        assert "no pyproject.toml is named" in capsys.readouterr().err


def test_a_python_that_is_not_there_is_named_as_it_was_given(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "--python", "none/python"]) == 2
    assert "compatcheck: none/python cannot be run: No such file or directory\n" in capsys.readouterr().err


def test_the_projects_settings_count(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "bad.txt").write_text("".join(f"{name}=={version}\n" for name, version in BAD.items()))
    (project / "pyproject.toml").write_text(
        "[tool.compatcheck]\n[[tool.compatcheck.waivers]]\nuntil = 2999-01-01\n"
        "signature = 'cache-layers-empty'\nreason = 'so be it'\n"
    )
    assert cli.main(["check", "bad.txt"]) == 0
    assert "so be it" in capsys.readouterr().out
    (project / "pyproject.toml").write_text("[tool.compatcheck]\nresolutions = 'highest'\n")
    assert cli.main(["check", "bad.txt"]) == 2
    assert "unknown key 'resolutions'" in capsys.readouterr().err


PROJECT = """
[project]
name = "x"
dependencies = ["torch==2.6.0"]
[project.optional-dependencies]
old = ["transformers==4.44.2", "peft==0.7.1"]
new = ["transformers==4.44.2", "peft==0.20.0"]
docs = ["sphinx"]
"""


def test_extras_and_groups_are_judged_each_for_itself(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "pyproject.toml").write_text(PROJECT)
    assert cli.main(["check", "-r", "pyproject.toml"]) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("pyproject.toml")]
    assert [line.partition(": ")[0] for line in lines] == ["pyproject.toml (extra old)", "pyproject.toml (extra new)"]
    assert "known bad" in lines[0] and lines[1].endswith(": works")
    assert cli.main(["check", "-r", "pyproject.toml", "--extra", "new"]) == 0
    assert "extra old" not in capsys.readouterr().out
    assert cli.main(["check", "-r", "pyproject.toml", "--extra", "newest"]) == 2
    assert "has no extra newest (it has: extra old, extra new, extra docs)" in capsys.readouterr().err


def test_a_repository_tells_no_version_and_that_is_said(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "r.txt").write_text("torch==2.6.0\ntransformers==4.44.2\n-e git+https://host/fork#egg=peft\n")
    assert cli.main(["check", "r.txt"]) == 0 and cli.main(["check", "r.txt", "--strict"]) == 5
    assert "asks for peft from git+https://host/fork#egg=peft, which tells no version" in capsys.readouterr().out
    assert cli.main(["check", "r.txt", "--strict", "--format", "junit"]) == 5
    assert 'failures="1"' in capsys.readouterr().out


def test_a_build_of_a_release_is_judged_as_the_release(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "r.txt").write_text("torch==2.6.0+cu124\ntransformers>=4.44,<5\npeft==0.20.0\n")
    assert cli.main(["check", "r.txt"]) == 0
    assert "1 of the 1 measured combinations within the ranges work" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["nowhere.txt"],
        ["--lock", "nowhere"],
        ["--python-version", "3", "x"],
        ["--python", "nowhere"],
        ["--project", "no"],
    ],
)
def test_bad_input_of_the_command_is_code_two(
    project: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert cli.main(["check", *words]) == 2
    assert len(capsys.readouterr().err.splitlines()) <= 2


def test_assert_compatible_teaches() -> None:
    with pytest.raises(compatcheck.IncompatibleVersions) as caught:
        compatcheck.assert_compatible(versions={**BAD, "python": "3.11"}, table=TABLE)
    told = str(caught.value)
    assert told.startswith("torch 2.6.0, transformers 4.44.2, peft 0.7.1 do not work together: Cache only has 0 layers")
    assert "works    torch==2.6.0 transformers==4.44.2 peft==0.12.0" in told and "why      " in told
    assert caught.value.verdict.status is Standing.KNOWN_BAD
    with pytest.raises(compatcheck.IncompatibleVersions, match="give wrong results together"):
        compatcheck.assert_compatible(versions=WRONG, table=TABLE)
    compatcheck.assert_compatible(versions=WORKS, table=TABLE)
    compatcheck.assert_compatible(versions=UNKNOWN, table=TABLE)
    with pytest.raises(compatcheck.UnknownVersions, match="compatcheck probe"):
        compatcheck.assert_compatible(versions=UNKNOWN, table=TABLE, strict=True)


def test_the_installed_versions_are_those_this_process_would_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(compatcheck.UsageError, match="torch, transformers and peft are not installed"):
        compatcheck.check_environment(table=TABLE)
    for name, version in BAD.items():
        info = tmp_path / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    verdict = compatcheck.check_environment(table=replace(TABLE, cells=tuple(
        replace(cell, python=f"{sys.version_info.major}.{sys.version_info.minor}") for cell in TABLE.cells
    )))  # fmt: skip
    assert verdict.status is Standing.KNOWN_BAD and verdict.versions["transformers"] == "4.44.2"


def test_the_examples_in_the_docstrings_hold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import doctest

    from compatcheck import assertion

    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(assertion).failed == 0 and doctest.testmod(assertion).attempted == 3


def test_judging_imports_nothing_heavy() -> None:
    heavy = {"torch", "transformers", "peft", "numpy", "rich", "jinja2", "pypi_simple"}
    code = (
        "import sys, compatcheck.judgement, compatcheck.check_formats, compatcheck.assertion, compatcheck.waivers\n"
        "compatcheck.check_environment(versions=dict(torch='2.6.0', transformers='4.44.2', peft='0.7.1'))\n"
        f"print(sorted({heavy!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_typed_requirements_are_judged_together(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pins = [f"{name}=={version}" for name, version in WORKS.items()]
    assert cli.main(["check", *pins]) == 0
    assert capsys.readouterr().out.startswith(f"these versions: torch {WORKS['torch']}")
    assert cli.main(["check", f"torch=={WORKS['torch']}", "transformers>=4.44", "peft", "--format", "json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)["findings"]
    assert found["ranges"]["total"] > 1 and found["line"] is None
    (project / "peft==1").write_text("".join(f"{pin}\n" for pin in pins))
    assert cli.main(["check", "peft==1"]) == 0
    assert capsys.readouterr().out.startswith("peft==1: torch"), "a file of that name is meant"
    assert cli.main(["check", "torch==x"]) == 2
    assert "Write requirements as pip takes them" in capsys.readouterr().err
