"""A report of `bisect` says what was found, no more, and can be filed as it is."""

from __future__ import annotations

from dataclasses import replace

from made_up import CACHE_LAYERS

from compatcheck.attribution import Blame, Culprit, Kind, Pair
from compatcheck.bisect_report import BisectReport, Contrast, markdown
from compatcheck.traceback_text import last_traceback, raised_lines

PAIR = Pair("aaaa", "bbbb", "lib 1.3 works, 1.4 does not", border="lib")
REPORT = BisectReport(
    Blame(Kind.DRIFT, (Culprit("lib", "1.3", "1.4", still_bad="1.9"),), (PAIR,), runs=17),
    "3.11",
    "linux-x86_64",
    "python minimal.py",
    "print('the script')",
    "Traceback (most recent call last):\n  File ...\nKeyError: 'gone'",
    Contrast({"lib": "1.3", "other": "7"}, {"lib": "1.4", "other": "7"}),
    confirmed=True,
    released={"lib 1.4": "2025-02-01"},
)


def test_it_names_the_first_bad_release_its_day_and_what_still_works() -> None:
    text = markdown(REPORT)
    assert text.startswith("# lib 1.4: KeyError: 'gone'\n")
    assert "`lib` 1.4 (2025-02-01) is the first release with which this fails; with 1.3 it works, with all" in text
    assert "It still fails with 1.9" in text
    assert "| lib | 1.3 | 1.4 |" in text and "| other |" not in text
    assert "print('the script')" in text
    assert "it fails as shown with the one and ends well with the other" in text
    assert "lock `aaaa` works, `bbbb` fails" in text
    assert "lib==1.4\nother==7" in text and "lib==1.3\nother==7" in text


def test_what_had_to_move_along_is_not_called_the_same() -> None:
    contrast = Contrast({"lib": "1.3", "other": "6"}, {"lib": "1.4", "other": "7"})
    text = markdown(replace(REPORT, contrast=contrast))
    assert "with 1.3 it works (with other 6, as its metadata demand, and all else the same)" in text
    assert "| other | 6 | 7 |" in text


def test_a_script_that_does_not_show_it_is_not_said_to() -> None:
    text = markdown(replace(REPORT, confirmed=False))
    assert "by itself it does not show it" in text and "fails as shown" not in text


def test_a_pair_is_named_whole() -> None:
    blame = replace(REPORT.blame, verdict=Kind.PAIR, culprits=(Culprit("lib", "1.3", "1.4"), Culprit("app", "2", "3")))
    text = markdown(replace(REPORT, blame=blame))
    assert text.startswith("# lib 1.4 with app 3: ")
    assert "break it only together" in text


def test_no_verdict_is_said_and_nothing_to_reproduce_is_invented() -> None:
    text = markdown(replace(REPORT, blame=Blame(Kind.UNDETERMINED, reason="no verdict within 9 runs"), contrast=None))
    assert "undetermined (no verdict within 9 runs)" in text
    assert "To reproduce" not in text


def test_a_chain_is_written_as_python_writes_it() -> None:
    lines = raised_lines([CACHE_LAYERS]).splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1] == '  File "transformers/generation/utils.py", line 2975, in _sample'
    assert lines[-1].startswith("KeyError: 'Cache only has 0 layers")


def test_the_last_traceback_of_an_output_without_the_paths_of_this_machine() -> None:
    output = (
        "Traceback (most recent call last):\nValueError: first\nmore\nTraceback (most recent call last):\n"
        '  File "/home/me/env/lib/python3.11/site-packages/peft/x.py", line 3, in f\nKeyError: last\n'
    )
    text = last_traceback(output)
    assert "first" not in text and text.endswith("KeyError: last")
    assert '  File "site-packages/peft/x.py", line 3, in f' in text
    assert last_traceback("all\nis\nquiet\n") == "all\nis\nquiet"
