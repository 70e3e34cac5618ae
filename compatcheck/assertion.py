"""`check_environment` and `assert_compatible`: a verdict on the versions that this process would import.

>>> import compatcheck
>>> compatcheck.assert_compatible(versions={"torch": "2.6.0", "transformers": "4.51.3", "peft": "0.15.2"})
>>> compatcheck.check_environment(versions={"torch": "2.6.0", "transformers": "4.44.2", "peft": "0.7.1"}).status.value
'known-bad'
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from .errors import EXIT_NEGATIVE, EXIT_UNKNOWN, CompatcheckError, UsageError
from .installation import installed_here
from .mending import nearest_working, pins
from .own_runs import known_table
from .shipped import KnownTable
from .verdict import Standing, Verdict, lookup


class IncompatibleVersions(CompatcheckError):
    """These versions are known not to work together. `verdict` says all that is known."""

    exit_code: ClassVar[int] = EXIT_NEGATIVE

    def __init__(self, verdict: Verdict, table: KnownTable | None = None) -> None:
        self.verdict = verdict
        told = _lessons(verdict, table or known_table())
        super().__init__(told[0], "\n  ".join(told[1:]))


class UnknownVersions(IncompatibleVersions):
    """Nothing is known of these versions, and `strict` asked for more."""

    exit_code: ClassVar[int] = EXIT_UNKNOWN


def check_environment(versions: Mapping[str, str] | None = None, table: KnownTable | None = None) -> Verdict:
    """What is known of the installed torch, transformers and peft, or of `versions`.

    Imports none of them and asks no network. Raises UsageError where one of the three is not installed.
    """
    if versions is None:
        there = installed_here()
        if there.missing:
            raise UsageError(
                f"{there.lacks}: there is nothing to judge",
                "Install torch, transformers and peft, or pass versions={...}.",
            )
        versions = {**there.packages, "python": there.python_minor}
    return lookup(versions, table)


def assert_compatible(
    *, strict: bool = False, versions: Mapping[str, str] | None = None, table: KnownTable | None = None
) -> None:
    """Raise IncompatibleVersions where the installed versions are known to fail or to give wrong results.

    Its message says what happens, why, and which versions work. With `strict` also where nothing, or only something
    out of date, is known (UnknownVersions).
    """
    verdict = check_environment(versions, table)
    if verdict.bad:
        raise IncompatibleVersions(verdict, table)
    if strict and verdict.status is not Standing.WORKS:
        raise UnknownVersions(verdict, table)


def _lessons(verdict: Verdict, table: KnownTable) -> list[str]:
    """The error's message: what, why, what to do, and how sure this is."""
    asked = ", ".join(f"{name} {verdict.versions[name]}" for name in ("torch", "transformers", "peft"))
    if not verdict.bad:
        around = [f"measured nearby: {each.words()}: {each.outcome}" for each in verdict.neighbours[:2]]
        run = "To find out: compatcheck probe"
        return [
            f"{asked}: {verdict.status}, nothing that can be relied on is known of them",
            *verdict.notes,
            *([f"expected: {verdict.expected.words()}"] if verdict.expected else []),
            *around,
            run,
        ]
    happens = {Standing.WRONG: "give wrong results together"}.get(verdict.status, "do not work together")
    told = [f"{asked} {happens}: {verdict.title}"]
    if verdict.signature is not None:
        told += [f"why      {verdict.signature.cause}", f"remedy   {verdict.remedy}"]
    if verdict.pins:
        told.append("pins     " + " ".join(verdict.pins))
    if near := nearest_working(verdict.versions, table, verdict.python):
        told.append(f"works    {pins(near)}")
    told += [f"but      {note}" for note in verdict.notes]
    cell = verdict.cell
    if cell is not None:
        told.append(f"known    {cell.basis} {cell.measured or ''} on Python {cell.python}, {cell.source.platform}")
    if verdict.source:
        told.append(f"known    {verdict.source}; not run")
    told.append("To see it happen: compatcheck probe")
    return told
