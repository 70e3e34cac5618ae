"""What a line of running text may quote: exceptions, by the marks around them, and messages without a class."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from .domain import Raised
from .logline import TITLES_TAG, exception_of

_BEFORE = re.compile(r"[:`'\"(\]#]\s*|\s-\s|[^\x00-\x7f](?=[A-Za-z])")
"""What may stand before an exception's name: a mark, a dash, or a letter of a script that sets no blanks."""
_ANNOUNCED = re.compile(
    r"(?i)(?:\b(?:errors?|exception)\b|报错|错误|异常|提示|抛出|エラー)(?: \(look up to see its traceback\))?"
    r"(?: (?:message )?(?:is|was|says))?"
    r"\s?[:：,-]?\s?[`'\"]?(?=\S)"
)
"""What announces a message whose class is left out."""
_NAMED = re.compile(r"(?<![\w.])(?:[A-Za-z_]\w{0,40}\.){0,6}_?[A-Z]\w{2,60}(?:Error|Exception)(?=: ?\S)")
"""An exception's name with a message behind it."""
_LABEL = re.compile(
    r"\s*#+\s*(?:\[[^\[\]]{1,40}\](?=\s)"
    r"|(?![^:]{0,60}(?i:error|exception|fail))[A-Za-z][\w-]{1,30}(?: [\w-]{1,20}){0,2}:)\s+(?=\S)"
)
"""What an issue's title sets before what it tells: `# Question: `, `# [Bug] `, `# GPT2 tokenizer: `."""
_LOOSE_COLON = re.compile(r"(?:(?<=Error)|(?<=Exception))(?: :(?= )|：|:(?=['\"A-Za-z])) ?")
"""A colon behind an exception's name that stands after a blank, or before none, or is as wide as a Chinese letter."""
_NAME_IN_MARKS = re.compile(r"(?P<mark>`|\*\*)(?P<name>[A-Z]\w{2,60}(?:Error|Exception))(?P=mark)(?=\s?[:：])")
"""An exception's name that is set as code or in bold by itself, its message behind it."""
_APART = re.compile(
    r"\b(?P<of>Attribute|Type|Value|Key|Index|Import|Runtime|Name|Assertion|OS|Memory|Recursion|Module ?Not ?Found"
    r"|File ?Not ?Found|Not ?Implemented) Error(?=\s?[:：] ?\S)"
)
"""An exception's name that is written as the words that it is made of: `Attribute Error: `."""
_KEY_TOLD = re.compile(
    r"\b(?:KeyError|[Kk]ey [Ee]rror):? (?P<mark>['\"`])(?P<key>[^'\"`\n]{1,200})(?P=mark)"
    r"|(?<!\w)(?P<before>['\"`])(?P<named>[^'\"`\s]{1,200})(?P=before) KeyError\b(?!:)"
)
"""A key that is missing, as a sentence tells it: `KeyError 'text'`, `the 'text' KeyError`."""
CLOSED_BY = {"`": "`", "'": "'", '"': '"', "(": ")"}
MARKS = "`*>|-# \t"
_CLOSES = re.compile(r"[^`]*[^\s`]`(?!\w)")
"""The first backtick of a text closes something."""
_OPENED = re.compile(r"(?<!\w)`[^\s`][^`]*$")
"""The last backtick of a text opens something."""
QUOTES = "'\""
_KEY = re.compile(r"(?<![A-Za-z0-9_])KeyError: (?P<quote>['\"])[^'\"]{1,200}(?P=quote)")
"""A KeyError with all of its key."""
ANNOUNCED_CAP = 4
"""Messages without a class that are looked for in one line."""


def told_in(line: str) -> Iterator[tuple[Raised, bool]]:
    """What a line may say: each exception within it, to the end of the line and to the end of its quotation, or only
    its message. And whether it is sure to be all of the exception: where it is marked as code, and a key in quotes."""
    bare = _APART.sub(lambda found: f"{found['of'].replace(' ', '')}Error", " ".join(unmarked(line).split()))
    bare = _LOOSE_COLON.sub(": ", _NAME_IN_MARKS.sub(r"\g<name>", bare))
    bare = _KEY_TOLD.sub(lambda found: f"KeyError: '{found['key'] or found['named']}'", bare)
    if bare[:1] in QUOTES and bare[:1] not in bare[1:-1]:
        bare = bare[1:].removesuffix(bare[:1])  # who quotes forgets the second mark at times
    behind = {found.end() for found in _BEFORE.finditer(bare)}
    named = {found.start() for found in _NAMED.finditer(bare)}
    texts = [
        (text, whole)
        for start in sorted({0, *behind, *named})
        for text, whole in (
            (_before_next(bare, start, named), False),
            (_quotation(bare, start), bare[start - 1 : start] == "`"),
            (_with_key(bare, start), True),
        )
    ]
    told: dict[tuple[str, str, str], bool] = {}
    for text, whole in texts:
        if text and (found := exception_of(text, after_frame=False)):
            told[found] = told.get(found, False) or whole
    yield from ((Raised(*each), whole) for each, whole in told.items())
    yield Raised("", "", bare), False
    for start in [found.end() for found in _ANNOUNCED.finditer(bare)][:ANNOUNCED_CAP]:
        yield Raised("", "", bare[start:]), False
    if label := _LABEL.match(line):
        yield Raised("", "", line[label.end() :].rstrip(MARKS)), False
    if bare[:1].isupper() and bare[1:2].islower():
        yield Raised("", "", bare[0].lower() + bare[1:]), False  # a heading begins with a capital letter


def unmarked(line: str) -> str:
    """A line without the marks at its ends, and a title without its tag; a backtick stays where its fellow does."""
    marked = TITLES_TAG.sub("", line)
    bare = marked.strip(MARKS)
    start = marked.find(bare)
    before, behind = marked[:start], marked[start + len(bare) :]
    if before[-1:] == "`" and _CLOSES.match(bare):
        bare = f"`{bare}"
    if behind[:1] == "`" and _OPENED.search(bare):
        bare = f"{bare}`"
    return bare


def _before_next(text: str, start: int, named: Collection[int]) -> str:
    """What stands from `start` on, before the next exception that is quoted by itself."""
    nexts = [place for place in named if place > start and text[place - 1] in CLOSED_BY]
    return text[start : min(nexts)].rstrip("`'\"/|,;( ") if nexts else text[start:]


def _with_key(text: str, start: int) -> str:
    """A KeyError that begins at `start`, to the end of its key; empty where none does."""
    found = _KEY.match(text, start)
    return found[0] if found else ""


def _quotation(text: str, start: int) -> str:
    """What stands from `start` to the mark that closes what was opened just before it; empty where nothing was."""
    opened = text[start - 1 : start]
    end = text.rfind(CLOSED_BY[opened], start) if opened in CLOSED_BY else -1
    return text[start:end].rstrip(". ") if end > start else ""
