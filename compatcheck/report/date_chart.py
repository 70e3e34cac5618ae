"""Outcome over release date: on one axis of time, for every release of every package, what came of its cells."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime

from packaging.version import Version

from ..domain import CORE, Outcome
from .charts import Chart, Line
from .context import Context
from .drawing import Box, Label, spread_out, text_width
from .pieces import Pieces

LEFT, RIGHT, TOP = 122.0, 36.0, 64.0
WIDTH = 900.0
STRIP, NAMES, GAP = 84.0, 64.0, 18.0
"""Height of a package's bars, of the names above them, and what is between two packages."""
BAR = 9.0
NAME_GAP = 14.0
ORDER = (Outcome.PASS, Outcome.WRONG, Outcome.FAIL, Outcome.UNRESOLVABLE)
WORDS = {
    Outcome.PASS: "works",
    Outcome.WRONG: "runs, and the result is wrong",
    Outcome.FAIL: "fails",
    Outcome.UNRESOLVABLE: "cannot be installed",
}


def dates_known(context: Context) -> bool:
    """Whether a release has both a date and a finding, so that there is something to draw."""
    return any(_releases(context, package) for package in CORE)


def date_chart(context: Context) -> Pieces:
    strips = {package: found for package in CORE if (found := _releases(context, package))}
    dates = [moment for found in strips.values() for _, moment, _ in found]
    first, last = min(dates).date(), max(dates).date()
    first, last = date(first.year, first.month, 1), _next_month(last)
    days = (last - first).days
    left, right = LEFT + BAR, WIDTH - RIGHT

    def place(moment: date) -> float:
        return left + (moment - first).days / days * (right - left)

    labels: list[Label] = []
    lines: list[Line] = []
    bars: list[Box] = []
    y = TOP
    for package, found in strips.items():
        top = y + NAMES
        bottom = top + STRIP
        labels.append(Label(package, LEFT - 12, top + STRIP / 2 + 4, "sub end"))
        for share, words in ((0, "0 %"), (1, "100 %")):
            at = bottom - share * STRIP
            lines.append(Line(((LEFT, at), (right + 12, at)), "line"))
            labels.append(Label(words, LEFT - 12, at + (0 if share == 0 else 8), "soft small end"))
        places = [place(moment.date()) for _, moment, _ in found]
        shown = _readable(places, right - left)
        spread = spread_out([places[number] for number in shown], NAME_GAP, LEFT + 6, right + 10)
        for x, number in zip(spread, shown, strict=True):
            labels.append(Label(found[number][0], x + 4, top - 14, "small", turned=True))
            if abs(x - places[number]) > 1.5:
                lines.append(Line(((x, top - 11), (places[number], top - 2)), "lead"))
        for x, (version, moment, counts) in zip(_apart(places, right), found, strict=True):
            at, total = bottom, sum(counts.values())
            for outcome in ORDER:
                if counts[outcome]:
                    high = counts[outcome] / total * STRIP
                    at -= high
                    said = (
                        f"{package} {version} ({moment:%Y-%m-%d}): {counts[outcome]} of {total} cells: {WORDS[outcome]}"
                    )
                    bars.append(Box(x - BAR / 2, at, BAR, high, str(outcome), title=said))
        y = bottom + GAP
    for day in _months(first, last):
        for number in range(len(strips)):  # not through the names
            top = TOP + number * (NAMES + STRIP + GAP) + NAMES
            lines.insert(0, Line(((place(day), top), (place(day), top + STRIP + 4)), "line"))
        labels.append(Label(f"{day:%Y-%m}", place(day), y + 16, "soft small middle"))
    x = LEFT
    for outcome in ORDER:
        if any(counts[outcome] for found in strips.values() for _, _, counts in found):
            bars.append(Box(x, 48, 12, 12, str(outcome)))
            labels.append(Label(WORDS[outcome], x + 18, 58))
            x += 18 + text_width(WORDS[outcome]) + 14
    description = "Share of the cells of each release that work, over the day of the release. " + " ".join(
        f"{package}: " + ", ".join(f"{version} {counts[Outcome.PASS]} of {sum(counts.values())}"
                                   for version, _, counts in found) + "."
        for package, found in strips.items()
    )  # fmt: skip
    title = "What works, over the date of release"
    return Chart(title, description, WIDTH, y + 36, tuple(labels), tuple(lines), tuple(bars)).svg()


def _releases(context: Context, package: str) -> list[tuple[str, datetime, Counter[Outcome]]]:
    """Version, date and outcomes of the releases that have a date and a finding, by date."""
    seen: dict[str, Counter[Outcome]] = {}
    for entry in context.measured:
        if (outcome := entry.outcome) in ORDER:
            seen.setdefault(entry.cell.versions[package], Counter())[outcome] += 1
    found = [
        (version, moment, counts)
        for version, counts in seen.items()
        if (moment := context.expansion.released.get(f"{package} {version}")) is not None
    ]
    return sorted(found, key=lambda each: (each[1], Version(each[0])))


def _readable(places: list[float], room: float) -> list[int]:
    """Which names to write: all where they fit side by side, else those that keep clear of the one before."""
    if len(places) * NAME_GAP <= room:
        return list(range(len(places)))
    kept: list[int] = []
    for number in reversed(range(len(places))):  # the newest is always named
        if not kept or places[kept[-1]] - places[number] >= NAME_GAP:
            kept.append(number)
    return kept[::-1]


def _apart(places: list[float], right: float) -> list[float]:
    """Bars of releases of nearly one day stand side by side, as far as there is room."""
    return spread_out(places, BAR + 1, LEFT, right + BAR) if len(places) * (BAR + 1) < right - LEFT else places


def _months(first: date, last: date) -> list[date]:
    """The firsts of months to name between two days: few enough to be read."""
    months = (last.year - first.year) * 12 + last.month - first.month
    step = next(each for each in (1, 3, 6, 12, 24, 60) if months / each <= 12 or each == 60)
    found, day = [], first
    while day <= last:
        if (day.month - 1 + day.year * 12) % step == 0:
            found.append(day)
        day = _next_month(day)
    return found


def _next_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)
