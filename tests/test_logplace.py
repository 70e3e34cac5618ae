"""Whose code a traceback stopped in."""

from __future__ import annotations

import pytest

from compatcheck.catalogues import load_catalogue
from compatcheck.domain import Frame, Raised
from compatcheck.logplace import place_of
from compatcheck.signature_fit import fitting

CATALOGUE = load_catalogue()


def place(*files: str) -> tuple[str, str] | None:
    found = place_of([Frame(file, 1, "f") for file in files])
    return (found.package, found.file) if found else None


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (("run.py", "peft/config.py"), ("peft", "peft/config.py")),
        (("run.py", "transformers/x.py", "torch/nn/functional.py"), ("transformers", "transformers/x.py")),
        (("run.py", "transformers/config.py", "json/decoder.py"), ("transformers", "transformers/config.py")),
        (("run.py", "datasets/load.py", "C:/Python310/Lib/json/decoder.py"), ("datasets", "datasets/load.py")),
        (("run.py", "datasets/load.py", ".../python3.10/json/encoder.py"), ("datasets", "datasets/load.py")),
        (("datasets/load.py", "python3.10/mycode/run.py"), None),
        (("run.py", "/home/me/peft/src/peft/tuners/lora.py"), ("peft", "peft/tuners/lora.py")),
        (("run.py", "/opt/LLaMA-Factory/src/llamafactory/data/loader.py"),
         ("llamafactory", "llamafactory/data/loader.py")),
        (("run.py", "C:/work/transformers-main/src/transformers/trainer.py"),
         ("transformers", "transformers/trainer.py")),
        (("run.py", "/data/ms-swift/swift/llm/base.py"), ("ms_swift", "swift/llm/base.py")),
        (("run.py", "/data/ms-swift/other/llm/base.py"), None),
        (("run.py", "/data/lm-evaluation-harness-0.4.0/lm_eval/models/huggingface.py"),
         ("lm_eval", "lm_eval/models/huggingface.py")),
        (("run.py", "/sgl-workspace/sglang/python/sglang/srt/server.py"), ("sglang", "sglang/srt/server.py")),
        (("run.py", "/sgl-workspace/sglang/docs/sglang/server.py"), None),
        (("/home/me/.cache/huggingface/modules/transformers_modules/org/x/modeling.py",),
         ("transformers_modules", "transformers_modules/org/x/modeling.py")),
        (("run.py", "../unsloth/models/dpo.py"), ("unsloth", "unsloth/models/dpo.py")),
        (("run.py", "/transformers/models/auto/configuration_auto.py"),
         ("transformers", "transformers/models/auto/configuration_auto.py")),
        (("run.py", "/app/models/auto.py"), None),
        (("transformers/trainer.py", "/home/me/run.py"), None),
        (("transformers/trainer.py", "/home/me/run.py", "torch/nn/functional.py"), None),
        (("transformers/trainer.py", "<cell>"), None),
        (("run.py", "transformers/agents/agents.py"), None),
        (("run.py", "transformers/agents/agents.py", "transformers/generation/utils.py"),
         ("transformers", "transformers/generation/utils.py")),
        (("transformers/trainer.py", "<ipython-input-3-abc>"), None),
        (("transformers/utils/x.py", "<frozen importlib._bootstrap>"), ("transformers", "transformers/utils/x.py")),
        (("run.py", "torch/nn/functional.py"), None),
        ((), None),
    ],
)  # fmt: skip
def test_the_place_is_the_innermost_frame_of_a_package_or_a_script(
    files: tuple[str, ...], expected: tuple[str, str] | None
) -> None:
    assert place(*files) == expected


def raised(kind: str, message: str, *files: str) -> Raised:
    return Raised(kind, "", message, tuple(Frame(file, 1, "f") for file in files))


def test_a_place_counts_only_where_nothing_else_is_known() -> None:
    known = raised("RuntimeError", "CUDA out of memory. Tried to allocate 20.00 MiB", "run.py", "peft/config.py")
    assert fitting(known, CATALOGUE, whole=True) == ["cuda-out-of-memory"]
    unheard = raised("KeyError", "'colour'", "run.py", "peft/config.py")
    assert fitting(unheard, CATALOGUE, whole=True)[0] == "key-missing-in-package"


def test_a_script_or_another_programs_package_is_no_place() -> None:
    for file in ("run.py", "/srv/app/peft_jobs/run.py", "django/apps/config.py"):
        assert fitting(raised("KeyError", "'colour'", "transformers/trainer.py", file), CATALOGUE, whole=True) == []


def test_a_functions_keyword_is_known_by_the_function_and_not_by_a_common_word() -> None:
    said = "{}() got an unexpected keyword argument '{}'"
    for function, keyword, expected in [
        ("load_dataset", "trust_remote_code", ["stack-function-arguments"]),
        ("find_adapter_config_file", "anything", ["stack-function-arguments"]),
        ("load_dataset", "colour", []),
        ("pipeline", "device_map", []),
        ("main", "verbose", []),
    ]:
        assert fitting(raised("TypeError", said.format(function, keyword)), CATALOGUE, whole=True) == expected
