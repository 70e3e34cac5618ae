"""The random bloomz-560m: the exact shape, the same bytes from the same seed, built once and whole or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
import statistics
import struct
from collections import namedtuple
from pathlib import Path

import pytest

from compatcheck.domain import Scenario
from compatcheck.errors import MachineError
from compatcheck.scenario import TINY_BLOOM, full_shape
from compatcheck.scenario.full_shape import SHAPE, built_folder, parameters
from compatcheck.scenario.material import RANDOM_BLOOMZ, material
from compatcheck.scenario.weights import Shape, tensor_shapes

SMALL = Shape(layers=2, hidden=64, heads=4, rows=1024, tokens=1000)


def tensors_of(path: Path) -> dict[str, tuple[float, ...]]:
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    body = data[8 + length :]
    found = {}
    for name, told in header.items():
        if name != "__metadata__":
            start, end = told["data_offsets"]
            found[name] = struct.unpack(f"<{(end - start) // 2}e", body[start:end])
    assert max(told["data_offsets"][1] for told in header.values() if "dtype" in told) == len(body)
    return found


def test_the_full_shape_has_as_many_parameters_as_bloomz_560m() -> None:
    # what transformers counts after loading it (the fact `parameters` of the full-shape observations)
    assert parameters(SHAPE) == 559_214_592


def test_the_folder_has_every_tensor_with_the_values_it_should_have(tmp_path: Path) -> None:
    folder = built_folder(tmp_path, SMALL)
    tensors = tensors_of(folder / "model.safetensors")
    assert list(tensors) == list(tensor_shapes(SMALL))
    embedding = tensors["word_embeddings.weight"]
    assert set(embedding[1000 * 64 :]) == {0.0}
    assert statistics.pstdev(embedding[: 1000 * 64]) == pytest.approx(full_shape.LOGIT_STD / 8, rel=0.03)
    linear = tensors["h.1.mlp.dense_4h_to_h.weight"]
    assert statistics.pstdev(linear) == pytest.approx(2 * full_shape.GAIN / 16, rel=0.03)
    # what follows a GELU has a mean, which must not add the same vector at every position
    assert all(left == -right for left, right in zip(linear[::2], linear[1::2], strict=True))
    assert statistics.pstdev(tensors["h.0.self_attention.query_key_value.weight"]) == pytest.approx(
        full_shape.GAIN / 2 / 8, rel=0.03
    )
    assert statistics.mean(tensors["ln_f.weight"]) == pytest.approx(1, abs=0.05)
    config = json.loads((folder / "config.json").read_text())
    assert (config["n_layer"], config["n_embed"], config["num_attention_heads"], config["vocab_size"]) == (
        2,
        64,
        4,
        1024,
    )
    assert (folder / "tokenizer.json").read_bytes() == (TINY_BLOOM / "tokenizer.json").read_bytes()


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (
        hashlib.sha256((built_folder(tmp_path / name, SMALL) / "model.safetensors").read_bytes()).hexdigest()
        for name in ("a", "b")
    )
    # held on every Python that the suite runs on: the digest was taken on Python 3.11
    assert first == second == "6118deb15d2f2e7bccfc6922a7bc6aefd632bc72b7514d762d6bd562749f0dc1"


def test_it_is_built_once(tmp_path: Path) -> None:
    folder = built_folder(tmp_path, SMALL)
    made = (folder / "model.safetensors").stat()
    again = (built_folder(tmp_path, SMALL) / "model.safetensors").stat()
    assert (made.st_ino, made.st_mtime_ns) == (again.st_ino, again.st_mtime_ns)


def test_what_broke_off_is_built_anew(tmp_path: Path) -> None:
    folder = built_folder(tmp_path, SMALL)
    whole = (folder / "model.safetensors").read_bytes()
    half = folder.with_suffix(".new")
    folder.rename(half)
    (half / "model.safetensors").write_bytes(whole[:100])
    assert (built_folder(tmp_path, SMALL) / "model.safetensors").read_bytes() == whole
    assert not half.exists()


def test_too_little_disk_is_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 2**30))
    with pytest.raises(MachineError, match=r"needs 1\.0 GiB of disk, 1\.0 GiB are free"):
        built_folder(tmp_path, SHAPE)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_the_scenario_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(full_shape, "_build", lambda folder, shape: shutil.copytree(TINY_BLOOM, folder))
    given = material(Scenario(model=RANDOM_BLOOMZ), tmp_path)
    assert given.model.is_relative_to(tmp_path) and "24x1024" in given.model.name
