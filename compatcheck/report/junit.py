"""The report as JUnit XML: every cell a test, so that a CI service shows which combinations do not work, and why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from xml.etree import ElementTree

from packaging.version import Version

from ..domain import Outcome
from .context import BAD, Context
from .entry import Entry, FailureClass

MESSAGE_CAP = 4000
"""Characters of a message from outside; the rest is cut, and said so."""

KINDS = {
    Outcome.FAIL: "failure",
    Outcome.WRONG: "failure",
    Outcome.UNRESOLVABLE: "skipped",
    Outcome.UNTESTED: "skipped",
    Outcome.ERROR: "error",
}
"""The element that an outcome becomes. A pass has none."""
WORDS = {
    Outcome.FAIL: "fails",
    Outcome.WRONG: "runs to the end and gives a wrong result",
    Outcome.UNRESOLVABLE: "cannot be installed: the resolver finds nothing that goes together",
    Outcome.UNTESTED: "has not been run",
    Outcome.ERROR: "could not be measured on this machine",
}

_NOT_XML = re.compile(r"[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u202a-\u202e\u2066-\u2069]")


def junit_text(context: Context) -> str:
    """A test suite for each Python and torch, a test for each cell."""
    root = ElementTree.Element("testsuites", {"name": f"compatcheck {context.matrix.name}", **_counts(context.entries)})
    classes = {each.key: each for each in context.classes}
    ordered = sorted(  # stable: within a suite the order of the matrix
        context.entries, key=lambda entry: (Version(entry.cell.python), Version(entry.cell.versions["torch"]))
    )
    for suite, entries in groupby(ordered, key=_suite):
        _add_suite(root, suite, list(entries), context, classes)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def shown(text: str) -> str:
    """What XML can hold of `text`: characters that it cannot, and those that turn the direction, as `\\x1b`."""
    escaped = _NOT_XML.sub(lambda found: found[0].encode("unicode_escape").decode(), text.replace("\r\n", "\n"))
    return escaped if len(escaped) <= MESSAGE_CAP else f"{escaped[:MESSAGE_CAP]} [cut]"


def _suite(entry: Entry) -> str:
    return f"py{entry.cell.python.replace('.', '')} torch {entry.cell.versions['torch']}"


def _counts(entries: Iterable[Entry]) -> dict[str, str]:
    listed = list(entries)
    kinds = Counter(_kind(entry) for entry in listed)
    seconds = sum(entry.result.observation.seconds for entry in listed if entry.result.observation)
    return {
        "tests": str(len(listed)),
        "failures": str(kinds["failure"]),
        "errors": str(kinds["error"]),
        "skipped": str(kinds["skipped"]),
        "time": f"{seconds:.3f}",
    }


def _add_suite(
    root: ElementTree.Element, name: str, entries: list[Entry], context: Context, classes: dict[str, FailureClass]
) -> None:
    suite = ElementTree.SubElement(
        root, "testsuite", {"name": name, **_counts(entries), "timestamp": f"{context.generated:%Y-%m-%dT%H:%M:%S}"}
    )
    place = f"{context.matrix.name}.{name.replace('.', '_').replace(' ', '.')}"
    for entry in entries:
        rest = ", ".join(f"{package} {version}" for package, version in entry.cell.versions.items())
        observation = entry.result.observation
        case = ElementTree.SubElement(
            suite,
            "testcase",
            {"classname": place, "name": rest, "time": f"{observation.seconds if observation else 0:.3f}"},
        )
        if (kind := _kind(entry)) is not None:
            each = classes.get(entry.failure or "")
            found = ElementTree.SubElement(case, kind, {"message": shown(_message(entry, each))})
            if kind != "skipped":
                found.set("type", entry.failure or str(entry.outcome))
            found.text = "\n".join(shown(line) for line in _body(entry, each, context))
        elif entry.caveat:
            ElementTree.SubElement(case, "system-out").text = "works; generating with use_cache=False does not"


def _kind(entry: Entry) -> str | None:
    """The element that a cell becomes: a test that was not run is skipped, whatever is inferred of it."""
    return KINDS.get(entry.outcome if entry.measured else Outcome.UNTESTED)


def _message(entry: Entry, each: FailureClass | None) -> str:
    if entry.conclusion is not None:
        return f"{WORDS[Outcome.UNTESTED]}; {entry.outcome} is {entry.conclusion.words()}"
    where = f" in {entry.result.stage}" if entry.outcome is Outcome.FAIL and entry.result.stage else ""
    title = f": {each.signature.title}" if each and each.signature else ""
    return f"{WORDS[entry.outcome]}{where}{title}"


def _body(entry: Entry, each: FailureClass | None, context: Context) -> Iterable[str]:
    result, exception = entry.result, entry.exception
    if entry.conclusion is not None:
        yield f"it rests on {entry.conclusion.grounds()}"
        return
    if each is not None:
        yield f"failure class {each.letter}: {each.key}"
    if exception is not None:
        yield f"{exception.type}: {exception.message}"
    if result.observation is not None:
        for check in result.observation.checks:
            if not check.passed:
                yield f"check {check.name} does not hold" + (f": {check.detail}" if check.detail else "")
    if result.resolution is not None and result.lock is None:
        yield result.resolution.reason
    if result.trouble:
        yield result.trouble
    if each is not None and each.signature is not None:
        yield f"cause: {each.signature.cause}"
        yield f"what to do: {each.signature.remedy}"
        if each.signature.references:
            yield f"see: {', '.join(each.signature.references)}"
    if entry.workaround:
        yield "workaround: use_cache=False gives the right result"
    if entry.outcome in BAD:
        yield f"to repeat it: compatcheck run matrix/{context.matrix.name}.toml --only {entry.cell.id} --again"
