"""Claims drawn, tried again over stub packages, and told as they came out."""

from __future__ import annotations

from datetime import date

import made_up
from conftest import MakeRun
from minimatrix.index import LocalIndex

from compatcheck.claims import Claim, cells_of, claims_of, sampled, tried
from compatcheck.cli import main
from compatcheck.domain import Outcome
from compatcheck.report.claims_text import claims_text
from compatcheck.reporting import context_of

PASS, FAIL = (Outcome.PASS, None), (Outcome.FAIL, "cache-layers-empty")


def two_pefts() -> object:
    return made_up.context(
        [
            made_up.result(made_up.cell(peft="0.12.0"), made_up.observation(made_up.CACHE_LAYERS)),
            made_up.result(made_up.cell(peft="0.13.2"), made_up.observation()),
        ]
    )


def test_each_pair_of_cells_is_one_claim() -> None:
    context = two_pefts()
    (claim,) = claims_of(context.findings.blame.cells)
    assert (claim.good, claim.bad) == tuple(made_up.cell(peft=version).id for version in ("0.13.2", "0.12.0"))
    assert claim.says == "peft 0.13.2 works, 0.12.0 does not"


def test_the_draw_depends_on_the_seed_alone() -> None:
    claims = [Claim(str(number), f"g{number}", f"b{number}") for number in range(100)]
    assert sampled(claims, 10, 1) == sampled(claims, 10, 1) != sampled(claims, 10, 2)
    assert len(set(sampled(claims, 10, 1))) == 10 and sampled(claims, 500, 1) == tuple(claims)
    assert cells_of([claims[0], claims[0], claims[1]]) == ("g0", "b0", "g1", "b1")


def test_a_claim_holds_only_where_both_ends_show_what_they_showed() -> None:
    claim = Claim("peft", "good", "bad")
    claimed = {"good": PASS, "bad": FAIL}
    for seen, holds in (
        ({"good": PASS, "bad": FAIL}, True),
        ({"good": PASS, "bad": (Outcome.FAIL, "another")}, False),
        ({"good": FAIL, "bad": FAIL}, False),
        ({"good": PASS, "bad": PASS}, False),
    ):
        (trial,) = tried([claim], claimed, seen)
        assert trial.holds == holds
        text = claims_text(two_pefts(), [trial], 7, 3, date(2026, 1, 2))
        assert f"**{int(holds)} of 1 claims hold.**" in text and "(seed 3) on 2026-01-02 from the 7 pairs" in text
        assert ("instead of" in text) != holds


def test_both_ends_are_really_run_again(make_run: MakeRun, index: LocalIndex, tmp_path, monkeypatch, capsys) -> None:
    axes = {"torch": ("newest",), "transformers": ("5.0.0",), "peft": ("0.1.0", "newest")}
    run = make_run(axes)
    run.run(run.expand().cells)
    before = {entry.cell.id: entry.outcome for entry in context_of(run).entries}
    assert set(before.values()) == {Outcome.PASS, Outcome.FAIL}
    listed = "\n".join(f"{name} = {list(versions)}" for name, versions in axes.items())
    matrix = tmp_path / "stub.toml"
    scenario = "[scenario]\nepochs = 2\nnew_tokens = 6\n[limits]\nstage_seconds = 20\nmemory_mib = 1024\n"
    matrix.write_text(
        f'python = ["{run.matrix.python[0]}"]\n[axes]\n{listed}\n{scenario}[index]\nurl = "{index.url}"\n'
    )
    monkeypatch.chdir(tmp_path)
    places = ["--store", str(run.store.path), "--cache", str(run.cache), "--reports", "out"]
    assert main(["run", str(matrix), "--plain", *places[:4]]) == 0
    assert main(["claims", str(matrix), "--seed", "1", *places]) == 0
    assert "1 of 1 claims hold" in capsys.readouterr().out
    text = (tmp_path / "out" / "stub" / "claims.md").read_text()
    assert "2 cells ran once more" in text
    attempts = [len(run.attempts(run.store.resolution(cell, run.matrix.resolution_digest, run.platform).lock))
                for cell in run.expand().cells]  # fmt: skip
    assert attempts == [2, 2]
