"""The report as data: compatibility.json. `SCHEMA` rises when a field changes its meaning or goes away."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from json.encoder import encode_basestring as quoted
from pathlib import Path
from typing import Any

from .. import __version__
from ..conclusion import Conclusion
from ..declared import of_axes
from ..domain import UNPRINTABLE, Cell, Digest, Mode, Observation, Raised, canonical, digest_of, without_later
from ..parse import unstructured
from .agreement_text import agreement_data
from .audit_text import exploration_data
from .context import Context
from .entry import Entry, FailureClass, Shared
from .findings import findings_data
from .pieces import Written, json_pieces

SCHEMA = 1
SCHEMA_FILE = Path(__file__).resolve().parent / "schema.json"
"""The JSON Schema (draft 2020-12) of it: the description of every field."""
DEPTH = 2
"""How deep a cell lies in the document."""
DEEPER = "\n" + " " * (DEPTH + 1)
OBJECT_END = "\n" + " " * DEPTH + "}"


def document(context: Context) -> dict[str, Any]:
    """The whole report as plain data, in the order in which a person would read it."""
    tracebacks = Tracebacks(context)
    return _document(context, [_cell(context, entry, tracebacks) for entry in context.entries], tracebacks, list)


def _document(
    context: Context, cells: Iterable[Any], tracebacks: Tracebacks, lines: Callable[[Iterable[Any]], Any]
) -> dict[str, Any]:
    """`lines` makes a long list of what is short each."""
    expansion = context.expansion
    return {
        "schema": SCHEMA,
        "compatcheck": __version__,
        "generated": context.generated.isoformat(),
        "matrix": context.matrix.name,
        "description": context.matrix.description,
        "policy": str(context.matrix.policy),
        "extras": list(context.matrix.extras),
        "platform": [unstructured(machine) for machine in context.machines],
        "scenario": {
            **without_later(unstructured(context.matrix.scenario), kept=("method",)),
            "material": context.material,
            "probe": context.probe_version,
        },
        "headline": context.headline(),
        "totals": {str(outcome): count for outcome, count in sorted(context.totals.items())},
        "released": {release: date.date().isoformat() for release, date in sorted(expansion.released.items())},
        "releases": {axis: list(versions) for axis, versions in expansion.known.items()},
        "requires": {
            release: of_axes(said, context.matrix.axes) for release, said in sorted(expansion.declared.items())
        },
        "requires_python": dict(sorted(expansion.requires_python.items())),
        "cells": cells,
        "tracebacks": lines(tracebacks.data()),
        "classes": [_class(each) for each in context.classes],
        **findings_data(context.findings),
        "excluded": [{**_place(cell), "reason": reason} for cell, reason in expansion.excluded],
        **({"agreement": agreement_data(context.agreement)} if context.agreement else {}),
        **({"exploration": exploration_data(context, lines)} if context.explored else {}),
        **({"experiments": lines(map(unstructured, context.experiments.values()))} if context.experiments else {}),
    }


class Tracebacks:
    """What was raised in the cells of a report, each chain once: many cells raise the same in the same place."""

    def __init__(self, context: Context) -> None:
        seen = (entry.result.observation for entry in context.known)
        chains = dict.fromkeys(each.chain for each in seen if each is not None and each.chain and _complete(each))
        self._named = {chain: digest_of(canonical(_chain(chain))) for chain in chains}

    def name(self, chain: tuple[Raised, ...]) -> Digest | None:
        return self._named.get(chain)

    def data(self) -> Iterator[dict[str, Any]]:
        for chain, name in self._named.items():
            yield {"digest": name, "chain": _chain(chain)}


def _chain(chain: Iterable[Raised]) -> list[dict[str, Any]]:
    return [
        {
            "type": raised.type,
            "module": raised.module,
            "message": raised.message,
            "frames": [[frame.file, frame.line, frame.function] for frame in raised.frames],
            **({"code": raised.code} if raised.code else {}),
        }
        for raised in chain
    ]


def _complete(observation: Observation) -> bool:
    return observation.retold is None or observation.retold.complete


def _cell(context: Context, entry: Entry, tracebacks: Tracebacks) -> dict[str, Any]:
    return {**_place(entry.cell), **_said(context, entry, tracebacks)}


def _place(cell: Cell) -> dict[str, Any]:
    return {"id": cell.id, "python": cell.python, "versions": dict(cell.versions)}


def _said(context: Context, entry: Entry, tracebacks: Tracebacks) -> dict[str, Any]:
    """All but its place."""
    result, observation = entry.result, entry.result.observation
    said = context.findings.verdicts.get(entry.cell.id)
    exception = entry.exception
    return {
        "outcome": str(entry.outcome),
        "basis": str(entry.basis),
        "stage": str(result.stage) if result.stage else None,
        "modes": {str(mode): entry.mode(mode) for mode in Mode},
        "workaround": str(entry.workaround) if entry.workaround else None,
        "caveat": str(entry.caveat) if entry.caveat else None,
        "exception": {"type": exception.type, "message": exception.message} if exception else None,
        **_name(context, entry),
        "reason": (result.resolution.reason if result.resolution else "")
        or result.trouble
        or (entry.conclusion.said if entry.conclusion else "")
        or None,
        "attempts": result.attempts if observation else 0,
        "agreeing": result.agreeing if observation else 0,
        **_observed(observation),
        **(_evidence(context, observation, tracebacks) if observation else {}),
        "blame": {**said.blame.as_data(), "text": said.blame.words(), "ground": str(said.ground), "via": said.blame.via}
        if said
        else None,
        "lock": result.lock.digest if result.lock else None,
        "resolved": result.resolution.resolved.isoformat()
        if result.resolution and result.resolution.resolved
        else None,
        **({"inferred": _inferred(entry.conclusion)} if entry.conclusion else {}),
    }


def _name(context: Context, entry: Entry) -> dict[str, Any]:
    """Signature and fingerprint; those of an inferred cell are those of the measured ones that it is like."""
    like = next((each.entries[0] for each in context.classes if each.key == entry.failure), entry)
    diagnosis = entry.diagnosis if entry.measured else like.diagnosis
    return {
        "signature": diagnosis.signature if diagnosis else None,
        "fingerprint": diagnosis.fingerprint if diagnosis and (entry.measured or not diagnosis.signature) else None,
    }


def _inferred(conclusion: Conclusion) -> dict[str, Any]:
    return {
        "confidence": round(conclusion.confidence, 3),
        "rests_on": list(conclusion.rests_on),
        "against": list(conclusion.against),
        "declared": conclusion.declared or None,
        "source": conclusion.source or None,
    }


def _observed(observation: Observation | None) -> dict[str, Any]:
    if observation is None:
        return {"checks": [], "stages": [], "ending": None, "imported": {}, "started": None, "seconds": None,
                "peak_rss_mib": None}  # fmt: skip
    return {
        "checks": [unstructured(check) for check in observation.checks],
        "stages": [
            {
                "stage": str(record.stage),
                "status": str(record.status),
                "seconds": record.seconds,
                "peak_rss_mib": record.peak_rss_mib,
            }
            for record in observation.stages
        ],
        "ending": unstructured(observation.ending),
        "imported": dict(observation.imported),
        "started": observation.started.isoformat(),
        "seconds": observation.seconds,
        "peak_rss_mib": observation.peak_rss_mib,
    }


def _evidence(context: Context, observation: Observation, tracebacks: Tracebacks) -> dict[str, Any]:
    """What a diagnosis is made from beside the rest; where an older report is all that is known, it lacks that."""
    machine = {"machine": context.machines.index(observation.machine)}
    if not _complete(observation):
        return machine
    return {
        **machine,
        "facts": dict(observation.facts),
        "traceback": tracebacks.name(observation.chain),
        "output": observation.output_tail or None,
    }


def _class(each: FailureClass) -> dict[str, Any]:
    signature = each.signature
    return {
        "class": each.key,
        "letter": each.letter,
        "title": signature.title if signature else None,
        "cells": [entry.cell.id for entry in each.entries],
        "stages": list(each.stages),
        "outcomes": {str(outcome): count for outcome, count in sorted(each.outcomes.items())},
        **({"inferred": each.inferred} if each.inferred else {}),
    }


def json_text(context: Context) -> str:
    return "".join(document_pieces(context))


def document_pieces(context: Context) -> Iterator[str]:
    """Without a character that could command a terminal: what JSON leaves bare of them is escaped."""
    tracebacks = Tracebacks(context)
    for piece in json_pieces(_document(context, _cell_texts(context, tracebacks), tracebacks, _lines)):
        yield piece if isinstance(piece, Written) else _escaped(piece)
    yield "\n"


def _lines(items: Iterable[Any]) -> Iterator[Written]:
    """Each as one line."""
    for item in items:
        yield Written(_escaped("".join(json_pieces(item, compact=True))))


def _cell_texts(context: Context, tracebacks: Tracebacks) -> Iterator[Written]:
    """The cells one at a time. What is said of a cell that was not run is written once for all that it is said of."""
    alike: dict[tuple[object, ...], str] = {}
    said = Shared(lambda entry: _object_ended(context, entry, alike, tracebacks))
    written = cache(lambda text: _escaped(quoted(text)))
    released = cache(lambda release: ": ".join(map(written, release)))
    for entry in context.entries:
        yield Written(_object_begun(entry.cell, written, released) + said(entry))


def _object_begun(cell: Cell, written: Callable[[str], str], released: Callable[[tuple[str, str]], str]) -> str:
    """What `_place` says, as JSON; `written` gives a text as JSON, `released` a package with its version."""
    versions = f",{DEEPER} ".join(map(released, cell.versions.items()))
    return (
        f'{{{DEEPER}"id": {_escaped(quoted(cell.id))},{DEEPER}"python": {written(cell.python)},'
        f'{DEEPER}"versions": {{{DEEPER} {versions}{DEEPER}}},'
    )


def _object_ended(context: Context, entry: Entry, alike: dict[tuple[object, ...], str], tracebacks: Tracebacks) -> str:
    """What `_said` says, as JSON. Of inferred cells all but the grounds is the same for many, which `alike` holds."""
    held = entry.conclusion
    if held is None or entry.result.known:
        return _object_end(_said(context, entry, tracebacks))
    key = held.outcome, held.signature, held.said
    if (shared := alike.get(key)) is None:
        said = _said(context, entry, tracebacks)
        del said["inferred"]  # the last of it
        shared = alike[key] = _object_end(said).removesuffix(OBJECT_END)
    grounds = "".join(json_pieces(_inferred(held), depth=DEPTH + 1))
    return f'{shared},{DEEPER}"inferred": {_escaped(grounds)}{OBJECT_END}'


def _object_end(said: dict[str, Any]) -> str:
    return _escaped("".join(json_pieces(said, depth=DEPTH))[1:])


def _escaped(text: str) -> str:
    return text if text.isprintable() else UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
