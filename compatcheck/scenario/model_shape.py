"""What of a model decides how much memory it takes: read from its configuration and the heads of its safetensors.

No weight is read, and nothing of the model is run.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from .weights import Shape, tensor_shapes

HEAD_CAP = 100 * 2**20
"""Bytes of a safetensors head: the format's own limit."""


@dataclass(frozen=True)
class ModelShape:
    """The numbers of a causal language model."""

    parameters: int
    largest_file: int
    """Bytes of the largest file of weights: it is mapped while it is read."""
    layers: int
    hidden: int
    heads: int
    vocabulary: int
    """Rows of the embedding: as many logits has every position."""


def _bloom(layers: int, hidden: int, heads: int) -> ModelShape:
    shape = Shape(layers, hidden, heads, rows=250_880, tokens=250_680)
    parameters = sum(math.prod(dimensions) for dimensions in tensor_shapes(shape).values())
    return ModelShape(parameters, 2 * parameters, layers, hidden, heads, shape.rows)


BLOOMS: Mapping[str, ModelShape] = {
    "bloomz-560m": _bloom(24, 1024, 16),
    "bloomz-1b1": _bloom(24, 1536, 16),
    "bloomz-1b7": _bloom(24, 2048, 16),
    "bloomz-3b": _bloom(30, 2560, 32),
    "bloomz-7b1": _bloom(30, 4096, 32),
}
"""The family, smallest first: the numbers of the config.json of bigscience/bloomz-560m and the others; 16-bit weights
in one file."""


def shape_of(folder: Path) -> ModelShape:
    """The shape of the model in `folder`. Raises InputError where its files do not tell it."""
    config = _config(folder / "config.json")
    weights = sorted(folder.glob("*.safetensors"))
    sizes = [path.stat().st_size for path in weights]
    return ModelShape(
        parameters=sum(_parameters(path) for path in weights),
        largest_file=max(sizes, default=0),
        layers=_number(config, folder, "num_hidden_layers", "n_layer", "num_layers"),
        hidden=_number(config, folder, "hidden_size", "n_embd", "n_embed", "d_model"),
        heads=_number(config, folder, "num_attention_heads", "n_head", "num_heads"),
        vocabulary=_number(config, folder, "vocab_size"),
    )


def _config(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(str(path), [f"cannot be read: {error}"]) from None
    if not isinstance(data, dict):
        raise InputError(str(path), ["not a JSON object"])
    # models that see as well keep the numbers of their language model apart
    text = data.get("text_config")
    return {**data, **text} if isinstance(text, dict) else data


def _number(config: Mapping[str, Any], folder: Path, *names: str) -> int:
    found = next((config[name] for name in names if isinstance(config.get(name), int)), 0)
    if found <= 0:
        raise InputError(str(folder / "config.json"), [f"no whole number {' or '.join(names)}"])
    return int(found)


def _parameters(path: Path) -> int:
    """How many numbers a safetensors file holds, by its head."""
    try:
        with path.open("rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            if size > HEAD_CAP:
                raise ValueError(f"its head would have {size} bytes")
            head = json.loads(file.read(size))
        return sum(math.prod(tensor["shape"]) for name, tensor in head.items() if name != "__metadata__")
    except (OSError, ValueError, struct.error, KeyError, TypeError, AttributeError) as error:
        raise InputError(str(path), [f"not a safetensors file: {error}"]) from None
