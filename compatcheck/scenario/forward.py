"""BLOOM's forward pass and greedy generation in plain Python, in double precision, for tiny models.

Independent of torch and transformers: it says what the shipped model's tokens are, whatever they compute.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul

from compatcheck.scenario.weights import Shape

Vector = Sequence[float]

EPSILON = 1e-5
"""The config's layer_norm_epsilon."""


@dataclass(frozen=True)
class Step:
    """One token chosen greedily, and by how much its logit leads the second best."""

    token: int
    margin: float


class Reader:
    """Reads one position after the other and keeps the keys and values of those before.

    The tensors are values in row-major order under the names of bloomz-560m's checkpoint.
    """

    def __init__(self, shape: Shape, tensors: dict[str, list[float]]) -> None:
        self.shape = shape
        self._tensors = tensors
        self._rows: dict[str, list[list[float]]] = {}
        for name in tensors:
            if name.endswith(("h.weight", "value.weight", "dense.weight", "embeddings.weight")):
                wide = 4 * shape.hidden if "4h_to_h" in name else shape.hidden
                values = tensors[name]
                self._rows[name] = [values[at : at + wide] for at in range(0, len(values), wide)]
        self.forget()

    def forget(self) -> None:
        """Begin a new text: nothing has been read."""
        heads = range(self.shape.layers * self.shape.heads)
        self._keys: list[list[Vector]] = [[] for _ in heads]
        self._values: list[list[Vector]] = [[] for _ in heads]

    def embedding(self, token: int) -> Vector:
        """A token's row of the embedding matrix, before its LayerNorm. A virtual token is such a row."""
        return self._rows["word_embeddings.weight"][token]

    def read(self, embedding: Vector) -> Vector:
        """The final hidden state at the next position."""
        state = self._norm("word_embeddings_layernorm", embedding)
        for layer in range(self.shape.layers):
            name = f"h.{layer}."
            state = _sum(state, self._attention(layer, self._norm(name + "input_layernorm", state)))
            normed = self._norm(name + "post_attention_layernorm", state)
            wide = [_gelu(value) for value in self._linear(name + "mlp.dense_h_to_4h", normed)]
            state = _sum(state, self._linear(name + "mlp.dense_4h_to_h", wide))
        return self._norm("ln_f", state)

    def choose(self, state: Vector) -> Step:
        """The most probable next token after a final hidden state."""
        logits = [_dot(row, state) for row in self._rows["word_embeddings.weight"]]
        first, second = sorted(range(len(logits)), key=logits.__getitem__)[:-3:-1]
        return Step(first, logits[first] - logits[second])

    def _attention(self, layer: int, state: Vector) -> Vector:
        name = f"h.{layer}.self_attention."
        wide = self.shape.hidden // self.shape.heads
        fused = self._linear(name + "query_key_value", state)
        mixed: list[float] = []
        for head in range(self.shape.heads):
            start = 3 * wide * head
            query, key, value = (fused[at : at + wide] for at in range(start, start + 3 * wide, wide))
            keys, values = (kept[layer * self.shape.heads + head] for kept in (self._keys, self._values))
            keys.append(key)
            values.append(value)
            slope = 2.0 ** (-8.0 * (head + 1) / self.shape.heads)
            scores = [_dot(query, key) / math.sqrt(wide) + slope * at for at, key in enumerate(keys)]
            peak = max(scores)
            shares = [math.exp(score - peak) for score in scores]
            mixed += [_dot(shares, column) / sum(shares) for column in zip(*values, strict=True)]
        return self._linear(name + "dense", mixed)

    def _linear(self, name: str, state: Vector) -> list[float]:
        rows, biases = self._rows[name + ".weight"], self._tensors[name + ".bias"]
        return [_dot(row, state) + bias for row, bias in zip(rows, biases, strict=True)]

    def _norm(self, name: str, state: Vector) -> list[float]:
        mean = sum(state) / len(state)
        variance = sum((value - mean) ** 2 for value in state) / len(state)
        scale = 1.0 / math.sqrt(variance + EPSILON)
        affine = zip(state, self._tensors[name + ".weight"], self._tensors[name + ".bias"], strict=True)
        return [(value - mean) * scale * weight + bias for value, weight, bias in affine]


def greedy(
    reader: Reader,
    prompt: Sequence[int],
    steps: int,
    *,
    virtual: Sequence[Vector] = (),
    forgetful: bool = False,
) -> list[Step]:
    """The `steps` tokens that greedy generation adds to a prompt, behind virtual-token embeddings if any.

    `forgetful` plants the fault of a lost cache: each new token is read as if nothing came before it.
    """
    reader.forget()
    state: Vector = ()
    for embedding in (*virtual, *map(reader.embedding, prompt)):
        state = reader.read(embedding)
    chosen: list[Step] = []
    while len(chosen) < steps:
        chosen.append(reader.choose(state))
        if len(chosen) < steps:
            if forgetful:
                reader.forget()
            state = reader.read(reader.embedding(chosen[-1].token))
    return chosen


def _dot(left: Vector, right: Vector) -> float:
    total: float = sum(map(mul, left, right))
    return total


def _sum(left: Vector, right: Vector) -> list[float]:
    return [x + y for x, y in zip(left, right, strict=True)]


def _gelu(value: float) -> float:
    """BLOOM's GELU: the tanh approximation, with the constant it writes out."""
    return value * 0.5 * (1.0 + math.tanh(0.79788456 * value * (1.0 + 0.044715 * value * value)))
