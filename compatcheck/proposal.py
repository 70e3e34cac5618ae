"""Failures that nothing recognises, grouped, and for each group the draft of a signature to put into the catalogue.

The draft keeps what the members of the group have in common: the exception's class, its text with the numbers, paths
and addresses left open, and the place that raised. What a person has to find out is marked TODO.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from .domain import Diagnosis, Frame, Raised, Stage

OPEN = re.compile(
    r"(?P<address>0x[0-9a-fA-F]+)|(?P<path>(?:[A-Za-z]:)?(?:[\\/][^\s'\"():,]+){2,})"
    r"|(?P<number>(?<![A-Za-z_])\d+(?:\.\d+)*(?![A-Za-z_]))"
)
_OPENED = {"address": r"0x[0-9a-fA-F]+", "path": r"\S{1,300}", "number": r"\d+(?:\.\d+)*"}
MESSAGE_CAP = 200
"""Characters of a message's first line that a draft asks for."""


@dataclass(frozen=True)
class Unknown:
    """One failure that no signature fits."""

    source: str
    """Where it was seen: a log's name, or a cell."""
    diagnosis: Diagnosis
    stage: Stage | None = None
    versions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Group:
    """Unknown failures of one kind."""

    fingerprint: str
    members: tuple[Unknown, ...]

    @property
    def raised(self) -> Raised | None:
        return self.members[0].diagnosis.exception


def grouped(unknowns: Iterable[Unknown]) -> list[Group]:
    """The failures by fingerprint, the most frequent first."""
    groups: dict[str, list[Unknown]] = {}
    for each in unknowns:
        groups.setdefault(each.diagnosis.fingerprint, []).append(each)
    found = [Group(fingerprint, tuple(members)) for fingerprint, members in groups.items()]
    return sorted(found, key=lambda group: (-len(group.members), group.fingerprint))


def draft(group: Group) -> str:
    """A signature as TOML, ready to be pasted; empty where the group says nothing that one could be recognised by."""
    raised = group.raised
    if raised is None or not (raised.type or raised.message.strip()):
        return ""
    first = next((line.strip() for line in raised.message.splitlines() if line.strip()), "")
    stages = {each.stage for each in group.members}
    stage = next(iter(stages)) if len(stages) == 1 else None
    place = _place(raised)
    lines = [f"# {len(group.members)} seen: {', '.join(sorted({each.source for each in group.members})[:5])}"]
    lines += _versions_comment(group)
    lines += ["[[signature]]", f"id = {_quoted(_identifier(raised, first))}", 'title = "TODO: in a few words"']
    if stage is not None:
        lines.append(f"stages = [{_quoted(stage)}]")
    if raised.type:
        lines.append(f"exception = {_quoted(re.escape(raised.type))}")
    if first:
        lines.append(f"message = {_quoted(opened(first))}")
    if place is not None:
        lines.append(f"frames = [{{ file = {_quoted(place.file)}, function = {_quoted(place.function)} }}]")
    lines += ['cause = "TODO: what happens, and why"', 'remedy = "TODO: what to pin or change"', "references = []"]
    lines.append(f"examples = [{_quoted(_example(raised, place))}]")
    lines += ["[signature.roles]", 'trigger = "TODO: the release that brought it"', 'owner = "TODO: whose the fix is"']
    return "\n".join(lines) + "\n"


def opened(message: str) -> str:
    """The message as a pattern that leaves numbers, paths and addresses open."""
    parts, at = [], 0
    for found in OPEN.finditer(message[:MESSAGE_CAP]):
        parts += [_escaped(message[at : found.start()]), _OPENED[found.lastgroup or "number"]]
        at = found.end()
    return "".join([*parts, _escaped(message[at:MESSAGE_CAP])])


def _escaped(text: str) -> str:
    """Only what means something in a pattern: people will read it."""
    return re.sub(r"([\\.^$*+?{}\[\]|()])", r"\\\1", text)


def _place(raised: Raised) -> Frame | None:
    """The innermost frame that lies in an installed package: the user's own files differ from user to user."""
    return next(
        (
            frame
            for frame in reversed(raised.frames)
            if "/" in frame.file and not frame.file.startswith(("/", "~", ".", "<")) and ":" not in frame.file
        ),
        None,
    )


def _identifier(raised: Raised, first: str) -> str:
    words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", f"{raised.type} {OPEN.sub(' ', first)}").lower())
    kept = [word for word in words if len(word) > 2 and word not in ("error", "the", "and", "has", "for", "with")]
    return "-".join(kept[:5]) or "unnamed"


def _example(raised: Raised, place: Frame | None) -> str:
    """The smallest traceback that shows it."""
    text = f"{raised.type}: {raised.message}" if raised.type and raised.message else raised.type or raised.message
    if not raised.type:
        return text[:2000]
    frame = place or (raised.frames[-1] if raised.frames else None)
    where = f'  File "{frame.file}", line {frame.line}, in {frame.function}\n' if frame else ""
    return f"Traceback (most recent call last):\n{where}{text[:2000]}"


def _versions_comment(group: Group) -> list[str]:
    seen: dict[str, set[str]] = {}
    for each in group.members:
        for name, version in each.versions:
            seen.setdefault(name, set()).add(version)
    if not seen:
        return []
    return ["# with " + "; ".join(f"{name} {', '.join(sorted(found)[:6])}" for name, found in list(seen.items())[:6])]


def _quoted(text: str) -> str:
    """A TOML string: literal, and over several lines, where that reads better."""
    if "\n" in text and "'''" not in text and all(line.isprintable() or not line for line in text.split("\n")):
        return f"'''\n{text}'''"
    if "'" not in text and "\n" not in text and "\\" in text and text.isprintable():
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
