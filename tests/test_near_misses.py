"""What looks nearly like a known failure and is none: it gets no name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from compatcheck.explanation import explain

_SECTIONS = re.split(r"(?m)^=== ", Path(__file__).with_name("near_misses.txt").read_text(encoding="utf-8"))[1:]
NEAR_MISSES = dict(section.split("\n", 1) for section in _SECTIONS)


def test_there_are_many_of_them() -> None:
    assert len(NEAR_MISSES) >= 60 and len(NEAR_MISSES) == len(_SECTIONS)


@pytest.mark.parametrize("name", NEAR_MISSES)
def test_a_near_miss_gets_no_name(name: str) -> None:
    found = explain(NEAR_MISSES[name])
    assert found.signature is None, found.as_text()


GENERAL = {
    "requests to another host": "connection-refused",
    "json decode": "json-file-broken",
    "unicode": "text-not-utf-8",
    "user recursion": "python-recursion",
    "user pydantic validation": "settings-refused-by-pydantic",
    "http error in aiohttp proxies": "name-not-resolved",
    "gaierror database": "name-not-resolved",
    "oserror errno -2 of a user's socket": "name-not-resolved",
}
"""What is a failure of its own that any program may meet: within a training's log it gets that general name."""


@pytest.mark.parametrize("name", NEAR_MISSES)
def test_a_near_miss_within_a_training_log_gets_no_name_but_a_general_one(name: str) -> None:
    log = "{'loss': 2.3, 'epoch': 0.1}\nTorch 2.6.0, transformers 4.51.3, peft 0.15.2\n" + NEAR_MISSES[name]
    found = explain(log)
    assert (found.signature.id if found.signature else None) == GENERAL.get(name), found.as_text()
