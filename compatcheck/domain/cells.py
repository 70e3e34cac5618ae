"""A point of a matrix, and what it is resolved to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import starmap

from .words import Digest, digest_of


def python_id(python: str) -> str:
    """How the identifier of a cell begins."""
    return f"py{python.replace('.', '')}"


def pin_id(package: str, version: str) -> str:
    """How a release stands in the identifier of a cell."""
    return f"{package}{version}"


@dataclass(frozen=True)
class Cell:
    """One point of a matrix: a Python and one version per axis package."""

    python: str
    """Major and minor version, `3.11`."""
    versions: Mapping[str, str]
    """Package name to exact version, torch, transformers and peft first."""

    @cached_property
    def id(self) -> str:
        """For people and globs; never parsed back."""
        return "-".join((python_id(self.python), *starmap(pin_id, self.versions.items())))

    def matches(self, pattern: str) -> bool:
        """Whether the glob `pattern` names this cell: against the whole identifier, or any part of it."""
        return fnmatchcase(self.id, pattern) or fnmatchcase(self.id, f"*{pattern}*")

    @property
    def requirements(self) -> tuple[str, ...]:
        return tuple(f"{package}=={version}" for package, version in self.versions.items())

    def __hash__(self) -> int:
        return hash(self.id)


@dataclass(frozen=True, slots=True)
class Distribution:
    """One wheel of a lock. Several hashes where several wheels of the release fit the platform."""

    name: str
    version: str
    hashes: tuple[str, ...]
    """SHA-256, hexadecimal, sorted."""
    size: int = 0
    """Bytes to download; 0 where the index does not say."""
    uploaded: datetime | None = None


@dataclass(frozen=True)
class Lock:
    """A cell fully resolved, for one Python and one platform. Its digest is its identity."""

    python: str
    platform: str
    distributions: tuple[Distribution, ...]
    """Sorted by name."""

    def pins(self) -> Iterator[str]:
        """The requirements file, one distribution at a time."""
        for item in self.distributions:
            hashes = "".join(f" \\\n    --hash=sha256:{each}" for each in item.hashes)
            yield f"{item.name}=={item.version}{hashes}\n"

    @cached_property
    def requirements(self) -> str:
        """A requirements file with hashes, which pip and uv consume as it is."""
        return "".join(self.pins())

    @cached_property
    def digest(self) -> Digest:
        return digest_of("".join((f"python {self.python}\nplatform {self.platform}\n", *self.pins())))

    @cached_property
    def versions(self) -> dict[str, str]:
        return {item.name: item.version for item in self.distributions}


@dataclass(frozen=True, slots=True)
class Resolution:
    """The resolver's answer for a cell: a lock, or the reason why there is none."""

    lock: Lock | None
    reason: str = ""
    resolved: datetime | None = None

    def __post_init__(self) -> None:
        if (self.lock is None) == (self.reason == ""):
            raise ValueError("a resolution has either a lock or a reason")
