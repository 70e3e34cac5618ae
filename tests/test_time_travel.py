"""The same cell on earlier days: which days, and what stays as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path

from compatcheck.domain import Cell, Distribution, Lock, Policy, Resolution
from compatcheck.matrix import Matrix
from compatcheck.store import Store
from compatcheck.time_travel import earlier_locks

CELL = Cell("3.11", {"torch": "2.6.0", "transformers": "4.36.2", "peft": "0.12.0"})
RELEASED = {
    "torch 2.6.0": datetime(2025, 1, 29, tzinfo=timezone.utc),
    "transformers 4.36.2": datetime(2023, 12, 18, tzinfo=timezone.utc),
    "peft 0.12.0": datetime(2024, 7, 24, tzinfo=timezone.utc),
}
MATRIX = Matrix("made-up", {"torch": ("2.6.0",), "transformers": ("4.36.2",), "peft": ("0.12.0",)})


def lock(accelerate: str) -> Lock:
    versions = {**CELL.versions, "accelerate": accelerate, "sympy": "1.13.1", "numpy": "2.0.0"}
    return Lock("3.11", "linux", tuple(Distribution(name, each, ("00",)) for name, each in sorted(versions.items())))


class StubUv:
    def __init__(self, *answers: Resolution) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, dict[str, str]]] = []

    def adapted(self, python: str, kept: Mapping[str, str]) -> Resolution:
        assert kept == {"torch": "2.6.0"}
        return Resolution(
            Lock("3.11", "linux", (Distribution("sympy", "1.13.1", ("00",)), Distribution("torch", "2.6.0", ("00",))))
        )

    def as_of(self, cell: Cell, cutoff: datetime, apart: Mapping[str, str], extras: Iterable[str]) -> Resolution:
        self.asked.append((f"{cutoff:%Y-%m-%d}", dict(apart)))
        return self.answers.pop(0)


def names(store: Store, uv: StubUv) -> list[str]:
    return [each.name for each in earlier_locks(CELL, lock("1.15.0"), MATRIX, RELEASED, store, uv)]  # type: ignore[arg-type]


def test_every_axis_but_the_newest_has_its_day_and_torch_keeps_what_it_needs(tmp_path: Path) -> None:
    uv = StubUv(Resolution(lock("0.31.0")), Resolution(lock("0.25.0")))
    with Store(tmp_path / "store.sqlite3") as store:
        assert names(store, uv) == ["the packages of 2024-07-31", "the packages of 2023-12-25"]
    assert uv.asked == [("2024-07-31", {"sympy": "1.13.1"}), ("2023-12-25", {"sympy": "1.13.1"})]


def test_what_cannot_be_resolved_or_is_todays_lock_is_no_earlier_one(tmp_path: Path) -> None:
    uv = StubUv(Resolution(None, "no solution"), Resolution(lock("1.15.0")))
    with Store(tmp_path / "store.sqlite3") as store:
        assert names(store, uv) == []


def test_the_contemporary_lock_of_the_store_comes_first(tmp_path: Path) -> None:
    contemporary = Matrix("other", MATRIX.axes, policy=Policy.CONTEMPORARY)
    uv = StubUv(Resolution(lock("0.31.0")), Resolution(lock("1.3.0")))
    with Store(tmp_path / "store.sqlite3") as store:
        store.save_resolution(CELL, contemporary.resolution_digest, "linux", Resolution(lock("1.3.0")))
        assert names(store, uv) == ["the contemporary packages", "the packages of 2024-07-31"]
