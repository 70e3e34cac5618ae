"""Badges: what a release, or a project's own pins, work with, as SVG and as the JSON of shields' endpoint badge."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from ..domain import CORE, Outcome
from ..errors import UsageError
from .context import Context
from .drawing import drawn
from .reread import ReportedCell, Told

COUNTED = (Outcome.PASS, Outcome.FAIL, Outcome.WRONG, Outcome.UNRESOLVABLE)
COLOURS = {
    "brightgreen": "#2c7a3f",
    "yellowgreen": "#66702a",
    "orange": "#a8541a",
    "red": "#b03a2e",
    "lightgrey": "#6b7280",
}
"""The name that shields knows to the colour of the SVG, dark enough for white letters."""


class Cell(Protocol):
    """What a badge needs of a cell: of the report's context, or read back from a compatibility.json."""

    @property
    def python(self) -> str: ...
    @property
    def versions(self) -> Mapping[str, str]: ...
    @property
    def outcome(self) -> Outcome: ...


@dataclass(frozen=True)
class Badge:
    label: str
    message: str
    color: str
    """A name of shields."""


def badge(cells: Iterable[Cell], pins: Mapping[str, str]) -> Badge:
    """What the cells say of `pins`, package to version (`0.21` is its newest measured release).

    A torch that is not pinned is the newest one measured with the pins, unless torch is all that is left to count.
    """
    counted = [cell for cell in cells if cell.outcome in COUNTED]
    wanted = dict(pins)
    for package, version in pins.items():
        counted, wanted[package] = _narrowed(counted, package, version)
    free = [package for package in CORE if package not in wanted]
    if counted and "torch" in free and len(free) > 1:
        counted, wanted["torch"] = _narrowed(counted, "torch", _newest(counted, "torch"))
        free.remove("torch")
    label = ", ".join(f"{package} {wanted[package]}" for package in (*pins, "torch") if package in wanted)
    label = ", ".join(dict.fromkeys(label.split(", "))) or "torch x transformers x peft"
    if not counted:
        return Badge(label, "not measured", "lightgrey")
    working: dict[tuple[str, ...], bool] = {}
    for cell in counted:  # several Pythons: it works where it works with any
        key = tuple(cell.versions[package] for package in free)
        working[key] = working.get(key, False) or cell.outcome is Outcome.PASS
    good = sum(working.values())
    if not free:
        return Badge(label, *_alone(counted))
    what = free[0] if len(free) == 1 else f"{' x '.join(free)} pairs"
    return Badge(label, f"works with {good} of {len(working)} {what}", _colour(good, len(working)))


def _narrowed(cells: Sequence[Cell], package: str, version: str) -> tuple[list[Cell], str]:
    """The cells with that version; where there are none, with the newest release that begins like it."""
    try:
        exact = Version(Version(version).public)  # 2.6.0+cpu is 2.6.0
    except InvalidVersion:
        raise UsageError(f"{package} {version!r} is no version", "Example: --peft 0.15.2") from None
    found = [cell for cell in cells if Version(cell.versions[package]) == exact]
    if found:
        return found, found[0].versions[package]
    series = SpecifierSet(f"=={exact}.*") if not exact.is_prerelease else None
    alike = [cell for cell in cells if series is not None and series.contains(cell.versions[package])]
    if not alike:
        return [], version
    newest = _newest(alike, package)
    return [cell for cell in alike if cell.versions[package] == newest], newest


def _newest(cells: Sequence[Cell], package: str) -> str:
    return max((cell.versions[package] for cell in cells), key=Version)


def _alone(cells: Sequence[Cell]) -> tuple[str, str]:
    """Message and colour of one combination, over its Pythons: the best of them."""
    outcomes = {cell.outcome for cell in cells}
    for outcome, message, colour in (
        (Outcome.PASS, "works", "brightgreen"),
        (Outcome.WRONG, "gives a wrong result", "red"),
        (Outcome.FAIL, "fails", "red"),
    ):
        if outcome in outcomes:
            return message, colour
    return "cannot be installed", "red"


def _colour(good: int, all_: int) -> str:
    if good == all_:
        return "brightgreen"
    return "yellowgreen" if good * 2 >= all_ else "orange" if good else "red"


def pins_of(text: str, source: str) -> dict[str, str]:
    """The exact pins of torch, transformers and peft in a requirements file. Raises UsageError where there are none."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        requirement = line.split("#")[0].split(" --")[0].strip().rstrip("\\").strip()
        if not requirement or requirement.startswith("-"):
            continue
        try:
            parsed = Requirement(requirement)
        except InvalidRequirement:
            continue  # an address or a path: no version of ours
        name, specifiers = canonicalize_name(parsed.name), list(parsed.specifier)
        if name in CORE and len(specifiers) == 1 and specifiers[0].operator in ("==", "==="):
            found[name] = specifiers[0].version.removesuffix(".*").partition("+")[0]
    if not found:
        raise UsageError(
            f"{source} pins none of {', '.join(CORE)} with ==", "Give them as --torch, --transformers, --peft."
        )
    return found


def badge_json(made: Badge) -> str:
    """For https://shields.io/badges/endpoint-badge."""
    data: dict[str, Any] = {"schemaVersion": 1, "label": made.label, "message": made.message, "color": made.color}
    return json.dumps(data, indent=1) + "\n"


def badge_svg(made: Badge) -> str:
    left, right = (round(_verdana(text)) + 12 for text in (made.label, made.message))
    return "".join(drawn("badge.svg.j2", badge=made, left=left, right=right, fill=COLOURS[made.color]))


def _verdana(text: str) -> float:
    """The width of `text` in Verdana of 11 pixels, nearly; the picture stretches the text to exactly this."""
    widths = {**dict.fromkeys("ijl.,:;'|! ft()", 3.9), **dict.fromkeys("mwMW", 10), "r": 4.7, "s": 5.7, "-": 5}
    return sum(widths.get(sign, 6.7) for sign in text)


def badge_files(context: Context) -> dict[str, str]:
    """`peft.svg` and `peft.json` and so on: the newest release of each package."""
    cells = [
        ReportedCell(entry.cell.id, entry.cell.python, tuple(entry.cell.versions.items()), Told(entry.outcome))
        for entry in context.known
        if entry.measured
    ]
    found: dict[str, str] = {}
    for package in CORE:
        if versions := context.versions(package):
            made = badge(cells, {package: versions[-1]})
            found |= {f"{package}.svg": badge_svg(made), f"{package}.json": badge_json(made)}
    return found
