"""Texts for an issue report without the secrets of whoever files it."""

from __future__ import annotations

import re
from pathlib import Path

MASK = "***"

_SECRET_WORDS = re.compile(
    r"(?:^|[_.-])(?:\w*(?:TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|APIKEY|CREDENTIALS?)|KEY|KEYS|PASS|PWD|AUTH|"
    r"AUTHORIZATION|COOKIE|SESSION|SIGNATURE|SAS|DSN|PAT|LOGIN|USER|USERNAME|EMAIL)(?:$|[_.-])",
    re.IGNORECASE,
)
"""Words of a variable's name that say that its value is nobody's business. TOKENIZERS_PARALLELISM has none of them."""

_SHAPES = re.compile(
    r"hf_[A-Za-z0-9]{16,}|gh[oprsu]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|sk-[\w-]{16,}|pypi-[\w-]{16,}"
    r"|xox[abeprs]-[\w-]{10,}|A(?:KI|SI)A[A-Z0-9]{16}|AIza[\w-]{30,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"
    r"|-----BEGIN [A-Z ]+-----.*",
    re.DOTALL,
)
"""What the tokens of well-known services look like, wherever they stand."""

_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")
_QUERY = re.compile(r"(?<=[?&])([\w.-]*(?:token|key|sig|secret|password|auth)[\w.-]*)=[^&\s]+", re.IGNORECASE)
_ASSIGNED = re.compile(
    r"((?:token|secret|password|passwd|(?:api|access)[_-]?key)[\w-]*['\"]?\s*[:=]\s*['\"]?)[^\s'\",;]+", re.IGNORECASE
)
_BEARER = re.compile(r"\b(bearer\s+)[\w.~+/=-]{8,}", re.IGNORECASE)
_BASIC = re.compile(r"\b(basic\s+)[\w.~+/=-]{8,}", re.IGNORECASE)
_OPAQUE = re.compile(r"(?<![\w/.-])[A-Za-z0-9_+=-]{28,}(?![\w/.-])")


def masked_value(name: str, value: str) -> str:
    """The value of the variable or setting `name`, masked as a whole where the name says so."""
    return MASK if value and _SECRET_WORDS.search(name) else masked_text(value)


def masked(text: str) -> str:
    """`text` with the credentials of URLs and tokens of well-known shape replaced, and nothing that could be a name."""
    text = _CREDENTIALS.sub(f"{MASK}@", text)
    text = _QUERY.sub(rf"\1={MASK}", text)
    text = _BEARER.sub(rf"\1{MASK}", text)
    return _SHAPES.sub(MASK, text)


def masked_text(text: str) -> str:
    """`masked`, and also what is assigned to a secret's name, long opaque words and the home folder."""
    text = masked(text)
    text = _ASSIGNED.sub(rf"\1{MASK}", text)
    text = _BASIC.sub(rf"\1{MASK}", text)
    text = _OPAQUE.sub(lambda found: MASK if _looks_random(found[0]) else found[0], text)
    return without_home(text)


def without_home(text: str) -> str:
    """Paths below the user's home folder start with `~`: the user's name stands in most of them."""
    home = str(Path.home())
    return re.sub(rf"{re.escape(home)}(?=[/\\:;\s'\"]|$)", "~", text) if len(home) > 1 else text


def _looks_random(word: str) -> bool:
    """Digits and letters of both cases, or hexadecimal digits, all mixed: no name reads like that."""
    digits = sum(character.isdigit() for character in word)
    if not digits:
        return False
    if re.fullmatch(r"[0-9a-f]{32,}|[0-9A-F]{32,}", word):
        return True
    return digits >= 3 and any(map(str.isupper, word)) and any(map(str.islower, word))
