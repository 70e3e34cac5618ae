"""The messages that C++ and CUDA sources raise: what torch's macros for checks, `throw`, and Python's own C interface
are given, with the class that Python shows for it and holes for what is only known when it runs.

Left out are internal assertions, whose message names its place itself, and warnings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from .native_tokens import Kind, Token, closing, split, tokens_of
from .raise_site import HOLE
from .source_messages import Said, told_as

ENDINGS = (".cpp", ".cc", ".cu", ".cuh", ".h", ".hpp", ".mm", ".c")
"""Of files that are read."""

_CHECKS = {
    "TORCH_CHECK": ("RuntimeError", 1), "TORCH_CHECK_INDEX": ("IndexError", 1), "TORCH_CHECK_VALUE": ("ValueError", 1),
    "TORCH_CHECK_TYPE": ("TypeError", 1), "TORCH_CHECK_NOT_IMPLEMENTED": ("NotImplementedError", 1),
    "TORCH_CHECK_LINALG": ("LinAlgError", 1), "TORCH_CHECK_BUFFER": ("BufferError", 1),
    "TORCH_CHECK_ALWAYS_SHOW_CPP_STACKTRACE": ("RuntimeError", 1), "TORCH_SYM_CHECK": ("RuntimeError", 1),
    "TORCH_CHECK_IF_NOT_ON_CUDA": ("RuntimeError", 1), "TORCH_CUDA_CHECK": ("RuntimeError", 1),
    "REDUCER_CHECK": ("RuntimeError", 2), "AT_ASSERTM": ("RuntimeError", 1), "AT_ERROR": ("RuntimeError", 0),
    "AT_INDEX_ERROR": ("IndexError", 0), "CAFFE_THROW": ("RuntimeError", 0), "CAFFE_ENFORCE": ("RuntimeError", 1),
    "CHECK_INPUT_MSG": ("RuntimeError", 1), "THPUtils_setError": ("RuntimeError", 0),
    "GLOO_THROW_INVALID_OPERATION_EXCEPTION": ("RuntimeError", 0), "GLOO_ENFORCE": ("RuntimeError", 1),
}  # fmt: skip
"""Macro or function, to the class that it raises and how many arguments stand before its words."""
_CLASS_FIRST = {
    "TORCH_CHECK_WITH": 2, "TORCH_CHECK_WITH_MSG": 3, "C10_THROW_ERROR": 1, "C10D_THROW_ERROR": 1, "C10D_CHECK_WITH": 2,
    "PyErr_SetString": 1, "PyErr_Format": 1,
}  # fmt: skip
"""Likewise, where the first argument is the class."""
_SHOWN = {
    **{name: name for name in (
        "RuntimeError", "ValueError", "TypeError", "IndexError", "AttributeError", "KeyError", "ImportError",
        "NotImplementedError", "BufferError", "OverflowError", "SystemError", "MemoryError", "AssertionError",
        "UnpicklingError",
    )},
    **{name: f"{name}|RuntimeError" for name in (
        "LinAlgError", "OutOfMemoryError", "AcceleratorError", "DistError", "DistBackendError", "DistNetworkError",
        "DistStoreError", "DistQueueEmptyError", "TimeoutError",
    )},
    **dict.fromkeys((
        "Error", "runtime_error", "logic_error", "range_error", "length_error", "domain_error", "system_error",
        "ErrorReport", "malformed_input", "schema_match_error", "cast_error", "SocketError", "JITException",
        "CompilationError",
    ), "RuntimeError"),
    "invalid_argument": "RuntimeError|ValueError", "out_of_range": "RuntimeError|IndexError",
    "type_error": "TypeError", "value_error": "ValueError", "index_error": "IndexError", "key_error": "KeyError",
    "import_error": "ImportError", "attribute_error": "AttributeError",
}  # fmt: skip
"""A class of C++ by its last name, to the one of Python that it becomes; both, where that depends on the release or on
who translates it."""

_WRITING = frozenset(("str", "concat", "string", "StrCat", "CONCAT_STR"))
"""Functions and classes that put their arguments side by side: `c10::str`, `std::string`."""
_FORMATTING = frozenset(("format", "sprintf", "runtime", "MakeString"))
_STREAM = "ErrorReport"
"""What is thrown with its words written to it: `throw ErrorReport(range) << "..."`."""
_STREAMS = frozenset(("stringstream", "ostringstream"))
_PRINTING = frozenset(("TypeError", "AttributeError", "ValueError", "IndexError"))
"""Classes of torch's own that fill values into their first argument as `printf` does."""
_PRINTED = re.compile(r"%(?:[-+ #0]*[\d*]*(?:\.[\d*]+)?(?:hh|h|ll|l|z|j|t)?[diouxXeEfgGcsSpRAUV])")
_FORMATTED = re.compile(r"(?<!\{)\{[^{}]*\}(?!\})")
_NO_FUNCTION = frozenset((
    "if", "for", "while", "switch", "catch", "return", "do", "else", "try", "namespace", "struct", "class", "enum",
    "union", "extern", "decltype", "noexcept", "alignas", "constexpr", "defined", "sizeof", "__launch_bounds__",
))  # fmt: skip
_AFTER_SIGNATURE = frozenset(("const", "noexcept", "override", "final", "mutable", "volatile"))
_DEFINING = re.compile(r"(?:TORCH|AT|ADD)_\w*(?:FUNC|IMPL)\w*|\w*_IMPL_FUNC\w*")
"""Macros whose first argument is the name of what they define: `TORCH_IMPL_FUNC(addmm_out_cpu)(...) {`."""
_OF_OTHERS = re.compile(r"\w+(?:Error|Exception): |The following operation failed in the TorchScript interpreter")
"""What is said for another: what Python says itself, in TorchScript, and what stands above the real message."""
_DEPTH = 6
_BEFORE_STATEMENT = frozenset(";{})")
_LOOKED_AT = 400
"""Tokens of a statement that are looked at."""

Written = Mapping[str, Sequence[Token]]
"""What was assigned to a name, or written to it, further up in the same function."""


def messages_in(text: str, file: str) -> Iterator[Said]:
    """What the text of one source raises."""
    tokens = tokens_of(text)
    written: dict[str, Sequence[Token]] = {}
    functions: list[str] = []
    for place, token in enumerate(tokens):
        if token.kind is Kind.MARK and token.text == "{":
            opened = _opened(tokens, place)
            if opened and not any(functions):
                written = {}
            functions.append(opened)
        elif token.kind is Kind.MARK and token.text == "}" and functions:
            functions.pop()
        elif token.kind is Kind.NAME:
            function = next((name for name in reversed(functions) if name), "")
            _learn(tokens, place, written)
            for kinds, template in _raised(tokens, place, written):
                for kind in () if _OF_OTHERS.match(template) else kinds.split("|"):
                    yield from told_as(kind, template, file, function)


def _raised(tokens: Sequence[Token], place: int, written: Written) -> Iterator[tuple[str, str]]:
    """The classes and the words of what the statement at `place` raises, where it does."""
    name = _last(tokens[place].text)
    if name == "throw":
        yield from _thrown(tokens, place + 1, written)
        return
    if name not in _CHECKS and name not in _CLASS_FIRST:
        return
    if place + 1 >= len(tokens) or not tokens[place + 1].is_mark("("):
        return
    if place and tokens[place - 1] == Token(Kind.NAME, "define"):
        return
    arguments = split(tokens[place + 2 : closing(tokens, place + 1)], ",")
    kinds, before = _CHECKS.get(name, ("", _CLASS_FIRST.get(name, 0)))
    if not kinds:
        kinds = _shown_class(arguments[0]) if arguments else ""
    if kinds and len(arguments) > before:
        yield kinds, _words_of(arguments[before:], written, printed=name.startswith(("PyErr", "THP")))


def _thrown(tokens: Sequence[Token], place: int, written: Written) -> Iterator[tuple[str, str]]:
    """`throw X("...")`, and `throw X(place) << "..." << value`."""
    if place + 1 >= len(tokens) or tokens[place].kind is not Kind.NAME or not tokens[place + 1].is_mark("("):
        return
    kinds = _SHOWN.get(_last(tokens[place].text), "")
    if not kinds:
        return
    end = closing(tokens, place + 1)
    if _last(tokens[place].text) == _STREAM:
        yield kinds, _streamed(tokens[end + 1 : _end_of_statement(tokens, end + 1)], written)
    else:
        arguments = split(tokens[place + 2 : end], ",")
        yield kinds, _words_of(arguments, written, printed=_last(tokens[place].text) in _PRINTING)


def _shown_class(argument: Sequence[Token]) -> str:
    """The classes that an argument which names one becomes."""
    names = [token.text for token in argument if token.kind is Kind.NAME]
    return _SHOWN.get(_last(names[-1]).removeprefix("PyExc_"), "") if names else ""


def _words_of(arguments: Sequence[Sequence[Token]], written: Written, *, printed: bool) -> str:
    """The words of arguments that are put side by side; `printed`: or filled into the first, as `printf` does."""
    if printed:
        return _PRINTED.sub(HOLE, _template(arguments[0], written)).replace("%%", "%") if arguments else ""
    return "".join(_template(each, written) for each in arguments)


def _template(tokens: Sequence[Token], written: Written, depth: int = 0) -> str:
    """The text that an expression makes, with holes for what is only known when it runs."""
    if depth > _DEPTH or not tokens:
        return HOLE if tokens else ""
    if len(tokens) == 1:
        return _single(tokens[0], written, depth)
    if len(parts := split(tokens, "+")) > 1:
        return "".join(_template(part, written, depth + 1) if part else "" for part in parts)
    if tokens[0].is_mark("(") and closing(tokens, 0) == len(tokens) - 1:
        return _template(tokens[1:-1], written, depth + 1)
    if tokens[0].kind is Kind.NAME and tokens[1].text in "({" and closing(tokens, 1) == len(tokens) - 1:
        return _called(_last(tokens[0].text), split(tokens[2:-1], ","), written, depth)
    if tokens[0].kind is Kind.NAME and [token.text for token in tokens[1:3]] == [".", "str"]:
        return _template(written.get(tokens[0].text, tokens), written, depth + 1)
    streamed = tokens[0].kind is Kind.TEXT and len(split(tokens, "<<")) > 1
    return _streamed([Token(Kind.MARK, "<<"), *tokens], written, depth + 1) if streamed else HOLE


def _single(token: Token, written: Written, depth: int) -> str:
    if token.kind is Kind.TEXT:
        return token.text.replace(HOLE, "")
    if token.kind is Kind.MARK and token.text[0] == "'":
        return token.text[1:-1].removeprefix("\\")
    if token.kind is Kind.NAME and token.text in written:
        return _template(written[token.text], written, depth + 1)
    return HOLE


def _called(name: str, arguments: Sequence[Sequence[Token]], written: Written, depth: int) -> str:
    """What a function makes of its arguments: `c10::str("a", b)`, `fmt::format("a {}", b)`."""
    if name in _WRITING:
        return "".join(_template(each, written, depth + 1) for each in arguments)
    if name in _FORMATTING:
        text = next((token.text for each in arguments for token in each if token.kind is Kind.TEXT), "")
        return _FORMATTED.sub(HOLE, text).replace("{{", "{").replace("}}", "}") or HOLE
    return HOLE


def _streamed(tokens: Sequence[Token], written: Written, depth: int = 0) -> str:
    """What is written to a stream: `<< "a" << b`."""
    return "".join(_template(part, written, depth + 1) for part in split(tokens, "<<") if part)


def _learn(tokens: Sequence[Token], place: int, written: dict[str, Sequence[Token]]) -> None:
    """Take in `type name = ...;` and the first `name << ...;` where that has words: what follows, and what is assigned
    later, may depend on a branch."""
    after = place + 1
    if _last(tokens[place].text) in _STREAMS and after < len(tokens):
        written.pop(tokens[after].text, None)
        return
    if [token.text for token in tokens[after : after + 2]] == ["[", "]"]:
        after += 2
    if after >= len(tokens) or tokens[after].kind is not Kind.MARK:
        return
    begins = place == 0 or tokens[place - 1].text in _BEFORE_STATEMENT
    if tokens[after].text != "=" and not (tokens[after].text == "<<" and begins):
        return
    if tokens[after].text == "=" and begins:
        written.pop(tokens[place].text, None)
        return
    said = tokens[after : _end_of_statement(tokens, after)]
    if not any(token.kind is Kind.TEXT for token in said):
        return
    name = tokens[place].text
    if tokens[after].text == "=":
        written[name] = said[1:]
    elif name not in written:
        written[name] = [Token(Kind.TEXT, ""), *said, Token(Kind.MARK, "<<"), Token(Kind.NAME, "more")]


def _end_of_statement(tokens: Sequence[Token], start: int) -> int:
    depth = 0
    for place in range(start, min(len(tokens), start + _LOOKED_AT)):
        token = tokens[place]
        if token.kind is Kind.MARK:
            depth += (token.text in "([{") - (token.text in ")]}")
            if depth < 0 or (depth == 0 and token.text == ";"):
                return place
    return start


def _opened(tokens: Sequence[Token], place: int) -> str:
    """The function whose body the bracket at `place` opens; empty where it opens something else."""
    place -= 1
    while place >= 0 and tokens[place].text in _AFTER_SIGNATURE:
        place -= 1
    for _ in range(_DEPTH * 4):  # an initializer list has its own brackets
        if place < 0 or tokens[place].text not in (")", "}"):
            return ""
        opening = _opening(tokens, place)
        if opening < 1:
            return ""
        before = tokens[opening - 1]
        if before.is_mark(")"):  # TORCH_IMPL_FUNC(name)(arguments) {
            return _defined(tokens, _opening(tokens, opening - 1))
        if before.kind is not Kind.NAME or before.text in _NO_FUNCTION:
            return ""
        if opening < 2 or tokens[opening - 2].text not in (",", ":"):
            return "" if _DEFINING.fullmatch(before.text) else _last(before.text)
        place = opening - 3
    return ""


def _defined(tokens: Sequence[Token], opening: int) -> str:
    named = opening > 0 and _DEFINING.fullmatch(tokens[opening - 1].text) and opening + 1 < len(tokens)
    return tokens[opening + 1].text if named else ""


def _opening(tokens: Sequence[Token], place: int) -> int:
    """The place of the bracket that the one at `place` closes; -1 where none is near."""
    depth = 0
    for at in range(place, max(-1, place - _LOOKED_AT), -1):
        if tokens[at].kind is Kind.MARK and len(tokens[at].text) == 1:
            depth += (tokens[at].text in ")]}") - (tokens[at].text in "([{")
            if depth == 0:
                return at
    return -1


def _last(name: str) -> str:
    return name.rsplit("::", 1)[-1]
