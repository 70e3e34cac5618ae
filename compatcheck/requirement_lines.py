"""What a project asks for, line by line: requirements files as pip reads them, and what one requirement says."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import Specifier, SpecifierSet
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from .domain import CORE
from .errors import InputError

REMEDY = "Name a requirements file, a pyproject.toml, an environment.yml, or a lock file."
OTHER_FORMAT = (
    "This is no requirements file. Judge what is installed from it: compatcheck check --python PATH, or write it down "
    "with pip freeze."
)
_OTHERS = re.compile(r".*\.(?:py|cfg|json|ipynb)|Pipfile|.*Dockerfile.*", re.IGNORECASE)
"""Names of files that name packages in a form that is not read: setuptools', Pipenv's, Docker's."""
CONDA_SUFFIXES = (".yml", ".yaml")
"""Of files that are read as an environment.yml of conda's."""
NESTED_CAP = 20
LONGEST = 4000
"""Characters of a requirement without its options; Python makes no number of more than 4300 digits."""
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
"""What pip puts the environment's values for; everything else with a dollar stays."""
_CODING = re.compile(rb"(?:[^\n]*\n)?[ \t]*#[^\n]*coding[:=]\s*([-\w.]+)")
"""`# -*- coding: latin-1 -*-` in one of the first two lines, which pip goes by."""
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class Wanted:
    """One requirement, and where it stands."""

    requirement: Requirement
    file: Path
    line: int
    constraint: bool = False
    """It only says which version, should something else ask for the package."""
    conda: bool = False
    """It is a package of conda's: whether the package index has one of that name is not known."""

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)

    @cached_property
    def direct_version(self) -> str | None:
        """The version in the name of the file that a direct address leads to."""
        if not self.requirement.url:
            return None
        file = _file_of(self.requirement.url)
        return file[1] if file else None

    @property
    def address(self) -> str:
        """Where it comes from, if from an address that does not tell its version: a repository, a folder."""
        return self.requirement.url or "" if self.direct_version is None else ""

    @cached_property
    def specifier(self) -> SpecifierSet:
        """Which releases it allows. A build of a release (`==2.6.0+cu124`) counts as that release."""
        if self.direct_version:
            return SpecifierSet(f"=={Version(self.direct_version).public}")
        return released(self.requirement.specifier)


def released(wanted: SpecifierSet) -> SpecifierSet:
    """`==2.6.0+cu124` as `==2.6.0`: what is measured are releases, not the builds of an index of its own."""
    return SpecifierSet(",".join(_released(each) for each in wanted))


def _released(each: Specifier) -> str:
    if each.operator in ("==", "===") and "+" in each.version:
        return f"=={each.version.partition('+')[0]}"
    return str(each)


def exact_version(wanted: Wanted) -> str | None:
    """The one version that a requirement allows; None where it allows several."""
    if wanted.direct_version:
        return wanted.direct_version
    for each in wanted.requirement.specifier:
        if each.operator in ("==", "===") and not each.version.endswith(".*"):
            return each.version
    return None


def text_of(path: Path) -> str:
    """The text of a file: UTF-8, or what its byte order mark (PowerShell's) or a comment says. Raises InputError."""
    try:
        body = path.read_bytes()
        coding = next((name for mark, name in _BYTE_ORDER_MARKS if body.startswith(mark)), None)
        said = _CODING.match(body)
        text = body.decode(coding or (said[1].decode() if said else "utf-8"))
    except FileNotFoundError:
        raise InputError(str(path), ["no such file"], REMEDY) from None
    except (OSError, UnicodeDecodeError, LookupError) as error:
        raise InputError(str(path), [f"cannot be read: {error}"], REMEDY) from None
    if "\0" in text:
        raise InputError(str(path), ["is no text, or UTF-16 without its byte order mark"], "Save it as UTF-8.")
    return text


def wanted_lines(path: Path, *, constraint: bool = False, depth: int = 0) -> Iterator[Wanted]:
    """The requirements of a requirements file and of those that it includes. Raises InputError."""
    if depth > NESTED_CAP:
        raise InputError(str(path), [f"includes itself, or files more than {NESTED_CAP} deep"], REMEDY)
    yield from wanted_of(text_of(path), path, constraint=constraint, depth=depth)


def wanted_of(text: str, path: Path, *, first: int = 1, constraint: bool = False, depth: int = 0) -> Iterator[Wanted]:
    """The requirements of a text in a file, which begins in its line `first`. Raises InputError."""
    for number, line in _logical_lines(text, first):
        included = re.match(r"(?:-r|--requirement|-c|--constraint)[\s=]+(\S+)|-([rc])(\S+)", line)
        if included:
            name = included[1] or included[3]
            if "://" in name:
                problem = f"line {number}: includes {name}, and nothing is fetched"
                raise InputError(str(path), [problem], "Fetch that file, and include it by its path.")
            held = line.startswith(("-c", "--constraint"))
            yield from wanted_lines(path.parent / name, constraint=constraint or held, depth=depth + 1)
        elif requirement := requirement_of(line, path, number):
            yield Wanted(requirement, path, number, constraint)


def typed_requirements(texts: Iterable[str]) -> tuple[Wanted, ...]:
    """Requirements that were typed. Raises InputError."""
    where = Path("the command line")
    try:
        found = [requirement_of(text.strip(), where, number) for number, text in enumerate(texts, 1)]
    except InputError as error:
        raise InputError(
            error.source, error.problems, "Write requirements as pip takes them: 'transformers>=4.50'"
        ) from None
    return tuple(Wanted(requirement, where, number) for number, requirement in enumerate(found, 1) if requirement)


def _logical_lines(text: str, begin: int) -> Iterator[tuple[int, str]]:
    """Lines without comments, continued ones joined, variables put in, with the number of their first."""
    first, parts = 0, ""
    for number, raw in enumerate(text.splitlines(), begin):
        line = re.sub(r"(^|\s)#.*$", "", raw)
        first = first or number
        if line.endswith("\\"):
            parts += line[:-1] + " "
            continue
        whole, start = (parts + line).strip(), first
        first, parts = 0, ""
        if whole:
            yield start, _VARIABLE.sub(lambda found: os.environ.get(found[1]) or found[0], whole)
    if parts.strip():
        yield first, parts.strip()


def requirement_of(line: str, path: Path, number: int) -> Requirement | None:
    """The requirement on a line; None for an option of pip's, and for a path or address of something nameless here."""
    text = re.split(r"\s--?[a-z]", line)[0].strip()
    editable = re.match(r"(?:-e|--editable)[\s=]+(.+)", line)
    if editable or re.match(r"(?:\.{0,2}/|~|[A-Za-z]:\\|(?:git\+)?\w+://|\w+\+\w+:|\.$)", text) or (
        "@" not in text and text.endswith((".whl", ".tar.gz", ".zip"))
    ):  # fmt: skip
        return _of_address(editable[1].strip() if editable else text)
    if line.startswith("-"):
        return None
    if len(text) > LONGEST:
        raise InputError(str(path), [f"line {number}: {len(text)} characters are no requirement"], REMEDY)
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        said = str(error).splitlines()[0]
        problem = f"line {number}: {text[:80]!r} is not a requirement: {said}"
        if unset := _VARIABLE.search(text):
            problem = f"line {number}: the environment variable {unset[1]} is not set"
        raise InputError(str(path), [problem], OTHER_FORMAT if _OTHERS.fullmatch(path.name) else REMEDY) from None


def _of_address(text: str) -> Requirement | None:
    """An address as a requirement, where it tells whose it is: by a file's name, `#egg=`, or a part that names it."""
    address = text.split()[0]
    parts = urlsplit(address)
    egg = re.search(r"(?:^|&)egg=([A-Za-z0-9._-]+)", parts.fragment)
    file = _file_of(address)
    folders = (re.sub(r"(\.git)?(@.*)?$", "", unquote(each)) for each in reversed(parts.path.split("/")))
    name = egg[1] if egg else file[0] if file else next((each for each in folders if each in CORE), None)
    try:
        return Requirement(f"{name} @ {address}") if name else None
    except InvalidRequirement:
        return None


def _file_of(address: str) -> tuple[str, str] | None:
    """Name and version, where an address leads to a wheel or a source distribution."""
    file = unquote(urlsplit(address).path).rsplit("/", 1)[-1]
    for parsed in (parse_wheel_filename, parse_sdist_filename):
        try:
            name, version, *_ = parsed(file)
        except (InvalidWheelFilename, InvalidSdistFilename):
            continue
        return str(name), str(version)
    return None
