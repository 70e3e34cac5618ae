"""What a message must hold for a signature to fit: never more than it must, or a failure would lose its name."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_corpus import read_corpus

from compatcheck.catalogues import load_catalogue
from compatcheck.domain import Raised
from compatcheck.needles import Needles, needles_of
from compatcheck.signature_fit import fitted, possible

CATALOGUE = load_catalogue()
PATTERNS = sorted({each.message for each in CATALOGUE if each.message.isascii() and each.message_needles})


@pytest.mark.parametrize(
    ("pattern", "needles"),
    [
        ("Cache only has \\d+ layers", ("cache only has ",)),
        ("No module named '(?P<name>\\w+)'", ("no module named '",)),
        ("size mismatch|cannot be multiplied", ("cannot be multiplied", "size mismatch")),
        ("(?:out of memory|OOM)", ("oom", "out of memory")),
        ("^expected (?:Half|Float)$", ("expected ",)),
        ("(?:abc)?def", ("def",)),
        ("(?:abcd){2}", ("abcd",)),
        ("a(?!bc)d", ()),
        ("(?:long words|\\d+)", ()),
        ("\\w+", ()),
        ("[Uu]nknown key", ("nknown key",)),
        ("(?=never)\\w{3}", ()),
        ("(?i)KeyError", ("keyerror",)),
    ],
)
def test_needles_of_patterns(pattern: str, needles: tuple[str, ...]) -> None:
    assert needles_of(pattern) == needles


def test_what_is_no_pattern_is_an_error() -> None:
    with pytest.raises(re.error):
        needles_of("(")


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_whatever_a_signatures_pattern_is_found_in_has_one_of_its_needles(data: st.DataObject) -> None:
    pattern = data.draw(st.sampled_from(PATTERNS))
    text = data.draw(st.from_regex(re.compile(pattern, re.ASCII), alphabet=st.characters(codec="ascii")))
    assert any(needle in text.lower() for needle in needles_of(pattern)), (pattern, needles_of(pattern))


def test_what_is_possible_stands_in_the_order_of_the_patterns() -> None:
    needles = Needles([("size mismatch",), (), ("layers", "cache"), ("mis",)])
    assert needles.possible("a size mismatch of the cache's layers") == [0, 1, 2, 3]
    assert needles.possible("a miss") == [1, 3]
    assert needles.possible("") == [1]


def test_every_signature_that_fits_every_third_example_or_every_tenth_logs_last_line_is_possible() -> None:
    shown = [each for signature in CATALOGUE for each in signature.examples]
    told = [Raised("", "", each.partition("\n")[2] or each) for each in shown[::3]]
    for line in (case.text.rstrip().rsplit("\n", 1)[-1] for case in read_corpus()[::10]):
        kind, colon, message = line.partition(": ")
        told.append(
            Raised(kind.rpartition(".")[2], "", message) if colon and kind.isidentifier() else Raised("", "", line)
        )
    met = 0
    for raised in told:
        tiers = possible(raised, CATALOGUE)
        for tier, some in zip(CATALOGUE.tiers, tiers, strict=True):
            fits = [each for each in tier if not each.wrapper and fitted(each, raised, whole=False) is not None]
            assert all(each in some for each in fits), (raised, [each.id for each in fits])
            met += len(fits)
    assert met > len(told) / 2
