"""How often attribution names the true culprit and its true border, over generated worlds where both are known.

    python benchmarks/attribution_worlds.py [--worlds 3000] [--seed 1] [--noise 0 0.02] [--write FILE]

A world has a few pinned packages and many that are not, each with 5 to 40 releases, two complete locks, and one
planted fault: from a release on (single, transitive, drifting), between two releases (range), of two packages
together (paired), or one that comes and goes (flaky). Some releases of other packages raise another error, and some
combinations cannot be installed. The truth is found here by trying everything without noise; nothing of the
attribution's own code is used for it.
"""

from __future__ import annotations

import argparse
import itertools
import math
import random
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from compatcheck.attribution import Blame, attribute
from compatcheck.domain import Outcome
from compatcheck.trials import Verdict

KINDS = ("single", "range", "paired", "transitive", "drifting", "flaky")
TARGET = "planted"
PINNED = ("alpha", "beta", "gamma")


@dataclass
class World:
    """Everything is decided by the indexes of releases; versions are only their names."""

    kind: str
    releases: dict[str, list[str]]
    fault: dict[str, tuple[int, int]]
    """Package to the half-open range of release indexes; the fault shows where all packages lie in theirs."""
    passing: dict[str, str]
    failing: dict[str, str]
    strays: list[tuple[str, int, int, str]] = field(default_factory=list)
    """Package, range of indexes, and another error that it raises there."""
    refusals: list[tuple[str, int, str, int]] = field(default_factory=list)
    """The first package from this index on cannot be installed with the second below that index."""
    comes: float = 1.0
    """How often the fault shows where it is present."""

    def index(self, package: str, version: str) -> int:
        return self.releases[package].index(version)

    def faulty(self, lock: Mapping[str, str]) -> bool:
        return all(low <= self.index(name, lock[name]) < high for name, (low, high) in self.fault.items())

    def without_noise(self, lock: Mapping[str, str]) -> str:
        for one, start, other, least in self.refusals:
            if self.index(one, lock[one]) >= start and self.index(other, lock[other]) < least:
                return "unresolvable"
        for package, low, high, error in self.strays:
            if low <= self.index(package, lock[package]) < high:
                return error
        return TARGET if self.faulty(lock) else "pass"


class Bed:
    """A world as a laboratory and as an index of releases."""

    def __init__(self, world: World, noise: float, seed: int) -> None:
        self.world = world
        self.noise = noise
        self.random = random.Random(seed)
        self.runs = 0

    def trial(self, versions: Mapping[str, str], repetition: int = 0) -> Verdict:
        self.runs += 1
        seen = self.world.without_noise(versions)
        if seen == TARGET and self.random.random() > self.world.comes:
            seen = "pass"
        if seen != "unresolvable" and self.random.random() < self.noise:
            others = [TARGET, "pass", "chance-timeout", "chance-crash"]
            seen = self.random.choice([other for other in others if other != seen])
        if seen == "unresolvable":
            return Verdict(Outcome.UNRESOLVABLE)
        return Verdict(Outcome.PASS) if seen == "pass" else Verdict(Outcome.FAIL, seen)

    def versions(self, package: str) -> Sequence[str]:
        return self.world.releases[package]


def made(rng: random.Random, kind: str) -> World:
    """A world of `kind` whose two locks show what they should."""
    while True:
        world = _drawn(rng, kind)
        if (
            world.without_noise(world.passing) == "pass"
            and world.without_noise(world.failing) == TARGET
            and truth(world) is not None
        ):
            return world


def _drawn(rng: random.Random, kind: str) -> World:
    loose = [f"dep{number:02}" for number in range(rng.randint(4, 25))]
    names = [*PINNED, *loose]
    releases = {name: _versions(rng) for name in names}
    passing = {name: rng.choice(versions) for name, versions in releases.items()}
    failing = {name: passing[name] if rng.random() < 0.4 else rng.choice(releases[name]) for name in names}
    if kind == "drifting":
        failing.update({name: passing[name] for name in PINNED})
    pool = loose if kind in ("transitive", "drifting") else names
    chosen = rng.sample(pool, 2 if kind == "paired" else 1)
    fault = {}
    for name in chosen:
        count = len(releases[name])
        if kind == "range":
            low, high = sorted(rng.sample(range(count + 1), 2))
        else:
            cut = rng.randrange(1, count)
            low, high = (cut, count) if rng.random() < 0.75 else (0, cut)
        fault[name] = (low, high)
        inside = rng.randrange(low, high)
        outside = [place for place in range(count) if not low <= place < high]
        failing[name] = releases[name][inside]
        if outside:
            passing[name] = releases[name][rng.choice(outside)]
    world = World(kind, releases, fault, passing, failing)
    for _ in range(rng.choice([0, 0, 1, 2])):
        name = rng.choice(chosen if rng.random() < 0.6 else names)
        low = rng.randrange(len(releases[name]))
        world.strays.append((name, low, low + rng.randint(1, 6), f"stray-{rng.randrange(3)}"))
    for _ in range(rng.choice([0, 0, 0, 1])):
        one, other = rng.sample(names, 2)
        world.refusals.append((one, rng.randrange(len(releases[one])), other, rng.randrange(len(releases[other]))))
    if kind == "flaky":
        world.comes = rng.uniform(0.3, 0.7)
    return world


def _versions(rng: random.Random) -> list[str]:
    found, major, minor, micro = [], rng.randint(0, 4), 0, 0
    for _ in range(rng.randint(5, 40)):
        step = rng.random()
        if step < 0.05:
            major, minor, micro = major + 1, 0, 0
        elif step < 0.6:
            minor, micro = minor + 1, 0
        else:
            micro += 1
        found.append(f"{major}.{minor}.{micro}")
    return found


@dataclass(frozen=True)
class Truth:
    verdict: str
    culprits: frozenset[tuple[str, str | None, str | None, str | None]]
    """Package, last good, first bad, fixed in."""


def truth(world: World) -> Truth | None:
    """What is true of a world, by trying every package and every release; None where the world does not say."""
    apart = [name for name in world.passing if world.passing[name] != world.failing[name]]
    for size in (1, 2):
        enough = [moved for moved in itertools.combinations(apart, size) if _moved(world, moved) == TARGET]
        if enough:
            break
    else:
        return None
    if len(enough) != 1:
        return None
    names = enough[0]
    if set(names) - set(world.fault):
        return None  # the planted package cannot be moved without another one: nobody could say which it is
    if any(_back(world, name) != "pass" for name in names):
        return None
    loose = not set(names) & set(PINNED)
    verdict = "drift" if loose else ("culprit" if size == 1 else "interacting-pair")
    if world.kind == "flaky":
        verdict = "flaky"
    return Truth(verdict, frozenset((name, *_borders(world, name)) for name in names))


def _moved(world: World, names: Sequence[str]) -> str:
    return world.without_noise({**world.passing, **{name: world.failing[name] for name in names}})


def _back(world: World, name: str) -> str:
    return world.without_noise({**world.failing, name: world.passing[name]})


def _borders(world: World, package: str) -> tuple[str | None, str | None, str | None]:
    """Scan every release of `package` in the failing lock, away from the failing one to both sides."""
    versions = world.releases[package]
    shown = [world.without_noise({**world.failing, package: version}) for version in versions]
    start = versions.index(world.failing[package])
    last_good = fixed_in = None
    first_bad = versions[start]
    for place in range(start, -1, -1):
        if shown[place] == "pass":
            last_good = versions[place]
            break
        if shown[place] == TARGET:
            first_bad = versions[place]
    for place in range(start, len(versions)):
        if shown[place] == "pass":
            fixed_in = versions[place]
            break
    return last_good, first_bad, fixed_in


def judged(blame: Blame, true: Truth) -> str:
    """`exact`, `wide` (right culprit, a border that is true but not the tightest), `undetermined`, or `wrong`."""
    verdict = str(blame.verdict)
    if verdict == "flaky" and true.verdict == "flaky":
        return "exact"
    if verdict == "undetermined" or (verdict == "flaky" and true.verdict != "flaky"):
        return "undetermined"
    named = frozenset((each.package, each.last_good, each.first_bad, each.fixed_in) for each in blame.culprits)
    if verdict != true.verdict or {each[0] for each in named} != {each[0] for each in true.culprits}:
        return "wrong"
    if named == true.culprits:
        return "exact"
    return "wide" if all(each.unknown for each in blame.culprits) else "wrong"


def plain(bed: Bed) -> tuple[str, str | None, str | None, int] | None:
    """Plain bisection: one package at a time from the passing lock, then its releases; every run is believed."""
    world = bed.world
    bed.runs = 0
    for name in world.passing:
        if world.passing[name] == world.failing[name]:
            continue
        if bed.trial({**world.passing, name: world.failing[name]}).outcome is not Outcome.FAIL:
            continue
        good, bad = world.index(name, world.passing[name]), world.index(name, world.failing[name])
        while abs(good - bad) > 1:
            middle = (good + bad) // 2
            lock = {**world.passing, name: world.releases[name][middle]}
            if bed.trial(lock).outcome is Outcome.PASS:
                good = middle
            else:
                bad = middle
        return name, world.releases[name][good], world.releases[name][bad], bed.runs
    return None


def plain_judged(found: tuple[str, str | None, str | None, int] | None, true: Truth) -> str:
    """The same for plain bisection, which knows one border only: the one towards the passing lock."""
    if found is None:
        return "undetermined"
    name, good, bad, _ = found
    for package, last_good, first_bad, fixed_in in true.culprits:
        towards = (good, bad) == (last_good, first_bad) or good == fixed_in
        if package == name and len(true.culprits) == 1 and towards and true.verdict != "flaky":
            return "exact"
    return "wrong"


@dataclass
class Tally:
    verdicts: Counter[str] = field(default_factory=Counter)
    runs: list[int] = field(default_factory=list)
    plain_verdicts: Counter[str] = field(default_factory=Counter)
    plain_runs: list[int] = field(default_factory=list)
    wrong: list[tuple[int, World, Blame, Truth]] = field(default_factory=list)

    @property
    def worlds(self) -> int:
        return sum(self.verdicts.values())

    def share(self, verdict: str) -> float:
        return self.verdicts[verdict] / self.worlds


def measured(worlds: int, seed: int, noise: float) -> dict[str, Tally]:
    """Tallies by kind of fault, and of all under `all`."""
    tallies = {kind: Tally() for kind in (*KINDS, "all")}
    for number, (kind, world) in enumerate(_worlds(worlds, seed)):
        true = truth(world)
        assert true is not None
        bed = Bed(world, noise, seed * 1_000_003 + number)
        blame = attribute(bed, bed, world.passing, world.failing, pinned=PINNED, first=PINNED)
        assert blame.runs == bed.runs
        other = Bed(world, noise, seed * 1_000_003 + number)
        found = plain(other)
        for tally in (tallies[kind], tallies["all"]):
            result = judged(blame, true)
            tally.verdicts[result] += 1
            tally.runs.append(blame.runs)
            tally.plain_verdicts[plain_judged(found, true)] += 1
            tally.plain_runs.append(other.runs)
            if result == "wrong":
                tally.wrong.append((number, world, blame, true))
    return tallies


def _worlds(count: int, seed: int) -> Iterator[tuple[str, World]]:
    rng = random.Random(seed)
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        yield kind, made(rng, kind)


HEADER = (
    "| fault | worlds | exact | wide | undetermined | wrong | runs, median (90 %) "
    "| plain: exact | plain: wrong | plain: runs, median (90 %) |\n|---|---|---|---|---|---|---|---|---|---|\n"
)


def table_text(tallies: Mapping[str, Tally]) -> str:
    lines = []
    for kind, tally in tallies.items():
        shares = [f"{tally.share(word):.1%}" for word in ("exact", "wide", "undetermined", "wrong")]
        plainly = [f"{tally.plain_verdicts[word] / tally.worlds:.1%}" for word in ("exact", "wrong")]
        cells = [kind, str(tally.worlds), *shares, _spread(tally.runs), *plainly, _spread(tally.plain_runs)]
        lines.append("| " + " | ".join(cells) + " |\n")
    return HEADER + "".join(lines)


def _spread(runs: Sequence[int]) -> str:
    ordered = sorted(runs)
    return f"{statistics.median(ordered):.0f} ({ordered[math.ceil(0.9 * len(ordered)) - 1]})"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--worlds", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.02])
    parser.add_argument("--write", type=Path, help="write the tables to this Markdown file too")
    parser.add_argument("--show-wrong", type=int, default=0, help="print this many wrong verdicts")
    options = parser.parse_args()
    say: Callable[[str], None] = print
    text = (
        "# Attribution over generated worlds\n\nWritten by `python benchmarks/attribution_worlds.py "
        f"--worlds {options.worlds} --seed {options.seed}`. exact: kind, culprits and every border are the true ones; "
        "wide: a true border with releases in it that tell nothing; plain: one package at a time, every run believed, "
        "one border only.\n"
    )
    for noise in options.noise:
        tallies = measured(options.worlds, options.seed, noise)
        part = f"\n## {noise:.0%} of the runs go wrong by chance\n\n{table_text(tallies)}"
        say(part)
        text += part
        for number, world, blame, true in tallies["all"].wrong[: options.show_wrong]:
            say(
                f"{number} {world.kind}: {blame}\n  true: {true}\n  fault: {world.fault} comes {world.comes}\n"
                f"  strays {world.strays} refusals {world.refusals}"
            )
    if options.write:
        options.write.write_text(text)


if __name__ == "__main__":
    main()
