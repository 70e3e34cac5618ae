"""What a project has decided for `compatcheck check`: `[tool.compatcheck]` in its pyproject.toml, waivers above all.

[tool.compatcheck]
strict = true

[[tool.compatcheck.waivers]]
signature = "cache-layers-empty"
versions = { peft = "<0.12" }
until = 2027-01-31
reason = "we generate with use_cache=False"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from .errors import InputError
from .parse import structured, toml

REMEDY = 'A waiver has until = YYYY-MM-DD, reason = "...", and signature = "..." or versions = { peft = "<0.12" }.'


@dataclass(frozen=True)
class Waiver:
    """A known failure that a project lives with, until a day and for a reason."""

    until: date
    """The last day on which it counts."""
    reason: str
    signature: str = ""
    """Of the failure; empty: any."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Package to specifier; all of them must hold."""

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise ValueError("reason: must not be empty")
        if not self.signature and not self.versions:
            raise ValueError("names neither a signature nor versions: it would waive everything")
        for name, specifier in self.versions.items():
            try:
                SpecifierSet(specifier)
            except InvalidSpecifier:
                raise ValueError(f"versions.{name}: {specifier!r} is not a specifier such as '<0.12'") from None

    @property
    def named(self) -> str:
        """What it is about."""
        parts = [self.signature, *(f"{name}{specifier}" for name, specifier in self.versions.items())]
        return " ".join(part for part in parts if part)

    def expired(self, today: date) -> bool:
        return today > self.until

    def covers(self, signature: str | None, versions: Mapping[str, str]) -> bool:
        """Whether a failure of this signature with these exact versions is what it is about."""
        if self.signature and self.signature != signature:
            return False
        return all(
            name in versions and SpecifierSet(specifier).contains(versions[name], prereleases=True)
            for name, specifier in self.versions.items()
        )


@dataclass(frozen=True)
class Settings:
    """`[tool.compatcheck]`."""

    strict: bool = False
    """Whether unknown and stale combinations count against the project."""
    table: str = ""
    """A table's path or address; empty: the shipped one."""
    resolution: str = "both"
    """Which corner of ranges decides: `both`, `highest` or `lowest`."""
    waivers: tuple[Waiver, ...] = ()

    def __post_init__(self) -> None:
        if self.resolution not in ("both", "highest", "lowest"):
            raise ValueError(f"resolution: must be both, highest or lowest, got {self.resolution!r}")


def load_settings(path: Path) -> Settings:
    """The settings in the pyproject.toml at `path`; the defaults where it has none. Raises InputError."""
    tool = toml(path, REMEDY).get("tool", {})
    told = tool.get("compatcheck", {}) if isinstance(tool, dict) else {}
    if not isinstance(told, dict):
        raise InputError(str(path), ["tool.compatcheck: not a table"], REMEDY)
    settings = structured(told, Settings, f"{path}: tool.compatcheck", remedy=REMEDY)
    if settings.table and "://" not in settings.table:
        # as every path in a pyproject.toml: from where that file is
        settings = replace(settings, table=str(path.parent / Path(settings.table).expanduser()))
    return settings


def nearest_pyproject(folder: Path) -> Path | None:
    """The pyproject.toml of the project that `folder` lies in."""
    return next(
        (each / "pyproject.toml" for each in (folder, *folder.parents) if (each / "pyproject.toml").is_file()), None
    )
