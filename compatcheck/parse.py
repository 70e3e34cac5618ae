"""Untyped data into the frozen dataclasses of the vocabulary, with the path to every bad field.

One converter (cattrs) serves the matrix files, the catalogue, the probe's events, stored observations and result
tables, so that all of them refuse unknown keys and name the field in the same way: `axes[0].versions`.
"""

from __future__ import annotations

import codecs
import functools
import re
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeVar

import cattrs
import tomli
from cattrs import Converter, transform_error
from cattrs.gen import make_dict_unstructure_fn, override

from .domain import Raised, Word
from .errors import InputError

T = TypeVar("T")


@functools.cache
def _converter(strict: bool) -> Converter:
    converter = Converter(forbid_extra_keys=strict, omit_if_default=False)

    def exactly(kind: type) -> Any:
        def structure(value: Any, _: Any) -> Any:
            if kind is float and isinstance(value, int) and not isinstance(value, bool):
                return float(value)
            if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
                raise TypeError(f"expected {_KIND_NAMES[kind]}, got {_shown(value)}")
            return value

        return structure

    for kind in (str, int, float, bool):
        converter.register_structure_hook(kind, exactly(kind))
    # observations are stored as the probe tells them, without the code
    told = make_dict_unstructure_fn(Raised, converter, code=override(omit_if_default=True))
    converter.register_unstructure_hook(Raised, told)
    # a hook for str would also take every enum that is a str
    converter.register_structure_hook(Word, _word)
    for moment in (datetime, date):
        converter.register_unstructure_hook(moment, lambda value: value.isoformat())
    converter.register_structure_hook(
        datetime, lambda value, _: value if isinstance(value, datetime) else datetime.fromisoformat(value)
    )
    converter.register_structure_hook(
        date, lambda value, _: value if isinstance(value, date) else date.fromisoformat(value)
    )
    return converter


_KIND_NAMES = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}


def _word(value: Any, kind: type[Word]) -> Word:
    try:
        return kind(value)
    except ValueError:
        raise ValueError(f"{_shown(value)} is none of {', '.join(kind)}") from None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _path_first(message: str) -> str:
    """cattrs writes `what @ $.path`; people look for the path first."""
    what, _, path = message.rpartition(" @ ")
    path = re.sub(r"\['([^']*)'\]", r".\1", path).removeprefix("$").removeprefix(".")
    return f"{path}: {what}" if path else what


def _described(error: BaseException, kind: type | None) -> str:
    if isinstance(error, KeyError):
        return f"required field {error.args[0]!r} is missing"
    if isinstance(error, cattrs.errors.ForbiddenExtraKeysError):
        known = ", ".join(sorted(getattr(error.cl, "__dataclass_fields__", ())))
        return f"unknown key {', '.join(sorted(map(repr, error.extra_fields)))} (known: {known})"
    return str(error) or type(error).__name__


def structured(data: Any, kind: type[T], source: str, *, strict: bool = True, remedy: str = "") -> T:
    """`data` (plain dicts and lists) as an instance of `kind`.

    `strict` refuses unknown keys; readers of files that a newer version may have written pass False.
    Raises InputError with one line a bad field, each starting with the path of the field.
    """
    try:
        return _converter(strict).structure(data, kind)
    except (cattrs.BaseValidationError, cattrs.errors.ForbiddenExtraKeysError) as error:
        problems = [_path_first(line) for line in transform_error(error, format_exception=_described)]
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        problems = [_described(error, None)]
    raise InputError(source, problems, remedy)


def unstructured(value: Any) -> Any:
    """A dataclass as plain dicts, lists, strings and numbers, ready for JSON."""
    return _converter(True).unstructure(value)


def toml(path: Path, remedy: str = "") -> dict[str, Any]:
    """The TOML file at `path`. Raises InputError where it is missing, unreadable or not TOML.

    A byte order mark is passed over, which editors on Windows put in front of UTF-8.
    """
    try:
        body = path.read_bytes()
        if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise InputError(str(path), ["is UTF-16, and TOML is UTF-8"], "Save it as UTF-8.")
        data: dict[str, Any] = tomli.loads(body.decode("utf-8-sig"))
        return data
    except FileNotFoundError:
        raise InputError(str(path), ["no such file"], remedy) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(str(path), [f"cannot be read: {error}"], remedy) from None
    except tomli.TOMLDecodeError as error:
        raise InputError(str(path), [f"not TOML: {error}"], remedy) from None
