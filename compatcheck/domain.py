"""The vocabulary: one word for one thing. Frozen dataclasses and enums, no input or output.

Every enum carries the string that is stored and shown. What is derived (a cell's identifier, a lock's digest, an
observation's outcome) is a property and never stored.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import Enum
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import starmap
from typing import Any, NewType

CORE = ("torch", "transformers", "peft")
"""The three packages that every cell names."""

Digest = NewType("Digest", str)
"""The first 16 hexadecimal digits of a SHA-256 over a canonical text."""


def digest_of(text: str) -> Digest:
    """The digest that names `text` everywhere: in the store, in file names, in reports."""
    return Digest(hashlib.sha256(text.encode()).hexdigest()[:16])


class Word(str, Enum):
    """A str enum whose members print as their value (enum.StrEnum, which Python 3.10 lacks)."""

    __str__ = str.__str__


class Outcome(Word):
    """What came of a cell."""

    PASS = "pass"
    """Every stage ran and every check on the default path holds."""
    FAIL = "fail"
    """A stage raised, died, or ran into a limit."""
    WRONG = "wrong"
    """Every stage ran, and the result is not right."""
    UNRESOLVABLE = "unresolvable"
    """The declared ranges of the packages conflict: there is nothing to install."""
    ERROR = "error"
    """compatcheck's own fault or the machine's; never counted against a package."""
    UNTESTED = "untested"
    """Not run, and nothing to infer it from."""


class Basis(Word):
    MEASURED = "measured"
    INFERRED = "inferred"


class Policy(Word):
    """How the packages that are not axes are chosen."""

    TODAY = "today"
    """The newest that resolve: what a user gets from pip today."""
    CONTEMPORARY = "contemporary"
    """Nothing newer than the cell's newest axis release plus a few days."""


class Isolation(Word):
    """What a cell's process starts from."""

    PROCESS = "process"
    """Nothing: it is a new one."""
    FORK = "fork"
    """A process that has imported the layers below, from the same files."""


class Stage(Word):
    RESOLVE = "resolve"
    INSTALL = "install"
    IMPORT = "import"
    LOAD = "load"
    TOKENIZE = "tokenize"
    TRAIN = "train"
    SAVE = "save"
    RELOAD = "reload"
    GENERATE = "generate"
    VERIFY = "verify"


PROBE_STAGES = tuple(stage for stage in Stage if stage not in (Stage.RESOLVE, Stage.INSTALL))


class Mode(Word):
    """A way to generate. The default path of `generate` is the cached one; it alone decides the outcome."""

    CACHED = "cached"
    UNCACHED = "uncached"


class Status(Word):
    """How a stage, or a mode within the generate stage, went."""

    OK = "ok"
    FAILED = "failed"
    """It raised."""
    DIED = "died"
    """The process ended, or was ended, while it was under way."""


class EndingKind(Word):
    """How the probe's process ended."""

    COMPLETED = "completed"
    EXITED = "exited"
    """It exited before it said that it was done."""
    SIGNALLED = "signalled"
    TIMED_OUT = "timed-out"
    OUT_OF_MEMORY = "out-of-memory"
    """It, or its children, took more memory than the limit, or the kernel ended it for want of memory."""
    FLOODED = "flooded"
    """It wrote more protocol than any honest probe does."""


class Init(Word):
    """How the virtual tokens start (peft's PromptTuningInit)."""

    RANDOM = "random"
    TEXT = "text"


class Dtype(Word):
    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


class Method(Word):
    """What is trained (peft's configuration classes)."""

    PROMPT_TUNING = "prompt-tuning"
    PREFIX_TUNING = "prefix-tuning"
    P_TUNING = "p-tuning"
    LORA = "lora"
    IA3 = "ia3"


class Architecture(Word):
    """What model it is trained for, by transformers' model types: `tiny-<architecture>` is a tiny random one."""

    BLOOM = "bloom"
    LLAMA = "llama"
    GPT2 = "gpt2"
    OPT = "opt"
    QWEN2 = "qwen2"
    MISTRAL = "mistral"


def python_id(python: str) -> str:
    """How the identifier of a cell begins."""
    return f"py{python.replace('.', '')}"


def pin_id(package: str, version: str) -> str:
    """How a release stands in the identifier of a cell."""
    return f"{package}{version}"


@dataclass(frozen=True)
class Cell:
    """One point of a matrix: a Python and one version per axis package."""

    python: str
    """Major and minor version, `3.11`."""
    versions: Mapping[str, str]
    """Package name to exact version, torch, transformers and peft first."""

    @cached_property
    def id(self) -> str:
        """For people and globs; never parsed back."""
        return "-".join((python_id(self.python), *starmap(pin_id, self.versions.items())))

    def matches(self, pattern: str) -> bool:
        """Whether the glob `pattern` names this cell: against the whole identifier, or any part of it."""
        return fnmatchcase(self.id, pattern) or fnmatchcase(self.id, f"*{pattern}*")

    @property
    def requirements(self) -> tuple[str, ...]:
        return tuple(f"{package}=={version}" for package, version in self.versions.items())

    def __hash__(self) -> int:
        return hash(self.id)


@dataclass(frozen=True, slots=True)
class Distribution:
    """One wheel of a lock. Several hashes where several wheels of the release fit the platform."""

    name: str
    version: str
    hashes: tuple[str, ...]
    """SHA-256, hexadecimal, sorted."""
    size: int = 0
    """Bytes to download; 0 where the index does not say."""
    uploaded: datetime | None = None


@dataclass(frozen=True)
class Lock:
    """A cell fully resolved, for one Python and one platform. Its digest is its identity."""

    python: str
    platform: str
    distributions: tuple[Distribution, ...]
    """Sorted by name."""

    def pins(self) -> Iterator[str]:
        """The requirements file, one distribution at a time."""
        for item in self.distributions:
            hashes = "".join(f" \\\n    --hash=sha256:{each}" for each in item.hashes)
            yield f"{item.name}=={item.version}{hashes}\n"

    @cached_property
    def requirements(self) -> str:
        """A requirements file with hashes, which pip and uv consume as it is."""
        return "".join(self.pins())

    @cached_property
    def digest(self) -> Digest:
        return digest_of("".join((f"python {self.python}\nplatform {self.platform}\n", *self.pins())))

    @cached_property
    def versions(self) -> dict[str, str]:
        return {item.name: item.version for item in self.distributions}


@dataclass(frozen=True)
class Scenario:
    """What the cycle does. Two observations are comparable where their scenarios have one digest."""

    model: str = "tiny-bloom"
    """`tiny-bloom` (shipped), `tiny-llama` and the like or `bloomz-560m:random` (the exact shape), which are made here,
    a hub identifier, or a local path."""
    data: str = "role-prompts"
    """`role-prompts` or `quotations` (shipped), `awesome-chatgpt-prompts` or `english_quotes` (of the hub), a path to a
    file (text, .jsonl, .csv, .tsv, .parquet), or `hub:owner/name/file`."""
    virtual_tokens: int = 8
    init: Init = Init.RANDOM
    init_text: str = "Act as the person described and answer briefly."
    """What the virtual tokens start from where `init` is `text`."""
    learning_rate: float = 0.1
    epochs: int = 3
    batch_size: int = 4
    auto_find_batch_size: bool = False
    texts: int = 16
    """How many texts of the data are used."""
    max_length: int = 48
    """Tokens a text is cut to."""
    new_tokens: int = 12
    """Tokens that generate adds."""
    prompts: tuple[str, ...] = (
        "I want",
        "I want you to act as a patient teacher who explains how a small engine works. My first question is",
    )
    """What generate starts from. One shorter and one longer than the virtual tokens: releases differ in that."""
    dtype: Dtype = Dtype.FP32
    use_cpu: bool = True
    seed: int = 20
    threads: int = 1
    """Threads torch may use; part of the scenario because it changes rounding."""
    method: Method = Method.PROMPT_TUNING
    column: str = ""
    """Which column or key of the data holds the texts; empty: the usual one, or the only one."""
    trust_remote_code: bool = False
    """Whether code that a model brings along is run. Without it such a model is refused."""

    def __post_init__(self) -> None:
        problems = [
            f"{name}: must be at least {least}, got {getattr(self, name)}"
            for name, least in _SCENARIO_LEAST.items()
            if getattr(self, name) < least
        ]
        if not 0 < self.learning_rate < 100:
            problems.append(f"learning_rate: must lie between 0 and 100, got {self.learning_rate}")
        if not 0 <= self.seed < 2**32:
            problems.append(f"seed: must lie between 0 and {2**32 - 1}, got {self.seed}")
        if not self.prompts or not all(self.prompts):
            problems.append("prompts: at least one, and none empty")
        if problems:
            raise ValueError("; ".join(problems))

    @cached_property
    def digest(self) -> Digest:
        return digest_of(canonical(without_later(asdict(self))))


_LATER = {"method": Method.PROMPT_TUNING, "column": "", "trust_remote_code": False}
"""Fields that came later, with what was done before there was a choice: so a scenario's digest stays what it was."""


def without_later(scenario: Mapping[str, Any], kept: Iterable[str] = ()) -> dict[str, Any]:
    """A scenario as plain data, without the fields that came later where they say what was done before."""
    names = _LATER.keys() - set(kept)
    return {name: value for name, value in scenario.items() if name not in names or value != _LATER[name]}


_SCENARIO_LEAST = {
    "virtual_tokens": 1,
    "epochs": 1,
    "batch_size": 1,
    "texts": 2,
    "max_length": 4,
    "new_tokens": 2,
    "threads": 1,
}


@dataclass(frozen=True)
class Limits:
    """What a probe may take before it is ended."""

    stage_seconds: float = 120.0
    """For any one stage."""
    memory_mib: int = 6144
    """Resident memory of the probe and its children."""

    def __post_init__(self) -> None:
        if self.stage_seconds <= 0 or self.memory_mib <= 0:
            raise ValueError("stage_seconds and memory_mib must be positive")


@dataclass(frozen=True, slots=True)
class Frame:
    """A line of a traceback. `file` is relative to site-packages or to the standard library where it lies there."""

    file: str
    line: int
    function: str


@dataclass(frozen=True, slots=True)
class Raised:
    """One exception of a chain."""

    type: str
    """The class's name, without its module."""
    module: str
    message: str
    frames: tuple[Frame, ...] = ()
    """Outermost first."""


@dataclass(frozen=True, slots=True)
class StageRecord:
    stage: Stage
    status: Status
    seconds: float
    peak_rss_mib: float | None = None
    """Highest resident memory of the probe's process within the stage; None where the process died in it."""
    chain: tuple[Raised, ...] = ()
    """What was raised, the root cause first and the exception that came out last."""


@dataclass(frozen=True, slots=True)
class ModeRecord:
    mode: Mode
    status: Status
    seconds: float
    chain: tuple[Raised, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold for a result to be right."""

    name: str
    passed: bool
    measured: float | None = None
    limit: float | None = None
    detail: str = ""
    mode: Mode | None = None
    """The mode the check is about; None where it is about the cycle as a whole."""


@dataclass(frozen=True, slots=True)
class Ending:
    kind: EndingKind
    code: int | None = None
    """The exit code, where the process exited."""
    signal: str | None = None
    """The signal's name, `SIGSEGV`, where one ended it."""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where an observation was made."""

    platform: str
    """`linux-x86_64`: part of the key of an observation."""
    system: str
    cpu: str
    cores: int
    memory_mib: int
    libc: str = ""


@dataclass(frozen=True, slots=True)
class MemoryPoint:
    """A look at a probe's memory."""

    seconds: float
    """Since its process was started."""
    mib: float
    """Resident, with its children."""
    stage: Stage | None = None
    """What was under way."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen when a probe ran: facts only, no diagnosis."""

    started: datetime
    machine: Machine
    probe_version: int
    stages: tuple[StageRecord, ...]
    modes: tuple[ModeRecord, ...]
    checks: tuple[Check, ...]
    ending: Ending
    imported: Mapping[str, str]
    """Distribution name to the version that the probe's process really imported."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Numbers along the way: losses, parameters, batch size used."""
    seconds: float = 0.0
    """Wall clock of the whole process, interpreter start included."""
    peak_rss_mib: float = 0.0
    """Highest resident memory of the process tree, as sampled from outside or told by the probe."""
    output_tail: str = ""
    """The end of what the process wrote, standard error last."""
    memory_curve: tuple[MemoryPoint, ...] = ()
    """Its memory over its whole life; empty where it was too short, or is older than this."""

    @property
    def outcome(self) -> Outcome:
        if self.ending.kind is not EndingKind.COMPLETED or self.stopped is not None:
            return Outcome.FAIL
        if any(not check.passed for check in self.checks if check.mode != Mode.UNCACHED):
            return Outcome.WRONG
        return Outcome.PASS

    @property
    def stopped(self) -> StageRecord | None:
        """The first stage that did not go well."""
        return next((record for record in self.stages if record.status is not Status.OK), None)

    @property
    def stage(self) -> Stage | None:
        """Where it went wrong; None for a pass."""
        if self.stopped is not None:
            return self.stopped.stage
        if self.outcome is Outcome.FAIL:
            return self.stages[-1].stage if self.stages else Stage.IMPORT
        return Stage.VERIFY if self.outcome is Outcome.WRONG else None

    @property
    def chain(self) -> tuple[Raised, ...]:
        """What the stage that stopped the cycle raised, root first."""
        return self.stopped.chain if self.stopped else ()

    def mode(self, mode: Mode) -> str | None:
        """`pass`, `fail` or `wrong` for one way to generate; None where the cycle did not get there."""
        record = next((each for each in self.modes if each.mode == mode), None)
        if record is None:
            return None
        if record.status is not Status.OK:
            return str(Outcome.FAIL)
        checks = [check for check in self.checks if check.mode == mode]
        if not checks:
            return None
        return str(Outcome.PASS if all(check.passed for check in checks) else Outcome.WRONG)

    @property
    def workaround(self) -> Mode | None:
        """The mode that gives the right result where the default path does not."""
        broken = self.mode(Mode.CACHED) in (Outcome.FAIL, Outcome.WRONG)
        return Mode.UNCACHED if broken and self.mode(Mode.UNCACHED) == Outcome.PASS else None

    @property
    def caveat(self) -> Mode | None:
        """The mode that does not work in a cell that passes."""
        broken = self.mode(Mode.UNCACHED) in (Outcome.FAIL, Outcome.WRONG)
        return Mode.UNCACHED if broken and self.outcome is Outcome.PASS else None


@dataclass(frozen=True, slots=True)
class Resolution:
    """The resolver's answer for a cell: a lock, or the reason why there is none."""

    lock: Lock | None
    reason: str = ""
    resolved: datetime | None = None

    def __post_init__(self) -> None:
        if (self.lock is None) == (self.reason == ""):
            raise ValueError("a resolution has either a lock or a reason")


@dataclass(frozen=True, slots=True)
class CellResult:
    """All that is known of a cell, measured. Inferred cells are another type."""

    cell: Cell
    resolution: Resolution | None = None
    observation: Observation | None = None
    trouble: str = ""
    """The machine's or compatcheck's own fault, where that is why there is no observation."""
    attempts: int = 1
    """How often the cell's lock was run."""
    agreeing: int = 1
    """In how many of those it went as the observation says; fewer than the attempts: it flakes."""

    @property
    def outcome(self) -> Outcome:
        if self.observation is not None:
            return self.observation.outcome
        if self.resolution is not None and self.resolution.lock is None:
            return Outcome.UNRESOLVABLE
        return Outcome.ERROR if self.trouble else Outcome.UNTESTED

    @property
    def known(self) -> bool:
        """Whether there is anything to tell of it: a lock, a run, or an attempt at one."""
        return self.resolution is not None or self.observation is not None or bool(self.trouble)

    @property
    def stage(self) -> Stage | None:
        if self.observation is not None:
            return self.observation.stage
        return Stage.RESOLVE if self.outcome is Outcome.UNRESOLVABLE else None

    @property
    def lock(self) -> Lock | None:
        return self.resolution.lock if self.resolution else None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What an observation, or a text, was recognised as."""

    signature: str | None
    """The identifier of a signature of the catalogue; None where nothing fits."""
    fingerprint: Digest
    """Groups unknown failures: versions, paths, numbers and addresses normalised away."""
    exception: Raised | None = None
    """The exception that decided: the root where the one that came out only wraps it."""
    captures: Mapping[str, str] = field(default_factory=dict)
    confidence: float = 0.0
    """From 0 to 1: how much of what the signature asks for was there to see. 0 where nothing fits."""
    runner_up: str | None = None
    """The signature that would have been named without the first one."""


UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab and line end, and those that turn the direction of writing."""


def printable(text: str) -> str:
    """`text` without what would command a terminal or turn the direction of writing: tabs and line ends stay."""
    return UNPRINTABLE.sub("", text)


_COMMAND = re.compile(r"^([^\S\n]*)(?=::)", re.MULTILINE)


def inert(text: str) -> str:
    """`text` as it may stand in the log of a CI service: printable, and no line that GitHub would take for a command.

    GitHub's runner obeys a line that begins with `::`, also an indented one.
    """
    return _COMMAND.sub(r"\1| ", printable(text))


def canonical(value: Any) -> str:
    """`value` as JSON with sorted keys and no white space: the same text for the same data."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
