"""Code that a model brings along (transformers' `auto_map`): what its configuration names of it. Nothing is run."""

from __future__ import annotations

import json
from pathlib import Path


def named_code(folder: Path) -> tuple[str, ...]:
    """`modeling_mine.MyModel` and the like, or `owner/name--modeling.Class` where it lies in another repository."""
    named: dict[str, None] = {}
    for file in ("config.json", "tokenizer_config.json"):
        try:
            told = json.loads((folder / file).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        mapped = told.get("auto_map") if isinstance(told, dict) else None
        for value in mapped.values() if isinstance(mapped, dict) else ():
            # a tokenizer names a slow and a fast class, and either may be null
            named.update(dict.fromkeys(str(each) for each in (value if isinstance(value, list) else [value]) if each))
    return tuple(named)


def lacking_files(folder: Path) -> list[str]:
    """The Python files of this repository that the configuration names and that are not there."""
    own = (name.partition(".")[0] + ".py" for name in named_code(folder) if "--" not in name)
    return [file for file in dict.fromkeys(own) if not (folder / file).is_file()]
