"""`import compatcheck` in a notebook: light, and `explain` takes a text or the exception that was caught."""

from __future__ import annotations

import subprocess
import sys

import pytest
from log_corpus import FOLDER, read_case

import compatcheck


def test_everything_exported_is_there() -> None:
    assert set(compatcheck.__all__) <= set(dir(compatcheck))
    for name in compatcheck.__all__:
        assert getattr(compatcheck, name) is not None
    assert set(compatcheck._HOMES) < set(compatcheck.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = compatcheck.nothing


def test_what_a_notebook_shows_of_an_answer_is_short() -> None:
    assert len(repr(compatcheck.load_table())) < 200
    assert len(repr(compatcheck.recommend())) < 2000


def test_the_import_alone_imports_no_other_module_of_the_package() -> None:
    code = "import compatcheck, sys; print([name for name in sys.modules if name.startswith('compatcheck.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_text_is_explained() -> None:
    found = compatcheck.explain(read_case(FOLDER / "cache-layers-empty.txt").text)
    assert found.signature is not None and found.signature.id == "cache-layers-empty"
    assert found.diagnosis is not None and found.diagnosis.confidence > 0.8


def test_a_caught_exception_is_explained_with_its_chain() -> None:
    try:
        try:
            raise ImportError("cannot import name 'EncoderDecoderCache' from 'transformers' (x)")
        except ImportError as error:
            raise RuntimeError("Failed to import transformers.trainer because of the following error (see") from error
    except RuntimeError as error:
        found = compatcheck.explain(error)
    assert found.diagnosis is not None and found.diagnosis.exception is not None
    assert found.diagnosis.exception.type == "ImportError"
    assert found.diagnosis.exception.frames[-1].function == "test_a_caught_exception_is_explained_with_its_chain"


def test_an_exception_of_nobodys_is_unknown_and_breaks_nothing() -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise ValueError

    found = compatcheck.explain(Odd())
    assert found.signature is None and found.as_json()["exception"]["type"] == "Odd"
    loop = ValueError("a")
    loop.__cause__ = KeyError("b")
    loop.__cause__.__cause__ = loop
    assert compatcheck.explain(loop).signature is None
    assert compatcheck.explain("").diagnosis is None
