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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import DISK_FULL, DiskFull, MachineError, UsageError, refused_by_disk
from .own_code import lacking_files

FILES = ("*.json", "*.safetensors", "*.model", "*.txt")
"""What is fetched of a repository: configuration, tokenizer and safetensors weights; never a pickle."""
CODE = ("*.py",)
"""What is fetched beside where the model's own code was asked for."""
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
    file: str = ""
    """The one file that is wanted, of a repository of data; empty: a model."""
    code: bool = False
    """Whether a model's own code is wanted too."""

    @property
    def patterns(self) -> list[str]:
        return [*FILES, *(CODE if self.code else ())]

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


def pinned_data(name: str) -> Pinned:
    """`owner/name/file`, with folders in the file's name where it has some, and `@commit` at the end for a revision.

    Raises UsageError where it is not of that form."""
    path, _, revision = name.partition("@")
    owner, _, rest = path.partition("/")
    repository, _, file = rest.partition("/")
    if not (owner and repository and file):
        raise UsageError(
            f"'hub:{name}' names no file of a data set", "Name it: hub:owner/name/train.csv, or .jsonl, or .parquet."
        )
    return Pinned(f"{owner}/{repository}", revision or "main", file=file)


def _on_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def fetched_file(wanted: Pinned, told: Callable[[str], None] = _on_stderr) -> Path:
    """A data file of the hub, fetched where it is not there. Raises as `fetched_folder` does."""
    from_client(wanted, "a data set")
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    place, repository, revision = Path(constants.HF_HUB_CACHE), wanted.repository, wanted.revision

    def found(here: bool) -> Path:
        kept = hf_hub_download(
            repository, wanted.file, repo_type="dataset", revision=revision, local_files_only=here
        )  # fmt: skip
        return Path(kept)

    for again in (False, True):
        try:
            path = found(here=True)
        except HFValidationError as error:
            raise UsageError(f"{wanted.repository!r} is no data set: {error}", "Name hub:owner/name/file.") from None
        except (LocalEntryNotFoundError, FileNotFoundError):
            told(f"fetching {wanted.file} of {wanted.words} into {place}")
            place.mkdir(parents=True, exist_ok=True)
            with _refusals(wanted, place):
                path = found(here=False)
        if not _damaged_file(path, wanted):
            return path
        _remove(path.parent, [path.name])
        if not again:
            told(f"{wanted.file} of {wanted.words} is damaged and is fetched again")
    raise _spoilt([wanted.file], wanted)


def from_client(wanted: Pinned, what: str) -> None:
    """Raises UsageError where the hub's client is not installed."""
    try:
        import huggingface_hub.errors  # noqa: F401
    except ImportError:
        raise UsageError(
            f"{wanted.repository!r} is {what} of the hub, and the hub's client is not installed",
            "python -m pip install 'compatcheck[hub]', or name a local one.",
        ) from None


def fetched_folder(wanted: Pinned, stamps: Path, told: Callable[[str], None] = _on_stderr) -> Path:
    """The folder with the model's files, fetched where they are not there.

    `stamps` is a folder that remembers which files have been checked. Raises UsageError for a bad name, a repository
    without safetensors or a missing client; MachineError where the hub refuses or cannot be reached, where the disk is
    too small, or where the files stay damaged.
    """
    from_client(wanted, "a model")
    from huggingface_hub.errors import HFValidationError

    try:
        for again in (False, True):
            folder = _kept(wanted) or _downloaded(wanted, told)
            damaged = _damaged(folder, wanted, stamps)
            if not damaged:
                return folder
            _remove(folder, damaged)
            if not again:
                told(f"{wanted.words}: {', '.join(damaged)} is damaged and is fetched again")
        raise _spoilt(damaged, wanted)
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
            wanted.repository, revision=wanted.revision, allow_patterns=wanted.patterns, local_files_only=True
        )
    except (LocalEntryNotFoundError, FileNotFoundError):
        return None
    return Path(folder) if _whole(Path(folder)) and not (wanted.code and lacking_files(Path(folder))) else None


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
    found = [path.name for path in files if _damaged_file(path, wanted)]
    if not found:
        stamps.mkdir(parents=True, exist_ok=True)
        stamp.write_text(state)
    return found


def _damaged_file(path: Path, wanted: Pinned) -> bool:
    digest = wanted.sha256.get(path.name) or path.resolve().name
    return bool(_DIGEST.fullmatch(digest)) and _digest(path, len(digest) == 64) != digest


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

    place = Path(constants.HF_HUB_CACHE)
    with _refusals(wanted, place):
        info = HfApi().model_info(wanted.repository, revision=wanted.revision, files_metadata=True)
        size = _size(wanted, info)
        place.mkdir(parents=True, exist_ok=True)
        if (free := shutil.disk_usage(place).free) < SPARE * size:
            raise DiskFull(
                f"{wanted.words} needs {_gib(SPARE * size)} in {place}, {_gib(free)} are free",
                "Free some, or name another disk with HF_HOME.",
            )
        told(f"fetching {wanted.words}: at most {_gib(size)} into {place}")
        return Path(snapshot_download(wanted.repository, revision=wanted.revision, allow_patterns=wanted.patterns))


@contextmanager
def _refusals(wanted: Pinned, place: Path) -> Iterator[None]:
    """What the hub, its client, the network or the disk refuses, as the machine's error that says what to do."""
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        yield
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
    return sum(size for name, size in files.items() if any(fnmatch(name, pattern) for pattern in wanted.patterns))


def _spoilt(names: list[str], wanted: Pinned) -> MachineError:
    return MachineError(
        f"{', '.join(names)} of {wanted.words} is not what the hub says it is, twice",
        "Something between here and the hub changes it: try without a proxy, or another HF_ENDPOINT.",
    )


def _refused(wanted: Pinned, error: Exception, place: Path) -> MachineError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    name = type(error).__name__
    kind, own = ("data set", "file") if wanted.file else ("model", "directory")
    what = f"the {kind} {wanted.words} cannot be fetched: {(str(error).splitlines() or [name])[0][:200]}"
    if name == "GatedRepoError" or status in (401, 403):
        return MachineError(
            what,
            "Where it is gated or private: ask for access on its page, then `hf auth login` or HF_TOKEN. Or fetch it "
            f"elsewhere and name the {own}.",
        )
    if (
        name in ("RepositoryNotFoundError", "RevisionNotFoundError", "EntryNotFoundError", "RemoteEntryNotFoundError")
        or status == 404
    ):
        return MachineError(
            what,
            f"There is no such repository, revision or file there: check the name and HF_ENDPOINT, or name a {own}.",
        )
    fetching = f"{wanted.repository} {wanted.file} --repo-type dataset" if wanted.file else wanted.repository
    kept = f"{'datasets' if wanted.file else 'models'}--{wanted.repository.replace('/', '--')}"
    return MachineError(
        what,
        f"On a machine that reaches the hub: hf download {fetching} --revision {wanted.revision}; then copy {kept} "
        f"into {place}, or name the {own} with {'--data' if wanted.file else '--model'}. A mirror is "
        "HF_ENDPOINT=https://...; HF_HUB_OFFLINE must not be 1."
        + (" Without any download: --model bloomz-560m:random." if wanted == BLOOMZ else ""),
    )


def _gib(size: float) -> str:
    return f"{size / 2**30:.2f} GiB"
