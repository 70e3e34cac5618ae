"""Tiny random models of other architectures than BLOOM, made here as the tiny BLOOM was: the same seed, the same bytes.

Each is what its maker's own repository holds, at a fraction of its size: a config.json with the keys of the real one
(meta-llama/Llama-2-7b-hf, openai-community/gpt2, facebook/opt-125m, Qwen/Qwen2-0.5B, mistralai/Mistral-7B-v0.1), one
safetensors file with float16 weights, and a tokenizer. What sets them apart is kept: rotary, learnt or shifted
positions, tied or untied output, grouped key-value heads. The tokenizer is the tiny BLOOM's, told to transformers as
Llama 3 tells its own (PreTrainedTokenizerFast with model_input_names), so that a failure is the model's and not the
tokenizer's.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from ..domain import Architecture
from ..errors import refused_by_disk
from . import TINY_BLOOM
from .weights import MATRIX_STD, VECTOR_STD, normal, safetensors_file

LAYERS, HIDDEN, HEADS, WIDE, POSITIONS = 2, 64, 4, 128, 256
ROWS, TOKENS = 1024, 1000
"""Rows of the embedding matrix, and tokens that the tokenizer has: those beyond are zero, so that none is generated."""
GROUPS = {Architecture.LLAMA: 4, Architecture.MISTRAL: 2, Architecture.QWEN2: 2}
"""Key-value heads: one for each head in Llama 2, fewer in the other two."""
SEED = 1
MAKING = 1
"""Raise it when the same seed gives other bytes."""

SPECIAL = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 3}


def tiny_folder(architecture: Architecture, cache: Path) -> Path:
    """The model's folder: BLOOM's is shipped, another is made under `cache` where it is not there.

    Raises MachineError where the disk refuses.
    """
    if architecture is Architecture.BLOOM:
        return TINY_BLOOM
    folder = cache / "models" / f"tiny-{architecture}-{SEED}-{MAKING}"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if not folder.is_dir():
                fresh = folder.with_suffix(".new")
                fresh.mkdir(exist_ok=True)
                for name, content in files(architecture).items():
                    (fresh / name).write_bytes(content)
                fresh.rename(folder)
    except OSError as error:
        raise refused_by_disk(error, f"the tiny {architecture} cannot be written to {folder}") from None
    return folder


def files(architecture: Architecture) -> dict[str, bytes]:
    """File name to content of an architecture that is not shipped."""
    shapes = tensor_shapes(architecture)
    return {
        "config.json": json.dumps(config(architecture), indent=2).encode(),
        "model.safetensors": safetensors_file(shapes, {name: _values(architecture, name, shapes) for name in shapes}),
        "special_tokens_map.json": (TINY_BLOOM / "special_tokens_map.json").read_bytes(),
        "tokenizer.json": (TINY_BLOOM / "tokenizer.json").read_bytes(),
        "tokenizer_config.json": json.dumps(TOKENIZER).encode(),
    }


TOKENIZER = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "model_input_names": ["input_ids", "attention_mask"],
    "model_max_length": POSITIONS,
    "clean_up_tokenization_spaces": False,
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
}


def config(architecture: Architecture) -> dict[str, Any]:
    """The config.json, with the keys of the real model's; without dropout."""
    common = {"model_type": str(architecture), "vocab_size": ROWS, "use_cache": True, **SPECIAL}
    if architecture is Architecture.GPT2:
        return {
            "activation_function": "gelu_new",
            "architectures": ["GPT2LMHeadModel"],
            "attn_pdrop": 0.0,
            "embd_pdrop": 0.0,
            "resid_pdrop": 0.0,
            "initializer_range": 0.02,
            "layer_norm_epsilon": 1e-05,
            "n_ctx": POSITIONS,
            "n_embd": HIDDEN,
            "n_head": HEADS,
            "n_layer": LAYERS,
            "n_positions": POSITIONS,
            **common,
        }
    if architecture is Architecture.OPT:
        return {
            "activation_function": "relu",
            "architectures": ["OPTForCausalLM"],
            "attention_dropout": 0.0,
            "do_layer_norm_before": True,
            "dropout": 0.0,
            "ffn_dim": WIDE,
            "hidden_size": HIDDEN,
            "init_std": 0.02,
            "layerdrop": 0.0,
            "max_position_embeddings": POSITIONS,
            "num_attention_heads": HEADS,
            "num_hidden_layers": LAYERS,
            "prefix": "</s>",
            "word_embed_proj_dim": HIDDEN,
            **common,
        }
    shared = {
        "hidden_act": "silu",
        "hidden_size": HIDDEN,
        "initializer_range": 0.02,
        "intermediate_size": WIDE,
        "max_position_embeddings": POSITIONS,
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "num_key_value_heads": GROUPS[architecture],
        "rms_norm_eps": 1e-05,
        "rope_theta": 10000.0,
        "tie_word_embeddings": architecture is Architecture.QWEN2,
        **common,
    }
    own: dict[Architecture, dict[str, Any]] = {
        Architecture.LLAMA: {"architectures": ["LlamaForCausalLM"], "pretraining_tp": 1, "rope_scaling": None},
        Architecture.MISTRAL: {"architectures": ["MistralForCausalLM"], "sliding_window": POSITIONS},
        Architecture.QWEN2: {
            "architectures": ["Qwen2ForCausalLM"],
            "attention_dropout": 0.0,
            "max_window_layers": LAYERS,
            "sliding_window": POSITIONS,
            "use_sliding_window": False,
        },
    }
    return {**own[architecture], **shared}


def tensor_shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Tensor name to dimensions, sorted by name as safetensors writes them. Linear layers are (out, in), GPT-2's
    Conv1D (in, out); an output layer that is tied to the embedding is absent."""
    named = {Architecture.GPT2: _gpt2, Architecture.OPT: _opt}.get(architecture)
    return dict(sorted(named() if named else _llama(architecture)))


def _gpt2() -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "wte.weight", (ROWS, HIDDEN)
    yield "wpe.weight", (POSITIONS, HIDDEN)
    norms = ["ln_f"]
    for layer in range(LAYERS):
        norms += [f"h.{layer}.ln_1", f"h.{layer}.ln_2"]
        for name, into, out in (
            ("attn.c_attn", HIDDEN, 3 * HIDDEN),
            ("attn.c_proj", HIDDEN, HIDDEN),
            ("mlp.c_fc", HIDDEN, 4 * HIDDEN),
            ("mlp.c_proj", 4 * HIDDEN, HIDDEN),
        ):
            yield f"h.{layer}.{name}.weight", (into, out)
            yield f"h.{layer}.{name}.bias", (out,)
    for norm in norms:
        yield f"{norm}.weight", (HIDDEN,)
        yield f"{norm}.bias", (HIDDEN,)


def _opt() -> Iterator[tuple[str, tuple[int, ...]]]:
    start = "model.decoder."
    yield f"{start}embed_tokens.weight", (ROWS, HIDDEN)
    # OPT counts its positions from 2
    yield f"{start}embed_positions.weight", (POSITIONS + 2, HIDDEN)
    norms = ["final_layer_norm"]
    for layer in range(LAYERS):
        norms += [f"layers.{layer}.self_attn_layer_norm", f"layers.{layer}.final_layer_norm"]
        linear = [(f"self_attn.{each}", HIDDEN, HIDDEN) for each in ("q_proj", "k_proj", "v_proj", "out_proj")]
        for name, out, into in (*linear, ("fc1", WIDE, HIDDEN), ("fc2", HIDDEN, WIDE)):
            yield f"{start}layers.{layer}.{name}.weight", (out, into)
            yield f"{start}layers.{layer}.{name}.bias", (out,)
    for norm in norms:
        yield f"{start}{norm}.weight", (HIDDEN,)
        yield f"{start}{norm}.bias", (HIDDEN,)


def _llama(architecture: Architecture) -> Iterator[tuple[str, tuple[int, ...]]]:
    narrow = HIDDEN // HEADS * GROUPS[architecture]
    yield "model.embed_tokens.weight", (ROWS, HIDDEN)
    if architecture is not Architecture.QWEN2:
        yield "lm_head.weight", (ROWS, HIDDEN)
    norms = ["model.norm"]
    for layer in range(LAYERS):
        start = f"model.layers.{layer}."
        norms += [f"{start}input_layernorm", f"{start}post_attention_layernorm"]
        for name, out, into in (
            ("self_attn.q_proj", HIDDEN, HIDDEN),
            ("self_attn.k_proj", narrow, HIDDEN),
            ("self_attn.v_proj", narrow, HIDDEN),
            ("self_attn.o_proj", HIDDEN, HIDDEN),
            ("mlp.gate_proj", WIDE, HIDDEN),
            ("mlp.up_proj", WIDE, HIDDEN),
            ("mlp.down_proj", HIDDEN, WIDE),
        ):
            yield f"{start}{name}.weight", (out, into)
            if architecture is Architecture.QWEN2 and name.endswith(("q_proj", "k_proj", "v_proj")):
                yield f"{start}{name}.bias", (out,)
    for norm in norms:
        yield f"{norm}.weight", (HIDDEN,)


def _values(architecture: Architecture, name: str, shapes: Mapping[str, tuple[int, ...]]) -> list[float]:
    """A tensor's values in row-major order, each one exactly a float16."""
    dimensions = shapes[name]
    values = normal(f"{SEED}/{architecture}/{name}", math.prod(dimensions))
    if len(dimensions) == 2:
        values = [MATRIX_STD * value for value in values]
    else:
        around = 1.0 if name.endswith(("norm.weight", "ln_1.weight", "ln_2.weight", "ln_f.weight")) else 0.0
        values = [around + VECTOR_STD * value for value in values]
    if dimensions[0] == ROWS:
        kept = TOKENS * HIDDEN
        values[kept:] = [0.0] * (len(values) - kept)
    return list(struct.unpack(f"<{len(values)}e", struct.pack(f"<{len(values)}e", *values)))
