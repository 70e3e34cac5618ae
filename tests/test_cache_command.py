"""`compatcheck cache` tells what is there and removes what is asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import MakeRun
from minimatrix.releases import NEW

from compatcheck.cli import main
from compatcheck.commands.cache import size

pytestmark = pytest.mark.minimatrix


def test_sizes_are_read_as_people_write_them() -> None:
    assert (size("20G"), size("1.5 MiB"), size("300")) == (20 * 2**30, 3 * 2**19, 300)


def test_info_and_prune(make_run: MakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run({**{package: (version,) for package, version in NEW.items()}, "torch": ("2.0.1", "newest")})
    run.run(run.expand().cells)
    place = ["--cache", str(tmp_path / "cache")]
    assert main(["cache", "info", "--json", *place]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["linked"] is True and len(told["slots"]) == 2
    assert told["bytes"]["together"] < told["bytes"]["environments"] + told["bytes"]["uv_cache"]
    assert main(["cache", "info", *place]) == 0
    said = capsys.readouterr().out
    assert "in 2 slots, each file counted once" in said and "files are linked" in said
    assert main(["cache", "prune", "--dry-run", *place]) == 0
    assert "2 environments would be removed" in capsys.readouterr().out
    assert main(["cache", "prune", "--days", "1", *place]) == 0
    assert "0 environments removed" in capsys.readouterr().out
    assert main(["cache", "prune", "--most", "0", *place]) == 0
    assert "2 environments removed" in capsys.readouterr().out
    assert not list((tmp_path / "cache" / "environments").glob("*/"))


def test_a_size_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["cache", "prune", "--most", "much"])
    assert "is not a size such as 20G" in capsys.readouterr().err
