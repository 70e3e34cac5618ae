"""A stub of tokenizers: words to numbers, the same on every machine."""

import zlib

from ._deeds import act
from ._version import __version__  # noqa: F401


def encode(text, size):
    """Each word of `text` as a number from 1 to `size` - 1; 0 ends a sequence."""
    act("tokenize")
    return [1 + zlib.crc32(word.encode()) % (size - 1) for word in text.split()]


act("import")
