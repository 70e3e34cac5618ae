"""`nox` alone measures the default matrix and writes reports/. `nox -l` lists the rest.

What follows `--` goes to compatcheck. The matrix file may be named first:

    nox                                             the article's matrix, one session a torch version, then the report
    nox -- matrix/quick.toml                        another matrix
    nox -s "matrix(torch-2.6.0)" -- --jobs 2        one torch version, two cells at a time
    nox -s cell -- py311-torch2.6.0-transformers4.51.3-peft0.12.0
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import sys
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

import nox
from nox.project import load_toml

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["matrix", "report"]
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True

DEFAULT_MATRIX = "matrix/article.toml"
STORE = Path(os.environ.get("COMPATCHECK_STORE", ".compatcheck/store.sqlite3"))
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def named_matrix(words: list[str]) -> tuple[str, list[str]]:
    """The matrix file among the words after `--`, and the other words."""
    for word in words:
        if word.endswith(".toml") and not word.startswith("-"):
            return word, [other for other in words if other != word]
    return DEFAULT_MATRIX, list(words)


def torch_entries() -> list[str]:
    """The torch axis of the matrix that the command line names, as its file writes it."""
    words = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []
    path = Path(named_matrix(words)[0])
    return list(load_toml(path)["axes"]["torch"]) if path.is_file() else []


def install(session: nox.Session, *groups: str) -> None:
    """compatcheck itself, editable from this tree, with dependency groups of pyproject.toml; once a pyproject.toml."""
    stamp = Path(session.virtualenv.location, "installed-from")
    wanted = f"{Path('pyproject.toml').read_text()}\n{groups}"
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    stamp.unlink(missing_ok=True)
    session.install("-e", ".", *(nox.project.dependency_groups(load_toml("pyproject.toml"), *groups) if groups else ()))
    stamp.write_text(wanted)


class Done:
    """What a session has seen to, today and from these very inputs; it is not done again where nothing has changed."""

    def __init__(self, session: nox.Session, *paths: str | Path) -> None:
        self.stamp = Path(session.virtualenv.location, "done-from")
        self.words, self.paths = list(session.posargs), [Path(path) for path in paths]

    def holds(self) -> bool:
        return self.stamp.is_file() and self.stamp.read_text() == self._inputs()

    def keep(self) -> None:
        self.stamp.write_text(self._inputs())

    def _inputs(self) -> str:
        """The day (versions and locks are looked up once a day), the settings, what is known, and the files."""
        told = [f"{datetime.now(timezone.utc):%Y-%m-%d}", str(self.words), known_rows()]
        told += sorted(f"{name}={value}" for name, value in os.environ.items() if name.startswith(("UV_", "PIP_")))
        code = [path for path in Path("compatcheck").rglob("*.*") if "data" not in path.parts]
        named = [each for path in self.paths for each in (path.rglob("*") if path.is_dir() else [path])]
        for file in (Path("noxfile.py"), Path("pyproject.toml"), *code, *named):
            if file.suffix != ".pyc":
                found = file.stat() if file.exists() else None
                told.append(f"{file} {found and (found.st_size, found.st_mtime_ns)}")
        return hashlib.sha256("\n".join(told).encode()).hexdigest()


def known_rows() -> str:
    """How many rows the store has of everything that is measured, and the latest of each; empty without a store."""
    tables = {"observations": "started", "resolutions": "resolved", "troubles": "at", "experiments": "at"}
    if not STORE.is_file():
        return ""
    try:
        with closing(sqlite3.connect(f"file:{STORE}?mode=ro", uri=True)) as store:
            return str(
                [store.execute(f"SELECT count(*), max({at}) FROM {name}").fetchone() for name, at in tables.items()]
            )
    except sqlite3.Error as error:
        return f"{error} at {datetime.now(timezone.utc)}"


@nox.session
@nox.parametrize("torch", [nox.param(entry, id=f"torch-{entry}") for entry in torch_entries()])
def matrix(session: nox.Session, torch: str) -> None:
    """Measure the cells of one torch version that are not known yet."""
    install(session)
    path, words = named_matrix(session.posargs)
    done = Done(session, path)
    if not words and done.holds():
        session.log(f"every cell of {path} with torch {torch} is known, and nothing has changed today")
        return
    session.run("compatcheck", "run", path, "--axis", f"torch={torch}", *words)
    done.keep()


@nox.session
def report(session: nox.Session) -> None:
    """Write reports/ from what is known."""
    install(session)
    path, _ = named_matrix(session.posargs)
    readmes = ["README.md", "README.zh-CN.md"] if path == DEFAULT_MATRIX else []
    done = Done(session, path, "reports", "compatcheck/data", *readmes)
    if done.holds():
        session.log("the reports are of today, and nothing has changed since")
        return
    session.run("compatcheck", "report", path, *(word for readme in readmes for word in ("--readme", readme)))
    if readmes:
        session.run("compatcheck", "table", "build", "reports", "-o", "compatcheck/data/table.json", silent=True)
        session.run("python", "tests/console_blocks.py", "README.md")
    done.keep()


@nox.session
def cell(session: nox.Session) -> None:
    """Run one cell again, by its identifier, and watch it: nox -s cell -- IDENTIFIER."""
    install(session)
    path, words = named_matrix(session.posargs)
    if len(words) != 1:
        session.error("name one cell: nox -s cell -- py311-torch2.6.0-transformers4.51.3-peft0.15.2")
    session.run("compatcheck", "run", path, "--only", words[0], "--again", "--live", success_codes=[0, 1])
    session.run("compatcheck", "show", words[0], "--matrix", path)


@nox.session
def tests(session: nox.Session) -> None:
    """The fast suite and the minimatrix over stub wheels; no package of the matrix is installed."""
    install(session, "test")
    # two at a time: most of what takes long waits for processes; a file's tests share what they have made
    session.run("pytest", "-n", "2", "--dist", "loadfile", "-m", "not real and not browser", *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """The page in a real Chromium, which is installed where there is none."""
    install(session, "browser")
    if not any(map(shutil.which, CHROMIUM)):
        if shutil.which("apt-get") and os.geteuid() == 0:
            session.run("apt-get", "update", external=True, silent=True)
            session.run("apt-get", "install", "-y", "--no-install-recommends", "chromium", external=True, silent=True)
        else:
            session.run("playwright", "install", "chromium")
    session.run("pytest", "-n", "2", "-m", "browser", *session.posargs)


@nox.session(name="slice")
def real_slice(session: nox.Session) -> None:
    """A few cells of real torch, transformers and peft; downloads about 3 GB the first time."""
    install(session, "test")
    session.run("pytest", "-m", "real", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and formatting mistakes."""
    install(session, "lint")
    session.run("ruff", "check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Types, strictly."""
    install(session, "types")
    session.run("mypy")


@nox.session
def benchmark(session: nox.Session) -> None:
    """What a cell costs, as ratios within one run; see benchmarks/results.md."""
    install(session)
    session.install("nox", "tox", "distributed")
    session.run("python", "benchmarks/cell_cost.py", *session.posargs)


@nox.session
def asking(session: nox.Session) -> None:
    """What importing, looking up and recommending cost; see benchmarks/import_and_lookup.md."""
    install(session)
    words = ["--write", "benchmarks/import_and_lookup.md"]
    session.run("python", "benchmarks/import_and_lookup.py", *(session.posargs or words))


@nox.session
def page_scale(session: nox.Session) -> None:
    """The page at 15,000 cells in Chromium: size, first paint and filter; see benchmarks/results.md."""
    install(session, "browser")
    session.run("python", "benchmarks/page_scale.py", *session.posargs)


@nox.session
def claims(session: nox.Session) -> None:
    """Run a random sample of the report's claims again, both ends with real packages, into reports/claims.md."""
    install(session)
    path, words = named_matrix(session.posargs)
    session.run("compatcheck", "claims", path, *words)


@nox.session
def clients(session: nox.Session) -> None:
    """Published packages beside peft: judged as the resolver leaves them, mended, run; see reports/clients.md."""
    install(session)
    session.run("python", "benchmarks/clients.py", *session.posargs)
    session.run("python", "tests/console_blocks.py", "README.md")


@nox.session
def recommendations(session: nox.Session) -> None:
    """Recommendations for random requests, installed with their hashes and run; see reports/recommendations.md."""
    install(session)
    session.run("python", "benchmarks/recommendations_run.py", *session.posargs)


@nox.session
def blame(session: nox.Session) -> None:
    """Blame six failing cells, drawn by chance, and one of every failure class by experiment, into reports/blame.md."""
    install(session)
    path, words = named_matrix(session.posargs)
    session.run("compatcheck", "blame", "--matrix", path, "--sample", "6", *words, success_codes=[0, 1])
    session.run("compatcheck", "blame", "--matrix", path, "--each-failure", *words, success_codes=[0, 1])
    session.run("compatcheck", "report", path, silent=True)


@nox.session
def boundaries(session: nox.Session) -> None:
    """Measure the releases at which the rules end, into reports/boundaries.md."""
    install(session)
    path, words = named_matrix(session.posargs)
    session.run("compatcheck", "rules", path, "--exact", *words)


@nox.session
def robustness(session: nox.Session) -> None:
    """Faults injected for real, a hundred kills among them; see reports/robustness.md. Takes half an hour."""
    install(session, "test")
    session.run("python", "benchmarks/robustness.py", *session.posargs)
