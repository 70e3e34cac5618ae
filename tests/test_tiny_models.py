"""The tiny models of other architectures: the same bytes from the same seed, in the form of the real ones."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import pytest

from compatcheck.domain import Architecture
from compatcheck.errors import MachineError
from compatcheck.scenario import TINY_BLOOM
from compatcheck.scenario.tiny_models import HEADS, HIDDEN, ROWS, TOKENS, config, files, tensor_shapes, tiny_folder

MADE = [each for each in Architecture if each is not Architecture.BLOOM]


@pytest.mark.parametrize(
    ("architecture", "digest"),
    [
        (Architecture.LLAMA, "e3fd750dfcd9a328"),
        (Architecture.GPT2, "8ad265040bf953d4"),
        (Architecture.OPT, "a05d04c262405b5d"),
        (Architecture.QWEN2, "5f5c208b194dc1ca"),
        (Architecture.MISTRAL, "77064869eb66dab6"),
    ],
)
def test_the_weights_are_the_same_on_every_machine(architecture: Architecture, digest: str) -> None:
    assert hashlib.sha256(files(architecture)["model.safetensors"]).hexdigest()[:16] == digest


@pytest.mark.parametrize("architecture", MADE)
def test_the_file_holds_what_its_header_says(architecture: Architecture) -> None:
    made = files(architecture)
    body = made["model.safetensors"]
    (size,) = struct.unpack("<Q", body[:8])
    header = json.loads(body[8 : 8 + size])
    assert header.pop("__metadata__") == {"format": "pt"}
    assert {name: tuple(each["shape"]) for name, each in header.items()} == tensor_shapes(architecture)
    assert max(each["data_offsets"][1] for each in header.values()) == len(body) - 8 - size
    told = json.loads(made["config.json"])
    assert told["model_type"] == architecture and told["vocab_size"] == ROWS
    embedding = next(each for name, each in header.items() if each["shape"] == [ROWS, HIDDEN] and "lm_head" not in name)
    start, end = embedding["data_offsets"]
    rows = body[8 + size + start : 8 + size + end]
    assert not any(rows[2 * TOKENS * HIDDEN :]) and any(rows[: 2 * HIDDEN]), "no token of the padding is ever generated"


def test_what_sets_the_architectures_apart_is_kept() -> None:
    shapes = {each: tensor_shapes(each) for each in MADE}
    assert "lm_head.weight" in shapes[Architecture.LLAMA] and "lm_head.weight" in shapes[Architecture.MISTRAL]
    assert "lm_head.weight" not in shapes[Architecture.QWEN2] and config(Architecture.QWEN2)["tie_word_embeddings"]
    for each, heads in ((Architecture.LLAMA, HEADS), (Architecture.MISTRAL, 2), (Architecture.QWEN2, 2)):
        assert config(each)["num_key_value_heads"] == heads
        assert shapes[each]["model.layers.0.self_attn.k_proj.weight"] == (HIDDEN // HEADS * heads, HIDDEN)
    assert "model.layers.0.self_attn.q_proj.bias" in shapes[Architecture.QWEN2]
    assert shapes[Architecture.GPT2]["h.0.attn.c_attn.weight"] == (HIDDEN, 3 * HIDDEN)
    positions = config(Architecture.OPT)["max_position_embeddings"]
    assert shapes[Architecture.OPT]["model.decoder.embed_positions.weight"] == (positions + 2, HIDDEN)


def test_a_folder_is_made_once_and_bloom_is_shipped(tmp_path: Path) -> None:
    assert tiny_folder(Architecture.BLOOM, tmp_path) == TINY_BLOOM and not list(tmp_path.iterdir())
    folder = tiny_folder(Architecture.GPT2, tmp_path)
    assert {path.name for path in folder.iterdir()} == {path.name for path in TINY_BLOOM.iterdir()}
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert tiny_folder(Architecture.GPT2, tmp_path) == folder
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    left = folder.with_suffix(".new")
    folder.rename(left)  # as a run that was killed leaves it
    (left / "config.json").write_text("{")
    assert json.loads((tiny_folder(Architecture.GPT2, tmp_path) / "config.json").read_text())["model_type"] == "gpt2"


def test_a_disk_that_refuses_is_the_machines_fault(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file where the folder should be")
    with pytest.raises(MachineError, match="the tiny llama cannot be written"):
        tiny_folder(Architecture.LLAMA, tmp_path)
