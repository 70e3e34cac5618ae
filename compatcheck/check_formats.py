"""A judgement as text, JSON, GitHub annotations, SARIF 2.1.0 or JUnit XML."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from xml.etree import ElementTree

from . import __version__
from .domain import CORE, UNPRINTABLE, inert
from .judgement import Finding, Judgement, finding_json
from .mending import pins
from .verdict import Standing, Verdict, days

LEVELS = {
    Standing.KNOWN_BAD: "error",
    Standing.WRONG: "error",
    Standing.UNKNOWN: "warning",
    Standing.STALE: "warning",
    Standing.WORKS: "note",
}
"""As SARIF and GitHub name them; a waiver makes a note of an error, `--strict` an error of a warning."""


NOTHING_JUDGED = "nothing could be judged, and with strict that is no pass"


def level(finding: Finding, judgement: Judgement) -> str:
    if finding.status is None:
        return "error" if judgement.refused_empty else "note"
    if finding.waiver is not None:
        return "note"
    told = LEVELS[finding.status]
    return "error" if judgement.strict and told == "warning" else told


def headline(finding: Finding) -> str:
    """What was found, in one line."""
    if finding.verdict is None:
        return f"{finding.subject}: {finding.note}"
    place = f"{finding.subject}: "
    if finding.share:
        place += f"{share_text(finding)}; {finding.corner} corner "
    told = place + finding.verdict.as_text()
    if finding.note:
        told = f"{finding.subject}: {finding.note}"
    if finding.waiver:
        told += f" | waived until {finding.waiver.until}: {finding.waiver.reason}"
    return _line(told)


def _line(text: str) -> str:
    """`text` as one line that every file can carry: a file's name may hold anything but `/`."""
    return inert(text.encode("utf-8", "replace").decode().replace("\n", " "))


def share_text(finding: Finding) -> str:
    """`12 of the 96 measured combinations within the ranges work (12 %)`"""
    share = finding.share
    if share is None:
        return ""
    if not share.total:
        python = share.highest.python
        return f"no combination within the ranges was measured{f' on Python {python}' if python else ''}"
    percent = 100 * share.works // share.total
    return f"{share.works} of the {share.total} measured combinations within the ranges work ({percent} %)"


# ------------------------------------------------------------------ text


def as_text(judgement: Judgement) -> str:
    """Several lines a finding, for people."""
    return "\n".join(_text_lines(judgement)) + "\n"


def _text_lines(judgement: Judgement) -> Iterator[str]:
    for finding in judgement.findings:
        yield from (_line(line) for line in _finding_lines(finding))
    if judgement.refused_empty:
        yield NOTHING_JUDGED
    yield from waiver_lines(judgement)
    yield f"({judgement.table}: {days(judgement.age)} old)"


def _finding_lines(finding: Finding) -> Iterator[str]:
    verdict = finding.verdict
    if verdict is None:
        yield f"{finding.subject}: {finding.note}"
        return
    if finding.note:
        yield f"{finding.subject}: {finding.note}"
        return
    if finding.share is None:
        yield f"{finding.subject}: {_named(verdict)}: {_standing(verdict)}"
    else:
        yield f"{finding.subject}: {share_text(finding)}"
        for which, corner in (("highest", finding.share.highest), ("lowest", finding.share.lowest)):
            mark = "  <- decides" if which == finding.corner else ""
            yield f"  {which:<8} {_named(corner)}: {_standing(corner)}{mark}"
        for age, names in (("newer", finding.share.open_above), ("older", finding.share.open_below)):
            if names:
                yield f"  open     {age} {', '.join(names)} than any measured may be picked"
    yield from _reasons(verdict)
    if finding.mend:
        yield f"  works    {pins(finding.mend)}"
    if verdict.status is Standing.UNKNOWN:
        yield "  find out compatcheck probe runs the cycle with what is installed"
    if finding.waiver:
        yield f"  waived   until {finding.waiver.until}: {finding.waiver.reason}"


def _reasons(verdict: Verdict) -> Iterator[str]:
    if verdict.bad and verdict.signature:
        yield f"  why      {verdict.signature.cause}"
        yield f"  remedy   {verdict.remedy}"
        if verdict.pins:
            yield f"  pins     {' '.join(verdict.pins)}"
    for note in verdict.notes:
        yield f"  note     {note}"
    if verdict.expected:
        yield f"  expected {verdict.expected.words()}"
    for each in verdict.neighbours[:2]:
        yield f"  near     {each.words()}: {each.outcome}" + (f" ({each.signature})" if each.signature else "")
    if verdict.cell:
        yield f"  basis    {verdict.cell.basis} {verdict.cell.measured or ''}, {days(verdict.age)} ago"
    if verdict.source:
        yield f"  basis    {verdict.source}; not run"


def _named(verdict: Verdict) -> str:
    python = f" on Python {verdict.python}" if verdict.python else ""
    return ", ".join(f"{name} {verdict.versions[name]}" for name in CORE) + python


def _standing(verdict: Verdict) -> str:
    told = str(verdict.status).replace("-", " ")
    if verdict.status is Standing.UNKNOWN and verdict.cell is None:
        return f"{told}: this combination was not measured"
    known = f" [{verdict.named}]" if verdict.named else ""
    return f"{told}: {verdict.title}{known}" if verdict.title else told


def waiver_lines(judgement: Judgement) -> Iterator[str]:
    """What is to be said of the waivers."""
    return map(_line, _waiver_lines(judgement))


def _waiver_lines(judgement: Judgement) -> Iterator[str]:
    for waiver in judgement.expired:
        then = "what it covered counts again" if judgement.needed(waiver) else "it covers nothing here: take it out"
        yield f"the waiver of {waiver.named} expired on {waiver.until} ({waiver.reason}): {then}"
    for waiver in judgement.unused:
        yield f"the waiver of {waiver.named} (until {waiver.until}) covers nothing here"


# ------------------------------------------------------------------ for machines


def as_json(judgement: Judgement) -> str:
    told = {
        "schema": 1,
        "compatcheck": __version__,
        "table": judgement.table,
        "table_age_days": judgement.age,
        "strict": judgement.strict,
        "exit_code": judgement.exit_code,
        "findings": [finding_json(finding) for finding in judgement.findings],
        "waivers": {
            "expired": [{"what": each.named, "until": each.until.isoformat()} for each in judgement.expired],
            "unused": [{"what": each.named, "until": each.until.isoformat()} for each in judgement.unused],
        },
    }
    return _json(told)


def _json(told: Mapping[str, Any]) -> str:
    # half a surrogate pair, as in the name of a file that is no text, can stand in no file
    text = json.dumps(told, indent=1, ensure_ascii=False).encode("utf-8", "replace").decode()
    return UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def as_github(judgement: Judgement) -> str:
    """Workflow commands: GitHub shows them at the file's line and in the run's summary."""
    lines = []
    for finding in judgement.findings:
        command = {"note": "notice"}.get(told := level(finding, judgement), told)
        place = f"file={_property(finding.file)},line={finding.line}," if finding.file else ""
        lines.append(f"::{command} {place}title=compatcheck::{_data(_whole(finding))}")
    if judgement.refused_empty:
        lines.append(f"::error title=compatcheck::{_data(NOTHING_JUDGED)}")
    for line in waiver_lines(judgement):
        command = "error" if " expired on " in line else "notice"
        lines.append(f"::{command} title=compatcheck::{_data(line)}")
    return "\n".join(lines) + "\n"


def _whole(finding: Finding) -> str:
    return "\n".join(map(_line, _finding_lines(finding)))


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text.encode("utf-8", "replace").decode()).replace(":", "%3A").replace(",", "%2C")


ANCHOR = "pyproject.toml"
"""Where a finding on an environment is shown: code scanning refuses a whole file in which one result has no place."""


def as_sarif(judgement: Judgement) -> str:
    """SARIF 2.1.0, for code scanning. One rule a signature; waived findings are suppressed with their reason.

    What works is no result: the alert of an earlier run closes when it is no longer there.
    """
    rules: dict[str, Mapping[str, Any]] = {}
    results = []
    for finding in judgement.findings:
        if finding.status is Standing.WORKS or (finding.status is None and not judgement.refused_empty):
            continue
        name = _rule(finding)
        rules.setdefault(name, _rule_json(name, finding.verdict))
        place = {
            "artifactLocation": {"uri": _uri(finding.file or ANCHOR)},
            "region": {"startLine": finding.line},
        }
        result: dict[str, Any] = {
            "ruleId": name,
            "ruleIndex": list(rules).index(name),
            "kind": "fail",
            "level": level(finding, judgement),
            "message": {"text": headline(finding)},
            "locations": [{"physicalLocation": place}],
        }
        if finding.waiver:
            why = _line(f"until {finding.waiver.until}: {finding.waiver.reason}")
            result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": why}]
        results.append(result)
    notes = [
        {"level": "error" if " expired on " in line else "note", "message": {"text": line}}
        for line in waiver_lines(judgement)
    ]
    driver = {"name": "compatcheck", "version": __version__, "rules": list(rules.values())}
    run = {
        "tool": {"driver": driver},
        "invocations": [
            {"executionSuccessful": True, "exitCode": judgement.exit_code, "toolExecutionNotifications": notes}
        ],
        "results": results,
    }
    sarif = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return _json(sarif)


def _rule(finding: Finding) -> str:
    verdict = finding.verdict
    if verdict and verdict.bad:
        unnamed = f"unknown-failure-{verdict.cell.fingerprint}" if verdict.cell else "cannot-be-imported"
        return _line(verdict.named or unnamed)
    return str(finding.status or "nothing-judged")


def _rule_json(name: str, verdict: Verdict | None) -> Mapping[str, Any]:
    told: dict[str, Any] = {"id": name, "shortDescription": {"text": (verdict and verdict.title) or name}}
    if verdict and verdict.signature:
        told["fullDescription"] = {"text": verdict.signature.cause}
        told["help"] = {"text": verdict.remedy}
    return told


def _uri(path: str) -> str:
    from urllib.parse import quote

    return quote(path.replace("\\", "/"), errors="surrogateescape")


def as_junit(judgement: Judgement) -> str:
    """One test case a finding, one more for every waiver that has expired."""
    cases = []
    for finding in judgement.findings:
        case = ElementTree.Element("testcase", classname="compatcheck", name=_line(finding.subject), time="0")
        told = level(finding, judgement)
        if told == "note" and finding.status is not Standing.WORKS:
            ElementTree.SubElement(case, "skipped", message=headline(finding))
        elif told == "error":
            failure = ElementTree.SubElement(case, "failure", message=headline(finding), type=_rule(finding))
            failure.text = _whole(finding)
        else:
            ElementTree.SubElement(case, "system-out").text = _whole(finding)
        cases.append(case)
    for line in (each for each in waiver_lines(judgement) if " expired on " in each):
        case = ElementTree.Element("testcase", classname="compatcheck", name="waiver", time="0")
        ElementTree.SubElement(case, "failure", message=line, type="expired-waiver")
        cases.append(case)
    failures = sum(case.find("failure") is not None for case in cases)
    skipped = sum(case.find("skipped") is not None for case in cases)
    counts = {"tests": str(len(cases)), "failures": str(failures), "errors": "0", "skipped": str(skipped)}
    suite = ElementTree.Element("testsuite", {"name": "compatcheck", "time": "0", **counts})
    suite.extend(cases)
    whole = ElementTree.Element("testsuites", counts)
    whole.append(suite)
    ElementTree.indent(whole)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(whole, encoding="unicode") + "\n"


FORMATS: Mapping[str, Callable[[Judgement], str]] = {
    "text": as_text,
    "json": as_json,
    "github": as_github,
    "sarif": as_sarif,
    "junit": as_junit,
}
