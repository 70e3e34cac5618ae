"""What the packages' own sources say of a failure: which releases have the name, the keyword or the member that is
missed, that none has it, or where the message is raised; and the pins that follow from it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion

from .domain import Raised
from .lexicon import shipped_lexicon
from .members import shipped_members
from .python_library import ASKED, shipped_library
from .source_packages import WHOLE
from .sources import Lifetime, shipped_sources

_NAME = re.compile(r"cannot import name '(?P<name>\w{1,100})' from '(?P<module>\w{1,60}(?:\.\w{1,60}){0,8})'")
_BARE_NAME = re.compile(r"cannot import name '(?P<name>\w{1,100})'(?! from)")
_MODULE = re.compile(r"No module named '(?P<module>\w{1,60}(?:\.\w{1,60}){1,8})'")
_MODULE_NAME = re.compile(
    r"module '?(?P<module>\w{1,60}(?:\.\w{1,60}){0,8})'? has no attribute '?(?P<name>\w{1,100})'?"
)
_KEYWORD = re.compile(
    r"(?P<owner>\w{1,100})(?:\.(?P<method>\w{1,100}))?\(\) got an unexpected keyword argument '(?P<name>\w{1,100})'"
)
_MEMBER = re.compile(r"(?:type object )?'(?P<owner>\w{1,100})'(?: object)? has no attribute '(?P<name>\w{1,100})'")
OTHERS_TOLD = 3
"""Classes that are named of those that have what another one lacks."""
LEAST_TELLING = 7
"""Characters of a name that few classes have by chance."""


_DERIVED = (
    (re.compile(r"Config$"), ("PretrainedConfig",)),
    (re.compile(r"TokenizerFast$"), ("PreTrainedTokenizerFast", "PreTrainedTokenizerBase")),
    (re.compile(r"Tokenizer$"), ("PreTrainedTokenizer", "PreTrainedTokenizerBase")),
    (re.compile(r"(?<!Image)(?<!Video)Processor$"), ("ProcessorMixin",)),
    (re.compile(r"(?:Model|For[A-Z]\w{3,40})$"), ("PreTrainedModel", "GenerationMixin")),
)
"""By the end of its name, what a class of transformers is derived from (transformers 4.57.6 and 5.24.0, models/), under
the names that those had before transformers 5."""


@dataclass(frozen=True)
class SourceWord:
    """The sources' word."""

    says: str
    pins: tuple[str, ...] = ()
    """The releases that have what is missed."""
    taken_away: str = ""
    """`transformers after 4.57.6`: after which of the releases read it is gone; empty where the newest one has it."""

    def as_json(self) -> dict[str, Any]:
        return {"says": self.says, "pins": list(self.pins)}


def source_word(raised: Raised | None, versions: Mapping[str, str]) -> SourceWord | None:
    """The word on an exception; None where the sources that were read say nothing of it."""
    if raised is None:
        return None
    message = raised.message[:2000]
    if (found := ASKED.search(message)) and (missed := shipped_library().asked(found)):
        return SourceWord(missed.as_text())
    if found := _NAME.search(message) or _MODULE_NAME.search(message):
        return _of_name(found["module"], found["name"], versions)
    if (found := _BARE_NAME.search(message)) and (home := shipped_sources().home_of(found["name"])):
        return _of_name(home, found["name"], versions)
    if found := _MODULE.search(message):
        life = shipped_sources().module(found["module"])
        return _word(f"the module {found['module']}", life, versions) if life else None
    if found := _KEYWORD.search(message):
        method = found["method"] or ""
        owner = found["owner"] if method in ("", "__init__") else f"{found['owner']}.{method}"
        life = shipped_sources().keyword(owner, found["name"]) if owner != "__init__" else None
        return _of_class(found, f"{owner}({found['name']}=)", life, versions)
    if found := _MEMBER.search(message):
        owner, life = _member(found["owner"], found["name"], versions)
        word = _of_class(found, f"{owner}.{found['name']}", life, versions)
        return word or _of_newest(found["owner"], found["name"], raised)
    return _of_message(raised)


def _member(owner: str, name: str, versions: Mapping[str, str]) -> tuple[str, Lifetime | None]:
    """Who has a member of a class, the class or what every class of its kind is derived from, and in which releases.
    A class that no package has, a checkpoint's or a script's own, misses what only other releases' bases have."""
    known = shipped_sources()
    package = known.class_of(owner)
    if (life := known.member(owner, name)) or package not in (None, "transformers"):
        return owner, life
    base, life = next(((base, life) for base in _bases(owner) if (life := known.member(base, name))), (owner, None))
    if life and package is None and (not life.specifier or _has(life, versions)):
        return owner, None
    if life and _long_gone(life) and not _has(life, versions):
        return owner, None
    return base, life


def _long_gone(life: Lifetime) -> bool:
    """Whether a base's member ended before transformers 4, in 2020: what every class inherited then tells nothing of a
    class that lacks it today."""
    return life.last.partition(".")[0] in ("0", "1", "2", "3")


def _bases(owner: str) -> Iterator[str]:
    """What a class of transformers is derived from: by its name, and where that does not do, in the newest release."""
    yield from next((bases for kind, bases in _DERIVED if kind.search(owner)), ())
    yield from shipped_members().packages["transformers"].line(owner)[1:]


def _of_name(module: str, name: str, versions: Mapping[str, str]) -> SourceWord | None:
    known = shipped_sources().name(module, name)
    life = known[0] if known else shipped_sources().module(f"{module}.{name}") or shipped_sources().module(module)
    if life is None:
        return _never(module.partition(".")[0], name)
    moved = f"; the newest release has it in {known[1]}" if known and known[1] else ""
    return _word(
        (name if module == life.package else f"{name} of {module}") if known else f"the module {module}",
        life,
        versions,
        moved,
    )


def _of_class(found: re.Match[str], what: str, life: Lifetime | None, versions: Mapping[str, str]) -> SourceWord | None:
    """Of a keyword or a member: the releases that have it, or that the package of its class never had the word."""
    return _word(what, life, versions) if life else _never(shipped_sources().class_of(found["owner"]), found["name"])


def _of_newest(owner: str, name: str, raised: Raised) -> SourceWord | None:
    """What the newest release's class has, where no release that was compared tells more: the member all the same, one
    that is called alike, or other classes that have it."""
    if (package := shipped_sources().class_of(owner)) is None:
        return None
    members = shipped_members()
    if package not in members.packages or owner not in members.packages[package].own:
        return None
    newest = f"{package} {members.packages[package].release}"
    if bearer := members.bearer(package, owner, name):
        # checkpoints bring classes of their own, of which diffusers, for one, has copies under the same names
        if bearer == owner and package not in WHOLE and not any(package in each.file for each in raised.frames):
            return None
        by = f", by its base {bearer}" if bearer != owner else ""
        return SourceWord(
            f"{owner} has {name} in {newest}, the newest that was read{by}; an older one may lack it, and where yours "
            "has it, this object was not set up whole, or came out of a file"
        )
    alike, others = members.nearest(package, owner, name), _others(package, name)
    told = ([f"the nearest that it has is {alike}"] if alike else []) + ([others] if others else [])
    return SourceWord(f"{owner} has no {name} in {newest}; {'; '.join(told)}") if told else None


def _others(package: str, name: str) -> str:
    """Which other classes have a member, where they are few, or all of one other package; empty where any class may
    have one of that name."""
    others = shipped_members().others(name)
    homes = sorted({home for home, _ in others})
    elsewhere = len(homes) == 1 and package not in homes
    if len(name) < LEAST_TELLING or not others or not ("_" in name.strip("_") or elsewhere):
        return ""
    if len(others) <= OTHERS_TOLD:
        owners = " and ".join(owner for _, owner in others)
        return f"{owners} of {' and '.join(homes)} {'has' if len(others) == 1 else 'have'} it"
    shortest = min((owner for _, owner in others), key=lambda owner: (len(owner), owner))
    return f"{len(others)} classes of {homes[0]} have it, {shortest} among them" if elsewhere else ""


def _never(package: str | None, name: str) -> SourceWord | None:
    """That a package never had a name."""
    if package is None or not shipped_lexicon().never(package, name):
        return None
    read = shipped_lexicon().packages[package]
    return SourceWord(f"no release of {package} from {read.first} to {read.last} has the word {name} in its source")


def _word(what: str, life: Lifetime, versions: Mapping[str, str], more: str = "") -> SourceWord:
    have = _has(life, versions)
    if have:
        more += f"; {have} should have it, so the installation is not whole or another one is imported"
    pin = f"{life.package.replace('_', '-')}{life.specifier}"
    taken_away = f"{life.package.replace('_', '-')} after {life.last}" if life.last and not have else ""
    return SourceWord(f"{what} is in {life.as_text()}{more}", (pin,) if life.specifier else (), taken_away)


def _has(life: Lifetime, versions: Mapping[str, str]) -> str | None:
    """The version that a text names of a package, where it is one of those that have what is missed."""
    have = versions.get(life.package.replace("_", "-")) or versions.get(life.package)
    return have if have and _holds(life.specifier, have) else None


def _holds(specifier: str, version: str) -> bool:
    try:
        return bool(specifier) and SpecifierSet(specifier).contains(version, prereleases=True)
    except InvalidVersion:
        return False


def _of_message(raised: Raised) -> SourceWord | None:
    site = shipped_sources().site(raised)
    if site is None:
        return None
    at = f"{site.file} {site.function}".strip()
    return SourceWord(f"raised in {at}, {shipped_sources().lifetime(site).as_text()}")
