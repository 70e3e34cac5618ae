"""Where a message of several lines ends: whether the next line, or the one after an empty line, is still part of it."""

from __future__ import annotations

import re

from .logline import exception_of, frame_of
from .loose_exception import BEGINS_THROWN, EDITORS_STACK

QUOTES = ('"""', "'''", "```", "``", "`")
"""Around the traceback of another process, as multiprocessing and concurrent.futures print it; and Markdown's end of a
block of code, or of code within a sentence, after which an issue's prose goes on."""
MESSAGE_LINES = 40

_NEVER_GOES_ON = (EDITORS_STACK, BEGINS_THROWN)
_REQUEST = re.compile(r"\(Request ID:\s[^)]{0,300}\)$")
"""How the first paragraph of huggingface_hub's messages ends: the second one tells what was refused."""
_WEIGHTS_LIST = re.compile(r"Error\(s\) in loading state_dict for \w{1,100}:$|\bsize mismatch for [^\n]{1,300}\.$")
"""How torch's list of weights that do not fit begins and goes on: pasted into a forum, it has empty lines between."""
_ANOTHER = re.compile(
    r"(?:[\w.-]+==\d|Process |Killed|wandb:|[+$#] |make(?:\[\d+\])?: |exit "
    r"|(?!\[WinError|ErrorMessage|nccl[A-Z]|Error while \w{5,9}(?: to)? shared memory)\S{0,40}Error"
    r"|Exception|Traceback|File \"|##\[|\d{4}-\d\d-\d\d|srun:|===|___|\[?(?:INFO|WARN|ERROR)|FAILED \S{1,400} - "
    r"|(?:\([\w./-]{1,60}\) ?){0,2}(?:[\w.-]{1,40}@[\w.-]{1,80}:[^$#]{0,200}[$#](?:\s|$)"
    r"|\[[\w.-]{1,40}@[\w.-]{1,80} [^\]]{1,100}\][$#]|(?:PS )?[A-Za-z]:\\[^<>|]{0,200}>))"
)
"""What begins a line that is no part of the message above it: another program's, or a shell's prompt."""


def goes_on(text: str, *, indent: int, lines: int) -> bool:
    """Whether a line still belongs to the message above it, which has so many lines and stands so many blanks deep."""
    bare = text.strip()
    if not bare or bare in QUOTES or lines >= MESSAGE_LINES or bare.startswith(_NEVER_GOES_ON):
        return False
    if len(text) - len(text.lstrip()) > indent and not frame_of(bare):
        return True
    return not (_ANOTHER.match(bare) or frame_of(bare) or exception_of(bare, after_frame=False))


def has_paragraphs(message: str) -> bool:
    """Whether a message goes on after an empty line, as far as it is read."""
    told = message.strip()
    return not told or bool(_REQUEST.search(told) or _WEIGHTS_LIST.search(told))
