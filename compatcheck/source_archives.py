"""The Python files of a release, its C++ files, and the texts in its libraries, out of its wheel, its source
distribution or the archive of its whole source: nothing is unpacked onto the disk."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from packaging.utils import canonicalize_name

from .native_messages import ENDINGS

_SOURCE_DISTRIBUTION = ".tar.gz"
_PURE = re.compile(r"^[^/]+\.data/(?:pure|plat)lib/")
"""What a wheel may put before the files that go beside those at its top."""
_PROJECTS = {"pytorch": "torch"}
"""What a project's archive of its whole source, `pytorch-v2.6.0.tar.gz`, is called, to the package that is built of
it."""


@dataclass(frozen=True)
class NativeParts:
    """Where a package has what is not written in Python."""

    sources: tuple[str, ...]
    """Folders of its source."""
    left_out: frozenset[str]
    """Names of folders below them, or the beginnings of their paths, that are not read."""
    headers: Mapping[str, str]
    """Folder of its wheel that brings headers along, to where they lie in its source."""
    libraries: str
    """A regular expression for the paths of its libraries in its wheel."""


NATIVE = {
    "torch": NativeParts(
        ("aten/src/ATen/", "c10/", "torch/csrc/", "caffe2/serialize/", "tools/autograd/templates/"),
        frozenset((
            "test", "tests", "benchmark", "benchmarks", "vulkan", "metal", "mobile", "xnnpack", "ops", "hip", "miopen",
            "torch/csrc/jit/backends", "torch/csrc/jit/tensorexpr", "torch/csrc/jit/mobile", "torch/csrc/lazy",
            "torch/csrc/jit/runtime/static", "torch/csrc/profiler", "torch/csrc/api", "torch/csrc/jit/codegen",
            "torch/csrc/deploy",
        )),
        {
            "torch/include/ATen/": "aten/src/ATen/", "torch/include/c10/": "c10/",
            "torch/include/torch/csrc/": "torch/csrc/", "torch/include/caffe2/serialize/": "caffe2/serialize/",
        },
        r"torch/lib/lib(?:torch|c10)\w*\.(?:so|dylib)",
    ),
}  # fmt: skip
"""The packages of whose messages many are raised outside of Python."""
_CHUNK, _OVERLAP = 1 << 24, 4096
"""Bytes of a library that are looked at together, and those of them that are looked at again with the next."""
_TEXTS = re.compile(rb"[\t\n\r\x20-\x7e]{8,}")
"""What may be words in a library."""
_WORDS = re.compile(r"[A-Za-z]{3}")


def is_project(file: str) -> bool:
    """Whether a file is the archive of a project's whole source, not of what is installed."""
    return file.endswith(_SOURCE_DISTRIBUTION) and file.rpartition("-")[0] in _PROJECTS


def name_of(file: str) -> tuple[str, str]:
    """Package and version by a file's name; empty where it is neither a wheel nor an archive of a source."""
    if file.endswith(_SOURCE_DISTRIBUTION):
        name, _, version = file.removesuffix(_SOURCE_DISTRIBUTION).rpartition("-")
        name = _PROJECTS.get(name, name)
    elif file.endswith(".whl"):
        name, version, *_ = file.split("-")
    else:
        return "", ""
    return canonicalize_name(name).replace("-", "_"), version


def python_files(path: Path, folder: str) -> Iterator[tuple[str, str]]:
    """The path, from `folder` on, and the text of every Python file below `folder`. In a source distribution that lies
    in the folder of the release, at its top or below `src`; in a wheel at its top or where the wheel says that it is
    Python's."""

    def wanted(name: str) -> str:
        name = _PURE.sub("", name)
        return name if name.startswith(f"{folder}/") and name.endswith(".py") else ""

    yield from _files(path, wanted)


def native_files(path: Path, package: str) -> Iterator[tuple[str, str]]:
    """The path in the package's source, and the text, of every C++ or CUDA file that a wheel or an archive has of it;
    none of a package that is not in `NATIVE`."""
    if (parts := NATIVE.get(package)) is None:
        return

    def wanted(name: str) -> str:
        for folder, source in parts.headers.items():
            name = source + name.removeprefix(folder) if name.startswith(folder) else name
        there = name.startswith(parts.sources) and name.endswith(ENDINGS)
        folders = PurePosixPath(name).parent
        paths = {*folders.parts, *map(str, (folders, *folders.parents))}
        return name if there and parts.left_out.isdisjoint(paths) and not _TEST.search(name) else ""

    yield from _files(path, wanted)


_TEST = re.compile(r"(?:^|[/_])tests?[._]\w*(?:\.\w+)?$")
"""A single file that tests: `x_test.cpp`, `test_x.h`."""


def library_texts(path: Path, package: str) -> str:
    """The texts in the libraries that a wheel has of a package, one a line, with single blanks; empty where it has
    none. What has no blank in it, or no word, is no message's and left out."""
    import zipfile

    parts = NATIVE.get(package)
    if parts is None or not path.name.endswith(".whl"):
        return ""
    found: set[bytes] = set()
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if re.fullmatch(parts.libraries, name):
                with archive.open(name) as library:
                    found |= _texts(library)
    texts = {" ".join(text.decode("ascii").split()) for text in found}
    return "\n".join(sorted(text for text in texts if _WORDS.search(text)))


def _texts(library: IO[bytes]) -> set[bytes]:
    found: set[bytes] = set()
    before = b""
    while read := library.read(_CHUNK):
        together = before + read
        found.update(text for text in _TEXTS.findall(together) if b" " in text)
        before = together[-_OVERLAP:]
    return found


def _files(path: Path, wanted: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    """What `wanted` calls the files that it wants, and their text."""
    for name, content in (
        _distributed(path, wanted) if path.name.endswith(_SOURCE_DISTRIBUTION) else _built(path, wanted)
    ):
        yield name, content.decode("utf-8", "replace")


def _built(path: Path, wanted: Callable[[str], str]) -> Iterator[tuple[str, bytes]]:
    import zipfile

    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            if called := wanted(name):
                yield called, archive.read(name)


def _distributed(path: Path, wanted: Callable[[str], str]) -> Iterator[tuple[str, bytes]]:
    import tarfile

    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            _, _, inside = member.name.removeprefix("./").partition("/")
            called = wanted(inside.removeprefix("src/")) if member.isfile() else ""
            if called and (content := archive.extractfile(member)):
                yield called, content.read()
