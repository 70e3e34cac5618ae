"""One line of a log: what stands in it once the decoration of terminals, CI systems and launchers is taken off.

Who decorates: terminals and IPython (ANSI codes), GitHub Actions and `gh run view --log` (time, and job and step before
it), docker compose and docker build, kubectl, journald, Python's logging, torchrun and accelerate (`[rank0]: `), Ray
(`(pid=1) `), MPI, mail and issue threads (`> `), rich (`│`), pytest (`E   `), Jupyter files (JSON strings).
"""

from __future__ import annotations

import builtins
import json
import re
from dataclasses import dataclass

from .domain import Frame

LINE_CAP = 20_000
"""Characters of a line that are read; what is longer is data and no traceback."""

ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]")
_BARE_ANSI = re.compile(r"\[(?:0|1|[0-9];[0-9]{1,3}(?:;[0-9]{1,3})?|3[0-9]|0?39;49m|49)m")
"""Colour codes that lost their escape character when they were pasted."""

_CURLY = str.maketrans("\u201c\u201d\u2018\u2019", "\"\"''")
"""Quotation marks as forums and word processors set them, and as Python writes them."""

_TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
_LEVEL = r"(?:TRACE|DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|FATAL)"

_LEVELS = frozenset(_LEVEL[3:-1].split("|"))

_SECONDS = r"(?:\d\.\d{3}|\d\d\.\d\d|\d{3}\.\d)"

_TAG = re.compile(
    r"\[(?:rank|default|\d{1,4},(?:mpirank:)?)(?P<rank>\d{1,4})(?:,algo-\d{1,3})?\]"  # torchrun, accelerate, MPI
    r"(?:<stderr>|<stdout>)?:?\s?"
    r"|\((?P<actor>[\w.() -]{0,60}pid=\d{1,9}[^)]{0,60})\)\s"  # Ray
)
_DECORATION = re.compile(
    r"[\w ()./,:+-]{1,120}\t[\w ()./,:+-]{1,120}\t\ufeff?(?=\d{4}-)"  # gh run view --log: job, step
    rf"|\ufeff?\[?{_TIME}\]?(?:\s\|)?(?:\s-(?=\s))?\s?"
    rf"|\[?{_LEVEL}\]?(?::|\s-|\s\||\])\s"
    r"(?=\s*(?:Traceback|File |\[|\d{4}-|[\w.]{1,80}(?:Error|Exception)\b)|\s{2})"
    r"|(?:stderr|stdout) [FP] "  # kubernetes
    rf"|{_LEVEL} \d\d-\d\d \d\d:\d\d:\d\d \[?[\w./-]{{1,80}}:\d{{1,6}}\] ?"  # vllm
    r"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d [\w.-]{1,60} [\w./@-]{1,60}(?:\[\d{1,9}\])?: "  # journald
    r"|[\w.-]{1,50}(?:[-_]\d{1,3})\s{1,20}\|\s"  # docker compose
    rf"|#\d{{1,4}} {_SECONDS}(?: |$)|{_SECONDS}(?: (?=[ A-Za-z×│╰]|$)|$)"  # docker build, with its step and without
    r"|>\s"
)

_FRAME_PLAIN = re.compile(
    r'(?:[>|+]\s?)?File "(?P<file>[^"]{1,600})", line (?=[\d*])(?P<line>\d{0,7})(?:\*{3}\d{0,6}){0,3}'
    r"(?:, in (?P<function>.{1,200})|)$"
)
"""GitHub Actions writes `***` for what is a secret of the workflow, in numbers, too, where the secret is short."""
_FRAME_CUT = re.compile(r'[^"\n]{0,600}\.pyx?", line (?P<line>\d{1,7})(?:, in (?P<function>\S{1,200})|)$')
"""The same without its head, as it is left where an excerpt begins within it."""
_FRAME_UNQUOTED = re.compile(
    r"File (?P<file>[^\s\",]{1,600}\.pyx?), line (?P<line>\d{1,7}), in (?P<function>[\w.<>]{1,200})$"
)
"""Without the marks around the file's name, as a forum or a person's hand leaves it."""
_FRAME_CRASH = re.compile(r'File "(?P<file>[^"]{1,600})", line (?P<line>\d{1,7}) in (?P<function>.{1,200})$')
_FRAME_NOTEBOOK = re.compile(
    r"File \[?(?P<file>[^\"\]]{1,600}?):(?P<line>\d{1,7})(?:\][^ ]{0,900})?"
    r"(?:, in (?P<function>[^(]{1,200})(?:\(.*)?)?$"
)
_FRAME_CELL = re.compile(
    r"(?:Cell |Input )?In ?\[(?P<line>\d{1,6})\](?:, line \d{1,6}|, in (?P<function>[^(]{1,100}).*|)"
)
_FRAME_OLD_NOTEBOOK = re.compile(
    r"(?P<file>(?:[A-Za-z]:|~|/|\.\.\.|<ipython-input)[^\"'|]{0,600}?(?:\.py|\.pyx|>)) in "
    r"(?P<function>[\w.<>]{1,200})(?:\(.*)?$"
)
_FRAME_PYTEST = re.compile(
    r"(?P<file>[^\s:\"'][^:\"'\s]{0,600}\.py|[A-Za-z]:[^:\"']{1,600}\.py):(?P<line>\d{1,7}): ?"
    r"(?:in (?P<function>[\w.<>]{1,200})|(?P<type>[A-Za-z_][\w.]{0,120})|)$"
)
_FRAME_RICH = re.compile(r"(?P<file>[^\s\"'][^\"']{0,600}\.py):(?P<line>\d{1,7}) in ?(?P<function>[\w.<>]{0,200})$")

_BAR = re.compile(
    r"^[^\n]{0,200}\d{1,3}%\|[^\n]{0,400}/(?:s|it)\](?=[A-Za-z_][\w.]{0,100}(?:Error|Exception)\b|Traceback \(most)"
)
"""A bar of tqdm, which ends no line, and what was written behind it."""
_WRAPPED = re.compile(r"(?<=\S) {40,}(?=\S)")
"""What a terminal that breaks its lines leaves in a frame's line when it is copied."""

_FLAT = re.compile(r'\.(?:pyx?|py3)", line \d{1,7}, in \S{1,200}[ \t]+\S')
"""A frame with more text behind it: a traceback that has lost its line breaks."""
_FLAT_FRAME = re.compile(
    r'(?:File "|^|(?<=\s))(?P<file>[^"\s][^"\n]{0,600})", line (?P<line>\d{1,7}), in (?P<function>\S{1,200})'
)
_FLAT_BREAK = re.compile(
    r"\s(?=Traceback \(most recent|During handling of the above|The above exception was"
    r"|(?:[A-Za-z_]\w{0,60}\.){0,6}[A-Z]\w{1,60}(?:Error|Exception|Interrupt|Failed)(?::\s|$))"
)
_FLAT_NAMELESS = re.compile(r"(?<=, in) (?=(?:[A-Za-z_]\w{0,60}\.){0,6}[A-Z]\w{1,60}(?:Error|Exception): )")
"""Where `<module>` stood between two brackets that a web page took for its own, and the line's end behind it."""
_FLAT_TAG = re.compile(r"(?<=\s)\[rank\d{1,4}\]:(?=\s)")

_EGG = re.compile(r"^[\w.+-]{3,120}\.egg/(?=\w)")
"""The folder of its own that `setup.py install` gave a package, with its release in the name."""

_LINK = re.compile(r"\[([^\[\]]{1,600})\]\((?:https?://[^()\s]{0,900}|javascript:void\(0\);?)\)")
"""What Colab and VS Code make of a file's name or a number, and what stays of it when it is pasted into an issue."""

EXCEPTION = re.compile(
    r"(?P<type>[A-Za-z_]\w{0,100}(?:\.(?:[A-Za-z_]\w{0,100}|<locals>)){0,10})(?:\((?P<of>\w{1,100})\))?"
    r"(?P<colon>:(?:\s(?P<message>.*))?)?$",
    re.DOTALL | re.ASCII,
)
_CLASS_SHOWN = re.compile(r"<class '(?P<name>[A-Za-z_][\w.]{0,200})'>(?=: \S)")
"""A class as Python shows it in a text of another program's making: `<class 'KeyError'>: 'name'`."""
_BOLD_INIT = re.compile(r"(?<=\.)init\(\)(?= (?:got|missing|takes))")
"""What Markdown leaves of `__init__()`, which it takes for bold type."""
_XINFERENCE = re.compile(r"^\[address=[\w.:-]{1,80}, pid=\d{1,9}\] ")
"""Which of its processes raised it: Xinference puts that before an exception's message."""
_BOLD_NAME = re.compile(r"^\*\*([A-Za-z_][\w.]{1,120})\*\*(?=:\s|\s{3})")
"""An exception's name that Markdown sets in bold type, before its message or a notebook's heading."""
_TWICE = re.compile(r"^(?P<name>\w{1,60}(?:Error|Exception))(?P=name)(?:: ?){1,2}(?=\S)")
"""What two processes make of the same line when they write it at once: `KeyErrorKeyError: : 'text'`."""
_LOOKS_RAISED = re.compile(
    r"(?:Error|Exception|Interrupt|Exit|StopIteration|Expired|Impossible|Warning|Timeout|Failed|ArrowInvalid|IsEnabled)$"
)
_OF_EXCEPTIONS = re.compile(r"(?:^|\.)_?(?:exc|exceptions?|errors?)(?:\.|$)|\.onnxruntime_pybind11_state$")
"""A module that holds exceptions and nothing else: `torch._dynamo.exc.Unsupported` is one, whatever its name, and so
is onnxruntime's `Fail`."""
_LOWER_RAISED = re.compile(r"(?:^|\.)(?:error|timeout|herror|gaierror)$")


TITLES_TAG = re.compile(
    r"^\W{0,3}(?:\[(?!W |\d)[^\[\]:]{1,40}(?::\d{1,6})?\]|(?i:bug|issue|question|help)(?: report)?\s?[:：])"
    r"\s*:?\s*(?=\S)"
)
"""What a tracker's title begins with, `[Bug]`; and no warning's mark, `[W socket.cpp:601]`."""
_ESCAPED = re.compile(r"\\(?=[_*'\"`<>\[\]()#~|-])")
"""A backslash that Markdown, JSON or a shell wants before a mark."""
_JSON_MARK = re.compile(r"\\{1,8}u00(?P<code>2[27]|3[ce]|60)", re.IGNORECASE)
"""A mark that JSON writes by its number, as a server's answer holds it: `\\u0027` for an apostrophe."""
_BOLD_DUNDER = re.compile(r"\*\*(?=[a-z_]{2,30}\*\*)(?P<name>[a-z_]+)\*\*")
"""What Markdown makes of `__init__`, once it is written as Markdown again."""
_AS_CODE = re.compile(r"(?<![\w`])(?P<mark>``?)(?P<text>[^`\n]{1,200})(?P=mark)(?![\w`])")
"""A name between the marks that Markdown has for code."""
_QUOTED_TWICE = re.compile(r'(?<![\w"])"(?P<text>[^"\n]{1,200})"(?![\w"])')

_UNQUOTED = re.compile(
    r"(?P<says>\b[Nn]o module named|\bunexpected keyword argument|\b[Cc]annot import name|\bhas no attribute) "
    r"(?!(?:in|for|when|from|while|on|of|or|and|with|error|to|is|was|at|by)\b)"
    r"(?P<name>[A-Za-z_][\w.]{0,100}\w)(?:\(\))?(?P<from> from (?P<place>[A-Za-z_][\w.]{0,100}\w))?"
    r"(?=$|\.?(?:\s|$)[^\w]*$|[^\x00-\x7f]|[`\"')\],;:!])"
)
"""What Python says of a name that it misses, without marks around the name: so writes Python 2, and many a person."""


_MARK_OF_NAME = re.compile(r"(?<!\w)'|'(?!\w)")
"""A mark around a name, and not the one in `can't`."""
_CLOSING_LOST = re.compile(r"(?<![\w'])'[A-Za-z_][\w.]{0,100}(?=`$)")
_OPENING_LOST = re.compile(r"^[A-Za-z_][\w.]{0,100}(?=' (?:object )?has no attribute )")
"""Names that have one of their two marks, and where Markdown's own mark shows that the name ends there."""


def _in_quotes(found: re.Match[str]) -> str:
    place = f" from '{found['place']}'" if found["place"] else ""
    return f"{found['says']} '{found['name']}'{place}"


def as_python_writes(message: str) -> list[str]:
    """A message as Python may have written it: without backslashes before marks and with `__init__` in the place of
    `**init**`, and with the mark that a name at its beginning or end has lost; besides with single quotation marks
    around names, in the place of Markdown's; of all others; and of none."""
    if "\\u00" in message:
        message = _JSON_MARK.sub(lambda mark: chr(int(mark["code"], 16)), message)
    if "\\" in message:
        message = _ESCAPED.sub("", message)
    if "**" in message:
        message = _BOLD_DUNDER.sub(r"__\g<name>__", message)
    if "'" in message and len(_MARK_OF_NAME.findall(message)) % 2:
        message = f"{message[:-1]}'" if _CLOSING_LOST.search(message) else _OPENING_LOST.sub(r"'\g<0>", message)
    readings = [message]
    if "`" in message:
        readings.append(_AS_CODE.sub(r"'\g<text>'", message))
    if '"' in message:
        readings.append(_QUOTED_TWICE.sub(r"'\g<text>'", readings[-1]))
    if (marked := _UNQUOTED.sub(_in_quotes, message)) != message:
        readings.append(marked)
    return readings


@dataclass(frozen=True)
class Line:
    """A line without its decoration."""

    text: str
    """What is left, with the blanks in front of it."""
    tag: str = ""
    """Which of several processes wrote it, where the launcher says so."""
    dressed: bool = False
    """Whether there was a time, a job or a container's name before it."""

    @property
    def bare(self) -> str:
        return self.text.strip()


def cleaned(raw: str) -> Line:
    """`raw` without colour codes and without what CI systems and launchers put in front of a line."""
    text = raw[:LINE_CAP].rstrip("\r\n")
    stripped = text.lstrip()
    if stripped[:1] == '"' and ("\\n" in text or "\\u001b" in text or stripped.rstrip().endswith(('",', '"'))):
        text = _unquoted(stripped) or text
    if "\x1b" in text:
        text = ANSI.sub("", text)
    if not text.isascii():
        text = text.translate(_CURLY)
    if "[0" in text and "m" in text:
        text = _BARE_ANSI.sub("", text)
    tag, dressed = "", False
    for _ in range(0 if text[:1] == " " and "\t" not in text else 6):  # every decoration begins at the line's start
        if found := _TAG.match(text):
            tag = found["rank"] or found["actor"] or tag
        elif found := _DECORATION.match(text):
            dressed = dressed or not text.startswith(">")
        else:
            break
        text = text[found.end() :]
    if "%|" in text:
        text = _BAR.sub("", text)
    if "](" in text:
        text = _LINK.sub(r"\1", text)
    if " " * 40 in text and 'File "' in text:
        text = _WRAPPED.sub("", text)
    if text[:2] == "**" == text[-2:] and len(text) > 4:
        text = text[2:-2]  # Markdown's bold type
    elif text[:2] == "**":
        text = _BOLD_NAME.sub(r"\1", text)
    if text[:1] == "`" and "File " in text[:12]:
        text = text.lstrip("`")
    if text[:1] in "│┃|" and text:
        text = text[1:].rstrip().rstrip("│┃|").rstrip()
        text = text[1:] if text.startswith(" ") else text
    return Line(text.rstrip(), tag, dressed)


def _unquoted(text: str) -> str:
    """A line of a Jupyter file: a JSON string."""
    try:
        value = json.loads(text.rstrip().rstrip(","))
    except ValueError:
        return ""
    return value if isinstance(value, str) else ""


def unflattened(text: str) -> list[str]:
    """The lines of a traceback that has lost its line breaks, which an issue tracker or a table's cell took; any other
    text as it is."""
    if not _FLAT.search(text):
        return [text]
    lines: list[str] = []
    place = 0
    text = _FLAT_NAMELESS.sub(" ? ", _FLAT_TAG.sub("", text))
    for found in _FLAT_FRAME.finditer(text):
        lines += _between(text[place : found.start()], after_frame=place > 0)
        lines.append(f'  File "{found["file"]}", line {found["line"]}, in {found["function"]}')
        place = found.end()
    return [*lines, *_between(text[place:], after_frame=True)]


def _between(text: str, *, after_frame: bool) -> list[str]:
    """What stands between two frames: a line of code, and what was raised."""
    parts = [part.strip() for part in _FLAT_BREAK.split(text) if part.strip()]
    code = parts[:1] if after_frame and parts and not _FLAT_BREAK.match(f" {parts[0]}") else []
    return [*(f"    {part}" for part in code), *parts[len(code) :]]


def frame_of(text: str) -> Frame | None:
    """The frame that a line without leading blanks names, as Python, IPython, pytest, rich or faulthandler write it."""
    if text.startswith(("File ", "> File", "| File", "+ File")):
        found = (
            _FRAME_PLAIN.match(text)
            or _FRAME_CRASH.match(text)
            or _FRAME_UNQUOTED.match(text)
            or _FRAME_NOTEBOOK.match(text)
        )
    elif text.startswith(("Cell In", "Input In", "In [")):
        found = _FRAME_CELL.match(text)
        return Frame("<cell>", int(found["line"]), (found["function"] or "<module>").strip()) if found else None
    elif ".py" in text or text.startswith("<ipython-input"):
        found = (
            _FRAME_CUT.match(text)
            or _FRAME_PYTEST.match(text)
            or _FRAME_RICH.match(text)
            or _FRAME_OLD_NOTEBOOK.match(text)
        )
    else:
        return None
    if not found:
        return None
    parts = found.groupdict()
    function = (parts.get("function") or "").strip()
    return Frame(
        short_file(parts.get("file") or text.partition('"')[0]),
        int(parts.get("line") or 0),
        function.rsplit(".", 1)[-1],
    )


def short_file(path: str) -> str:
    """A traceback's file without the part that differs between machines."""
    path = path.replace("\\", "/").replace("//", "/").removeprefix(".../")
    for mark in ("/site-packages/", "/dist-packages/"):
        if mark in path:
            return _EGG.sub("", path.rsplit(mark, 1)[1])
    if path.startswith(("site-packages/", "dist-packages/")):
        return path.split("/", 1)[1]
    found = re.search(r"/lib/python3[\d.]*/(?P<rest>.+)$", path)
    return found["rest"] if found else path


def exception_of(text: str, *, after_frame: bool) -> tuple[str, str, str] | None:
    """Class, module and message of a line that tells an exception, or None.

    After a frame nearly every name may be a class; elsewhere only names that end as exceptions' names do."""
    shown = _CLASS_SHOWN.match(text) if text[:1] == "<" else None
    text = shown["name"] + text[shown.end() :] if shown else text
    found = EXCEPTION.match(_TWICE.sub(r"\g<name>: ", text))
    if not found:
        return None
    module, _, name = found["type"].rpartition(".")
    raised = bool(_LOOKS_RAISED.search(name) or _LOWER_RAISED.search(found["type"]) or name == "Exception")
    raised = raised or (name[:1].isupper() and bool(_OF_EXCEPTIONS.search(module)))
    if not raised and not (after_frame and name[:1].isupper() and (found["colon"] or module)):
        return None
    if name in _LEVELS or (name == "Error" and not module and not after_frame) or name.startswith("nccl"):
        return None  # `ncclSystemError: ` is a code of NCCL's, told within the message of torch's exception
    if raised and not after_frame and not found["colon"] and not module and name != "KeyboardInterrupt":
        return None
    if name[:1] == "_" and not module and hasattr(builtins, name[1:]):
        name = name[1:]  # Markdown's slanted type
    message = _XINFERENCE.sub("", _BOLD_INIT.sub("__init__()", found["message"] or "").strip())
    if message[-1:] == "`" and message.count("`") % 2:
        message = message[:-1]  # closes what Markdown opened above the traceback
    return (found["of"] or name), module, message


def split_lines(text: str) -> list[str]:
    """The lines of a text as logs have them: ended by a line feed, a carriage return or both, and by nothing else."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return lines
