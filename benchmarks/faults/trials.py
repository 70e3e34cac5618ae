"""What was tried, and what did not hold."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Trials:
    """One fault, tried `tried` times."""

    name: str
    tried: int = 0
    broken: list[str] = field(default_factory=list)
    """What did not hold, a line each."""
    seconds: float = 0.0
    note: str = ""
    """A number worth knowing: the slowest, the largest."""

    @property
    def held(self) -> int:
        return self.tried - len(self.broken)

    def count(self, problem: str = "") -> None:
        """One more was tried; `problem` is empty where it held."""
        self.tried += 1
        if problem:
            self.broken.append(problem)

    @contextlib.contextmanager
    def clock(self) -> Iterator[Trials]:
        """Add what passes within to `seconds`. An exception is a trial that did not hold."""
        began = time.monotonic()
        try:
            yield self
        except Exception as error:
            self.count(f"{type(error).__name__}: {str(error)[:300]}")
        finally:
            self.seconds += time.monotonic() - began
