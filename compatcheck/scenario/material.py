"""What a scenario names, made real: a local directory with the model, and the texts.

Probes run offline, so a model of the hub is fetched here, once, and every probe is given the local path.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from ..domain import Architecture, Digest, Scenario, digest_of
from ..errors import InputError, UsageError
from . import TEXTS
from .full_shape import built_folder
from .hub import fetched_folder, pinned
from .model_shape import BLOOMS, ModelShape, shape_of
from .tiny_models import tiny_folder

TINY = {f"tiny-{architecture}": architecture for architecture in Architecture}
RANDOM_BLOOMZ = "bloomz-560m:random"
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".h5", ".msgpack")
"""Weights in formats that are pickles, or that no probe is given."""
WHOLE_FILE_CAP = 64 * 2**20
"""Files above this many bytes are recognised by their size and both ends instead of by every byte."""


@dataclass(frozen=True)
class Material:
    model: Path
    texts: tuple[str, ...]
    digest: Digest
    """Of the scenario and of what is in the model's files and the texts: one key for one meaning."""


def material(scenario: Scenario, cache: Path | None = None) -> Material:
    """`cache` is where a model that is built here is kept; None: the user's cache folder.

    Raises UsageError or InputError for a bad name or file, MachineError where the hub cannot be reached."""
    model, texts = _model(scenario.model, cache or user_cache_path("compatcheck")), _texts(scenario.data)
    if len(texts) < scenario.texts:
        raise UsageError(
            f"the scenario wants {scenario.texts} texts, {scenario.data} has {len(texts)}",
            "Lower scenario.texts in the matrix.",
        )
    texts = texts[: scenario.texts]
    parts = [scenario.digest, _content(model), digest_of(json.dumps(texts))]
    return Material(model, texts, digest_of("\n".join(parts)))


def _model(name: str, cache: Path) -> Path:
    if name in TINY:
        return tiny_folder(TINY[name], cache)
    if name == RANDOM_BLOOMZ:
        return built_folder(cache)
    folder = Path(name).expanduser()
    if (folder / "config.json").is_file():
        return _safe(folder.resolve())
    if folder.is_absolute() or name.startswith(".") or folder.exists():
        raise UsageError(
            f"{name} is not a model directory: it has no config.json", "Name one that save_pretrained wrote."
        )
    return fetched_folder(pinned(name), cache / "models")


def model_shape(name: str, cache: Path | None = None) -> ModelShape:
    """The shape of the model of that name, without its files where it is a BLOOM. Raises as `material` does."""
    known = BLOOMS.get(name.removesuffix(":random"))
    return known or shape_of(_model(name, cache or user_cache_path("compatcheck")))


def _safe(folder: Path) -> Path:
    """The model's folder, where its weights are safetensors. Raises UsageError; no file is opened to say so."""
    names = sorted(path.name for path in folder.iterdir())
    if any(name.endswith(".safetensors") for name in names):
        return folder
    pickles = [name for name in names if name.endswith(PICKLED)]
    what = f"only {', '.join(pickles[:3])}, which could run any code when it is opened" if pickles else "no weights"
    raise UsageError(
        f"{folder} has {what}",
        "Save it as safetensors where you trust it: model.save_pretrained(folder, safe_serialization=True).",
    )


def _texts(name: str) -> tuple[str, ...]:
    path = TEXTS.get(name, Path(name).expanduser())
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the texts {name!r} cannot be read: {error}", f"Shipped ones: {', '.join(TEXTS)}; or name a text file."
        ) from None
    if path.suffix != ".jsonl":
        return tuple(line for line in lines if line.strip())
    texts = []
    for number, line in enumerate(lines, 1):
        try:
            text = json.loads(line)["text"]
        except (ValueError, KeyError, TypeError):
            text = None
        if not isinstance(text, str):
            raise InputError(str(path), [f"line {number}: not a JSON object with a string 'text'"])
        texts.append(text)
    return tuple(texts)


def _content(folder: Path) -> Digest:
    """Of the names and contents of the model's files, wherever the folder lies."""
    told = hashlib.sha256()
    for path in sorted(each for each in folder.iterdir() if each.is_file()):
        size = path.stat().st_size
        told.update(f"{path.name} {size} ".encode())
        with path.open("rb") as file:
            if size <= WHOLE_FILE_CAP:
                told.update(file.read())
            else:
                told.update(file.read(2**20))
                file.seek(-(2**20), 2)
                told.update(file.read())
    return Digest(told.hexdigest()[:16])
