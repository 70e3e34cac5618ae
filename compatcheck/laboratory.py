"""Trials of complete locks in real environments, remembered in the store.

Which lock is run, where the metadata forbid the one that is asked for? Blame needs experiments that no resolver
would make: one package moved, all others left. So a lock is installed exactly as asked for, whatever the packages
declare, and the verdict notes what they object to. If it passes, or fails just as the failing lock does, that is a fact
about the code and it counts. If it shows some other error, that error most likely is what the metadata were written
to prevent (transformers refuses at import a tokenizers that it does not know), and tells nothing about the failure
asked about. Then the nearest lock that the metadata allow is run in its place: what the user chose stays, all else
moves as little as the resolver finds possible. The verdict carries the digest of the lock that was really run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from .catalogues import Catalogue
from .classify import diagnose
from .domain import Cell, Digest, Limits, Lock, Observation, Outcome, Resolution, Scenario
from .environment import Uv
from .errors import DiskFull, IndexUnavailable, InterpreterMissing, MachineError, UsageError
from .executor import slot_for
from .probe import PROBE_VERSION
from .releases import Release, ReleaseSource
from .runner import Work, observe
from .scenario.material import Material
from .store import Store
from .table import CLEAN, Unit
from .traceback_text import raised_lines
from .trials import Verdict

Say = Callable[[str], None]
LARGE = 300 * 2**20
"""Bytes of a wheel from which on its other releases are not downloaded unasked."""


@dataclass
class Locksmith:
    """Versions into locks, each asked of uv once."""

    python: str
    uv: Uv
    kept: Collection[str] = ()
    """The packages that stay as asked for where a lock is adapted to what the metadata allow."""
    ends: list[Mapping[str, str]] = field(default_factory=list)
    """The locks between which blame is looked for."""
    known: dict[frozenset[tuple[str, str]], Resolution] = field(default_factory=dict)
    _allowed: dict[frozenset[tuple[str, str]], Resolution] = field(default_factory=dict)

    def learn(self, lock: Lock) -> None:
        """Take `lock` for what its versions are locked to."""
        self.known[frozenset(lock.versions.items())] = Resolution(lock)

    def exact(self, versions: Mapping[str, str]) -> Resolution:
        key = frozenset(versions.items())
        if key not in self.known:
            self.known[key] = self.uv.exact(self.python, versions)
        return self.known[key]

    def objection(self, versions: Mapping[str, str]) -> str:
        """What the metadata have against these versions together; empty where nothing."""
        answer = self._resolved(versions, versions)
        if answer.lock is None:
            return answer.reason
        missing = sorted(answer.lock.versions.keys() - versions.keys())
        return f"{', '.join(missing)} would be needed too" if missing else ""

    def completed(self, versions: Mapping[str, str]) -> Lock | None:
        """The lock that holds `versions` and all that they need; None where the metadata do not allow one."""
        return self._resolved(versions, versions).lock

    def adapted(self, versions: Mapping[str, str]) -> Lock | None:
        """The nearest lock that the metadata allow; None where there is none.

        What has to move goes to where one of the `ends` has it, where the metadata allow that: so a package that has
        to follow another one brings no third version into play.
        """
        kept = {name: version for name, version in versions.items() if name in self.kept}
        found = self._resolved(kept, versions).lock if kept else None
        if found is None:
            return None
        names = {*found.versions, *versions}
        moved = {name for name in names if found.versions.get(name) != versions.get(name)}
        for end in self.ends:
            wanted = {name: end.get(name) if name in moved else versions.get(name) for name in {*names, *end}}
            near = {name: version for name, version in wanted.items() if version is not None and name in names | moved}
            if near != found.versions and not self.objection(near) and (lock := self.exact(near).lock):
                return lock
        return found

    def _resolved(self, kept: Mapping[str, str], preferred: Mapping[str, str]) -> Resolution:
        key = frozenset([*kept.items(), *(("", f"{name}=={each}") for name, each in preferred.items())])
        if key not in self._allowed:
            self._allowed[key] = self.uv.adapted(self.python, kept, preferred if kept != preferred else None)
        return self._allowed[key]


class LockRunner(Protocol):
    runs: int
    """Runs really made; what was stored costs none."""

    def verdict(self, lock: Lock, repetition: int) -> Verdict:
        """What the run of that number of `lock` showed. Raises MachineError where nothing can go on."""

    def lock(self, digest: str) -> Lock | None:
        """The lock of a run's evidence."""


@dataclass
class RealLaboratory:
    """What `attribution` asks its questions of: versions into a lock, and a run of it."""

    locksmith: Locksmith
    runner: LockRunner
    asked: Unit | None = None
    """The failure that is attributed: beside a pass, the only thing that a forbidden lock may tell. None: any."""
    _instead: dict[Digest, Lock] = field(default_factory=dict)
    """For locks that the metadata forbid and that show another error: what is run in their place from then on."""

    def trial(self, versions: Mapping[str, str], repetition: int = 0) -> Verdict:
        resolution = self.locksmith.exact(versions)
        if resolution.lock is None:
            return Verdict(Outcome.UNRESOLVABLE, note=f"nothing to install: {_short(resolution.reason)}")
        if repetition and resolution.lock.digest in self._instead:
            return self._adapted(versions, self._instead[resolution.lock.digest], repetition)
        seen = self.runner.verdict(resolution.lock, repetition)
        if objection := self.locksmith.objection(versions):
            seen = replace(seen, note=f"the metadata object: {_short(objection)}")
            telling = self.asked is None or seen.unit in (CLEAN, self.asked)
            nearest = None if telling else self.locksmith.adapted(versions)
            if nearest is not None and nearest.digest != resolution.lock.digest:
                self._instead[resolution.lock.digest] = nearest
                return self._adapted(versions, nearest, repetition)
        return seen

    def _adapted(self, versions: Mapping[str, str], nearest: Lock, repetition: int) -> Verdict:
        moved = ", ".join(changes(versions, nearest.versions))
        return replace(self.runner.verdict(nearest, repetition), note=f"run as the metadata demand, with {moved}")


@dataclass
class CycleRunner:
    """The cycle in the environment of a lock; every run is kept in the store."""

    uv: Uv
    store: Store
    environments: Path
    scenario: Scenario
    limits: Limits
    material: Material
    catalogue: Catalogue
    platform: str
    again: bool = False
    """Do not answer from the store: every trial is a new run."""
    say: Say = lambda _: None
    runs: int = 0
    _fresh: dict[Digest, list[Observation]] = field(default_factory=dict)

    def verdict(self, lock: Lock, repetition: int) -> Verdict:
        try:
            observation = self.known(lock, repetition) or self._run(lock)
        except (DiskFull, IndexUnavailable, InterpreterMissing):
            raise
        except MachineError as error:
            return Verdict(Outcome.ERROR, evidence=lock.digest, note=error.what)
        return Verdict(observation.outcome, failure_of(observation, self.catalogue), lock.digest)

    def lock(self, digest: str) -> Lock | None:
        return self.store.lock(Digest(digest))

    def shown(self, lock: Lock) -> str:
        """What a run of `lock` raised, or else the end of what it wrote."""
        observation = self.known(lock)
        if observation is None:
            return ""
        return raised_lines(observation.chain) if observation.chain else observation.output_tail

    def known(self, lock: Lock, repetition: int = 0) -> Observation | None:
        """The stored run of that number: each attempt in the store is a run of its own."""
        if self.again:
            attempts: Sequence[Observation] = self._fresh.get(lock.digest, [])
        else:
            attempts = self.store.observations(lock, self.material.digest, PROBE_VERSION, self.platform)
        return attempts[repetition] if repetition < len(attempts) else None

    def _run(self, lock: Lock) -> Observation:
        self.runs += 1
        with slot_for(place_of(lock), self.environments) as slot:
            python = slot.prepare(lock, self.uv)
            try:
                work = Work(self.scenario, self.material.model, self.material.texts)
                observation = observe(python, work, self.limits)
            finally:
                slot.heal(self.uv)
        self.store.save_observation(lock, self.material.digest, observation)
        self._fresh.setdefault(lock.digest, []).append(observation)
        said = failure_of(observation, self.catalogue)
        self.say(f"run {self.runs}: {lock.digest} {observation.outcome}" + (f" ({said})" if said else ""))
        return observation


def failure_of(observation: Observation, catalogue: Catalogue) -> str | None:
    """The key of the failure class, as the tables have it; None for a pass."""
    if observation.outcome is Outcome.PASS:
        return None
    diagnosis = diagnose(observation, catalogue)
    return diagnosis.signature or f"unknown-{diagnosis.fingerprint[:8]}"


def place_of(lock: Lock) -> Cell:
    """What the environments of a lock are grouped by."""
    return Cell(lock.python, {"torch": lock.versions.get("torch", "-none")})


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """`tokenizers 0.19.1 -> 0.21.4`, for every distribution that is not the same in both."""
    names = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    return [f"{name} {before.get(name, 'absent')} -> {after.get(name, 'absent')}" for name in names]


@dataclass
class InstallableReleases:
    """The releases of an index that the lock's Python allows: what a border is looked for among."""

    source: ReleaseSource
    python: str
    fixed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Packages whose releases are not asked for but given: large ones, of which not every release is downloaded."""

    def versions(self, package: str) -> Sequence[str]:
        if package in self.fixed:
            return self.fixed[package]
        try:
            found = self.source.releases(package)
        except UsageError:
            return ()  # not of this index: only the two versions that the locks name are known
        return [each.version for each in found if _allows(each, self.python)]


def _allows(release: Release, python: str) -> bool:
    try:
        return not release.requires_python or SpecifierSet(release.requires_python).contains(f"{python}.99")
    except InvalidSpecifier:
        return True


def large_packages(*locks: Lock) -> dict[str, list[str]]:
    """The large packages of some locks with the versions that they have there."""
    found: dict[str, list[str]] = {}
    for lock in locks:
        for item in lock.distributions:
            if item.size >= LARGE:
                versions = found.setdefault(item.name, [])
                if item.version not in versions:
                    versions.append(item.version)
    return found


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 300 else f"{text[:297]}..."
