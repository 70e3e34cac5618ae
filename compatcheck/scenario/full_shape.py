"""bloomz-560m's exact shape with random weights from a seed: 24 layers, hidden 1024, 16 heads, 250,880 rows.

No network is needed: the numbers of the shape are those of bigscience/bloomz-560m's config.json. The tokenizer is the
tiny model's, so that texts use the first 1,000 rows and generate may pick any. The folder is built once and shared by
all cells, which map its one safetensors file.
"""

from __future__ import annotations

import json
import math
import random
import shutil
import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import NormalDist

from filelock import FileLock

from ..errors import MachineError, refused_by_disk
from . import TINY_BLOOM
from .weights import Shape, tensor_shapes

SHAPE = Shape(layers=24, hidden=1024, heads=16, rows=250_880, tokens=250_680)
SEED = 1
MAKING = 2
"""Raise it when the same seed gives other bytes."""

LOGIT_STD = 8.0
"""Of a logit. The embedding is the output layer too, and what it is multiplied with has unit variance: the best of
250,680 logits then leads by far more than rounding."""
GAIN = 2.0
"""Standard deviation of what a linear layer puts out for an input of unit variance; the tiny model's."""
GAINS = {"query_key_value": GAIN / 2, "dense_4h_to_h": 2 * GAIN}
"""Where it is another one. With 24 layers, attention as sharp as the tiny model's repeats one token for ever."""
VECTOR_STD = 0.1

CHUNK = 2**22
"""Values made at a time."""


def parameters(shape: Shape = SHAPE) -> int:
    """How many numbers the model has: 559,214,592 for the full shape."""
    return sum(math.prod(dimensions) for dimensions in tensor_shapes(shape).values())


def built_folder(cache: Path, shape: Shape = SHAPE) -> Path:
    """The model's folder under `cache`, built where it is not there. Raises MachineError where the disk refuses."""
    folder = cache / "models" / f"bloomz-560m-random-{shape.layers}x{shape.hidden}-{SEED}-{MAKING}"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if not folder.is_dir():
                _build(folder, shape)
    except OSError as error:
        raise refused_by_disk(error, f"the random bloomz-560m cannot be written to {folder}") from None
    return folder


def _build(folder: Path, shape: Shape) -> None:
    needed = 2 * parameters(shape)
    if (free := shutil.disk_usage(folder.parent).free) < 1.1 * needed:
        raise MachineError(
            f"the random bloomz-560m needs {needed / 2**30:.1f} GiB of disk, {free / 2**30:.1f} GiB are free",
            f"Free some, or choose another disk with --cache (now {folder.parent.parent}).",
        )
    fresh = folder.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(TINY_BLOOM, fresh, ignore=shutil.ignore_patterns("*.safetensors"))
    config = json.loads((fresh / "config.json").read_text(encoding="utf-8"))
    config.update(n_embed=shape.hidden, n_layer=shape.layers, num_attention_heads=shape.heads, vocab_size=shape.rows)
    (fresh / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    with (fresh / "model.safetensors").open("wb") as file:
        file.write(_header(shape))
        for name, dimensions in tensor_shapes(shape).items():
            for piece in _values(name, dimensions, shape):
                file.write(piece)
    fresh.rename(folder)


def _header(shape: Shape) -> bytes:
    told: dict[str, object] = {"__metadata__": {"format": "pt"}}
    start = 0
    for name, dimensions in tensor_shapes(shape).items():
        end = start + 2 * math.prod(dimensions)
        told[name] = {"dtype": "F16", "shape": list(dimensions), "data_offsets": [start, end]}
        start = end
    text = json.dumps(told, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def _values(name: str, dimensions: tuple[int, ...], shape: Shape) -> Iterator[bytes]:
    """A tensor's float16 values, piece by piece."""
    count = math.prod(dimensions)
    mean, deviation = 0.0, VECTOR_STD
    if name == "word_embeddings.weight":
        deviation = LOGIT_STD / math.sqrt(shape.hidden)
        count = shape.tokens * shape.hidden
    elif len(dimensions) == 2:
        deviation = next((gain for part, gain in GAINS.items() if part in name), GAIN) / math.sqrt(dimensions[1])
    elif name.endswith(("layernorm.weight", "ln_f.weight")):
        mean = 1.0
    source = random.Random(f"{SEED}/{name}")
    draw = _drawn_pairs if "dense_4h_to_h.weight" in name else _drawn
    for start in range(0, count, CHUNK):
        yield draw(source, min(CHUNK, count - start), _high_bytes(mean, deviation))
    padding = math.prod(dimensions) - count
    yield bytes(2 * padding)


def _drawn(source: random.Random, count: int, high: bytes) -> bytes:
    """`count` float16 values: the high byte from a random byte by a table, the low bits of the mantissa random."""
    drawn = bytearray(source.randbytes(2 * count))
    drawn[1::2] = drawn[1::2].translate(high)
    return bytes(drawn)


def _drawn_pairs(source: random.Random, count: int, high: bytes) -> bytes:
    """Like `_drawn`, every second value the negative of the one before.

    What follows a GELU has a mean. Without pairs it adds the same vector at every position, and the model the same
    token after every text.
    """
    half = _drawn(source, count // 2, high)
    pairs = bytearray(4 * (count // 2))
    pairs[0::4] = pairs[2::4] = half[0::2]
    pairs[1::4] = half[1::2]
    pairs[3::4] = half[1::2].translate(_NEGATED)
    return bytes(pairs)


_NEGATED = bytes(value ^ 0x80 for value in range(256))


@cache
def _high_bytes(mean: float, deviation: float) -> bytes:
    """Random byte -> high byte of a float16, so that the values lie as a normal distribution's 256 quantiles do."""
    normal = NormalDist(mean, deviation)
    quantiles = (normal.inv_cdf((place + 0.5) / 256) for place in range(256))
    return bytes(struct.pack("<e", value)[1] for value in quantiles)
