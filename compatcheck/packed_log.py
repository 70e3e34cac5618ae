"""Logs as they are downloaded: compressed by gzip, bzip2 or xz, or many in a zip archive, as GitHub gives a run's."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, cast

from .text_encoding import HEAD, encoding_of

BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)
"""What reading a stream of this module raises, beside OSError, where the archive is damaged or of an unknown kind."""
_ZIP = b"PK\x03\x04", b"PK\x05\x06"
"""The first file of an archive, or the end of one that holds none."""
_PACKED: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
_MAGIC_CAP = max(map(len, (*_ZIP, *_PACKED)))
_ENCRYPTED = 1
"""Among the flags of a member."""
_NUMBERS = re.compile(r"([0-9]+)")


def unpacked(stream: io.BufferedReader) -> tuple[BinaryIO, list[str]]:
    """The text that `stream` holds, and the names of the files that it is made of where it is a zip archive.

    What is not packed is given back as it is. This, and reading what it gives, may raise OSError or one of BROKEN.
    """
    head = stream.peek(_MAGIC_CAP)
    if head.startswith(_ZIP):
        archive = zipfile.ZipFile(_seekable(stream))
        if any(member.flag_bits & _ENCRYPTED for member in archive.infolist()):
            raise zipfile.BadZipFile("it has a password")
        encodings = {name: _encoding(archive, name) for name in texts_of(archive.namelist())}
        texts = {name: encoding for name, encoding in encodings.items() if encoding}
        if not texts:
            why = f"none of its {len(encodings)} files is a text" if encodings else "it holds no file"
            raise zipfile.BadZipFile(why)
        return cast(BinaryIO, io.BufferedReader(_Joined(archive, texts))), list(texts)
    for magic, opener in _PACKED.items():
        if head.startswith(magic):
            return cast(BinaryIO, opener(stream)), []
    return stream, []


def texts_of(members: Sequence[str]) -> list[str]:
    """The files of an archive in the order of their numbers, none twice.

    GitHub's archive of a run has each job's log whole (`0_build.txt`) and once more in parts, a file a step, in a
    folder of the job's name (`build/3_Run tests.txt`).
    """
    files = sorted((name for name in members if not name.endswith("/")), key=_by_number)
    whole = {re.sub(r"^-?\d+_", "", name.rpartition(".")[0]) for name in files if "/" not in name}
    return [name for name in files if "/" not in name or name.partition("/")[0] not in whole]


def _by_number(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in _NUMBERS.split(name)]


def _seekable(stream: io.BufferedReader) -> BinaryIO:
    """A pipe cannot be gone back in, and the list of a zip archive stands at its end."""
    if stream.seekable():
        return stream
    kept = tempfile.TemporaryFile()  # noqa: SIM115 (it goes with the archive that reads it)
    shutil.copyfileobj(stream, kept)
    kept.seek(0)
    return cast(BinaryIO, kept)


def _encoding(archive: zipfile.ZipFile, name: str) -> str | None:
    with archive.open(name) as member:
        return encoding_of(member.read(HEAD))


class _Joined(io.RawIOBase):
    """Files of a zip archive in UTF-8, one after the other, each on a line of its own."""

    def __init__(self, archive: zipfile.ZipFile, texts: Mapping[str, str]) -> None:
        self._blocks = filter(None, self._all(archive, texts))
        self._rest = b""

    @staticmethod
    def _all(archive: zipfile.ZipFile, texts: Mapping[str, str]) -> Iterator[bytes]:
        for name, encoding in texts.items():
            decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
            with archive.open(name) as member:
                while block := member.read(1 << 16):
                    yield decoder.decode(block).encode()
            yield decoder.decode(b"", final=True).encode() + b"\n"

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        self._rest = self._rest or next(self._blocks, b"")
        taken = self._rest[: len(buffer)]
        self._rest = self._rest[len(taken) :]
        buffer[: len(taken)] = taken
        return len(taken)
