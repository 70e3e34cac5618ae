"""Borders are found by the signature, in few runs, and never where nothing tells of one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping

import pytest

from compatcheck.bisection import Border, border, span
from compatcheck.domain import Outcome
from compatcheck.trials import Bench, Standing, Verdict

G, B, U = Standing.GOOD, Standing.BAD, Standing.UNKNOWN
LETTERS = {"g": G, "b": B, "?": U}


def asked_of(row: str) -> tuple[Callable[[int], Standing], Counter[int]]:
    counted: Counter[int] = Counter()

    def ask(place: int) -> Standing:
        counted[place] += 1
        return LETTERS[row[place]]

    return ask, counted


def found(row: str, good: int, bad: int) -> Border | None:
    ask, _ = asked_of(row)
    return border(ask, ask, good, bad)


def test_the_border_of_a_plain_row_takes_the_logarithm() -> None:
    row = "g" * 300 + "b" * 700
    ask, counted = asked_of(row)
    of = border(ask, lambda place: LETTERS[row[place]], 0, 999)
    assert of == Border(299, 300) and of.tight
    assert counted.total() <= math.ceil(math.log2(1000))


@pytest.mark.parametrize(
    ("row", "good", "bad", "at"),
    [
        ("gb", 0, 1, Border(0, 1)),
        ("bbbgg", 4, 0, Border(3, 2)),
        ("gg???bb", 0, 6, Border(1, 5, (2, 3, 4))),
        ("g?gb?b", 0, 5, Border(2, 3)),
        ("bb?gg", 4, 1, Border(3, 1, (2,))),
    ],
)
def test_another_error_is_stepped_over_and_never_taken_for_bad(row: str, good: int, bad: int, at: Border) -> None:
    assert found(row, good, bad) == at


def test_the_border_lies_beside_a_long_unknown_stretch_not_in_it() -> None:
    of = found("ggg" + "?" * 40 + "bbb", 0, 45)
    assert of is not None and (of.good, of.bad) == (2, 43)
    assert len(of.unknown) < 40 and not of.tight


def test_a_first_run_that_lied_is_corrected_by_its_repetition() -> None:
    row = "ggggggbbbb"
    lied = {4}
    seen: Counter[int] = Counter()

    def standing(place: int) -> Standing:
        seen[place] += 1
        return B if place in lied and seen[place] == 1 else LETTERS[row[place]]

    assert border(standing, lambda place: LETTERS[row[place]], 0, 9) == Border(5, 6)


def test_repetitions_that_never_agree_give_no_border() -> None:
    assert border(lambda place: B, lambda place: U, 0, 9) is None


class Row:
    """A laboratory in which one package decides: version to outcome."""

    def __init__(self) -> None:
        self.row: dict[str, str] = {}
        self.asked: list[str] = []

    def trial(self, versions: Mapping[str, str], repetition: int = 0) -> Verdict:
        assert versions["other"] == "7"
        self.asked.append(versions["lib"])
        letter = self.row[versions["lib"]]
        if letter == "?":
            return Verdict(Outcome.FAIL, "another")
        return Verdict(Outcome.PASS) if letter == "g" else Verdict(Outcome.FAIL, "planted")


def spanned(letters: str, good: str | None, bad: str) -> tuple[object, ...]:
    laboratory = Row()
    laboratory.row = {f"1.{place}.0": letter for place, letter in enumerate(letters)}
    bench = Bench(laboratory, good=(Outcome.PASS, None), bad=(Outcome.FAIL, "planted"))
    of = span(bench, {"other": "7", "lib": bad}, "lib", list(laboratory.row), good, bad)
    return of.last_good, of.first_bad, of.last_bad, of.fixed_in, of.unknown, of.open_below, of.open_above


def test_both_borders_of_a_stretch_of_bad_releases() -> None:
    assert spanned("gggbbbbggg", "1.1.0", "1.5.0") == ("1.2.0", "1.3.0", "1.6.0", "1.7.0", (), False, False)


def test_a_stretch_that_reaches_the_newest_release_is_open_above() -> None:
    assert spanned("gggbbbb", "1.0.0", "1.3.0") == ("1.2.0", "1.3.0", "1.6.0", None, (), False, True)


def test_a_stretch_from_the_oldest_release_on_is_open_below_and_mended() -> None:
    assert spanned("bbbbggg", "1.6.0", "1.1.0") == (None, "1.0.0", "1.3.0", "1.4.0", (), True, False)


def test_an_end_that_tells_nothing_is_not_taken_for_bad() -> None:
    assert spanned("ggbbbb??", "1.0.0", "1.3.0") == ("1.1.0", "1.2.0", "1.5.0", None, (), False, False)


def test_releases_with_another_error_at_a_border_are_named() -> None:
    assert spanned("gg??bbgg", "1.0.0", "1.4.0")[:5] == ("1.1.0", "1.4.0", "1.5.0", "1.6.0", ("1.2.0", "1.3.0"))


def test_a_local_build_stands_in_the_place_of_its_release() -> None:
    laboratory = Row()
    laboratory.row = {"1.0.0": "g", "1.1.0": "g", "1.2.0+cpu": "b", "1.3.0": "b"}
    bench = Bench(laboratory, good=(Outcome.PASS, None), bad=(Outcome.FAIL, "planted"))
    releases = ["1.0.0", "1.1.0", "1.2.0", "1.3.0"]
    of = span(bench, {"other": "7", "lib": "1.2.0+cpu"}, "lib", releases, "1.0.0", "1.2.0+cpu")
    assert (of.last_good, of.first_bad) == ("1.1.0", "1.2.0+cpu")
    assert "1.2.0" not in laboratory.asked
