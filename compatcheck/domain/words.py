"""The words themselves: every enum carries the string that is stored and shown. And what names a text: its digest."""

from __future__ import annotations

import hashlib
import json
from enum import Enum
from typing import Any, NewType

CORE = ("torch", "transformers", "peft")
"""The three packages that every cell names."""

Digest = NewType("Digest", str)
"""The first 16 hexadecimal digits of a SHA-256 over a canonical text."""


def digest_of(text: str) -> Digest:
    """The digest that names `text` everywhere: in the store, in file names, in reports."""
    return Digest(hashlib.sha256(text.encode()).hexdigest()[:16])


def canonical(value: Any) -> str:
    """`value` as JSON with sorted keys and no white space: the same text for the same data."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


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
