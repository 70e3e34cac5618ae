"""What a signature of a known failure is: what it is recognised by, and what it tells of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from . import domain
from .domain import EndingKind, Stage, Word
from .needles import needles_of
from .python_library import Standing

CAPTURED = re.compile(r"\(\?P=(\w+)\)")
"""In a signature's `code`: what a group of its message found."""


def _unusable(pattern: str) -> str:
    """Why `pattern` is not a regular expression; empty where it is one."""
    try:
        re.compile(pattern)
    except re.error as error:
        return f"not a regular expression: {error}"
    return ""


def address(reference: str) -> str:
    """A reference as an address that leads there; an address as it is.

    `huggingface/peft#2379` is a thread (GitHub sends issues/N on where N is a pull request);
    `huggingface/transformers@v4.48.3:src/transformers/cache_utils.py` a file at a tag.
    """
    if "://" in reference:
        return reference
    if found := re.fullmatch(r"([\w.-]+/[\w.-]+)#(\d+)", reference):
        return f"https://github.com/{found[1]}/issues/{found[2]}"
    if found := re.fullmatch(r"([\w.-]+/[\w.-]+)@([^:]+):(.+)", reference):
        return f"https://github.com/{found[1]}/blob/{found[2]}/{found[3]}"
    return reference


class Basis(Word):
    """What a statement about affected versions rests on."""

    MEASURED = "measured"
    """Runs of this project."""
    SOURCE = "source"
    """The package's source at a release's tag."""
    REPORTED = "reported"
    """A public report; not checked here."""


@dataclass(frozen=True)
class Roles:
    """Who did what: the release that brought the failure is often not where the fix belongs."""

    trigger: str = ""
    owner: str = ""
    fixed_in: str = ""


@dataclass(frozen=True)
class Affected:
    """Versions between which the failure is known."""

    basis: Basis
    versions: Mapping[str, str]
    """Package to specifier."""

    def __post_init__(self) -> None:
        for package, specifier in self.versions.items():
            try:
                SpecifierSet(specifier)
            except InvalidSpecifier:
                raise ValueError(f"versions.{package}: {specifier!r} is not a specifier such as '>=5'") from None


_MODULE = "torch/nn/modules/module.py"
_HANDS_ON = frozenset({"_call_impl", "_wrapped_call_impl", "_slow_forward", "__call__"})
"""Where torch calls a module's forward: what forward refuses of its arguments is raised there."""


@dataclass(frozen=True)
class Frame:
    """A place in a traceback."""

    file: str
    """The end of the path, `peft/peft_model.py`; or a folder somewhere in it, `peft/`."""
    function: str = ""
    last: bool = False
    """It must be the innermost one: the place that raised, or that called a module's forward with what it refused."""

    def fits(self, frames: Sequence[domain.Frame]) -> bool:
        """Whether the place stands among `frames`."""
        among = frames[-1:] if self.last else frames
        return any(self._is(frame) for frame in among) or (self.last and self._calls(frames))

    def _calls(self, frames: Sequence[domain.Frame]) -> bool:
        """Whether the innermost frames only hand a call on to a module's forward, and this is the one before them."""
        caller = len(frames)
        while caller and frames[caller - 1].function in _HANDS_ON and frames[caller - 1].file.endswith(_MODULE):
            caller -= 1
        return 0 < caller < len(frames) and self._is(frames[caller - 1])

    def _is(self, frame: domain.Frame) -> bool:
        # Markdown prints __init__ in bold: init
        path = f"/{frame.file}"
        there = f"/{self.file}" in path if self.file.endswith("/") else path.endswith(f"/{self.file}")
        return there and self.function in ("", frame.function, f"__{frame.function}__")


@dataclass(frozen=True)
class Line:
    """A line of a log that tells of a failure without an exception: what the system, pip or a CI service writes."""

    has: str
    """A part of it, word for word: with this it is found in a large log."""
    fits: str
    """A regular expression, searched for in it."""

    def __post_init__(self) -> None:
        if len(self.has) < 4:
            raise ValueError(f"has: {self.has!r} is too short to look for in a large log")

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(self.fits)


@dataclass(frozen=True)
class Signature:
    """A known failure: how to recognise it, the cause, who is to blame, the remedy, the evidence."""

    id: str
    title: str
    """In a few words, for a heading."""
    cause: str
    remedy: str
    stages: tuple[Stage, ...] = ()
    """Where it shows; empty: anywhere."""
    exception: str = ""
    """The exception's class name, a regular expression; empty: any."""
    message: str = ""
    """A regular expression, searched for in the message. Its named groups are the captures. A backtick in it may be \
missing in the message: Markdown takes it for its own."""
    frames: tuple[Frame, ...] = ()
    """All of them must stand in the traceback: the same text from elsewhere is another failure."""
    frames_any: tuple[Frame, ...] = ()
    """At least one of them must."""
    not_frames: tuple[Frame, ...] = ()
    """None of them may; so a traceback whose beginning is cut off never fits."""
    about: str = ""
    """For a text that any program may write: a regular expression that a message, the line of code that raised, a \
file's path or a function in the chain of tracebacks must hold, `huggingface|transformers/`."""
    code: str = ""
    """For a message that says too little: a regular expression, searched for in the line of code that raised, or in \
an empty text where the traceback does not show it. `(?P=name)` is what the message's group `name` found."""
    lines: tuple[Line, ...] = ()
    """For what ends without an exception: any of these lines."""
    checks: tuple[str, ...] = ()
    """For wrong results: exactly these checks on the default path do not hold."""
    facts: Mapping[str, bool] = field(default_factory=dict)
    """For wrong results: what the probe must have found besides, `base_generates_rightly = true`."""
    imported: Mapping[str, str] = field(default_factory=dict)
    """For wrong results: package to specifier of the versions that the probe really imported."""
    raised_by: tuple[str, ...] = ()
    """One of these packages' own source must raise the message, as `data/sources.json` has it; `message` is then \
searched for in the source's wording, which a log may have cut off."""
    raised_in: str = ""
    """With `raised_by`: a regular expression for the beginning of the path of the file that raises it. Then it counts \
after the other last resorts."""
    known_class: str = ""
    """The capture that must be the name of a class of the stack's packages, as `data/sources.json` has them."""
    known_name: str = ""
    """The capture that must be the name of a class of the stack's packages, or one that some releases of one of them \
have and others do not, as `data/sources.json` has them."""
    unheard: str = ""
    """The capture that must be a word which no release of the package that the group `package` captures has in its \
source, as `data/lexicon.json` has them; or, with a group `class`, none of the package that has this class and of all \
the others."""
    library: Standing | None = None
    """In the place of `message`, or beside it: how the name that the message misses stands in the library of Python's \
releases, as `data/python_library.json` has them."""
    known_keyword: bool = False
    """The captures `function` and `keyword` must be a function of the stack's packages and a keyword that some of \
their releases take and others do not, as `data/sources.json` has them."""
    packed: bool = False
    """For the shapes of two weights: of all places of a message where the pattern fits, one counts whose captures \
`column`, `rows` and `columns` are numbers of which bitsandbytes makes the first as it packs a weight of the others."""
    outside_scripts: bool = False
    """For what Python says of any program: it does not count where the traceback stops in a script's own code, \
which is the script's slip; it does where no traceback stands beside it, or where the traceback stops in a package."""
    about_itself: bool = False
    """With `about`: where the traceback stops in a script's own code, the files and functions that called do not \
count for it, only the message, the exception's module and the line that raised."""
    bare: bool = False
    """With `about`: an exception of which no frame is known, a title's or a logger's line, counts without it."""
    within: tuple[str, ...] = ()
    """For what is told by its place alone: one of these packages' code must have raised it, or have handed on to \
torch, NumPy or Python's library what was refused there. Counts after everything else."""
    common: bool = False
    """Any program may meet it: in a log it counts only where the text speaks of models and their libraries."""
    fallback: bool = False
    """Counts only for what no other signature fits: what is known of it is whose it is, and no more."""
    ending: EndingKind | None = None
    signal: str = ""
    output: str = ""
    """For a process that died: a regular expression, searched for in the end of its output."""
    wrapper: bool = False
    """This exception only hides the real one, which is the one before it in the chain. Its capture `inner`, where the \
    pattern has one, is the real one's text."""
    weak: bool = False
    """Counts only where nothing else in a log does: what may also stand in the log of a run that goes on."""
    transient: bool = False
    """The machine's, the network's or the moment's fault: no version is to blame."""
    roles: Roles = field(default_factory=Roles)
    affected: tuple[Affected, ...] = ()
    references: tuple[str, ...] = ()
    """Public threads and pull requests, `huggingface/peft#2379`, or addresses."""
    pins: tuple[str, ...] = ()
    """Requirements that avoid it, `peft>=0.18.0`."""
    command: str = ""
    """What to type."""
    examples: tuple[str, ...] = ()
    """Ends of real logs that must be recognised as this, and as nothing else."""
    beside: tuple[str, ...] = ()
    """Signatures further down that fit the examples too, in a wider way: the order decides, on purpose."""

    def __post_init__(self) -> None:
        problems = []
        for place, pin in enumerate(self.pins):
            try:
                Requirement(pin)
            except InvalidRequirement:
                problems.append(f"pins[{place}]: {pin!r} is not a requirement such as 'peft>=0.18'")
        for package, specifier in self.imported.items():
            try:
                SpecifierSet(specifier)
            except InvalidSpecifier:
                problems.append(f"imported.{package}: {specifier!r} is not a specifier such as '>=5'")
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.id):
            problems.append(f"id: {self.id!r} is not of the form some-words")
        told = self.exception or self.message or self.raised_by or self.lines or self.library
        if not (told or self.checks or self.ending or self.output):
            problems.append("nothing to recognise it by: exception, message, lines, checks, ending or output is needed")
        if self.raised_in and not self.raised_by:
            problems.append("raised_in: wants raised_by beside it")
        if self.known_class and f"(?P<{self.known_class}>" not in self.message:
            problems.append(f"known_class: the message has no group {self.known_class!r}")
        if self.known_name and f"(?P<{self.known_name}>" not in self.message:
            problems.append(f"known_name: the message has no group {self.known_name!r}")
        if self.unheard and f"(?P<{self.unheard}>" not in self.message:
            problems.append(f"unheard: the message has no group {self.unheard!r}")
        if self.unheard and not ("(?P<package>" in self.message or "(?P<class>" in self.message):
            problems.append("unheard: the message has neither a group 'package' nor one 'class'")
        problems += [
            f"code: the message has no group {name!r}"
            for name in CAPTURED.findall(self.code)
            if f"(?P<{name}>" not in self.message
        ]
        if self.packed and not all(f"(?P<{name}>" in self.message for name in ("column", "rows", "columns")):
            problems.append("packed: the message has no groups 'column', 'rows' and 'columns'")
        if self.known_keyword and not ("(?P<function>" in self.message and "(?P<keyword>" in self.message):
            problems.append("known_keyword: the message has no groups 'function' and 'keyword'")
        if problems:
            raise ValueError("; ".join(problems))

    def is_for(self, exception: str) -> bool:
        """Whether it is for exceptions of that class; for a line where there is no class."""
        if not exception:
            return bool(self.message or self.raised_by or self.library)
        told = self.exception or self.message or self.raised_by or self.library
        return bool(told and self.exception_pattern.fullmatch(exception))

    @property
    def broad(self) -> bool:
        """Whether it is a last resort: it counts only for what no closer one fits."""
        return self.fallback or bool(self.within)

    @cached_property
    def message_pattern(self) -> re.Pattern[str]:
        return re.compile(self.message_pattern_text)

    @property
    def message_pattern_text(self) -> str:
        return re.sub(r"`(?![?+*{])", "`?", self.message)

    @cached_property
    def message_needles(self) -> tuple[str, ...]:
        """One of them stands in every message that it may fit, in small letters; () where none must."""
        return () if self.library or self.raised_by else needles_of(self.message_pattern_text)

    @cached_property
    def about_pattern(self) -> re.Pattern[str]:
        return re.compile(self.about)

    @cached_property
    def exception_pattern(self) -> re.Pattern[str]:
        return re.compile(self.exception or ".*")

    @cached_property
    def file_pattern(self) -> re.Pattern[str]:
        return re.compile(self.raised_in)

    @cached_property
    def output_pattern(self) -> re.Pattern[str]:
        return re.compile(self.output)


def unusable_patterns(signature: Signature) -> list[str]:
    """Its patterns that are no regular expressions, field first.

    To try them takes longer than all else of reading a catalogue, and most questions need few of them. So a pattern is
    compiled when it is first searched with; of a folder that somebody brings they are tried as it is read, and the
    shipped ones by `compatcheck catalogue check`.
    """
    patterns = {name: getattr(signature, name) for name in ("exception", "message", "output", "about", "raised_in")}
    patterns["code"] = CAPTURED.sub("", signature.code)
    patterns |= {f"lines[{number}].fits": line.fits for number, line in enumerate(signature.lines)}
    return [f"{name}: {problem}" for name, pattern in patterns.items() if (problem := _unusable(pattern))]
