"""What to pin instead of versions that are known not to work: what a report on them ends with."""

from __future__ import annotations

from collections.abc import Mapping

from packaging.specifiers import SpecifierSet

from .domain import CORE
from .recommendation import recommend
from .request import PYTHON, Request
from .requirement_lines import released
from .shipped import KnownCell, KnownTable


def nearest_working(
    versions: Mapping[str, str],
    table: KnownTable,
    python: str | None = None,
    ranges: Mapping[str, SpecifierSet] | None = None,
) -> KnownCell | None:
    """What `compatcheck recommend` answers to the same versions, or to the `ranges` that allowed them.

    None where nothing of the table works.
    """
    asked = dict(ranges or {name: released(SpecifierSet(f"=={versions[name]}")) for name in CORE if name in versions})
    if python is not None:
        asked[PYTHON] = SpecifierSet(f"=={python}.*")
    return recommend(Request(asked), table=table).cell


def pins(cell: KnownCell) -> str:
    """`torch==2.6.0 transformers==4.51.3 peft==0.15.2`"""
    return " ".join(f"{name}=={version}" for name, version in cell.versions.items())
