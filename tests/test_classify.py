"""The classifier: the root and not the wrapper, the place and not only the text, and `unknown` rather than a guess."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up import CACHE_LAYERS, observation

from compatcheck.catalogues import load_catalogue
from compatcheck.classify import diagnose, diagnose_chain, diagnose_resolution, fingerprint
from compatcheck.domain import Ending, EndingKind, Frame, Raised, Stage, StageRecord

CATALOGUE = load_catalogue()


def raised(kind: str, message: str, *frames: str) -> Raised:
    return Raised(kind, "builtins", message, tuple(Frame(*_parts(each)) for each in frames))


def _parts(text: str) -> tuple[str, int, str]:
    file, function = text.split(" ")
    return file, 1, function


BLOOM = "transformers/models/bloom/modeling_bloom.py forward"
NO_SHAPE = "'{}' object has no attribute 'shape'"
HOOK = "peft/peft_model.py prepare_inputs_for_generation"


@pytest.mark.parametrize(
    ("stage", "error", "signature"),
    [
        (Stage.GENERATE, CACHE_LAYERS, "cache-layers-empty"),
        (Stage.GENERATE, raised("AttributeError", NO_SHAPE.format("NoneType"), HOOK), "cache-layer-is-none"),
        (Stage.GENERATE, raised("AttributeError", NO_SHAPE.format("list"), HOOK), "cache-layer-is-list"),
        (Stage.GENERATE, raised("TypeError", "'DynamicCache' object is not subscriptable", HOOK),
         "cache-not-subscriptable"),
        (Stage.GENERATE, raised("KeyError", "'past_key_values'", HOOK), "cache-key-missing"),
        (
            Stage.GENERATE,
            raised(
                "RuntimeError",
                "The expanded size of the tensor (2) must match the existing size (10) at non-singleton dimension 2.  "
                "Target sizes: [4, 2, 2].  Tensor sizes: [4, 1, 10]",
                BLOOM,
            ),
            "prompt-not-inserted",
        ),
        (
            Stage.GENERATE,
            raised(
                "RuntimeError",
                "The expanded size of the tensor (11) must match the existing size (19) at non-singleton dimension 2.  "
                "Target sizes: [4, 1, 11].  Tensor sizes: [4, 1, 19]",
                BLOOM,
            ),
            "mask-counts-prompt-twice",
        ),
        (Stage.TRAIN, raised("ValueError", "Got unexpected arguments: {'num_items_in_batch': 179}", BLOOM),
         "bloom-refuses-num-items-in-batch"),
        (Stage.TRAIN, raised("TypeError", "argument of type 'BloomConfig' is not iterable",
                             "peft/peft_model.py _setup_prompt_encoder"), "config-not-iterable"),
    ],
)  # fmt: skip
def test_what_is_known_is_named(stage: Stage, error: Raised, signature: str) -> None:
    diagnosis = diagnose(observation(error, stage), CATALOGUE)
    assert diagnosis.signature == signature
    assert diagnosis.exception == error


def test_the_root_is_read_and_not_the_wrapper() -> None:
    root = raised(
        "ImportError",
        "cannot import name 'EncoderDecoderCache' from 'transformers' (site-packages/transformers/__init__.py)",
        "peft/peft_model.py <module>",
    )
    for wrapper in (
        raised("RuntimeError", "Failed to import transformers.trainer because of the following error (look up"),
        raised(
            "ModuleNotFoundError",
            "Could not import module 'Trainer'. Are this object's requirements defined correctly?",
        ),
    ):
        seen = observation(root, Stage.IMPORT)
        seen = replace(seen, stages=(StageRecord(Stage.IMPORT, seen.stages[0].status, 1.0, 1.0, (root, wrapper)),))
        diagnosis = diagnose(seen, CATALOGUE)
        assert (diagnosis.signature, diagnosis.exception) == ("import-cache-class-missing", root)
        assert diagnosis.captures == {"name": "EncoderDecoderCache"}


def test_the_same_text_from_elsewhere_is_another_failure() -> None:
    elsewhere = raised("AttributeError", "'NoneType' object has no attribute 'shape'", "mine/model.py forward")
    assert diagnose(observation(elsewhere, Stage.GENERATE), CATALOGUE).signature is None


def test_what_nobody_knows_is_unknown_and_has_a_fingerprint() -> None:
    one = diagnose(
        observation(raised("OddError", "at 0x7f12 in /a/b/c.py: 3 of 4.51.3", BLOOM), Stage.TRAIN), CATALOGUE
    )
    two = diagnose(observation(raised("OddError", "at 0x99ab in /x/y.py: 7 of 5.0", BLOOM), Stage.TRAIN), CATALOGUE)
    other = diagnose(observation(raised("OddError", "in another way", BLOOM), Stage.TRAIN), CATALOGUE)
    assert one.signature is two.signature is other.signature is None
    assert one.fingerprint == two.fingerprint != other.fingerprint


def test_a_wrong_result_is_known_by_its_checks_and_by_whose_fault_it_is() -> None:
    drift = observation(cached=False, base_generates_rightly=True)
    assert diagnose(drift, CATALOGUE).signature == "cached-tokens-drift"
    renamed = replace(drift, imported={"transformers": "5.24.0", "peft": "0.21.2"})
    assert diagnose(renamed, CATALOGUE).signature == "prompt-injected-at-every-step"
    before = replace(drift, imported={"transformers": "5.23.0", "peft": "0.21.2"})
    assert diagnose(before, CATALOGUE).signature == "cached-tokens-drift"
    ignored = replace(drift, imported={"transformers": "5.20.2", "peft": "0.13.2"})
    assert diagnose(ignored, CATALOGUE).signature == "prompt-silently-left-out"
    base = observation(cached=False, base_generates_rightly=False)
    assert diagnose(base, CATALOGUE).signature is None


@pytest.mark.parametrize(
    ("ending", "signature"),
    [
        (Ending(EndingKind.OUT_OF_MEMORY), "out-of-memory"),
        (Ending(EndingKind.TIMED_OUT), "timed-out"),
        (Ending(EndingKind.SIGNALLED, signal="SIGSEGV"), "segmentation-fault"),
        (Ending(EndingKind.SIGNALLED, signal="SIGILL"), "illegal-instruction"),
        (Ending(EndingKind.SIGNALLED, signal="SIGABRT"), "aborted"),
        (Ending(EndingKind.SIGNALLED, signal="SIGKILL"), "killed"),
        (Ending(EndingKind.SIGNALLED, signal="SIGBUS"), "bus-error"),
        (Ending(EndingKind.SIGNALLED, signal="SIGUSR1"), None),
        (Ending(EndingKind.EXITED, code=3), "exited-early"),
        (Ending(EndingKind.FLOODED), "protocol-flooded"),
    ],
)
def test_a_process_that_died_is_known_by_how_it_ended(ending: Ending, signature: str | None) -> None:
    assert diagnose(observation(stage=Stage.TRAIN, ending=ending), CATALOGUE).signature == signature


def test_the_resolvers_refusal() -> None:
    refused = diagnose_resolution("No solution found when resolving dependencies: Because a needs b<1", CATALOGUE)
    assert refused.signature == "resolver-conflict"
    assert diagnose_resolution("uv gave no reason", CATALOGUE).signature is None


def test_fingerprints_are_bounded() -> None:
    assert fingerprint("x" * 10_000_000) == fingerprint("x" * 5_000)


def test_what_any_program_may_say_is_named_only_where_the_stack_has_a_part_in_it() -> None:
    said = "503 Server Error: Service Unavailable for url: https://{}/x"
    elsewhere = raised("HTTPError", said.format("api.example.com"), "mine/fetch.py get")
    hub = raised("HTTPError", said.format("huggingface.co"), "mine/fetch.py get")
    by_the_library = replace(elsewhere, frames=(Frame("huggingface_hub/utils/_http.py", 1, "hf_raise_for_status"),))
    chained = raised("OSError", "could not load", "transformers/utils/hub.py cached_file")
    assert diagnose_chain((elsewhere,), CATALOGUE, whole=True).signature is None
    assert diagnose_chain((hub,), CATALOGUE, whole=True).signature == "hub-server-error"
    assert diagnose_chain((by_the_library,), CATALOGUE, whole=True).signature == "hub-server-error"
    assert diagnose_chain((elsewhere, chained), CATALOGUE, whole=True).signature == "hub-server-error"


def test_wrappers_that_quote_one_another_are_read_to_their_end() -> None:
    head = "Failed to import transformers.{} because of the following error (look up to see its traceback):\n"
    message = head.format("models.auto") + head.format("generation.utils") + "numpy.dtype size changed, may indicate "
    diagnosis = diagnose_chain((raised("RuntimeError", message + "binary incompatibility."),), CATALOGUE, whole=False)
    assert diagnosis.signature == "numpy-abi"


def test_what_torch_says_is_named_whoever_called_and_what_python_says_is_no_name_for_a_scripts_slip() -> None:
    linear = "torch/nn/modules/linear.py forward"
    places = (
        (),
        ("transformers/models/x/modeling_x.py forward", linear),
        ("/home/me/train.py forward", linear),
        ("transformers/trainer.py compute_loss", "/home/me/model.py forward", linear),
    )

    def named(error: str, message: str) -> list[str | None]:
        return [diagnose_chain((raised(error, message, *each),), CATALOGUE, whole=True).signature for each in places]

    assert set(named("RuntimeError", "mat1 and mat2 shapes cannot be multiplied (8x784 and 800x10)")) == {
        "layer-input-features"
    }
    number = "comparison-gave-one-truth"
    assert named("AttributeError", "'bool' object has no attribute 'mean'") == [number, number, None, None]


def test_the_module_of_an_exception_may_say_what_it_is_about() -> None:
    error = Raised("Unsupported", "torch._dynamo.exc", "call_function UserDefinedObjectVariable")
    assert diagnose_chain((error,), CATALOGUE, whole=True).signature == "compile-failed"
    assert diagnose_chain((replace(error, module="shop.exc"),), CATALOGUE, whole=True).signature is None


def test_the_line_of_code_may_say_what_an_exception_is_about() -> None:
    error = Raised("TypeError", "", "__init__() got an unexpected keyword argument 'model_file'")
    told = replace(error, code="sp = spm.SentencePieceProcessor(model_file='m.model')")
    assert diagnose_chain((told,), CATALOGUE, whole=True).signature == "sentencepiece-too-old"
    assert (
        diagnose_chain((replace(error, code="reader = Reader(model_file='m')"),), CATALOGUE, whole=True).signature
        is None
    )


def test_a_line_without_frames_is_named_by_its_words_and_one_with_frames_by_what_they_are_about() -> None:
    def named(*places: str) -> str | None:
        error = raised("RuntimeError", "Already borrowed", *places)
        return diagnose_chain((error,), CATALOGUE, whole=True).signature

    assert named() == named("transformers/tokenization_utils_fast.py set_truncation") == "tokenizer-in-threads"
    assert named("/home/me/frame.py run", "polars/dataframe/frame.py apply") is None


def test_a_module_is_no_class_of_its_name() -> None:
    error = raised("AttributeError", "module 'UnslothSFTTrainer' has no attribute 'UnslothRewardTrainer'")
    assert diagnose_chain((error,), CATALOGUE, whole=True).signature is None


def test_a_backtick_that_markdown_took_is_not_missed() -> None:
    refusal = "`.to` is not supported for `4-bit` or `8-bit` bitsandbytes models."
    for text in (refusal, refusal.replace("`", "")):
        error = raised("ValueError", text)
        assert diagnose_chain((error,), CATALOGUE, whole=True).signature == "quantized-model-moved"


@pytest.mark.parametrize(
    ("code", "signature"),
    [
        ("ids = self.tokenizer.encode(text)", "tokenizer-is-none"),
        ("ids = text.encode('utf-8')", None),
        ("tokenizer.save(text.encode('utf-8'))", None),
        ("", None),
    ],
)
def test_the_line_of_code_says_what_is_none(code: str, signature: str | None) -> None:
    error = replace(raised("AttributeError", "'NoneType' object has no attribute 'encode'", "train.py f"), code=code)
    assert diagnose_chain((error,), CATALOGUE, whole=True).signature == signature


def test_of_a_bare_assertion_the_condition_speaks() -> None:
    bare = raised("AssertionError", "", "bitsandbytes/autograd/_functions.py matmul_4bit")
    for code, signature in (("assert quant_state is not None", "quant-state-missing"), ("", "assertion-in-package")):
        assert diagnose_chain((replace(bare, code=code),), CATALOGUE, whole=True).signature == signature


def test_an_old_peft_is_told_from_a_prompt_by_who_cannot_merge() -> None:
    asked = "peft/peft_model.py __getattr__"
    model, tuner, base = (
        raised("AttributeError", f"'{name}' object has no attribute 'merge_and_unload'", asked)
        for name in ("PeftModelForCausalLM", "LoraModel", "BloomForCausalLM")
    )
    assert diagnose_chain((model, tuner, base), CATALOGUE, whole=True).signature == "merge-newer-than-peft"
    assert diagnose_chain((model, base), CATALOGUE, whole=True).signature == "prompt-cannot-be-merged"
    assert diagnose_chain((model,), CATALOGUE, whole=True).signature == "peft-model-cannot-merge"


def test_a_later_link_counts_where_it_says_that_it_is_the_first_one_more_closely() -> None:
    asked = "peft/peft_model.py __getattr__"
    lacks = "'PeftModelForQuestionAnswering' object has no attribute 'prepare_inputs_for_generation'"
    first = raised("AttributeError", lacks, asked)
    last = raised(
        "UnboundLocalError",
        "cannot access local variable 'old_prepare_inputs_for_generation' where it is not associated with a value",
        "peft/peft_model.py disable_adapter",
    )
    assert diagnose_chain((first, last), CATALOGUE, whole=True).signature == "prompt-disabled-outside-generation"
    other = raised("IndexError", "Dimension out of range (expected to be in range of [-1, 0], but got 1)", asked)
    assert diagnose_chain((first, other), CATALOGUE, whole=True).signature == "peft-model-lacks-attribute"


def test_what_a_modules_forward_refuses_is_said_at_the_place_that_called_it() -> None:
    words = "forward() got an unexpected keyword argument 'last_row'"
    torch = ("torch/nn/modules/module.py _wrapped_call_impl", "torch/nn/modules/module.py _call_impl")
    for caller, name in (("transformers/trainer.py compute_loss", "stack-arguments-differ"), ("train.py main", None)):
        found = diagnose_chain((raised("TypeError", words, caller, *torch),), CATALOGUE, whole=True)
        assert found.signature == name
