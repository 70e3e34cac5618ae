"""`compatcheck bisect`: which package, and which release of it, broke what worked with an earlier lock."""

from __future__ import annotations

import argparse
import platform
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .blame import add_experiment, blame_data, dated, evidence_lines, teller, write_locks
from .common import DEFAULT_STORE, add_places, cache_folder

if TYPE_CHECKING:
    from ..attribution import Blame
    from ..bisect_report import BisectReport
    from ..command_runner import CommandRunner
    from ..domain import Lock
    from ..environment import Uv
    from ..laboratory import CycleRunner, Locksmith
    from ..releases import ReleaseSource
    from ..store import Store

    Runner = CycleRunner | CommandRunner
    Say = Callable[[str], None]

EPILOG = """\
FILE is a requirements file with everything pinned, the output of `pip freeze`, a pylock.toml or a uv.lock. Without
--run, what is run is the prompt-tuning cycle. A command is run by no shell, in this folder, with the environment under
test in front of PATH: exit status 0 is good, 125 says that it cannot tell, any other is bad; another traceback than
that of the bad lock counts as neither.

  compatcheck bisect --good monday.txt --bad friday.txt
  compatcheck bisect --good old/uv.lock --bad uv.lock --run 'python -m pytest -x tests/test_train.py'
  compatcheck bisect --good good.txt --bad bad.txt --markdown issue.md       a report to file upstream

--json: an object: good and bad (file, lock), command, python, platform, failure, released, and what `compatcheck blame
--json` has of a verdict: verdict, culprits (package, last_good, first_bad, fixed_in), evidence, words, pairs (good,
bad, says, note), worked, also, no_part, inseparable, reason, runs.

Exit code 1: no culprit could be named.
"""
MOST_SCRIPT = 8192
"""Bytes of a script that a report still carries."""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "bisect", help="which package, and which release, broke what worked with an earlier lock", description=__doc__,
        epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--good", type=Path, required=True, metavar="FILE", help="the lock with which it works")
    parser.add_argument("--bad", type=Path, required=True, metavar="FILE", help="the lock with which it fails")
    parser.add_argument("--run", metavar="COMMAND", help="what to run (default: the prompt-tuning cycle)")
    parser.add_argument(
        "--timeout", type=float, default=600.0, metavar="SECONDS", help="for one run of COMMAND (default: %(default)s)"
    )
    parser.add_argument(
        "--journal", type=Path, metavar="FILE",
        help="with --run: keep every run here, and do not repeat what stands there (runs of the cycle are kept in the "
        "store). Begin a new one when the command, or what it runs, has changed",
    )  # fmt: skip
    parser.add_argument(
        "--pinned", action="append", default=[], metavar="NAME",
        help="a package that was chosen and not only resolved; may be repeated. A culprit outside these is drift",
    )  # fmt: skip
    parser.add_argument(
        "--python", default=".".join(platform.python_version_tuple()[:2]), metavar="VERSION",
        help="the Python of the locks (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--model", default="tiny-bloom", help="the cycle's model (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write a report to file upstream")
    add_experiment(parser)
    add_places(parser)
    parser.set_defaults(execute=execute, store=DEFAULT_STORE)


def execute(arguments: argparse.Namespace) -> int:
    from packaging.utils import canonicalize_name

    from ..attribution import attribute, expected_runs
    from ..bisect_report import markdown
    from ..deltas import differing
    from ..domain import CORE
    from ..environment import Uv
    from ..errors import EXIT_DONE, EXIT_NEGATIVE, UsageError
    from ..laboratory import InstallableReleases, Locksmith, RealLaboratory, large_packages
    from ..releases import PackageIndex, index_url
    from ..store import Store
    from ..table import CLEAN, unit_text

    say, uv = teller(), Uv()
    pinned = tuple(canonicalize_name(name) for name in arguments.pinned)
    locksmith = Locksmith(arguments.python, uv, pinned or CORE)
    good, bad = (_end(path, locksmith, say) for path in (arguments.good, arguments.bad))
    if not arguments.run and not (good.versions.keys() & bad.versions.keys()).issuperset(CORE):
        raise UsageError(
            f"the cycle needs {', '.join(CORE)} in both locks", "Say what to run instead: --run 'python my_script.py'."
        )
    locksmith.ends = [bad.versions, good.versions]
    with Store(arguments.store) as store:
        runner = _runner(arguments, uv, store, say)
        laboratory = RealLaboratory(locksmith, runner)
        laboratory.asked = laboratory.trial(bad.versions).unit
        if laboratory.asked == CLEAN:
            raise UsageError(f"{arguments.bad} works: there is nothing to look for", "Exchange the two locks?")
        if laboratory.asked:
            say(f"{arguments.bad}: {unit_text(laboratory.asked)}")
        works = laboratory.trial(good.versions)
        if works.unit is not None and works.unit != CLEAN:
            raise UsageError(
                f"{arguments.good} does not work: {unit_text(works.unit)}",
                f"Name a lock with which it works. What it shows: {runner.shown(good)[-600:]}",
            )
        apart, about = len(differing(good.versions, bad.versions)), expected_runs(good.versions, bad.versions)
        say(f"{apart} packages differ: about {about} runs for one culprit; no verdict after {arguments.max_runs}")
        source = PackageIndex(index_url())
        releases = InstallableReleases(source, arguments.python, {} if arguments.large else large_packages(good, bad))
        blame = attribute(
            laboratory, releases, good.versions, bad.versions,
            pinned=pinned or None, first=pinned or CORE, most_runs=arguments.max_runs,
        )  # fmt: skip
        blame = dated(blame, source)
        report = _report(arguments, blame, bad, runner, source)
        if arguments.markdown:
            report = _confirmed(arguments, report, runner, uv, say)
            arguments.markdown.write_text(markdown(report))
            say(f"wrote {arguments.markdown}")
        if arguments.locks:
            write_locks(arguments.locks, blame, runner.lock)
    if arguments.json:
        print(_json(arguments, blame, good, bad, report))
    else:
        print("\n".join([blame.words(), "", *evidence_lines(blame.evidence), f"{blame.runs} runs"]))
    return EXIT_DONE if blame.culprits else EXIT_NEGATIVE


def _end(path: Path, locksmith: Locksmith, say: Say) -> Lock:
    """The complete lock of a file. Raises UsageError where it cannot be installed here."""
    from packaging.version import Version

    from ..errors import UsageError
    from ..locks import read_lock

    read = read_lock(path, locksmith.python)
    for each in read.left_out:
        say(f"{path}: left out, since no index has it: {each}")
    versions = read.versions
    exact = locksmith.exact(versions)
    public = {name: Version(version).public for name, version in versions.items()}
    if exact.lock is None and public != versions:
        # `2.6.0+cu124` is a build from an index of torch's own; the release of the same number may be on this one
        labelled = ", ".join(f"{name} {version}" for name, version in versions.items() if public[name] != version)
        say(f"{path}: {labelled} is not on this index, taken as the release of the same number")
        versions, exact = public, locksmith.exact(public)
    if exact.lock is None:
        raise UsageError(
            f"{path} cannot be installed here: {exact.reason[:600]}",
            f"Is it a lock for Python {locksmith.python} (--python) and this platform? Are its indexes configured "
            "(UV_DEFAULT_INDEX)?",
        )
    complete = locksmith.completed(versions)
    if complete is None:
        say(f"{path}: its packages' metadata object, it is installed all the same")
        return exact.lock
    added = sorted(complete.versions.keys() - versions.keys())
    if added:
        say(f"{path} is not complete; added as they resolve today: {', '.join(added)}")
    locksmith.learn(complete)
    return complete


def _runner(arguments: argparse.Namespace, uv: Uv, store: Store, say: Say) -> Runner:
    from ..catalogues import load_catalogue
    from ..command_runner import CommandRunner
    from ..domain import Limits, Scenario
    from ..laboratory import CycleRunner
    from ..machine import platform_key
    from ..scenario.material import material

    environments, catalogue = cache_folder(arguments) / "environments", load_catalogue()
    if arguments.run:
        return CommandRunner(arguments.run, uv, environments, catalogue, arguments.timeout, say, arguments.journal)
    scenario = Scenario(model=arguments.model)
    return CycleRunner(
        uv, store, environments, scenario, Limits(), material(scenario), catalogue, platform_key(), arguments.again, say
    )


def _report(
    arguments: argparse.Namespace, blame: Blame, bad: Lock, runner: Runner, source: ReleaseSource
) -> BisectReport:
    """What is to be filed: with the two locks nearest to the border where one was found, else with the bad lock's
    traceback alone."""
    from ..bisect_report import BisectReport, Contrast
    from ..scenario import MINIMAL

    contrast, shown = None, bad
    if (border := blame.border) is not None:
        works, fails = runner.lock(border.good), runner.lock(border.bad)
        if works is not None and fails is not None:
            contrast, shown = Contrast(works.versions, fails.versions), fails
    return BisectReport(
        blame,
        arguments.python,
        bad.platform,
        arguments.run or "python minimal.py",
        _script_of(arguments.run) if arguments.run else MINIMAL.read_text(),
        runner.shown(shown),
        contrast,
        # a command of the user's is what was run on both sides of the border
        confirmed=True if arguments.run and contrast else None,
        released=_days(blame, source),
    )


def _script_of(command: str) -> str:
    """The Python script that a command runs, where it is a short one of this folder: the report then carries it."""
    for word in shlex.split(command):
        path = Path(word)
        if path.suffix == ".py" and path.is_file() and path.stat().st_size <= MOST_SCRIPT:
            return path.read_text(encoding="utf-8", errors="replace")
    return ""


def _days(blame: Blame, source: ReleaseSource) -> dict[str, str]:
    """When the releases at the borders came out, as far as the index says."""
    from ..errors import CompatcheckError

    found = {}
    for culprit in blame.culprits:
        try:
            releases = source.releases(culprit.package)
        except CompatcheckError:
            continue
        for each in releases:
            if each.uploaded and each.version in (culprit.last_good, culprit.first_bad, culprit.fixed_in):
                found[f"{culprit.package} {each.version}"] = f"{each.uploaded:%Y-%m-%d}"
    return found


def _confirmed(arguments: argparse.Namespace, report: BisectReport, runner: Runner, uv: Uv, say: Say) -> BisectReport:
    """The report with its script tried on both sides of the border."""
    from dataclasses import replace

    from ..catalogues import load_catalogue
    from ..command_runner import CommandRunner
    from ..domain import Outcome
    from ..scenario import MINIMAL

    border = report.blame.border
    if border is None or report.contrast is None or arguments.run:
        return report
    script = CommandRunner(
        f"python {shlex.quote(str(MINIMAL))}", uv, cache_folder(arguments) / "environments", load_catalogue()
    )
    works, fails = runner.lock(border.good), runner.lock(border.bad)
    assert works is not None and fails is not None
    seen = script.verdict(fails, 0), script.verdict(works, 0)
    confirmed = seen[0].unit == report.blame.unit and seen[1].outcome is Outcome.PASS
    say(f"the minimal script shows {'the same' if confirmed else 'something else'}")
    if not confirmed:
        return replace(report, confirmed=False)
    return replace(report, confirmed=True, traceback=script.shown(fails).replace(str(MINIMAL), MINIMAL.name))


def _json(arguments: argparse.Namespace, blame: Blame, good: Lock, bad: Lock, report: BisectReport) -> str:
    import json

    data = {
        "good": {"file": str(arguments.good), "lock": good.digest},
        "bad": {"file": str(arguments.bad), "lock": bad.digest},
        "command": arguments.run,
        "python": arguments.python,
        "platform": bad.platform,
        "failure": report.title,
        **blame_data(blame),
        "released": dict(report.released),
    }
    return json.dumps(data, indent=2)
