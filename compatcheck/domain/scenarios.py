"""What a cycle does, and what it may take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from .words import Digest, Dtype, Init, Method, canonical, digest_of


@dataclass(frozen=True)
class Scenario:
    """What the cycle does. Two observations are comparable where their scenarios have one digest."""

    model: str = "tiny-bloom"
    """`tiny-bloom` (shipped), `tiny-llama` and the like or `bloomz-560m:random` (the exact shape), which are made here,
    a hub identifier, or a local path."""
    data: str = "role-prompts"
    """`role-prompts` or `quotations` (shipped), `awesome-chatgpt-prompts` or `english_quotes` (of the hub), a path to a
    file (text, .jsonl, .csv, .tsv, .parquet), or `hub:owner/name/file`."""
    virtual_tokens: int = 8
    init: Init = Init.RANDOM
    init_text: str = "Act as the person described and answer briefly."
    """What the virtual tokens start from where `init` is `text`."""
    learning_rate: float = 0.1
    epochs: int = 3
    batch_size: int = 4
    auto_find_batch_size: bool = False
    texts: int = 16
    """How many texts of the data are used."""
    max_length: int = 48
    """Tokens a text is cut to."""
    new_tokens: int = 12
    """Tokens that generate adds."""
    prompts: tuple[str, ...] = (
        "I want",
        "I want you to act as a patient teacher who explains how a small engine works. My first question is",
    )
    """What generate starts from. One shorter and one longer than the virtual tokens: releases differ in that."""
    dtype: Dtype = Dtype.FP32
    use_cpu: bool = True
    seed: int = 20
    threads: int = 1
    """Threads torch may use; part of the scenario because it changes rounding."""
    method: Method = Method.PROMPT_TUNING
    column: str = ""
    """Which column or key of the data holds the texts; empty: the usual one, or the only one."""
    trust_remote_code: bool = False
    """Whether code that a model brings along is run. Without it such a model is refused."""

    def __post_init__(self) -> None:
        problems = [
            f"{name}: must be at least {least}, got {getattr(self, name)}"
            for name, least in _SCENARIO_LEAST.items()
            if getattr(self, name) < least
        ]
        if not 0 < self.learning_rate < 100:
            problems.append(f"learning_rate: must lie between 0 and 100, got {self.learning_rate}")
        if not 0 <= self.seed < 2**32:
            problems.append(f"seed: must lie between 0 and {2**32 - 1}, got {self.seed}")
        if not self.prompts or not all(self.prompts):
            problems.append("prompts: at least one, and none empty")
        if problems:
            raise ValueError("; ".join(problems))

    @cached_property
    def digest(self) -> Digest:
        return digest_of(canonical(without_later(asdict(self))))


_LATER = {"method": Method.PROMPT_TUNING, "column": "", "trust_remote_code": False}
"""Fields that came later, with what was done before there was a choice: so a scenario's digest stays what it was."""


def without_later(scenario: Mapping[str, Any], kept: Iterable[str] = ()) -> dict[str, Any]:
    """A scenario as plain data, without the fields that came later where they say what was done before."""
    names = _LATER.keys() - set(kept)
    return {name: value for name, value in scenario.items() if name not in names or value != _LATER[name]}


_SCENARIO_LEAST = {
    "virtual_tokens": 1,
    "epochs": 1,
    "batch_size": 1,
    "texts": 2,
    "max_length": 4,
    "new_tokens": 2,
    "threads": 1,
}


@dataclass(frozen=True)
class Limits:
    """What a probe may take before it is ended."""

    stage_seconds: float = 120.0
    """For any one stage."""
    memory_mib: int = 6144
    """Resident memory of the probe and its children."""

    def __post_init__(self) -> None:
        if self.stage_seconds <= 0 or self.memory_mib <= 0:
            raise ValueError("stage_seconds and memory_mib must be positive")
