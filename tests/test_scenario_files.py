"""The shipped model folder and texts: rebuilt byte for byte, in bloomz-560m's formats, and fit to fail on."""

from __future__ import annotations

import json
import math
import shutil
import statistics
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from compatcheck.scenario import TEXTS, TINY_BLOOM
from compatcheck.scenario.fitness import flaws
from compatcheck.scenario.rebuild import SEED, SHAPE, differences, prompts, texts, vocabulary
from compatcheck.scenario.vocabulary import SPECIAL_TOKENS, encode
from compatcheck.scenario.weights import MATRIX_STD, random_tensors, safetensors, tensor_shapes


def read(name: str) -> Any:
    return json.loads((TINY_BLOOM / name).read_text(encoding="utf-8"))


def stored_tensors() -> dict[str, tuple[list[int], list[float]]]:
    """Tensor name -> dimensions and values, read from the file by its format's definition."""
    content = (TINY_BLOOM / "model.safetensors").read_bytes()
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + length])
    assert header.pop("__metadata__") == {"format": "pt"}
    found = {}
    for name, entry in header.items():
        assert entry["dtype"] == "F16"
        start, end = (8 + length + at for at in entry["data_offsets"])
        found[name] = (entry["shape"], list(struct.unpack(f"<{(end - start) // 2}e", content[start:end])))
    return found


def test_the_shipped_files_are_the_rebuilt_ones() -> None:
    assert differences() == []


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_changed_byte_is_a_difference(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(TINY_BLOOM, folder)
    content = bytearray((folder / name).read_bytes())
    content[-3] ^= 1
    (folder / name).write_bytes(content)
    (folder / "special_tokens_map.json").unlink()
    (folder / "generation_config.json").write_text("{}")
    assert sorted(differences(folder)) == sorted(
        [
            "generation_config.json: not part of the model",
            f"{name}: differs",
            "special_tokens_map.json: missing",
        ]
    )


def test_rebuilding_needs_nothing_but_the_standard_library() -> None:
    code = (
        "import sys; before = {name.split('.')[0] for name in sys.modules}\n"
        "import compatcheck.scenario.rebuild\n"
        "heavy = {'torch', 'numpy', 'transformers', 'tokenizers', 'safetensors'}\n"
        "sys.exit(bool(heavy & ({name.split('.')[0] for name in sys.modules} - before)))"
    )
    root = Path(__file__).resolve().parent.parent
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_the_config_has_the_keys_of_bloomz_560m() -> None:
    config = read("config.json")
    assert list(config) == [
        "apply_residual_connection_post_layernorm",
        "attention_dropout",
        "architectures",
        "attention_softmax_in_fp32",
        "bias_dropout_fusion",
        "bos_token_id",
        "eos_token_id",
        "pad_token_id",
        "unk_token_id",
        "hidden_dropout",
        "initializer_range",
        "layer_norm_epsilon",
        "masked_softmax_fusion",
        "model_type",
        "n_embed",
        "n_inner",
        "n_layer",
        "num_attention_heads",
        "offset_alibi",
        "pretraining_tp",
        "seq_length",
        "skip_bias_add",
        "skip_bias_add_qkv",
        "transformers_version",
        "use_cache",
        "vocab_size",
    ]
    assert config["architectures"] == ["BloomForCausalLM"]
    assert config["model_type"] == "bloom"
    assert config["use_cache"] is True
    assert config["attention_dropout"] == config["hidden_dropout"] == 0.0
    ids = [config[f"{name}_token_id"] for name in ("unk", "bos", "eos", "pad")]
    assert ids == [0, 1, 2, 3]
    assert (config["n_embed"], config["n_layer"], config["num_attention_heads"], config["vocab_size"]) == (
        SHAPE.hidden,
        SHAPE.layers,
        SHAPE.heads,
        SHAPE.rows,
    )


def test_there_is_no_generation_config_and_little_else() -> None:
    assert {path.name for path in TINY_BLOOM.iterdir()} == {
        "config.json",
        "model.safetensors",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert sum(path.stat().st_size for path in TINY_BLOOM.iterdir()) < 500_000


def test_the_tokenizer_is_in_the_old_format() -> None:
    tokenizer = read("tokenizer.json")
    model = tokenizer["model"]
    assert model["type"] == "BPE"
    assert all(isinstance(merge, str) and len(merge.split(" ")) == 2 for merge in model["merges"])
    assert [(token["content"], token["id"]) for token in tokenizer["added_tokens"]] == [
        (token, number) for number, token in enumerate(SPECIAL_TOKENS)
    ]
    assert list(model["vocab"].values()) == list(range(SHAPE.tokens))
    assert len(model["merges"]) == SHAPE.tokens - len(SPECIAL_TOKENS) - 256
    assert tokenizer["normalizer"] is None
    assert [part["type"] for part in tokenizer["pre_tokenizer"]["pretokenizers"]] == ["Split", "ByteLevel"]
    assert tokenizer["post_processor"]["type"] == tokenizer["decoder"]["type"] == "ByteLevel"


def test_the_tokenizer_class_is_blooms_own() -> None:
    config = read("tokenizer_config.json")
    assert config["tokenizer_class"] == "BloomTokenizerFast"
    assert config["padding_side"] == "left"
    names = ("bos_token", "eos_token", "unk_token", "pad_token")
    assert read("special_tokens_map.json") == {name: config[name] for name in names}


def test_the_tensors_have_the_names_of_bloomz_560m() -> None:
    tensors = stored_tensors()
    assert {name: tuple(dimensions) for name, (dimensions, _) in tensors.items()} == tensor_shapes(SHAPE)
    assert len(tensors) == 5 + 12 * SHAPE.layers
    assert {"word_embeddings_layernorm.bias", "h.1.self_attention.query_key_value.weight"} <= set(tensors)
    assert not any(name.startswith(("transformer.", "lm_head")) for name in tensors)


def test_the_full_size_shape_has_the_tensors_of_bloomz_560m() -> None:
    full = tensor_shapes(type(SHAPE)(layers=24, hidden=1024, heads=16, rows=250_880, tokens=250_680))
    assert len(full) == 293
    assert sum(math.prod(dimensions) for dimensions in full.values()) == 559_214_592


def test_the_weights_are_large_enough_to_see() -> None:
    for name, (dimensions, values) in stored_tensors().items():
        if len(dimensions) == 2:
            used = values[: SHAPE.tokens * SHAPE.hidden]
            assert statistics.pstdev(used) == pytest.approx(MATRIX_STD, rel=0.03), name
            assert not any(values[len(used) :]), name
        elif name.endswith(("layernorm.weight", "ln_f.weight")):
            assert statistics.fmean(values) == pytest.approx(1.0, abs=0.05), name
            assert min(values) > 0.5, name
        else:
            assert statistics.fmean(values) == pytest.approx(0.0, abs=0.05), name


def test_another_seed_gives_other_bytes() -> None:
    other = safetensors(SHAPE, random_tensors(SHAPE, SEED + 1))
    assert other != (TINY_BLOOM / "model.safetensors").read_bytes()


def test_the_shipped_model_is_fit() -> None:
    tensors = {name: values for name, (_, values) in stored_tensors().items()}
    assert list(flaws(SHAPE, tensors, prompts(vocabulary()))) == []


def test_weights_of_the_usual_size_would_not_be_fit() -> None:
    small = {
        name: [0.08 * value for value in values] if len(dimensions) == 2 else values
        for name, (dimensions, values) in stored_tensors().items()
    }
    assert any("does not change" in flaw for flaw in flaws(SHAPE, small, prompts(vocabulary())))


@pytest.mark.parametrize("name", TEXTS)
def test_the_texts_are_distinct_and_not_empty(name: str) -> None:
    found = texts(name)
    assert len(found) == len(set(found)) == 24
    assert all(text == text.strip() and len(text) > 20 for text in found)


def test_the_texts_are_of_the_two_kinds() -> None:
    assert all(text.startswith("I want you to act as ") for text in texts("role-prompts"))
    assert not set(texts("role-prompts")) & set(texts("quotations"))


@pytest.mark.parametrize("text", ["I want you to act as", "  two  spaces\n\na | b (c) é 漢字 ।", ""])
def test_every_text_is_spelt_by_its_tokens(text: str) -> None:
    known = vocabulary()
    letters = "".join(known.tokens[number] for number in encode(text, known))
    assert len(letters) == len(text.encode("utf-8"))
