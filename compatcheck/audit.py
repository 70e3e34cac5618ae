"""Whether forked cells say what cold processes say: which are run once more to find out, and what came of it. Pure."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .domain import Mode, Observation, Outcome

SHARE = 1 / 20
"""Of the forked cells, how many are run again cold beside the first of each kind of failure."""

Named = Callable[[Observation], str]
"""The signature of what is not a pass, or what groups it where there is none."""


@dataclass
class Audit:
    """The comparisons of one run. Safe to use from several threads."""

    named: Named
    share: float = SHARE
    chance: random.Random = field(default_factory=random.Random)
    forked: int = 0
    """Observations made in forks, those that were compared included."""
    compared: int = 0
    disagreements: list[str] = field(default_factory=list)
    _kinds: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wants(self, observation: Observation) -> bool:
        """Whether this forked observation is to be made once more by a cold process."""
        name = self._name(observation)
        with self._lock:
            self.forked += 1
            fresh = bool(name) and name not in self._kinds
            self._kinds.add(name)
            return fresh or self.chance.random() < self.share

    def agree(self, cell: str, forked: Observation, cold: Observation) -> bool:
        """Whether both say the same of the cell; where not, it is noted."""
        told = {"fork": self._said(forked), "process": self._said(cold)}
        with self._lock:
            self.compared += 1
            if told["fork"] == told["process"]:
                return True
            self.disagreements.append(f"{cell}: forked {told['fork']}, by itself {told['process']}")
            return False

    def _name(self, observation: Observation) -> str:
        return "" if observation.outcome is Outcome.PASS else self.named(observation)

    def _said(self, observation: Observation) -> str:
        """Outcome, stage and failure, and how either way to generate went."""
        words = [observation.outcome, observation.stage, self._name(observation)]
        words += [f"{mode} {observation.mode(mode) or 'not reached'}" for mode in Mode]
        return ", ".join(str(word) for word in words if word)


def forking_lines(forked: int, compared: int, disagreements: Sequence[str]) -> list[str]:
    """What came of it, for people."""
    told = f"{forked} runs were forked; {compared} of them were made again by a process of their own, "
    return [f"{told}{len(disagreements)} disagreed", *(f"  {each}" for each in disagreements)]
