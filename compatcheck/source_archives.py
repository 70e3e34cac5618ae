"""The Python files of a release, out of its wheel or its source distribution: nothing is unpacked onto the disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from packaging.utils import canonicalize_name

_SOURCE_DISTRIBUTION = ".tar.gz"


def name_of(file: str) -> tuple[str, str]:
    """Package and version by a file's name; empty where it is neither a wheel nor a source distribution."""
    if file.endswith(_SOURCE_DISTRIBUTION):
        name, _, version = file.removesuffix(_SOURCE_DISTRIBUTION).rpartition("-")
    elif file.endswith(".whl"):
        name, version, *_ = file.split("-")
    else:
        return "", ""
    return canonicalize_name(name).replace("-", "_"), version


def python_files(path: Path, folder: str) -> Iterator[tuple[str, str]]:
    """The path, from `folder` on, and the text of every Python file below `folder`. In a source distribution that lies
    in the folder of the release, at its top or below `src`."""
    for name, content in (
        _distributed(path, folder) if path.name.endswith(_SOURCE_DISTRIBUTION) else _built(path, folder)
    ):
        yield name, content.decode("utf-8", "replace")


def _built(path: Path, folder: str) -> Iterator[tuple[str, bytes]]:
    import zipfile

    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            if _is_wanted(name, folder):
                yield name, archive.read(name)


def _distributed(path: Path, folder: str) -> Iterator[tuple[str, bytes]]:
    import tarfile

    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            _, _, inside = member.name.removeprefix("./").partition("/")
            name = inside.removeprefix("src/")
            if member.isfile() and _is_wanted(name, folder) and (content := archive.extractfile(member)):
                yield name, content.read()


def _is_wanted(name: str, folder: str) -> bool:
    return name.startswith(f"{folder}/") and name.endswith(".py")
