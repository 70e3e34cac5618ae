"""`compatcheck check`: what is known of the versions that are installed, locked or allowed."""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..domain import CORE
from .recommend import add_table

if TYPE_CHECKING:
    from ..judgement import Finding
    from ..shipped import KnownTable

EPILOG = """\
Answers from the table of measurements that comes with compatcheck: nothing is installed, imported or run.

  compatcheck check                                   what is installed beside compatcheck
  compatcheck check --python .venv/bin/python         what is installed elsewhere
  compatcheck check --lock uv.lock                    what a lock file pins
  compatcheck check -r requirements.txt               what a project allows: ranges by their two ends
  compatcheck check environment.yml                   what conda is to install, and pip beside it
  compatcheck check -r pyproject.toml --resolution highest --format sarif > compatcheck.sarif
  compatcheck check torch==2.6.0 'transformers>=4.50' peft==0.15.2

`[tool.compatcheck]` in pyproject.toml takes strict, table, resolution and waivers:

  [[tool.compatcheck.waivers]]
  signature = "cache-layers-empty"
  until = 2027-01-31
  reason = "we generate with use_cache=False"

Exit code: 0 nothing is known to be wrong; 1 known bad, wrong, or a waiver has expired; 5 with --strict, unknown or
stale, or nothing to judge in anything that was named.
"""


USUAL = ("uv.lock", "poetry.lock", "pyproject.toml", "requirements.txt", "environment.yml")
"""Files that a project's folder is likely to have, what is pinned first."""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "check", help="judge installed, locked or allowed versions", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    what = parser.add_argument_group("what to judge (several may be named; nothing: the current environment)")
    what.add_argument(
        "named", nargs="*", metavar="FILE|REQUIREMENT",
        help="requirements or lock files, told apart by their names, or requirements as pip takes them, which are "
        "judged together",
    )  # fmt: skip
    what.add_argument(
        "-r", "--requirements", type=Path, action="append", default=[], metavar="FILE",
        help="a requirements file, a pyproject.toml or a conda environment.yml",
    )  # fmt: skip
    what.add_argument(
        "--lock", type=Path, action="append", default=[], metavar="FILE",
        help="pylock.toml, uv.lock, poetry.lock, pdm.lock, Pipfile.lock or pinned requirements",
    )  # fmt: skip
    what.add_argument("--python", type=Path, metavar="PATH", help="the python of another environment")
    what.add_argument(
        "--extra", action="append", default=[], metavar="NAME",
        help="of a pyproject.toml: judge it with this extra (default: as it is, and once with each extra or group that "
        "names torch, transformers or peft)",
    )  # fmt: skip
    what.add_argument("--group", action="append", default=[], metavar="NAME", help="the same for a dependency group")
    how = parser.add_argument_group("how")
    how.add_argument(
        "--python-version",
        metavar="X.Y",
        help="of files: which Python they are for (default: any, of an environment.yml its own)",
    )
    how.add_argument(
        "--resolution", choices=("both", "highest", "lowest"),
        help="of ranges: which end decides (default: the worse of both)",
    )  # fmt: skip
    how.add_argument(
        "--strict", action="store_true", help="unknown, stale and nothing to judge are not accepted: code 5"
    )
    how.add_argument(
        "--project", type=Path, metavar="FILE",
        help="the pyproject.toml with [tool.compatcheck] (default: the one of the folder, if any)",
    )  # fmt: skip
    how.add_argument(
        "--format", choices=("text", "json", "github", "sarif", "junit"), default="text", help="(default: %(default)s)"
    )
    add_table(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    from ..check_formats import FORMATS
    from ..judgement import Corner, waived
    from ..own_runs import known_table
    from ..waivers import Settings, load_settings, nearest_pyproject

    project = arguments.project or nearest_pyproject(Path.cwd())
    settings = load_settings(project) if project else Settings()
    table = known_table(arguments.table or settings.table or None, arguments.store)
    corner = Corner(arguments.resolution or settings.resolution)
    judgement = waived(_findings(arguments, table, corner), settings, table, strict=arguments.strict)
    print(FORMATS[arguments.format](judgement), end="")
    if judgement.findings[0].verdict is None and not _named(arguments):
        there = next((name for name in USUAL if Path(name).is_file()), "FILE")
        print(f"compatcheck: to judge what a project asks for: compatcheck check {there}; another environment: "
              "--python PATH", file=sys.stderr)  # fmt: skip
    return judgement.exit_code


def _named(arguments: argparse.Namespace) -> bool:
    """Whether anything was named that is to be judged."""
    return bool(arguments.named or arguments.requirements or arguments.lock or arguments.python)


def _findings(arguments: argparse.Namespace, table: KnownTable, corner: str) -> list[Finding]:
    from ..installation import installed
    from ..judgement import Corner, judged_environment, judged_lock, judged_requirements, judged_sections
    from ..lock_files import is_lock, read_lock
    from ..requirement_files import (
        applying,
        marker_environment,
        parts_of_project,
        python_of_environment,
        read_requirements,
        read_sections,
    )
    from ..requirement_lines import typed_requirements

    given = _python_version(arguments.python_version)
    typed = [each for each in arguments.named if _is_requirement(each)]
    files = [_from_here(Path(each)) for each in arguments.named if each not in typed]
    requirements = [*map(_from_here, arguments.requirements), *(each for each in files if not is_lock(each))]
    locks = [*map(_from_here, arguments.lock), *(each for each in files if is_lock(each))]
    parts_of_project(requirements, arguments.extra, arguments.group)
    findings: list[Finding] = []
    which = Corner(corner)
    chosen = [*(f"extra {each}" for each in arguments.extra), *(f"group {each}" for each in arguments.group)]
    for path in requirements:
        python = given or python_of_environment(path)
        environment = marker_environment(python)
        if chosen and path.suffix == ".toml":
            wanted = read_requirements(path, environment, arguments.extra, arguments.group)
            subject = f"{path} ({', '.join(chosen)})"
            findings.append(judged_requirements(path, wanted, table, python, which, subject))
        else:
            findings += judged_sections(path, read_sections(path, environment), table, python, which)
    if typed:
        wanted = applying(typed_requirements(typed), marker_environment(given))
        found = judged_requirements(Path("the command line"), wanted, table, given, which, "these versions")
        findings.append(replace(found, file=""))
    for path in locks:
        findings += judged_lock(path, read_lock(path, marker_environment(given)), table, given)
    if arguments.python or not findings:
        subject = f"the environment of {arguments.python}" if arguments.python else "this environment"
        findings.append(judged_environment(installed(arguments.python), table, subject))
    return findings


def _is_requirement(text: str) -> bool:
    """`peft==0.15.2` or `peft`, and no file of that name."""
    return (text in CORE or bool(re.search(r"[=<>!~]", text))) and not Path(text).exists()


def _from_here(path: Path) -> Path:
    """GitHub and code scanning know files by their paths from the working folder."""
    return path.relative_to(Path.cwd()) if path.is_absolute() and path.is_relative_to(Path.cwd()) else path


def _python_version(text: str | None) -> str | None:
    from ..errors import UsageError

    if text is not None and not re.fullmatch(r"3\.\d+", text):
        raise UsageError(f"--python-version {text!r} is not of the form 3.11", "Example: --python-version 3.11")
    return text
