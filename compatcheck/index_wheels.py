"""Wheels of the package index, opened where they lie: of a large one only the parts that are asked for come over."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any

from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from .errors import IndexUnavailable
from .masking import masked
from .releases import PackageIndex, patient_session

if TYPE_CHECKING:
    import requests

WHOLE = 32 * 2**20
"""Bytes up to which a wheel is fetched whole."""
BLOCK = 2**18
"""Bytes of a larger one that are fetched at a time."""


@dataclass(frozen=True)
class WheelText:
    """The texts in a wheel: called with a file's path, the file's text; None where it has no such file. Raises
    IndexUnavailable."""

    archive: zipfile.ZipFile
    name: str
    """The wheel's, for what is said of it."""

    @cached_property
    def paths(self) -> frozenset[str]:
        return frozenset(self.archive.namelist())

    def __call__(self, path: str) -> str | None:
        if path not in self.paths:
            return None
        with _reading(self.name):
            return self.archive.read(path).decode("utf-8", "replace")


@dataclass(frozen=True)
class IndexWheel:
    """One release's wheel."""

    package: str
    release: str
    sha256: str
    text: WheelText
    """A file's path in it to the file's text; None where it has no such file."""


def wheels(index: PackageIndex, package: str, specifier: str) -> Iterator[IndexWheel]:
    """Of every final release within `specifier`, oldest first: a wheel for this platform's kind, or for any. Raises
    UsageError and IndexUnavailable.
    """
    session = patient_session()
    files, within = index.files(canonicalize_name(package)), SpecifierSet(specifier)
    for release in index.releases(package):
        file = _wheel(files, release.version) if release.parsed in within else None
        if file is not None:
            yield IndexWheel(package, release.version, file.digests.get("sha256", ""), opened(session, file))


def _wheel(files: Sequence[Any], release: str) -> Any:
    """Of a release's wheels a pure one, else one for Linux on x86-64."""
    found = []
    for file in files:
        try:
            _, version, _, tags = parse_wheel_filename(file.filename)
        except InvalidWheelFilename:
            continue
        platforms = {tag.platform for tag in tags}
        if str(version) == release and not file.is_yanked:
            wanted = "any" in platforms, any("linux" in each and each.endswith("x86_64") for each in platforms)
            if any(wanted):
                found.append((wanted, file.filename, file))
    return max(found, key=lambda each: each[:2])[2] if found else None


def opened(session: requests.Session, file: Any) -> WheelText:
    """The texts in a wheel on the index (an object with url, filename and size). Raises IndexUnavailable."""
    with _reading(file.filename):
        if file.size is None or file.size <= WHOLE:
            raw: IO[bytes] = io.BytesIO(_answer(session, file.url))
        else:
            raw = io.BufferedReader(
                RangeFile(lambda first, last: _answer(session, file.url, (first, last)), file.size), BLOCK
            )
        return WheelText(zipfile.ZipFile(raw), file.filename)


@contextmanager
def _reading(filename: str) -> Iterator[None]:
    """Of a large wheel every part is a request of its own, which may fail."""
    import requests

    try:
        yield
    except (requests.RequestException, zipfile.BadZipFile) as error:
        raise IndexUnavailable(
            f"{filename} could not be read: {masked(str(error))[:300]}", "Check the network, then again."
        ) from None


def _answer(session: requests.Session, url: str, part: tuple[int, int] | None = None) -> bytes:
    import requests

    answer = session.get(url, headers={"Range": f"bytes={part[0]}-{part[1]}"} if part else {}, timeout=300)
    answer.raise_for_status()
    if part and answer.status_code != requests.codes.partial_content:
        raise requests.RequestException("the index does not serve parts of a file")
    return answer.content


class RangeFile(io.RawIOBase):
    """A file of `size` bytes whose blocks are fetched when they are read: `part` from its first to its last byte."""

    def __init__(self, part: Callable[[int, int], bytes], size: int) -> None:
        self._part, self._size, self._at = part, size, 0
        self._blocks: dict[int, bytes] = {}

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        number, inside = divmod(self._at, BLOCK)
        if self._at >= self._size:
            return 0
        if number not in self._blocks:
            first = number * BLOCK
            self._blocks[number] = self._part(first, min(first + BLOCK, self._size) - 1)
        told = self._blocks[number][inside : inside + len(buffer)]
        buffer[: len(told)] = told
        self._at += len(told)
        return len(told)
