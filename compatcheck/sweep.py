"""One setting of the cycle over several values, side by side: `virtual_tokens=4,8,20`. Pure but for who runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from .domain import Observation, Scenario, Stage
from .errors import UsageError
from .own_environment import ProbeResult

REMEDY = "Example: --sweep virtual_tokens=4,8,20; or learning_rate, dtype, method, model, batch_size and the like."


@dataclass(frozen=True)
class Sweep:
    """A field of the scenario, and the values to try, parsed."""

    field: str
    values: tuple[Any, ...]

    @classmethod
    def parsed(cls, text: str, base: Scenario) -> Sweep:
        """`FIELD=VALUE,VALUE`. Raises UsageError for an unknown field and for a value that the scenario refuses."""
        name, sign, rest = text.partition("=")
        name = name.strip().replace("-", "_")
        if not sign or not rest.strip():
            raise UsageError(f"--sweep {text!r} is not of the form FIELD=VALUE,VALUE", REMEDY)
        if name not in Scenario.__dataclass_fields__ or name == "prompts":
            raise UsageError(f"--sweep: the cycle has no setting {name!r} to vary", REMEDY)
        sweep = cls(name, tuple(_value(name, getattr(base, name), word.strip()) for word in rest.split(",")))
        tuple(sweep.scenarios(base))
        return sweep

    def scenarios(self, base: Scenario) -> Iterator[Scenario]:
        for value in self.values:
            try:
                yield replace(base, **{self.field: value})
            except ValueError as error:
                raise UsageError(f"--sweep {self.field}: {error}", REMEDY) from None


def _value(name: str, default: Any, word: str) -> Any:
    """`word` as what the field holds."""
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False}[word.lower()]
        if isinstance(default, (Enum, int, float)):
            return type(default)(word)
    except (ValueError, KeyError):
        known = f" (known: {', '.join(type(default))})" if isinstance(default, Enum) else ""
        raise UsageError(f"--sweep {name}: {word!r} is no value of it{known}", REMEDY) from None
    return word


@dataclass(frozen=True)
class Swept:
    value: Any
    result: ProbeResult

    def row(self) -> list[str]:
        seen = self.result.observation
        return [
            str(self.value),
            str(seen.outcome),
            str(seen.stage or ""),
            _loss(seen),
            *(_seconds(seen, stage) for stage in (Stage.TRAIN, Stage.GENERATE)),
            f"{seen.seconds:.1f}",
            f"{seen.peak_rss_mib:.0f}",
        ]

    def as_json(self) -> dict[str, Any]:
        return {"value": self.value, "losses": self.result.observation.facts.get("losses"), **self.result.as_json()}


def swept(sweep: Sweep, base: Scenario, probe: Callable[[Scenario], ProbeResult]) -> Iterator[Swept]:
    """Each value with what came of it, as it comes."""
    for value, scenario in zip(sweep.values, sweep.scenarios(base), strict=True):
        yield Swept(value, probe(scenario))


def table_text(sweep: Sweep, results: Sequence[Swept]) -> str:
    """Loss, time and memory side by side."""
    from tabulate import tabulate

    headers = [sweep.field, "outcome", "stage", "loss", "train, s", "generate, s", "all, s", "peak, MiB"]
    return tabulate([each.row() for each in results], headers=headers, disable_numparse=True)


def _loss(seen: Observation) -> str:
    """On the training texts, with the adapter as it began and as it ended."""
    check = next((each for each in seen.checks if each.name == "loss-fell"), None)
    return check.detail.removeprefix("from ") if check else ""


def _seconds(seen: Observation, stage: Stage) -> str:
    return next((f"{each.seconds:.2f}" for each in seen.stages if each.stage is stage), "")
