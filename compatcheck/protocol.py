"""What a probe writes, as it is heard: streams of which the ends are kept, and protocol lines that are not believed."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .domain import PROBE_STAGES, Check, ModeRecord, Stage, StageRecord, Status
from .errors import InputError
from .parse import structured

Heard = Callable[[str, Mapping[str, Any]], None]
"""Told of every event of the probe as it happens: its name and its fields."""


def silent(event: str, fields: Mapping[str, Any]) -> None:
    """Hears nothing."""


@dataclass
class Tail:
    """The head and the tail of a stream, whatever its length."""

    head: bytes = b""
    tail: bytes = b""
    dropped: int = 0
    head_cap: int = 16 * 1024
    tail_cap: int = 64 * 1024

    def add(self, block: bytes) -> None:
        room = self.head_cap - len(self.head)
        if room > 0:
            self.head, block = self.head + block[:room], block[room:]
        self.tail += block
        if len(self.tail) > self.tail_cap:
            self.dropped += len(self.tail) - self.tail_cap
            self.tail = self.tail[-self.tail_cap :]

    def text(self) -> str:
        gap = f"\n[... {self.dropped} bytes cut ...]\n".encode() if self.dropped else b""
        return (self.head + gap + self.tail).decode("utf-8", "replace")


def _decoded(line: bytes) -> Any:
    """A line of JSON as data that every file can carry: no half of a surrogate pair, no NaN, no infinity."""
    data = json.loads(line, parse_constant=lambda _: None, parse_float=_finite)
    if not any(each in line for each in (b"\\u", b"\xed", b"\0")):
        return data  # nothing in it can be half of a pair
    return json.loads(json.dumps(data, ensure_ascii=False).encode("utf-8", "replace"))


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


@dataclass
class Protocol:
    """What the probe has told so far. Lines that make no sense are counted, never believed."""

    heard: Heard
    scrub: Callable[[Any], Any]
    stages: list[StageRecord] = field(default_factory=list)
    modes: list[ModeRecord] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    imported: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    under_way: Stage | None = None
    since: float = 0.0
    done: bool = False
    broken: int = 0
    received: int = 0

    LINE_CAP = 4 * 2**20
    TOTAL_CAP = 32 * 2**20

    def take(self, line: bytes) -> None:
        try:
            fields = self.scrub(_decoded(line))
            event = fields.pop("event")
            self._believe(event, fields)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, InputError):
            self.broken += 1
            return
        self.heard(event, fields)

    def _believe(self, event: str, fields: dict[str, Any]) -> None:
        if event == "stage-began":
            stage = Stage(fields["stage"])
            expected = PROBE_STAGES[len(self.stages)]
            if self.under_way is not None or stage is not expected:
                raise ValueError("a stage out of turn")
            self.under_way, self.since = stage, time.monotonic()
        elif event == "stage-ended":
            record = structured(fields, StageRecord, "probe")
            if record.stage is not self.under_way:
                raise ValueError("a stage that is not under way")
            self.stages.append(record)
            self.under_way = None
        elif event == "mode":
            self.modes.append(structured(fields, ModeRecord, "probe"))
        elif event == "check":
            self.checks.append(structured(fields, Check, "probe"))
        elif event == "imported":
            self.imported.update(structured(fields["versions"], dict[str, str], "probe"))
        elif event == "facts":
            self.facts.update(structured(fields["facts"], dict[str, Any], "probe"))
        elif event == "done":
            if self.under_way is not None:
                raise ValueError("done in the middle of a stage")
            if len(self.stages) < len(PROBE_STAGES) and all(each.status is Status.OK for each in self.stages):
                raise ValueError("done before the last stage, and none has failed")
            self.done = True
        elif event != "began":
            raise ValueError("an unknown event")
