"""What is known of combinations: cells with their sources and locks, immutable. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from math import comb
from typing import Any

from packaging.version import Version

from .domain import CORE, Basis, Digest, Lock, Outcome, Policy, Stage
from .inferred_grid import InferredGrid
from .table import TELLING

COMPANIONS = ("accelerate", "tokenizers", "safetensors", "huggingface-hub", "numpy")
"""The packages beside the three that a cell remembers: a verdict says where they differ."""


@dataclass(frozen=True)
class Source:
    """One measurement that cells of the table come from."""

    matrix: str
    policy: Policy
    platform: str
    """`linux-x86_64`."""
    model: str
    generated: date
    """When its newest observation was made."""
    own: bool = False
    """A run of this machine's own store, not a shipped one."""


@dataclass(frozen=True)
class KnownCell:
    """One combination of the table."""

    python: str
    """Major and minor version, `3.11`."""
    versions: Mapping[str, str]
    """Package to exact version: torch, transformers, peft, and other axes where the matrix had some."""
    outcome: Outcome
    source: Source
    signature: str | None = None
    """The identifier of a signature of the catalogue; None for a pass and for an unknown failure."""
    fingerprint: str | None = None
    """Of a failure that the catalogue does not know."""
    stage: Stage | None = None
    """Where it went wrong."""
    basis: Basis = Basis.MEASURED
    lock: Digest | None = None
    """Names the lock that was run: `KnownTable.lock` has it, where it travels along."""
    measured: date | None = None
    """The day of the run; of what cannot be installed, of the resolver's answer."""
    attempts: int = 1
    agreeing: int = 1
    """In how many of the attempts it went as the outcome says."""
    caveat: str | None = None
    """The mode of generate that does not work although the cell passes."""
    workaround: str | None = None
    """The mode that works although the cell does not pass."""
    beside: Mapping[str, str] = field(default_factory=dict)
    """Companions (accelerate, tokenizers ...) to the versions they had in the run."""

    @property
    def policy(self) -> Policy:
        return self.source.policy

    @property
    def steady(self) -> bool:
        """Whether every attempt went the same way."""
        return self.agreeing >= self.attempts

    @property
    def works(self) -> bool:
        """Whether it may be recommended."""
        return self.outcome is Outcome.PASS and self.steady

    @property
    def caveats(self) -> tuple[str, ...]:
        """What a verdict on this cell must not leave out, in words."""
        said = []
        if self.caveat:
            said.append(f"generate with use_cache={self.caveat == 'cached'} does not give the right result")
        if self.workaround:
            said.append(f"generate with use_cache={self.workaround == 'cached'} gives the right result")
        if not self.steady:
            said.append(f"{self.attempts - self.agreeing} of {self.attempts} runs went otherwise")
        if self.basis is Basis.INFERRED:
            said.append("inferred from its neighbours, not run")
        return tuple(said)

    @cached_property
    def key(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """What makes two cells the same combination."""
        return self.python, tuple(sorted(self.versions.items()))

    def words(self) -> str:
        """`torch 2.6.0, transformers 4.51.3, peft 0.15.2 on Python 3.11`."""
        return ", ".join(f"{name} {version}" for name, version in self.versions.items()) + f" on Python {self.python}"


@dataclass(frozen=True)
class KnownTable:
    """Everything that is known, immutable.

    >>> from compatcheck import load_table
    >>> table = load_table()
    >>> "2.6.0" in table.axes["torch"]
    True
    >>> sorted({each.python for each in table.at({"torch": "2.6.0", "transformers": "4.49.0", "peft": "0.15.2"})})
    ['3.10', '3.11', '3.12', '3.13', '3.9']
    """

    name: str
    """Where it was read from."""
    cells: tuple[KnownCell, ...] = field(repr=False)
    """Not in the repr, and neither is what follows: hundreds of them tell nobody anything."""
    released: Mapping[str, date] = field(default_factory=dict, repr=False)
    """`torch 2.6.0` to the day it was released."""
    locks: Mapping[Digest, Lock] = field(default_factory=dict, repr=False)
    locked_names: frozenset[str] = field(default=frozenset(), repr=False)
    """Every package that stands in one of the locks."""
    scattered: tuple[KnownCell, ...] = field(default=(), repr=False)
    """Cells of explored matrices: found by their versions, and no part of the axes, for they stand far apart and ranges
    would be read off the gaps between them.
    """
    inferred: tuple[InferredGrid, ...] = field(default=(), repr=False)
    """What explored matrices hold of the cells that were not run."""

    @cached_property
    def axes(self) -> dict[str, tuple[str, ...]]:
        """Package to the versions that stand in the table, oldest first."""
        found: dict[str, set[str]] = {name: set() for name in CORE}
        for cell in self.cells:
            for name, version in cell.versions.items():
                found.setdefault(name, set()).add(version)
        return {name: tuple(sorted(versions, key=Version)) for name, versions in found.items()}

    @cached_property
    def pythons(self) -> tuple[str, ...]:
        """The Pythons that stand in the table, oldest first."""
        return tuple(sorted({cell.python for cell in self.cells}, key=Version))

    @cached_property
    def every_python(self) -> tuple[str, ...]:
        """Those of explored matrices, too, oldest first."""
        run = {cell.python for cell in (*self.cells, *self.scattered)}
        return tuple(sorted(run | {grid.python for grid in self.inferred}, key=Version))

    @cached_property
    def python_pairs(self) -> tuple[int, int]:
        """How many pairs of cells differ in Python alone, and in how many of these the outcome or the failure does.

        Cells that cannot be installed on a Python are in no pair.
        """
        groups: dict[tuple[Any, ...], Counter[tuple[Outcome, str | None]]] = {}
        for cell in (*self.cells, *self.scattered):
            if cell.outcome in TELLING and not cell.source.own:
                went = cell.outcome, cell.signature or cell.fingerprint
                groups.setdefault((cell.key[1], cell.source.model, cell.policy), Counter())[went] += 1
        pairs = sum(comb(went.total(), 2) for went in groups.values())
        return pairs, pairs - sum(comb(count, 2) for went in groups.values() for count in went.values())

    @cached_property
    def packages(self) -> frozenset[str]:
        """Every package that the table can say anything of: the axes and the companions."""
        return frozenset({*self.axes, *COMPANIONS, *(name for cell in self.cells for name in cell.beside)})

    @cached_property
    def known_names(self) -> frozenset[str]:
        """`packages`, and every other package that a lock of the table holds."""
        return self.packages | self.locked_names

    @cached_property
    def newest(self) -> date | None:
        """When the newest of its measurements was made."""
        return max((cell.measured or cell.source.generated for cell in self.cells), default=None)

    def age(self, today: date) -> int:
        """Days since the newest measurement; 0 where the clock stands before it."""
        return max(0, (today - self.newest).days) if self.newest else 0

    def at(self, versions: Mapping[str, str], python: str | None = None) -> tuple[KnownCell, ...]:
        """The cells of exactly these versions; several where Pythons or policies differ."""
        return tuple(
            cell
            for cell in self._by_versions.get(tuple(versions.get(name, "") for name in CORE), ())
            if python in (None, cell.python) and all(versions.get(name, cell.versions[name]) == cell.versions[name]
                                                     for name in cell.versions)
        )  # fmt: skip

    @cached_property
    def _by_versions(self) -> dict[tuple[str, ...], list[KnownCell]]:
        found: dict[tuple[str, ...], list[KnownCell]] = {}
        for cell in (*self.cells, *self.scattered):
            found.setdefault(tuple(cell.versions.get(name, "") for name in CORE), []).append(cell)
        return found

    def lock(self, cell: KnownCell) -> Lock | None:
        """The complete lock that `cell` ran with; None where it does not travel with the table."""
        return self.locks.get(cell.lock) if cell.lock else None

    def with_own(self, other: KnownTable) -> KnownTable:
        """This table with `other`'s cells, which take precedence over those of the same combination and policy."""
        fresh = {(cell.key, cell.policy) for cell in other.cells}
        kept, scattered = (
            tuple(cell for cell in cells if (cell.key, cell.policy) not in fresh)
            for cells in (self.cells, self.scattered)
        )
        return replace(
            self,
            cells=(*other.cells, *kept),
            scattered=scattered,
            released={**other.released, **self.released},
            locks=_Chained(self.locks, other.locks),
            locked_names=self.locked_names | other.locked_names,
        )


class _Chained(Mapping[Digest, Lock]):
    """Two mappings of locks as one, without reading either."""

    def __init__(self, one: Mapping[Digest, Lock], other: Mapping[Digest, Lock]) -> None:
        self._both = (one, other)

    def __getitem__(self, digest: Digest) -> Lock:
        one, other = self._both
        return one[digest] if digest in one else other[digest]

    def __iter__(self) -> Iterator[Digest]:
        return iter({**dict.fromkeys(self._both[0]), **dict.fromkeys(self._both[1])})

    def __len__(self) -> int:
        return len(set(self._both[0]) | set(self._both[1]))
