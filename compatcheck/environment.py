"""Cells into locks, and locks into environments on disk: everything that uv does."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from .domain import Cell, Distribution, Lock, Resolution
from .errors import DISK_FULL, DiskFull, IndexUnavailable, MachineError, refused_by_disk
from .machine import interpreter, platform_key
from .masking import masked
from .parse import toml
from .releases import index_url
from .scratch import scratch

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_SOLUTION = "No solution found when resolving dependencies"
NETWORK = re.compile(
    r"error sending request|Failed to fetch|Could not connect|dns error|timed out|Connection (?:refused|reset)"
    r"|HTTP status (?:client|server) error|Request failed after|operation timed out|Network connectivity is disabled"
    # uv takes an index that refuses (401, 403) for one that has no such package, and says so only in a hint
    r"|lack of valid authentication credentials",
    re.IGNORECASE,
)

_MOMENT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Uv:
    """The uv program with the settings that every call shares."""

    url: str = ""
    """The index; empty: the one that uv and pip are configured for."""
    torch_backend: str | None = None
    seconds: float = 1800.0
    """For one call; torch is a download of several GB."""

    def resolution(
        self, cell: Cell, extras: Iterable[str] = (), cutoff: datetime | None = None, pins: Iterable[str] = ()
    ) -> Resolution:
        """The complete lock of `cell` for this platform, or why there is none.

        `extras` are further requirements; `cutoff` hides what was uploaded later; `pins` replace the cell's own
        requirements where a whole lock is to be tried. Raises MachineError where the index or the disk is at fault.
        """
        until = [] if cutoff is None else ["--exclude-newer", cutoff.astimezone(timezone.utc).strftime(_MOMENT)]
        return self._compiled([*(pins or cell.requirements), *extras], cell.python, until, f"cannot resolve {cell.id}")

    def exact(self, python: str, versions: Mapping[str, str]) -> Resolution:
        """The lock that holds exactly `versions` (distribution to version), whatever their metadata say.

        No lock where one of them has no wheel for this platform. Raises MachineError.
        """
        return self._compiled(_pins(versions), python, ["--no-deps"], "cannot lock these versions")

    def adapted(self, python: str, kept: Mapping[str, str], preferred: Mapping[str, str] | None = None) -> Resolution:
        """The lock that the metadata allow with `kept` as it is and all else as near to `preferred` as they allow."""
        return self._compiled(_pins(kept), python, [], "cannot resolve these versions", preferred)

    def as_of(self, cell: Cell, cutoff: datetime, apart: Mapping[str, str], extras: Iterable[str] = ()) -> Resolution:
        """The lock of `cell` with nothing newer than `cutoff`, but for its own axes and the versions `apart`."""
        arguments = ["--exclude-newer", cutoff.astimezone(timezone.utc).strftime(_MOMENT)]
        for package in {*cell.versions, *apart}:
            arguments += ["--exclude-newer-package", f"{package}={datetime.now(timezone.utc).strftime(_MOMENT)}"]
        return self._compiled(
            [*cell.requirements, *_pins(apart), *extras], cell.python, arguments, f"cannot resolve {cell.id}"
        )

    def _compiled(
        self,
        wanted: Iterable[str],
        version: str,
        options: list[str],
        fault: str,
        preferred: Mapping[str, str] | None = None,
    ) -> Resolution:
        """uv's answer to requirements. Versions `preferred` are given to it as an older lock, which it keeps near."""
        arguments = ["--format", "pylock.toml", "--python", str(interpreter(version)), "--only-binary", ":all:"]
        arguments += ["--no-header", "--no-annotate"]
        with _scratch() as folder:
            source, target = folder / "wanted.in", folder / "pylock.toml"
            if preferred is not None:
                source.write_text("".join(f"{line}\n" for line in _pins(preferred)))
                before = ["pip", "compile", str(source), "--output-file", str(target), *arguments, "--no-deps"]
                self._run(before, self._index_arguments())
            source.write_text("".join(f"{line}\n" for line in wanted))
            answer = self._run(
                ["pip", "compile", str(source), "--output-file", str(target), *arguments, *options],
                self._index_arguments(),
            )
            if answer.returncode != 0:
                if NO_SOLUTION in answer.stderr and not NETWORK.search(answer.stderr):
                    return Resolution(None, _reason(answer.stderr), datetime.now(timezone.utc))
                raise _fault(answer.stderr, fault)
            return Resolution(_lock(target, version), "", datetime.now(timezone.utc))

    def sync(self, python: Path, lock: Lock) -> None:
        """Make the environment of `python` hold exactly what `lock` names. Raises MachineError.

        What uv's cache holds already is taken from there alone: to ask the index after every package takes most of a
        sync's time, and the lock's hashes say what is right.
        """
        with _scratch() as folder:
            source = folder / "lock.txt"
            source.write_text(lock.requirements)
            arguments = ["pip", "sync", str(source), "--python", str(python), "--require-hashes"]
            arguments += ["--only-binary", ":all:"]
            if self._run([*arguments, "--offline"], self._index_arguments()).returncode == 0:
                return
            answer = self._run(arguments, self._index_arguments())
        if answer.returncode != 0:
            raise _fault(answer.stderr, "cannot install the lock")

    def requires(self, package: str, version: str, python: str) -> tuple[str, ...]:
        """What the wheel of a release says that it needs: its Requires-Dist, as written. Raises MachineError."""
        from importlib.metadata import distributions

        with _scratch() as folder:
            arguments = ["pip", "install", "--no-deps", "--only-binary", ":all:", "--python", str(interpreter(python))]
            answer = self._run([*arguments, "--target", str(folder), f"{package}=={version}"], self._index_arguments())
            if answer.returncode != 0:
                raise _fault(answer.stderr, f"cannot read what {package} {version} requires")
            return tuple(line for found in distributions(path=[str(folder)]) for line in found.requires or ())

    def cache_folder(self) -> Path:
        """Where uv keeps what it has downloaded and unpacked. Raises MachineError."""
        answer = self._run(["cache", "dir"], [])
        if answer.returncode != 0:
            raise _fault(answer.stderr, "cannot ask uv for its cache")
        return Path(answer.stdout.strip())

    def prune(self) -> None:
        """Let uv remove what it finds to be of no more use in its cache. Raises MachineError."""
        answer = self._run(["cache", "prune"], [])
        if answer.returncode != 0:
            raise _fault(answer.stderr, "cannot prune uv's cache")

    def forget(self, packages: Iterable[str]) -> None:
        """Take packages out of uv's cache, whose files an environment may share. Raises MachineError."""
        answer = self._run(["cache", "clean", *packages], [])
        if answer.returncode != 0:
            raise _fault(answer.stderr, "cannot clean uv's cache")

    def create(self, folder: Path, python: str) -> None:
        """A new, empty environment in `folder`. Raises MachineError."""
        answer = self._run(["venv", "--python", str(interpreter(python)), "--clear", str(folder)], [])
        if answer.returncode != 0:
            raise _fault(answer.stderr, f"cannot create an environment for Python {python}")

    def _index_arguments(self) -> list[str]:
        arguments = ["--default-index", self.url or index_url()]
        return [*arguments, "--torch-backend", self.torch_backend] if self.torch_backend else arguments

    def _run(self, arguments: list[str], index: list[str]) -> subprocess.CompletedProcess[str]:
        from uv import find_uv_bin

        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH")
        }
        options = [*index, "--no-config", "--no-progress", "--color", "never", "--no-python-downloads"]
        try:
            return subprocess.run(
                [find_uv_bin(), *arguments, *options],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=self.seconds,
            )
        except subprocess.TimeoutExpired:
            raise IndexUnavailable(
                f"uv {arguments[0]} {arguments[1]} took longer than {self.seconds:.0f} s", "Run again: it goes on."
            ) from None
        except OSError as error:
            raise MachineError(f"uv could not be started: {error}", "Reinstall it: python -m pip install uv") from None


def _pins(versions: Mapping[str, str]) -> list[str]:
    return [f"{name}=={version}" for name, version in versions.items()]


@contextmanager
def _scratch() -> Iterator[Path]:
    try:
        with scratch() as folder:
            yield folder
    except OSError as error:
        raise refused_by_disk(error, "no temporary file can be written") from None


def _fault(stderr: str, what: str) -> MachineError:
    """uv's complaint as the machine's fault: of the disk, of the index, or another."""
    said = masked(_reason(stderr))
    if DISK_FULL.search(stderr):
        return DiskFull(f"{what}: the disk is full", "Free some space (uv cache prune) and run again.")
    if NETWORK.search(stderr):
        return IndexUnavailable(
            f"{what}: the package index did not answer as it should: {said[:400]}",
            "Check the network and the index settings, then run again: what is measured is kept.",
        )
    return MachineError(f"{what}: {said[:600]}", "Run again; if it comes back, report it with this text.")


def _reason(stderr: str) -> str:
    """uv's complaint without colours, boxes and line breaks."""
    lines = (re.sub(r"^[\s×╰─▶│]+", "", line).strip() for line in stderr.splitlines())
    return " ".join(line for line in lines if line) or "uv gave no reason"


def _lock(path: Path, python: str) -> Lock:
    from packaging.pylock import Pylock

    items = []
    for package in Pylock.from_dict(toml(path)).packages:
        wheels = package.wheels or ()
        if not wheels or package.version is None:
            raise MachineError(
                f"the lock names {package.name} without a wheel", "Report this with the cell's identifier."
            )
        hashes = tuple(sorted(wheel.hashes["sha256"] for wheel in wheels))
        uploaded = min(filter(None, (wheel.upload_time for wheel in wheels)), default=None)
        size = max((wheel.size or 0) for wheel in wheels)
        items.append(Distribution(canonicalize_name(package.name), str(package.version), hashes, size, uploaded))
    return Lock(python, platform_key(), tuple(sorted(items, key=lambda item: item.name)))


def contemporary_cutoff(cell: Cell, released: Mapping[str, datetime], days: int) -> datetime:
    """`days` after the newest release among the cell's axes. Raises IndexUnavailable where a date is not known."""
    dates = [date for package, version in cell.versions.items() if (date := released.get(f"{package} {version}"))]
    if len(dates) < len(cell.versions):
        raise IndexUnavailable(
            f"the index does not say when the packages of {cell.id} were released",
            'The policy "contemporary" needs upload times; use policy = "today" with this index.',
        )
    return max(dates) + timedelta(days=days)
