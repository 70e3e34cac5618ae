"""What the store knows of an explored matrix, read again: cells that were run, cells that follow, and the audit. Pure.

Which measured cells are material for the inference and which judge it is told by the choices that the store has kept.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from .catalogues import load_catalogue
from .conclusion import ChosenCell, Conclusion, Explored
from .domain import Cell, CellResult, Diagnosis, Outcome
from .expansion import Expansion
from .explore import Choice, Role
from .foretold import foretold_failures
from .grounds import Ground
from .import_needs import ImportNeeds
from .inference import Inference, inference_of
from .inference_audit import Audit, Audited
from .interval import Interval
from .refusal import declared_refusals
from .space import Space, space_of
from .table import Unit

Diagnose = Callable[[CellResult], "Diagnosis | None"]


@dataclass(frozen=True)
class Recalled:
    """The measured cells of an explored matrix, by place, parted by what they are for."""

    known: Mapping[int, Unit]
    """Material for the inference."""
    audited: Mapping[int, Unit]
    """Drawn by chance to judge it, and never material."""
    drawn: Mapping[int, Choice]
    """Every cell that was drawn for the audit, run or not."""
    retired: tuple[Interval, ...]
    """Earlier audits that found a miss."""


def recalled(
    space: Space, results: Iterable[CellResult], diagnose: Diagnose, choices: Iterable[ChosenCell]
) -> Recalled:
    """What is known of a space, and beside it."""
    seen: dict[int, Unit] = {}
    for result in results:
        unit = unit_of(result, diagnose)
        if unit is not None and (place := space.anywhere(result.cell)) is not None:
            seen[place] = unit
    said = choices_of(space, choices)
    drawn = {choice.place: choice for choice in said if choice.role is Role.AUDIT}
    retired = [choice for choice in said if choice.role is Role.RETIRED and choice.place in seen]
    return Recalled(
        {place: unit for place, unit in seen.items() if place not in drawn},
        {place: unit for place, unit in seen.items() if place in drawn},
        drawn,
        retired_audits(retired, seen),
    )


def explored(
    expansion: Expansion,
    results: Iterable[CellResult],
    diagnose: Diagnose,
    choices: Iterable[ChosenCell],
    needs: ImportNeeds | None = None,
) -> Explored:
    """What follows of the cells that were not run. `needs`: what their releases' sources say.

    Results of cells that the matrix does not have, or no longer, are material like any other.
    """
    results, choices = tuple(results), tuple(choices)
    space = known_space(expansion, results)
    found = recalled(space, results, diagnose, choices)
    refusals = declared_refusals(space, expansion.declared, expansion.requires_python)
    foretold = foretold_failures(space, needs, load_catalogue()) if needs else {}
    held = inference_of(space, found.known, refusals, foretold)
    return Explored(
        conclusions_of(held, expansion.cells, found.audited), audit_of(held, found.audited, found.retired), choices
    )


def known_space(expansion: Expansion, results: Iterable[CellResult]) -> Space:
    """The cells of a matrix, with room for what else was measured of its axes."""
    return space_of(expansion.cells, (result.cell for result in results if result.observation is not None))


def conclusions_of(held: Inference, cells: Iterable[Cell], audited: Mapping[int, Unit]) -> dict[str, Conclusion]:
    """Of every one of the space's `cells` that is inferred and that no audit has run, by place."""
    inferred = held.inferred.tolist()
    at = {
        place: cell
        for cell in cells
        if (place := held.space.place(cell)) is not None and inferred[place] and place not in audited
    }
    places = sorted(at)
    names = dict(zip(held.known, held.space.ids(list(held.known)), strict=True))

    @cache
    def concluded(number: int, confidence: float, ground: Ground) -> Conclusion:
        """Thousands of cells rest on the same few: made once."""
        outcome, signature = held.units[number]
        measured, against = (tuple(names[each] for each in some) for some in (ground.measured, ground.against))
        return Conclusion(outcome, signature, confidence, measured, against, ground.declared, ground.source)

    told = map(concluded, held.unit[places].tolist(), held.confidence[places].tolist(), held.grounds(places))
    return {at[place].id: each for place, each in zip(places, told, strict=True)}


def audit_of(held: Inference, audited: Mapping[int, Unit], retired: tuple[Interval, ...] = ()) -> Audit:
    """The audited cells against what is inferred without them. What is untested there is no claim and not judged."""
    cells = []
    for place, (outcome, signature) in sorted(audited.items()):
        if (inferred := held.unit_of(place)) is not None:
            cells.append(Audited(held.space.cell(place).id, *inferred, outcome, signature))
    return Audit(tuple(cells), retired)


def retired_audits(choices: Iterable[Choice], seen: Mapping[int, Unit]) -> tuple[Interval, ...]:
    """Audits that were retired, told by how many cells were known when each was drawn."""
    rounds: dict[int, list[bool]] = {}
    for choice in choices:
        if choice.predicted is not None and choice.place in seen:
            rounds.setdefault(choice.known, []).append(choice.predicted[0] is seen[choice.place][0])
    return tuple(Interval(sum(held), len(held)) for _, held in sorted(rounds.items()))


def unit_of(result: CellResult, diagnose: Diagnose) -> Unit | None:
    """What a result says; None where it is the machine's fault, or nothing was run."""
    if result.outcome in (Outcome.ERROR, Outcome.UNTESTED):
        return None
    diagnosis = diagnose(result)
    if diagnosis is None:
        return result.outcome, None
    unknown = None if result.outcome is Outcome.UNRESOLVABLE else f"unknown-{diagnosis.fingerprint[:8]}"
    return result.outcome, diagnosis.signature or unknown


def choices_of(space: Space, rows: Iterable[ChosenCell]) -> list[Choice]:
    """What the store tells of an exploration, for the cells that are still in the matrix."""
    places = {row.cell_id: row for row in rows}
    found = []
    by_id = places_by_id(space, places)
    for cell_id, row in places.items():
        if cell_id in by_id:
            unit = (Outcome(row.outcome), row.signature) if row.outcome else None
            found.append(Choice(by_id[cell_id], Role(row.role), unit, row.share, row.known))
    return found


def places_by_id(space: Space, wanted: Collection[str]) -> dict[str, int]:
    """The places of the cells with these identifiers."""
    if not wanted:
        return {}
    places = space.places()
    return {
        cell_id: place for cell_id, place in zip(space.ids(places), places.tolist(), strict=True) if cell_id in wanted
    }
