"""Wheels built from the stubs: real zip files with METADATA, WHEEL and RECORD, the same bytes every time."""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

STUBS = Path(__file__).parent / "stubs"
DEPENDENCIES = {
    "torch": (),
    "tokenizers": (),
    "accelerate": ("torch",),
    "transformers": ("tokenizers", "torch", "accelerate"),
    "peft": ("torch", "transformers", "accelerate"),
}
"""What a release requires where it says nothing else."""
DEFAULT_MESSAGE = "RuntimeError: the stub raises, as it was built to"


def day(text: str) -> datetime:
    """`2025-03-01` as a moment: noon, UTC."""
    return datetime.fromisoformat(f"{text}T12:00:00").replace(tzinfo=timezone.utc)


UPLOADED = day("2025-03-01")


@dataclass(frozen=True)
class Release:
    """One release of a stub package: what it declares, and what is wrong with it."""

    package: str
    version: str
    uploaded: datetime = UPLOADED
    fault: str = ""
    """`DEED-in-STAGE` (see stubs/_deeds.py) or the name of an error in the arithmetic; empty: none."""
    requires: tuple[str, ...] | None = None
    """Requires-Dist lines; None: DEPENDENCIES of the package."""
    requires_python: str = ">=3.8"
    yanked: str = ""
    """The reason, where the release is yanked."""
    when: str = ""
    """`package>=version`: the fault shows only beside such a neighbour, if that was imported before."""
    message: str = DEFAULT_MESSAGE
    """What the deed `raise` raises: a built-in exception's name, a colon, the text."""
    tag: str = "py3-none-any"
    further: tuple[tuple[str, bytes, int], ...] = ()
    """More entries of the archive: path as it stands there, content (of a link: where it leads), mode."""
    note: str = ""
    """What the release is for."""

    @property
    def deed(self) -> str:
        """What it does, where the fault is of the form `DEED-in-STAGE`."""
        return self.fault.rpartition("-in-")[0]

    @property
    def stage(self) -> str:
        """Where it does it: a stage of the probe, `generate-cached` or `generate-uncached`."""
        return self.fault.rpartition("-in-")[2]

    @property
    def filename(self) -> str:
        return f"{self.package}-{self.version}-{self.tag}.whl"

    @property
    def requirement(self) -> str:
        return f"{self.package}=={self.version}"

    @property
    def metadata(self) -> bytes:
        """The METADATA file of the wheel."""
        requires = DEPENDENCIES[self.package] if self.requires is None else self.requires
        lines = [
            "Metadata-Version: 2.1",
            f"Name: {self.package}",
            f"Version: {self.version}",
            f"Requires-Python: {self.requires_python}",
            *(f"Requires-Dist: {each}" for each in requires),
        ]
        return ("\n".join(lines) + "\n").encode()


@functools.cache
def wheel(release: Release, year: int = 2025) -> bytes:
    """The wheel of `release`. Another `year` (of its files) makes another wheel of the same length."""
    package, info = release.package, f"{release.package}-{release.version}.dist-info"
    fault = f"FAULT = {release.fault!r}\nWHEN = {release.when!r}\nMESSAGE = {release.message!r}\n"
    files = {
        f"{package}/__init__.py": (STUBS / package / "__init__.py").read_bytes(),
        f"{package}/_deeds.py": (STUBS / "_deeds.py").read_bytes(),
        f"{package}/_fault.py": fault.encode(),
        f"{package}/_version.py": f"__version__ = {release.version!r}\n".encode(),
        f"{info}/METADATA": release.metadata,
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {release.tag}\n".encode(),
    }
    record = "".join(f"{name},sha256={_record_hash(body)},{len(body)}\n" for name, body in files.items())
    record += "".join(f"{name},sha256={_record_hash(body)},{len(body)}\n" for name, body, _ in release.further)
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            entry = zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, body)
        for name, body, mode in release.further:
            entry = zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0))
            entry.external_attr = mode << 16
            archive.writestr(entry, body)
    return buffer.getvalue()


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _record_hash(body: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(body).digest()).decode().rstrip("=")


def write(folder: Path, releases: Iterable[Release]) -> list[Path]:
    """Write the wheels of `releases` into `folder` and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for release in releases:
        path = folder / release.filename
        path.write_bytes(wheel(release))
        paths.append(path)
    return paths


def install(folder: Path, releases: Iterable[Release]) -> None:
    """Unpack the wheels of `releases` into `folder`, as an installer would, without one."""
    for release in releases:
        with zipfile.ZipFile(io.BytesIO(wheel(release))) as archive:
            archive.extractall(folder)
