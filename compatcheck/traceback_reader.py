"""Tracebacks out of the lines of one process: plain, chained, in notebooks, from pytest and rich, cut at either end.

A machine with few states. It is `inside` from a traceback's head (or a first frame, where the head is cut off) to its
exception's line, and `busy` until it is known that the message and the chain do not go on. Where the exception's line
does not come, the last frame's own `raise` tells it, where all of it stands there; else the frames stay `unfinished`.
"""

from __future__ import annotations

import builtins
import re
from dataclasses import dataclass, replace

from .domain import Frame, Raised
from .logline import exception_of, frame_of
from .loose_exception import LooseReader
from .message_lines import MESSAGE_LINES, QUOTES, goes_on, has_paragraphs
from .raising_code import ShownCode

CAUSED_BY = "The above exception was the direct cause of the following exception"
DURING = "During handling of the above exception, another exception occurred"

MESSAGE_CAP = 8000
FRAME_CAP = 200
"""Frames kept of one traceback; the middle ones of a longer one are dropped."""
PATIENCE = 400
"""Lines within a traceback that are no part of it (source, local variables, other output) before it is given up."""
WRAPPED_CAP = 600
CHAIN_PATIENCE = 6
"""Blank lines between a message and the word that chains it to the next traceback."""

_HEAD = re.compile(r"(?:\+ )?(?:Exception Group )?Traceback \(most recent call last\)|Traceback \(most recent call")
_NOTEBOOK_HEAD = re.compile(r"(?P<type>[\w.]{1,200})\s{2,200}Traceback \(most recent call")
_IGNORED = re.compile(
    r"Exception ignored (?:in|on|while)|--- Logging error ---|Error in atexit|Error in sys\.excepthook"
)
_CALL_STACK = "Call stack:"
"""Before the frames through which a message came that `logging` could not print; `Message: ` and `Arguments: ` end
them."""
_PYTEST = re.compile(r"^E {2,}(?P<text>\S.*)$|^E$")
_PYTEST_FRAME = re.compile(r"E {2,}(?P<frame>File \".*)")
"""A traceback within what pytest shows of an exception, whose beginning is cut off."""
_PYTEST_HEAD = re.compile(r"^_{3,} .{1,300} _{3,}$")
_DEFINES = re.compile(r"^[ >]{0,80}(?:async )?def (?P<name>\w{1,200})\(")
_NOISE = re.compile(r"[\s^~|_+-]*$")
_BROKEN_FRAME = re.compile(r'File "[^"]{1,500}$')
"""A frame's line that a terminal broke within the file's name."""
_ROOTED = re.compile(r"(?:/|[A-Za-z]:\\)\S+$")
_MARKDOWN = "`* "
"""What an issue sets before an exception's line that is not printed as code."""
_SENTENCE = re.compile(r"(?:[AI]|[A-Z]\w{0,20}[a-z][\w'`-]{0,20}) \S")
"""How a message begins that says what is wrong in words."""
_VIEWERS_MESSAGE = re.compile(r"Message: +(?P<message>\S.*)")
"""How the hub's viewer of data sets writes an exception: `Exception:    OSError`, and its message on the next line."""
_ANNOUNCES = " raised:"
"""How a message ends of which the next line is the exception behind it."""


@dataclass(frozen=True)
class Exit:
    """A traceback that was read to its end."""

    lines: tuple[int, ...]
    """Where the exception of each link of the chain stands."""
    chain: tuple[Raised, ...]
    whole: bool
    ignored: bool
    follows: bool = False
    """Whether a word stood above it that chains it to another one, which was over by then."""


class TracebackReader:
    """Feed it the lines of one process; it gives each traceback back when that is over."""

    def __init__(self) -> None:
        self.inside = False
        """Between a traceback's head and its exception."""
        self._chain: list[Raised] = []
        self._lines: list[int] = []
        self._pytest_line = 0
        self._whole = False
        """Of the first traceback of the chain."""
        self._ignored = False
        self._in_call_stack = False
        self._message_open = False
        self._message_lines = self._message_indent = 0
        self._blank = 0
        self._linked = False
        """A chaining word was read and the next traceback is expected."""
        self._follows = self._orphaned = False
        """Of the traceback at hand, and of the one that is expected: a chaining word stands above it, and the exception
        before that word had ended, because its message has paragraphs."""
        self._test_began = False
        """pytest's line over a failed test was read: what follows is whole."""
        self._loose = LooseReader()
        self.unfinished: Raised | None = None
        """The last traceback whose exception did not come; its type and the wording of its message, as far as its code
        has them."""
        self._reset_traceback()

    def _reset_traceback(self) -> None:
        self._frames: list[Frame] = []
        self._headed = False
        self._type = ""
        """The exception's, where the traceback's heading has it, as in notebooks."""
        self._indent = self._frame_indent = 0
        """Blanks in front of the traceback, and of the last frame's line."""
        self._patience = PATIENCE
        self._after_frame = False
        self._shown = ShownCode()
        """Under the last frame."""
        self._defined = ""
        self._open_function = False
        self._wrapped = ""
        """The beginning of a path that rich broke over lines."""
        self._pytest: list[str] = []

    @property
    def busy(self) -> bool:
        return self.inside or bool(self._chain) or bool(self._pytest) or self._loose.waits

    # ------------------------------------------------------------------ a line

    def read(self, text: str, number: int, *, dressed: bool = False) -> list[Exit]:
        """Take in a line; what ended with it."""
        bare = text.strip()
        exits: list[Exit] = []
        if self._pytest and self._read_pytest_end(text, bare):
            return exits
        if found := _PYTEST_FRAME.match(text):
            text = bare = found["frame"]
        head = _HEAD.search(bare) if "Traceback" in bare else None
        if head:
            return self._at_head(text, head)
        if _IGNORED.match(bare):
            exits = self.end()
            self._ignored = True
            return exits
        if bare == _CALL_STACK:
            exits = self.end()
            self._in_call_stack = True
            return exits
        if self._in_call_stack:
            self._in_call_stack = not bare.startswith("Arguments: ")
            if not self._in_call_stack or not bare or text[:1].isspace() or bare.startswith(("File ", "Message: ")):
                return exits
            self._in_call_stack = False
        if bare.startswith((CAUSED_BY, DURING)):
            if self.inside:
                self._abandon()
            self._linked, self._message_open = bool(self._chain), False
            self._orphaned = not self._chain
            self._blank = 0
            return exits
        if self.inside:
            self._read_inside(text, bare, number)
            return exits
        return self._read_outside(text, bare, number, dressed)

    def _at_head(self, text: str, head: re.Match[str]) -> list[Exit]:
        exits: list[Exit] = []
        if not (self._linked and self._chain):
            exits = self.end() if self._chain or self.inside else []
        ignored = self._ignored
        self._begin(headed=True)
        notebook = _NOTEBOOK_HEAD.match(text.strip())
        self._type = notebook["type"] if notebook else ""
        self._ignored = ignored
        self._indent = len(text) - len(text.lstrip()) if head.start() == 0 else 0
        return exits

    def _begin(self, *, headed: bool) -> None:
        linked = bool(self._chain)
        self._reset_traceback()
        self.inside, self._headed = True, headed
        self._message_open, self._linked = False, False
        if not linked:
            self._whole = headed or self._test_began
            self._test_began = False
            self._ignored = False
            self._follows, self._orphaned = self._orphaned, False

    def _abandon(self) -> None:
        """A traceback whose exception does not come: its last line of code says what was raised, or nothing does."""
        shown = self._shown
        module, _, kind = self._type.rpartition(".")
        if shown.raises:
            kind, module = shown.raises.type, shown.raises.module
            if (message := shown.raises.message) is not None:
                self._close((kind, module, message), shown.raises_at)
                self._message_open = False
                return
        self.unfinished = Raised(kind, module, shown.wording, tuple(self._frames), shown.code) if self._frames else None
        self.inside = False
        self._reset_traceback()

    def _read_inside(self, text: str, bare: str, number: int) -> None:
        if not bare or _NOISE.match(bare):
            self._wrapped = ""
            return
        pytest = _PYTEST.match(text)
        if pytest:
            self._pytest = [pytest["text"] or ""]
            self._pytest_line = number
            return
        if frame := (self._wrapped and frame_of(self._wrapped + bare)) or frame_of(bare):
            self._add(frame)
            self._frame_indent = len(text) - len(text.lstrip())
            self._wrapped = ""
            return
        begins = _ROOTED.match(bare) or _BROKEN_FRAME.match(bare)
        self._wrapped = self._wrapped + bare if self._wrapped or begins else ""
        if len(self._wrapped) > WRAPPED_CAP:
            self._wrapped = ""
        if self._open_function and re.fullmatch(r"[\w.<>]{1,200}", bare):
            self._frames[-1] = replace(self._frames[-1], function=bare.rsplit(".", 1)[-1])
            self._open_function = False
            return
        indented = text[:1] in " \t" and not self._headless_exception(text, bare) and not self._below_code(text, bare)
        if not indented:
            told = exception_of(bare.lstrip(_MARKDOWN), after_frame=self._after_frame)
            if told:
                self._close(told, number)
                self._message_open = self._message_open and ":" in bare  # without a colon there is no message
                return
            if (raises := self._shown.raises) and self._shown.raises_at == number - 1 and _SENTENCE.match(bare):
                # the class's name was left out when it was copied
                self._close((raises.type, raises.module, bare), number)
                return
        if found := _DEFINES.match(text):
            self._defined = found["name"]
        if self._frames:
            self._shown.read(bare, number, len(text) - len(text.lstrip()))
        self._patience -= 1
        if self._patience <= 0:
            self._abandon()

    def _headless_exception(self, text: str, bare: str) -> bool:
        """Whether an indented line is the exception all the same: the whole log was indented, as in an issue's list,
        and maybe its first line was not copied with its blanks."""
        indent = len(text) - len(text.lstrip())
        if not self._frames or indent <= self._indent or self._headed or indent > self._frame_indent:
            return bool(self._frames) and indent <= self._indent
        return bool((told := exception_of(bare, after_frame=False)) and told[2])

    def _below_code(self, text: str, bare: str) -> bool:
        """Whether an indented line is the exception all the same: it stands with its message right below the one line
        of code that a frame has, or below the dots for frames that were left out, no deeper than that."""
        if not self._shown.is_one_line_as_deep_as(len(text) - len(text.lstrip())):
            return False
        told = exception_of(bare, after_frame=False)
        return bool(told and told[2] and hasattr(builtins, told[0]))

    def _add(self, frame: Frame) -> None:
        if frame.function == "" and self._defined:
            frame = replace(frame, function=self._defined)
        self._open_function = frame.function == ""
        self._frames.append(frame)
        if len(self._frames) > FRAME_CAP:
            del self._frames[FRAME_CAP // 2]
        self._after_frame = True
        self._shown = ShownCode()
        self._defined = ""

    def _close(self, told: tuple[str, str, str], number: int) -> None:
        kind, module, message = told
        if self._frames:
            self.unfinished = None
        self._chain.append(Raised(kind, module, message[:MESSAGE_CAP], tuple(self._frames), self._shown.code))
        self._lines.append(number)
        self.inside = False
        # a KeyError tells the repr of its key, on one line
        self._message_open, self._blank = not (kind == "KeyError" and message[-1:] in "'\"" and message), 0
        self._message_lines, self._message_indent = 1, self._indent
        self._reset_traceback()

    # ------------------------------------------------------------------ pytest

    def _read_pytest_end(self, text: str, bare: str) -> bool:
        """The lines that begin with E, and in the long style the place after them. True where the line was taken in."""
        pytest = _PYTEST.match(text)
        if pytest:
            if len(self._pytest) < MESSAGE_LINES:
                self._pytest.append((pytest["text"] or "").strip())
            return True
        if not bare:
            return True
        frame = frame_of(bare)
        if frame and ".py:" in bare and " in " not in bare:
            self._add(frame)
            frame = None
            taken = True
        else:
            taken = False
        lines, line = list(self._pytest), self._pytest_line
        told = exception_of(lines[0].strip(), after_frame=True) or ("AssertionError", "", lines[0].strip())
        message = "\n".join([told[2], *lines[1:]]).strip()
        self._pytest = []
        self._close((told[0], told[1], message), line)
        self._message_open = False
        return taken

    # ------------------------------------------------------------------ after and between tracebacks

    def _read_outside(self, text: str, bare: str, number: int, dressed: bool) -> list[Exit]:
        if self._chain and self._message_open and (self._read_quoted(bare, number) or self._read_viewers(bare, number)):
            return []
        if self._chain and self._message_open and goes_on(text, indent=self._message_indent, lines=self._message_lines):
            last = self._chain[-1]
            self._chain[-1] = replace(last, message=f"{last.message}\n{text.rstrip()}"[:MESSAGE_CAP].strip("\n"))
            self._message_lines += 1
            return []
        if not bare or bare in QUOTES:
            told = self._chain[-1].message if self._chain else ""
            self._message_open = self._message_open and not bare and has_paragraphs(told)
            self._blank += 1
            return self.end() if self._blank > CHAIN_PATIENCE else []
        if _PYTEST_HEAD.match(text):
            exits = self.end()
            self._test_began = True
            return exits
        pytest = _PYTEST.match(text)
        frame = None if pytest else frame_of(bare)
        if frame and self._linked:
            self._begin(headed=True)
            self._add(frame)
            return []
        exits = self.end()
        if pytest and pytest["text"]:
            self._begin(headed=False)
            self._pytest, self._pytest_line = [pytest["text"].strip()], number
        elif frame:
            self._begin(headed=False)
            self._add(frame)
            self._indent = len(text) - len(text.lstrip())  # the whole traceback may be indented, its end too
        else:
            self._read_loose(bare, number)
        return exits

    def _read_quoted(self, bare: str, number: int) -> bool:
        """The exception that a message announces, `backend='inductor' raised:`: the root, raised in the same place.

        True where the line was taken in.
        """
        last = self._chain[-1]
        told = exception_of(bare, after_frame=True) if last.message.endswith(_ANNOUNCES) else None
        if not told:
            return False
        kind, module, message = told
        self._chain.insert(-1, replace(last, type=kind, module=module, message=message[:MESSAGE_CAP]))
        self._lines.insert(-1, number)
        self._message_open = False
        return True

    def _read_viewers(self, bare: str, number: int) -> bool:
        """The message of an exception whose name alone stood on the line before. True where the line was taken in."""
        last = self._chain[-1]
        named = last.type == "Exception" and exception_of(f"{last.message}:", after_frame=False)
        if not named or not (found := _VIEWERS_MESSAGE.fullmatch(bare)):
            return False
        kind, module, _ = named
        self._chain[-1] = replace(last, type=kind, module=module, message=found["message"][:MESSAGE_CAP])
        self._lines[-1] = number
        return True

    def _read_loose(self, bare: str, number: int) -> None:
        """An exception's line without a traceback: a summary, a logged error, or all that is left of a cut log."""
        if told := self._loose.read(bare):
            self._whole = False
            self._close(told, number)

    def end(self) -> list[Exit]:
        """Whatever is under way is over."""
        exits = []
        if self._pytest:
            self._read_pytest_end("end", "end")
        if self.inside:
            self._abandon()
        if self._chain:
            exits = [Exit(tuple(self._lines), tuple(self._chain), self._whole, self._ignored, self._follows)]
        self._chain, self._lines, self._linked = [], [], False
        self._message_open, self._ignored = False, False
        self._whole, self._blank = False, 0
        return exits
