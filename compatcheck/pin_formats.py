"""A recommendation in the forms that pip and uv read. Every text is whole and consumed unchanged."""

from __future__ import annotations

import json
from collections.abc import Callable

from .domain import Word
from .errors import UsageError
from .pylock import pylock_text
from .recommendation import Recommendation
from .releases import PackageIndex


class PinFormat(Word):
    """What a recommendation can be written as."""

    TEXT = "text"
    """For people."""
    REQUIREMENTS = "requirements"
    """The complete lock with hashes: `pip install -r FILE`, `uv pip install -r FILE`."""
    CONSTRAINTS = "constraints"
    """Every version of the lock: `pip install -c FILE ...`, `uv pip install -c FILE ...`."""
    PYLOCK = "pylock"
    """The complete lock as pylock.toml (PEP 751). Asks the package index for the addresses of the wheels."""
    UV = "uv"
    """A pyproject.toml for `uv sync`: the three pinned, and what is beside them constrained to what was measured."""
    PYPROJECT = "pyproject"
    """A dependency group of pyproject.toml (PEP 735): `pip install --group pinned`, and the same with uv."""
    JSON = "json"


def pins_text(recommendation: Recommendation, form: PinFormat, index: PackageIndex | None = None) -> str:
    """`recommendation` as `form`. `index` is asked for pylock alone.

    Raises UsageError where a form needs the lock, and the table does not hold it.
    """
    if form is PinFormat.TEXT:
        return recommendation.as_text()
    if form is PinFormat.JSON:
        return json.dumps(recommendation.as_json(), indent=1, ensure_ascii=False) + "\n"
    if recommendation.cell is None:
        raise UsageError("there is nothing to pin: no combination of the table passes")
    if form is PinFormat.PYLOCK:
        if recommendation.lock is None or index is None:
            raise UsageError(
                "a pylock.toml needs the lock of the cell, which this table does not hold",
                "Take another table, or another format: --format requirements",
            )
        return pylock_text(recommendation.lock, recommendation.pins, index)
    return _WRITERS[form](recommendation)


def _head(recommendation: Recommendation) -> str:
    """Where the pins come from, as comments."""
    cell, lock = recommendation.cell, recommendation.lock
    assert cell is not None
    lines = [f"{' '.join(recommendation.pins)}: {cell.basis} {cell.measured} by compatcheck"]
    if lock is not None:
        lines.append(f"for Python {lock.python} on {lock.platform}, lock {lock.digest}")
    else:
        lines.append(f"for Python {cell.python} on {cell.source.platform}; its lock is not known here")
    if recommendation.resolved is not None:
        lines.append("the three are measured; the whole was resolved with " + ", ".join(recommendation.beside_others))
    lines += [f"note: {each}" for each in cell.caveats]
    lines += [each.words() for each in recommendation.concessions]
    return "".join(f"# {line}\n" for line in lines)


def _all_pins(recommendation: Recommendation) -> list[str]:
    """Every version of the lock; without one, those of the cell."""
    if recommendation.lock is None:
        return list(recommendation.pins)
    return [f"{item.name}=={item.version}" for item in recommendation.lock.distributions]


def _requirements(recommendation: Recommendation) -> str:
    lock = recommendation.lock
    body = lock.requirements if lock else "".join(f"{pin}\n" for pin in recommendation.pins)
    return _head(recommendation) + body


def _constraints(recommendation: Recommendation) -> str:
    return _head(recommendation) + "".join(f"{pin}\n" for pin in _all_pins(recommendation))


def _uv(recommendation: Recommendation) -> str:
    cell = recommendation.cell
    assert cell is not None
    beside = [pin for pin in _all_pins(recommendation) if pin.partition("==")[0] not in cell.versions]
    wanted = recommendation.request.others if recommendation.resolved is not None else ()
    return _head(recommendation) + (
        '[project]\nname = "pinned"\nversion = "0"\n'
        f'requires-python = "=={cell.python}.*"\n'
        f"dependencies = {_toml_list([*recommendation.pins, *wanted])}\n"
        "[tool.uv]\npackage = false\n"
        f"constraint-dependencies = {_toml_list(beside)}"
    )


def _pyproject(recommendation: Recommendation) -> str:
    return _head(recommendation) + f"[dependency-groups]\npinned = {_toml_list(_all_pins(recommendation))}"


def _toml_list(texts: list[str]) -> str:
    # a JSON string is a TOML string too
    return "[\n" + "".join(f"    {json.dumps(text)},\n" for text in texts) + "]\n"


_WRITERS: dict[PinFormat, Callable[[Recommendation], str]] = {
    PinFormat.REQUIREMENTS: _requirements,
    PinFormat.CONSTRAINTS: _constraints,
    PinFormat.UV: _uv,
    PinFormat.PYPROJECT: _pyproject,
}
