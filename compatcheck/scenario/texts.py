"""The texts of a scenario, from a file of any usual form: plain lines, JSON lines, CSV, Parquet.

They are read here and given to the probe as strings, so that what is trained on depends on nothing that the cell has
installed: neither on its `datasets` nor on its pandas. Only as many are read as are asked for.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import InputError, UsageError

USUAL = ("text", "prompt", "quote", "content", "sentence")
"""Columns that are taken where none is named, the first that is there."""
FIELD_CAP = 2**24
"""Bytes of a field of CSV: Python's own limit of 128 KiB is short of some texts."""


def first_texts(path: Path, count: int, column: str = "") -> tuple[str, ...]:
    """At most `count` texts of the file; those that are blank do not count.

    `column` names the column or key that holds them; empty: the usual one, or the only one. Raises UsageError where the
    file cannot be read, InputError with the place where it is not what its name says.
    """
    reader = _READERS.get(path.suffix.lower(), _lines)
    try:
        return tuple(islice((text for text in reader(path, column) if text.strip()), count))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the texts of {path} cannot be read: {error}", REMEDY) from None


REMEDY = "A file with one text a line in UTF-8, .jsonl, .csv, .tsv or .parquet."


def chosen_column(path: Path, known: Iterable[str], asked: str) -> str:
    """The column to read. Raises InputError where there is none, or several and none is usual."""
    names = list(known)
    if asked:
        if asked in names:
            return asked
        raise InputError(str(path), [f"no column {asked!r} (there are: {', '.join(names) or 'none'})"])
    for name in (*USUAL, *(names if len(names) == 1 else ())):
        if name in names:
            return str(name)
    raise InputError(
        str(path), [f"which column holds the texts? There are: {', '.join(names) or 'none'}"],
        "Name it: scenario.column in the matrix, or --column.",
    )  # fmt: skip


def _lines(path: Path, column: str) -> Iterator[str]:
    if column:
        raise InputError(str(path), [f"a file of plain lines has no column {column!r}"], REMEDY)
    with path.open(encoding="utf-8-sig") as file:
        for line in file:
            yield line.rstrip("\r\n")


def _json_lines(path: Path, column: str) -> Iterator[str]:
    chosen = column
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            row = _json_row(line)
            if not chosen and row is not None:
                chosen = chosen_column(path, (name for name, value in row.items() if isinstance(value, str)), column)
            text = row.get(chosen) if row is not None else None
            if not isinstance(text, str):
                raise InputError(str(path), [f"line {number}: not a JSON object with a string {chosen or 'text'!r}"])
            yield text


def _json_row(line: str) -> Mapping[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _separated(path: Path, column: str) -> Iterator[str]:
    csv.field_size_limit(FIELD_CAP)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
        try:
            chosen = chosen_column(path, rows.fieldnames or (), column)
            for row in rows:
                if (text := row[chosen]) is None:
                    raise InputError(str(path), [f"line {rows.line_num}: the row has no field {chosen!r}"])
                yield text
        except csv.Error as error:
            raise InputError(str(path), [f"after line {rows.line_num}: {error}"]) from None


def _parquet(path: Path, column: str) -> Iterator[str]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UsageError(
            f"{path} is a Parquet file, and pyarrow is not installed beside compatcheck",
            "python -m pip install 'compatcheck[parquet]' (the cells need none), or convert it to .jsonl.",
        ) from None
    try:
        with parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            strings = [field.name for field in schema if _holds_texts(pyarrow, field.type)]
            chosen = chosen_column(path, strings, column)
            for batch in file.iter_batches(batch_size=256, columns=[chosen]):
                yield from (text for text in batch.column(0).to_pylist() if text is not None)
    except pyarrow.ArrowException as error:
        raise InputError(str(path), [f"not a Parquet file: {str(error).splitlines()[0]}"]) from None


def _holds_texts(pyarrow: Any, kind: Any) -> bool:
    """A column of strings, stored as they are or through a dictionary."""
    types = pyarrow.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    return bool(types.is_string(kind) or types.is_large_string(kind))


_READERS = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".csv": _separated,
    ".tsv": _separated,
    ".parquet": _parquet,
}
