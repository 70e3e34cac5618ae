"""The shipped table: that it is what the reports say, and what happens to tables that are none."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from compatcheck import cli, shipped
from compatcheck.domain import Outcome
from compatcheck.errors import InputError, MachineError
from compatcheck.shipped import SCHEMA, SHIPPED, KnownTable, load_table, table_of_text
from compatcheck.shipping import report_paths, table_text

HERE = Path(__file__).parent.parent
REPORTS = report_paths(HERE / "reports")
EXPLORED = {path for path in REPORTS if "exploration" in json.loads(path.read_text(encoding="utf-8"))}


def test_the_shipped_table_is_what_the_reports_say() -> None:
    assert SHIPPED.read_text(encoding="utf-8") == table_text(REPORTS, REPORTS[:-1]), (
        "write it anew: python -m compatcheck table build reports -o compatcheck/data/table.json"
    )


def test_every_cell_of_the_reports_is_in_it() -> None:
    table = load_table()
    for path in REPORTS:
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["basis"] != "measured" or cell["outcome"] == "untested":
                continue
            found = table.at(cell["versions"], cell["python"])
            assert cell["outcome"] in {each.outcome for each in found}, cell["id"]
            assert cell["signature"] in {each.signature for each in found}, cell["id"]
            assert all(each.measured for each in found), cell["id"]


def test_every_inferred_cell_is_in_its_grid_and_no_other() -> None:
    table, told = load_table(), 0
    assert EXPLORED and len(table.inferred) == len(EXPLORED)
    for path, grid in zip(sorted(EXPLORED), table.inferred, strict=True):
        report = json.loads(path.read_text(encoding="utf-8"))
        for cell in report["cells"]:
            kind, inferred = grid.at(cell["versions"]), cell.get("inferred")
            assert (kind is None) == (inferred is None), cell["id"]
            if kind is not None:
                assert (kind.outcome, kind.signature) == (cell["outcome"], cell["signature"])
                assert 0 <= inferred["confidence"] - kind.confidence < 0.01 and kind.confidence < 1
                told += 1
        errors = report["exploration"]["audit"]["errors"]
        assert (grid.missed, grid.audited) == (errors["hits"], errors["count"])
        assert told == sum(report["exploration"]["inferred"].values())


def test_what_explored_matrices_measured_is_found_and_is_on_no_axis() -> None:
    table = load_table()
    assert table.scattered
    assert not {cell.key for cell in table.scattered} & {cell.key for cell in table.cells}
    for cell in table.scattered:
        assert cell in table.at(cell.versions, cell.python)
    assert table.axes == load_table_of(table_text([path for path in REPORTS if path not in EXPLORED])).axes


def load_table_of(text: str) -> KnownTable:
    return table_of_text(text.encode(), "built")


def test_every_measured_pass_has_its_lock_with_hashes() -> None:
    table = load_table()
    passing = [cell for cell in table.cells if cell.outcome is Outcome.PASS]
    assert passing
    for cell in passing:
        lock = table.lock(cell)
        assert lock is not None and lock.digest == cell.lock and lock.python == cell.python
        assert cell.versions.items() <= lock.versions.items()
        assert all(item.hashes for item in lock.distributions)


def test_the_age_counts_from_the_newest_measurement() -> None:
    table = load_table()
    assert table.newest is not None
    assert table.age(table.newest) == 0
    assert table.age(table.newest + timedelta(days=12)) == 12
    assert table.age(date(2000, 1, 1)) == 0, "a clock that goes wrong makes no negative age"


Edit = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda data: data.update(schema=SCHEMA + 1), f"schema {SCHEMA + 1}"),
        (lambda data: data.update(kind="another"), "not a table"),
        (lambda data: data["cells"][0].update(outcome="fine"), "cells[0]"),
        (lambda data: data["cells"][0].pop("outcome"), "outcome"),
        (lambda data: data["cells"][0].update(source=99), "no source 99"),
        (lambda data: data["cells"][0]["versions"].pop("peft"), "peft"),
        (lambda data: data["cells"][0]["versions"].update(peft="new"), "new"),
        (lambda data: data.pop("sources"), "sources"),
        (lambda data: data["scattered"][0].update(source=99), "scattered[0].source"),
        (lambda data: data["inferred"][0]["rows"].pop(), "inferred[0].rows"),
        (lambda data: data["inferred"][0]["rows"].__setitem__(3, "0 0"), "inferred[0].rows[3]"),
        (lambda data: data["inferred"][0]["axes"].pop("peft"), "inferred[0].axes: peft"),
        (lambda data: data["inferred"][0]["kinds"].clear(), "inferred[0].rows[0]"),
    ],
)
def test_a_table_that_is_not_right_is_refused_in_one_line(tmp_path: Path, edit: Edit, said: str) -> None:
    data = json.loads(SHIPPED.read_text(encoding="utf-8"))
    edit(data)
    path = tmp_path / "table.json"
    path.write_text(json.dumps(data))
    with pytest.raises(InputError) as caught:
        load_table(path)
    assert said in caught.value.what and "\n" not in caught.value.what and str(path) in caught.value.what


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_truncated_table_is_refused(tmp_path: Path, share: float) -> None:
    body = SHIPPED.read_bytes()
    path = tmp_path / "table.json"
    path.write_bytes(body[: int(len(body) * share)])
    with pytest.raises(InputError, match="not a whole JSON file"):
        load_table(str(path))


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_table(tmp_path / "none.json")
    with pytest.raises(InputError, match="cannot be read"):
        load_table(tmp_path)


def test_a_lock_that_was_changed_is_not_handed_out() -> None:
    data = json.loads(SHIPPED.read_text(encoding="utf-8"))
    data["distributions"] = [[name, version, ["0" * 64]] for name, version, _ in data["distributions"]]
    table = table_of_text(json.dumps(data).encode(), "changed")
    cell = next(cell for cell in table.cells if cell.works)
    with pytest.raises(InputError, match="its content is that of"):
        table.lock(cell)


@pytest.fixture
def served() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = SHIPPED.read_bytes()
            if self.path == "/missing":
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.path == "/trickle":
                with contextlib.suppress(OSError):
                    for place in range(40):
                        self.wfile.write(body[place : place + 1])
                        time.sleep(0.05)
                return
            self.wfile.write(body[: len(body) // 2] if self.path == "/cut" else body)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Silent."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_table_is_read_from_an_address(served: str) -> None:
    table = load_table(f"{served}/table.json")
    assert table.cells == load_table().cells and table.name == f"{served}/table.json"
    with pytest.raises(InputError, match="404"):
        load_table(f"{served}/missing")
    with pytest.raises((InputError, MachineError)):
        load_table(f"{served}/cut")
    with pytest.raises(MachineError, match="cannot be fetched"):
        load_table("http://127.0.0.1:1/table.json")


def test_an_address_may_neither_trickle_nor_flood(served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "TIMEOUT", 0.3)
    with pytest.raises(MachineError, match="took longer than"):
        load_table(f"{served}/trickle")
    monkeypatch.setattr(shipped, "TIMEOUT", 30.0)
    monkeypatch.setattr(shipped, "LARGEST", 100_000)
    with pytest.raises(InputError, match="larger than"):
        load_table(f"{served}/table.json")
    for address in ("ftp://127.0.0.1/table.json", "file:///etc/passwd"):
        with pytest.raises(InputError, match="must begin with http"):
            load_table(address)


def test_of_several_reports_what_was_measured_last_counts_and_never_what_was_not(tmp_path: Path) -> None:
    report = json.loads(REPORTS[-1].read_text(encoding="utf-8"))
    cells = [{**cell, "lock": None} for cell in report["cells"][:3]]

    def written(name: str, **changes: object) -> Path:
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({**report, "cells": [{**cell, **changes} for cell in cells]}))
        return path

    first, second = written("first", outcome="fail"), written("second", outcome="pass")
    inferred, error = written("inferred", outcome="pass", basis="inferred"), written("error", outcome="error")
    for paths, expected in [
        ([first, second], "pass"), ([second, first], "fail"), ([first, inferred], "fail"), ([inferred, first], "fail"),
        ([first, error], "fail"), ([error, inferred], "error"),
    ]:  # fmt: skip
        table = table_of_text(table_text(paths).encode(), "built")
        assert len(table.cells) == 3 and {str(cell.outcome) for cell in table.cells} == {expected}, paths


def test_a_report_of_which_no_cell_counts_is_no_source_and_changes_nothing(tmp_path: Path) -> None:
    report = json.loads(REPORTS[-1].read_text(encoding="utf-8"))
    cells = [{**cell, "lock": None} for cell in report["cells"][:3]]
    own = tmp_path / "own.json"
    own.write_text(json.dumps({**report, "cells": cells}))
    other = tmp_path / "other.json"
    other.write_text(json.dumps({**report, "matrix": "other", "cells": cells[::-1]}))
    assert table_text([other, own]) == table_text([own])
    assert [cell.source.matrix for cell in table_of_text(table_text([own, other]).encode(), "built").cells] == [
        "other"
    ] * 3


def test_a_folder_gives_every_report_its_own_last(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "."):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "compatibility.json").write_text("torn")
    assert [path.parent.name for path in report_paths(tmp_path)] == ["a", "b", "c", tmp_path.name]


def test_an_explored_report_that_was_found_and_not_named_gives_cells_apart(tmp_path: Path) -> None:
    report = json.loads(REPORTS[-1].read_text(encoding="utf-8"))
    cells = [{**cell, "lock": None} for cell in report["cells"][:3]]
    audit = {"audit": {"errors": {"hits": 0, "count": 2}}}
    (tmp_path / "plain").mkdir()
    (tmp_path / "wide").mkdir()
    (tmp_path / "plain/compatibility.json").write_text(json.dumps({**report, "cells": cells[:1]}))
    (tmp_path / "wide/compatibility.json").write_text(json.dumps({**report, "exploration": audit, "cells": cells}))
    output = tmp_path / "table.json"
    for reports, counts in [
        (["."], (1, 2)), (["wide"], (3, 0)), (["wide/compatibility.json"], (3, 0)), ([".", "wide"], (3, 0)),
    ]:  # fmt: skip
        words = [str(tmp_path / each) for each in reports]
        assert cli.main(["table", "build", *words, "-o", str(output)]) == 0
        table = load_table(output)
        assert (len(table.cells), len(table.scattered)) == counts, reports


def test_a_lock_file_that_is_not_the_one_named_is_refused(tmp_path: Path) -> None:
    report = json.loads(REPORTS[-1].read_text(encoding="utf-8"))
    cell = next(cell for cell in report["cells"] if cell["lock"])
    path = tmp_path / "compatibility.json"
    path.write_text(json.dumps({**report, "cells": [cell]}))
    with pytest.raises(InputError, match="cannot be read"):
        table_text([path])
    text = (REPORTS[-1].parent / "locks" / f"{cell['id']}.txt").read_text(encoding="utf-8")
    (tmp_path / "locks").mkdir()
    lock = tmp_path / "locks" / f"{cell['id']}.txt"
    lock.write_text(text)
    assert cell["lock"] in table_text([path])
    lock.write_text(text.replace("sha256:", "sha256:0", 1).replace("0\n", "\n", 1))
    with pytest.raises(InputError):
        table_text([path])
    lock.write_text("peft==0.1\n")
    with pytest.raises(InputError, match="names no lock"):
        table_text([path])
