"""The cycle in an environment that is already there: what the probe finds, recognised and explained."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .domain import Dtype, Limits, Method, Observation, Outcome, Scenario
from .errors import UsageError
from .explanation import explain_observation
from .fitting import demand_of, require_room
from .forecast import Forecast
from .installation import Installed, installed
from .memory_curve import drawn_curve
from .parse import unstructured
from .plain_words import Explanation
from .protocol import Heard, silent
from .runner import Work, observe
from .scenario.material import TINY, material
from .shipped import KnownTable
from .verdict import Standing, Verdict, lookup


@dataclass(frozen=True)
class ProbeResult:
    """What the cycle did in an environment."""

    installed: Installed
    observation: Observation
    explanation: Explanation | None
    """None for a pass."""
    known: Verdict
    """What the table says of the same versions."""
    scenario: Scenario = field(default_factory=Scenario)
    """What was run."""
    expected: Forecast | None = None
    """What memory it was thought to take."""

    @property
    def outcome(self) -> Outcome:
        return self.observation.outcome

    @property
    def signature(self) -> str | None:
        return self.explanation.signature.id if self.explanation and self.explanation.signature else None

    @property
    def as_known(self) -> bool | None:
        """Whether it went as the table says; None where it does not say: it is of prompt-tuned BLOOMs in float32."""
        other = self.scenario.model in TINY and self.scenario.model != Scenario.model
        if other or self.scenario.method is not Method.PROMPT_TUNING or self.scenario.dtype is not Dtype.FP32:
            return None
        expected = {Standing.WORKS: Outcome.PASS, Standing.KNOWN_BAD: Outcome.FAIL, Standing.WRONG: Outcome.WRONG}
        if self.known.status not in expected:
            return None
        same = expected[self.known.status] is self.outcome
        return same and (self.known.cell is None or self.known.cell.signature == self.signature)

    def as_json(self) -> dict[str, Any]:
        seen = self.observation
        return {
            "outcome": str(seen.outcome),
            "stage": str(seen.stage) if seen.stage else None,
            "versions": dict(self.installed.core),
            "trust_remote_code": self.scenario.trust_remote_code,
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
                {
                    "stage": str(each.stage),
                    "status": str(each.status),
                    "seconds": each.seconds,
                    "peak_rss_mib": each.peak_rss_mib,
                }
                for each in seen.stages
            ],
            "memory_curve": unstructured(seen.memory_curve),
            "expected_mib": {str(each.stage): [each.least, each.most] for each in self.expected.stages}
            if self.expected
            else None,
            "explanation": self.explanation.as_json() if self.explanation else None,
            "table": self.known.as_json(),
            "as_known": self.as_known,
        }

    def as_text(self) -> str:
        """One line for a pass; for anything else also what failed and what to do."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterable[str]:
        seen = self.observation
        where = f" in {seen.stage}" if seen.stage else ""
        yield f"{self.installed.named}: {seen.outcome}{where}"
        if self.scenario.trust_remote_code:
            yield "model      its own code was run (trust_remote_code)"
        yield f"took       {seen.seconds:.1f} s, at most {seen.peak_rss_mib:.0f} MiB"
        if curve := drawn_curve(seen.memory_curve):
            yield curve
        if seen.workaround:
            yield "workaround use_cache=False gives the right result"
        if seen.caveat:
            yield "caveat     use_cache=False does not work here"
        yield f"the table  {self._compared()}"
        for check in seen.checks:
            if not check.passed:
                yield f"check      {check.name} does not hold: {check.detail or check.measured}"
        if self.explanation:
            yield ""
            yield self.explanation.as_text().rstrip()
            if not self.explanation.signature and not seen.chain:
                yield from (f"    {line}" for line in seen.output_tail.splitlines()[-8:])

    def _compared(self) -> str:
        known = self.known
        told = str(known.status).replace("-", " ") + (f" ({known.named})" if known.named and known.bad else "")
        if self.as_known is None:
            return f"{told}: it has no measurement that could be compared"
        if self.as_known:
            return f"agrees: {told}"
        apart = ", ".join(f"{each.package} {each.given} (there {each.measured})" for each in known.differences)
        return f"DISAGREES: {told}" + (f"; measured beside other versions: {apart}" if apart else "")


def probe_environment(
    python: Path | None = None,
    *,
    scenario: Scenario | None = None,
    limits: Limits | None = None,
    heard: Heard = silent,
    table: KnownTable | None = None,
    forced: bool = False,
    memory_by_need: bool = False,
) -> ProbeResult:
    """Run the cycle with the packages installed beside `python` (None: this interpreter), in a process of its own.

    It trains, saves, loads and generates with a shipped tiny model on the CPU, and checks that the result is right.
    With `memory_by_need`, or without `limits`, the limit on memory is raised to what the model needs. Raises UsageError
    where torch, transformers or peft is not installed, MemoryShort where it would not fit into memory and `forced` is
    not set, MachineError where it cannot be run at all.

    >>> probe_environment().outcome                                              # doctest: +SKIP
    <Outcome.PASS: 'pass'>
    """
    there = installed(python or Path(sys.executable))
    if there.missing:
        raise UsageError(
            f"{there.lacks} in the environment of {there.python}",
            "Install what is missing, or name another environment with --python. "
            "(Packages of PYTHONPATH and of the user's own site folder do not count.)",
        )
    scenario = scenario or Scenario()
    given = material(scenario)
    demand = demand_of(scenario, given.model)
    expected = demand.forecast
    if limits is None or memory_by_need:
        limits = enough(expected, limits or Limits())
    heard("expected", {"memory": expected.words})
    if not forced:
        require_room(demand, limits)
    observation = observe(there.python, Work(scenario, given.model, given.texts), limits, heard)
    known = lookup({**there.packages, "python": there.python_minor}, table)
    return ProbeResult(there, observation, explain_observation(observation), known, scenario, expected)


def enough(expected: Forecast, usual: Limits) -> Limits:
    """The usual limits, with a quarter more memory than is expected where that is more."""
    return replace(usual, memory_mib=max(usual.memory_mib, int(expected.peak.most * 1.25)))
