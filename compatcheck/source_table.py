"""The table of what the stack's packages say in their own sources, made from their wheels and source
distributions: `data/sources.json`, which `sources` looks things up in. `compatcheck catalogue read` renews it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.version import Version

from .native_words import held, read_native
from .raise_site import Span
from .source_archives import NATIVE, is_project, name_of
from .source_messages import Said
from .source_packages import BUILT_ON, PACKAGES, WHOLE
from .source_reader import SourceFacts, read_wheel

_PYTHONS_OWN = re.compile(
    r"has no attribute|cannot import name|No module named|unexpected keyword argument|index out of range"
    r"|object is not (?:callable|iterable)"
)
"""What Python says itself, and a package only in its place: it tells nothing of who raised."""


def read_folder(folder: Path, told: Callable[[str], None]) -> dict[str, dict[str, SourceFacts]]:
    """Package to release to what its wheels or its source distribution in `folder` hold, the releases in their order.
    `told` hears of each.

    The archive of a project's whole source is no release by itself: what its C++ raises, and that of the wheels'
    headers, is looked for in the libraries of every wheel.
    """
    wheels: list[tuple[str, Version, Path]] = []
    projects: list[tuple[str, Version, Path]] = []
    for path in sorted(folder.iterdir()):
        package, version = name_of(path.name)
        if package in PACKAGES:
            (projects if is_project(path.name) else wheels).append((package, Version(version), path))
    read: dict[str, dict[str, SourceFacts]] = {}
    native: dict[str, set[Said]] = {}
    files: dict[str, frozenset[Said]] = {}
    for package, _, path in sorted((*projects, *wheels)):
        if package in NATIVE:
            native.setdefault(package, set()).update(read_native(path, package, files))
    known: dict[str, SourceFacts] = {}
    for package, release, path in sorted(wheels):
        told(f"{package} {release}")
        facts = read_wheel(path, package, known)
        facts.messages |= held(native.get(package, ()), path, package)
        read.setdefault(package, {}).setdefault(str(release), SourceFacts()).add(facts)
    return read


def renewed(before: Mapping[str, Any] | None, read: Mapping[str, Mapping[str, SourceFacts]]) -> dict[str, Any]:
    """The table's data with what was read in the place of what it had of the same packages; the others stay."""
    now = gathered(read)
    packages = {**(before["packages"] if before else {}), **now["packages"]}
    return {**now, "packages": dict(sorted(packages.items()))}


def written(data: Mapping[str, Any]) -> str:
    """The table's data as text, a line for each package."""
    packages = ",\n".join(f"{json.dumps(name)}:{_line(each)}" for name, each in data["packages"].items())
    return f'{{"schema":{data["schema"]},"packages":{{\n{packages}\n}}}}\n'


def _line(each: Any) -> str:
    return json.dumps(each, separators=(",", ":"), ensure_ascii=False)


def gathered(read: Mapping[str, Mapping[str, SourceFacts]]) -> dict[str, Any]:
    """The table's data from package to release to what was read, the releases in their order."""
    packages = {
        package: _package(list(by.items()), words_only=package not in WHOLE, exceptions_only=package in BUILT_ON)
        for package, by in sorted(read.items())
    }
    return {"schema": 1, "packages": packages}


def _package(releases: list[tuple[str, SourceFacts]], *, words_only: bool, exceptions_only: bool) -> dict[str, Any]:
    every = [facts for _, facts in releases]
    rest: dict[str, Any] = {"modules": {}, "names": {}, "keywords": {}, "members": {}}
    if not words_only:
        rest = {
            "modules": _modules(every),
            "names": _names(every),
            "keywords": _changed([facts.keywords for facts in every]),
            "members": _changed(_without_inherited(every)),
        }
    return {
        "releases": [release for release, _ in releases],
        "messages": _messages(every),
        "classes": " ".join(sorted(_classes(every, exceptions_only=exceptions_only))),
        **rest,
    }


def _classes(every: Sequence[SourceFacts], *, exceptions_only: bool) -> set[str]:
    names = {name for facts in every for name in facts.classes if _distinct(name)}
    return {name for name in names if name.endswith(("Error", "Exception"))} if exceptions_only else names


def _spans(sets: Sequence[set[str]]) -> dict[str, Span]:
    """Each element with the first and the last place that has it."""
    found: dict[str, Span] = {}
    for place, each in enumerate(sets):
        for name in each:
            found[name] = (found[name][0] if name in found else place, place)
    return dict(sorted(found.items()))


def _messages(every: Sequence[SourceFacts]) -> list[list[Any]]:
    """Exception, wording, the place that most releases raise it at, and the first and last release that raise it."""
    found: dict[tuple[str, str], Counter[str]] = {}
    spans: dict[tuple[str, str], Span] = {}
    for place, facts in enumerate(every):
        for said in sorted(facts.messages):
            if not _PYTHONS_OWN.search(said.template):
                key = (said.exception, said.template)
                found.setdefault(key, Counter())[f"{said.file} {said.function}"] += 1
                spans[key] = (spans[key][0] if key in spans else place, place)
    return [[*key, found[key].most_common(1)[0][0], *spans[key]] for key in sorted(found)]


def _distinct(name: str) -> bool:
    """Whether a class's name is more than a word that anybody may use: two words at least, `LoraLayer`."""
    return bool(re.search(r"[A-Za-z0-9][A-Z]", name)) and len(name) > 7 and not name.startswith("_")


def _of_a_model(module: str) -> bool:
    return ".models." in module and ".models.auto" not in module


def _modules(every: Sequence[SourceFacts]) -> dict[str, Span]:
    """Of hundreds of models' modules only those that are no more."""
    spans = _spans([set(facts.names) for facts in every])
    return {
        module: span for module, span in spans.items()
        if span != (0, len(every) - 1) and not (_of_a_model(module) and span[1] == len(every) - 1)
    }  # fmt: skip


def _names(every: Sequence[SourceFacts]) -> dict[str, dict[str, list[Any]]]:
    """What not every release that has a module has in it; and where the newest release has what was removed."""
    modules = _spans([set(facts.names) for facts in every])
    found: dict[str, dict[str, list[Any]]] = {}
    for module, life in modules.items():
        for name, span in _spans([facts.names.get(module, set()) for facts in every]).items():
            if span == life or _holes([facts.names.get(module, set()) for facts in every], name, span):
                continue
            removed = span[1] < len(every) - 1
            if name.startswith("__") or (_of_a_model(module) and (not removed or life[1] == span[1])):
                continue
            entry: list[Any] = [*span]
            moved = every[-1].classes.get(name) if _distinct(name) else None
            if removed and moved and moved != module and not _of_a_model(module):
                entry.append(moved)
            found.setdefault(module, {})[name] = entry
    return found


def _without_inherited(every: Sequence[SourceFacts]) -> list[dict[str, set[str]]]:
    """The members of every release's classes; of a model's class only what it had itself in some release. That it has
    it no longer is said where it does not inherit it either."""
    own: dict[str, set[str]] = {}
    for facts in every:
        for owner, names in facts.own.items():
            own.setdefault(owner, set()).update(names)
    return [
        {owner: names & own.get(owner, names) for owner, names in facts.members.items()} for facts in every
    ]  # fmt: skip


def _changed(every: Sequence[Mapping[str, set[str]]]) -> dict[str, dict[str, Span]]:
    owners = _spans([set(each) for each in every])
    found = {}
    for owner, life in owners.items():
        sets = [each.get(owner, set()) for each in every]
        spans = {
            name: span for name, span in _spans(sets).items()
            if span != life and not _holes(sets, name, span) and not name.startswith("__")
        }  # fmt: skip
        if spans:
            found[owner] = spans
    return found


def _holes(sets: Sequence[set[str]], name: str, span: Span) -> bool:
    """Whether a release between the first and the last does not have it: then nothing is said of it."""
    return any(name not in each for each in sets[span[0] : span[1] + 1])
