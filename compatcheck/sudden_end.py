"""A run that ends without a word: what ended it, what speaks for that, and what to do about it.

Four ends look the same from outside, a prompt that is back or a kernel that restarts, and ask for different things:
the kernel killed for memory, an import aborted, compiled code crashed, or nothing happens any more.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .domain import EndingKind, Frame, Observation, Raised, Stage, Word
from .logtext import read_text
from .scenario.model_shape import BLOOMS


class End(Word):
    """What ended a run."""

    MEMORY = "memory"
    IMPORT = "import"
    """Compiled code gave up while a package was imported."""
    CRASH = "crash"
    HANG = "hang"
    KILLED = "killed"
    """From outside, and nothing speaks for memory."""


@dataclass(frozen=True)
class SuddenEnd:
    """The account of such an end."""

    end: End
    evidence: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    where: Frame | None = None
    """The innermost Python frame, where faulthandler could write it."""


NEAR = 0.8
"""The part of the free memory from which on a kill without a word is taken for one for memory."""

_NO_MEMORY = re.compile(
    r"bad_alloc|can't allocate memory|Cannot allocate memory|[Oo]ut of memory|(?i:oom[-_ ]?kill)|MemoryError"
    r"|exceeded.{0,20}memory"
)
_KILLED = re.compile(r"\bKilled\b|SIGKILL|[Ss]ignal:? 9\b|exit(?:ed with)? ?code:? 137|exitcode ?:? ?-9\b|OOMKilled")
_CRASHED = re.compile(
    r"Segmentation fault|SIGSEGV|[Ss]ignal:? 11\b|exitcode ?:? ?-(?:11|6|4|7)\b"
    r"|exit(?:ed with)? ?code:? (?:139|134|132)|Bus error|SIGBUS|Aborted|SIGABRT|Illegal instruction|SIGILL"
    r"|Fatal Python error"
)
_HANGS = re.compile(r"^Timeout \(|TimeoutExpired|DUE TO TIME LIMIT|Watchdog caught collective")

_CLEAN = (
    "Make a clean environment from a lock that is known to work: uv venv --python 3.11 clean && "
    "uv pip install --python clean/bin/python --require-hashes -r reports/locks/CELL.txt"
)


def sudden_end(observation: Observation) -> SuddenEnd | None:
    """How an observation's process ended; None where it ended with a word: a result or an exception."""
    ending = observation.ending
    if observation.chain or ending.kind is EndingKind.COMPLETED:
        return None
    crash = _crash(observation.output_tail)
    frames = crash.frames if crash else ()
    memory = _memory_evidence(observation)
    if ending.kind is EndingKind.OUT_OF_MEMORY or memory:
        return _account(End.MEMORY, memory or (ending.detail,), frames, _had_mib(observation))
    if ending.kind is EndingKind.TIMED_OUT:
        return _account(End.HANG, (ending.detail,), frames)
    if ending.kind is not EndingKind.SIGNALLED:
        return None
    said = f"{ending.signal} in the stage {observation.stage}"
    if ending.signal == "SIGKILL":
        return _account(End.KILLED, (said,), frames)
    aborted = observation.stage is Stage.IMPORT or _imports(frames)
    return _account(End.IMPORT if aborted else End.CRASH, (said,), frames)


def sudden_end_of(told: Raised) -> SuddenEnd | None:
    """What a line of a log, or faulthandler's dump in it, says of a process's end; None where it says nothing of it."""
    if told.type:
        return None
    first = told.message.splitlines()[0][:300] if told.message else ""
    for pattern, end in ((_NO_MEMORY, End.MEMORY), (_HANGS, End.HANG), (_CRASHED, End.CRASH), (_KILLED, End.KILLED)):
        if pattern.search(told.message):
            if end is End.CRASH and _imports(told.frames):
                end = End.IMPORT
            return _account(end, (first,), told.frames)
    return None


def _crash(output: str) -> Raised | None:
    """The last dump of faulthandler in an output."""
    crashes = [finding.chain[0] for finding in read_text(output).findings if finding.is_crash]
    return crashes[-1] if crashes else None


def _had_mib(observation: Observation) -> int:
    """The memory that the process could have had: the machine's, or what its control group or limit left of it."""
    memory = observation.facts.get("memory")
    room = memory.get("room_mib") if isinstance(memory, dict) else None
    whole = observation.machine.memory_mib
    return min(whole, int(room)) if isinstance(room, int | float) and room > 0 and whole else whole


def _memory_evidence(observation: Observation) -> tuple[str, ...]:
    """What speaks for want of memory where the kernel or the limit did not say so themselves."""
    ending, found = observation.ending, []
    if ending.kind is EndingKind.OUT_OF_MEMORY:
        found.append(ending.detail)
    memory = observation.facts.get("memory")
    curve = memory.get("curve_mib") if isinstance(memory, dict) else None
    if isinstance(memory, dict) and curve and ending.kind in (EndingKind.SIGNALLED, EndingKind.OUT_OF_MEMORY):
        last, room = curve[-1][1], memory["room_mib"]
        if last >= NEAR * room:
            found.append(f"{last:.0f} MiB resident at the last look, of {room:.0f} MiB that were free at the start")
    if ending.kind is EndingKind.SIGNALLED and (line := _NO_MEMORY.search(observation.output_tail)):
        found.append(f"the output says {line[0]!r}")
    return tuple(each for each in found if each)


def _imports(frames: Sequence[Frame]) -> bool:
    """Whether Python stood in an import: nothing but modules' own code and the machinery of imports."""
    return bool(frames) and all(
        frame.function == "<module>" or "importlib" in frame.file for frame in frames[-2:]
    )  # fmt: skip


def _account(end: End, evidence: Sequence[str], frames: Sequence[Frame], memory_mib: int = 0) -> SuddenEnd:
    where = frames[-1] if frames else None
    said = [each for each in evidence if each]
    if where is not None:
        said.append(f"Python stood in {where.file}, line {where.line}, in {where.function}")
    return SuddenEnd(end, tuple(said), _ADVICE[end](where, memory_mib), where)


def _for_memory(where: Frame | None, memory_mib: int) -> tuple[str, ...]:
    return (
        "Take a smaller batch: halve per_device_train_batch_size and double gradient_accumulation_steps. "
        "auto_find_batch_size=True finds it by itself where memory ends with an exception, as on a GPU; a process that "
        "the kernel has killed cannot try again.",
        _fitting_model(memory_mib),
        "Run fewer things at a time: dataloader_num_workers=0, and with compatcheck --jobs 1.",
    )


def _fitting_model(memory_mib: int) -> str:
    rule = "float32 takes 4 bytes a parameter, loading up to twice that, and everything else about 1.5 GiB"
    if not memory_mib:
        return f"Take a smaller model: {rule}."
    parameters = max(0, (memory_mib - 1536) * 2**20 // 8)
    fits = [name.replace("bloomz", "bloom") for name, shape in BLOOMS.items() if shape.parameters <= parameters]
    which = f"; of BLOOM, {fits[-1]}" if fits else "; no BLOOM is small enough"
    return f"Take a model that fits: {rule}. {memory_mib} MiB hold {parameters / 1e6:.0f} million parameters{which}."


def _for_import(where: Frame | None, memory_mib: int) -> tuple[str, ...]:
    package = f" ({_package(where)})" if where else ""
    return (
        _CLEAN,
        f"Import the packages one by one{package}: python -X faulthandler -c 'import torch', then transformers, then "
        "peft. Files of several versions in one folder, or two copies of one native library, are the common cause.",
    )


def _for_crash(where: Frame | None, memory_mib: int) -> tuple[str, ...]:
    return (
        f"The compiled code was called from {_package(where)}: look there first."
        if where
        else "Run again with python -X faulthandler: the innermost line names the package whose compiled code crashed.",
        _CLEAN,
        "Where the clean environment crashes too: OMP_NUM_THREADS=1 tells whether two OpenMP libraries are in each "
        "other's way; then it is a bug of that package on this machine.",
    )


def _for_hang(where: Frame | None, memory_mib: int) -> tuple[str, ...]:
    file = where.file if where else ""
    advice = []
    if re.search(r"socket|ssl|http|urllib|requests|huggingface_hub|httpx|httpcore", file):
        advice.append(
            "It waits for the network: HF_HUB_OFFLINE=1 with everything downloaded before, or a reachable hub."
        )
    if re.search(r"multiprocessing|threading|queue|selectors|connection|data/dataloader", file):
        advice.append(
            "It waits for another process or thread: dataloader_num_workers=0 and TOKENIZERS_PARALLELISM=false."
        )
    return (
        *advice,
        "See where it stands: py-spy dump --pid PID, or faulthandler.dump_traceback_later(60) at the script's top.",
        "Where it is only slow, give it longer: limits.stage_seconds in the matrix.",
    )


def _for_killed(where: Frame | None, memory_mib: int) -> tuple[str, ...]:
    return (
        "Ask the system who did it: dmesg | grep -i 'killed process', or the scheduler's record of the job.",
        "Watch the memory while it runs; it is the common cause. "
        "Then: a smaller batch (auto_find_batch_size=True on a GPU), or a smaller model.",
    )


def _package(where: Frame | None) -> str:
    return where.file.split("/", 1)[0] if where and not where.file.startswith(("/", "~", "<", ".")) else "your code"


_ADVICE = {
    End.MEMORY: _for_memory,
    End.IMPORT: _for_import,
    End.CRASH: _for_crash,
    End.HANG: _for_hang,
    End.KILLED: _for_killed,
}
