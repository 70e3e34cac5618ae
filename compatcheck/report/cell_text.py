"""Everything about one cell, as lines of plain text."""

from __future__ import annotations

import textwrap
from pathlib import Path

from ..conclusion import Explored
from ..domain import Mode, Observation, Outcome, Raised, inert, printable
from ..errors import UsageError
from ..matrix import selected
from ..memory_curve import drawn_curve
from ..sudden_end import sudden_end
from .context import Context
from .entry import Entry

WIDTH = 112
FRAMES = 8


def one_entry(context: Context, pattern: str) -> Entry:
    """The entry of the cell that `pattern` names. Raises UsageError where it names none or several."""
    if pattern in context.by_id:
        return context.by_id[pattern]
    cells = selected((entry.cell for entry in context.entries), [pattern])
    if len(cells) > 1:
        some = ", ".join(cell.id for cell in cells[:3])
        raise UsageError(f"{pattern!r} names {len(cells)} cells, not one", f"Among them: {some}.")
    return context.by_id[cells[0].id]


def cell_lines(context: Context, entry: Entry, matrix: Path) -> list[str]:
    result, observation = entry.result, entry.result.observation
    where = f" in {result.stage}" if result.stage else ""
    lines = [entry.cell.id, f"  outcome     {entry.outcome}{where}"]
    if entry.conclusion is not None:
        lines[-1] += f" ({entry.conclusion.words()}: it was not run)"
        lines += _wrapped("  rests on    ", entry.conclusion.grounds())
        if context.explored:
            lines += _wrapped("  audit       ", _audited(context.explored, entry.outcome))
    if entry.workaround:
        lines.append("  workaround  use_cache=False gives the right result")
    if entry.caveat:
        lines.append("  caveat      use_cache=False does not work here")
    if result.agreeing < result.attempts:
        lines.append(f"  flaky       {result.agreeing} of {result.attempts} runs went like this")
    if result.trouble:
        lines += _wrapped("  trouble     ", result.trouble)
    if result.resolution is not None and result.resolution.lock is None:
        lines += _wrapped("  resolver    ", result.resolution.reason)
    if observation is not None:
        lines += _measured(observation)
    lines += _diagnosis(context, entry)
    if observation is not None:
        lines += _sudden_end(observation)
        lines += _versions(entry, observation) + _end(observation)
    lines += ["", "to repeat it", f"  compatcheck run {matrix} --only {entry.cell.id} --again --live"]
    return [inert(line) for line in lines]


def _measured(observation: Observation) -> list[str]:
    when, machine = f"{observation.started:%Y-%m-%d %H:%M:%S} UTC", observation.machine
    lines = [
        f"  measured    {when} on {machine.system}, {machine.cpu}, {machine.cores} cores",
        f"  took        {observation.seconds:.1f} s, at most {observation.peak_rss_mib:.0f} MiB",
        f"  ended       {observation.ending.kind}"
        + (f" {observation.ending.signal}" if observation.ending.signal else "")
        + (f": {observation.ending.detail}" if observation.ending.detail else ""),
        "",
        "stages",
    ]
    for record in observation.stages:
        peak = f"{record.peak_rss_mib:7.0f} MiB" if record.peak_rss_mib is not None else ""
        lines.append(f"  {record.stage!s:<10} {record.status!s:<7} {record.seconds:8.3f} s {peak}")
    if curve := drawn_curve(observation.memory_curve):
        lines += [f"  {curve}"]
    if observation.modes:
        lines += ["", "generate"]
        for mode in (Mode.CACHED, Mode.UNCACHED):
            words = "with the cache (the default)" if mode is Mode.CACHED else "without the cache"
            lines.append(f"  {words:<30} {observation.mode(mode) or 'not reached'}")
    if observation.checks:
        lines += ["", "checks"]
    for check in observation.checks:
        numbers = f"{check.measured:.6g} (limit {check.limit:.6g})" if check.measured is not None else ""
        lines.append(f"  {check.name:<28} {'holds' if check.passed else 'DOES NOT HOLD':<14} {numbers}")
        if check.detail and not check.passed:
            lines += _wrapped("      ", check.detail)
    return lines


def _audited(explored: Explored, outcome: Outcome) -> str:
    held = explored.audit.by_outcome.get(outcome)
    if held is None:
        return f"no cell that was inferred to be {outcome} has been run for it"
    return f"cells inferred to be {outcome} were wrong in {held.missed.words()}"


def _diagnosis(context: Context, entry: Entry) -> list[str]:
    if entry.failure is None:
        return []
    signature = next((each.signature for each in context.classes if each.key == entry.failure), None)
    if signature is None:
        fingerprint = entry.diagnosis.fingerprint if entry.diagnosis else entry.failure
        return ["", "diagnosis", f"  unknown; fingerprint {fingerprint}"]
    lines = ["", f"diagnosis: {signature.title} ({signature.id})"]
    lines += _wrapped("  cause       ", signature.cause)
    lines += _wrapped("  what to do  ", signature.remedy)
    return lines + [f"  see         {reference}" for reference in signature.references]


def _sudden_end(observation: Observation) -> list[str]:
    """What speaks for the end of a process that said nothing, and what to do about it."""
    account = sudden_end(observation)
    if account is None:
        return []
    lines = ["", f"ended without a word: {account.end}"]
    for evidence in account.evidence:
        lines += _wrapped("  evidence    ", evidence)
    for advice in account.advice:
        lines += _wrapped("  advice      ", advice)
    return lines


def _versions(entry: Entry, observation: Observation) -> list[str]:
    lock = entry.result.lock
    lines = ["", f"versions imported (lock {lock.digest if lock else 'unknown'})"]
    return lines + _wrapped("  ", ", ".join(f"{name} {version}" for name, version in observation.imported.items()))


def _end(observation: Observation) -> list[str]:
    if observation.outcome is Outcome.PASS:
        return []
    if not observation.chain:
        tail = observation.output_tail.strip().splitlines()[-12:]
        return ["", "end of the output", *(f"  {printable(line)[:WIDTH]}" for line in tail)] if tail else []
    lines = ["", "end of the traceback"]
    for raised in observation.chain:
        lines += _raised(raised)
    return lines


def _raised(raised: Raised) -> list[str]:
    frames = [f"  {frame.file}:{frame.line} in {frame.function}" for frame in raised.frames[-FRAMES:]]
    return [*frames, *_wrapped(f"  {raised.type}: ", raised.message.strip()[:2000])]


def _wrapped(head: str, text: str) -> list[str]:
    return textwrap.wrap(
        " ".join(printable(text).split()) or "-",
        WIDTH,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
    )
