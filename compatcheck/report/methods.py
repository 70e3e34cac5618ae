"""Everything a report on several methods and architectures says, as data: one table a pair of versions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from ..catalogues import Catalogue
from ..domain import Cell, Machine, Method, Outcome
from ..matrix import Matrix, Variant
from .context import Context
from .entry import Entry, FailureClass, classes_of

TELLING = (Outcome.PASS, Outcome.FAIL, Outcome.WRONG)
BROKEN = (Outcome.FAIL, Outcome.WRONG)
PROMPTS = (Method.PROMPT_TUNING, Method.PREFIX_TUNING, Method.P_TUNING)
"""The methods that put virtual tokens in front of a text; the others change layers."""


@dataclass(frozen=True)
class MethodsContext:
    """One matrix whose cells were asked several scenarios, as far as it is known."""

    matrix: Matrix
    contexts: Mapping[Variant, Context]
    """Each scenario with what is known of it."""
    catalogue: Catalogue

    @property
    def first(self) -> Context:
        """Any of them: cells, locks and dates of releases are the same in all."""
        return next(iter(self.contexts.values()))

    @property
    def cells(self) -> tuple[Cell, ...]:
        return tuple(entry.cell for entry in self.first.entries)

    @cached_property
    def entries(self) -> Mapping[str, Mapping[Variant, Entry]]:
        """The identifier of a cell to what came of each scenario."""
        return {
            cell.id: {variant: each.by_id[cell.id] for variant, each in self.contexts.items()} for cell in self.cells
        }

    @cached_property
    def classes(self) -> tuple[FailureClass, ...]:
        """The failures of all scenarios together."""
        return classes_of((entry for each in self.contexts.values() for entry in each.entries), self.catalogue)

    @cached_property
    def _letters(self) -> dict[str, str]:
        return {each.key: each.letter for each in self.classes}

    def letter(self, entry: Entry) -> str:
        return self._letters.get(entry.failure or "", "")

    @property
    def methods(self) -> tuple[Method, ...]:
        return tuple(dict.fromkeys(variant.method for variant in self.contexts))

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(variant.model for variant in self.contexts))

    @property
    def machines(self) -> tuple[Machine, ...]:
        return tuple(dict.fromkeys(machine for each in self.contexts.values() for machine in each.machines))

    @property
    def generated(self) -> datetime:
        return max(each.generated for each in self.contexts.values())

    def totals(self, method: Method | None = None, model: str | None = None) -> Counter[Outcome]:
        """How the scenarios with this method and this model fared."""
        return Counter(
            entry.outcome
            for variant, each in self.contexts.items()
            if method in (None, variant.method) and model in (None, variant.model)
            for entry in each.entries
        )

    # ------------------------------------------------------------------ what a reader asks

    def headline(self) -> list[str]:
        """Is it only prompt tuning? Is it only BLOOM? And where does it fail in silence?"""
        totals = self.totals()
        tested = sum(totals[outcome] for outcome in TELLING)
        if not tested:
            return ["Nothing of this matrix has been measured yet."]
        said = [
            f"{tested} scenarios were run: {totals[Outcome.PASS]} work, {totals[Outcome.FAIL]} fail, and "
            f"{totals[Outcome.WRONG]} run to the end and give a wrong result."
        ]
        if left := sum(totals.values()) - tested:
            said.append(f"{left} further scenarios have not been run, or cannot be installed.")
        return [*said, *self._methods_compared(), *self._models_compared(), *self._silent()]

    def _methods_compared(self) -> Iterator[str]:
        """What the methods that change layers do where those that use virtual tokens do not work."""
        broken: list[Mapping[Method, Outcome]] = []
        for each in self.entries.values():
            for model in self.models:
                found = {method: each[Variant(method, model)].outcome for method in self.methods}
                broken += [found] * sum(found[method] in BROKEN for method in self.methods if method in PROMPTS)
        layers = [method for method in self.methods if method not in PROMPTS]
        if broken and layers:
            shares = ", ".join(
                f"{method} in {sum(found[method] is Outcome.PASS for found in broken)}" for method in layers
            )
            prompts = ", ".join(method for method in self.methods if method in PROMPTS)
            yield f"In {len(broken)} cases a method of virtual tokens ({prompts}) does not work. There works {shares}."

    def _models_compared(self) -> Iterator[str]:
        """How often the architecture makes no difference."""
        told = []
        for method in self.methods:
            found = [[each[Variant(method, model)].outcome for model in self.models] for each in self.entries.values()]
            whole = [each for each in found if len(each) > 1 and all(outcome in TELLING for outcome in each)]
            if whole:
                told.append(f"{method} in {sum(len(set(each)) == 1 for each in whole)} of {len(whole)}")
        if told:
            yield f"The outcome is the same for every model: {', '.join(told)} pairs of versions."

    def _silent(self) -> Iterator[str]:
        for method in self.methods:
            found = self.silent_where_another_raises(method)
            if found:
                models = sorted({variant.model.removeprefix("tiny-") for _, variant in found})
                cells = len({cell.id for cell, _ in found})
                pairs = "1 pair" if cells == 1 else f"{cells} pairs"
                yield (
                    f"{method}: with {pairs} of versions one model raises and another ({', '.join(models)}) gives a "
                    "wrong result without a word."
                )

    def silent_where_another_raises(self, method: Method) -> tuple[tuple[Cell, Variant], ...]:
        """The scenarios with a wrong result beside which another model, with the same versions, raises."""
        return tuple(
            (cell, variant)
            for cell in self.cells
            for variant, entry in self.entries[cell.id].items()
            if variant.method is method
            and entry.outcome is Outcome.WRONG
            and any(
                other.outcome is Outcome.FAIL
                for of, other in self.entries[cell.id].items()
                if of.method is method and of.model != variant.model
            )
        )

    @cached_property
    def ignored(self) -> tuple[tuple[Cell, Variant], ...]:
        """The scenarios in which generate gives what the model gives without the adapter, and nothing is said."""
        return tuple(
            (cell, variant)
            for cell in self.cells
            for variant, entry in self.entries[cell.id].items()
            if entry.outcome is Outcome.WRONG
            and (seen := entry.result.observation) is not None
            and seen.facts.get("adapter_ignored") is True
        )


def failed_checks(entry: Entry) -> Sequence[str]:
    """The details of the checks on the default path that do not hold."""
    seen = entry.result.observation
    return [each.detail for each in seen.checks if not each.passed and each.mode != "uncached"] if seen else []
