"""The GitHub Action and the pre-commit hook: they parse, and their script does what the action says."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import tomli
import yaml

from compatcheck import cli, import_needs, lexicon, members
from compatcheck.domain import digest_of
from compatcheck.lock_files import read_lock

ROOT = Path(__file__).parent.parent
ACTION = ROOT / ".github" / "actions" / "check"


def test_the_action_passes_every_input_to_its_script() -> None:
    action = yaml.safe_load((ACTION / "action.yml").read_text())
    step = action["runs"]["steps"][0]
    assert action["runs"]["using"] == "composite" and step["shell"] == "bash"
    passed = set(re.findall(r"inputs\.([\w-]+)", " ".join(step["env"].values())))
    assert passed == set(action["inputs"])
    script = (ACTION / "check.sh").read_text()
    assert all(f"${name}" in script or f"${{{name}" in script for name in step["env"])
    # the inputs get to the script as variables only: text in a workflow must never be run
    assert "inputs." not in step["run"]


class Runner:
    """What GitHub gives a composite action, with a compatcheck that is already installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        program = folder / "compatcheck" / "bin" / "compatcheck"
        program.parent.mkdir(parents=True)
        program.write_text(
            f'#!/bin/sh\necho "$@" >> {folder}/asked\nPYTHONPATH={ROOT} exec {sys.executable} -m compatcheck "$@"\n'
        )
        program.chmod(0o755)

    def run(self, **inputs: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            **inputs,
            "RUNNER_TEMP": str(self.folder),
            "GITHUB_OUTPUT": str(self.folder / "output"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
        }
        return subprocess.run(
            ["bash", str(ACTION / "check.sh")], cwd=self.folder, env=environment, capture_output=True, text=True
        )

    def asked(self) -> list[str]:
        return (self.folder / "asked").read_text().splitlines()


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    (tmp_path / "bad.txt").write_text("torch==2.6.0\ntransformers==4.44.2\npeft==0.7.1\n")
    (tmp_path / "works.txt").write_text("torch==2.6.0\ntransformers==4.51.3\npeft==0.15.2\n")
    return Runner(tmp_path)


def test_the_action_fails_a_job_with_bad_requirements_and_says_why(runner: Runner) -> None:
    done = runner.run(REQUIREMENTS="works.txt bad.txt", PYTHON_VERSION="3.11", SARIF="out.sarif")
    assert done.returncode == 1
    assert "::error file=bad.txt,line=3,title=compatcheck::" in done.stdout and "::notice file=works.txt" in done.stdout
    assert (runner.folder / "output").read_text() == "exit-code=1\n"
    assert "known bad" in (runner.folder / "summary").read_text()
    assert '"version": "2.1.0"' in (runner.folder / "out.sarif").read_text()
    assert runner.asked()[0] == "check -r works.txt -r bad.txt --python-version 3.11 --format github"


def test_the_action_judges_the_environment_where_no_file_is_named(runner: Runner) -> None:
    done = runner.run(ENVIRONMENT_PYTHON=sys.executable, PROBE="true")
    assert runner.asked()[0] == f"check --python {sys.executable} --format github"
    # torch is not installed beside the tests: there is nothing to judge, and nothing to probe
    assert done.returncode == 2 and runner.asked()[-1] == f"probe --python {sys.executable}"


def test_the_action_fails_a_strict_job_that_judged_nothing(runner: Runner) -> None:
    done = runner.run(ENVIRONMENT_PYTHON=sys.executable, STRICT="true", PROBE="true")
    assert runner.asked()[0] == f"check --python {sys.executable} --strict --format github"
    assert done.returncode == 5 and not any(each.startswith("probe") for each in runner.asked())


def test_the_hook_takes_the_files_that_check_reads() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    taken = (
        "requirements.txt requirements-dev.in sub/constraints.txt sub/environment.yml environment.yaml pyproject.toml "
        "pylock.dev.toml uv.lock poetry.lock"
    )
    assert all(re.search(hook["files"], name) for name in taken.split())
    assert not any(re.search(hook["files"], name) for name in ("setup.py", "requirements.md", "my-pyproject.toml.bak"))
    parsed = cli.built_parser().parse_args([*hook["entry"].split()[1:], "requirements.txt", "uv.lock"])
    assert parsed.named == ["requirements.txt", "uv.lock"]


def test_the_downstream_project_is_judged_with_its_own_waiver(capsys: pytest.CaptureFixture[str]) -> None:
    project = ROOT / "tests" / "downstream" / "prompted" / "pyproject.toml"
    code = cli.main(["check", "-r", str(project), "--project", str(project), "--python-version", "3.11"])
    told = capsys.readouterr().out
    decides = next(line for line in told.splitlines() if line.endswith("<- decides"))
    bad = ": known bad" in decides or ": wrong" in decides
    assert decides.startswith("  highest") and code == (bad and "waived   until 2999-12-31" not in told)
    assert "of the" in told and "measured combinations within the ranges work" in told


CLIENTS = sorted((ROOT / "tests" / "downstream").glob("*-client"))
REPORT = (ROOT / "reports" / "clients.md").read_text(encoding="utf-8")


def told_by_the_report(client: Path) -> dict[str, str]:
    """The client's line of the table in reports/clients.md, by its headings."""
    rows = [[each.strip() for each in line.split("|")[1:-1]] for line in REPORT.splitlines() if line.startswith("| ")]
    (row,) = (row for row in rows if row[0] == client.name.removesuffix("-client"))
    names = ("client", "resolved", "says", "went", "mended", "then", "changed")
    return dict(zip(names, row, strict=True))


@pytest.mark.parametrize("client", CLIENTS, ids=lambda path: path.name)
def test_a_real_client_is_judged_as_it_was_found_and_mended_to_what_passed(
    client: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """requirements.txt is what the resolver picked for requirements.in; mended.txt are the constraints that
    `compatcheck recommend` gave. reports/clients.md says how both went with the real packages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COMPATCHECK_STORE", raising=False)
    told = told_by_the_report(client)

    def judged(name: str) -> tuple[int, str, str, str]:
        code = cli.main(["check", "--python-version", "3.11", "--format", "json", "--lock", str(client / name)])
        (finding,) = json.loads(capsys.readouterr().out)["findings"]
        verdict = finding["verdict"]
        versions = " ".join(f"{each} {verdict['versions'][each]}" for each in ("torch", "transformers", "peft"))
        return code, verdict["status"], verdict["signature"] or "", versions

    code, status, signature, versions = judged("requirements.txt")
    assert versions == told["resolved"]
    if code == 0:
        assert status == "works" == told["says"] and told["went"] == "pass" and not told["mended"]
        assert not (client / "mended.txt").exists()
        return
    assert told["says"] == f"{status} ({signature})"
    assert told["went"] == f"{'wrong' if status == 'wrong' else 'fail'} ({signature})"
    code, status, _, versions = judged("mended.txt")
    assert code == 0 and status in ("works", "stale") and versions == told["mended"] and told["then"] == "pass"


def test_the_clients_report_belongs_to_the_pins_beside_it() -> None:
    assert len(CLIENTS) >= 3
    for client in CLIENTS:
        pins = read_lock(client / "requirements.txt")
        digest = digest_of("\n".join(f"{each.name}=={each.version}" for each in pins))
        assert f"/{client.name}/requirements.txt)" in REPORT and f"digest {digest})" in REPORT
    assert f"{len(CLIENTS)} of {len(CLIENTS)} went as the table says" in REPORT


# ---------------------------------------------------------------------- the matrix, one machine a torch version

WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "matrix.yml").read_text())


def test_the_workflow_has_one_job_for_every_torch_of_the_default_matrix(tmp_path: Path) -> None:
    listing = next(step["run"] for step in WORKFLOW["jobs"]["shards"]["steps"] if step.get("id") == "list")
    environment = {
        **os.environ,
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    subprocess.run(["bash", "-e", "-c", listing], cwd=ROOT, env=environment, check=True)
    name, _, value = (tmp_path / "output").read_text().strip().partition("=")
    torch = tomli.loads((ROOT / "matrix" / "article.toml").read_text())["axes"]["torch"]
    assert name == "sessions" and json.loads(value) == [f"matrix(torch-{each})" for each in torch]


def test_the_workflow_joins_the_stores_that_its_jobs_leave() -> None:
    measuring = next(step for step in WORKFLOW["jobs"]["measure"]["steps"] if "nox -s" in step.get("run", ""))
    store = measuring["env"]["COMPATCHECK_STORE"]
    uploaded = next(step["with"] for step in WORKFLOW["jobs"]["measure"]["steps"] if "upload" in step.get("uses", ""))
    assert store.startswith("part-") and store.endswith(".sqlite3") and uploaded["path"] == "part-*.sqlite3"
    # text of the listing reaches the shell as a variable only
    assert "${{" not in measuring["run"]
    for step in WORKFLOW["jobs"]["report"]["steps"]:
        if step.get("run", "").startswith("compatcheck "):
            cli.built_parser().parse_args(step["run"].split()[1:])


# ---------------------------------------------------------------------- the refresh, and what it proposes

REFRESH = yaml.safe_load((ROOT / ".github" / "workflows" / "refresh.yml").read_text())["jobs"]["refresh"]
SCRIPTS = ROOT / ".github" / "scripts"
RENEWED = [str(table.SHIPPED.relative_to(ROOT)) for table in (import_needs, lexicon, members)]


def test_the_refresh_runs_commands_that_there_are_over_a_matrix_that_is_explored() -> None:
    matrix = REFRESH["env"]["MATRIX"]
    assert tomli.loads((ROOT / matrix).read_text())["explore"] == "adaptive"
    asked = [step["run"] for step in REFRESH["steps"] if step.get("run", "").startswith("compatcheck ")]
    assert [each.split()[1] for each in asked] == [*["catalogue"] * len(RENEWED), "refresh", "report"]
    for each in asked:
        cli.built_parser().parse_args(shlex.split(each.replace('"$MATRIX"', matrix).split(" > ")[0])[1:])
    for step in REFRESH["steps"]:
        if step.get("run", "").startswith("bash "):
            assert (ROOT / step["run"].split()[1]).is_file()
        assert "${{" not in step.get("run", ""), "text from outside reaches the shell as a variable only"


def test_the_refresh_renews_the_tables_of_sources_that_it_reads_and_goes_on_without() -> None:
    runs = [step.get("run", "") for step in REFRESH["steps"]]
    renewing = [step for step in REFRESH["steps"] if step.get("run", "").startswith("compatcheck catalogue")]
    outs = [cli.built_parser().parse_args(shlex.split(each["run"])[1:]).out for each in renewing]
    assert [str(out) for out in outs] == RENEWED and all(each["continue-on-error"] for each in renewing)
    # what is installed in place is what stands in the checkout
    assert "python -m pip install --editable ." in runs
    refreshing = next(n for n, run in enumerate(runs) if run.startswith("compatcheck refresh"))
    assert all(runs.index(each["run"]) < refreshing for each in renewing)


class Forge:
    """A checkout with an origin, and a `gh` that writes down what it was asked and answers what it is told to."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.answers = folder, folder / "answers"
        self.work, origin = folder / "work", folder / "origin.git"
        (folder / "bin").mkdir()
        self.say("")
        self.answers.write_text("")
        (folder / "asked").write_text("")
        subprocess.run(["git", "init", "-q", "--bare", str(origin)], check=True)
        subprocess.run(["git", "init", "-q", "-b", "main", str(self.work)], check=True)
        (self.work / "reports").mkdir()
        (self.work / "reports" / "compatibility.md").write_text("before\n")
        (self.work / "compatcheck" / "data").mkdir(parents=True)
        for each in RENEWED:
            (self.work / each).write_text("before\n")
        self.git("add", "reports", *RENEWED)
        self.git("-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "The reports")
        self.git("remote", "add", "origin", str(origin))
        (self.work / "changes.md").write_text("what changed")

    def say(self, answer: str) -> None:
        """What `gh` does beside writing down what it was asked; compatcheck does no more than that."""
        for name, then in (("gh", f'[ "$2" != list ] || cat {self.answers}\n{answer}'), ("compatcheck", "")):
            program = self.folder / "bin" / name
            program.write_text(f'#!/bin/sh\necho "$*" >> {self.folder}/asked\n{then}\n')
            program.chmod(0o755)

    def git(self, *words: str) -> str:
        return subprocess.run(["git", *words], cwd=self.work, check=True, capture_output=True, text=True).stdout

    def run(self, script: str, *words: str) -> str:
        environment = {
            **os.environ,
            "BRANCH": "refreshed-reports",
            "MATRIX": REFRESH["env"]["MATRIX"],
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        }
        command = ["bash", str(SCRIPTS / script), *words]
        done = subprocess.run(command, cwd=self.work, env=environment, check=True, capture_output=True, text=True)
        return done.stdout

    def asked(self) -> list[str]:
        return (self.folder / "asked").read_text().splitlines()


@pytest.fixture
def forge(tmp_path: Path) -> Forge:
    return Forge(tmp_path)


def test_reports_that_have_not_changed_are_not_proposed(forge: Forge) -> None:
    assert "have not changed" in forge.run("propose.sh", "changes.md")
    assert not forge.asked() and not forge.git("ls-remote", "origin")


def test_changed_reports_become_a_pull_request_and_a_second_time_renew_it(forge: Forge) -> None:
    (forge.work / "reports" / "full").mkdir()
    (forge.work / "reports" / "full" / "compatibility.md").write_text("new\n")
    forge.run("propose.sh", "changes.md")
    assert "pr create --head refreshed-reports" in forge.asked()[-1] and "--body-file changes.md" in forge.asked()[-1]
    pushed = forge.git("ls-tree", "-r", "--name-only", "refs/heads/main"), forge.git("ls-remote", "origin")
    assert "refs/heads/refreshed-reports" in pushed[1] and "refs/heads/main" not in pushed[1]
    there = [*RENEWED, "reports/compatibility.md", "reports/full/compatibility.md"]
    assert pushed[0].split() == there, "and nothing else"
    forge.answers.write_text("7\n")
    (forge.work / "reports" / "full" / "compatibility.md").write_text("newer\n")
    forge.run("propose.sh", "changes.md")
    assert forge.asked()[-1] == "pr edit refreshed-reports --body-file changes.md"


@pytest.mark.parametrize("table", RENEWED)
def test_a_table_of_sources_that_has_changed_is_proposed_too(forge: Forge, table: str) -> None:
    (forge.work / table).write_text("new\n")
    forge.run("propose.sh", "changes.md")
    assert "pr create" in forge.asked()[-1]
    assert forge.git("show", "--name-only", "--format=", "main").split() == [table]


def test_what_the_last_run_knew_is_fetched_and_the_rest_taken_from_the_committed_report(forge: Forge) -> None:
    assert "no earlier run" in forge.run("earlier_store.sh")
    merged = "merge reports/full --into .compatcheck/store.sqlite3"
    assert len(forge.asked()) == 2 and forge.asked()[-1] == merged
    forge.answers.write_text("4711\n")
    forge.run("earlier_store.sh")
    assert forge.asked()[-2:] == ["run download 4711 --name store --dir .compatcheck", merged]
    assert f"--workflow {Path('refresh.yml').name} --status success" in forge.asked()[-3]


def test_an_artifact_that_has_expired_does_not_end_the_refresh(forge: Forge) -> None:
    forge.answers.write_text("4711\n")
    forge.say('[ "$2" != download ] || exit 1')
    assert "the store of run 4711 cannot be had any more" in forge.run("earlier_store.sh")
    assert forge.asked()[-1].startswith("merge reports/full")


def test_the_command_that_takes_the_report_is_one_that_there_is(tmp_path: Path) -> None:
    (line,) = (each for each in (SCRIPTS / "earlier_store.sh").read_text().splitlines() if "compatcheck" in each[:11])
    words = shlex.split(line.replace('$(basename "$MATRIX" .toml)', Path(REFRESH["env"]["MATRIX"]).stem))
    parsed = cli.built_parser().parse_args(words[1:])
    assert [(ROOT / each / "compatibility.json").is_file() for each in parsed.sources] == [True]
    uploaded = next(step["with"]["path"] for step in REFRESH["steps"] if "upload" in step.get("uses", ""))
    assert str(parsed.into) == uploaded, "the store that the run goes on with, and leaves"
