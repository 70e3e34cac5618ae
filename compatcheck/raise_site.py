"""One message in a package's source and where it is raised: the words of its template, whether a text says them or
begins with them, and whether any program may say the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from .source_packages import TOOLS

HOLE = "{}"
"""Where a message has a value in it."""
ABRIDGED = 18
"""Characters, in four words at least, by which the beginning of a message is known."""
GAP = 60
"""Characters that may follow the last of its words in a beginning: what filled the next gap."""

PLAIN_WORDS, PLAIN_LENGTH = 6, 40
"""What has fewer words, or is shorter, anybody may say: `Required field {} is missing`."""
PLAIN_OF_TOOLS = 60
"""What is shorter and has no word of the trade, if only a tool beside the stack says it."""
_TRADE = re.compile(
    r"\w_[a-z]|[a-z][A-Z]|\w\.\w{3}|\b(?i:torch|cuda|gpus?|nccl|triton|tensors?|dtypes?|tokeniz\w+|logits|embeddings?"
    r"|attention|adapters?|q?lora|(?:de)?quantiz\w+|checkpoints?|optimizers?|gradients?|transformers?|deepspeed|fsdp"
    r"|vllm|peft|safetensors)\b"
)
"""The form of a name in code, and words of the trade: a short message with one of them may well be the stack's."""

_PYTHON_SAYS = re.compile(
    r"attempted relative import|invalid literal for int\(\)|could not convert string to float|not in list$"
    r"|is not JSON serializable|got multiple values for|positional arguments? but|slice step cannot be zero"
    r"|[Cc]an't pickle|not the same object as|Cannot call rmtree|pickle (?:protocol|stream)|not defined for negative"
)
"""What Python says itself; copies of its parts in a package's source, or stand-ins in TorchScript, say it too."""

Span = tuple[int, int]
"""The first and the last of the releases read that have something, as places in their list."""


def plain_text(text: str) -> str:
    """With single blanks, and without the backticks that Markdown takes for its own."""
    return " ".join(text.replace("`", "").split())


def parts_of(template: str) -> tuple[str, ...]:
    """The words between the holes of a template, which has single blanks already; who quotes it leaves out its full
    stop."""
    bare = (plain_text(template) if "`" in template else template).rstrip(" .")
    if HOLE not in bare:
        return (bare,)
    return tuple(part for each in bare.split(HOLE) if (part := each.strip())) or (bare,)


@dataclass(frozen=True)
class Site:
    """Where a message is raised."""

    package: str
    exception: str
    template: str
    file: str
    function: str
    span: Span

    @cached_property
    def parts(self) -> tuple[str, ...]:
        return parts_of(self.template)

    @property
    def native(self) -> bool:
        """Whether it is raised in C++: then no frame of a traceback shows the place."""
        return not self.file.endswith(".py")

    @cached_property
    def plain(self) -> bool:
        """Whether any program may say this: then it tells of the package only where the traceback ends in it."""
        words = " ".join(self.parts)
        if _PYTHON_SAYS.search(words):
            return True
        of_the_trade = bool(_TRADE.search(words))
        if self.package in TOOLS:
            return self.few or (len(words) < PLAIN_OF_TOOLS and not of_the_trade)
        return self.few and not of_the_trade

    @cached_property
    def few(self) -> bool:
        """Whether these are so few words that two programs may come upon them."""
        return len(" ".join(self.parts)) < PLAIN_LENGTH or self.words < PLAIN_WORDS

    @cached_property
    def words(self) -> int:
        return len(re.findall(r"[A-Za-z]{2,}", " ".join(self.parts)))

    def says(self, text: str, *, from_start: bool) -> bool:
        """Whether the words stand in `text` in their order; at its start where the template begins with words."""
        place = 0
        for number, part in enumerate(self.parts):
            found = text.find(part, place)
            if found < 0 or (number == 0 and from_start and found and not self.template.startswith(HOLE)):
                return False
            place = found + len(part)
        return True

    def begins(self, text: str) -> bool:
        """Whether `text` is the beginning of this, cut off somewhere: enough of its words, and little after them."""
        if self.template.startswith(HOLE) or not self.parts:
            return False
        if self.parts[0].startswith(text):
            return _enough(text)
        said, place = "", 0
        for part in self.parts:
            found = text.find(part, place)
            if found < 0 and said and (cut := _end_within(text, part, place)):
                return _enough(f"{said} {cut}")
            if found < 0 or (not said and found):
                break
            said, place = f"{said} {part}", found + len(part)
        return _enough(said) and len(text) - place <= GAP

    def filled(self, filling: str) -> str:
        """What it says with something in its gaps."""
        return self.template.replace(HOLE, filling)


def _end_within(text: str, part: str, place: int) -> str:
    """What the end of `text` holds of a part's beginning, from behind `place` on; empty where that is too little."""
    found = text.find(part[:ABRIDGED], place) if len(part) > ABRIDGED else -1
    return text[found:] if found >= 0 and part.startswith(text[found:]) else ""


def _enough(words: str) -> bool:
    return len(words) >= ABRIDGED and len(words.split()) >= 4
