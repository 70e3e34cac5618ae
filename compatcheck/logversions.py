"""Versions of packages, as logs tell them: pip, uv, conda, `transformers env`, torch's collect_env, wheels, paths."""

from __future__ import annotations

import re

STACK = (
    "torch", "transformers", "peft", "accelerate", "tokenizers", "safetensors", "huggingface-hub", "numpy", "datasets",
    "bitsandbytes", "trl", "triton", "deepspeed", "sentencepiece", "torchvision", "torchaudio", "flash-attn", "python",
)  # fmt: skip
"""Names that are believed in running text, where any word may stand before a number."""

NEEDLES = (
    "==", "ersion", "Package", "nstalled ", "atisfied", "requires ", ".whl", "-info", "Name: ", "python3", " + ",
    *(name for name in STACK if name != "python"), "huggingface_hub", "PyTorch", "Torch", "Transformers", "PEFT",
)  # fmt: skip
"""A line that tells a version holds one of these."""

INSTALLED, PINNED, SAID = 3, 2, 1
"""How much a line is worth: what is really there, what was asked for, what somebody wrote."""

PACKAGE_CAP = 600

_NUMBER = r"(?P<version>\d{1,5}(?:\.\d{1,5}){1,3}(?:[.-]?(?:a|b|rc|dev|post)\d{0,8}){0,2}(?:\+[\w.]{1,30})?)"
_NAME = r"(?P<name>[A-Za-z0-9][\w.-]{0,60}?)"
_END = r"(?![\w.]*[\w])"
_STACK_NAME = "|".join(name.replace("-", "[-_]") for name in (*STACK, "pytorch") if name != "python")

_ROUTES: tuple[tuple[str, int, re.Pattern[str]], ...] = (
    # `transformers env`, accelerate env, torch collect_env, and issue forms: "- `transformers` version: 4.44.2"
    ("ersion", INSTALLED, re.compile(
        rf"^[\s>*+-]{{0,12}}\**`?{_NAME}`?(?:\(s\))? version(?: \(GPU\?\)| installed\?)?\**: ?\**`?v?{_NUMBER}", re.I)),
    # pip show, over two lines: joined by the caller
    ("Name: ", INSTALLED, re.compile(rf"^Name: {_NAME}\nVersion: {_NUMBER}")),
    # transformers' and importlib's checks: "but found huggingface-hub==1.2.3"
    ("==", INSTALLED, re.compile(rf"(?:but found|\[pip3\]|\[conda\]|^ ?\+) {_NAME}=={_NUMBER}")),
    ("requires ", INSTALLED, re.compile(rf"but you have {_NAME} {_NUMBER}")),
    ("requires ", INSTALLED, re.compile(rf"^(?:ERROR: )?{_NAME} {_NUMBER} requires ")),
    ("atisfied", INSTALLED, re.compile(
        rf"^Requirement already satisfied: {_NAME}(?:[<>=!~\[ ].{{0,300}}?)?\({_NUMBER}\)$")),
    ("-info", INSTALLED, re.compile(rf"[\\/]{_NAME}-{_NUMBER}\.(?:dist|egg)-info")),
    ("==", PINNED, re.compile(rf"(?<![\w.-]){_NAME}(?:\[[\w,-]{{1,40}}\])?={{2,3}} ?{_NUMBER}")),
    (".whl", PINNED, re.compile(rf"(?:[\s/]|^){_NAME}-{_NUMBER}-[\w.]{{1,60}}-\w{{1,40}}-[\w.]{{1,120}}\.whl")),
    ("", SAID, re.compile(
        rf"(?<![\w./-])(?P<name>{_STACK_NAME})`?(?: version)?`? {{0,40}}(?:=|:|==|v|is|at|\|)? ?"
        rf"`?v?{_NUMBER}{_END}", re.I)),
)  # fmt: skip
_WANTED_BEFORE = re.compile(r"(?i)(?:\brequires?|\brequired|\bneeds?|\bat least|\bminimum|\bsupports?) (?:the )?`?$")
_WANTED_BEHIND = re.compile(
    r"(?i)`?(?:\+(?![\w ])| (?:(?:or|and) (?:higher|later|above|newer|greater|up)\b|(?:is )?required\b))"
)
"""What stands around a version that is asked for, and not there."""
_HINT = re.compile(r"\d\.\d|^Package |^# Name |^Name: ")
"""What a line must hold to be looked at any further."""
_LISTED = re.compile(rf"^{_NAME}\s{{1,60}}{_NUMBER}(?:\s|$)")
_LIST_HEAD = re.compile(r"^(?:Package\s+Version|# Name\s+Version)")
_INSTALLED_NOW = re.compile(rf"{_NAME}-{_NUMBER}$")
_PYTHON_PATH = re.compile(r"[\\/](?:lib|Lib|envs)[\\/](?:python)?(?P<version>3\.\d{1,2})[\\/]")


def _is_wanted(line: str, found: re.Match[str]) -> bool:
    """Whether a sentence says that a version is needed, and nothing of which one is installed."""
    return bool(_WANTED_BEFORE.search(line[: found.start()]) or _WANTED_BEHIND.match(line, found.end()))


class Versions:
    """Gathers versions line by line; the strongest statement about a package stands, and of equals the last."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, str]] = {}
        self._in_list = False
        self._name_line = ""

    def read(self, line: str) -> None:
        """Take in a line. Cheap where it tells nothing."""
        if not self._in_list and not self._name_line and not _HINT.search(line):
            return
        if self._in_list:
            listed = _LISTED.match(line)
            if listed:
                self._put(listed["name"], listed["version"], INSTALLED)
                return
            self._in_list = line.startswith(("---", "#"))
        if line.startswith(("Package ", "# Name ")) and _LIST_HEAD.match(line):
            self._in_list = True
            return
        if self._name_line and line.startswith("Version: "):
            line = f"{self._name_line}\n{line}"
        self._name_line = line if line.startswith("Name: ") else ""
        if "python3" in line and (path := _PYTHON_PATH.search(line)):
            self._put("python", path["version"], SAID)
        if line.lstrip().startswith("Successfully installed "):
            for word in line.split()[2:]:
                if now := _INSTALLED_NOW.match(word):
                    self._put(now["name"], now["version"], INSTALLED)
            return
        for needle, strength, pattern in _ROUTES:
            if needle in line:
                for found in pattern.finditer(line[:2000]):
                    if strength > SAID or not _is_wanted(line, found):
                        self._put(found["name"], found["version"], strength)

    def _put(self, name: str, version: str, strength: int) -> None:
        name = re.sub(r"[-_.]+", "-", name).lower()
        name = {"pytorch": "torch", "pl": "pytorch-lightning"}.get(name, name)
        if name in self._found and self._found[name][0] > strength:
            return
        if name in self._found or len(self._found) < PACKAGE_CAP:
            self._found[name] = (strength, version)

    @property
    def waiting(self) -> bool:
        """Whether the next line matters whatever stands in it."""
        return self._in_list or bool(self._name_line)

    @property
    def found(self) -> dict[str, str]:
        """Package to version, the stack's packages first."""
        order = {name: place for place, name in enumerate(STACK)}
        names = sorted(self._found, key=lambda name: (order.get(name, len(order)), name))
        return {name: self._found[name][1] for name in names}
