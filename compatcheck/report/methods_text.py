"""Methods and architectures as people read them in a repository: methods.md; and as data: methods.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .. import __version__
from ..domain import UNPRINTABLE, Cell, Mode, Outcome
from ..matrix import Variant
from ..parse import unstructured
from .context import named
from .entry import Entry, FailureClass
from .markdown import MARKS, WORDS
from .markup import escaped, markdown_table, shortened
from .methods import MethodsContext, failed_checks

SCHEMA = 1
METHODS_SCHEMA_FILE = Path(__file__).resolve().parent / "methods.schema.json"
"""The JSON Schema (draft 2020-12) of methods.json."""


def methods_markdown(context: MethodsContext) -> str:
    first, *rest = context.headline()
    parts = [
        "# Only BLOOM? Only prompt tuning? Methods and architectures, measured",
        f"**{first}**",
        "\n".join(f"- {line}" for line in rest),
        _ignored(context),
        "## By method and architecture",
        "How many of the pairs of versions work:",
        _shares(context),
        "## Each pair of versions",
        _legend(context),
        *(_pair(context, cell) for cell in context.cells),
        "## Failure classes",
        "\n\n".join(_class(each) for each in context.classes) or "None: nothing failed.",
        "## How it was measured",
        _method(context),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _ignored(context: MethodsContext) -> str:
    """The silent kind first: nothing raises, and the adapter might as well not be there."""
    if not context.ignored:
        return ""
    rows: dict[str, list[Variant]] = {}
    for cell, variant in context.ignored:
        rows.setdefault(named(cell), []).append(variant)
    told = [[versions, ", ".join(variant.name for variant in variants)] for versions, variants in rows.items()]
    listed = markdown_table(["versions", "ignored"], told)
    return (
        f"## Ignored in silence\n\nIn {len(context.ignored)} scenarios `generate` says what the model says without the "
        "adapter: nothing raises, and the training might as well not have been. It was reported of Llama "
        f"(peft#2123).\n\n{listed}"
    )


def _shares(context: MethodsContext) -> str:
    rows = []
    for model in context.models:
        row = [_short(model)]
        for method in context.methods:
            totals = context.totals(method, model)
            tested = sum(totals[each] for each in (Outcome.PASS, Outcome.FAIL, Outcome.WRONG))
            wrong = f", {totals[Outcome.WRONG]} wrong" if totals[Outcome.WRONG] else ""
            row.append(f"{totals[Outcome.PASS]} of {tested}{wrong}")
        rows.append(row)
    return markdown_table(["", *map(str, context.methods)], rows)


def _legend(context: MethodsContext) -> str:
    totals = context.totals()
    lines = [f"- {MARKS[outcome]} {WORDS[outcome]}" for outcome in MARKS if totals[outcome]]
    return "\n".join(
        [*lines, "- `+` it does with `use_cache=False`; a letter names the failure class, explained below"]
    )


def _pair(context: MethodsContext, cell: Cell) -> str:
    entries = context.entries[cell.id]
    rows = [
        [_short(model), *(_mark(context, entries[Variant(method, model)]) for method in context.methods)]
        for model in context.models
    ]
    table = markdown_table(["", *map(str, context.methods)], rows)
    return f"### {named(cell)}, Python {cell.python}\n\n{table}"


def _mark(context: MethodsContext, entry: Entry) -> str:
    return f"{MARKS[entry.outcome]} {context.letter(entry)}{entry.note}".strip()


def _short(model: str) -> str:
    return model.removeprefix("tiny-")


def _class(each: FailureClass) -> str:
    first = each.entries[0]
    counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(each.outcomes.items()))
    facts = [
        ("Scenarios", f"{len(each.entries)} ({counts})"),
        ("Stage", ", ".join(each.stages)),
        ("transformers", ", ".join(each.versions("transformers"))),
        ("peft", ", ".join(each.versions("peft"))),
    ]
    if first.exception is not None:
        facts.append(("Example", f"`{shortened(first.exception.type + ': ' + first.exception.message)}`"))
    facts += [("Check", escaped(detail)) for detail in failed_checks(first) if detail]
    if each.signature is not None:
        facts += [("Cause", escaped(each.signature.cause)), ("What to do", escaped(each.signature.remedy))]
    lines = [f"### {each.letter}. {escaped(each.title)} (`{each.key}`)", ""]
    return "\n".join([*lines, *(f"- {name}: {value}" for name, value in facts if value)])


def _method(context: MethodsContext) -> str:
    scenario, matrix = context.matrix.scenario, context.matrix
    observations = [
        entry.result.observation
        for each in context.contexts.values()
        for entry in each.entries
        if entry.result.observation
    ]
    forked = sum(each.facts.get("isolation") == "fork" for each in observations)
    lines = [
        f"- Matrix `{matrix.name}`: {len(context.cells)} cells, {len(context.contexts)} scenarios each; "
        f"{matrix.description}",
        f"- Newest observation: {context.generated:%Y-%m-%d %H:%M} UTC. Policy `{matrix.policy}` for the packages that "
        "are not axes; the exact versions, with hashes, are in `locks/`.",
        f"- {scenario.virtual_tokens} virtual tokens, {scenario.epochs} epochs of {scenario.texts} texts, batch size "
        f"{scenario.batch_size}, learning rate {scenario.learning_rate}, {scenario.dtype}, seed {scenario.seed}. The "
        "layers of LoRA and IA3 are those that peft chooses for the model.",
        *(["- **The model's own code was run** (`trust_remote_code`)."] if scenario.trust_remote_code else []),
        "- Right means: the loss fell; training changed the adapter and nothing else; the reloaded adapter gives the "
        "logits of the saved one; the adapter changes the output; greedy `generate` with the cache gives the tokens of "
        "a loop that calls forward token by token. The same is tried with `use_cache=False`.",
        f"- {forked} of {len(observations)} scenarios were run as forks of a process that had imported the cell's "
        "packages, each a process of its own from then on; the others by a process that imported them itself.",
    ]
    lines += [
        f"- Machine: {machine.system}, {machine.libc}, {machine.cpu}, {machine.cores} cores, "
        f"{machine.memory_mib / 1024:.0f} GiB, `{machine.platform}`"
        for machine in context.machines
    ]
    lines.append(f"- To repeat all of it: `compatcheck run matrix/{matrix.name}.toml`")
    return "\n".join(lines)


# ---------------------------------------------------------------------- for programs


def methods_document(context: MethodsContext) -> dict[str, Any]:
    """The whole report as plain data."""
    return {
        "schema": SCHEMA,
        "compatcheck": __version__,
        "generated": context.generated.isoformat(),
        "matrix": context.matrix.name,
        "description": context.matrix.description,
        "policy": str(context.matrix.policy),
        "platform": [unstructured(machine) for machine in context.machines],
        "methods": [str(method) for method in context.methods],
        "models": list(context.models),
        "headline": context.headline(),
        "totals": {str(outcome): count for outcome, count in sorted(context.totals().items())},
        "cells": [
            {
                "id": cell.id,
                "python": cell.python,
                "versions": dict(cell.versions),
                "lock": lock.digest if (lock := context.first.by_id[cell.id].result.lock) else None,
                "scenarios": [
                    _scenario(context, variant, entry) for variant, entry in context.entries[cell.id].items()
                ],
            }
            for cell in context.cells
        ],
        "classes": [
            {
                "class": each.key,
                "letter": each.letter,
                "title": each.signature.title if each.signature else None,
                "scenarios": len(each.entries),
            }
            for each in context.classes
        ],
    }


def _scenario(context: MethodsContext, variant: Variant, entry: Entry) -> dict[str, Any]:
    result, observation, exception = entry.result, entry.result.observation, entry.exception
    return {
        "method": str(variant.method),
        "model": variant.model,
        "material": context.contexts[variant].material,
        "outcome": str(entry.outcome),
        "stage": str(result.stage) if result.stage else None,
        "modes": {str(mode): entry.mode(mode) for mode in Mode},
        "ignored": (entry.cell, variant) in context.ignored,
        "exception": {"type": exception.type, "message": exception.message} if exception else None,
        "checks": [unstructured(check) for check in observation.checks if not check.passed] if observation else [],
        "signature": entry.diagnosis.signature if entry.diagnosis else None,
        "fingerprint": entry.diagnosis.fingerprint if entry.diagnosis else None,
        "attempts": result.attempts if observation else 0,
        "agreeing": result.agreeing if observation else 0,
        "isolation": str(observation.facts.get("isolation", "process")) if observation else None,
        "started": observation.started.isoformat() if observation else None,
        "seconds": observation.seconds if observation else None,
        "peak_rss_mib": observation.peak_rss_mib if observation else None,
    }


def methods_json(context: MethodsContext) -> str:
    """Without a character that could command a terminal."""
    text = json.dumps(methods_document(context), indent=1, ensure_ascii=False)
    return UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"
