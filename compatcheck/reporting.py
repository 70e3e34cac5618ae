"""What the store knows of a matrix, as the context of a report: diagnosed anew by today's catalogue."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from .agreement import TELLING
from .catalogues import load_catalogue
from .classify import diagnosis_of
from .confirmation import confirming, sampled
from .domain import Cell, CellResult, Diagnosis, Policy
from .matrix import Explore, Matrix
from .probe import PROBE_VERSION
from .remembered import Remembered
from .report.comparison import agreement_between, finding
from .report.context import Besides, Context, built_context
from .report.entry import Entry
from .report.kept import Kept


def context_of(known: Remembered) -> Context:
    """What a report on the matrix says, from the store alone: diagnosed anew by today's catalogue."""
    context = _context_of(known)
    if not known.matrix.confirm:
        return context
    full = Remembered(confirming(known.matrix), known.store, known.cache, until=known.until)
    catalogue = load_catalogue()
    cells = _drawn(known.matrix, context.measured)
    entries = (Entry(result, diagnosis_of(result, catalogue)) for result in map(full.stored, cells))
    others = {entry.cell.id: finding(entry) for entry in entries}
    return replace(context, agreement=agreement_between(context, full.matrix.scenario.model, others))


def _context_of(known: Remembered) -> Context:
    catalogue = load_catalogue()
    expansion, experiments = known.expansion(), known.experiments()
    results: Iterable[CellResult] = known.each_result(expansion.cells)

    def diagnosed(result: CellResult) -> Diagnosis | None:
        return diagnosis_of(result, catalogue)

    inferred, beside = None, known.beside(expansion)
    if known.matrix.explore is Explore.ADAPTIVE:
        # numpy takes its time: only where something is inferred
        from .explored import explored
        from .import_needs import needs_on

        results = tuple(results)
        choices, needs = known.store.choices(known.matrix.digest), needs_on(known.matrix.index.url)
        inferred = explored(expansion, (*results, *beside), diagnosed, choices, needs)
    in_their_time = () if known.matrix.policy is Policy.CONTEMPORARY else known.in_their_time(expansion.cells)
    return built_context(
        known.matrix,
        expansion,
        results,
        diagnosed,
        catalogue,
        known.material.digest,
        PROBE_VERSION,
        Besides(beside, in_their_time, experiments, known.evidence(experiments.values()), inferred),
        Kept(),
    )


def to_confirm(known: Remembered) -> tuple[Cell, ...]:
    """The cells that the matrix's `confirm` draws: some of every kind of finding that the store knows."""
    catalogue = load_catalogue()
    results = known.each_result(known.expansion().cells)
    return _drawn(known.matrix, (Entry(result, diagnosis_of(result, catalogue)) for result in results))


def _drawn(matrix: Matrix, entries: Iterable[Entry]) -> tuple[Cell, ...]:
    """Some of every kind of finding among the cells that were run; `entries` are gone through once."""
    shown, cells = {}, {}
    for entry in entries:
        if entry.outcome in TELLING:
            shown[entry.cell.id] = entry.failure or str(entry.outcome)
            cells[entry.cell.id] = entry.cell
    return tuple(cells[name] for name in sampled(shown, matrix.confirm, matrix.scenario.seed))
