"""Whether the explorer's claims are true: hundreds of made worlds, with and without structure, claimed against true.

    python benchmarks/calibration.py [--worlds 60] [--write FILE.md]

Of each kind of world as many are explored, a seventh of the cells run each time. What the explorer infers of the others
is held against the truth: the confidence it claims for a cell, and how often cells of such a confidence were right. A
world without structure has a ground for nothing, so it must end untested, and what is claimed of it must be low.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
from explore_replay import table_of
from made_worlds import World, random_world, structured_world
from tabulate import tabulate

from compatcheck.domain import Outcome
from compatcheck.exploration import STEP
from compatcheck.explore import Explorer
from compatcheck.interval import Interval

SHAPE = (3, 20, 10)
SHARE = 1 / 7
EDGES = (0.8, 0.85, 0.9, 0.95, 0.98, 1.0)
"""Between the confidences that are told together; below the first a cell stays untested."""
KINDS: dict[str, Callable[[int], World]] = {
    "4 faults": lambda seed: structured_world(SHAPE, 4, seed),
    "8 faults": lambda seed: structured_world(SHAPE, 8, seed),
    "4 faults, 1 % flakes": lambda seed: structured_world(SHAPE, 4, seed, 0.01),
    "no structure, a third each": lambda seed: random_world(SHAPE, 3, seed),
    "no structure, two thirds fail": lambda seed: random_world(SHAPE, 6, seed),
    "no structure, 85 % pass": lambda seed: random_world(SHAPE, 6, seed, passing=0.85),
}
COLOURS = ("#1f7f61", "#2b6cb0", "#8a5a00", "#c0392b", "#6b3fa0", "#444444")


@dataclass
class Claims:
    """What was claimed of the inferred cells of some worlds, and what is true."""

    claimed: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    decided: list[float] = field(default_factory=list)
    """A world each: the share of its cells that is measured or inferred."""
    expected: list[float] = field(default_factory=list)
    """A world each: the accuracy that is claimed over all its cells."""
    true: list[float] = field(default_factory=list)
    """A world each: how many cells have the outcome that is thought likeliest, the untested ones too."""

    def hear(self, world: World, seed: int) -> None:
        """Explore a world, and keep what is claimed of it."""
        table = table_of(world, "made")
        explorer, runs = Explorer(table.space, seed), round(table.space.count * SHARE)
        while len(explorer.known) < runs:
            choices = explorer.batch(min(STEP, runs - len(explorer.known)))
            explorer.tell({choice.place: table.run(choice.place) for choice in choices})
        held = explorer.inference()
        assert held.learnt is not None
        likeliest = [held.learnt.units[number][0] for number in held.learnt.held.outcome.tolist()]
        outcome: dict[int, Outcome] = dict(enumerate(likeliest))
        outcome |= {place: unit[0] for place, unit in explorer.known.items()}
        self.true.append(float(np.mean([outcome[place] is unit[0] for place, unit in table.truth.items()])))
        self.decided.append(held.decided)
        self.expected.append(held.expected)
        for place in np.flatnonzero(held.inferred).tolist():
            unit = held.unit_of(place)
            self.claimed.append(float(held.confidence[place]))
            self.right.append(unit is not None and unit[0] is table.truth[place][0])

    def bins(self) -> list[tuple[float, Interval]]:
        """For the confidences between two edges: their mean, and how many of those cells were right."""
        found = []
        claimed, right = np.array(self.claimed), np.array(self.right, dtype=bool)
        at = np.clip(np.digitize(claimed, EDGES), 1, len(EDGES) - 1)
        for number in range(1, len(EDGES)):
            if (here := at == number).any():
                found.append((float(claimed[here].mean()), Interval(int(right[here].sum()), int(here.sum()))))
        return found


def picture(found: dict[str, Claims]) -> str:
    """The claims against the truth as SVG: on the line both are the same, below it too much was claimed."""
    left, top, wide, least = 60, 24, 420, 0.5

    def x(share: float) -> float:
        return left + (share - least) / (1 - least) * wide

    def y(share: float) -> float:
        return top + (1 - max(share, least)) / (1 - least) * wide

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + wide + 250} {top + wide + 60}" font-size="13" '
        'font-family="sans-serif" role="img">',
        "<title>Claimed confidence of inferred cells against how often they were right</title>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<path d="M{x(least)} {y(least)}L{x(1)} {y(1)}" stroke="#999" stroke-dasharray="4 4"/>',
        f'<path d="M{left} {top}V{top + wide}H{left + wide}" stroke="#333" fill="none"/>',
        f'<text x="{left + wide / 2}" y="{top + wide + 44}" text-anchor="middle">claimed confidence</text>',
        f'<text transform="translate(16 {top + wide / 2}) rotate(-90)" text-anchor="middle">were right</text>',
    ]
    for tick in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
        parts.append(f'<text x="{x(tick)}" y="{top + wide + 20}" text-anchor="middle">{tick:.1f}</text>')
        parts.append(f'<text x="{left - 8}" y="{y(tick) + 4}" text-anchor="end">{tick:.1f}</text>')
    for number, ((kind, claims), colour) in enumerate(zip(found.items(), COLOURS, strict=True)):
        for claimed, held in claims.bins():
            assert held.share is not None
            parts.append(f'<path d="M{x(claimed)} {y(held.low)}V{y(held.high)}" stroke="{colour}"/>')
            parts.append(f'<circle cx="{x(claimed)}" cy="{y(held.share)}" r="4" fill="{colour}"/>')
        at = top + 20 + 22 * number
        parts.append(f'<circle cx="{left + wide + 24}" cy="{at - 4}" r="4" fill="{colour}"/>')
        parts.append(f'<text x="{left + wide + 36}" y="{at}">{kind}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def by_kind(found: dict[str, Claims]) -> list[list[str]]:
    rows = []
    for kind, claims in found.items():
        right = Interval.of(claims.right)
        claimed = f"{np.mean(claims.claimed):.1%}" if claims.claimed else "nothing"
        rows.append([
            kind, str(len(claims.true)), f"{np.mean(claims.decided):.1%}", str(right.count), claimed,
            f"{right.share:.1%}" if right.share is not None else "", f"{np.mean(claims.expected):.1%}",
            f"{np.mean(claims.true):.1%}",
        ])  # fmt: skip
    return rows


KIND_HEADERS = (
    "worlds", "how many", "decided", "inferred cells", "claimed of them", "are right", "claimed of all cells",
    "likeliest outcome is right",
)  # fmt: skip


def by_confidence(found: dict[str, Claims]) -> list[list[str]]:
    return [
        [kind, f"{claimed:.3f}", held.words()] for kind, claims in found.items() for claimed, held in claims.bins()
    ]  # fmt: skip


def tables(found: dict[str, Claims]) -> Sequence[str]:
    return (
        tabulate(by_kind(found), KIND_HEADERS, tablefmt="github", disable_numparse=True),
        tabulate(by_confidence(found), ("worlds", "claimed", "were right"), tablefmt="github", disable_numparse=True),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=60, help="of each kind (default: %(default)s)")
    parser.add_argument("--write", type=Path, metavar="FILE.md", help="and the plot beside it, as FILE.svg")
    arguments = parser.parse_args()
    found = {kind: Claims() for kind in KINDS}
    for kind, made in KINDS.items():
        for seed in range(arguments.worlds):
            found[kind].hear(made(seed), seed)
        print(*by_kind({kind: found[kind]})[0], sep=" | ", flush=True)
    print("\n\n".join(tables(found)))
    if arguments.write:
        plot = arguments.write.with_suffix(".svg")
        plot.write_text(picture(found), encoding="utf-8")
        told = "\n\n".join(__doc__.split("\n\n")[2:]).strip()
        count = SHAPE[0] * SHAPE[1] * SHAPE[2]
        said = (
            f"Written by `python benchmarks/calibration.py --worlds {arguments.worlds}` on {date.today()}: worlds of "
            f"{count} cells, {round(count * SHARE)} of them run."
        )
        parts = ["# Claimed and true", said, told, f"![Claimed against true]({plot.name})", *tables(found)]
        arguments.write.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
