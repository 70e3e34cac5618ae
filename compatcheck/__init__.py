"""compatcheck: which combinations of torch, transformers and peft really work, by experiment.

The names below are read when they are first used: importing the package itself costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .assertion import IncompatibleVersions, UnknownVersions, assert_compatible, check_environment
    from .domain import Basis, Outcome
    from .errors import CompatcheckError, InputError, MachineError, UsageError
    from .explanation import explain
    from .known import KnownCell, KnownTable
    from .own_environment import ProbeResult, probe_environment
    from .own_runs import known_table
    from .plain_words import Explanation
    from .recommendation import Recommendation, recommend
    from .request import Prefer, Request, request_of
    from .shipped import load_table
    from .verdict import Standing, Verdict, lookup

__version__ = "0.1.0"

_HOMES = {
    "Basis": "domain",
    "CompatcheckError": "errors",
    "Explanation": "plain_words",
    "IncompatibleVersions": "assertion",
    "InputError": "errors",
    "KnownCell": "known",
    "KnownTable": "known",
    "MachineError": "errors",
    "Outcome": "domain",
    "Prefer": "request",
    "ProbeResult": "own_environment",
    "Recommendation": "recommendation",
    "Request": "request",
    "Standing": "verdict",
    "UnknownVersions": "assertion",
    "UsageError": "errors",
    "Verdict": "verdict",
    "assert_compatible": "assertion",
    "check_environment": "assertion",
    "explain": "explanation",
    "known_table": "own_runs",
    "load_table": "shipped",
    "lookup": "verdict",
    "probe_environment": "own_environment",
    "recommend": "recommendation",
    "request_of": "request",
}
"""Public name to the module that it lives in, whose name must be another: importing it would hide the public one."""

__all__ = [
    "Basis",
    "CompatcheckError",
    "Explanation",
    "IncompatibleVersions",
    "InputError",
    "KnownCell",
    "KnownTable",
    "MachineError",
    "Outcome",
    "Prefer",
    "ProbeResult",
    "Recommendation",
    "Request",
    "Standing",
    "UnknownVersions",
    "UsageError",
    "Verdict",
    "__version__",
    "assert_compatible",
    "check_environment",
    "explain",
    "known_table",
    "load_table",
    "lookup",
    "probe_environment",
    "recommend",
    "request_of",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
