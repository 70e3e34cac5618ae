"""How far back releases are supported: SPEC 0 of the Scientific Python project, in place of NEP 29. Pure.

https://scientific-python.org/specs/spec-0000/: a Python for 36 months, a core package for 24 months after it came out.
A minor release counts from its first release on, so that an old minor does not come back with every patch.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timezone
from typing import Any

from .domain import Word
from .releases import Release

PYTHON_MONTHS, PACKAGE_MONTHS = 36, 24

PYTHON_RELEASED = {
    "3.8": date(2019, 10, 14),
    "3.9": date(2020, 10, 5),
    "3.10": date(2021, 10, 4),
    "3.11": date(2022, 10, 24),
    "3.12": date(2023, 10, 2),
    "3.13": date(2024, 10, 7),
    "3.14": date(2025, 10, 7),
}
"""From the release schedules: PEP 569, 596, 619, 664, 693, 719, 745."""


class Window(Word):
    SPEC0 = "spec-0"


def supported_releases(releases: Iterable[Release], window: Window, today: date | None = None) -> tuple[Release, ...]:
    """The releases whose minor version came out within the window; those without a date stay."""
    releases = tuple(releases)
    first: dict[tuple[int, int], datetime] = {}
    for release in releases:
        if release.uploaded is not None:
            minor = release.parsed.major, release.parsed.minor
            first[minor] = min(first.get(minor, release.uploaded), release.uploaded)
    oldest = _months_before(today, PACKAGE_MONTHS)
    return tuple(
        release
        for release in releases
        if (came := first.get((release.parsed.major, release.parsed.minor))) is None or came.date() >= oldest
    )


def supported_pythons(versions: Iterable[str], window: Window, today: date | None = None) -> tuple[str, ...]:
    """The Pythons within the window; those whose date is not known here stay, they are newer."""
    oldest = _months_before(today, PYTHON_MONTHS)
    return tuple(version for version in versions if PYTHON_RELEASED.get(version, oldest) >= oldest)


def _months_before(today: date | None, months: int) -> date:
    day: Any = today or datetime.now(timezone.utc).date()
    years, month = divmod(day.month - 1 - months, 12)
    return date(day.year + years, month + 1, min(day.day, 28))
