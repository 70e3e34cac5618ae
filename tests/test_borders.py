"""Where rules end: the tightest measured pair, what is still untold, and the very release by halving."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import made_up
import pytest
from conftest import PYTHON
from minimatrix.index import LocalIndex

from compatcheck.borders import Edge, edges_of
from compatcheck.cli import main
from compatcheck.domain import Outcome
from compatcheck.report.boundaries_text import boundaries_text
from compatcheck.rules import rules_of
from compatcheck.store import Store
from compatcheck.table import Row, Table

RELEASES = {"app": [f"1.{number}" for number in range(17)], "lib": ["2.0", "2.1"]}


def row(app: int, lib: str, broken: Callable[[int], bool], outcome: Outcome | None = None) -> Row:
    bad = broken(app) and lib == "2.0"
    seen = outcome or (Outcome.FAIL if bad else Outcome.PASS)
    return Row(f"app1.{app} lib{lib}", "3.11", {"app": f"1.{app}", "lib": lib}, seen, "odd" if bad else None)


def edges(measured: dict[int, Outcome | None], broken: Callable[[int], bool], **releases: list[str]) -> list[Edge]:
    """The edges of the rule on `odd`, over a table of app 1.0 and 1.16 and what is `measured` beside it."""
    own = [row(app, lib, broken) for app in (0, 16) for lib in ("2.0", "2.1")]
    (rule,) = rules_of(own).failures
    assert rule.conditions == {"app": ">=1.16", "lib": "<2.1"}
    finer = Table([*own, *(row(app, "2.0", broken, outcome) for app, outcome in measured.items())])
    return [edge for edge in edges_of(rule, Table(own), finer, releases or RELEASES) if edge.axis == "app"]


def test_an_edge_is_as_tight_as_the_cells_beside_the_table_make_it() -> None:
    (coarse,) = edges({}, lambda app: app >= 5)
    assert (coarse.first, coarse.last, len(coarse.untold or ())) == ("1.0", "1.16", 15)
    assert not coarse.exact and coarse.next == "1.8"
    (finer,) = edges({8: None, 4: None}, lambda app: app >= 5)
    assert (finer.first, finer.last, finer.untold) == ("1.4", "1.8", ("1.5", "1.6", "1.7"))
    (exact,) = edges({8: None, 4: None, 5: None}, lambda app: app >= 5)
    assert (exact.first, exact.last, exact.untold) == ("1.4", "1.5", ()) and exact.exact and exact.next is None
    assert exact.beside == {"python": "3.11", "lib": "2.0"}


@pytest.mark.parametrize("border", range(1, 17))
def test_halving_finds_every_border_in_as_few_runs_as_halving_takes(border: int) -> None:
    measured: dict[int, Outcome | None] = {}
    while (edge := edges(measured, lambda app: app >= border)[0]).next is not None:
        measured[int(edge.next.partition(".")[2])] = None
    assert (edge.first, edge.last) == (f"1.{border - 1}", f"1.{border}") and edge.exact
    assert len(measured) <= 4


def test_a_release_that_tells_nothing_is_stepped_over_and_named() -> None:
    measured: dict[int, Outcome | None] = {}
    while (edge := edges(measured, lambda app: app >= 8)[0]).next is not None:
        app = int(edge.next.partition(".")[2])
        measured[app] = Outcome.ERROR if app in (7, 8) else None
    assert (edge.first, edge.last, edge.untold) == ("1.6", "1.9", ("1.7", "1.8"))
    assert edge.exact and not edge.waiting


def test_the_edge_is_the_first_one_on_the_way_out() -> None:
    """Bad again farther out: of two borders the one next to what the rule says counts."""
    (edge,) = edges({4: None, 8: None, 12: None}, lambda app: app >= 12 or app == 4)
    assert (edge.first, edge.last) == ("1.8", "1.12")


def test_without_the_list_of_releases_nothing_is_called_exact() -> None:
    (edge,) = edges({5: None, 4: None}, lambda app: app >= 5, lib=["2.0"])
    assert edge.untold is None and not edge.exact and edge.next is None


def test_an_edge_beyond_which_nothing_contradicts_is_told_as_open() -> None:
    results = [
        made_up.result(made_up.cell(peft="0.10.0"), made_up.observation(made_up.CACHE_LAYERS)),
        made_up.result(made_up.cell(peft="0.13.2"), made_up.observation()),
    ]
    text = boundaries_text(made_up.context(results))
    assert "**0 of 3 edges are known to the very release.**" in text
    assert "| peft      | 0.13.2" in text and "not known" in text and "1 of 1 + 1 of 1" in text


@pytest.mark.minimatrix
def test_the_very_release_is_found_between_the_tables_own(
    tmp_path: Path, index: LocalIndex, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    monkeypatch.setenv("COMPATCHECK_CACHE", str(tmp_path / "cache"))
    axes = {"torch": ["2.1.0"], "transformers": ["4.44.0", "5.1.0"], "peft": ["0.1.0", "0.1.1"]}
    lines = [f'python = ["{PYTHON}"]', "[scenario]", "epochs = 2", "new_tokens = 6", "[axes]"]
    Path("stub.toml").write_text("\n".join([*lines, *(f"{name} = {json.dumps(axes[name])}" for name in axes)]) + "\n")
    assert main(["run", "stub.toml"]) == 0
    capsys.readouterr()
    assert main(["rules", "stub.toml", "--about", "fail", "--exact"]) == 0
    said = capsys.readouterr()
    assert "about " in said.err and "2 of 2 edges are exact" in said.err
    assert "transformers: 5.0.0 still, 4.44.0 no longer (exact), beside torch 2.1.0, peft 0.1.0" in said.out
    text = Path("reports", "stub", "boundaries.md").read_text()
    assert "| transformers | 5.0.0      | **4.44.0**" in text and "2 of 2 + 2 of 2" in text
    with Store(Path(".compatcheck/store.sqlite3")) as store:
        before = len(list(store.every_observation()))
    assert main(["rules", "stub.toml", "--about", "fail", "--exact", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    measured = {each["package"]: each["measured"] for each in found["boundaries"]}
    assert measured["transformers"]["last_inside"] == "5.0.0" and measured["transformers"]["exact"]
    with Store(Path(".compatcheck/store.sqlite3")) as store:
        assert len(list(store.every_observation())) == before, "what is known is not run again"
    assert main(["rules", "stub.toml", "--about", "no such words"]) == 2
