"""The generated part of a README, between its markers."""

from __future__ import annotations

import re

from ..errors import UsageError
from .context import Context
from .markdown import pins_table

_BLOCK = re.compile(r"(<!-- generated: headline -->\n).*?(<!-- /generated: headline -->)", re.DOTALL)


def with_headline(text: str, context: Context) -> str:
    """`text` with the headline and the pins of the report between the markers. Raises UsageError without markers."""
    if not _BLOCK.search(text):
        raise UsageError(
            "the file has no place for the headline", "Add <!-- generated: headline --><!-- /generated: headline -->."
        )
    said = "\n".join(f"- {line}" for line in context.headline())
    block = f"{said}\n\n{pins_table(context)}\n\nMeasured on {context.generated:%Y-%m-%d}.\n"
    return _BLOCK.sub(lambda found: found[1] + block + found[2], text)
