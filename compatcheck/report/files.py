"""The reports on disk: every file whole or not at all, and none of them whole in memory."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..domain import Lock
from ..errors import InputError, refused_by_disk
from .agreement_text import agreement_text
from .axis_answer import python_text, torch_text
from .badges import badge_files
from .blame_text import blame_text
from .boundaries_text import boundaries_text
from .context import Context
from .diff import Diff
from .document import SCHEMA_FILE, document_pieces
from .markdown import markdown_text
from .methods import MethodsContext
from .methods_page import methods_html
from .methods_text import METHODS_SCHEMA_FILE, methods_json, methods_markdown
from .page import html_pieces
from .pictures import picture_files
from .pieces import Pieces, later
from .reread import Reported
from .table_csv import csv_pieces

STAGING = ".new"
"""The folder, within a report's, in which its files are made before any of them takes its place."""
BUFFER = 2**20
"""Bytes that are gathered before they are written: the files can be of hundreds of megabytes."""
Named = Iterable[tuple[str, Pieces]]
"""Names of files, each with its text."""


def report_files(context: Context, diff: Diff | None = None, earlier: Reported | None = None) -> dict[str, Pieces]:
    """Relative path to content of every file of a report that lies beside its folders.

    `diff` is what changed since an older report; `earlier` the same cells with the other packages of their time.
    """
    agreement = {"agreement.md": later(agreement_text, context.agreement)} if context.agreement else {}
    return {
        "compatibility.html": html_pieces(context, diff),
        "torch.md": later(torch_text, context, earlier),
        "compatibility.md": later(markdown_text, context),
        "blame.md": later(blame_text, context),
        "boundaries.md": later(boundaries_text, context),
        "compatibility.json": document_pieces(context),
        "compatibility.csv": csv_pieces(context),
        "compatibility.schema.json": later(read_file, SCHEMA_FILE),
        **({"python.md": later(python_text, context)} if len(context.pythons) > 1 else {}),
        **agreement,
    }


def methods_files(context: MethodsContext) -> dict[str, Pieces]:
    """The same of a matrix whose cells were asked several methods or architectures."""
    return {
        "methods.html": later(methods_html, context),
        "methods.md": later(methods_markdown, context),
        "methods.json": later(methods_json, context),
        "methods.schema.json": later(read_file, METHODS_SCHEMA_FILE),
    }


def lock_files(context: Context) -> Named:
    """`<cell>.txt` with the lock of every cell that has one."""
    for entry in context.known:
        if (lock := entry.result.lock) is not None:
            yield f"{entry.cell.id}.txt", _lock(f"{entry.cell.id}, lock {lock.digest}", lock)


def _lock(what: str, lock: Lock) -> Pieces:
    yield f"# {what}, for Python {lock.python} on {lock.platform}\n"
    yield from lock.pins()


def evidence_files(context: Context) -> Named:
    """`<digest>.txt` with each lock that blame rests on, other than the cells' own."""
    verdicts = (said.blame for said in context.findings.verdicts.values())
    experiments = (each.blame for each in context.experiments.values())
    ends = {end for blame in (*verdicts, *experiments) for pair in blame.evidence for end in (pair.good, pair.bad)}
    own = (entry.result.lock for entry in (*context.in_their_time.values(), *context.known))
    known: dict[str, Lock] = {lock.digest: lock for lock in own if lock is not None and lock.digest in ends}
    known.update((digest, lock) for digest, lock in context.evidence.items() if digest in ends)
    for digest, lock in sorted(known.items()):
        yield f"{digest}.txt", _lock(f"lock {digest}", lock)


def folders(context: Context) -> dict[str, Named]:
    """The report's folders: each holds exactly these files."""
    evidence = {"evidence": evidence_files(context)} if context.evidence else {}
    return {
        "locks": lock_files(context),
        "pictures": picture_files(context),
        "badges": ((name, (text,)) for name, text in badge_files(context).items()),
        **evidence,
    }


def write_reports(
    context: Context, folder: Path, diff: Diff | None = None, earlier: Reported | None = None
) -> list[Path]:
    """Write the report into `folder`; its own folders then hold this report's files alone. Raises MachineError."""
    return _written(folder, report_files(context, diff, earlier), folders(context))


def write_methods(context: MethodsContext, folder: Path) -> list[Path]:
    """The same of a matrix whose cells were asked several methods or architectures. Raises MachineError."""
    return _written(folder, methods_files(context), {"locks": lock_files(context.first)})


def _written(folder: Path, files: Mapping[str, Pieces], inner: Mapping[str, Named]) -> list[Path]:
    """All of it is made before any of it takes its place: what cannot be made leaves the older report as it was."""
    fresh = folder / STAGING
    try:
        shutil.rmtree(fresh, ignore_errors=True)  # of a report that was killed
        fresh.mkdir(parents=True)
        try:
            for name, pieces in files.items():
                _write(fresh / name, pieces)
            for name, texts in inner.items():
                _write_folder(fresh / name, texts)
            for name in files:
                (fresh / name).replace(folder / name)
            for name in inner:
                _swap(fresh / name, folder / name)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        raise refused_by_disk(error, f"the report cannot be written to {folder}") from None
    return [folder / name for name in (*files, *inner)]


def _write(path: Path, pieces: Pieces) -> None:
    with path.open("w", BUFFER, encoding="utf-8") as file:
        file.writelines(pieces)


def _write_folder(folder: Path, files: Named) -> None:
    folder.mkdir()
    for name, pieces in files:
        # names are made of versions: one that is none, in a store that somebody has forged, must not lead out
        if Path(name).name != name:
            raise InputError(str(folder), [f"{name!r} is not the name of a file"])
        _write(folder / name, pieces)


def _swap(fresh: Path, folder: Path) -> None:
    """`fresh` in the place of `folder`, which goes away with what else is left in the staging folder."""
    if folder.exists():
        folder.rename(fresh.with_name(f"{fresh.name}.old"))
    fresh.rename(folder)


def read_file(path: Path) -> str:
    """Raises InputError."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(str(path), [f"cannot be read: {error}"]) from None


def written_file(path: Path, text: str) -> Path:
    """`text` as the whole content of `path`, whose folder is made. Raises MachineError."""
    try:
        if path.is_dir():
            raise IsADirectoryError("it is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        return _replace(path, text)
    except OSError as error:
        raise refused_by_disk(error, f"{path} cannot be written") from None


def _replace(path: Path, text: str) -> Path:
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
    return path
