"""The cycle in an environment that is already there: what the probe finds, recognised and explained."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .classify import diagnose
from .domain import CORE, Limits, Observation, Outcome, Scenario
from .environment_facts import told_of
from .errors import UsageError
from .explanation import Explanation, shipped_catalogue
from .parse import unstructured
from .protocol import Heard, silent
from .runner import Work, observe
from .scenario.material import material


@dataclass(frozen=True)
class Installed:
    """The environment of one interpreter."""

    python: Path
    python_version: str
    """`3.11.7`"""
    packages: Mapping[str, str]
    """Every distribution with its version, as it says itself: `2.6.0+cu124`."""

    @property
    def python_minor(self) -> str:
        return ".".join(self.python_version.split(".")[:2])

    @property
    def core(self) -> dict[str, str]:
        """torch, transformers and peft, as far as they are there, without a local part (`+cu124`)."""
        return {name: self.packages[name].partition("+")[0] for name in CORE if name in self.packages}

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(name for name in CORE if name not in self.packages)

    @property
    def named(self) -> str:
        """`torch 2.6.0, transformers 4.44.2, peft 0.12.0 on Python 3.11`"""
        return ", ".join(f"{name} {version}" for name, version in self.core.items()) + f" on Python {self.python_minor}"


def installed(python: Path | None = None) -> Installed:
    """What is installed beside `python`; None: beside this interpreter. Raises UsageError where it is no Python."""
    told = told_of(python)
    return Installed(Path(told["executable"]), str(told["version"]), told["packages"])


@dataclass(frozen=True)
class ProbeResult:
    """What the cycle did in an environment."""

    installed: Installed
    observation: Observation
    explanation: Explanation | None
    """None for a pass."""

    @property
    def outcome(self) -> Outcome:
        return self.observation.outcome

    @property
    def signature(self) -> str | None:
        return self.explanation.signature.id if self.explanation and self.explanation.signature else None

    def as_json(self) -> dict[str, Any]:
        seen = self.observation
        return {
            "outcome": str(seen.outcome),
            "stage": str(seen.stage) if seen.stage else None,
            "versions": dict(self.installed.core),
            "python": self.installed.python_version,
            "imported": dict(seen.imported),
            "seconds": seen.seconds,
            "peak_rss_mib": seen.peak_rss_mib,
            "ending": unstructured(seen.ending),
            "modes": {str(each.mode): seen.mode(each.mode) for each in seen.modes},
            "workaround": str(seen.workaround) if seen.workaround else None,
            "caveat": str(seen.caveat) if seen.caveat else None,
            "checks": [unstructured(check) for check in seen.checks],
            "stages": [
                {"stage": str(each.stage), "status": str(each.status), "seconds": each.seconds} for each in seen.stages
            ],
            "explanation": self.explanation.as_json() if self.explanation else None,
        }

    def as_text(self) -> str:
        """One line for a pass; for anything else also what failed and what to do."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterable[str]:
        seen = self.observation
        where = f" in {seen.stage}" if seen.stage else ""
        yield f"{self.installed.named}: {seen.outcome}{where}"
        yield f"took       {seen.seconds:.1f} s, at most {seen.peak_rss_mib:.0f} MiB"
        if seen.workaround:
            yield "workaround use_cache=False gives the right result"
        if seen.caveat:
            yield "caveat     use_cache=False does not work here"
        for check in seen.checks:
            if not check.passed:
                yield f"check      {check.name} does not hold: {check.detail or check.measured}"
        if self.explanation:
            yield ""
            yield self.explanation.as_text().rstrip()
            if not self.explanation.signature and not seen.chain:
                yield from (f"    {line}" for line in seen.output_tail.splitlines()[-8:])


def probe_environment(
    python: Path | None = None,
    *,
    scenario: Scenario | None = None,
    limits: Limits | None = None,
    heard: Heard = silent,
) -> ProbeResult:
    """Run the cycle with the packages installed beside `python` (None: this interpreter), in a process of its own.

    It trains, saves, loads and generates with a shipped tiny model on the CPU, and checks that the result is right.
    Raises UsageError where torch, transformers or peft is not installed, MachineError where it cannot be run at all.

    >>> probe_environment().outcome                                              # doctest: +SKIP
    <Outcome.PASS: 'pass'>
    """
    there = installed(python or Path(sys.executable))
    if there.missing:
        raise UsageError(
            f"{', '.join(there.missing)} is not installed in the environment of {there.python}",
            "Install it there, or name another environment with --python. "
            "(Packages of PYTHONPATH and of the user's own site folder do not count.)",
        )
    scenario = scenario or Scenario()
    given = material(scenario)
    observation = observe(there.python, Work(scenario, given.model, given.texts), limits or Limits(), heard)
    return ProbeResult(there, observation, explained(observation))


def explained(observation: Observation) -> Explanation | None:
    """What went wrong in an observation; None for a pass."""
    if observation.outcome is Outcome.PASS:
        return None
    catalogue = shipped_catalogue()
    diagnosis = diagnose(observation, catalogue)
    signature = catalogue.get(diagnosis.signature) if diagnosis.signature else None
    return Explanation(diagnosis, signature, observation.stage, dict(observation.imported))
