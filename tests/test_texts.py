"""Texts from files of every usual form: the same texts, whatever holds them, and clear words where it is not a text."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compatcheck.errors import InputError, UsageError
from compatcheck.scenario import TEXTS
from compatcheck.scenario.texts import first_texts

ROWS = ('I want you to act as a "clerk",\nwho answers briefly', "zwei ü 中文", "three")


def lines(path: Path) -> None:
    path.write_text("\n".join(each.replace("\n", " ") for each in ROWS) + "\n", encoding="utf-8")


def json_lines(path: Path) -> None:
    path.write_text("".join(json.dumps({"act": "x", "prompt": each}) + "\n" for each in ROWS), encoding="utf-8")


def separated(path: Path) -> None:
    import csv

    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writerows([("act", "prompt"), *(("x", each) for each in ROWS)])


def parquet(path: Path) -> None:
    import pyarrow
    from pyarrow.parquet import write_table

    write_table(pyarrow.table({"number": [1, 2, 3, 4], "prompt": [ROWS[0], None, *ROWS[1:]]}), path)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("mine.jsonl", json_lines),
        ("mine.ndjson", json_lines),
        ("mine.csv", separated),
        ("mine.TSV".lower(), separated),
        ("mine.parquet", parquet),
    ],
)
def test_every_form_gives_the_same_texts(tmp_path: Path, name: str, write: Callable[[Path], None]) -> None:
    write(tmp_path / name)
    assert first_texts(tmp_path / name, 99) == ROWS
    assert first_texts(tmp_path / name, 2) == ROWS[:2], "no more are read than are asked for"
    assert first_texts(tmp_path / name, 3, "prompt") == ROWS


def test_plain_lines_are_texts_and_blank_ones_none(tmp_path: Path) -> None:
    lines(tmp_path / "mine.txt")
    assert first_texts(tmp_path / "mine.txt", 9)[1:] == ROWS[1:]
    (tmp_path / "other").write_text("\ufeffone\r\n\r\n  \r\ntwo", encoding="utf-8")
    assert first_texts(tmp_path / "other", 9) == ("one", "two")
    (tmp_path / "blank.csv").write_text('text\n""\n" "\none\n')
    assert first_texts(tmp_path / "blank.csv", 9) == ("one",)


def test_the_column_is_the_usual_one_the_only_one_or_the_named_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("quote,text,author\nq,t,a\n")
    assert first_texts(path, 9) == ("t",)
    assert first_texts(path, 9, "author") == ("a",)
    path.write_text("saying\nonly\n")
    assert first_texts(path, 9) == ("only",)
    path.write_text("left,right\na,b\n")
    with pytest.raises(InputError, match=r"which column holds the texts. There are: left, right") as caught:
        first_texts(path, 9)
    assert "--column" in caught.value.remedy
    with pytest.raises(InputError, match=r"no column 'middle'.*left, right"):
        first_texts(path, 9, "middle")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("bad.jsonl", b'{"text": "one"}\n{"txt": 1}\n', "line 2: not a JSON object with a string 'text'"),
        ("bad.jsonl", b'{"text": "one"}\n\n[1]\n', "line 3: not a JSON object with a string 'text'"),
        ("bad.jsonl", b'{"text": "one"}\n{"text": 5}\n', "line 2: not a JSON object"),
        ("bad.csv", b'text,b\n"one,two\n', "after line 1: unexpected end of data"),
        ("bad.csv", b"a,text\none\n", "line 2: the row has no field 'text'"),
        ("bad.csv", b"", "There are: none"),
        ("bad.parquet", b"PAR1 not really", "not a Parquet file"),
    ],
)
def test_what_is_not_what_its_name_says_is_told_with_the_place(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        first_texts(tmp_path / name, 9)
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize("name", ["bad.txt", "bad.csv", "bad.jsonl"])
def test_bytes_that_are_no_text_and_files_that_are_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        first_texts(tmp_path / name, 9)
    (tmp_path / name).write_bytes(b"text\n\xff\xfe\n")
    with pytest.raises(UsageError, match="cannot be read"):
        first_texts(tmp_path / name, 9)


def test_a_column_of_numbers_holds_no_texts(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow.parquet import write_table

    write_table(pyarrow.table({"text": [1, 2]}), tmp_path / "numbers.parquet")
    with pytest.raises(InputError, match=r"which column holds the texts. There are: none"):
        first_texts(tmp_path / "numbers.parquet", 9)


def test_without_pyarrow_it_says_how_to_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet(tmp_path / "mine.parquet")
    real = builtins.__import__

    def without(name: str, *arguments: Any, **named: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match="pyarrow is not installed beside compatcheck") as caught:
        first_texts(tmp_path / "mine.parquet", 9)
    assert "compatcheck[parquet]" in caught.value.remedy


def test_the_shipped_texts_are_as_they_were() -> None:
    for path in TEXTS.values():
        told = [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]
        assert list(first_texts(path, 999)) == told
