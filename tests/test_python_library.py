"""What Python's own library has: which of its releases, and not on Windows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from compatcheck.cli import main
from compatcheck.explanation import explain
from compatcheck.python_library import ASKED, Asked, PythonLibrary, Standing, gathered, read, shipped_library, written
from compatcheck.python_stubs import Stubs, differing, moved_on

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(scope="module")
def library() -> PythonLibrary:
    """Of three Pythons, as it is written and read again."""
    return read(written(gathered(
        [
            ("2.7", {"urllib2": ["urlopen"], "os": ["getcwdu", "getuid"], "math": ["pi"]}),
            ("3.8", {"os": ["getuid", "path"], "math": ["pi"], "old": ["x"], "fcntl": ["lockf"], "pkg": ["a"],
                     "pkg.part": ["b"], "parser": ["y"]}),
            ("3.9", {"os": ["getuid", "path"], "math": ["pi", "prod"], "newer": ["z"], "fcntl": [], "pkg": ["a"],
                     "pkg.part": ["b"]}),
        ],
        {"os": ["getuid"], "fcntl": ()},
    )))  # fmt: skip


def asked_by(message: str, library: PythonLibrary) -> Asked | None:
    found = ASKED.search(message)
    return library.asked(found) if found else None


@pytest.mark.parametrize(
    ("message", "standing", "says"),
    [
        ("module 'math' has no attribute 'prod'", Standing.LATER, "math.prod is in Python 3.9 and later"),
        (
            "cannot import name 'prod' from 'math' (unknown location)",
            Standing.LATER,
            "math.prod is in Python 3.9 and later",
        ),
        ("No module named 'newer'", Standing.LATER, "the module newer is in Python 3.9 and later"),
        ("No module named 'old'", Standing.REMOVED, "the module old is in Python 3.8 alone"),
        ("No module named 'urllib2'", Standing.PYTHON2, "the module urllib2 is in Python 2 alone"),
        ("module 'os' has no attribute 'getcwdu'", Standing.PYTHON2, "os.getcwdu is in Python 2 alone"),
        (
            "module 'os' has no attribute 'getuid'",
            Standing.POSIX,
            "os.getuid is in Python 3.8 and later, but not on Windows",
        ),
        ("No module named 'fcntl'", Standing.POSIX, "the module fcntl is in Python 3.8 and later, but not on Windows"),
        ("No module named 'math'", Standing.EVERYWHERE, "the module math is in Python 3.8 and later"),
        ("module 'pkg' has no attribute 'part'", Standing.ODD, "pkg.part is in Python 3.8 and later"),
        ("module 'math' has no attribute 'tau2'", Standing.ODD, "no Python that was read has math.tau2"),
    ],
)
def test_how_a_name_stands_in_the_releases(library: PythonLibrary, message: str, standing: Standing, says: str) -> None:
    asked = asked_by(message, library)
    assert asked is not None and (asked.standing, asked.as_text()) == (standing, says)


@pytest.mark.parametrize(
    "message",
    [
        "module 'torch' has no attribute 'prod'",
        "partially initialized module 'math' has no attribute 'prod' (most likely due to a circular import)",
        "cannot import name 'prod' from 'math' (/home/me/project/math.py)",
        "No module named 'pkg.part'; 'pkg' is not a package",
        "No module named 'parser'",
        "No module named 'pkg.other'",
    ],
)
def test_what_is_not_the_librarys_is_left_to_others(library: PythonLibrary, message: str) -> None:
    assert asked_by(message, library) is None


def test_names_count_only_where_the_module_could_be_read(library: PythonLibrary) -> None:
    asked = library.missed("fcntl", "lockf")
    assert asked is not None and asked.have == ("3.8",) and asked.newest


def stubs(folder: Path, **files: str) -> Stubs:
    for name, text in files.items():
        (folder / f"{name}.pyi").write_text(text)
    (folder / "VERSIONS").write_text("# lifetimes\nold: 3.0-3.11\nnew: 3.12-\nos: 3.0-\nsignal: 3.0-\n")
    return Stubs(folder)


def test_stubs_tell_releases_and_systems_apart(tmp_path: Path) -> None:
    told = stubs(
        tmp_path,
        old="x: int",
        new="import sys\nfrom os import path as path\nfrom signal import *\n_hidden: int",
        os="import sys\nif sys.platform != 'win32':\n    def getuid(): ...\n"
        "else:\n    def startfile(): ...\nclass path: ...",
        signal="import sys\nif sys.version_info >= (3, 13):\n    SIGNEW = 1\n"
        "elif not sys.platform == 'win32':\n    SIGOLD = 1",
    )
    assert told.modules((3, 11), "linux") == {"old": {"x"}, "os": {"getuid", "path"}, "signal": {"SIGOLD"}}
    assert told.modules((3, 13), "linux") == {"new": {"path", "SIGNEW"}, "os": {"getuid", "path"}, "signal": {"SIGNEW"}}
    assert told.modules((3, 11), "win32") == {"old": {"x"}, "os": {"startfile", "path"}}
    before, after = told.modules((3, 11), "linux"), told.modules((3, 13), "linux")
    assert differing(before, told.modules((3, 11), "win32")) == {"os": ["getuid"], "signal": ()}
    assert moved_on({"old": ["x"], "os": ["getuid", "path"], "signal": ["SIGOLD", "_x"]}, before, after) == {
        "os": ["getuid", "path"], "signal": ["SIGNEW", "_x"], "new": ["SIGNEW", "path"],
    }  # fmt: skip


def test_the_command_reads_the_python_that_is_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stubs(tmp_path, os="def getpid(): ...")
    out = tmp_path / "python_library.json"
    words = ["catalogue", "python", "--out", str(out), "--python", HERE, "--newer", "--stubs", str(tmp_path)]
    assert main(words) == 0
    found = read(out.read_text())
    assert found.pythons == (HERE,) and f"Python {HERE}: " in capsys.readouterr().err
    known = found.missed("asyncio", "run")
    assert known is not None and known.have == (HERE,)
    assert main([*words[:-1], str(tmp_path / "nowhere")]) == 2
    assert "Give typeshed's folder stdlib." in capsys.readouterr().err


def test_the_shipped_table_agrees_with_the_python_that_is_here() -> None:
    shipped = shipped_library()
    if HERE not in shipped.pythons:
        pytest.skip(f"the table was not read from Python {HERE}")
    place = shipped.pythons.index(HERE)
    for module in ("os", "typing", "collections", "inspect", "time", "asyncio", "importlib", "enum", "signal"):
        __import__(module)
        names = " ".join(text for releases, text in shipped.modules[module].names.items() if releases >> place & 1)
        public = [name for name in vars(sys.modules[module]) if not name.startswith("_")]
        missing = [name for name in public if f"{module}.{name}" not in shipped.modules and name not in names.split()]
        assert not missing, module


@pytest.mark.parametrize(
    ("text", "signature", "says"),
    [
        (
            "AttributeError: module 'time' has no attribute 'clock'",
            "python-removed-module",
            "time.clock is in Python 3.6 to 3.7",
        ),
        (
            "ImportError: cannot import name 'Literal' from 'typing' (/usr/lib/python3.7/typing.py)",
            "python-too-old",
            "typing.Literal is in Python 3.8 and later",
        ),
        (
            "AttributeError: module 'collections' has no attribute 'Mapping'",
            "python-removed-module",
            "collections.Mapping is in Python 3.6 to 3.9",
        ),
        ("ModuleNotFoundError: No module named 'urllib2'", "python-2-code", "the module urllib2 is in Python 2 alone"),
        (
            "ModuleNotFoundError: No module named 'fcntl'",
            "python-name-not-on-windows",
            "the module fcntl is in Python 3.6 and later, but not on Windows",
        ),
        (
            "ModuleNotFoundError: No module named '_lzma'",
            "python-extension-missing",
            "the module _lzma is in Python 3.6 and later",
        ),
        (
            "AttributeError: module 'importlib' has no attribute 'util'",
            "python-library-incomplete",
            "importlib.util is in Python 3.6 and later",
        ),
    ],
)
def test_explain_says_which_pythons_have_it(text: str, signature: str, says: str) -> None:
    explanation = explain(text)
    assert explanation.signature is not None and explanation.signature.id == signature
    assert explanation.sources is not None and explanation.sources.says == says
