"""Reading a JSON document as it comes: whatever its pieces are, it is what json reads, or refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compatcheck.report import json_stream
from compatcheck.report.json_stream import JsonStream

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


def read(text: str, size: int) -> dict[str, Any]:
    stream = JsonStream(text[at : at + size] for at in range(0, len(text), size))
    return {name: list(stream.items()) if stream.is_list else stream.value() for name in stream.members()}


@settings(deadline=None)
@given(
    data=st.dictionaries(st.text(max_size=6), VALUES, max_size=5),
    size=st.integers(1, 40),
    chunk=st.integers(1, 30),
    indent=st.sampled_from([None, 1]),
    plain=st.booleans(),
)
def test_a_document_in_pieces_is_what_json_reads(
    data: dict[str, Any], size: int, chunk: int, indent: int | None, plain: bool
) -> None:
    text = json.dumps(data, indent=indent, ensure_ascii=plain) + "\n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "CHUNK", chunk)
        assert read(text, size) == data


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"a"', '{"a":', '{"a": 1', '{"a": 1,}', '{"a": [1,]}', '{"a": [1 2]}', '{"a": [1', '{"a": 1} x',
     "{a: 1}", '{"a": tru}', '{"a": "x}', '{"a": nul', "{1: 2}", '{"a": "\\u12"}'],
)  # fmt: skip
@pytest.mark.parametrize("chunk", [1, 5, 1000])
def test_what_is_no_json_is_refused_with_its_place(text: str, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "CHUNK", chunk)
    with pytest.raises(ValueError, match=r"at character \d+"):
        read(text, 1)


def test_what_is_wrong_is_told_before_all_is_read() -> None:
    taken = []

    def pieces() -> Iterator[str]:
        yield '{"a": [1, 2, oh],' + " " * json_stream.CHUNK
        for number in range(100):
            taken.append(number)
            yield " " * json_stream.CHUNK

    stream = JsonStream(pieces())
    with pytest.raises(ValueError, match="at character 14"):
        for _ in stream.members():
            stream.value()
    assert len(taken) < 3
