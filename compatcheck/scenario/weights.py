"""A BLOOM's tensors: their names and shapes, random values from a seed, and the safetensors file.

Values come from SHAKE-256 and integer sums, so that a seed gives the same bytes on every platform and with
every release of every library. Storage is float16 with metadata `format: pt` and names without the
`transformer.` prefix, as in bloomz-560m's model.safetensors; lm_head is absent because it is tied.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from array import array
from collections.abc import Mapping
from dataclasses import dataclass

MATRIX_STD = 0.25
"""Standard deviation of matrices. BLOOM's own 0.02 makes a random model nearly blind to what it reads."""

VECTOR_STD = 0.1
"""Standard deviation of biases, and of LayerNorm weights around 1."""

_NORM_WEIGHTS = ("layernorm.weight", "ln_f.weight")

_DRAWS = 4
"""Uniform 16-bit integers summed for one nearly normal value (bounded by 3.5 standard deviations)."""

_DRAWS_STD = math.sqrt(_DRAWS * (65536**2 - 1) / 12)


@dataclass(frozen=True)
class Shape:
    """The numbers that decide a BLOOM's tensors."""

    layers: int
    hidden: int
    heads: int
    rows: int
    """Rows of the embedding matrix: the config's vocab_size."""
    tokens: int
    """Tokens that the tokenizer has. The rows beyond are padding, zero so that none is ever generated."""


def tensor_shapes(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Tensor name -> dimensions, sorted by name as safetensors writes them."""
    wide = shape.hidden
    found: dict[str, tuple[int, ...]] = {"word_embeddings.weight": (shape.rows, wide)}
    norms = ["word_embeddings_layernorm", "ln_f"]
    for layer in range(shape.layers):
        norms += [f"h.{layer}.input_layernorm", f"h.{layer}.post_attention_layernorm"]
        for name, out, into in (
            ("self_attention.query_key_value", 3 * wide, wide),
            ("self_attention.dense", wide, wide),
            ("mlp.dense_h_to_4h", 4 * wide, wide),
            ("mlp.dense_4h_to_h", wide, 4 * wide),
        ):
            found[f"h.{layer}.{name}.weight"] = (out, into)
            found[f"h.{layer}.{name}.bias"] = (out,)
    for norm in norms:
        found[f"{norm}.weight"] = found[f"{norm}.bias"] = (wide,)
    return dict(sorted(found.items()))


def normal(label: str, count: int) -> list[float]:
    """`count` nearly standard normal values that depend on the label alone."""
    drawn = array("H", hashlib.shake_256(label.encode("utf-8")).digest(2 * _DRAWS * count))
    if struct.pack("=H", 1) != struct.pack("<H", 1):
        drawn.byteswap()
    middle = _DRAWS * 65535 / 2
    return [(sum(drawn[at : at + _DRAWS]) - middle) / _DRAWS_STD for at in range(0, len(drawn), _DRAWS)]


def random_tensors(shape: Shape, seed: int) -> dict[str, list[float]]:
    """Tensor name -> its values in row-major order, each one exactly a float16."""
    tensors: dict[str, list[float]] = {}
    for name, dimensions in tensor_shapes(shape).items():
        values = normal(f"{seed}/{name}", math.prod(dimensions))
        if len(dimensions) == 2:
            values = [MATRIX_STD * value for value in values]
        else:
            around = 1.0 if name.endswith(_NORM_WEIGHTS) else 0.0
            values = [around + VECTOR_STD * value for value in values]
        if name == "word_embeddings.weight":
            kept = shape.tokens * shape.hidden
            values[kept:] = [0.0] * (len(values) - kept)
        tensors[name] = list(struct.unpack(f"<{len(values)}e", struct.pack(f"<{len(values)}e", *values)))
    return tensors


def safetensors(shape: Shape, tensors: dict[str, list[float]]) -> bytes:
    """A BLOOM's tensors as a safetensors file."""
    return safetensors_file(tensor_shapes(shape), tensors)


def safetensors_file(shapes: Mapping[str, tuple[int, ...]], tensors: Mapping[str, list[float]]) -> bytes:
    """The file: header length, JSON header padded to 8 bytes, and the tensors one after the other as float16."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    body = bytearray()
    for name, dimensions in shapes.items():
        start = len(body)
        body += struct.pack(f"<{len(tensors[name])}e", *tensors[name])
        header[name] = {"dtype": "F16", "shape": list(dimensions), "data_offsets": [start, len(body)]}
    text = json.dumps(header, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + bytes(body)
