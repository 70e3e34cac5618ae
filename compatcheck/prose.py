"""A failure told in running text: in an issue's sentence, behind a program's own words, in quotation marks.

Only for short texts in which nothing stands as an exception is printed. A line counts where a signature fits what it
says, and where it speaks of an error or begins with the very words; and where it quotes what a system writes at a
process's end. A warning does not count, nor does code; and beside a traceback whose end was cut off, no line that does
not speak of an error itself, but for the one right above frames that have no heading: there programs with a window of
their own (ComfyUI, web interfaces) show the message.

An exception that is told apart from its traceback, in the heading or above the frames, is read together with it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from .catalogues import Catalogue
from .classify import diagnose_chain, diagnose_line, fingerprint
from .domain import Diagnosis, Raised
from .logcarrier import carried
from .logline import TITLES_TAG, cleaned, exception_of, frame_of, split_lines
from .signature_fit import covers, searched, takes
from .sources import HOLE, shipped_sources
from .traceback_reader import FILLING, RAISES, message_in_code, wording_in_code
from .trade import packages_named

CAP = 2**16
"""Bytes of a text that is read in this way."""

LEAST = 17
"""Characters that a signature's pattern must find (with the exception's name, where it stands right before them), and
at a line's beginning three words in them: less proves nothing in running text."""

_SPEAKS_OF_ERROR = re.compile(
    r"(?i)error|exception|fail|not found|could not|has no attribute|cannot import name|no module named"
    r"|unexpected keyword argument|is not JSON serializable|is not defined|undefined symbol"
    r"|out of (?:memory|range|bounds)|unsupported|not supported|unable to import"
    r"|\bbug\b|crash|required but|timed out|^\W{0,3}[EF]\d{2,4} \d\d:\d\d:\d\d"
    r"|错误|報錯|报错|異常|异常|失败|失敗|エラー|오류|에러|ошибк|erreur|fehler"
)
_REFUSES = re.compile(
    r"(?i)cannot|can't|unable to|unexpected|invalid|not (?:a )?valid|must (?:be|match|have)|should (?:be|have)"
    r"|n't |not |required?s? |refuse|mismatch|incompatible|missing|denied|out of |referenced before|but (?:got|found)"
    r"|expected|you (?:must|passed)|too (?:many|few|long|large|small|old)|already |attempt"
)
"""The words in which programs refuse: what a title says that leaves the exception's class out."""
_HEADING = re.compile(rf"\s*#|{TITLES_TAG.pattern}")
_NO_FAILURE = re.compile(
    r"\w{3,40}Warning: |^\W*\[(?:INFO|DEBUG)\] |^\W*(?:\d{1,6}\s+)?(?:raise|warnings\.warn|logger\.\w{4,9})\b[ (]"
    r"|^\W*\d{1,6}\s+(?:if|elif|except|return|for|while|with|try|else|def)\b.{0,300}:?$"
)
"""A warning, and the code that would raise or warn, or asks what was raised, as tracebacks show it."""
_CODE_BEFORE = re.compile(
    r"^\W*raise \w{1,60}\(.{0,300}\) (?=(?:[a-z_]\w{0,40}\.){0,6}[A-Z]\w{2,60}(?:Error|Exception): )"
)
"""The line of code that raised, where the exception follows it on the same line."""
_BEFORE = re.compile(r"[:`'\"(\]#]\s*|\s-\s|[^\x00-\x7f](?=[A-Za-z])")
"""What may stand before an exception's name: a mark, a dash, or a letter of a script that sets no blanks."""
_ANNOUNCED = re.compile(
    r"(?i)(?:\b(?:errors?|exception)\b|报错|错误|异常|エラー)(?: (?:message )?(?:is|was|says))?"
    r"\s?[:：,]?\s?[`'\"]?(?=\S)"
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
_FILLINGS = ("x", "1", "['x']")
"""What stands in for a name or a number that a quotation left out."""
_CLOSED_BY = {"`": "`", "'": "'", '"': '"', "(": ")"}
_MARKS = "`*>|-# \t"
_CLOSES = re.compile(r"[^`]*[^\s`]`(?!\w)")
"""The first backtick of a text closes something."""
_OPENED = re.compile(r"(?<!\w)`[^\s`][^`]*$")
"""The last backtick of a text opens something."""
_QUOTES = "'\""
_QUOTED = re.compile(
    r"(?<![A-Za-z0-9_])(?:(?P<mark>[`'\"])(?P<text>[^`'\"]{1,200})(?P=mark)|`(?P<told>[^`'\"]{1,200})')(?![A-Za-z0-9_])"
    r"|\((?P<aside>[^()]{1,200})\)"
)
_SHELLS_WORDS = {"killed": "Killed", "bus error": "Bus error", "illegal instruction": "Illegal instruction"}
"""What a shell writes at a process's end, in quotation marks by itself, however it is spelled."""
_DUMPED = re.compile(
    r"(?i)\b(?P<what>segmentation fault|bus error|illegal (?:hardware )?instruction|aborted)\s?\(core dumped\).{0,100}"
)
"""A shell's words that nobody writes by chance, wherever they stand."""
_ENDED = re.compile(
    r"(?i)\b(?:crash\w{0,4}|exit\w{0,3}|quits?|die[sd]?|dying|kill(?:s|ed)|terminat\w{1,3}|abort(?:s|ed)|receiv\w{1,3}|gets?|got"
    r"|fail\w{0,3})\b[^.;\n]{0,40}?\b(?:SIG(?P<name>SEGV|BUS|ILL|KILL|ABRT)|signal:? (?P<number>4|6|7|9|11))\b"
    r"|^\W{0,8}SIG(?P<first>SEGV|BUS|ILL|KILL|ABRT) (?:received|when|while|on|in|after|during)\b"
    r"|^\W{0,8}(?:\[[^\]]{1,30}\]:? ?)?(?:I (?:get|got) a )?(?P<word>segfault|segmentation fault)s?:? "
    r"(?:when|while|on|in|at|after|during|with)\b"
)
"""A sentence that tells by which signal a process ended."""
_PRINTED = re.compile(
    r"(?i)\W?(?:segmentation fault|bus error|illegal (?:hardware )?instruction|aborted)\b|.{0,60} \*{3} "
)
"""What a shell writes by itself, or make."""
_VIOLATION = re.compile(r"(?i)\baccess violation\b (?:in|inside|at|when|while|during|on)\b")
"""The same end on Windows."""
_SIGNALS = {"4": "ILL", "6": "ABRT", "7": "BUS", "9": "KILL", "11": "SEGV"}
_STATE_DICT = re.compile(r"Error\(s\) in loading state_dict for \w{1,100}:$")
"""The heading of torch's list of weights that do not fit; the lines of the list stand below it."""
_STATE_DICTS_LINE = re.compile(r"\s+(?:size mismatch for |Missing key\(s\) |Unexpected key\(s\) )")
LEAST_BEGUN = 12
"""Characters of a message that was cut off, by which its whole is found."""
LEAST_TOLD = 32
"""The same where the class does not stand before it, as a logger wrote it."""
_KEY = re.compile(r"(?<![A-Za-z0-9_])KeyError: (?P<quote>['\"])[^'\"]{1,200}(?P=quote)")
"""A KeyError with all of its key."""
LEAST_QUOTED = 18
"""The same of what stands in quotation marks or brackets by itself: `Segmentation fault`."""
NEAREST = 40
"""Lines at a text's beginning, and as many at its end, that may tell of a failure without a word for it, or broken."""
ANNOUNCED_CAP = 4
"""Messages without a class that are looked for in one line."""
LEAST_BROKEN = 45
"""Characters of a line that may go on in the next one."""
LEAST_TITLE = 30
"""Characters of a message that no issue's title has by chance, where it stands above a traceback that is cut off."""
_ENDS_A_TITLE = re.compile(r"\W*(?:$|(?:when|while|in|on|at|with|during|after|using|for)\b)")
"""What may follow a message in a title without a mark: where something failed, and no sentence of its own."""
_OF_ONESELF = re.compile(r"\b(?:I|[Ww]e|[Mm]y|[Oo]ur|me|us)\b")


def diagnose_prose(
    text: str, catalogue: Catalogue, versions: Mapping[str, str], unfinished: Raised | None = None
) -> tuple[int, Diagnosis] | None:
    """The last line that tells of a known failure, with what it is, before those that tell only a message's beginning;
    None where none does. A heading that tells one comes before a line that names no exception. `unfinished`: a
    traceback in it whose exception is missing."""
    counting = [line for line in _lines(text) if not _NO_FAILURE.search(line.text)]
    nearest = [*counting[:NEAREST], *counting[NEAREST:][-NEAREST:]]
    for line in (*reversed(counting), *reversed(_refusing(nearest)), *reversed(_rejoined(nearest))):
        if diagnosis := _said(line, text, catalogue, versions):
            heading = counting[0] if diagnosis.exception and not diagnosis.exception.type else line
            titled = _said(heading, text, catalogue, versions) if _is_heading(heading.text) else None
            if titled and titled.signature != diagnosis.signature:
                return heading.number, titled
            return line.number, diagnosis
    named = [(line, raised) for line in reversed(counting) for raised, _ in _told(line.text) if raised.type]
    if unfinished and (found := _joined(named, unfinished, catalogue, versions)):
        return found
    if unfinished and (found := _worded(text, unfinished, catalogue, versions)):
        return found
    spoken_of = packages_named(text) if named else frozenset()
    for line, raised in named:
        if diagnosis := _begun(raised, catalogue, spoken_of):
            return line.number, diagnosis
    for line, raised in named:
        if not line.within and (diagnosis := _plain(raised, catalogue, spoken_of)):
            return line.number, diagnosis
    return _as_code(text, catalogue)


def _joined(
    named: Sequence[tuple[_Line, Raised]], unfinished: Raised, catalogue: Catalogue, versions: Mapping[str, str]
) -> tuple[int, Diagnosis] | None:
    """What the one exception that a text tells is, with the frames that stand apart from it. The place where they end
    gives no name: they may be cut off before it."""
    if len({raised.type for _, raised in named}) > 1 and not unfinished.type:
        return None
    for line, raised in named:
        if unfinished.type in ("", raised.type):
            whole = replace(raised, frames=unfinished.frames)
            diagnosis = diagnose_chain((whole,), catalogue.sure, whole=False, versions=versions)
            if diagnosis.signature:
                return line.number, replace(diagnosis, confidence=round(diagnosis.confidence - 0.1, 2))
    return None


def _worded(
    text: str, unfinished: Raised, catalogue: Catalogue, versions: Mapping[str, str]
) -> tuple[int, Diagnosis] | None:
    """What the code that raised says by its wording, where the exception's own line is missing; or what is known of
    every exception of its type, or of those that come from these frames."""
    if not unfinished.type:
        return None
    if len(unfinished.message) < LEAST:
        unfinished = replace(unfinished, message="")
    diagnosis = diagnose_chain((unfinished,), catalogue.sure, whole=False, versions=versions)
    if not diagnosis.signature:
        return None
    stands = [number for number, line in carried(split_lines(text)) if unfinished.code in line]
    return stands[-1] if stands else 1, replace(diagnosis, captures={}, confidence=round(diagnosis.confidence - 0.1, 2))


def _as_code(text: str, catalogue: Catalogue) -> tuple[int, Diagnosis] | None:
    """What the line of code says that raised, where that is all that was pasted, or stands as the heading, and has its
    message or enough of its wording."""
    for number, line in carried(split_lines(text)):
        raises = RAISES.fullmatch(line.strip(_MARKS))
        if raises and (message := message_in_code(raises) or _whole_wording(raises["told"] or "")):
            diagnosis = diagnose_chain((Raised(raises["type"], "", message),), catalogue.sure, whole=False)
            if diagnosis.signature:
                return number, diagnosis
    return None


def _whole_wording(told: str) -> str:
    """The wording of a message with gaps, as a line of code has it; empty where that is too little to go by."""
    words = wording_in_code(told)
    return words if len(words) >= LEAST_TITLE else ""


def completed(text: str, raised: Raised) -> Raised | None:
    """An exception whose message the end of the text cut off, with the message that the text quotes before, in its
    heading as a rule, or that the line of code which raised makes; None where neither begins like it."""
    begun = raised.message.strip()
    if len(begun) < LEAST_BEGUN:
        return None
    lines = [bare for _, line in carried(split_lines(text)) if (bare := cleaned(line).bare)]
    if not lines or not lines[-1].endswith(begun):
        return None
    named = rf"\b{re.escape(raised.type)}: "
    if len(begun) >= LEAST_TOLD:
        named += r"|^|(?<!Error)(?<!Exception)(?<!Warning): "
    longer = re.compile(rf"(?:{named}){re.escape(begun)}(?P<rest> ?\S.{{0,300}})")
    found = next((found for line in lines if (found := longer.search(line))), None)
    if found:
        return replace(raised, message=f"{begun}{found['rest'].rstrip(_MARKS)}")
    raises = RAISES.fullmatch(raised.code)
    whole = _worded_whole(begun.lstrip(_QUOTES), wording_in_code(raises["told"] or "", HOLE)) if raises else ""
    return replace(raised, message=whole) if whole else None


def _worded_whole(begun: str, wording: str) -> str:
    """A message whose end is missing, with the rest of its wording, `HOLE` in its gaps; empty where it is not the
    beginning of that, or there is no rest."""
    first, *parts = wording.split(HOLE)
    if not begun.startswith(first):
        return wording.replace(HOLE, FILLING) if begun and first.startswith(begun) else ""
    place = len(first)
    for number, part in enumerate(parts):
        found = begun.find(part, place) if part else -1
        if found < 0:
            return begun + FILLING.join(parts[number:]) if first.strip() else ""
        place = found + len(part)
    return ""


def names_exception(line: str) -> bool:
    """Whether a line is the heading of an issue that names an exception, with its message."""
    return _is_heading(line) and any(raised.type for raised, _ in _told(line))


def _is_heading(line: str) -> bool:
    return line.lstrip().startswith("#")


def _stands_above(line: _Line, text: str, told: str) -> bool:
    """Whether a line is a text's first, with an empty one or a traceback below, and ends with what it tells: an issue's
    heading without its mark."""
    title, _, rest = text.lstrip().partition("\n")
    below = rest.partition("\n")[0].strip()
    _, found, after = line.text.partition(told)
    return (
        title.strip() == line.text.strip()
        and (not below or below.startswith("Traceback "))
        and bool(found and _ENDS_A_TITLE.match(after))
        and not _OF_ONESELF.search(title)
    )


def _heading_of(text: str) -> str:
    """An issue's heading, which tells what all of it is about; empty where the text begins otherwise."""
    first = text.lstrip().partition("\n")[0]
    return first if _is_heading(first) else ""


def _only_wraps(raised: Raised, catalogue: Catalogue) -> bool:
    """Whether the exception is one that hides the real one, which is not told."""
    return any(covers(each, raised) for each in catalogue.wrappers)


def _plain(raised: Raised, catalogue: Catalogue, spoken_of: frozenset[str]) -> Diagnosis | None:
    """What an exception is whose words any program may have, where the text names the package that has them."""
    site = shipped_sources().site(raised, spoken_of)
    if site is None or not site.plain or _only_wraps(raised, catalogue):
        return None
    if (
        known := next((each for each in (*catalogue.fallbacks, *catalogue.families) if takes(each, site)), None)
    ) is None:
        return None
    captures = {"package": site.package, "file": site.file}
    return Diagnosis(known.id, fingerprint(raised.type, raised.message), raised, captures, 0.5)


@dataclass(frozen=True)
class _Line:
    """A line, with what it counts for."""

    number: int
    text: str
    speaks: bool
    """It speaks of an error, or the sentence before it did and ended in a colon."""
    beside: bool
    """A traceback stands in the same text, so that it must speak of an error itself."""
    within: bool
    """It stands in that traceback or behind it, where code is quoted."""


def _refusing(lines: Sequence[_Line]) -> list[_Line]:
    """Those that do not speak of an error but refuse something, where no traceback is told besides."""
    return [
        replace(line, speaks=True)
        for line in lines
        if not (line.speaks or line.beside or line.within) and _REFUSES.search(line.text)
    ]


def _rejoined(lines: Sequence[_Line]) -> list[_Line]:
    """Each long line together with the next one: a mail or a terminal breaks sentences where they reach its margin."""
    return [
        replace(line, text=f"{line.text} {then.text.strip(_MARKS)}", speaks=line.speaks or then.speaks)
        for line, then in pairwise(lines)
        if then.number == line.number + 1 and len(line.text) >= LEAST_BROKEN and then.text.strip(_MARKS)
        if not (line.beside or line.within or exception_of(then.text.strip(), after_frame=False))
    ]


def _lines(text: str) -> list[_Line]:
    carriers = list(carried(split_lines(text)))
    lines = _gathered([_CODE_BEFORE.sub("", cleaned(line).text.replace("\n", " ")) for _, line in carriers])
    headed = next((place for place, line in enumerate(lines) if "Traceback (most recent" in line), None)
    framed = next((place for place, line in enumerate(lines) if frame_of(line.strip())), None)
    first = min((place for place in (headed, framed) if place is not None), default=None)
    above = None
    if headed is None and framed is not None:
        above = next((place - 1 for place in range(framed, 0, -1) if lines[place - 1].strip()), None)
    return [
        _Line(number, line, speaks, first is not None and place != above, first is not None and place >= first)
        for place, ((number, _), line, speaks) in enumerate(zip(carriers, lines, _spoken(lines), strict=True))
    ]


def _gathered(lines: list[str]) -> list[str]:
    """The same, with the first of the weights that do not fit behind the heading of their list, which says more than
    any of them."""
    for place in range(len(lines) - 1):
        if _STATE_DICT.search(lines[place]) and _STATE_DICTS_LINE.match(lines[place + 1]):
            lines[place] = f"{lines[place]} {lines[place + 1].strip()}"
            below = place + 1
            while below < len(lines) and _STATE_DICTS_LINE.match(lines[below]):
                lines[below] = ""
                below += 1
    return lines


def _spoken(lines: Sequence[str]) -> list[bool]:
    """Of each line whether it speaks of an error, or the sentence before it did and ended in a colon."""
    spoken, announced = [], False
    for line in lines:
        speaks = bool(_SPEAKS_OF_ERROR.search(line))
        spoken.append(speaks or announced)
        if line.strip(_MARKS):
            announced = speaks and line.rstrip(_MARKS).endswith((":", "："))
    return spoken


def _said(line: _Line, text: str, catalogue: Catalogue, versions: Mapping[str, str]) -> Diagnosis | None:
    """What a line of a text tells, or quotes of a process's end."""
    if ended := _ended(line.text, text, catalogue):
        return ended
    for quoted in _QUOTED.finditer(line.text):
        told = quoted["text"] or quoted["told"] or quoted["aside"]
        shells = _SHELLS_WORDS.get(told.lower().rstrip("."))
        ended = (
            diagnose_line(Raised("", "", shells or told), catalogue) if shells or len(told) >= LEAST_QUOTED else None
        )
        if ended:
            return ended
    if _HEADING.match(line.text) and (ended := diagnose_line(Raised("", "", _unmarked(line.text)), catalogue)):
        return ended
    headed = line.beside and not line.within  # a traceback stands below, and its own end is cut off
    printed = exception_of(line.text.strip(_MARKS), after_frame=False) and not line.text.startswith("# ")
    alone = not headed and (printed or line.within)  # what a program prints tells by itself what it is about
    around = _heading_of(text) if alone else text
    for raised, whole in _told(line.text):
        diagnosis = diagnose_chain((raised,), catalogue, whole=False, versions=versions, text=around)
        signature = catalogue.get(diagnosis.signature)
        if signature and signature.raised_by and line.speaks and not line.within:
            return diagnosis
        found = searched(signature, raised.message) if signature else None
        if signature is None or found is None:
            continue
        proof = len(found[0]) if found.start() or not raised.type else len(f"{raised.type}: {found[0]}")
        by_class = signature.exception and not (signature.message or signature.library)  # whatever its message says
        if not whole and (proof < LEAST or (found.start() == 0 and len(found[0].split()) < 3 and not by_class)):
            continue
        opened = raised.message[found.start() - 1 : found.start()]  # by a mark, where a heading quotes the very words
        title = len(found[0]) >= LEAST_TITLE and (_is_heading(line.text) or _stands_above(line, text, found[0]))
        quotes = headed and (opened in _CLOSED_BY or title)
        if line.speaks or (found.start() == 0 and not line.beside) or quotes:
            return diagnosis
    return None


def _ended(line: str, text: str, catalogue: Catalogue) -> Diagnosis | None:
    """How a process ended that a sentence or a heading tells of, where the text is about Python or the stack. What a
    shell, make or a program of another kind prints itself is no sentence."""
    quoted, told = _DUMPED.search(line), _ENDED.search(line)
    if not (quoted or told or _VIOLATION.search(line)) or not ("python" in text.lower() or packages_named(text)):
        return None
    if _PRINTED.match(line) or exception_of(line.strip(_MARKS), after_frame=False):
        return None
    if quoted:
        whole = quoted[0].replace(quoted["what"], quoted["what"].capitalize(), 1)
        return diagnose_line(Raised("", "", whole), catalogue)
    name = told and (told["name"] or told["first"] or (told["word"] and "SEGV") or _SIGNALS[told["number"]])
    end = f"process 1 terminated with signal SIG{name.upper()}" if name else "Windows fatal exception: access violation"
    found = diagnose_line(Raised("", "", end), catalogue)
    return replace(found, exception=Raised("", "", line.strip())) if found else None


def _begun(raised: Raised, catalogue: Catalogue, spoken_of: frozenset[str]) -> Diagnosis | None:
    """What an exception is whose message was quoted in part, by what the packages' sources say from there on; None
    where that is nothing, or several things."""
    if _only_wraps(raised, catalogue):
        return None
    whole = [
        diagnose_chain((replace(raised, message=site.filled(filling)),), catalogue, whole=False)
        for site in shipped_sources().begun(raised, spoken_of)
        for filling in _FILLINGS
    ]
    if any(each.exception and each.exception.type != raised.type for each in whole):
        return None  # it only quotes another exception, and that is not told
    known = {each.signature: each for each in whole if each.signature}
    closer = {name: each for name, each in known.items() if (told := catalogue.get(name)) and not told.raised_by}
    known = closer or known
    if len(known) != 1:
        return None
    (found,) = known.values()
    return replace(found, exception=raised, captures={}, confidence=0.5, runner_up=None)


def _told(line: str) -> Iterator[tuple[Raised, bool]]:
    """What a line may say: each exception within it, to the end of the line and to the end of its quotation, or only
    its message. And whether it is sure to be all of the exception: where it is marked as code, and a key in quotes."""
    bare = _LOOSE_COLON.sub(": ", _NAME_IN_MARKS.sub(r"\g<name>", " ".join(_unmarked(line).split())))
    if bare[:1] in _QUOTES and bare[:1] not in bare[1:-1]:
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
        yield Raised("", "", line[label.end() :].rstrip(_MARKS)), False
    if bare[:1].isupper() and bare[1:2].islower():
        yield Raised("", "", bare[0].lower() + bare[1:]), False  # a heading begins with a capital letter


def _unmarked(line: str) -> str:
    """A line without the marks at its ends, and a title without its tag; a backtick stays where its fellow does."""
    marked = TITLES_TAG.sub("", line)
    bare = marked.strip(_MARKS)
    start = marked.find(bare)
    before, behind = marked[:start], marked[start + len(bare) :]
    if before[-1:] == "`" and _CLOSES.match(bare):
        bare = f"`{bare}"
    if behind[:1] == "`" and _OPENED.search(bare):
        bare = f"{bare}`"
    return bare


def _before_next(text: str, start: int, named: Collection[int]) -> str:
    """What stands from `start` on, before the next exception that is quoted by itself."""
    nexts = [place for place in named if place > start and text[place - 1] in _CLOSED_BY]
    return text[start : min(nexts)].rstrip("`'\"/|,;( ") if nexts else text[start:]


def _with_key(text: str, start: int) -> str:
    """A KeyError that begins at `start`, to the end of its key; empty where none does."""
    found = _KEY.match(text, start)
    return found[0] if found else ""


def _quotation(text: str, start: int) -> str:
    """What stands from `start` to the mark that closes what was opened just before it; empty where nothing was."""
    opened = text[start - 1 : start]
    end = text.rfind(_CLOSED_BY[opened], start) if opened in _CLOSED_BY else -1
    return text[start:end].rstrip(". ") if end > start else ""
