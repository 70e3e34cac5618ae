"""The reports on disk: every file whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from ..domain import Lock
from ..errors import InputError, refused_by_disk
from .agreement_text import agreement_text
from .badges import badge_files
from .blame_text import blame_text
from .boundaries_text import boundaries_text
from .context import Context
from .diff import Diff
from .document import SCHEMA_FILE, json_text
from .markdown import markdown_text
from .methods import MethodsContext
from .methods_page import methods_html
from .methods_text import METHODS_SCHEMA_FILE, methods_json, methods_markdown
from .page import html_text
from .pictures import picture_files
from .reread import Reported
from .table_csv import csv_text
from .torch_answer import torch_text


def report_files(context: Context, diff: Diff | None = None, earlier: Reported | None = None) -> dict[str, str]:
    """Relative path to content of every file of a report that lies beside its folders.

    `diff` is what changed since an older report; `earlier` the same cells with the other packages of their time.
    """
    agreement = {"agreement.md": agreement_text(context.agreement)} if context.agreement else {}
    return {
        "compatibility.html": html_text(context, diff),
        "torch.md": torch_text(context, earlier),
        "compatibility.md": markdown_text(context),
        "blame.md": blame_text(context),
        "boundaries.md": boundaries_text(context),
        "compatibility.json": json_text(context),
        "compatibility.csv": csv_text(context),
        "compatibility.schema.json": SCHEMA_FILE.read_text(encoding="utf-8"),
        **agreement,
    }


def methods_files(context: MethodsContext) -> dict[str, str]:
    """The same of a matrix whose cells were asked several methods or architectures."""
    return {
        "methods.html": methods_html(context),
        "methods.md": methods_markdown(context),
        "methods.json": methods_json(context),
        "methods.schema.json": METHODS_SCHEMA_FILE.read_text(encoding="utf-8"),
    }


def lock_files(context: Context) -> dict[str, str]:
    """`<cell>.txt` to the lock of every cell that has one."""
    return {
        f"{entry.cell.id}.txt": f"# {entry.cell.id}, lock {lock.digest}, for Python {lock.python} on {lock.platform}\n"
        + lock.requirements
        for entry in context.entries
        if (lock := entry.result.lock) is not None
    }


def evidence_files(context: Context) -> dict[str, str]:
    """`<digest>.txt` to each lock that blame rests on, other than the cells' own."""
    then = (entry.result.lock for entry in context.in_their_time.values())
    now = (entry.result.lock for entry in context.entries)
    known: dict[str, Lock] = {lock.digest: lock for lock in (*then, *now) if lock is not None}
    known.update(context.evidence)
    verdicts = (said.blame for said in context.findings.verdicts.values())
    experiments = (each.blame for each in context.experiments.values())
    ends = {end for blame in (*verdicts, *experiments) for pair in blame.evidence for end in (pair.good, pair.bad)}
    return {
        f"{digest}.txt": f"# lock {digest}, for Python {lock.python} on {lock.platform}\n{lock.requirements}"
        for digest, lock in sorted(known.items())
        if digest in ends
    }


def folders(context: Context) -> dict[str, dict[str, str]]:
    """The report's folders: each holds exactly these files, relative path to content."""
    evidence = {"evidence": evidence_files(context)} if context.evidence else {}
    return {
        "locks": lock_files(context),
        "pictures": picture_files(context),
        "badges": badge_files(context),
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


def _written(folder: Path, files: Mapping[str, str], inner: Mapping[str, dict[str, str]]) -> list[Path]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = [_replace(folder / name, text) for name, text in files.items()]
        return written + [_replace_folder(folder / name, texts) for name, texts in inner.items()]
    except OSError as error:
        raise refused_by_disk(error, f"the report cannot be written to {folder}") from None


def read_file(path: Path) -> str:
    """Raises InputError."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(str(path), [f"cannot be read: {error}"]) from None


def written_file(path: Path, text: str) -> Path:
    """`text` as the whole content of `path`, whose folder is made. Raises MachineError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _replace(path, text)
    except OSError as error:
        raise refused_by_disk(error, f"{path} cannot be written") from None


def _replace(path: Path, text: str) -> Path:
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
    return path


def _replace_folder(folder: Path, files: dict[str, str]) -> Path:
    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    for name, text in files.items():
        # names are made of versions: one that is none, in a store that somebody has forged, must not lead out
        if Path(name).name != name:
            raise InputError(str(folder), [f"{name!r} is not the name of a file"])
        (fresh / name).write_text(text, encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    return folder
