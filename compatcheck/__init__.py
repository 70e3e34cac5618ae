"""compatcheck: which combinations of torch, transformers and peft really work, by experiment.

What is exported here is imported when it is first used: `import compatcheck` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .explanation import Explanation, explain

__version__ = "0.1.0"
__all__ = ["Explanation", "__version__", "explain"]

_HOMES = {
    "Explanation": "explanation",
    "explain": "explanation",
}
"""Exported name to the module that it lives in."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
