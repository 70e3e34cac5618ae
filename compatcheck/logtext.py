"""A log, of any size and from anywhere, into what it tells of failures: tracebacks with their chains, the resolver's
refusals, lines that say how a process ended, and versions of packages.

The text is read once, in blocks, and little of it is kept: what memory it takes does not grow with the log.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import BinaryIO

from .crash_reader import NEEDLES as CRASH_NEEDLES
from .crash_reader import CrashReader
from .domain import Raised
from .logcarrier import LearnedPrefix, lines_within
from .logline import cleaned, split_lines, unflattened
from .logversions import NEEDLES as VERSION_NEEDLES
from .logversions import Versions
from .loose_exception import THROWN
from .text_encoding import encoding_of
from .traceback_reader import CAUSED_BY, DURING, Exit, TracebackReader

BLOCK = 1 << 16
"""Characters looked through at a time."""
FOUND_CAP = 400
"""Findings kept: the first half of them and the last."""
SOURCES_CAP = 64
"""Processes of one log whose tracebacks are told apart."""
MESSAGE_CAP = 8000

RESOLVER = "ResolutionImpossible"
"""The exception name under which signatures recognise a resolver's refusal."""

_ALWAYS = (
    "Traceback", "File ", ".py", "Error", "Exception", "Interrupt", "E   ", "Expired", CAUSED_BY,
    "esolution", "o solution found", "is caused by", "Cannot install", "atisfies the requirement", "different Python",
    " depends on ", "No matching", "has invalid metadata", "ArrowInvalid", "ModeIsEnabled", "terminate called", DURING,
    "Logging error", "Call stack:", *CRASH_NEEDLES,
)  # fmt: skip
_PYTHON = (
    ".py",
    "ython",
    "Traceback",
    "site-packages",
    "pip ",
    "torch",
    "ransformers",
    "it/s]",
    "s/it]",
    "{'loss'",
    "CUDA",
    "uv ",
    "tokenizers-lib",
    "tokenizers/src/",
    "ProcessGroupNCCL",
)
_OTHER = (
    ".java:", ".cpp:", ".cc:", ".cxx:", ".hpp:", ".rs:", ".go:", ".js:", ".ts:", ".cs:", "java.lang.", "npm ERR!",
    "panicked at", "goroutine ", "g++ ", "clang++ ", "CMakeFiles", "cargo ", "(gdb)",
)  # fmt: skip
"""What stands in the logs of programs in other languages: there a line such as `Killed` is none of this stack's."""
_REFUSAL = re.compile(
    r"(?:ERROR: )?(?:Cannot install .{1,2000}because these package versions have conflicting dependencies"
    r"|error: No solution found when resolving|[×x] No solution found when resolving|No solution found when resolving"
    r"|The conflict is caused by:$"
    r"|Could not find a version that satisfies the requirement|No matching distribution found for"
    r"|ERROR: Package .{1,200} requires a different Python|ResolutionImpossible(?::|$)"
    r"|WARNING: Ignoring version \S{1,60} of \S{1,60} since it has invalid metadata)"
)
_CELL = re.compile(r"ipykernel_|ipython-input|^<(?:stdin|input|cell|python-input|ipython-input)|^Cell In")
"""Where the code of a notebook's cell or of a prompt stands."""
_NOT_DEFINED = re.compile(r"name '\w{1,100}' is not defined(?:\. Did you mean: '\w{1,100}'\?)?")
_REFUSAL_END = re.compile(r"(?:ERROR: )?ResolutionImpossible|ERROR: No matching distribution found")
REFUSAL_LINES = 60
_DEPENDS = re.compile(
    r"[A-Za-z][\w.\[\],-]{0,60}(?: |==)\d[\w.+!-]{0,40} depends on "
    r"(?P<package>[A-Za-z][\w.-]{1,60}?) ?(?P<wanted>[<>=!~][^;]{1,60})"
)
"""A line of what pip lists as the reasons of a conflict."""


@dataclass(frozen=True)
class Finding:
    """One thing in a log that tells of a failure."""

    line: int
    """Where its deciding line stands, counted from 1."""
    chain: tuple[Raised, ...]
    """The root first. A line about a process's end is one Raised without a type."""
    whole: bool = False
    """Whether the traceback's beginning was there: only then can it be said what does not stand in it."""
    ignored: bool = False
    """Python itself said that it went on (`Exception ignored in`, `--- Logging error ---`)."""
    lines: tuple[int, ...] = ()
    """Where the exception of each link of the chain stands, where there are several."""
    follows: bool = False
    """Whether it was raised while an exception above it was handled that is no link of the chain."""

    def line_of(self, raised: Raised | None) -> int:
        """Where `raised`, a link of the chain, stands."""
        places = (place for place, each in zip(self.lines, self.chain, strict=False) if each is raised)
        return next(places, self.line)

    @property
    def is_traceback(self) -> bool:
        return any(raised.frames for raised in self.chain) or self.whole

    @property
    def is_name_of_cell(self) -> bool:
        """Whether a cell of a notebook, or a line at a prompt, misses a name: if an earlier one failed, that is why."""
        raised = self.chain[-1]
        cells = all(_CELL.search(frame.file) for frame in raised.frames) and (self.whole or bool(raised.frames))
        return raised.type == "NameError" and cells and bool(_NOT_DEFINED.fullmatch(raised.message.strip()))

    @property
    def is_line(self) -> bool:
        return not self.chain[-1].type

    @property
    def is_crash(self) -> bool:
        """Whether faulthandler wrote it."""
        return self.is_line and self.chain[0].message.startswith(CRASH_NEEDLES)

    @property
    def is_thrown(self) -> bool:
        """Whether C++ threw it and nobody caught it, so that the process was aborted."""
        return self.chain[-1].module.startswith(THROWN)


@dataclass(frozen=True)
class Log:
    """What a log tells."""

    findings: tuple[Finding, ...]
    """In the order of the log."""
    versions: dict[str, str]
    lines: int
    dropped: int = 0
    """Findings between the first and the last ones that were not kept."""
    foreign: bool = False
    """Whether it is the log of a program in another language: there is a sign of one, and none of Python."""
    tail: tuple[str, ...] = field(default=())
    """The last lines that hold text."""
    unfinished: Raised | None = None
    """The last traceback whose exception did not come; with its type and the wording of its message, as far as the code
    that raised has them."""


def read_text(text: str, needles: Sequence[str] = ()) -> Log:
    """What `text` tells. `needles`: lines that hold one of these are findings too."""
    return _read([text], needles)


def read_stream(stream: BinaryIO, needles: Sequence[str] = ()) -> Log:
    """What a binary stream tells, without holding it in memory. UTF-8, or UTF-16 (PowerShell's `>`)."""
    return _read(_decoded(stream), needles)


def _decoded(stream: BinaryIO) -> Iterator[str]:
    block = stream.read(BLOCK)
    decoder = codecs.getincrementaldecoder(encoding_of(block) or "utf-8-sig")(errors="replace")
    while block:
        yield decoder.decode(block)
        block = stream.read(BLOCK)
    yield decoder.decode(b"", final=True)


def _blocks(texts: Iterable[str]) -> Iterator[list[str]]:
    """Whole lines, a block at a time. A carriage return ends a line too: progress bars."""
    rest = ""
    for text in texts:
        for start in range(0, len(text), BLOCK):
            rest += text[start : start + BLOCK]
            if len(rest) < BLOCK and start + BLOCK < len(text):
                continue
            cut = max(rest.rfind("\n"), rest.rfind("\r")) + 1
            if cut == 0 and len(rest) > 16 * BLOCK:
                cut = len(rest)
            if cut:
                yield split_lines(rest[:cut])
                rest = rest[cut:]
    if rest:
        yield split_lines(rest)


def _read(texts: Iterable[str], needles: Sequence[str]) -> Log:
    reader = _LogReader(needles)
    for lines in _blocks(texts):
        reader.take(lines)
    return reader.log()


_DIGITS = str.maketrans("123456789", "0" * 9)


def _form(text: str) -> str:
    """A text with every number written in noughts: most lines of a long log are one and the same then, so that what
    stands in none of them is soon known."""
    return text.translate(_DIGITS)


@lru_cache(maxsize=4)
def _forms(needles: tuple[str, ...]) -> dict[str, str]:
    """What a log's lines are found by, each with its form."""
    return {needle: _form(needle) for needle in (*_ALWAYS, *VERSION_NEEDLES, *needles)}


@dataclass
class _Source:
    """One process of a log."""

    tracebacks: TracebackReader = field(default_factory=TracebackReader)
    crash: CrashReader = field(default_factory=CrashReader)


class _LogReader:
    def __init__(self, needles: Sequence[str]) -> None:
        self.python = False
        """Whether a sign of Python was seen."""
        self.other = False
        """Whether a sign of another language was seen before one of Python."""
        self.ends = frozenset(needles)
        self.active_ends: list[str] = []
        """Those that stand in the block that is being read."""
        self.needles = _forms(tuple(needles))
        self.versions = Versions()
        self.sources: dict[str, _Source] = {}
        self.first: list[Finding] = []
        self.last: list[Finding] = []
        self.dropped = 0
        self.number = 0
        self.refusal: list[str] = []
        self.refusal_line = 0
        self.depends = (0, "", "")
        """The last line that says what a release depends on: its number, the package, and the line."""
        self.tail: list[str] = []
        self.prefix = LearnedPrefix()
        self.inner_prefix = LearnedPrefix()
        """What is left in front where the process's mark and the like are taken off."""

    @property
    def busy(self) -> bool:
        if self.refusal or self.versions.waiting:
            return True
        for source in self.sources.values():  # noqa: SIM110 (asked for every line: any() costs twice as much)
            if source.tracebacks.busy or source.crash.inside:
                return True
        return False

    def take(self, lines: list[str]) -> None:
        whole = "\n".join(lines)
        forms = "\n".join(set(_form(whole).split("\n")))
        self.python = self.python or any(mark in forms for mark in _PYTHON)
        self.other = self.other or (not self.python and any(mark in forms for mark in _OTHER))
        active = tuple(needle for needle, form in self.needles.items() if form in forms and needle in whole)
        if not active and not self.busy:
            self.number += len(lines)
            self._remember(lines)
            return
        busy = self.busy
        self.active_ends = [needle for needle in active if needle in self.ends]
        for line in lines:
            self.number += 1
            if busy or any(needle in line for needle in active):
                self._line(line)
                busy = self.busy
        self._remember(lines)

    def _remember(self, lines: list[str]) -> None:
        self.tail = [line[:300] for line in (*self.tail, *lines[-10:]) if line.strip()][-10:]

    def _line(self, raw: str) -> None:
        for part in lines_within(raw):
            self._part(self.prefix.off(part))

    def _part(self, raw: str) -> None:
        line = cleaned(raw)
        lines = self.inner_prefix.off(line.text).split("\n")
        if '", line ' in line.text:
            lines = [each for text in lines for each in unflattened(text)]
        for text in lines:
            self.versions.read(text)
            source = self.sources.get(line.tag)
            if source is None:
                if len(self.sources) >= SOURCES_CAP:
                    continue
                source = self.sources[line.tag] = _Source()
            if self._crashing(source, text.strip()):
                continue
            for exit_ in source.tracebacks.read(text, self.number, dressed=line.dressed):
                self._exit(exit_)
            self._refusal(text)
            if self.active_ends and not source.tracebacks.inside and any(each in text for each in self.active_ends):
                self._keep(Finding(self.number, (Raised("", "", text.strip()[:MESSAGE_CAP]),)))

    def _crashing(self, source: _Source, bare: str) -> bool:
        """Whether the line is part of what faulthandler writes; then it is no traceback's."""
        if source.crash.inside:
            if source.crash.takes(bare):
                return True
            self._crashed(source)
        if not source.crash.begins(bare, self.number):
            return False
        for exit_ in source.tracebacks.end():
            self._exit(exit_)
        return True

    def _crashed(self, source: _Source) -> None:
        if source.crash.inside:
            self._keep(Finding(source.crash.line, (source.crash.end(),)))

    def _exit(self, exit_: Exit) -> None:
        self._keep(Finding(exit_.lines[-1], exit_.chain, exit_.whole, exit_.ignored, exit_.lines, exit_.follows))

    def _refusal(self, text: str) -> None:
        """pip tells over several lines, uv over one paragraph, what cannot be had together."""
        if not self.refusal:
            if _REFUSAL.match(text.strip()):
                self.refusal, self.refusal_line = [text.strip()], self.number
            elif " depends on " in text:
                self._depends(text.strip())
            return
        ended = _REFUSAL_END.match(text.strip())
        if len(self.refusal) >= REFUSAL_LINES or text.startswith(("Traceback", "##[")):
            self._end_refusal()
            return
        self.refusal.append(text.strip())
        if ended:
            self._end_refusal()

    def _depends(self, bare: str) -> None:
        """Two lines of the reasons of a conflict, one below the other and of the same package, tell of it where the
        sentence above them is missing."""
        found = _DEPENDS.match(bare)
        above, self.depends = self.depends, (self.number, found["package"].lower(), bare) if found else (0, "", "")
        if self.refusal_line or not found or above[:2] != (self.number - 1, found["package"].lower()):
            return  # said by the sentence above it, or no such lines
        if found["wanted"] not in above[2]:
            message = f"{above[2]}\n{bare}"
            self._keep(Finding(self.number - 1, (Raised(RESOLVER, "", message),), whole=True))

    def _end_refusal(self) -> None:
        went_on = self.refusal[:1] and self.refusal[0].startswith("WARNING")
        if went_on and not any(line.startswith("ERROR: ") for line in self.refusal):
            self.refusal = []  # pip passed a release over, and took another
        if self.refusal:
            message = "\n".join(self.refusal)[:MESSAGE_CAP]
            self._keep(Finding(self.refusal_line, (Raised(RESOLVER, "", message),), whole=True))
            self.refusal = []

    def _keep(self, finding: Finding) -> None:
        half = FOUND_CAP // 2
        if len(self.first) < half:
            self.first.append(finding)
            return
        self.last.append(finding)
        if len(self.last) > half:
            del self.last[0]
            self.dropped += 1

    def log(self) -> Log:
        for source in self.sources.values():
            self._crashed(source)
            for exit_ in source.tracebacks.end():
                self._exit(exit_)
        self._end_refusal()
        findings = sorted((*self.first, *self.last), key=lambda finding: finding.line)
        foreign = self.other and not self.python
        cut = [source.tracebacks.unfinished for source in self.sources.values() if source.tracebacks.unfinished]
        last = cut[-1] if cut else None
        return Log(tuple(findings), self.versions.found, self.number, self.dropped, foreign, tuple(self.tail), last)
