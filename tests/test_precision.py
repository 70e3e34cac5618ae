"""Half precision: how far rounding carries, held against arithmetic in which every result is rounded; and the checks,
which must still fail on a planted fault."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from minimatrix.releases import CHECKS_FAILED, NEW, cell_with, with_fault
from stub_environments import stub_environment

from compatcheck import probe
from compatcheck.domain import Dtype, Outcome, Scenario
from compatcheck.own_environment import probe_environment
from compatcheck.scenario.forward import Reader, Vector, _gelu
from compatcheck.scenario.weights import Shape, random_tensors

SHAPE = Shape(layers=2, hidden=64, heads=4, rows=1024, tokens=1000)
PROMPT = (20, 300, 41, 77, 512, 9, 140, 620, 33, 871)

Rounded = Callable[[float], float]


def bf16(value: float) -> float:
    """The nearest bfloat16, ties to even: the upper half of a float32."""
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    bits += 0x7FFF + (bits >> 16 & 1)
    (found,) = struct.unpack("<f", struct.pack("<I", bits & 0xFFFF0000))
    return float(found)


def fp16(value: float) -> float:
    (found,) = struct.unpack("<e", struct.pack("<e", value))
    return float(found)


def fp32(value: float) -> float:
    (found,) = struct.unpack("<f", struct.pack("<f", value))
    return float(found)


class Rounding(Reader):
    """The forward pass of the tiny BLOOM with every result rounded before the next one reads it."""

    def __init__(self, shape: Shape, tensors: dict[str, list[float]], rounded: Rounded) -> None:
        super().__init__(shape, {name: [rounded(each) for each in values] for name, values in tensors.items()})
        self.rounded = rounded

    def all(self, values: Sequence[float]) -> list[float]:
        return [self.rounded(value) for value in values]

    def read(self, embedding: Vector) -> Vector:
        state: Vector = self._norm("word_embeddings_layernorm", embedding)
        for layer in range(self.shape.layers):
            name = f"h.{layer}."
            attended = self._attention(layer, self._norm(name + "input_layernorm", state))
            state = self.all([one + other for one, other in zip(state, attended, strict=True)])
            normed = self._norm(name + "post_attention_layernorm", state)
            wide = self.all([_gelu(value) for value in self._linear(name + "mlp.dense_h_to_4h", normed)])
            put = self._linear(name + "mlp.dense_4h_to_h", wide)
            state = self.all([one + other for one, other in zip(state, put, strict=True)])
        return self._norm("ln_f", state)

    def _attention(self, layer: int, state: Vector) -> Vector:
        return self.all(super()._attention(layer, state))

    def _linear(self, name: str, state: Vector) -> list[float]:
        return self.all(super()._linear(name, self.all(state)))

    def _norm(self, name: str, state: Vector) -> list[float]:
        return self.all(super()._norm(name, state))


def logits(reader: Reader, rounded: Rounded = float) -> list[float]:
    reader.forget()
    state: Vector = ()
    for token in PROMPT:
        state = reader.read(reader.embedding(token))
    rows = [reader.embedding(token) for token in range(SHAPE.tokens)]
    return [rounded(sum(one * other for one, other in zip(row, state, strict=True))) for row in rows]


def tolerance(dtype: str, values: list[float], layers: int = SHAPE.layers) -> float:
    """What the probe allows."""
    cycle: Any = object.__new__(probe.Cycle)
    cycle.scenario = {"dtype": dtype}
    cycle.base = SimpleNamespace(config=SimpleNamespace(num_hidden_layers=layers))
    return float(cycle.tolerance(values))


@pytest.fixture(scope="module")
def exact() -> list[float]:
    return logits(Reader(SHAPE, random_tensors(SHAPE, 1)))


@pytest.mark.parametrize(("dtype", "rounded"), [("bf16", bf16), ("fp16", fp16), ("fp32", fp32)])
def test_rounding_stays_within_the_tolerance_and_the_tolerance_is_no_licence(
    exact: list[float], dtype: str, rounded: Rounded
) -> None:
    # weights that the dtype can hold exactly do not differ: what is measured is the arithmetic alone
    tensors = {name: [rounded(each) for each in values] for name, values in random_tensors(SHAPE, 1).items()}
    there = logits(Reader(SHAPE, tensors))
    worst = max(
        abs(one - other) for one, other in zip(there, logits(Rounding(SHAPE, tensors, rounded), rounded), strict=True)
    )
    allowed = tolerance(dtype, there)
    assert worst <= allowed
    assert allowed < 100 * worst
    spread = max(exact) - sorted(exact)[len(exact) // 2]
    assert allowed < spread / 3, "a token taken by chance is worse than the best by far more than that"


def test_the_tolerance_follows_the_epsilon_and_the_depth() -> None:
    values = [3.0, -5.0]
    assert tolerance("fp32", values) == 64 * 2.0**-23 * 5
    assert tolerance("bf16", values) == 8 * tolerance("fp16", values)
    assert tolerance("bf16", values) == 4 * (12 * 2 + 4) ** 0.5 * 2.0**-8 * 5
    assert tolerance("bf16", values, layers=24) > 3 * tolerance("bf16", values)


# ---------------------------------------------------------------------- the checks


@pytest.mark.parametrize("dtype", [Dtype.BF16, Dtype.FP16])
def test_what_works_passes_in_half_precision(dtype: Dtype, tmp_path: Path) -> None:
    result = probe_environment(stub_environment(tmp_path / "env", NEW), scenario=Scenario(dtype=dtype))
    assert result.outcome is Outcome.PASS
    limits = {check.name: check.limit for check in result.observation.checks}
    assert limits["loss-fell"] and limits["reload-equals-save"] and limits["prompt-has-effect"]


@pytest.mark.parametrize("fault", CHECKS_FAILED)
def test_a_planted_fault_is_found_in_half_precision_too(fault: str, tmp_path: Path) -> None:
    python = stub_environment(tmp_path / "env", cell_with(with_fault(fault)))
    result = probe_environment(python, scenario=Scenario(dtype=Dtype.BF16))
    failed = {each.name for each in result.observation.checks if not each.passed}
    assert failed == CHECKS_FAILED[fault]
    assert result.outcome is (Outcome.PASS if fault == "uncached-wrong" else Outcome.WRONG)
