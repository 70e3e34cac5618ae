"""A slice of the real thing: real torch, transformers and peft, some cells that pass and some known to fail.

The policy is `contemporary`, so that the locks, and with them the outcomes, are those of the day of the newest axis
release, whenever this is run. `nox -s slice` selects it; the first time it downloads about 3 GB.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import PYTHON

from compatcheck import probe
from compatcheck.commands.common import cache_folder
from compatcheck.domain import Cell, CellResult, Mode, Outcome, Policy, Stage
from compatcheck.matrix import Matrix
from compatcheck.pipeline import Run
from compatcheck.reporting import context_of
from compatcheck.store import Store

pytestmark = [pytest.mark.real, pytest.mark.timeout(3000)]

TORCH = "2.6.0"
PAIRS = (
    ("4.43.4", "0.12.0"), ("4.44.2", "0.10.0"), ("4.47.1", "0.15.2"), ("4.51.3", "0.12.0"), ("4.51.3", "0.15.2"),
)  # fmt: skip
"""transformers and peft: what is run."""


class NoArguments:
    cache = None


def real_run(folder: Path, pairs: tuple[tuple[str, str], ...]) -> Run:
    (transformers, peft), *more = pairs
    axes = {"torch": (TORCH,), "transformers": (transformers,), "peft": (peft,)}
    include = tuple(Cell(PYTHON, {"torch": TORCH, "transformers": one, "peft": other}) for one, other in more)
    matrix = Matrix("slice", axes, python=(PYTHON,), policy=Policy.CONTEMPORARY, include=include)
    return Run(matrix, Store(folder / "store.sqlite3"), cache_folder(NoArguments()))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], CellResult]]:
    run = real_run(tmp_path_factory.mktemp("slice"), PAIRS)
    cells = run.expand().cells
    found = run.run(cells)
    yield {(cell.versions["transformers"], cell.versions["peft"]): result for cell, result in found.items()}
    run.store.close()


def test_every_cell_was_measured(results: dict[tuple[str, str], CellResult]) -> None:
    assert set(results) == set(PAIRS)
    for (transformers, peft), result in results.items():
        assert result.observation is not None, result.trouble
        imported = result.observation.imported
        assert (imported["transformers"], imported["peft"]) == (transformers, peft)
        assert imported["torch"].startswith(TORCH)


@pytest.mark.parametrize("pair", [("4.43.4", "0.12.0"), ("4.51.3", "0.15.2")])
def test_what_works_passes_every_check(results: dict[tuple[str, str], CellResult], pair: tuple[str, str]) -> None:
    observation = results[pair].observation
    assert observation is not None and observation.outcome is Outcome.PASS
    assert len(observation.checks) == 6 and all(check.passed for check in observation.checks)
    assert observation.mode(Mode.CACHED) == observation.mode(Mode.UNCACHED) == "pass"


def test_the_famous_error_is_met_and_named(results: dict[tuple[str, str], CellResult]) -> None:
    result = results["4.44.2", "0.10.0"]
    assert (result.outcome, result.stage) == (Outcome.FAIL, Stage.GENERATE)
    assert result.observation is not None
    raised = result.observation.chain[-1]
    assert raised.type == "KeyError" and "Cache only has 0 layers" in raised.message
    assert raised.frames[-1].file == "transformers/cache_utils.py"
    assert any(frame.file == "peft/peft_model.py" for frame in raised.frames)


def test_the_other_known_failures_are_met_where_they_are_known(results: dict[tuple[str, str], CellResult]) -> None:
    keyword = results["4.47.1", "0.15.2"]
    assert (keyword.outcome, keyword.stage) == (Outcome.FAIL, Stage.TRAIN)
    assert keyword.observation is not None and "num_items_in_batch" in keyword.observation.chain[-1].message
    mask = results["4.51.3", "0.12.0"]
    assert (mask.outcome, mask.stage) == (Outcome.FAIL, Stage.GENERATE)
    assert mask.observation is not None and mask.observation.workaround is Mode.UNCACHED


FAULTS = {
    "prompt-has-effect": """
        whole = peft.PeftModelForCausalLM.forward
        def forward(self, *arguments, **words):
            if torch.is_grad_enabled():
                return whole(self, *arguments, **words)
            return self.get_base_model()(*arguments, **words)
        peft.PeftModelForCausalLM.forward = forward
    """,
    "only-prompt-changed": """
        torch.optim.AdamW.step = lambda self, closure=None: None
    """,
    "reload-equals-save": """
        whole = peft.PeftModel.from_pretrained
        def from_pretrained(*arguments, **words):
            model = whole(*arguments, **words)
            with torch.no_grad():
                for name, parameter in model.named_parameters():
                    if "prompt_encoder" in name:
                        parameter.neg_()  # a shift would be undone by BLOOM's embedding LayerNorm
            return model
        peft.PeftModel.from_pretrained = from_pretrained
    """,
    "cached-equals-reference": """
        from transformers import DynamicCache
        whole = DynamicCache.update
        def update(self, keys, values, *arguments, **words):
            before = self.get_seq_length()
            keys, values = whole(self, keys, values, *arguments, **words)
            return keys, values.roll(1, dims=-2) if before else values
        DynamicCache.update = update
    """,
}
"""The check that must find it, and a fault planted into the real packages before the probe runs."""


@pytest.mark.parametrize("check", FAULTS)
def test_every_check_finds_a_fault_planted_in_the_real_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check: str
) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text(
        "import runpy, sys, torch, transformers, peft\n"
        + textwrap.dedent(FAULTS[check])
        + f"\nsys.argv[0] = {probe.__file__!r}\nrunpy.run_path({probe.__file__!r}, run_name='__main__')\n"
    )
    monkeypatch.setattr(probe, "__file__", str(planted))
    run = real_run(tmp_path, (("4.51.3", "0.15.2"),))
    (result,) = run.run(run.expand().cells).values()
    run.store.close()
    assert result.observation is not None
    assert result.outcome is Outcome.WRONG, result.observation.output_tail
    assert check in {each.name for each in result.observation.checks if not each.passed}


def test_a_report_of_real_cells_names_every_failure(tmp_path: Path) -> None:
    run = real_run(tmp_path, (("4.44.2", "0.10.0"), ("4.51.3", "0.15.2")))
    run.run(run.expand().cells)
    context = context_of(run)
    run.store.close()
    assert context.totals == {Outcome.PASS: 1, Outcome.FAIL: 1}
    (failing,) = (entry for entry in context.entries if entry.outcome is Outcome.FAIL)
    assert failing.diagnosis is not None and failing.diagnosis.signature is not None
