"""The catalogue of known failures: ordered data in catalogue/*.toml. The first signature that fits, counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from .errors import InputError
from .needles import Needles
from .parse import structured, toml
from .signatures import Line, Signature, unusable_patterns

FOLDER = Path(__file__).resolve().parent / "catalogue"
CLASSES_KEPT = 500
"""Classes of exceptions for which a catalogue keeps what is for them."""


@dataclass(frozen=True)
class Catalogue:
    """Every signature, in the order in which they are tried."""

    signature: tuple[Signature, ...]

    def __iter__(self) -> Iterator[Signature]:
        return iter(self.signature)

    @cached_property
    def ordinary(self) -> tuple[Signature, ...]:
        return tuple(each for each in self.signature if not each.broad)

    @cached_property
    def fallbacks(self) -> tuple[Signature, ...]:
        """Those that count only where none of the others fits."""
        return tuple(each for each in self.signature if each.fallback and not (each.within or each.raised_in))

    @cached_property
    def families(self) -> tuple[Signature, ...]:
        """Those that count after them: of a package's many messages they know the part of it that raises them."""
        return tuple(each for each in self.signature if each.raised_in and not each.within)

    @cached_property
    def places(self) -> tuple[Signature, ...]:
        """Those that count last of all: they know the place, and no more."""
        return tuple(each for each in self.signature if each.within)

    @cached_property
    def closest(self) -> Catalogue:
        """Without any last resort."""
        return Catalogue(self.ordinary)

    @cached_property
    def sure(self) -> Catalogue:
        """Without those that know only the place: for what is still to get a signature of its own."""
        return Catalogue((*self.ordinary, *self.fallbacks, *self.families)) if self.places else self

    @cached_property
    def of_models(self) -> Catalogue:
        """Without what any program may meet: for a text that does not speak of models and their libraries."""
        return Catalogue(tuple(each for each in self.signature if not each.common))

    @cached_property
    def tiers(self) -> tuple[tuple[Signature, ...], ...]:
        """All of them, the surest first: where a signature of one tier fits, those below are not asked."""
        return self.ordinary, self.fallbacks, self.families, self.places

    def possible(self, exception: str, message: str) -> tuple[list[Signature], ...]:
        """Of every tier those that may fit an exception of that class, or a line where there is none, by its message.
        Wrappers are not among them. `message` is in small letters."""
        signatures, needles = self._asked(exception)
        found: tuple[list[Signature], ...] = tuple([] for _ in self.tiers)
        for number in needles.possible(message):
            tier, signature = signatures[number]
            found[tier].append(signature)
        return found

    def _asked(self, exception: str) -> tuple[list[tuple[int, Signature]], Needles]:
        if exception not in self._of_classes:
            if len(self._of_classes) >= CLASSES_KEPT:
                self._of_classes.clear()
            signatures = [
                (number, each)
                for number, tier in enumerate(self.tiers)
                for each in tier
                if not each.wrapper and each.is_for(exception)
            ]
            self._of_classes[exception] = signatures, Needles(each.message_needles for _, each in signatures)
        return self._of_classes[exception]

    @cached_property
    def _of_classes(self) -> dict[str, tuple[list[tuple[int, Signature]], Needles]]:
        return {}

    @cached_property
    def wrappers(self) -> tuple[Signature, ...]:
        return tuple(each for each in self.signature if each.wrapper)

    def wrapping(self, message: str) -> list[Signature]:
        """The wrappers that may fit an exception, by its message in small letters."""
        return [self.wrappers[place] for place in self._of_wrappers.possible(message)]

    @cached_property
    def _of_wrappers(self) -> Needles:
        return Needles(each.message_needles for each in self.wrappers)

    @cached_property
    def lines(self) -> tuple[tuple[Signature, Line], ...]:
        """Every line that ends a log, with the signature that knows it."""
        return tuple((each, line) for each in self.signature for line in each.lines)

    @cached_property
    def needles(self) -> tuple[str, ...]:
        """What lines that end a log are found by."""
        return tuple(line.has for _, line in self.lines)

    def get(self, identifier: str | None) -> Signature | None:
        """The signature of that name; None where there is none, or no name."""
        return self._by_id.get(identifier) if identifier else None

    @cached_property
    def _by_id(self) -> dict[str, Signature]:
        return {each.id: each for each in self.signature}


def load_catalogue(folder: Path = FOLDER) -> Catalogue:
    """The catalogue's files in the order of their names. Raises InputError with the path to every bad field.

    The package's own are read once.
    """
    return _shipped() if folder == FOLDER else _read(folder, unusable_patterns)


@cache
def _shipped() -> Catalogue:
    return _read(FOLDER)


@cache
def shipped_signature(identifier: str) -> Signature | None:
    """One signature of the package's own catalogue. Only the file that it stands in is parsed."""
    for path in signature_files(FOLDER):
        if f'id = "{identifier}"' in _text(path):
            return next((each for each in _parsed(path) if each.id == identifier), None)
    return None


@cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def _parsed(path: Path) -> Catalogue:
    return structured(toml(path), Catalogue, path.name)


def signature_files(folder: Path) -> list[Path]:
    """The files of a folder of signatures, in their order. Raises InputError where there are none."""
    files = sorted(folder.glob("*.toml"))
    if not files:
        raise InputError(str(folder), ["no .toml file in it"], "Give a folder of signatures.")
    return files


def _read(folder: Path, defects: Callable[[Signature], list[str]] = lambda _: []) -> Catalogue:
    found: dict[str, Signature] = {}
    for path in signature_files(folder):
        for number, each in enumerate(structured(toml(path), Catalogue, path.name)):
            if problems := defects(each):
                raise InputError(path.name, [f"signature[{number}].{problem}" for problem in problems])
            if each.id in found:
                raise InputError(path.name, [f"signature: the id {each.id!r} is given twice"])
            found[each.id] = each
    return Catalogue(tuple(found.values()))


def joined(first: Catalogue, then: Catalogue) -> Catalogue:
    """Both: the first one's signatures are tried first, and stand for those of the same identifier in the other."""
    return Catalogue((*first, *(each for each in then if first.get(each.id) is None)))
