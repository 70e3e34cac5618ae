"""Real logs: each is named as what it is, by the line that says so, and never as something else.

`pytest tests/test_logs.py --bless` writes what explain says now into the files; the difference is for reading.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_corpus import Case, Tried, Verdict, blessed, read_case, read_corpus
from log_scores import Scores, first_tries, place_ids, scores, tables, with_table

from compatcheck.catalogues import Catalogue, load_catalogue
from compatcheck.explanation import explain
from compatcheck.logtext import read_text
from compatcheck.signature_fit import fitting
from compatcheck.signatures import Signature

CORPUS = read_corpus()
CATALOGUE = load_catalogue()
PLACES = place_ids(CATALOGUE)
README = Path(__file__).parent.parent / "README.md"
FIRST_TRIES = README.parent / "benchmarks" / "first_tries.md"


@cache
def verdict(text: str) -> str | None:
    explanation = explain(text)
    return explanation.signature.id if explanation.signature else None


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case.path.stem)
def test_every_log_is_named_by_its_deciding_line(case: Case, request: pytest.FixtureRequest) -> None:
    explanation = explain(case.text)
    found = explanation.signature.id if explanation.signature else None
    if request.config.getoption("--bless"):
        case.path.write_bytes(blessed(case, found, explanation.line).encode())
        return
    told = (
        f"{explanation.as_text()}\nexpected {case.expect} by line {case.line}, got {found} by line {explanation.line}"
    )
    assert found == case.expect, told
    assert explanation.line == case.line, told


def test_every_expectation_is_a_signature_of_the_catalogue() -> None:
    unheard_of = {case.path.name: case.expect for case in CORPUS if case.expect and not CATALOGUE.get(case.expect)}
    assert not unheard_of


def _signature(name: str) -> Signature:
    found = CATALOGUE.get(name)
    assert found is not None
    return found


@pytest.mark.parametrize("case", [case for case in CORPUS if case.expect], ids=lambda case: case.path.stem)
def test_no_other_signature_fits_a_log_unless_the_catalogue_says_so(case: Case) -> None:
    explanation = explain(case.text)
    assert explanation.diagnosis is not None and explanation.diagnosis.exception is not None
    fits = fitting(explanation.diagnosis.exception, CATALOGUE, whole=True)
    assert set(fits) - {case.expect} <= set(_signature(str(case.expect)).beside)


def test_precision_over_the_corpus() -> None:
    of = scores(CORPUS, verdict)
    assert of.precision >= 0.97, of
    assert of.recall >= 0.97, of


def test_the_tables_are_of_this_corpus() -> None:
    texts = {file: file.read_text(encoding="utf-8") for file in (README, FIRST_TRIES)}
    for name, rows in tables(CORPUS, verdict, PLACES).items():
        assert sum(f"<!-- generated: {name} -->" in text for text in texts.values()) == 1
        for text in texts.values():
            assert with_table(text, name, rows) == text, (
                "python tests/log_scores.py README.md benchmarks/first_tries.md"
            )


def test_first_tries_count_what_was_said_then_and_what_is_said_now() -> None:
    def case(verdict: Verdict, expect: str | None) -> Case:
        return Case(Path("x"), "https://x", expect, "", None, tried=Tried("2026-11-25 set 1", verdict))

    cases = [
        case(Verdict.RIGHT, "a"),
        case(Verdict.PLACED, "d"),
        case(Verdict.UNKNOWN, "b"),
        case(Verdict.WRONG, "c"),
        case(Verdict.NONE, None),
    ]
    told = iter(["a", "d", None, "c"])
    (row,) = first_tries(cases, lambda text: next(told), {"c"}, by_set=True).splitlines()[2:]
    assert row == "| 2026-11-25 set 1 | 5 | 4 | 2 (50%) | 1 | 1 | 1 | 1 | 3 (75%) | 1 |"


def test_the_sets_of_one_day_stand_in_the_order_of_their_numbers() -> None:
    cases = [
        Case(Path("x"), "https://x", "a", "", None, tried=Tried(f"2026-11-26 set {number}", Verdict.RIGHT))
        for number in (10, 9, 2)
    ]
    rows = first_tries(cases, lambda text: "a", by_set=True).splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == [f"2026-11-26 set {number}" for number in (2, 9, 10)]


def test_the_sets_of_a_day_are_counted_together_and_all_of_them_besides() -> None:
    days = {"2026-11-25 set 1": Verdict.RIGHT, "2026-11-26 set 2": Verdict.WRONG, "2026-11-26 set 3": Verdict.RIGHT}
    cases = [Case(Path("x"), "https://x", "a", "", None, tried=Tried(when, said)) for when, said in days.items()]
    rows = [row.split("|")[1:5] for row in first_tries(cases, lambda text: "a").splitlines()[2:]]
    assert [[each.strip() for each in row] for row in rows] == [
        ["2026-11-25, 1 sets", "1", "1", "1 (100%)"],
        ["2026-11-26, 2 sets", "2", "2", "1 (50%)"],
        ["all 3 sets", "3", "3", "2 (67%)"],
    ]


def test_scores_count_what_is_named_wrong_against_precision() -> None:
    cases = [Case(Path("x"), "measured: x", expect, "", None) for expect in ("a", "a", "b", None)]
    verdicts = iter(["a", None, "c", "d"])
    assert scores(cases, lambda text: next(verdicts)) == Scores(logs=4, known=3, right=1, wrong=2)
    assert Scores(4, 3, 1, 2).precision == pytest.approx(1 / 3) and Scores(4, 3, 1, 2).recall == pytest.approx(1 / 3)


BARE_ENDS = {signature.id for signature in CATALOGUE if signature.lines and not signature.exception}
"""A line such as `Killed` or `Segmentation fault` says the same of any program. Where the rest shows that the program
is none of this stack's, the whole is unknown; the line alone, with all of that cut off, is named."""

LAST_RESORTS = [Catalogue(tier) for tier in CATALOGUE.tiers[1:]]


def allowed(case: Case) -> set[str | None]:
    """What a part of a log may be named as: what the whole is, another failure that the whole tells of besides, or
    a wider name: what the catalogue allows beside its own (offline mode, cut down, is a hub that cannot be reached),
    and what fits any exception of the log by itself, the last resorts among it, with its frames or without them (a
    script's slip has no name, and what is left where the script's frame is cut off has one); what its heading says
    alone (a thread may go on to another failure); and without a traceback, where a text tells of failures in
    sentences, what one line of it says.
    """
    whole = explain(case.text)
    own = {whole.signature.id, *whole.signature.beside} if whole.signature else BARE_ENDS
    links = [(raised, finding.chain) for finding in read_text(case.text).findings for raised in finding.chain]
    lines = case.text.splitlines()
    told = lines[:1] if any(raised.frames for raised, _ in links) else lines
    wider = (
        name
        for raised, chain in links
        for each in (raised, replace(raised, frames=()))
        for around in (chain, tuple(replace(link, frames=()) for link in chain))
        for known in (CATALOGUE, *LAST_RESORTS)
        for name in fitting(each, known, whole=True, around=around)
    )
    return {None, *own, *wider, *(other.signature for other in whole.others), *map(verdict, told)}


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_log_cut_at_either_end_is_never_named_as_something_else(data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(CORPUS))
    lines = case.text.splitlines(keepends=True)
    start = data.draw(st.integers(0, len(lines)))
    end = data.draw(st.integers(start, len(lines)))
    part = lines[start:end]
    found = verdict("".join(part))
    told = found in allowed(case) or related(case.expect, found) or tells_by_itself(found, part)
    assert told, (case.path.name, start, end, found)


def related(one: str | None, other: str | None) -> bool:
    """Whether the catalogue itself says that the one is the wider name of the other, or only knows whose it is."""
    first, second = CATALOGUE.get(one), CATALOGUE.get(other)
    if not (first and second):
        return False
    general = [each for each in (first, second) if each.broad]
    return bool(general) or second.id in first.beside or first.id in second.beside


def tells_by_itself(name: str | None, lines: list[str]) -> bool:
    """Whether one line, or two that follow each other, are named so: a thread may tell of several failures."""
    pairs = [f"{line}{then}" for line, then in pairwise(lines)]
    return any(verdict(each) == name for each in (*lines, *pairs))


def test_the_form_of_a_case_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    for text, said in [
        ("#: source: here\nfoo\n", "needs source and expect"),
        ("#: source: here\n#: expect: a\nfoo\n", "0 lines are marked"),
        ("#: source: here\n#: expect: unknown\n=> a\n=> b\n", "2 lines are marked"),
        ("#: colour: red\n", "is not a header line"),
        ("#: source: here\n#: expect: unknown\n#: tried: yesterday\nfoo\n", "is not of the form"),
    ]:
        path.write_text(text)
        with pytest.raises(ValueError, match=said):
            read_case(path)


def test_blessing_writes_the_verdict_and_moves_the_mark(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("#: source: here\n#: expect: a\n#: note: n\nfoo\n=> bar\n")
    case = read_case(path)
    assert (case.text, case.line, case.expect) == ("foo\nbar\n", 2, "a")
    path.write_text(blessed(case, None, 1))
    again = read_case(path)
    assert (again.text, again.line, again.expect) == ("foo\nbar\n", 1, None)
    assert "#: note: n" in path.read_text()
