"""`compatcheck catalogue`: list the known failures, check a folder of them, propose new ones."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .common import DEFAULT_STORE

if TYPE_CHECKING:
    from packaging.requirements import Requirement

    from ..index_wheels import IndexWheel
    from ..proposal import Unknown

EPILOG = """\
FOLDER holds signatures as *.toml; without it, the catalogue that comes with compatcheck is meant.

  compatcheck catalogue list                       every known failure, one a line
  compatcheck catalogue check                      is it whole? (exit code 1 where it is not)
  compatcheck catalogue check my-signatures/
  compatcheck catalogue propose ci-job.log         the draft of a signature for what explain calls unknown
  compatcheck catalogue propose --store .compatcheck/store.sqlite3
  compatcheck catalogue read wheels/ --out sources.json   what releases say and have, from their wheels
  compatcheck catalogue members wheels/ --out members.json  what the newest releases' classes have
  compatcheck catalogue imports --out import_needs.json   what releases import of each other, from the index
  compatcheck catalogue undeclared --out undeclared.json  what they import that nothing brings along
  compatcheck catalogue words --out lexicon.json          every word in their sources, from the index
  compatcheck catalogue python --out python_library.json  what Python's own library has, from the Pythons here
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "catalogue", help="list, check or extend the known failures", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="print every signature: identifier, whose the fix is, title")
    checking = actions.add_parser("check", help="say what is wrong with a folder of signatures")
    for each, execute in ((listing, execute_list), (checking, execute_check)):
        each.add_argument("folder", metavar="FOLDER", nargs="?", type=Path, help="default: the shipped catalogue")
        each.set_defaults(execute=execute)
    proposing = actions.add_parser("propose", help="draft signatures for what nothing recognises")
    proposing.add_argument("logs", metavar="LOG", nargs="*", type=Path, help="logs with failures that are unknown")
    proposing.add_argument(
        "--store", type=Path, help=f"read the observations of this store (without LOG the default: {DEFAULT_STORE})"
    )
    proposing.set_defaults(execute=execute_propose)
    for action, table, execute, meaning in (
        ("read", "sources.json", execute_read,
         "read wheels for the messages, names and keywords of every release (for maintainers); what the table has of "
         "packages without a wheel in the folder stays"),
        ("members", "members.json", execute_members,
         "read the newest wheel of each package for what its classes have and are derived from (for maintainers); "
         "packages without a wheel in the folder stay"),
    ):  # fmt: skip
        reading = actions.add_parser(action, help=meaning)
        reading.add_argument("folder", metavar="FOLDER", type=Path, help="wheels of the stack")
        _makes(reading, table)
        reading.set_defaults(execute=execute)
    importing = actions.add_parser(
        "imports", help="read the index's wheels for what releases import of each other and miss (for maintainers)"
    )
    _makes(importing, "import_needs.json")
    _reads(
        importing, "--of", "what the probe imports in its order, and what that imports itself",
        "torch>=2.0 transformers>=4.36 peft>=0.5 accelerate>=0.21 huggingface_hub>=0.19 safetensors>=0.3.1 "
        "tokenizers>=0.14",
    )  # fmt: skip
    importing.set_defaults(execute=execute_imports)
    asking = actions.add_parser(
        "undeclared",
        help="read the index's wheels, and ask the resolver, for modules that one release takes of another, and that "
        "import what no requirement brings along (for maintainers)",
    )
    _makes(asking, "undeclared.json")
    _reads(asking, "--by", "whose releases take modules", "peft>=0.5")
    _reads(asking, "--of", "of which packages", "torch>=2.0")
    asking.add_argument(
        "--python", metavar="VERSION", nargs="+", default=["3.10", "3.11", "3.12", "3.13"],
        help="Pythons to resolve for, of those that are here (default: %(default)s)",
    )  # fmt: skip
    asking.set_defaults(execute=execute_undeclared)
    spelling = actions.add_parser(
        "words",
        help="read the index's wheels for every word in their sources (for maintainers); what the table has of other "
        "packages stays",
    )
    _makes(spelling, "lexicon.json")
    _reads(
        spelling, "--of", "whose releases are read",
        "torch>=1.0 transformers>=2.0 peft accelerate trl datasets>=1.0 huggingface_hub bitsandbytes "
        "sentence_transformers diffusers adapters optimum setfit pytorch_lightning",
    )  # fmt: skip
    spelling.set_defaults(execute=execute_words)
    asking_python = actions.add_parser(
        "python",
        help="read what the library of each Python of this machine has, and what typeshed's stubs say of Windows and "
        "of newer releases (for maintainers)",
    )
    _makes(asking_python, "python_library.json")
    asking_python.add_argument(
        "--python", metavar="VERSION", nargs="+", help="oldest first (default: %(default)s)",
        default=["2.7", "3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13"],
    )  # fmt: skip
    asking_python.add_argument(
        "--newer", metavar="VERSION", nargs="*", default=["3.14"],
        help="releases that only the stubs are asked for, after those (default: %(default)s)",
    )  # fmt: skip
    asking_python.add_argument(
        "--stubs", metavar="FOLDER", type=Path, required=True,
        help="typeshed's folder stdlib, as mypy brings it (site-packages/mypy/typeshed/stdlib)",
    )  # fmt: skip
    asking_python.set_defaults(execute=execute_python)


def _makes(parser: argparse.ArgumentParser, table: str) -> None:
    parser.add_argument("--out", metavar="FILE", type=Path, required=True, help=f"the table, data/{table}")


def _reads(parser: argparse.ArgumentParser, option: str, meaning: str, default: str) -> None:
    """An option for packages and which of their releases are read; the default's are parted by blanks."""
    parser.add_argument(
        option, metavar="PACKAGE>=VERSION", nargs="+", default=default.split(), help=f"{meaning} (default: %(default)s)"
    )


def execute_list(arguments: argparse.Namespace) -> int:
    from ..catalogues import FOLDER, load_catalogue

    catalogue = load_catalogue(arguments.folder or FOLDER)
    for each in catalogue:
        print(f"{each.id:40} {each.roles.owner or '-':16} {each.title}")
    return 0


def execute_check(arguments: argparse.Namespace) -> int:
    from ..catalogues import FOLDER
    from ..defects import checked
    from ..errors import EXIT_DONE, EXIT_NEGATIVE

    found = checked(arguments.folder or FOLDER)
    for defect in found.defects:
        print(defect)
    if found.without_example:
        print(f"without an example: {', '.join(found.without_example)}")
    signatures = len(found.catalogue.signature)
    print(f"{signatures} signatures, {sum(len(each.examples) for each in found.catalogue)} examples, "
          f"{len(found.defects) or 'no'} defects")  # fmt: skip
    return EXIT_NEGATIVE if found.defects else EXIT_DONE


def execute_propose(arguments: argparse.Namespace) -> int:
    from ..proposal import draft, grouped

    unknowns = list(_in_logs(arguments.logs))
    if arguments.store or not arguments.logs:
        unknowns += _in_store(arguments.store or DEFAULT_STORE)
    drafts = [text for group in grouped(unknowns) if (text := draft(group))]
    print("\n".join(drafts), end="")
    print(f"{len(unknowns)} unknown failures, {len(drafts)} drafts", file=sys.stderr)
    return 0


def _in_logs(paths: list[Path]) -> Iterator[Unknown]:
    from ..errors import UsageError
    from ..explanation import explain_stream, shipped_catalogue
    from ..proposal import Unknown

    for path in paths:
        try:
            with path.open("rb") as stream:
                explanation = explain_stream(stream, shipped_catalogue().sure)
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror or error}", "Name files that are logs.") from None
        if explanation.diagnosis is not None and explanation.signature is None:
            yield Unknown(path.name, explanation.diagnosis, explanation.stage, tuple(explanation.versions.items()))


def _in_store(path: Path) -> Iterator[Unknown]:
    from ..catalogues import load_catalogue
    from ..classify import diagnose
    from ..domain import Outcome
    from ..errors import UsageError
    from ..proposal import Unknown
    from ..store import Store

    if not path.is_file():
        raise UsageError(f"there is no store {path}", "Name one with --store, or logs.")
    catalogue = load_catalogue()
    with Store(path) as store:
        for observation in store.every_observation():
            if observation.outcome is Outcome.PASS:
                continue
            diagnosis = diagnose(observation, catalogue)
            if diagnosis.signature is None:
                stack = {name: observation.imported.get(name, "") for name in ("torch", "transformers", "peft")}
                versions = tuple((name, version) for name, version in stack.items() if version)
                yield Unknown("a stored observation", diagnosis, observation.stage, versions)


def execute_read(arguments: argparse.Namespace) -> int:
    from ..errors import EXIT_DONE
    from ..report.files import written_file
    from ..source_table import read_folder, renewed, written

    read = read_folder(_with_wheels(arguments.folder), lambda text: print(text, file=sys.stderr))
    before = json.loads(arguments.out.read_text(encoding="utf-8")) if arguments.out.is_file() else None
    written_file(arguments.out, written(renewed(before, read)))
    return EXIT_DONE


def execute_members(arguments: argparse.Namespace) -> int:
    from ..errors import EXIT_DONE
    from ..members import read, read_newest, renewed, written
    from ..report.files import written_file

    found = read_newest(_with_wheels(arguments.folder), lambda text: print(text, file=sys.stderr))
    before = read(arguments.out.read_text(encoding="utf-8")) if arguments.out.is_file() else None
    written_file(arguments.out, written(renewed(before, found)))
    return EXIT_DONE


def _with_wheels(folder: Path) -> Path:
    """The folder. Raises InputError where no file of a package of the stack is in it."""
    from ..errors import InputError
    from ..source_archives import name_of
    from ..source_packages import PACKAGES

    if not folder.is_dir() or not any(name_of(path.name)[0] in PACKAGES for path in folder.iterdir()):
        raise InputError(str(folder), ["no wheel of a package of the stack in it"], "Give a folder of wheels.")
    return folder


def execute_imports(arguments: argparse.Namespace) -> int:
    from ..errors import EXIT_DONE
    from ..import_needs import ImportNeeds, broken_needs, written
    from ..import_reader import Tree
    from ..report.files import written_file
    from ..runtime_ranges import PACKAGE as RANGED
    from ..runtime_ranges import accepted_by, lowest_torch, ranges_of

    wanted = _wanted(arguments.of)
    entries, there = _entries(wanted)
    trees: dict[str, dict[str, Tree]] = {}
    accepted: dict[str, dict[str, str]] = {}
    lowest: dict[str, dict[str, str]] = {}
    read: dict[str, dict[str, str]] = {}
    for wheel in _wheels(wanted):
        trees.setdefault(wheel.package, {})[wheel.release] = Tree(wheel.package, wheel.text, there)
        read.setdefault(wheel.package, {})[wheel.release] = wheel.sha256
        if wheel.package == RANGED:
            accepted[wheel.release] = accepted_by(wheel.text)
            if torch := lowest_torch(wheel.text):
                lowest[wheel.release] = {"torch": f">={torch}"}
    found = broken_needs(trees, entries)
    ranges = (*ranges_of(accepted.items()), *ranges_of(lowest.items(), switches_off=True))
    written_file(arguments.out, written(ImportNeeds(read, found, ranges)))
    print(f"{len(found)} names that some releases lack", file=sys.stderr)
    return EXIT_DONE


def execute_undeclared(arguments: argparse.Namespace) -> int:
    from ..environment import Uv
    from ..errors import EXIT_DONE, InterpreterMissing
    from ..import_reader import Tree
    from ..machine import interpreter
    from ..report.files import written_file
    from ..undeclared import undeclared_needs, written

    by, of, uv, pythons = _wanted(arguments.by), _wanted(arguments.of), Uv(), []
    entries, there = _entries([*of, *by])
    for python in arguments.python:
        try:
            interpreter(python)
            pythons.append(python)
        except InterpreterMissing as error:
            print(f"left out: {error.what}", file=sys.stderr)
    takers, others = (
        {each.name: {wheel.release: Tree(each.name, wheel.text, there) for wheel in _wheels([each])} for each in wanted}
        for wanted in (by, of)
    )

    def locked(python: str, releases: tuple[tuple[str, str], ...]) -> frozenset[str] | None:
        print(f"Python {python}: {' and '.join(f'{name} {version}' for name, version in releases)}", file=sys.stderr)
        lock = uv.adapted(python, dict(releases)).lock
        return frozenset(each.name for each in lock.distributions) if lock is not None else None

    found = undeclared_needs(takers, others, entries, pythons, locked)
    written_file(arguments.out, written(found))
    print(f"{len(found)} modules that import what nothing brings along", file=sys.stderr)
    return EXIT_DONE


def execute_words(arguments: argparse.Namespace) -> int:
    from ..errors import EXIT_DONE
    from ..lexicon import gathered, read, renewed, written
    from ..report.files import written_file

    wanted = _wanted(arguments.of)
    before = read(arguments.out.read_text(encoding="utf-8")) if arguments.out.is_file() else None
    found = gathered(_wheels(wanted))
    written_file(arguments.out, written(renewed(before, found)))
    for package, each in found.packages.items():
        print(f"{package} {each.first} to {each.last}: {each.text.count(' ')} words", file=sys.stderr)
    return EXIT_DONE


def execute_python(arguments: argparse.Namespace) -> int:
    from ..errors import EXIT_DONE
    from ..library_reader import library_here
    from ..python_library import written
    from ..report.files import written_file

    found = library_here(arguments.python, arguments.stubs, arguments.newer, lambda text: print(text, file=sys.stderr))
    written_file(arguments.out, written(found))
    return EXIT_DONE


def _wanted(requirements: list[str]) -> list[Requirement]:
    from packaging.requirements import InvalidRequirement, Requirement

    from ..errors import UsageError

    try:
        return [Requirement(each) for each in requirements]
    except InvalidRequirement as error:
        raise UsageError(str(error), "Name packages with the releases to read: transformers>=4.36.") from None


def _entries(wanted: list[Requirement]) -> tuple[dict[str, list[tuple[str, tuple[str, ...]]]], list[str]]:
    """What is imported of each package, and those that are sure to be there."""
    from .. import probe
    from ..import_reader import imports_of

    packages = [each.name for each in wanted]
    entries = imports_of(Path(probe.__file__).read_text(encoding="utf-8"), packages)
    # of the others it is not known how new one must be to count as there
    there = [package for package in packages if entries[package]]
    return entries | {package: [(package, ())] for package in packages if package not in there}, there


def _wheels(wanted: list[Requirement]) -> Iterator[IndexWheel]:
    """Every release's, each told as it is opened."""
    from ..index_wheels import wheels
    from ..releases import PackageIndex, index_url

    index = PackageIndex(index_url())
    for each in wanted:
        for wheel in wheels(index, each.name, str(each.specifier)):
            print(f"{wheel.package} {wheel.release}", file=sys.stderr)
            yield wheel
