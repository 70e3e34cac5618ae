"""How much memory a cycle will take, told before it is run: from the model, the dtype, the batch and the method. Pure.

What is derived and what was measured is said at each number. The measured ones are from 384 cells with the tiny BLOOM
and the same 384 with bloomz-560m's full shape (reports/bloomz-560m/): torch 2.5.1, 2.6.0 and 2.15.0 on Linux x86-64,
2026-11-25 and 26; half precision from one run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from .domain import Dtype, Method, Scenario, Stage
from .scenario.model_shape import BLOOMS, ModelShape

MIB = 2**20
BYTES = {Dtype.FP32: 4, Dtype.BF16: 2, Dtype.FP16: 2}

IMPORTS = (430, 905)
"""MiB of the packages, the least when they are imported, and the most when a model is loaded, which imports more.
Measured with the full shape: 472 to 791 at the import, and 498 to 616 with torch 2.5.1, 486 to 798 with 2.6.0, 610 to
901 with 2.15.0 at the load, without the weights."""
REREAD = 0.017
"""Share of the weights, at the most, that reading them a second time takes beside what is told here. Measured: the
largest of 277 reloads of the full shape, 35 MiB."""
ALONGSIDE = 30
"""MiB of what training loads beside: measured as the growth of the tiny model's cycle from load to train (24 to 32)."""
LOGIT_COPIES = (4, 5)
"""Float32 arrays of the size of a batch's logits that live at the peak of a step. Derived: the logits, their
log-softmax, and a gradient of each; transformers before 4.46 cuts off the last position by a copy more."""
LAYER_VALUES = 20
"""Values of the hidden size that a layer keeps for the backward pass, for every position. Measured with bloomz-560m's
full shape: what a step takes (241 to 305 MiB with 40 positions), less the logits and what is loaded alongside."""
ATTENTION_VALUES = 3
"""Arrays of heads x positions x positions that a layer keeps: scores, softmax, and its gradient. Derived."""
LIST_BYTES = 32
"""Of a float in a list of Python's: eight for the pointer, 24 for the number. The checks keep logits as lists."""
ADAM = 4
"""Float32 values for each trained parameter in training: itself, its gradient, and AdamW's two moments."""
KEPT = 2
"""Copies of the trained parameters that the checks keep: as they began, and as they ended."""
LETTERS = 3
"""Of a token, at the least that is usual: prompts are given as texts, and counted before there is a tokenizer."""


@dataclass(frozen=True)
class StageForecast:
    stage: Stage
    least: float
    """MiB, resident, at the stage's peak."""
    most: float
    what: str
    """What takes it, in words."""


@dataclass(frozen=True)
class Forecast:
    """What each stage will take at its peak."""

    stages: tuple[StageForecast, ...]
    trained: int
    """Parameters that the method trains."""

    @property
    def peak(self) -> StageForecast:
        return max(self.stages, key=lambda each: each.most)

    @property
    def words(self) -> str:
        """`5.6 to 6.1 GiB, in reload (two copies of the model, and its file)`."""
        peak = self.peak
        return f"{span(peak.least, peak.most)}, in {peak.stage} ({peak.what})"


def span(least: float, most: float) -> str:
    """Two numbers of MiB as a person reads them."""
    return f"{least / 1024:.1f} to {most / 1024:.1f} GiB"


def trained_parameters(scenario: Scenario, shape: ModelShape) -> int:
    """How many parameters the method adds with peft's default settings. Derived from its modules.

    LoRA (rank 8) and IA3 choose layers by architecture; for all that are known here that is 32 and at most 7 times the
    hidden size for each layer (BLOOM: query_key_value; and mlp.dense_4h_to_h for IA3).
    """
    hidden, layers, virtual = shape.hidden, shape.layers, scenario.virtual_tokens
    return {
        Method.PROMPT_TUNING: virtual * hidden,
        Method.PREFIX_TUNING: virtual * layers * 2 * hidden,
        # an embedding, and a perceptron of three layers as wide as the model
        Method.P_TUNING: virtual * hidden + 3 * (hidden * hidden + hidden),
        Method.LORA: 32 * hidden * layers,
        Method.IA3: 7 * hidden * layers,
    }[scenario.method]


def forecast(scenario: Scenario, shape: ModelShape) -> Forecast:
    """The peaks of the cycle's stages, as resident memory of its process."""
    size = BYTES[scenario.dtype]
    copy, file = shape.parameters * size / MIB, shape.largest_file / MIB
    # transformers before 5 reads the weights as float32, whatever is asked for after that
    reading = shape.parameters * 4 / MIB + file
    trained = trained_parameters(scenario, shape)
    adapter = trained * 4 / MIB
    layers, (logits_least, logits_most) = _activations(scenario, shape)
    rows = len(scenario.prompts) * _continued(scenario)
    forward = rows * shape.vocabulary * 4 * 2 / MIB + rows * shape.hidden * shape.layers * 2 * size / MIB
    # measured with bf16 on a CPU: a single position is multiplied with a packed copy of the output layer
    forward += shape.vocabulary * shape.hidden * size / MIB if size < 4 else 0.0
    lists = _kept_logits(scenario) * shape.vocabulary * LIST_BYTES / MIB
    # the allocator does not give back what training took in small pieces
    after = copy + ALONGSIDE + adapter * (ADAM + KEPT)
    two, apart = copy + after, scenario.method in (Method.LORA, Method.IA3)
    third = (reading if apart else 0.0, copy if apart else 0.0)
    stages = (
        (Stage.IMPORT, 0.0, 0.0, "the packages"),
        (Stage.LOAD, reading, reading, "the model as float32, and its file"),
        (Stage.TOKENIZE, copy, copy, "the model"),
        (
            Stage.TRAIN,
            copy + adapter * ADAM + layers + logits_least,
            copy + adapter * (ADAM + KEPT) + ALONGSIDE + layers + logits_most,
            "the model, a batch's activations and logits, and AdamW's state",
        ),
        (Stage.SAVE, copy, after + layers, "the model"),
        (
            Stage.RELOAD,
            copy + reading,
            after + layers + reading + copy * REREAD,
            "two copies of the model, and its file",
        ),
        (Stage.GENERATE, 2 * copy, two + layers + forward, "two copies of the model"),
        (
            Stage.VERIFY,
            2 * copy + lists + max(third),
            two + layers + forward + lists + max(third),
            "three copies of the model, and its file" if apart else "two copies of the model, and logits to compare",
        ),
    )
    return Forecast(
        tuple(StageForecast(stage, IMPORTS[0] + low, IMPORTS[1] + high, what) for stage, low, high, what in stages),
        trained,
    )


def _activations(scenario: Scenario, shape: ModelShape) -> tuple[float, tuple[float, float]]:
    """MiB of what the layers keep of a batch, and of its logits (least and most)."""
    added = scenario.virtual_tokens if scenario.method in (Method.PROMPT_TUNING, Method.P_TUNING) else 0
    length, batch = scenario.max_length + added, min(scenario.batch_size, scenario.texts)
    size, positions = BYTES[scenario.dtype], batch * length
    kept = positions * shape.hidden * LAYER_VALUES + batch * shape.heads * length * length * ATTENTION_VALUES
    logits = positions * shape.vocabulary * 4
    # half precision is cast to float32 for the loss: one copy more, of half the size
    cast = positions * shape.vocabulary * size if size < 4 else 0
    least, most = ((copies * logits + cast) / MIB for copies in LOGIT_COPIES)
    return shape.layers * kept * size / MIB, (least, most)


def _continued(scenario: Scenario) -> int:
    """Positions of a prompt with its virtual and its new tokens."""
    longest = max(len(prompt) for prompt in scenario.prompts)
    return longest // LETTERS + scenario.virtual_tokens + scenario.new_tokens


def _kept_logits(scenario: Scenario) -> int:
    """How many positions' logits the checks keep: with the adapter and without it each new token, and once more."""
    return len(scenario.prompts) * (2 * scenario.new_tokens + 1)


# ---------------------------------------------------------------------- does it fit?


def at_a_time(found: Forecast, room_mib: float) -> int:
    """How many such cycles fit beside each other."""
    return int(room_mib // found.peak.most)


def lacking(found: Forecast, room_mib: float, limit_mib: float) -> str:
    """Why the cycle would not fit, with the numbers; empty where it may.

    The limit is held against the least, so that only what surely passes it is refused.
    """
    peak = found.peak
    if peak.most > room_mib:
        return f"it would take {found.words}; {room_mib / 1024:.1f} GiB are free on this machine"
    if peak.least > limit_mib:
        return f"it would take {found.words}; its limit is {limit_mib / 1024:.1f} GiB (memory_mib = {limit_mib:.0f})"
    return ""


def smaller(scenario: Scenario, shape: ModelShape, room_mib: float) -> Iterator[str]:
    """What would fit instead, the least change first."""
    half, largest_first = replace(scenario, dtype=Dtype.BF16), tuple(BLOOMS.items())[::-1]
    tries: Iterable[tuple[str, Scenario, ModelShape]] = (
        ("batch_size = 1", replace(scenario, batch_size=1), shape),
        ("dtype = bf16", half, shape),
        ("dtype = bf16 and batch_size = 1", replace(half, batch_size=1), shape),
        *((f"model = {name}", scenario, other) for name, other in largest_first),
        *((f"model = {name} and dtype = bf16", half, other) for name, other in largest_first),
    )
    told: set[float] = set()
    for words, changed, other in tries:
        peak = forecast(changed, other).peak
        if peak.most <= room_mib and other.parameters <= shape.parameters and peak.most not in told:
            told.add(peak.most)
            yield f"{words} ({span(peak.least, peak.most)})"


def advice(scenario: Scenario, shape: ModelShape, room_mib: float) -> str:
    """In one sentence what fits into so much memory."""
    fitting = list(smaller(scenario, shape, room_mib))[:3]
    if fitting:
        return f"This would fit: {'; or '.join(fitting)}."
    return "Nothing of this size fits: model = tiny-bloom takes about 1 GiB, bloomz-560m with bf16 is the next."


def family_rows(scenario: Scenario, room_mib: float) -> list[list[str]]:
    """The BLOOMs beside each other: name, and GiB at the peak in both sizes of numbers, with the batch and without.

    An asterisk marks what fits.
    """
    rows = []
    for name, shape in BLOOMS.items():
        row = [name]
        for dtype in (Dtype.FP32, Dtype.BF16):
            for batch in (scenario.batch_size, 1):
                most = forecast(replace(scenario, dtype=dtype, batch_size=batch), shape).peak.most
                row.append(f"{most / 1024:.1f}{' *' if most <= room_mib else '  '}")
        rows.append(row)
    return rows
