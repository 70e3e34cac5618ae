"""An exception without its traceback: a test's summary, a logged error, an editor's copy, what C++ throws."""

from __future__ import annotations

import re

from .logline import TITLES_TAG, exception_of

THROWN = "C++ "
"""Before the name space that stands for the module of an exception that C++ threw and nobody caught."""
EDITORS_STACK = '"stack":'
BEGINS_THROWN = "terminate called "

_SUMMARY = re.compile(r"(?:FAILED|ERROR) [^\s]{1,400} - (?P<text>.+)$")
_LEVELED = re.compile(
    r"^.{0,120}?(?<![A-Za-z])(?:ERROR|CRITICAL|FATAL|Error|error)[\]:| -]{1,4}(?=[A-Za-z_][\w.]*(?:Error|Exception): )"
)
_EDITORS_NAME = re.compile(r'"name": ?"(?P<type>[A-Za-z_]\w{1,100})",?$')
_EDITORS_MESSAGE = re.compile(r'"message": ?"(?P<message>.*)$')
"""How an editor's notebook (VS Code) writes an exception to the clipboard: name, message and stack, of JSON's form."""
_THROWN = re.compile(
    r"terminate called after throwing an instance of '(?P<home>c10d?|at|torch|std)::(?P<type>(?!bad_alloc)[\w:]{1,80})'"
)
_WHAT = re.compile(r"what\(\):\s+(?P<message>\S.*)$")
"""How a C++ program ends on an exception that nobody catches."""
_AS_PYTHON_NAMES = {"Error": "RuntimeError", "runtime_error": "RuntimeError"}
"""What Python makes of the C++ exceptions that it knows by another name."""

Told = tuple[str, str, str]
"""The class of an exception, the module of that class, and the message."""


class LooseReader:
    """Feed it the lines that are part of no traceback; some forms take two of them."""

    def __init__(self) -> None:
        self._editors_name = ""
        self._thrown: re.Match[str] | None = None
        """The class of a C++ exception that ended the process, until its words come."""

    @property
    def waits(self) -> bool:
        """Whether the next line is expected to say what was thrown."""
        return self._thrown is not None

    def read(self, bare: str) -> Told | None:
        """Take in a line without its blanks; the exception that ends with it."""
        thrown, self._thrown = self._thrown, _THROWN.search(bare) if BEGINS_THROWN in bare else None
        if thrown and (found := _WHAT.match(bare)):
            kind = thrown["type"].rpartition("::")[2]
            return _AS_PYTHON_NAMES.get(kind, kind), f"{THROWN}{thrown['home']}", found["message"]
        if bare.startswith('"'):
            name, self._editors_name = self._editors_name, ""
            if found := _EDITORS_NAME.match(bare):
                self._editors_name = found["type"]
                return None
            if name and (found := _EDITORS_MESSAGE.match(bare)):
                return name, "", found["message"].removesuffix(",").removesuffix('"')
        bare = TITLES_TAG.sub("", bare.removeprefix("##[error]"))
        if found := _SUMMARY.match(bare):
            bare = found["text"]
        elif found := _LEVELED.match(bare):
            bare = bare[found.end() :]
        return exception_of(bare, after_frame=False)
