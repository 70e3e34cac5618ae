"""What a scenario names, made real: a local directory with the model, and the texts.

Probes run offline, so a model of the hub is fetched here, once, and every probe is given the local path.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

from platformdirs import user_cache_path

from ..domain import Architecture, Digest, Scenario, digest_of
from ..errors import UsageError
from . import TEXTS
from .full_shape import built_folder
from .hub import fetched_file, fetched_folder, pinned, pinned_data
from .model_shape import BLOOMS, ModelShape, shape_of
from .own_code import named_code
from .texts import REMEDY, first_texts
from .tiny_models import tiny_folder

TINY = {f"tiny-{architecture}": architecture for architecture in Architecture}
RANDOM_BLOOMZ = "bloomz-560m:random"
HUB = "hub:"
OF_THE_HUB = {
    "awesome-chatgpt-prompts": ("fka/awesome-chatgpt-prompts/prompts.csv", "prompt"),
    "english_quotes": ("Abirate/english_quotes/quotes.jsonl", "quote"),
}
"""The two data sets that the article trains on: where the hub has them (as they are today), and the column of texts."""
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
    place = cache or user_cache_path("compatcheck")
    model, texts = _model(scenario, place), _texts(scenario)
    if len(texts) < scenario.texts:
        raise UsageError(
            f"the scenario wants {scenario.texts} texts, {scenario.data} has {len(texts)}",
            "Lower scenario.texts in the matrix.",
        )
    texts = texts[: scenario.texts]
    parts = [scenario.digest, _content(model), digest_of(json.dumps(texts))]
    return Material(model, texts, digest_of("\n".join(parts)))


def _model(scenario: Scenario, cache: Path) -> Path:
    """Raises UsageError for a model that brings code along, unless that is asked for."""
    folder = _folder(scenario.model, cache, scenario.trust_remote_code)
    if not scenario.trust_remote_code and (code := ", ".join(named_code(folder))):
        raise UsageError(
            f"{scenario.model} brings code of its own ({code}), which would run with all your rights",
            "Read it first. Where you trust it: --trust-remote-code, or scenario.trust_remote_code = true in the "
            "matrix. Where transformers knows the model itself, take auto_map out of a copy's config.json.",
        )
    return folder


def _folder(name: str, cache: Path, code: bool) -> Path:
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
    return fetched_folder(replace(pinned(name), code=code), cache / "models")


def model_shape(name: str, cache: Path | None = None) -> ModelShape:
    """The shape of the model of that name, without its files where it is a BLOOM. Raises as `material` does."""
    known = BLOOMS.get(name.removesuffix(":random"))
    return known or shape_of(_folder(name, cache or user_cache_path("compatcheck"), code=False))


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


def _texts(scenario: Scenario) -> tuple[str, ...]:
    name = scenario.data
    if name in TEXTS:
        if scenario.column:
            raise UsageError(f"{name} has no column {scenario.column!r}", "Leave column out, or name a file.")
        return first_texts(TEXTS[name], scenario.texts)
    of_hub, column = OF_THE_HUB.get(name, (name.removeprefix(HUB) if name.startswith(HUB) else "", ""))
    if of_hub:
        path = fetched_file(pinned_data(of_hub))
        return first_texts(path, scenario.texts, scenario.column or column)
    path = Path(name).expanduser()
    if not path.is_file():
        raise UsageError(
            f"the texts {name!r} cannot be read: there is no such file",
            f"Shipped: {', '.join(TEXTS)}; of the hub: {', '.join(OF_THE_HUB)} and hub:owner/name/file. {REMEDY}",
        )
    return first_texts(path, scenario.texts, scenario.column)


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
