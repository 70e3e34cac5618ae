"""Minor lines of releases: 4.46.0 to 4.46.3. Pure."""

from __future__ import annotations

from collections.abc import Collection

from packaging.version import Version


def series_of(version: str) -> tuple[int, int]:
    """The first two numbers of a version."""
    release = (*Version(version).release, 0)
    return release[0], release[1]


def same_line(version: str, among: Collection[str]) -> str | None:
    """`version` itself where it is `among` some, else the newest of its minor line there; None where there is none.

    >>> same_line("4.46.1", ("4.45.2", "4.46.2", "4.46.3"))
    '4.46.3'
    """
    if version in among:
        return version
    wanted = series_of(version)
    return max((each for each in among if series_of(each) == wanted), key=Version, default=None)
