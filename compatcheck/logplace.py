"""Whose code a traceback stopped in: the innermost frame that is neither Python's own nor that of a library which only
refuses what it is handed (torch, NumPy, a parser, a client of HTTP)."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from .domain import Frame
from .source_packages import PACKAGES, folder_of

_BELOW = frozenset(
    (
        "torch", "numpy", "scipy", "pandas", "pyarrow", "safetensors", "fsspec", "requests", "urllib3", "httpx",
        "httpcore", "aiohttp", "anyio", "yaml", "jinja2", "pydantic", "packaging", "tqdm", "filelock", "dill",
        "multiprocess", "regex", "sentencepiece", "tiktoken", "google", "PIL", "importlib_metadata",
        "typing_extensions", "pkg_resources", "hf_xet", "certifi", "idna", "chardet", "charset_normalizer", "joblib",
        "sklearn",
    )
)  # fmt: skip
"""Packages that are called from everywhere: a failure within them is that of what they were called with."""
_ANSWERS = ("transformers/agents/", "transformers/tools/")
"""Code that reads and runs what a language model wrote: where it stops, it is not for the package's sake."""
_STDLIB = frozenset(sys.stdlib_module_names)
_LIBRARY = re.compile(r"(?:/[Ll]ib|^[./]{0,4}python3(?:\.\d{1,2})?)/(?P<rest>[a-z_]\w{0,60}(?:\.py|/).*)$")
"""Python's own library: on Windows, or where a person cut the path off before `python3.10/`."""
_CHECKOUT = re.compile(r"/(?P<package>\w{1,60})/(?:src/)?(?P<path>(?P=package)/.+)$")
"""A checkout that is installed as it lies: `/home/me/peft/src/peft/config.py`, `/opt/trl/trl/trainer/utils.py`."""
_SHORTENED = re.compile(r"(?:\.\.)?/(?P<path>(?P<package>\w{1,60})/.+\.py)$")
"""Where a person cut off all that stands before the package: `/transformers/models/auto/auto_factory.py`, or put two
dots there."""
_REMOTE = re.compile(r"(?:^|/)(?P<path>(?:transformers_modules|unsloth_compiled_cache)/.+)$")
"""Where transformers puts the model code that comes with a repository, and unsloth what it writes anew."""


def _squeezed(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


_CLONES = {
    _squeezed(name): folder
    for package in PACKAGES
    for folder in (folder_of(package).partition("/")[0],)
    for name in (package, folder)
}
"""A repository's name, without marks and capitals, to the folder of its package."""
_FOLDERS = frozenset(_CLONES.values()) - {"swift", "whisper", "src"}
_CLONES |= {
    "lmevaluationharness": "lm_eval", "flashattention": "flash_attn", "pytorchimagemodels": "timm",
    "mamba": "mamba_ssm", "megatronlm": "megatron",
}  # fmt: skip
_SOURCES = ("src", "python")
"""A folder between a repository's own and its package's."""
_ARCHIVED = re.compile(r"-(?:main|master|v?\d+(?:\.\d+){1,3})$")
"""What a downloaded archive puts behind a repository's name: its branch or its release."""
_SHARED_FOLDERS = {"swift": "ms_swift"}
"""A folder that other packages have, too, and the package that it is in a clone of that name."""


@dataclass(frozen=True)
class Place:
    """A function of a package."""

    package: str
    file: str
    function: str

    def as_captures(self) -> dict[str, str]:
        """For a diagnosis."""
        return {"package": self.package, "file": self.file, **({"function": self.function} if self.function else {})}


def place_of(frames: Sequence[Frame]) -> Place | None:
    """Where the frames, the outermost first, end; None where that is no installed package's code but a script's."""
    found = _end_of(frames)
    return found if found and found.package else None


def in_script(frames: Sequence[Frame]) -> bool:
    """Whether the frames end in a script's own code. False, too, where none is left but those of torch and Python: the
    beginning is cut off, and with it who called."""
    found = _end_of(frames)
    return found is not None and not found.package


def _end_of(frames: Sequence[Frame]) -> Place | None:
    """The innermost frame that counts, with an empty package where it is a script's; None where there is none."""
    for frame in reversed(frames):
        cloned = _in_clone(frame.file)
        file = cloned or _path(frame.file)
        package, slash, _ = file.partition("/")
        if file.startswith("<") and file != "<cell>" and not file.startswith("<ipython"):
            continue
        if package.removesuffix(".py") in _STDLIB or (slash and package in _BELOW):
            continue
        installed = slash and package and re.fullmatch(r"\w+", package) and not file.startswith(_ANSWERS)
        package = _SHARED_FOLDERS.get(package, package) if cloned else package
        return Place(package if installed else "", file, frame.function)
    return None


def _in_clone(file: str) -> str:
    """From the package's folder on, in a clone under the repository's name, `/home/me/ms-swift/swift/llm/infer.py`;
    empty where it is none."""
    parts = file.split("/")
    for place, part in enumerate(parts[:-1]):
        folder = _CLONES.get(_squeezed(_ARCHIVED.sub("", part)))
        within = place + (2 if parts[place + 1] in _SOURCES else 1)
        if folder and within < len(parts) - 1 and parts[within] == folder:
            return "/".join(parts[within:])
    return ""


def _path(file: str) -> str:
    """From the package's folder on; a script's path as it is."""
    for pattern in (_REMOTE, _CHECKOUT):
        if found := pattern.search(file):
            return found["path"]
    if (found := _SHORTENED.match(file)) and found["package"] in _FOLDERS:
        return found["path"]
    found = _LIBRARY.search(file)
    return found["rest"] if found and found["rest"].partition("/")[0].removesuffix(".py") in _STDLIB else file
