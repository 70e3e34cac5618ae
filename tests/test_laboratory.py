"""Which lock is run where the metadata forbid the one asked for, and what a run of it counts for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone

from made_up import CACHE_LAYERS, observation

from compatcheck.catalogues import load_catalogue
from compatcheck.domain import Distribution, Lock, Outcome, Resolution
from compatcheck.laboratory import (
    LARGE,
    InstallableReleases,
    Locksmith,
    RealLaboratory,
    changes,
    failure_of,
    large_packages,
)
from compatcheck.releases import Release
from compatcheck.trials import Verdict

ASKED = (Outcome.FAIL, "planted")
ENDS = [{"lib": "2", "tokens": "22"}, {"lib": "1", "tokens": "19"}]


def lock(versions: Mapping[str, str]) -> Lock:
    return Lock(
        "3.11", "linux", tuple(Distribution(name, version, ("00",)) for name, version in sorted(versions.items()))
    )


class StubUv:
    """lib 1 needs tokens below 20, lib 2 tokens of at least 20; there is no lib 9."""

    def __init__(self) -> None:
        self.asked = 0

    def exact(self, python: str, versions: Mapping[str, str]) -> Resolution:
        self.asked += 1
        return Resolution(None, "there is no lib 9") if versions["lib"] == "9" else Resolution(lock(versions))

    def adapted(self, python: str, kept: Mapping[str, str], preferred: Mapping[str, str] | None = None) -> Resolution:
        versions = dict(kept)
        if "tokens" not in versions:
            near = (preferred or {}).get("tokens", "25")
            versions["tokens"] = (
                near if (int(near) < 20) == (kept["lib"] == "1") else {"1": "18", "2": "25"}[kept["lib"]]
            )
        if (int(versions["tokens"]) < 20) != (versions["lib"] == "1"):
            return Resolution(None, "lib and tokens conflict")
        return Resolution(lock(dict(sorted(versions.items()))))


class StubRunner:
    """lib 2 fails as asked about; beside tokens that it forbids it fails at import."""

    def __init__(self, at_import: bool = True) -> None:
        self.runs = 0
        self.at_import = at_import
        self.ran: list[dict[str, str]] = []

    def verdict(self, lock: Lock, repetition: int) -> Verdict:
        self.ran.append(lock.versions)
        forbidden = (int(lock.versions["tokens"]) < 20) != (lock.versions["lib"] == "1")
        if forbidden and self.at_import:
            return Verdict(Outcome.FAIL, "at-import", lock.digest)
        failing = lock.versions["lib"] == "2"
        return Verdict(Outcome.FAIL, "planted", lock.digest) if failing else Verdict(Outcome.PASS, None, lock.digest)

    def lock(self, digest: str) -> Lock | None:
        return None


def laboratory(at_import: bool = True) -> tuple[RealLaboratory, StubRunner]:
    runner = StubRunner(at_import)
    smith = Locksmith("3.11", StubUv(), ("lib",), ends=list(ENDS))  # type: ignore[arg-type]
    return RealLaboratory(smith, runner, ASKED), runner


def test_what_the_metadata_allow_is_run_as_asked_for() -> None:
    of, runner = laboratory()
    seen = of.trial({"lib": "2", "tokens": "22"})
    assert (seen.unit, seen.note) == (ASKED, "")
    assert runner.ran == [{"lib": "2", "tokens": "22"}]


def test_a_forbidden_lock_is_run_all_the_same_and_counts_where_it_tells() -> None:
    of, runner = laboratory(at_import=False)
    seen = of.trial({"lib": "2", "tokens": "19"})
    assert seen.unit == ASKED and seen.note == "the metadata object: lib and tokens conflict"
    assert runner.ran == [{"lib": "2", "tokens": "19"}]


def test_where_it_shows_another_error_what_must_follow_goes_to_where_an_end_has_it() -> None:
    of, runner = laboratory()
    seen = of.trial({"lib": "2", "tokens": "19"})
    assert seen.unit == ASKED
    assert runner.ran[-1] == {"lib": "2", "tokens": "22"}
    assert seen.note == "run as the metadata demand, with tokens 19 -> 22"
    assert seen.evidence == lock({"lib": "2", "tokens": "22"}).digest, "the evidence is the lock that was really run"


def test_the_decision_holds_for_the_repetitions() -> None:
    of, runner = laboratory()
    of.trial({"lib": "2", "tokens": "19"})
    before = len(runner.ran)
    of.trial({"lib": "2", "tokens": "19"}, 1)
    assert runner.ran[before:] == [{"lib": "2", "tokens": "22"}]


def test_a_package_that_cannot_move_alone_stays_where_it_was() -> None:
    of, runner = laboratory()
    seen = of.trial({"lib": "1", "tokens": "22"})
    assert seen.outcome is Outcome.PASS
    assert runner.ran[-1] == {"lib": "1", "tokens": "19"}


def test_what_does_not_exist_is_not_run() -> None:
    of, runner = laboratory()
    seen = of.trial({"lib": "9", "tokens": "22"})
    assert seen.outcome is Outcome.UNRESOLVABLE and "there is no lib 9" in seen.note
    assert runner.ran == []


def test_uv_is_asked_once_for_a_lock() -> None:
    uv = StubUv()
    smith = Locksmith("3.11", uv)  # type: ignore[arg-type]
    smith.exact({"lib": "1", "tokens": "19"})
    smith.exact({"tokens": "19", "lib": "1"})
    assert uv.asked == 1
    smith.learn(lock({"lib": "2", "tokens": "22"}))
    smith.exact({"lib": "2", "tokens": "22"})
    assert uv.asked == 1


def test_a_failure_has_the_key_that_the_tables_give_it() -> None:
    catalogue = load_catalogue()
    assert failure_of(observation(), catalogue) is None
    assert failure_of(observation(CACHE_LAYERS), catalogue) == "cache-layers-empty"


def test_releases_that_the_python_cannot_have_are_left_out() -> None:
    class Source:
        def releases(self, package: str) -> tuple[Release, ...]:
            day = datetime(2025, 1, 1, tzinfo=timezone.utc)
            return Release("1.0", day), Release("2.0", day, ">=3.12"), Release("3.0", day, ">=3.9, <4")

    releases = InstallableReleases(Source(), "3.11", {"torch": ["2.6.0"]})
    assert releases.versions("lib") == ["1.0", "3.0"]
    assert releases.versions("torch") == ["2.6.0"]


def test_large_packages_keep_to_the_versions_of_the_locks() -> None:
    def with_torch(version: str) -> Lock:
        return Lock(
            "3.11", "linux", (Distribution("torch", version, ("00",), LARGE), Distribution("lib", "1", ("00",)))
        )

    assert large_packages(with_torch("2.6.0"), with_torch("2.5.1")) == {"torch": ["2.6.0", "2.5.1"]}


def test_changes_name_what_came_and_went() -> None:
    assert changes({"a": "1", "b": "1"}, {"a": "2", "c": "1"}) == ["a 1 -> 2", "b 1 -> absent", "c absent -> 1"]
