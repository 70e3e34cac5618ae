"""A comparison as people read it: plain lines for a terminal, short Markdown with the details folded."""

from __future__ import annotations

from collections.abc import Iterable

from ..domain import printable
from .diff import Change, Diff, Difference, counted, explained
from .markup import escaped

SHOWN = (
    Change.REGRESSED,
    Change.FIXED,
    Change.CHANGED,
    Change.SPURIOUS,
    Change.RENAMED,
    Change.NEWLY_TESTED,
    Change.NO_LONGER_TESTED,
)
CAP = 40
"""Cells, or lines about what else differs, that are listed one by one; `--format json` has all of them."""

MARKS = {
    Change.REGRESSED: "🔴",
    Change.FIXED: "🟢",
    Change.CHANGED: "🟠",
    Change.SPURIOUS: "🎲",
    Change.RENAMED: "🏷️",
    Change.NEWLY_TESTED: "🆕",
    Change.NO_LONGER_TESTED: "⬜",
}


def summary(diff: Diff) -> str:
    """`384 cells: 3 regressed, 1 fixed, 380 unchanged`."""
    said = ", ".join(f"{count} {change}" for change, count in diff.totals.items() if count)
    return f"{counted(len(diff.differences))}: {said or 'nothing to compare'}"


def diff_lines(diff: Diff) -> list[str]:
    """For a terminal."""
    lines = [summary(diff)]
    for change in SHOWN:
        for story, group in diff.groups(change):
            lines += ["", f"{change}: {printable(story)} ({counted(len(group))})"]
            lines += [f"  {_line(each)}" for each in group[:CAP]] + _left_out(len(group), "  ")
    if diff.surroundings:
        lines += ["", "what else differs"]
        lines += [f"  {printable(line)}" for line in diff.surroundings[:CAP]]
        lines += _left_out(len(diff.surroundings), "  ")
    return lines


def diff_markdown(diff: Diff) -> str:
    """For a pull request: the verdict and the totals at once, everything else folded."""
    counts = [(change, count) for change, count in diff.totals.items() if count]
    parts = [
        f"**compatcheck: {_verdict(diff)}**",
        "| " + " | ".join(f"{MARKS.get(change, '')} {change}".strip() for change, _ in counts) + " | cells |\n"
        "|" + "--:|" * (len(counts) + 1) + "\n"
        "| " + " | ".join(str(count) for _, count in counts) + f" | {len(diff.differences)} |",
    ]
    for change in SHOWN:
        if groups := diff.groups(change):
            parts.append(_folded(f"{MARKS[change]} {diff.totals[change]} {change}", _sections(groups)))
    if diff.surroundings:
        lines = [f"- {escaped(line)}" for line in diff.surroundings[:CAP]] + _left_out(len(diff.surroundings), "- ")
        parts.append(_folded("What else differs between the two", "\n".join(lines)))
    parts.append(f"{escaped(diff.old.matrix)} of {_day(diff.old.generated)} → {_day(diff.new.generated)}")
    return "\n\n".join(parts) + "\n"


def _verdict(diff: Diff) -> str:
    regressed, fixed = diff.totals[Change.REGRESSED], diff.totals[Change.FIXED]
    if regressed:
        return f"{counted(regressed)} regressed" + (f", {fixed} fixed" if fixed else "")
    if fixed:
        return f"nothing regressed, {fixed} fixed"
    quiet = diff.totals[Change.UNCHANGED] + diff.totals[Change.NEVER_TESTED]
    return "nothing changed" if quiet == len(diff.differences) else "nothing regressed"


def _sections(groups: Iterable[tuple[str, tuple[Difference, ...]]]) -> str:
    said = []
    for story, group in groups:
        lines = [f"{escaped(story)} ({counted(len(group))})", ""]
        lines += [f"- {escaped(_line(each))}" for each in group[:CAP]] + _left_out(len(group), "- ")
        said.append("\n".join(lines))
    return "\n\n".join(said)


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


def _line(each: Difference) -> str:
    why = explained(each)
    return printable(each.cell.id + (f": {why}" if why else ""))


def _left_out(length: int, head: str) -> list[str]:
    return [f"{head}and {length - CAP} more; --format json lists all"] if length > CAP else []


def _day(moment: str) -> str:
    return escaped(moment[:10])
