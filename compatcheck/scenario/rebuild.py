"""Rebuilds the shipped model folder from the shipped texts, byte for byte.

    python -m compatcheck.scenario.rebuild                 write the files
    python -m compatcheck.scenario.rebuild --check         compare only; exit code 1 if anything differs
    python -m compatcheck.scenario.rebuild --choose-seed   print the smallest seed that meets the criterion

The files have the formats and the key order of bloomz-560m's own, so that every release of transformers reads
them as it reads the real ones. There is no generation_config.json, because bloomz-560m has none.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import cache
from pathlib import Path

from compatcheck.scenario import TEXTS, TINY_BLOOM
from compatcheck.scenario.fitness import smallest_fit_seed
from compatcheck.scenario.vocabulary import Vocabulary, encode, learn, tokenizer_json
from compatcheck.scenario.weights import Shape, random_tensors, safetensors

SHAPE = Shape(layers=2, hidden=64, heads=4, rows=1024, tokens=1000)
"""More rows than tokens, as in BLOOM (250,880 and 250,680)."""

SEED = 154
"""The smallest seed that meets the criterion in `fitness`."""

PROMPT_WORDS = 6
"""Words of each data set's first text that the criterion takes as a prompt."""


def texts(name: str) -> list[str]:
    """The texts of a shipped data set, in their order."""
    return [json.loads(line)["text"] for line in TEXTS[name].read_text(encoding="utf-8").splitlines()]


@cache
def vocabulary() -> Vocabulary:
    """The shipped tokenizer's vocabulary, learnt from all shipped texts."""
    return learn((text for name in TEXTS for text in texts(name)), SHAPE.tokens)


def prompts(known: Vocabulary) -> list[list[int]]:
    """The criterion's prompts, as ids: the first words of each data set."""
    return [encode(" ".join(texts(name)[0].split()[:PROMPT_WORDS]), known) for name in TEXTS]


def config_json() -> bytes:
    """The model's config with the keys, the old names and the order of bloomz-560m's."""
    content = {
        "apply_residual_connection_post_layernorm": False,
        "attention_dropout": 0.0,
        "architectures": ["BloomForCausalLM"],
        "attention_softmax_in_fp32": True,
        "bias_dropout_fusion": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 3,
        "unk_token_id": 0,
        "hidden_dropout": 0.0,
        "initializer_range": 0.02,
        "layer_norm_epsilon": 1e-05,
        "masked_softmax_fusion": True,
        "model_type": "bloom",
        "n_embed": SHAPE.hidden,
        "n_inner": None,
        "n_layer": SHAPE.layers,
        "num_attention_heads": SHAPE.heads,
        "offset_alibi": 100,
        "pretraining_tp": 1,
        "seq_length": 2048,
        "skip_bias_add": True,
        "skip_bias_add_qkv": False,
        "transformers_version": "4.20.0",
        "use_cache": True,
        "vocab_size": SHAPE.rows,
    }
    return json.dumps(content, indent=2).encode()


def tokenizer_config_json() -> bytes:
    """The tokenizer's config: that of bloomz-560m."""
    content = {
        "unk_token": "<unk>",
        "eos_token": "</s>",
        "bos_token": "<s>",
        "pad_token": "<pad>",
        "name_or_path": "bigscience/tokenizer",
        "special_tokens_map_file": None,
        "tokenizer_class": "BloomTokenizerFast",
        "padding_side": "left",
    }
    return json.dumps(content).encode()


def special_tokens_map_json() -> bytes:
    """The special tokens: those of bloomz-560m, plain strings."""
    content = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    return json.dumps(content).encode()


def files() -> dict[str, bytes]:
    """File name -> content: the whole model folder."""
    return {
        "config.json": config_json(),
        "model.safetensors": safetensors(SHAPE, random_tensors(SHAPE, SEED)),
        "special_tokens_map.json": special_tokens_map_json(),
        "tokenizer.json": tokenizer_json(vocabulary()),
        "tokenizer_config.json": tokenizer_config_json(),
    }


def differences(folder: Path = TINY_BLOOM) -> list[str]:
    """What in a folder is not as it would be rebuilt, one sentence for each file."""
    expected = files()
    present = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    found = [f"{name}: not part of the model" for name in sorted(present - expected.keys())]
    for name, content in expected.items():
        if name not in present:
            found.append(f"{name}: missing")
        elif (folder / name).read_bytes() != content:
            found.append(f"{name}: differs")
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m compatcheck.scenario.rebuild", description="Rebuild the shipped model."
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="compare with the shipped files, write nothing")
    mode.add_argument("--choose-seed", action="store_true", help="print the smallest fit seed, write nothing")
    chosen = parser.parse_args(arguments)
    if chosen.choose_seed:
        print(smallest_fit_seed(SHAPE, prompts(vocabulary())))
        return 0
    if chosen.check:
        found = differences()
        print("\n".join(found) or "as shipped")
        return 1 if found else 0
    TINY_BLOOM.mkdir(parents=True, exist_ok=True)
    for name, content in files().items():
        (TINY_BLOOM / name).write_bytes(content)
        print(f"{name}: {len(content):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
