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
from collections.abc import Mapping, Sequence
from dataclasses import replace

from .catalogues import Catalogue
from .classify import diagnose_chain, diagnose_line, fingerprint
from .domain import Diagnosis, Raised
from .logcarrier import carried
from .logline import TITLES_TAG, cleaned, exception_of, split_lines
from .prose_lines import ProseLine, lines_of, refusing, rejoined
from .quotation import CLOSED_BY, MARKS, QUOTES, told_in, unmarked
from .raise_site import HOLE
from .raising_code import FILLING, Raising, raising
from .signature_fit import searched, takes, wrapping
from .sources import shipped_sources
from .told_place import told_elsewhere
from .trade import packages_named

CAP = 2**16
"""Bytes of a text that is read in this way."""

LEAST = 17
"""Characters that a signature's pattern must find (with the exception's name, where it stands right before them), and
at a line's beginning three words in them: less proves nothing in running text."""

_HEADING = re.compile(rf"\s*#|{TITLES_TAG.pattern}")
_NO_FAILURE = re.compile(
    r"\w{3,40}Warning: |^\W*\[(?:INFO|DEBUG)\] |^\W*(?:\d{1,6}\s+)?(?:raise|warnings\.warn|logger\.\w{4,9})\b[ (]"
    r"|\bno longer (?:raises?|throws?|fails?|crash(?:es)?|gives?)\b|\b(?:docs?|documentation) says?\b"
    r"|^\W*\d{1,6}\s+(?:if|elif|except|return|for|while|with|try|else|def)\b.{0,300}:?$"
)
"""A warning, and the code that would raise or warn, or asks what was raised, as tracebacks show it."""
_FILLINGS = ("x", "1", "['x']")
"""What stands in for a name or a number that a quotation left out."""
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
LEAST_BEGUN = 12
"""Characters of a message that was cut off, by which its whole is found."""
LEAST_TOLD = 32
"""The same where the class does not stand before it, as a logger wrote it."""
LEAST_QUOTED = 18
"""The same of what stands in quotation marks or brackets by itself: `Segmentation fault`."""
NEAREST = 40
"""Lines at a text's beginning, and as many at its end, that may tell of a failure without a word for it, or broken."""
LEAST_TITLE = 30
"""Characters of a message that no issue's title has by chance, where it stands above a traceback that is cut off."""
_IMPORTS = re.compile(r"from (?P<module>\w[\w.]*) import (?P<names>\w[\w, ]*)|import (?P<plain>\w[\w.]*)(?: as \w+)?")
"""A line of code that imports from one module, or one module."""
_DEFINES = re.compile(r"(?m)^[ \t]*(?:async )?def \w{1,80}\(")
_TRACED = re.compile(r"(?m)^\W*(?:Traceback|File \"|\w{3,40}Error\b|-+> ?\d)|\bin <module>")
"""Code that is shown for itself, and what a traceback has besides code."""
_ENDS_A_TITLE = re.compile(r"\W*(?:$|(?:when|while|in|on|at|with|during|after|using|for|but (?:found|got|expected))\b)")
"""What may follow a message in a title without a mark: where something failed, and no sentence of its own."""
_ASKS_FOR = re.compile(r"\bif not is_(?P<package>[a-z]\w{1,40}?)_available\(\):$")
"""The condition above what is raised where a companion is missing."""
_OF_ONESELF = re.compile(r"\b(?:I|[Ww]e|[Mm]y|[Oo]ur|me|us)\b")


def diagnose_prose(
    text: str, catalogue: Catalogue, versions: Mapping[str, str], unfinished: Raised | None = None
) -> tuple[int, Diagnosis] | None:
    """The last line that tells of a known failure, with what it is, before those that tell only a message's beginning;
    None where none does. A heading that tells one comes before a line that names no exception. `unfinished`: a
    traceback in it whose exception is missing."""
    counting = [line for line in lines_of(text) if not _NO_FAILURE.search(line.text)]
    nearest = [*counting[:NEAREST], *counting[NEAREST:][-NEAREST:]]
    for line in (*reversed(counting), *reversed(refusing(nearest)), *reversed(rejoined(nearest))):
        if diagnosis := _said(line, text, catalogue, versions):
            heading = counting[0] if diagnosis.exception and not diagnosis.exception.type else line
            titled = _said(heading, text, catalogue, versions) if _is_heading(heading.text) else None
            if titled and titled.signature != diagnosis.signature:
                return heading.number, titled
            return line.number, diagnosis
    named = [(line, raised) for line in reversed(counting) for raised, _ in told_in(line.text) if raised.type]
    if unfinished and (found := _joined(named, unfinished, catalogue, versions)):
        return found
    if unfinished and (found := _worded(text, unfinished, catalogue, versions)):
        return found
    if unfinished and counting and (found := _titled(counting[0], text, unfinished, catalogue, versions)):
        return found
    spoken_of = packages_named(text) if named else frozenset()
    for line, raised in named:
        if diagnosis := _begun(raised, catalogue, spoken_of):
            return line.number, diagnosis
    for line, raised in named:
        if not line.within and (diagnosis := _plain(raised, catalogue, spoken_of)):
            return line.number, diagnosis
    if told := _as_code(text, catalogue):
        return told
    return None if unfinished else told_elsewhere(text, counting, named, catalogue, versions)


def _joined(
    named: Sequence[tuple[ProseLine, Raised]], unfinished: Raised, catalogue: Catalogue, versions: Mapping[str, str]
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
                return line.number, diagnosis.doubted
    return None


def _worded(
    text: str, unfinished: Raised, catalogue: Catalogue, versions: Mapping[str, str]
) -> tuple[int, Diagnosis] | None:
    """What the code that raised says by its wording, where the exception's own line is missing; or what is known of
    every exception of its type, or of those that come from these frames."""
    if not unfinished.type:
        return None
    told = unfinished if len(unfinished.message) >= LEAST else replace(unfinished, message="")
    diagnosis = diagnose_chain((told,), catalogue.sure, whole=False, versions=versions)
    if not diagnosis.signature and (there := _of_file(text, unfinished, catalogue)):
        diagnosis = there
    if not diagnosis.signature:
        return None
    stands = [number for number, line in carried(split_lines(text)) if unfinished.code in line]
    return stands[-1] if stands else 1, replace(diagnosis.doubted, captures={})


def _titled(
    title: ProseLine, text: str, unfinished: Raised, catalogue: Catalogue, versions: Mapping[str, str]
) -> tuple[int, Diagnosis] | None:
    """What an issue's title tells that holds the message alone, where the traceback below names the class and its end
    with the message was cut off."""
    told = title.text.strip().lstrip("#").strip()
    first = text.lstrip().partition("\n")[0].strip()
    if not unfinished.type or unfinished.message or first != title.text.strip() or _OF_ONESELF.search(told):
        return None
    whole = replace(unfinished, message=told)
    diagnosis = diagnose_chain((whole,), catalogue.sure, whole=False, versions=versions)
    signature = catalogue.get(diagnosis.signature)
    found = searched(signature, told) if signature and signature.message else None
    return (title.number, diagnosis.doubted) if found and len(found[0]) >= LEAST_TITLE else None


def _of_file(text: str, unfinished: Raised, catalogue: Catalogue) -> Diagnosis | None:
    """What everything means that the function raises in which the traceback ends, of this class and with this
    beginning, and about the package that the line above asks for; None where that is nothing, or several things, or
    the last line of code raises nothing."""
    if not unfinished.frames or not raising(unfinished.code):
        return None
    above = text.rpartition(unfinished.code)[0].rstrip().rpartition("\n")[0].rstrip().rpartition("\n")[2]
    asked = _ASKS_FOR.search(above)
    wanted = asked["package"] if asked else ""
    told = [
        diagnose_chain((replace(unfinished, message=site.filled(FILLING)),), catalogue.sure, whole=False)
        for site in shipped_sources().raised_at(unfinished)
        if wanted in site.template.lower()
    ]
    if len({each.signature for each in told}) != 1 or not told[0].signature:
        return None
    return replace(told[0], exception=unfinished, captures={}, confidence=0.5, runner_up=None)


def _as_code(text: str, catalogue: Catalogue) -> tuple[int, Diagnosis] | None:
    """What the line of code says that raised, where that is all that was pasted, or stands as the heading, and has its
    message or enough of its wording. A function that is shown from its `def` on tells what it may raise."""
    listed = bool(_DEFINES.search(text)) and not _TRACED.search(text)
    for number, line in carried(split_lines(text)):
        raises = None if listed else raising(line.strip(MARKS))
        if raises and (message := raises.message or _whole_wording(raises)):
            raised = Raised(raises.type, raises.module, message)
            diagnosis = diagnose_chain((raised,), catalogue.sure, whole=False)
            if diagnosis.signature:
                return number, diagnosis
    return None


def _whole_wording(raises: Raising) -> str:
    """The wording of a message with gaps, as a line of code has it; empty where that is too little to go by."""
    words = raises.wording()
    return words if len(words) >= LEAST_TITLE else ""


def completed(text: str, raised: Raised) -> Raised | None:
    """An exception whose message the end of the text cut off, with the message that the text quotes before, in its
    heading as a rule, or that the line of code which raised makes; None where neither begins like it."""
    begun = raised.message.strip()
    lines = [bare for _, line in carried(split_lines(text)) if (bare := cleaned(line).bare)] if begun else []
    if not lines or not lines[-1].endswith(begun):
        return None
    if whole := _of_import(begun, raised):
        return replace(raised, message=whole)
    little = len(begun) < LEAST_BEGUN
    named = rf"\b{re.escape(raised.type)}: "
    if len(begun) >= LEAST_TOLD:
        named += r"|^|(?<!Error)(?<!Exception)(?<!Warning): "
    longer = re.compile(rf"(?:{named}){re.escape(begun)}(?P<rest> ?\S.{{0,300}})")
    found = next((found for line in (lines[:1] if little else lines) if (found := longer.search(line))), None)
    if found:
        return replace(raised, message=f"{begun}{found['rest'].rstrip(MARKS)}")
    if little:
        return None
    raises = raising(raised.code)
    whole = _worded_whole(begun.lstrip(QUOTES), raises.wording(HOLE)) if raises else ""
    return replace(raised, message=whole) if whole else None


def _of_import(begun: str, raised: Raised) -> str:
    """What Python says of the line of code that raised, an import, where the message is the beginning of that; empty
    where it is not, or where several names of that line may be the one."""
    found = _IMPORTS.fullmatch(raised.code)
    if not found or raised.type not in ("ImportError", "ModuleNotFoundError"):
        return ""
    module, names = found["module"] or found["plain"], re.findall(r"(\w+)(?: as \w+)?,?", found["names"] or "")
    told = [f"cannot import name '{name}' from '{module}'" for name in names]
    told += [f"No module named '{module}'"] if "." not in module else []
    whole = [each for each in told if each.startswith(begun) and each != begun]
    return whole[0] if len(whole) == 1 else ""


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
    return _is_heading(line) and any(raised.type for raised, _ in told_in(line))


def _is_heading(line: str) -> bool:
    return line.lstrip().startswith("#")


def _stands_above(line: ProseLine, text: str, told: str) -> bool:
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
    return wrapping(raised, catalogue) is not None


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


def _said(line: ProseLine, text: str, catalogue: Catalogue, versions: Mapping[str, str]) -> Diagnosis | None:
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
    if _HEADING.match(line.text) and (ended := diagnose_line(Raised("", "", unmarked(line.text)), catalogue)):
        return ended
    headed = line.beside and not line.within  # a traceback stands below, and its own end is cut off
    printed = exception_of(line.text.strip(MARKS), after_frame=False) and not line.text.startswith("# ")
    alone = not headed and (printed or line.within)  # what a program prints tells by itself what it is about
    around = _heading_of(text) if alone else text
    for raised, whole in told_in(line.text):
        diagnosis = diagnose_chain((raised,), catalogue, whole=False, versions=versions, text=around)
        signature = catalogue.get(diagnosis.signature)
        if signature and signature.raised_by and line.speaks and not line.within:
            return diagnosis
        found = searched(signature, raised.message) if signature else None
        if signature and found is None and raised.type and line.speaks and _only_wraps(raised, catalogue):
            return diagnosis  # by what stands within the message of the one that hides it
        if signature is None or found is None:
            continue
        proof = len(found[0]) if found.start() or not raised.type else len(f"{raised.type}: {found[0]}")
        by_class = signature.exception and not (signature.message or signature.library)  # whatever its message says
        if not whole and (proof < LEAST or (found.start() == 0 and len(found[0].split()) < 3 and not by_class)):
            continue
        opened = raised.message[found.start() - 1 : found.start()]  # by a mark, where a heading quotes the very words
        title = len(found[0]) >= LEAST_TITLE and (_is_heading(line.text) or _stands_above(line, text, found[0]))
        quotes = headed and (opened in CLOSED_BY or title)
        if line.speaks or (found.start() == 0 and not line.beside) or quotes:
            return diagnosis
    return None


def _ended(line: str, text: str, catalogue: Catalogue) -> Diagnosis | None:
    """How a process ended that a sentence or a heading tells of, where the text is about Python or the stack. What a
    shell, make or a program of another kind prints itself is no sentence."""
    quoted, told = _DUMPED.search(line), _ENDED.search(line)
    if not (quoted or told or _VIOLATION.search(line)) or not ("python" in text.lower() or packages_named(text)):
        return None
    if _PRINTED.match(line) or exception_of(line.strip(MARKS), after_frame=False):
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
