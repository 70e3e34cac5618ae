"""The heat map as a picture: transformers x peft, a panel for each torch. Colour and mark say the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import ceil
from typing import NamedTuple

from packaging.version import Version

from ..domain import Outcome
from .context import Context
from .drawing import Box, Label, drawn, fitted, squares, text_width
from .entry import Entry, Shared, Tally, tally_of
from .panel import Panel
from .pieces import Pieces

LEFT, TOP, EDGE = 20.0, 32.0, 20.0
WIDTH = 1000.0
"""What the overview's panels are wrapped to."""
HIGHEST = 2200.0
"""How high the overview may become before its squares are drawn smaller."""
SIZES = ((25.0, 20.0), (18.0, 14.0), (12.0, 10.0), (9.0, 8.0), (7.0, 6.0))
"""Of the overview's squares, width and height; the smallest is taken where none is small enough."""
LABEL = 14.0
"""What a label takes of the room of its rows or columns."""


@dataclass(frozen=True)
class Words:
    """What a heat map says, in one language."""

    outcomes: Mapping[Outcome, str]
    caveat: str
    workaround: str
    inferred: str
    working: str
    """With the places `good` and `all`."""
    further: str
    """Where panels are left out: with the places `shown` and `all`."""

    def headline(self, tally: Tally) -> str:
        return self.working.format(good=tally.measured[Outcome.PASS], all=tally.told)


ENGLISH = Words(
    {
        Outcome.PASS: "works",
        Outcome.FAIL: "fails",
        Outcome.WRONG: "runs, and the result is wrong",
        Outcome.UNRESOLVABLE: "cannot be installed",
        Outcome.ERROR: "not measured",
        Outcome.UNTESTED: "not run",
    },
    "works, but not with use_cache=False",
    "works with use_cache=False instead",
    "inferred, not run",
    "{good} of {all} combinations work",
    "The newest {shown} of {all} panels. Every panel has a picture of its own beside this one.",
)
CHINESE = Words(
    {
        Outcome.PASS: "可用",
        Outcome.FAIL: "失败",
        Outcome.WRONG: "能跑完，但结果错误",
        Outcome.UNRESOLVABLE: "无法安装",
        Outcome.ERROR: "没测成",
        Outcome.UNTESTED: "没有运行",
    },
    "可用，但不能加 use_cache=False",
    "加上 use_cache=False 才可用",
    "推断，没有实测",
    "{all} 个组合中有 {good} 个可用",
    "共 {all} 个分图，这里只画最新的 {shown} 个；每个分图另有单独的图。",
)
CORNER = 7.0
MOST_SQUARES = 20_000
"""Of the overview: of more of them nobody sees anything, and no browser shows them well."""
MOST = 900.0
"""How wide a picture may become for the sake of its words; longer ones are cut."""


class Look(NamedTuple):
    """How a cell is drawn, wherever it stands."""

    outcome: str
    corner: float
    faint: bool
    letter: str
    said: str
    """Letter and words are for a large map."""


Looks = Callable[[Entry], Look]


def looks_of(context: Context) -> Looks:
    """How the cells of a report are drawn, in all its maps."""

    def look(entry: Entry) -> Look:
        words = [ENGLISH.outcomes[entry.outcome]]
        if entry.note:
            words.append(ENGLISH.caveat if entry.caveat else ENGLISH.workaround)
        if not entry.measured:
            words.append(ENGLISH.inferred)
        corner = CORNER if entry.note else 0
        return Look(str(entry.outcome), corner, not entry.measured, context.letter(entry), "; ".join(words))

    return Shared(look)


@dataclass(frozen=True)
class Map:
    """Everything that heat.svg.j2 draws."""

    title: str
    description: str
    width: float
    height: float
    labels: tuple[Label, ...]
    boxes: Iterable[Box]
    """Gone through once."""


def panel_name(python: str, torch: str) -> str:
    """`py311-torch2.6.0`."""
    return f"py{python.replace('.', '')}-torch{torch}"


def newest(panels: Sequence[Panel]) -> Sequence[Panel]:
    """The newest of them that an overview has room for, at least one."""
    room = MOST_SQUARES
    for count, panel in enumerate(reversed(panels)):
        room -= sum(map(len, panel.lines.values()))
        if room < 0:
            return panels[len(panels) - max(1, count) :]
    return panels


def overview(context: Context, looks: Looks, words: Words = ENGLISH) -> Pieces:
    """The panels side by side, the newest first, as small as they must be: the picture for a README."""
    shown = newest(context.panels)
    for size in SIZES:
        laid = _laid_out(context, shown, size, looks)
        if laid.bottom <= HIGHEST:
            break
    title = f"torch x transformers x peft: {words.headline(context.tally)}"
    width = max(laid.right, LEFT + text_width(title, 16), LEFT + 400) + EDGE
    keys, key_boxes, height = _legend(words, context.tally, width, laid.bottom + 30)
    if len(shown) < len(context.panels):
        keys.append(Label(words.further.format(shown=len(shown), all=len(context.panels)), LEFT, height, "soft"))
        height += 19
    every = chain(*laid.boxes, key_boxes)
    picture = Map(title, _description(context), width, height, (*laid.labels, *keys), every)
    return drawn("heat.svg.j2", picture=picture, squares=squares)


@dataclass(frozen=True)
class _Laid:
    """The overview's panels at one size of their squares."""

    labels: Sequence[Label]
    boxes: Sequence[Iterable[Box]]
    right: float
    bottom: float


def _laid_out(context: Context, shown: Sequence[Panel], size: tuple[float, float], looks: Looks) -> _Laid:
    """In lines as wide as WIDTH. Where a label has no room beside the next, not every row and column has one."""
    rows = _newest_first({transformers for panel in shown for transformers in panel.lines})
    (wide, high), gap = size, 26.0
    labels: list[Label] = []
    boxes: list[Iterable[Box]] = []
    x, y = _row_labels_width(), TOP + 88
    right, first, bottom = x, True, y + len(rows) * high
    for panel in reversed(shown):
        columns = _oldest_first(panel.pefts)
        if x + len(columns) * wide > WIDTH and not first:
            x, y = _row_labels_width(), bottom + 96
            bottom, first = y + len(rows) * high, True
        if first:
            labels += _row_labels(context, rows, y, high)
            labels.append(Label("peft", _row_labels_width() - 10, y - 26, "soft small end"))
            labels.append(Label("transformers", _row_labels_width() - 10, y - 8, "soft small end"))
        first = False
        labels.append(Label(_panel_title(context, panel), x, y - 62, "sub"))
        for number, peft in _some(columns, wide):
            labels.append(Label(peft, x + (number + 0.5) * wide + 3, y - 6, "small", turned=True))
        boxes.append(_boxes(panel, rows, columns, (x, y), size, looks, large=False))
        x += max(len(columns) * wide, text_width(_panel_title(context, panel), 13)) + gap
        right = max(right, x - gap)
    return _Laid(labels, boxes, right, bottom)


def _some(versions: Sequence[str], room: float) -> Iterator[tuple[int, str]]:
    """Those that get a label, with their places: the first, and then every one that has room for it."""
    step = ceil(LABEL / room)
    return ((number, version) for number, version in enumerate(versions) if number % step == 0)


def one_torch(context: Context, panel: Panel, looks: Looks) -> Pieces:
    """One panel, large: with the months of release and the letters of the failure classes."""
    rows = _newest_first(set(panel.lines))
    columns = _oldest_first(panel.pefts)
    wide, high = 52.0, 24.0
    x, y = _row_labels_width(), TOP + 70
    labels = _row_labels(context, rows, y, high)
    labels.append(Label("peft", x - 10, y - 24, "soft small end"))
    labels.append(Label("transformers", x - 10, y - 8, "soft small end"))
    for number, peft in enumerate(columns):
        middle = x + (number + 0.5) * wide
        labels.append(Label(peft, middle, y - 24, "middle"))
        labels.append(Label(_month(context, "peft", peft), middle, y - 9, "soft small middle"))
    boxes = _boxes(panel, rows, columns, (x, y), (wide, high), looks, large=True)
    tally = tally_of(panel.entries)
    title = f"{_panel_title(context, panel)}: {ENGLISH.headline(tally)}"
    classes = _classes(context, panel)
    needed = [text_width(title, 16) + 2 * EDGE, *(text_width(said) + 2 * EDGE + 26 for _, said in classes)]
    width = max(x + len(columns) * wide + EDGE, min(max(needed), MOST))
    keys, key_boxes, height = _legend(ENGLISH, tally, width, y + len(rows) * high + 26)
    for letter, said in classes:
        keys.append(Label(letter, LEFT + 10, height, "sub middle"))
        keys.append(Label(fitted(said, width - 2 * EDGE - 26), LEFT + 28, height))
        height += 19
    picture = Map(title, _description(context), width, height, (*labels, *keys), chain(boxes, key_boxes))
    return drawn("heat.svg.j2", picture=picture, squares=squares)


def _classes(context: Context, panel: Panel) -> list[tuple[str, str]]:
    """Letter and title, with the number of its cells here, of every failure class in the panel."""
    here = Counter(entry.failure for entry in panel.entries if entry.measured)
    return [(each.letter, f"{each.title} ({here[each.key]})") for each in context.classes if here[each.key]]


def _boxes(
    panel: Panel,
    rows: list[str],
    columns: list[str],
    corner: tuple[float, float],
    size: tuple[float, float],
    looks: Looks,
    *,
    large: bool,
) -> Iterator[Box]:
    wide, high = size[0] - 2, size[1] - 2
    places = [(peft, corner[0] + across * size[0] + 1) for across, peft in enumerate(columns)]
    for down, transformers in enumerate(rows):
        y, line = corner[1] + down * size[1] + 1, panel.lines.get(transformers, {})
        for peft, x in places:
            if (entry := line.get(peft)) is None:
                continue
            outcome, cut, faint, letter, said = looks(entry)
            if large:
                title = f"transformers {transformers}, peft {peft}: {said}"
                yield Box(x, y, wide, high, outcome, cut, letter, title, faint)
            else:
                yield Box(x, y, wide, high, outcome, cut, faint=faint)


def _legend(words: Words, tally: Tally, width: float, y: float) -> tuple[list[Label], list[Box], float]:
    """The marks that occur, in lines that fit; and the height at which they end."""
    items: list[tuple[str, str, float]] = []
    for outcome in Outcome:
        if count := tally.measured[outcome]:
            items.append((str(outcome), f"{words.outcomes[outcome]} ({count})", 0))
    if count := tally.caveats:
        items.append((str(Outcome.PASS), f"{words.caveat} ({count})", CORNER))
    if count := sum(tally.workarounds.values()):
        items.append((str(next(iter(tally.workarounds))), f"{words.workaround} ({count})", CORNER))
    if inferred := sum(tally.inferred.values()):
        items.append((str(next(iter(tally.inferred))), f"{words.inferred} ({inferred})", 0))
    labels, boxes, x = [], [], LEFT
    for number, (outcome_name, said, corner) in enumerate(items):
        room = 30 + text_width(said)
        if x > LEFT and x + room > width - EDGE:
            x, y = LEFT, y + 25
        faint = bool(inferred) and number == len(items) - 1
        boxes.append(Box(x, y - 13, 22, 18, outcome_name, corner, faint=faint))
        labels.append(Label(said, x + 28, y))
        x += room + 12
    return labels, boxes, y + 28


def _row_labels_width() -> float:
    return LEFT + 120


def _row_labels(context: Context, rows: list[str], y: float, high: float) -> list[Label]:
    found = []
    for number, version in _some(rows, high):
        middle = y + (number + 0.5) * high + 4
        found.append(Label(version, LEFT + 52, middle, "end"))
        found.append(
            Label(_month(context, "transformers", version), _row_labels_width() - 10, middle, "soft small end")
        )
    return found


def _panel_title(context: Context, panel: Panel) -> str:
    return f"torch {panel.torch}" + (f", Python {panel.python}" if len(context.pythons) > 1 else "")


def _description(context: Context) -> str:
    return " ".join(context.headline())


def _month(context: Context, package: str, version: str) -> str:
    date = context.expansion.released.get(f"{package} {version}")
    return f"{date:%Y-%m}" if date else ""


def _oldest_first(versions: set[str]) -> list[str]:
    return sorted(versions, key=Version)


def _newest_first(versions: set[str]) -> list[str]:
    return sorted(versions, key=Version, reverse=True)
