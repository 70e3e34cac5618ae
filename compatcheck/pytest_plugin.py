"""The pytest plugin: a verdict on the installed versions before the tests, and explanations of known failures.

Off until `--compatcheck` (or `compatcheck = check` in pytest's ini file) asks for it; until then nothing of compatcheck
but this file is imported. The marker works without it:

    @pytest.mark.compatcheck("peft>=0.13")      skips, with the reason, where another peft is installed
    @pytest.mark.compatcheck                    skips where the installed versions are known not to work together
"""

from __future__ import annotations

import argparse
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .judgement import Finding, Judgement
    from .own_environment import ProbeResult

MODES = ("check", "warn", "probe", "off")


def _mode(text: str) -> str:
    if text not in MODES:
        raise argparse.ArgumentTypeError(
            f"{text!r} is none of {', '.join(MODES)}; before other arguments write --compatcheck=check"
        )
    return text


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("compatcheck", "compatibility of torch, transformers and peft")
    group.addoption(
        "--compatcheck", nargs="?", const="check", default=None, type=_mode, metavar="MODE",
        help="judge the installed versions before the tests: `check` (the default) ends the session where they are "
        "known not to work, `warn` goes on, `probe` runs the cycle once; known failures of tests are explained",
    )  # fmt: skip
    parser.addini("compatcheck", "the same as --compatcheck: check, warn, probe or off", default="off")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "compatcheck(*requirements): skip where the installed versions do not fulfil these requirements; "
        "without any, where they are known not to work together",
    )
    mode = config.getoption("compatcheck")
    if mode is None:
        mode = config.getini("compatcheck")
        if mode not in MODES:
            raise pytest.UsageError(f"compatcheck = {mode!r} in the ini file is none of {', '.join(MODES)}")
    if mode == "off":
        return
    config.pluginmanager.register(Explaining(), "compatcheck-explaining")
    if not hasattr(config, "workerinput"):
        # under xdist the controller judges once, for all workers
        config.pluginmanager.register(Judging(config, mode), "compatcheck-judging")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("compatcheck"):
        if reason := unmet(marker.args, item.config):
            pytest.skip(reason)


def unmet(requirements: tuple[str, ...], config: pytest.Config) -> str:
    """Why the installed versions are not what a marker asks for; empty where they are."""
    if not requirements:
        from .errors import CompatcheckError

        try:
            finding = _finding(config)[0]
        except CompatcheckError as error:
            raise pytest.UsageError(str(error)) from None
        return _line(finding) if finding.bad else ""
    from importlib.metadata import PackageNotFoundError, version

    from packaging.requirements import InvalidRequirement, Requirement

    for text in requirements:
        try:
            requirement = Requirement(text)
        except (InvalidRequirement, TypeError):
            requirement = None
        if requirement is None:
            pytest.fail(f"@pytest.mark.compatcheck({text!r}): not a requirement such as 'peft>=0.13'", pytrace=False)
        try:
            there = version(requirement.name)
        except PackageNotFoundError:
            return f"needs {text}: {requirement.name} is not installed"
        if not requirement.specifier.contains(there, prereleases=True):
            return f"needs {text}: {requirement.name} {there} is installed"
    return ""


def _finding(config: pytest.Config) -> tuple[Finding, Judgement]:
    """The installed versions judged, with the project's settings and waivers where there is a project."""
    from .installation import installed_here
    from .judgement import judged_environment, waived
    from .own_runs import known_table
    from .waivers import Settings, load_settings, nearest_pyproject

    project = nearest_pyproject(config.rootpath)
    settings = load_settings(project) if project else Settings()
    table = known_table(settings.table or None)
    judgement = waived([judged_environment(installed_here(), table)], settings, table)
    return judgement.findings[0], judgement


def _line(finding: Finding) -> str:
    """`known bad: torch 2.6.0, transformers 4.44.2, peft 0.7.1: Cache only has 0 layers`"""
    if finding.verdict is None:
        return finding.note
    from .domain import CORE

    verdict = finding.verdict
    named = ", ".join(f"{name} {verdict.versions[name]}" for name in CORE)
    waived = f" (waived until {finding.waiver.until}: {finding.waiver.reason})" if finding.waiver else ""
    title = f": {verdict.title}" if verdict.title else ""
    return f"{str(verdict.status).replace('-', ' ')}: {named}{title}{waived}"


class Judging:
    """The verdict: a line in the header, and the end of the session where the versions do not work."""

    def __init__(self, config: pytest.Config, mode: str) -> None:
        self.config, self.mode = config, mode
        self._known: tuple[Finding, Judgement] | None = None
        self._probed: ProbeResult | None = None

    def known(self) -> tuple[Finding, Judgement]:
        from .errors import CompatcheckError

        if self._known is None:
            try:
                self._known = _finding(self.config)
            except CompatcheckError as error:
                raise pytest.UsageError(f"compatcheck: {error}") from None
        return self._known

    def probed(self) -> ProbeResult | None:
        """What the cycle did, run once a session; None where it is not asked for, or there is nothing to run."""
        from .errors import CompatcheckError

        if self._probed is None and self.mode == "probe" and self.known()[0].verdict is not None:
            from .own_environment import probe_environment

            try:
                self._probed = probe_environment()
            except CompatcheckError as error:
                raise pytest.UsageError(f"compatcheck: {error}") from None
        return self._probed

    def pytest_report_header(self) -> str:
        told = f"compatcheck: {_line(self.known()[0])}"
        if result := self.probed():
            told += f"; probed: {result.outcome}" + (
                f" in {result.observation.stage}" if result.observation.stage else ""
            )
        return told

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self) -> None:
        """After the header, before anything is collected: what does not work together may not even import."""
        if self.mode != "warn" and self._bad():
            self._say("compatcheck", self._text())
            pytest.exit("compatcheck: see above; to go on all the same: --compatcheck=warn", returncode=1)

    def _bad(self) -> bool:
        """What the probe found counts, where it ran; else what the table says. Waivers count for both."""
        from .errors import EXIT_DONE

        finding, judgement = self.known()
        probed = self.probed()
        if probed is None or finding.verdict is None:
            return judgement.exit_code != EXIT_DONE
        if judgement.expired:
            return True
        versions = finding.verdict.versions
        waived = any(waiver.covers(probed.signature, versions) for waiver in judgement.counting)
        return probed.explanation is not None and not waived

    def pytest_terminal_summary(self) -> None:
        finding = self.known()[0]
        if self.mode == "warn" and self._bad():
            self._say("compatcheck", self._text())
        elif finding.verdict is None and self.config.get_verbosity() < 0:
            # what the header would have said: who asked for a verdict is not left to believe that there was one
            self._say("compatcheck", f"{finding.note}\n")

    def _text(self) -> str:
        from .check_formats import as_text

        probed = self.probed()
        return probed.as_text() if probed else as_text(self.known()[1])

    def _say(self, title: str, text: str) -> None:
        reporter: Any = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.section(title, red=True)
            reporter.write(text)


class Explaining:
    """A section in the report of every test, and of every module that cannot be imported, whose failure is known."""

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
        outcome = yield
        self._explain(outcome.get_result(), call.excinfo)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_make_collect_report(self) -> Generator[None, Any, None]:
        outcome = yield
        report = outcome.get_result()
        self._explain(report, getattr(getattr(report, "call", None), "excinfo", None))

    @staticmethod
    def _explain(report: Any, raised: pytest.ExceptionInfo[BaseException] | None) -> None:
        if not report.failed or raised is None:
            return
        from .explanation import explain

        explanation = explain(raised.value)
        if explanation.signature is not None:
            report.sections.append(("compatcheck: this failure is known", explanation.as_text()))
