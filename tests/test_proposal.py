"""A draft made from failures that nothing recognises, once pasted, recognises them: and others of their kind only."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from made_up import cell as made_up_cell
from made_up import lock, observation

from compatcheck.cli import main
from compatcheck.defects import checked
from compatcheck.domain import Digest, Frame, Raised, Stage
from compatcheck.proposal import draft, grouped, opened
from compatcheck.store import Store

LOG = """\
Traceback (most recent call last):
  File "/home/{user}/train.py", line 3, in <module>
  File "/srv/env/lib/python3.11/site-packages/peft/tuners/odd.py", line {line}, in forward
{type}: the thing at 0x{address} in /home/{user}/y/z.py has 'no' ({line} of 4.51.3) [sizes] C:\\d "x"
"""


def log(folder: Path, name: str, **fields: str) -> Path:
    path = folder / f"{name}.log"
    path.write_text(LOG.format(**{"user": "a", "line": "30", "address": "7ff3", "type": "OddError"} | fields))
    return path


def test_a_draft_recognises_its_group_and_not_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = log(tmp_path, "one"), log(tmp_path, "two", user="b", line="7", address="1")
    other = log(tmp_path, "other", type="EvenError")
    assert main(["catalogue", "propose", str(one), str(two)]) == 0
    told = capsys.readouterr()
    assert told.err == "2 unknown failures, 1 drafts\n" and told.out.count("[[signature]]") == 1
    assert "# 2 seen: one.log, two.log" in told.out
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "10-mine.toml").write_text(told.out)
    assert [str(defect) for defect in checked(folder).defects] == []
    (mine,) = checked(folder).catalogue
    for path, known in ((one, mine.id), (two, mine.id), (other, "stops-in-package")):
        assert main(["explain", str(path), "--json", "--catalogue", str(folder)]) == 0
        assert json.loads(capsys.readouterr().out)["signature"] == known
    assert main(["explain", str(one), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["signature"] == "stops-in-package"


def test_drafts_of_a_stores_unknown_failures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "s.sqlite3"
    frames = (Frame("transformers/trainer.py", 1, "train"), Frame("peft/odd.py", 2, "f"))
    odd = observation(Raised("OddError", "m", "3 odd", frames), Stage.TRAIN)
    with Store(path) as store:
        store.save_observation(lock(made_up_cell()), Digest("s"), odd)
        store.save_observation(lock(made_up_cell()), Digest("s"), observation(minute=1))
    assert main(["catalogue", "propose", "--store", str(path)]) == 0
    told = capsys.readouterr().out
    assert 'stages = ["train"]' in told and 'file = "peft/odd.py"' in told and "torch 2.6.0" in told
    assert main(["catalogue", "propose", "--store", str(tmp_path / "none.sqlite3")]) == 2
    assert not (tmp_path / "none.sqlite3").exists()


def test_the_most_frequent_group_comes_first(tmp_path: Path) -> None:
    from compatcheck.catalogues import load_catalogue
    from compatcheck.classify import diagnose
    from compatcheck.proposal import Unknown

    catalogue = load_catalogue()
    kinds = [Raised("AError", "", "a"), Raised("BError", "", "b 1"), Raised("BError", "", "b 2")]
    unknowns = [Unknown("x", diagnose(observation(kind), catalogue)) for kind in kinds]
    first, second = grouped(unknowns)
    assert (len(first.members), len(second.members)) == (2, 1)
    assert 'exception = "BError"' in draft(first) and r"b \d+" in draft(first)
    nothing = replace(unknowns[0], diagnosis=replace(unknowns[0].diagnosis, exception=None))
    assert draft(grouped([nothing])[0]) == ""


def test_what_differs_from_run_to_run_is_left_open() -> None:
    assert opened("a (b) at 0x7f: 3.1") == r"a \(b\) at 0x[0-9a-fA-F]+: \d+(?:\.\d+)*"
