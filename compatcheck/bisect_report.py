"""What `bisect` found, as a report that can be filed upstream as it is: Markdown. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import shorten

from .attribution import Blame, Kind


@dataclass(frozen=True)
class Contrast:
    """Two locks that differ in one package's release, the nearest on both sides of the border."""

    good: Mapping[str, str]
    bad: Mapping[str, str]


@dataclass(frozen=True)
class BisectReport:
    blame: Blame
    python: str
    platform: str
    command: str
    """How the script is run, `python minimal.py`."""
    script: str
    """The script itself; empty where the command is the user's own."""
    traceback: str
    contrast: Contrast | None
    confirmed: bool | None = None
    """Whether the script fails with the bad lock and runs with the good one, as the verdict says. None: not tried."""
    released: Mapping[str, str] = field(default_factory=dict)
    """`accelerate 1.0.0` to the day it was released."""
    remarks: Sequence[str] = ()

    @property
    def title(self) -> str:
        said = next((line for line in reversed(self.traceback.splitlines()) if line.strip()), "it fails").strip()
        if not self.blame.culprits:
            return f"No single culprit: {said}"
        named = self.blame.culprits[: None if self.blame.verdict is Kind.PAIR else 1]
        names = " with ".join(f"{each.package} {each.first_bad or ''}".strip() for each in named)
        return f"{names}: {shorten(said, 120, placeholder=' ...')}"


def markdown(report: BisectReport) -> str:
    parts = [f"# {report.title}", _summary(report)]
    if report.contrast is not None:
        parts.append(_reproduction(report))
    parts.append(f"## Traceback\n\n```\n{report.traceback.strip()}\n```")
    parts.append(_findings(report.blame))
    if report.contrast is not None:
        parts.append(_locks(report.contrast))
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _summary(report: BisectReport) -> str:
    lines = []
    for each in report.blame.culprits:
        if each.first_bad and each.last_good:
            lines.append(
                f"`{each.package}` {each.first_bad}{_day(report, each.package, each.first_bad)} is the first release "
                f"with which this fails; with {each.last_good}{_day(report, each.package, each.last_good)} it works"
                f"{_beside(report)}."
            )
        if each.fixed_in:
            lines.append(f"It works again from `{each.package}` {each.fixed_in} on.")
        elif each.still_bad and each.still_bad != each.first_bad:
            lines.append(f"It still fails with {each.still_bad}, the newest release that was tried.")
    if report.blame.verdict is Kind.PAIR:
        lines.append("These packages break it only together: moving any one of them alone mends it.")
    if not lines:
        lines.append(report.blame.words())
    lines.append(f"\nPython {report.python}, {report.platform}.")
    lines += [f"\n{remark}" for remark in report.remarks]
    return "\n".join(lines)


def _beside(report: BisectReport) -> str:
    """What else differs between the two locks at the border."""
    if report.contrast is None:
        return ""
    names = [name for name in moved(report.contrast) if name not in {each.package for each in report.blame.culprits}]
    if not names:
        return ", with all else the same"
    pins = ", ".join(f"{name} {report.contrast.good.get(name, 'absent')}" for name in names)
    return f" (with {pins}, as its metadata demand, and all else the same)"


def moved(contrast: Contrast) -> list[str]:
    """The packages that are not the same in both locks."""
    names = {*contrast.good, *contrast.bad}
    return sorted(name for name in names if contrast.good.get(name) != contrast.bad.get(name))


def _day(report: BisectReport, package: str, version: str) -> str:
    day = report.released.get(f"{package} {version}")
    return f" ({day})" if day else ""


def _reproduction(report: BisectReport) -> str:
    assert report.contrast is not None
    rows = "".join(
        f"| {name} | {report.contrast.good.get(name, 'absent')} | {report.contrast.bad.get(name, 'absent')} |\n"
        for name in moved(report.contrast)
    )
    text = (
        "## To reproduce\n\n```console\n"
        f"$ python{report.python} -m venv venv && venv/bin/python -m pip install --no-deps -r bad.txt\n"
        f"$ venv/bin/{report.command}\n```\n\n"
        "`bad.txt` stands at the end. What differs from a lock with which it works:\n\n"
        f"| | works | fails |\n|---|---|---|\n{rows}"
    )
    if report.script:
        text += f"\n```python\n{report.script.strip()}\n```\n"
        text += {
            True: "\nThis script was run with both: it fails as shown with the one and ends well with the other.",
            False: "\nThis script shortens the cycle in which the failure was seen; by itself it does not show it. "
            "What does is `compatcheck probe --python venv/bin/python`.",
            None: "",
        }[report.confirmed]
    return text


def _findings(blame: Blame) -> str:
    lines = [f"## How it was found\n\nBy {blame.runs} runs of complete locks. Each finding rests on two of them:\n"]
    for pair in blame.evidence:
        note = f" ({pair.note})" if pair.note else ""
        lines.append(f"- {pair.says}: lock `{pair.good}` works, `{pair.bad}` fails{note}")
    return "\n".join(lines) if blame.evidence else f"## What was found\n\n{blame.words()}"


def _locks(contrast: Contrast) -> str:
    parts = []
    for name, lock in (("bad.txt", contrast.bad), ("good.txt", contrast.good)):
        pins = "\n".join(f"{package}=={version}" for package, version in sorted(lock.items()))
        parts.append(f"<details><summary><code>{name}</code></summary>\n\n```\n{pins}\n```\n\n</details>")
    return "\n\n".join(parts)
