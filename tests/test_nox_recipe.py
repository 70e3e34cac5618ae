"""`compatcheck.nox`: a downstream noxfile over the combinations that work."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from made_up_table import table, table_text

from compatcheck.domain import CORE
from compatcheck.errors import InputError, UsageError
from compatcheck.nox import MatrixCell, _chosen, spread, working_cells
from compatcheck.shipped import load_table

HERE = Path(__file__).parent


def test_only_what_passed_within_the_requirements_is_offered() -> None:
    cells = working_cells(["transformers>=4.44", "torch==2.6.0"], table())
    assert [str(cell) for cell in cells] == [
        "torch2.6.0-transformers4.44.2-peft0.20.0",
        "torch2.6.0-transformers4.44.2-peft0.12.0",
    ]
    assert cells[0].pins == ("torch==2.6.0", "transformers==4.44.2", "peft==0.20.0")
    assert working_cells(["peft"], table(), python="3.12") == ()


def test_explored_cells_are_offered_where_no_whole_table_has_any() -> None:
    shipped = load_table()
    alone = {str(MatrixCell(cell.versions)) for cell in shipped.scattered if cell.works}
    offered = working_cells(["torch==2.7.1"], shipped)
    assert offered and {str(cell) for cell in offered} <= alone
    assert not {str(cell) for cell in working_cells(["torch>=2.6"], shipped)} & alone


def test_requirements_may_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("transformers<5\n")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\ndependencies = ["peft>=0.20"]\n')
    files = [str(tmp_path / "requirements.txt"), str(tmp_path / "pyproject.toml")]
    assert {cell.versions["peft"] for cell in working_cells(files, table())} == {"0.20.0"}
    assert len(working_cells(files, table())) == 4


def test_a_limit_spreads_from_the_newest_to_the_oldest() -> None:
    cells = [MatrixCell({"peft": str(number)}) for number in range(10)]
    assert [int(cell.versions["peft"]) for cell in spread(cells, 4)] == [0, 3, 6, 9]
    assert spread(cells, 1) == (cells[0],) and len(spread(cells, None)) == 10 == len(spread(cells, 99))
    with pytest.raises(UsageError, match="at least 1"):
        spread(cells, 0)


def test_what_cannot_be_is_said(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"knows no combination that works within peft<0\.1, transformers<5\n"
    ) as caught:
        _chosen(["peft<0.1", "transformers<5"], None, None, table())
    assert "nearest that works is torch==2.6.0 transformers==4.40.0 peft==0.7.1 on Python 3.11." in caught.value.remedy
    with pytest.raises(UsageError, match=r"within peft on Python 3\.12\n"):
        _chosen(["peft"], None, "3.12", table())
    with pytest.raises(UsageError, match="neither a requirement nor"):
        working_cells(["peft >> 1"], table())
    with pytest.raises(InputError, match="no such file"):
        working_cells([str(tmp_path / "requirements.txt")], table())


def test_a_session_without_a_combination_fails_and_says_why_and_the_others_are_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "table.json").write_text(table_text("3.11"))
    (tmp_path / "noxfile.py").write_text(NOTHING_FITS)
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent), "COMPATCHECK_STORE": str(tmp_path / "none")}
    words = [sys.executable, "-m", "nox"]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert done.returncode == 1 and "Traceback" not in said
    for session in ("tests(b=1, no-combination)", "tests(b=2, no-combination)"):
        assert f"Session {session} aborted: compatcheck knows no combination that works within peft<0.1\n" in said
    assert "Session unread(no-combination) aborted: missing.txt: no such file" in said
    assert "Session lint was successful" in said
    assert re.search(r"the nearest that works is torch==\S+ transformers==\S+ peft==0\.7\.1 on Python 3\.11\.\n", said)


NOTHING_FITS = """
import nox
from compatcheck.nox import parametrize_matrix


@nox.session(venv_backend="none")
@parametrize_matrix("peft<0.1", table="table.json")
@nox.parametrize("b", [1, 2])
def tests(session, cell, b):
    session.install(*cell.pins)


@nox.session(venv_backend="none")
@parametrize_matrix("missing.txt", table="table.json")
def unread(session, cell):
    session.install(*cell.pins)


@nox.session(venv_backend="none")
def lint(session):
    pass
"""


def test_every_cell_of_the_shipped_table_that_is_offered_passed() -> None:
    shipped = load_table()
    offered = working_cells([], shipped)
    assert offered
    for cell in offered:
        assert any(each.works for each in shipped.at({name: cell.versions[name] for name in CORE}))


def test_nox_itself_lists_and_runs_the_sessions_of_a_downstream_project(tmp_path: Path) -> None:
    shutil.copytree(HERE / "downstream" / "prompted", tmp_path / "prompted")
    folder = tmp_path / "prompted"
    (folder / "table.json").write_text(table_text("3.11"))
    noxfile = folder / "noxfile.py"
    noxfile.write_text(noxfile.read_text().replace("limit=3)", 'limit=2, table="table.json")'))
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent), "COMPATCHECK_STORE": str(tmp_path / "none")}

    def ran(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "nox", *words], cwd=folder, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    newest, oldest = "torch2.6.0-transformers4.44.2-peft0.20.0", "torch2.6.0-transformers4.44.2-peft0.12.0"
    listed = ran("--list")
    assert f"* tests({newest})" in listed and f"* tests({oldest})" in listed and "5.0.0" not in listed
    said = ran("-s", f"tests({oldest})")
    assert "pins: torch==2.6.0 transformers==4.44.2 peft==0.12.0" in said and "0.20.0" not in said
