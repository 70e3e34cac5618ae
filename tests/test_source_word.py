"""What the sources say of a failure, with the pins that follow."""

from __future__ import annotations

import pytest

from compatcheck.domain import Raised
from compatcheck.explanation import explain
from compatcheck.source_word import SourceWord, source_word


def word(kind: str, message: str, **versions: str) -> tuple[str, tuple[str, ...]]:
    found = source_word(Raised(kind, "", message), versions)
    assert found is not None
    return found.says, found.pins


@pytest.mark.parametrize(
    ("kind", "message", "says", "pins"),
    [
        ("ImportError", "cannot import name 'prepare_model_for_int8_training' from 'peft'",
         "prepare_model_for_int8_training is in peft up to 0.9.0", ("peft<=0.9.0",)),
        ("ModuleNotFoundError", "No module named 'peft.utils.hotswap'",
         "the module peft.utils.hotswap is in peft 0.14.0 and later", ("peft>=0.14.0",)),
        ("TypeError", "LoraConfig.__init__() got an unexpected keyword argument 'loftq_config'",
         "LoraConfig(loftq_config=) is in peft 0.7.1 and later", ("peft>=0.7.1",)),
        ("AttributeError", "'LoraConfig' object has no attribute 'use_dora'",
         "LoraConfig.use_dora is in peft 0.9.0 and later", ("peft>=0.9.0",)),
        ("AttributeError", "'LlamaModel' object has no attribute '_update_causal_mask'",
         "LlamaModel._update_causal_mask is in transformers 4.38.2 to 4.52.4", ("transformers>=4.38.2,<=4.52.4",)),
        ("AttributeError", "'LlamaForCausalLM' object has no attribute 'enable_input_require_grads'",
         "PreTrainedModel.enable_input_require_grads is in transformers 4.27.4 and later", ("transformers>=4.27.4",)),
        ("AttributeError", "'BertTokenizerFast' object has no attribute 'batch_encode_plus'",
         "PreTrainedTokenizerFast.batch_encode_plus is in transformers 2.4.1 to 4.57.6",
         ("transformers>=2.4.1,<=4.57.6",)),
        ("TypeError", "LlamaForCausalLM.forward() got an unexpected keyword argument 'num_logits_to_keep'",
         "LlamaForCausalLM.forward(num_logits_to_keep=) is in transformers 4.45.2 to 4.51.3",
         ("transformers>=4.45.2,<=4.51.3",)),
        ("ImportError", "cannot import name 'AudioMetaData'",
         "AudioMetaData is in torchaudio up to 2.7.1", ("torchaudio<=2.7.1",)),
    ],
)  # fmt: skip
def test_what_is_missed_and_which_releases_have_it(kind: str, message: str, says: str, pins: tuple[str, ...]) -> None:
    assert word(kind, message) == (says, pins)


@pytest.mark.parametrize(
    ("line", "trigger"),
    [
        ("ImportError: cannot import name 'cached_download' from 'huggingface_hub'", "huggingface-hub after 0.25.2"),
        ("TypeError: Trainer.__init__() got an unexpected keyword argument 'tokenizer'", "transformers after 4.57.6"),
        ("ImportError: cannot import name 'EncoderDecoderCache' from 'transformers'", "peft"),
        ("TypeError: Trainer.__init__() got an unexpected keyword argument 'processing_class'", "transformers"),
    ],
)
def test_the_release_that_took_a_name_away_is_what_the_failure_came_with(line: str, trigger: str) -> None:
    told = explain(line)
    assert told.as_json()["roles"]["trigger"] == trigger
    assert f"came with  {trigger}\n" in told.as_text()


def test_a_release_that_should_have_it_is_said_not_to_be_whole() -> None:
    says, _ = word("ImportError", "cannot import name 'prepare_model_for_int8_training' from 'peft'", peft="0.9.0")
    assert says.endswith("0.9.0 should have it, so the installation is not whole or another one is imported")


def test_a_class_that_no_package_has_misses_what_other_releases_bases_have() -> None:
    lacks = Raised("AttributeError", "", "'MyOwnForCausalLM' object has no attribute '_extract_past_from_model_output'")
    told = SourceWord(
        "PreTrainedModel._extract_past_from_model_output is in transformers 4.25.1 to 4.48.3",
        ("transformers>=4.25.1,<=4.48.3",),
        "transformers after 4.48.3",
    )
    assert source_word(lacks, {}) == source_word(lacks, {"transformers": "4.51.3"}) == told
    assert source_word(lacks, {"transformers": "4.40.0"}) is None  # the base is there: the class has another one
    always = Raised("AttributeError", "", "'MyOwnForCausalLM' object has no attribute 'save_pretrained'")
    assert source_word(always, {}) is None


def test_what_a_base_lost_before_transformers_4_is_no_advice() -> None:
    raised = Raised("AttributeError", "", "'DistilBertConfig' object has no attribute 'use_cache'")
    assert source_word(raised, {}) is None or "3.5.1" not in str(source_word(raised, {}))
    told = source_word(raised, {"transformers": "3.5.1"})
    assert told and "2.9.1 to 3.5.1" in told.says


def test_where_a_message_is_raised() -> None:
    says, pins = word("ValueError", "Please specify `target_modules` in `peft_config`")
    assert says.startswith("raised in peft/tuners/") and not pins


def test_nothing_is_said_of_what_the_sources_do_not_know() -> None:
    assert source_word(Raised("ValueError", "", "no"), {}) is None
    assert source_word(Raised("ImportError", "", "cannot import name 'x' from 'django.db'"), {}) is None
    assert source_word(None, {}) is None


def test_explain_tells_it() -> None:
    explanation = explain("TypeError: LoraConfig.__init__() got an unexpected keyword argument 'loftq_config'")
    assert "LoraConfig(loftq_config=) is in peft 0.7.1 and later (peft>=0.7.1)" in explanation.as_text()
    sources = explanation.as_json()["sources"]
    assert sources == {"says": "LoraConfig(loftq_config=) is in peft 0.7.1 and later", "pins": ["peft>=0.7.1"]}


def test_a_command_that_upgrades_gives_way_to_pins_that_hold_the_package_down() -> None:
    gone = explain("AttributeError: 'LlamaRotaryEmbedding' object has no attribute 'cos_cached'")
    assert gone.signature is not None and gone.signature.command == "pip install -U transformers peft"
    assert gone.sources is not None and gone.sources.pins == ("transformers>=4.28.1,<=4.40.2",)
    assert gone.command == 'pip install "transformers>=4.28.1,<=4.40.2"'
    newer = explain("AttributeError: 'LlamaModel' object has no attribute 'post_init'")
    assert newer.command == "pip install -U transformers peft"
