"""A model of the hub, fetched once by its own client: revision pinned, safetensors alone, every byte checked.

The files lie where every program of the hub looks for them (HF_HOME, HF_HUB_CACHE); a mirror is HF_ENDPOINT. An
interrupted download goes on where it was. What was fetched once needs no network any more.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import DISK_FULL, DiskFull, MachineError, UsageError, refused_by_disk

FILES = ("*.json", "*.safetensors", "*.model", "*.txt")
"""What is fetched of a repository: configuration, tokenizer and safetensors weights; never a pickle."""
SPARE = 1.05
"""How much of the disk must be free for a byte that is fetched."""


@dataclass(frozen=True)
class Pinned:
    """A repository of the hub as it was on one day."""

    repository: str
    revision: str
    """A commit; `main` is whatever it is today."""
    sha256: Mapping[str, str] = field(default_factory=dict)
    """Of the files whose content is known beforehand."""

    @property
    def words(self) -> str:
        return f"{self.repository}@{self.revision[:12]}"


BLOOMZ = Pinned(
    "bigscience/bloomz-560m",
    "a2845d7e13dd12efae154a9f1c63fcc2e0cc4b05",
    {"model.safetensors": "365b2c5e9bd1057eb1e3f1a4fc3f89ae6584d20f24b682d2406bc7e90178ec13"},
)
"""1,118,459,450 bytes of weights, as several public projects have pinned them."""


def pinned(name: str) -> Pinned:
    """`bloomz-560m`, `owner/name` (as it is today) or `owner/name@commit`."""
    if name == "bloomz-560m":
        return BLOOMZ
    repository, _, revision = name.partition("@")
    return Pinned(repository, revision or "main")


def _on_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def fetched_folder(wanted: Pinned, stamps: Path, told: Callable[[str], None] = _on_stderr) -> Path:
    """The folder with the model's files, fetched where they are not there.

    `stamps` is a folder that remembers which files have been checked. Raises UsageError for a bad name, a repository
    without safetensors or a missing client; MachineError where the hub refuses or cannot be reached, where the disk is
    too small, or where the files stay damaged.
    """
    try:
        from huggingface_hub.errors import HFValidationError
    except ImportError:
        raise UsageError(
            f"{wanted.repository!r} is a model of the hub, and the hub's client is not installed",
            "python -m pip install 'compatcheck[hub]', or name a local directory.",
        ) from None
    try:
        for again in (False, True):
            folder = _kept(wanted) or _downloaded(wanted, told)
            damaged = _damaged(folder, wanted, stamps)
            if not damaged:
                return folder
            _remove(folder, damaged)
            if not again:
                told(f"{wanted.words}: {', '.join(damaged)} is damaged and is fetched again")
        raise MachineError(
            f"{', '.join(damaged)} of {wanted.words} is not what the hub says it is, twice",
            "Something between here and the hub changes it: try without a proxy, or another HF_ENDPOINT.",
        )
    except HFValidationError as error:
        raise UsageError(
            f"{wanted.repository!r} is no model: {error}", "Name a local directory or owner/name."
        ) from None


# ---------------------------------------------------------------------- what is there


def _kept(wanted: Pinned) -> Path | None:
    """The folder in the hub's cache, where it holds all that a probe needs."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = snapshot_download(
            wanted.repository, revision=wanted.revision, allow_patterns=list(FILES), local_files_only=True
        )
    except (LocalEntryNotFoundError, FileNotFoundError):
        return None
    return Path(folder) if _whole(Path(folder)) else None


def _whole(folder: Path) -> bool:
    """Whether configuration, tokenizer and every part of the weights are there: an interrupted download lacks some."""
    index = folder / "model.safetensors.index.json"
    try:
        parts = set(json.loads(index.read_text())["weight_map"].values()) if index.is_file() else {"model.safetensors"}
    except (ValueError, KeyError, AttributeError, TypeError):
        return False
    tokenizer = any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model", "vocab.json"))
    return tokenizer and (folder / "config.json").is_file() and all((folder / part).is_file() for part in parts)


_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def _damaged(folder: Path, wanted: Pinned, stamps: Path) -> list[str]:
    """The files that do not hold what the hub named them by: its cache names each after its SHA-256, or git's SHA-1."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    stamp = stamps / f"{folder.name}.checked"
    state = json.dumps([[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in files])
    try:
        if stamp.read_text() == state:
            return []
    except OSError:
        pass
    found = []
    for path in files:
        digest = wanted.sha256.get(path.name) or path.resolve().name
        if _DIGEST.fullmatch(digest) and _digest(path, len(digest) == 64) != digest:
            found.append(path.name)
    if not found:
        stamps.mkdir(parents=True, exist_ok=True)
        stamp.write_text(state)
    return found


def _digest(path: Path, whole: bool) -> str:
    """SHA-256 of the content, or the SHA-1 that git gives a blob."""
    told = hashlib.sha256() if whole else hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(2**20):
            told.update(block)
    return told.hexdigest()


def _remove(folder: Path, names: list[str]) -> None:
    for name in names:
        (folder / name).resolve().unlink(missing_ok=True)
        (folder / name).unlink(missing_ok=True)


# ---------------------------------------------------------------------- what is not


def _downloaded(wanted: Pinned, told: Callable[[str], None]) -> Path:
    from huggingface_hub import HfApi, constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    place = Path(constants.HF_HUB_CACHE)
    try:
        info = HfApi().model_info(wanted.repository, revision=wanted.revision, files_metadata=True)
        size = _size(wanted, info)
        place.mkdir(parents=True, exist_ok=True)
        if (free := shutil.disk_usage(place).free) < SPARE * size:
            raise DiskFull(
                f"{wanted.words} needs {_gib(SPARE * size)} in {place}, {_gib(free)} are free",
                "Free some, or name another disk with HF_HOME.",
            )
        told(f"fetching {wanted.words}: at most {_gib(size)} into {place}")
        return Path(snapshot_download(wanted.repository, revision=wanted.revision, allow_patterns=list(FILES)))
    except (LocalEntryNotFoundError, HfHubHTTPError) as error:
        raise _refused(wanted, error, place) from None
    except OSError as error:
        if DISK_FULL.search(str(error)):
            raise refused_by_disk(error, f"{wanted.words} cannot be written to {place}") from None
        raise _refused(wanted, error, place) from None
    except Exception as error:
        # the client's releases have passed on the errors of requests, then of httpx, which share no base
        if type(error).__module__.partition(".")[0] in ("requests", "httpx", "httpx2", "httpcore", "urllib3"):
            raise _refused(wanted, error, place) from None
        raise


def _size(wanted: Pinned, info: Any) -> int:
    """Bytes of what is to be fetched. Raises UsageError where the weights are pickles alone."""
    from fnmatch import fnmatch

    files = {each.rfilename: each.size or 0 for each in info.siblings or ()}
    if not any(name.endswith(".safetensors") for name in files):
        weights = [name for name in files if name.endswith((".bin", ".pt", ".pth", ".h5", ".msgpack"))]
        raise UsageError(
            f"{wanted.words} has no safetensors weights"
            + (f" ({', '.join(weights[:3])} would run code when it is read, and is not fetched)" if weights else ""),
            "Name a repository or a directory with safetensors.",
        )
    return sum(size for name, size in files.items() if any(fnmatch(name, pattern) for pattern in FILES))


def _refused(wanted: Pinned, error: Exception, place: Path) -> MachineError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    name = type(error).__name__
    what = f"the model {wanted.words} cannot be fetched: {(str(error).splitlines() or [name])[0][:200]}"
    if name == "GatedRepoError" or status in (401, 403):
        return MachineError(
            what,
            "Where it is gated or private: ask for access on its page, then `hf auth login` or HF_TOKEN. Or fetch it "
            "elsewhere and name the directory.",
        )
    if name in ("RepositoryNotFoundError", "RevisionNotFoundError") or status == 404:
        return MachineError(
            what, "There is no such repository or revision there: check the name and HF_ENDPOINT, or name a directory."
        )
    return MachineError(
        what,
        f"On a machine that reaches the hub: hf download {wanted.repository} --revision {wanted.revision}; then copy "
        f"models--{wanted.repository.replace('/', '--')} into {place}, or name the directory with --model. A mirror is "
        "HF_ENDPOINT=https://...; HF_HUB_OFFLINE must not be 1."
        + (" Without any download: --model bloomz-560m:random." if wanted == BLOOMZ else ""),
    )


def _gib(size: float) -> str:
    return f"{size / 2**30:.2f} GiB"
