"""The Action as a runner runs it, and the hook as pre-commit runs it: each installs compatcheck from this tree."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
ACTION = ROOT / ".github" / "actions" / "check"
BAD = "torch==2.6.0\ntransformers==4.44.2\npeft==0.7.1\n"
WORKS = "torch==2.6.0\ntransformers==4.51.3\npeft==0.15.2\n"

pytestmark = pytest.mark.index


def without_pip_settings_of_a_session() -> dict[str, str]:
    unwanted = ("VIRTUAL_ENV", "PYTHONPATH", "UV_PROJECT_ENVIRONMENT", "COMPATCHECK_STORE")
    return {name: value for name, value in os.environ.items() if name not in unwanted}


def test_github_and_precommit_know_these_files() -> None:
    """Their own schemas: of an action's metadata, of a workflow, of a hook's manifest."""
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    for schema, files in (
        ("vendor.github-actions", [ACTION / "action.yml"]),
        ("vendor.github-workflows", sorted((ROOT / ".github" / "workflows").glob("*.yml"))),
    ):
        assert files
        subprocess.run([*check, schema, *files], check=True, capture_output=True)
    manifest = [sys.executable, "-m", "pre_commit", "validate-manifest", ROOT / ".pre-commit-hooks.yaml"]
    subprocess.run(manifest, check=True, capture_output=True)


def test_the_readmes_workflow_is_one_and_gives_the_action_inputs_that_it_has(tmp_path: Path) -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    workflow, hooks = (next(each for each in blocks if name in each) for name in ("workflows/", ".pre-commit-config"))
    (tmp_path / "workflow.yml").write_text(workflow)
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    subprocess.run([*check, tmp_path / "workflow.yml"], check=True, capture_output=True)
    steps = yaml.safe_load(workflow)["jobs"]["check"]["steps"]
    (given,) = (step["with"] for step in steps if "/actions/check@" in step["uses"])
    assert set(given) <= set(yaml.safe_load((ACTION / "action.yml").read_text())["inputs"])
    (tmp_path / "hooks.yaml").write_text(hooks)
    validate = [sys.executable, "-m", "pre_commit", "validate-config", tmp_path / "hooks.yaml"]
    subprocess.run(validate, check=True, capture_output=True)
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert [each["id"] for each in yaml.safe_load(hooks)["repos"][0]["hooks"]] == [hook["id"]]


class GitHub:
    """As much of a runner as a composite action sees: inputs with their defaults, files, and how bash is called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.action = yaml.safe_load((ACTION / "action.yml").read_text())

    def uses(self, **given: str) -> subprocess.CompletedProcess[str]:
        inputs = {name: about.get("default", "") for name, about in self.action["inputs"].items()} | given
        (step,) = self.action["runs"]["steps"]
        values = {
            name: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda found: inputs[found[1]], text)
            for name, text in step["env"].items()
        }
        assert not any("${{" in text for text in (*values.values(), step["run"]))
        script = self.folder / "step.sh"
        script.write_text(step["run"])
        environment = {
            **without_pip_settings_of_a_session(),
            **values,
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION_PATH": str(ACTION),
            "GITHUB_OUTPUT": str(self.folder / "output"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
            "RUNNER_TEMP": str(self.folder / "temp"),
        }
        command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", script]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)


def test_the_action_installs_itself_and_judges(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(BAD)
    github = GitHub(tmp_path)
    done = github.uses(requirements="requirements.txt", sarif="out.sarif")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "::error file=requirements.txt,line=3,title=compatcheck::" in done.stdout
    assert (tmp_path / "output").read_text() == "exit-code=1\n"
    assert "cache-layers-empty" in (tmp_path / "out.sarif").read_text()
    assert "known bad" in (tmp_path / "summary").read_text()
    program = tmp_path / "temp" / "compatcheck" / "bin" / "compatcheck"
    first = program.stat().st_mtime_ns
    (tmp_path / "requirements.txt").write_text(WORKS)
    done = github.uses(requirements="requirements.txt", strict="true")
    assert done.returncode == 0 and "::notice file=requirements.txt" in done.stdout, done.stdout + done.stderr
    assert program.stat().st_mtime_ns == first, "a second use in a job installs nothing"


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[Path]:
    """A repository with the hook in it: this tree, committed."""
    folder = tmp_path / "compatcheck"
    folder.mkdir()
    for name in ("README.md", "LICENSE", "pyproject.toml", ".pre-commit-hooks.yaml"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "compatcheck", folder / "compatcheck", ignore=shutil.ignore_patterns("__pycache__"))
    committed(folder)
    yield folder


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=someone", "-c", "user.email=someone@host.example"]
    done = subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def committed(folder: Path) -> str:
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "all of it")
    return git(folder, "rev-parse", "HEAD")


def test_precommit_installs_the_hook_and_stops_a_commit(hook: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "requirements.txt").write_text(WORKS)
    (project / "notes.txt").write_text(BAD)
    repository = {"repo": str(hook), "rev": git(hook, "rev-parse", "HEAD"), "hooks": [{"id": "compatcheck"}]}
    (project / ".pre-commit-config.yaml").write_text(yaml.safe_dump({"repos": [repository]}))
    committed(project)
    environment = {**without_pip_settings_of_a_session(), "PRE_COMMIT_HOME": str(tmp_path / "home")}

    def hooked(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pre_commit", *words], cwd=project, env=environment, capture_output=True, text=True
        )

    done = hooked("run", "--all-files")
    assert done.returncode == 0 and "Passed" in done.stdout, done.stdout + done.stderr
    (project / "requirements.txt").write_text(BAD)
    git(project, "add", "-A")
    done = hooked("run")
    assert done.returncode == 1 and "Failed" in done.stdout, done.stdout + done.stderr
    assert "requirements.txt: torch 2.6.0, transformers 4.44.2, peft 0.7.1: known bad" in done.stdout
    assert "notes.txt" not in done.stdout, "only files that the hook is for"
