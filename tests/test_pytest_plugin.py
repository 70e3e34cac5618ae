"""The pytest plugin, found by its entry point, in sessions of their own with made-up packages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from made_up_table import table_text
from stub_environments import stub_environment

pytest_plugins = ["pytester"]

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
ROOT = Path(__file__).parent.parent
CACHE_FAILURE = """
def prepare_inputs_for_generation(cache):
    raise KeyError("Cache only has 0 layers, attempted to access layer with index 0")
"""
TESTS = """
    import pytest

    def test_good():
        pass

    def test_generates():
        from peft.peft_model import prepare_inputs_for_generation
        prepare_inputs_for_generation(None)

    def test_bad():
        assert 1 == 2
"""


class Project:
    """A downstream project: its tests, its pyproject.toml, and the versions that are installed for it."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pytester = pytester
        self.site = pytester.mkdir("site")
        info = self.site / "compatcheck_entry-0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: compatcheck-entry\nVersion: 0\n")
        (info / "entry_points.txt").write_text("[pytest11]\ncompatcheck = compatcheck.pytest_plugin\n")
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(self.site), str(ROOT)]))
        monkeypatch.setenv("COMPATCHECK_STORE", str(pytester.path / "none"))
        monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
        self.write("pyproject.toml", '[tool.compatcheck]\ntable = "table.json"\n')
        self.write("table.json", table_text(PYTHON))
        pytester.makepyfile(test_downstream=TESTS)

    def write(self, name: str, text: str) -> None:
        path = self.pytester.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def install(self, transformers: str, peft: str) -> Project:
        for name, version in (("torch", "2.6.0"), ("transformers", transformers), ("peft", peft)):
            info = self.site / f"{name}-{version}.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        self.write("site/peft/__init__.py", "")
        self.write("site/peft/peft_model.py", CACHE_FAILURE)
        return self

    def run(self, *words: str) -> pytest.RunResult:
        return self.pytester.runpytest_subprocess("-p", "no:cacheprovider", *words, timeout=60)


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(pytester, monkeypatch)


@pytest.fixture
def bad(project: Project) -> Project:
    return project.install("4.44.2", "0.7.1")


@pytest.fixture
def works(project: Project) -> Project:
    return project.install("4.44.2", "0.20.0")


def test_known_bad_versions_end_the_session_before_anything_is_collected(bad: Project) -> None:
    bad.write("test_import.py", "raise SystemExit('must not be imported')")
    result = bad.run("--compatcheck")
    assert result.ret == 1
    out = result.stdout.str()
    assert "compatcheck: known bad: torch 2.6.0, transformers 4.44.2, peft 0.7.1: Cache only has 0 layers" in out
    assert "works    torch==2.6.0 transformers==4.44.2 peft==0.12.0" in out and "why " in out
    assert "see above; to go on all the same: --compatcheck=warn" in out
    assert out.index("compatcheck: known bad") < out.index("= compatcheck =")
    assert "Warning" not in out + result.stderr.str()
    assert "collected " not in out and "must not be imported" not in out


def test_versions_that_work_are_told_and_the_tests_run(works: Project) -> None:
    result = works.run("--compatcheck")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["compatcheck: works: torch 2.6.0, transformers 4.44.2, peft 0.20.0"])


def test_warn_goes_on_and_says_it_at_the_end(bad: Project) -> None:
    result = bad.run("--compatcheck=warn", "-q")
    result.assert_outcomes(passed=1, failed=2)
    assert "remedy   Upgrade peft" in result.stdout.str()


def test_a_failure_that_is_known_is_explained_in_its_report(works: Project) -> None:
    result = works.run("--compatcheck", "--junitxml=report.xml")
    out = result.stdout.str()
    assert out.count("this failure is known") == 1
    generates = out[out.index("_ test_generates _") : out.index("_ test_bad _")]
    assert "known as   cache-layers-empty" in generates and "remedy " in generates


def test_a_module_that_cannot_be_imported_is_explained_too(works: Project) -> None:
    works.write("test_import.py", "from peft.peft_model import prepare_inputs_for_generation as f\nf(None)\n")
    result = works.run("--compatcheck=check", "test_import.py")
    assert result.ret == 2
    assert "known as   cache-layers-empty" in result.stdout.str()


@pytest.mark.parametrize("words", [[], ["--compatcheck=off"]])
def test_off_says_nothing(bad: Project, words: list[str]) -> None:
    result = bad.run(*words)
    result.assert_outcomes(passed=1, failed=2)
    assert "known" not in result.stdout.str() and "compatcheck:" not in result.stdout.str()


def test_off_costs_one_small_import(bad: Project) -> None:
    bad.write(
        "test_modules.py",
        "def test_it():\n    import sys\n"
        "    print(sorted(name for name in sys.modules if name.split('.')[0] in ('compatcheck', 'cattrs')))\n",
    )
    result = bad.run("-s", "test_modules.py")
    assert "['compatcheck', 'compatcheck.pytest_plugin']" in result.stdout.str()


def test_the_ini_file_may_ask_for_it(bad: Project) -> None:
    bad.write("pytest.ini", "[pytest]\ncompatcheck = check\n")
    assert bad.run().ret == 1
    bad.run("--compatcheck=warn").assert_outcomes(passed=1, failed=2)
    bad.write("pytest.ini", "[pytest]\ncompatcheck = perhaps\n")
    result = bad.run()
    assert result.ret == 4 and "none of check, warn, probe, off" in result.stderr.str()


def test_a_word_that_follows_is_not_taken_for_the_mode(bad: Project) -> None:
    result = bad.run("--compatcheck", "test_downstream.py")
    assert result.ret == 4
    assert "before other arguments write --compatcheck=check" in result.stderr.str()


def test_the_projects_waivers_and_strictness_count(bad: Project) -> None:
    waiver = "[[tool.compatcheck.waivers]]\nsignature = 'cache-layers-empty'\nuntil = {}\nreason = 'we know'\n"
    settings = '[tool.compatcheck]\ntable = "table.json"\n'
    bad.write("pyproject.toml", settings + waiver.format("2999-01-01"))
    result = bad.run("--compatcheck")
    result.assert_outcomes(passed=1, failed=2)
    assert "(waived until 2999-01-01: we know)" in result.stdout.str()
    bad.write("pyproject.toml", settings + waiver.format("2020-01-01"))
    result = bad.run("--compatcheck")
    assert result.ret == 1 and "expired on 2020-01-01 (we know)" in result.stdout.str()
    bad.write("pyproject.toml", "[tool.compatcheck]\nstrikt = true\n")
    result = bad.run("--compatcheck")
    assert result.ret == 4 and "unknown key 'strikt'" in result.stderr.str()


def test_what_is_not_known_is_only_told(project: Project) -> None:
    # a transformers that takes the huggingface_hub that is installed beside the tests
    project.install("5.20.2", "0.15.2").run("--compatcheck").assert_outcomes(passed=1, failed=2)
    project.write("pyproject.toml", '[tool.compatcheck]\ntable = "table.json"\nstrict = true\n')
    result = project.run("--compatcheck")
    assert (
        result.ret == 1 and "compatcheck: unknown: torch 2.6.0, transformers 5.20.2, peft 0.15.2" in result.stdout.str()
    )


def test_without_the_packages_there_is_nothing_to_judge(project: Project) -> None:
    project.write("test_downstream.py", "def test_it(): pass\n")
    result = project.run("--compatcheck=probe")
    result.assert_outcomes(passed=1)
    assert "torch, transformers and peft are not installed: nothing to judge" in result.stdout.str()


def test_a_quiet_session_says_too_that_nothing_was_judged(project: Project) -> None:
    project.write("test_downstream.py", "def test_it(): pass\n")
    for mode in ("check", "probe"):
        result = project.run(f"--compatcheck={mode}", "-q")
        result.assert_outcomes(passed=1)
        assert result.stdout.str().count("torch, transformers and peft are not installed: nothing to judge") == 1


MARKED = """
    import pytest

    @pytest.mark.compatcheck("peft>=0.13")
    def test_newer(): assert False

    @pytest.mark.compatcheck("peft<0.13", "transformers>=4")
    def test_this(): pass

    @pytest.mark.compatcheck("no-such-package")
    def test_other(): assert False

    @pytest.mark.compatcheck
    def test_working_versions(): assert False
"""


@pytest.mark.parametrize("words", [[], ["--strict-markers"], ["--compatcheck=warn"]])
def test_the_marker_skips_with_the_reason(bad: Project, words: list[str]) -> None:
    bad.pytester.makepyfile(test_downstream=MARKED)
    result = bad.run("-rs", *words)
    result.assert_outcomes(passed=1, skipped=3)
    out = result.stdout.str()
    assert "needs peft>=0.13: peft 0.7.1 is installed" in out
    assert "needs no-such-package: no-such-package is not installed" in out
    assert "known bad: torch 2.6.0, transformers 4.44.2, peft 0.7.1: Cache only has 0 layers" in out


def test_a_marker_that_is_no_requirement_is_an_error(works: Project) -> None:
    works.pytester.makepyfile(
        test_downstream='import pytest\n@pytest.mark.compatcheck("peft >> 1")\ndef test_it(): pass\n'
    )
    result = works.run()
    assert result.ret != 0 and "not a requirement such as 'peft>=0.13'" in result.stdout.str()
    assert "pytest_plugin.py" not in result.stdout.str(), "the mistake is in the test, not in the plugin"


def test_under_xdist_the_verdict_is_told_once_and_failures_are_explained(works: Project) -> None:
    result = works.run("--compatcheck", "-n", "2")
    result.assert_outcomes(passed=1, failed=2)
    out = result.stdout.str()
    assert out.count("compatcheck: works: torch") == 1 and out.count("this failure is known") == 1


def test_under_xdist_known_bad_versions_end_the_session(bad: Project) -> None:
    result = bad.run("--compatcheck", "-n", "2")
    assert result.ret == 1
    assert result.stdout.str().count("see above; to go on all the same") == 1
    assert "passed" not in result.stdout.str()


WAIVER = "[[tool.compatcheck.waivers]]\nversions = { peft = '<0.2' }\nuntil = 2999-01-01\nreason = 'we know'\n"


@pytest.mark.parametrize(
    ("versions", "waiver", "code", "said"),
    [
        ({"torch": "2.1.0", "transformers": "5.1.0", "peft": "0.10.0"}, "", 0, "; probed: pass"),
        ({"torch": "2.1.0", "transformers": "5.0.0", "peft": "0.1.0"}, "", 1, "; probed: fail in generate"),
        ({"torch": "2.1.0", "transformers": "5.0.0", "peft": "0.1.0"}, WAIVER, 0, "; probed: fail in generate"),
    ],
)
def test_probe_runs_the_cycle_once_and_believes_it(
    project: Project, versions: dict[str, str], waiver: str, code: int, said: str
) -> None:
    project.write("pyproject.toml", f'[tool.compatcheck]\ntable = "table.json"\n{waiver}')
    python = stub_environment(project.pytester.path / "env", versions)
    project.write("test_downstream.py", "def test_it(): pass\n")
    outside = os.pathsep.join([os.environ["PYTHONPATH"], str(Path(pytest.__file__).parent.parent)])
    done = subprocess.run(
        [python, "-m", "pytest", "-p", "no:cacheprovider", "--compatcheck=probe"],
        cwd=project.pytester.path,
        env={**os.environ, "PYTHONPATH": outside},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stdout + done.stderr
    # by the sources of the real releases these versions fail, and the table knows nothing: the probe alone decides
    assert "compatcheck: known bad: torch 2.1.0" in done.stdout and said in done.stdout
    if code == 1:
        assert "use_cache=False gives the right result" in done.stdout and "1 passed" not in done.stdout
