"""What the pictures share: labels and boxes with their places, and the templates that draw them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from html import escape
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ..domain import printable

TEMPLATES = Path(__file__).resolve().parent / "templates"

AT_ONCE = 200
"""Squares that are made before they are written."""
SMALL = 12.0
"""Height of a square from which on its mark and corner fit as they are."""
CHARACTER = 0.59
"""Of the size of the text: how wide a character is on average in the widest font that the pictures ask for."""


@dataclass(frozen=True)
class Label:
    """A piece of text. `style` holds CSS classes of frame.svg.j2."""

    text: str
    x: float
    y: float
    style: str = ""
    turned: bool = False
    """Read from below to above."""


class Box(NamedTuple):
    """A square with the mark of an outcome."""

    x: float
    y: float
    width: float
    height: float
    outcome: str
    corner: float = 0
    """Size of the corner that says that the other way to generate goes otherwise; 0: none."""
    letter: str = ""
    title: str = ""
    faint: bool = False
    """Drawn lighter: inferred, not measured."""


def squares(boxes: Iterable[Box]) -> Iterator[Markup]:
    """The cells of a heat map as SVG, a line each, some of them at a time."""
    left = iter(boxes)
    while some := list(islice(left, AT_ONCE)):
        yield Markup("".join(map(_square, some)))


def _square(box: Box) -> str:
    x, y, width, height, name, corner, letter, title, faint = box
    middle, centre = x + width / 2, y + height / 2
    cut = beside = ""
    if corner:
        round_off = 3 if height >= SMALL else 0
        side = short(corner * min(1, height / SMALL) - round_off)
        at = f"M{short(x + width - float(side) - round_off)} {short(y)}"
        arc = f" a{round_off} {round_off} 0 0 1 {round_off} {round_off}" if round_off else ""
        cut = f'<path class="{name}-ink corner" d="{at} h{side}{arc} v{side} z"/>'
    if letter:
        beside = f'<text class="small {name}-text" x="{short(middle + 3)}" y="{short(centre + 4)}">{letter}</text>'
    if height < SMALL:
        at = f'transform="translate({short(middle)} {short(centre)}) scale({short(height / SMALL)})"'
    else:
        at = f'x="{short(middle - 7 if letter else middle)}" y="{short(centre)}"'
    group = '<g class="faint">' if faint else "<g>"
    said = f"<title>{escape(printable(title), quote=False)}</title>" if title else ""
    return (
        f'{group}{said}<rect class="{name}" x="{short(x)}" y="{short(y)}" width="{short(width)}" '
        f'height="{short(height)}" rx="{short(min(3, height / 4))}"/>{cut}'
        f'<use href="#{name}" class="mark {name}-ink" {at}/>{beside}</g>\n'
    )


@lru_cache(maxsize=4096)
def short(number: float) -> str:
    """As few digits as a picture needs."""
    return f"{number:.2f}".rstrip("0").rstrip(".")


def drawn(template: str, **values: Any) -> Iterator[str]:
    """The picture of a template, a line at a time. Text is escaped, and numbers are written short."""
    begun = ""
    for piece in chain(_environment().get_template(template).generate(**values), ["\n"]):
        # joined as plain text: added to a piece that is escaped already, the rest would be escaped once more
        whole, end, begun = "".join((begun, piece)).rpartition("\n")
        if end:
            yield from (f"{line}\n" for line in whole.splitlines() if line.strip())


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalized,
    )


def _finalized(value: Any) -> Any:
    if isinstance(value, float):
        return short(value)
    return printable(value) if type(value) is str else value


def text_width(text: str, size: float = 12) -> float:
    """An estimate, rather too much than too little."""
    return size * sum(1 if sign > "\u2e7f" else CHARACTER for sign in text)  # from there on Chinese, full width


def fitted(text: str, width: float, size: float = 12) -> str:
    """`text`, cut with an ellipsis where it would be wider than `width`."""
    room = int(width / (size * CHARACTER))
    return text if len(text) <= room else text[: max(room - 1, 1)].rstrip() + "…"


def spread_out(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places near the wanted ones (which ascend), at least `gap` apart and within the bounds where there is room.

    Each run of places that are too close is moved as a block around its middle, so that labels stay by their marks.
    """
    blocks: list[list[float]] = []
    """Start and number of places of each block."""
    for place in wanted:
        blocks.append([place, 1, place])
        while len(blocks) > 1 and blocks[-2][0] + gap * blocks[-2][1] > blocks[-1][0]:
            _, count, total = blocks.pop()
            before = blocks[-1]
            before[1] += count
            before[2] += total
            before[0] = before[2] / before[1] - gap * (before[1] - 1) / 2
    places = [start + gap * number for start, count, _ in blocks for number in range(int(count))]
    for number in range(len(places)):
        places[number] = max(places[number], low + gap * number)
    for number in reversed(range(len(places))):
        places[number] = min(places[number], high - gap * (len(places) - 1 - number))
    return places
