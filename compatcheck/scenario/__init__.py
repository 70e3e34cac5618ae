"""What the cycle trains and on what: the shipped tiny BLOOM with its tokenizer, and the shipped texts."""

from pathlib import Path

_HERE = Path(__file__).resolve().parent

TINY_BLOOM: Path = _HERE / "tiny-bloom"
"""The model folder: the files that a bloomz-560m checkout has, at 0.03 % of its size."""

TEXTS: dict[str, Path] = {
    "role-prompts": _HERE / "texts" / "role-prompts.jsonl",
    "quotations": _HERE / "texts" / "quotations.jsonl",
}
"""Name of a data set -> its JSON lines, one object with the key `text` a line, in UTF-8."""

MINIMAL: Path = _HERE / "minimal.py"
"""The cycle as one short script that needs neither a model nor texts: what a report to a package's makers carries."""
