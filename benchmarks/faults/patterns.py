"""Every regular expression of the code and the catalogue against texts made to keep it busy.

The texts are made from the pattern itself: what it begins with, and what it repeats, again and again, with an end that
cannot match. What is compared is processor time for one length and for four times that length, within one run: a
linear pattern takes four times as long, a quadratic one sixteen. Where even the longer text, as long as any that
compatcheck gives to a pattern, takes no time to speak of, the pattern is bounded by that length.
"""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Callable, Iterator

from compatcheck.catalogues import load_catalogue

from .stub_world import ROOT
from .trials import Trials

try:
    from re import _constants as constants
    from re import _parser as sre_parse
except ImportError:  # Python 3.10
    import sre_constants as constants
    import sre_parse

SHORT, LONG = 5_000, 20_000
"""Characters; a message is cut to 20,000, and a line of a log is shorter."""
AT_ONCE = 0.05
"""Seconds of processor time for the longer text that nobody minds."""
STEEP = 9.0
"""Between the four times of linear and the sixteen of quadratic."""
CALLS = {"compile", "search", "match", "fullmatch", "sub", "split", "findall", "finditer"}


def patterns() -> Trials:
    trials = Trials("regular expressions: time grows as the text, or is bounded by it")
    slowest = (0.0, "")
    with trials.clock():
        for where, (pattern, whole) in sorted(every_pattern().items(), key=lambda each: each[0]):
            worst, told = behaviour(pattern, whole)
            slowest = max(slowest, (worst, where))
            trials.count(told and f"{where}: {told}")
    trials.note = f"slowest {1000 * slowest[0]:.0f} ms for {LONG:,} characters ({slowest[1]})"
    return trials


def every_pattern() -> dict[str, tuple[re.Pattern[str], bool]]:
    """Where it stands, to the pattern, and whether it is only asked from the beginning of a text.

    Those that are put together at run time are of the user's own words.
    """
    found: dict[str, tuple[re.Pattern[str], bool]] = {}
    for path in sorted((ROOT / "compatcheck").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in CALLS
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "re"
                and node.args
                and isinstance(node.args[0], ast.Constant)
                and isinstance(node.args[0].value, str)
            ):
                place = f"{path.relative_to(ROOT)}:{node.lineno}"
                found[place] = re.compile(node.args[0].value, _flags(node)), _anchored(node, source)
    for signature in load_catalogue():
        if signature.message:
            found[f"catalogue {signature.id} message"] = signature.message_pattern, False
        if signature.output:
            found[f"catalogue {signature.id} output"] = signature.output_pattern, False
        for number, line in enumerate(signature.lines):
            found[f"catalogue {signature.id} lines[{number}]"] = line.pattern, False
    return found


def _anchored(call: ast.Call, source: str) -> bool:
    """Whether `call`, or every use of the name that it is given to in its module, looks at the beginning only."""
    assert isinstance(call.func, ast.Attribute)
    if call.func.attr != "compile":
        return call.func.attr in ("match", "fullmatch")
    line = source.splitlines()[call.lineno - 1]
    named = re.match(r"(_?[A-Z_]+)(?:: [^=]+)? = ", line)
    uses = set(re.findall(rf"\b{named[1]}\.(\w+)\(", source)) if named else set()
    return bool(uses) and uses <= {"match", "fullmatch"}


def _flags(call: ast.Call) -> int:
    flags = 0
    for node in ast.walk(call):
        if isinstance(node, ast.Attribute) and node.attr in ("IGNORECASE", "DOTALL", "MULTILINE", "VERBOSE", "ASCII"):
            flags |= int(getattr(re, node.attr))
    return flags


def behaviour(pattern: re.Pattern[str], anchored: bool = False) -> tuple[float, str]:
    """The longest processor time for the longer text, and what is wrong with it."""
    worst, ask = 0.0, pattern.match if anchored else pattern.search
    for seed, repeated in dict.fromkeys(seeds(pattern)):
        text = made(seed, repeated, LONG)
        took = _took(ask, text)
        worst = max(worst, took)
        if took <= AT_ONCE:
            continue
        # measured again, the best of three: the machine may have been busy
        long = min(_took(ask, text) for _ in range(3))
        short = min(_took(ask, made(seed, repeated, SHORT)) for _ in range(3))
        if long > AT_ONCE and long > STEEP * max(short, 1e-4):
            return (
                worst,
                f"{1000 * long:.0f} ms, {long / max(short, 1e-4):.0f} times that of a quarter, for {text[:60]!r}...",
            )
    return worst, ""


def made(seed: str, repeated: str, length: int) -> str:
    return (seed + repeated * (length // len(repeated) + 1))[:length] + "\x00"


def _took(ask: Callable[[str], object], text: str) -> float:
    began = time.process_time()
    ask(text)
    return time.process_time() - began


def seeds(pattern: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Beginnings and what to repeat after them: the pattern's own parts, and what occurs in any log."""
    parsed = sre_parse.parse(pattern.pattern, pattern.flags & ~re.UNICODE)
    whole = _sample(parsed)
    yield "", whole or "a"
    before = ""
    for kind, value in parsed:
        if kind in (constants.MAX_REPEAT, constants.MIN_REPEAT):
            yield before, _sample(value[2]) or "a"
        before += _sample([(kind, value)])
        yield "", before or "a"
    for repeated in ("a", " ", "1", "/a", "a.", "://", "\n", "'", "a b ", "\\"):
        yield "", repeated
        yield whole[: len(whole) // 2], repeated


def _sample(parsed: object) -> str:
    """A text that a part of a pattern matches, more or less: repetitions once, the first of alternatives."""
    told = ""
    for kind, value in parsed:  # type: ignore[attr-defined]
        if kind is constants.LITERAL:
            told += chr(value)
        elif kind is constants.NOT_LITERAL:
            told += "a" if value != ord("a") else "b"
        elif kind is constants.ANY:
            told += "a"
        elif kind is constants.IN:
            told += _one_of(value)
        elif kind in (constants.MAX_REPEAT, constants.MIN_REPEAT):
            told += _sample(value[2]) * max(1, min(value[0], 40))
        elif kind is constants.SUBPATTERN:
            told += _sample(value[-1])
        elif kind is constants.BRANCH:
            told += _sample(value[1][0])
    return told


def _one_of(items: list[tuple[object, object]]) -> str:
    """A character of a class; of a negated one, a letter that it does not name."""
    members = [
        chr(value if kind is constants.LITERAL else value[0])  # type: ignore[arg-type, index]
        for kind, value in items
        if kind in (constants.LITERAL, constants.RANGE)
    ]
    if items[0][0] is constants.NEGATE:
        return next(letter for letter in "axyz0_" if letter not in members)
    kinds = {constants.CATEGORY_DIGIT: "1", constants.CATEGORY_SPACE: " ", constants.CATEGORY_WORD: "a"}
    return members[0] if members else next((kinds.get(value, "a") for kind, value in items), "a")  # type: ignore[call-overload]
