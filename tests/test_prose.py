"""Failures told in running text are found; text that only speaks of errors names nothing."""

from __future__ import annotations

import io

import pytest

from compatcheck.explanation import explain, explain_stream
from compatcheck.prose import CAP


@pytest.mark.parametrize(
    ("text", "signature", "line"),
    [
        ("It says\n`Exception: data did not match any variant of untagged enum ModelWrapper at line 12 column 3`",
         "tokenizer-file-too-new", 2),
        ("Node -> Error loading model: Due to a serious vulnerability issue in `torch.load`, even with\nand so on",
         "torch-load-refused", 1),
        ("I get (KeyError: 'Cache only has 0 layers, attempted to access layer with index 0') on generate",
         "cache-layers-empty", 1),
        ("Fixed `ModuleNotFoundError: No module named 'peft.utils.config'`", "name-not-in-peft", 1),
        ("cannot import name 'get_peft_config' from 'peft' (unknown location)", "package-lacks-name", 1),
        ("Failed to import transformers.models.bert.modeling_bert because of the following error (look up to see its "
         "traceback): cannot import name 'gather_traceback' from 'torch._C._profiler' (unknown location)",
         "torch-lacks-name", 1),
        ("[Bug] RuntimeError: Unsloth: Saving LoRA finetune failed since # of LoRAs = 252 does not match # of saved "
         "modules = 0. Please file a bug report!\n\nmodel = FastModel.load()", "unsloth-merge-miscounts", 1),
        ("# ValueError: Please specify `target_modules` in `peft_config`\n\nHow?", "target-modules-unset", 1),
        ("Then it raises \"ModuleNotFoundError: No module named 'peft'\".", "stack-package-missing", 1),
        ("args,\n)\n--- TypeError Traceback (most recent call last) Cell In[10], line 1 ----> 1 trainer = Trainer( 2 "
         "model=model, ) TypeError: Trainer.init() got an unexpected keyword argument 'processing_class'\n\nFix:",
         "trainer-processing-class-keyword", 3),
        ("[BUG] ValueError: The following `model_kwargs` are not used by the model\n\nZephyr",
         "generate-unused-model-kwargs", 1),
        ("RuntimeError: disagreement between rank0 and rank7: rank0\n\nTraceback (most recent call last):\n"
         '  File "/srv/train.py", line 13, in <module>', "zero3-order-changed", 1),
        ("ValueError : The generation config is outdated", "whisper-task-or-language", 1),
        ("Attribute Error: 'LoraModel' object has no attribute _get_submodules(). ", "peft-model-lacks-attribute", 1),
        ("# Wav2Vec2WordpieceTokenizer' object has no attribute '_create_trie'\n\nI load a model",
         "tokenizer-lacks-attribute", 1),
        ("# key error 'text' when training sft with trl\n\nSFTTrainer(model)", "sft-text-column-missing", 1),
        ("It has no loss (hence the KeyError `eval_loss`) in the Trainer of transformers", "metric-missing", 1),
        ("The error 'base_model.model.model.model.embed_tokens' KeyError occurred with peft",
         "adapter-onto-disk-offload", 1),
        ("运行train时，提示module 'transformers' has no attribute 'WarmupLinearSchedule'的异常",
         "package-lacks-name", 1),
        ("# RuntimeError: Failed to import transformers.pipelines because of the following error (look up to see its "
         "traceback): initialization failed\n\nIt fails", "extension-initialization-failed", 1),
        ("But when I run it I get this error:\n\n```\nname \u2018PeftModel\u2019 is not defined\n```",
         "stack-name-undefined", 4),
        ("It stops at `LoraModelLoader` with the error:\n`Loader: PEFT backend is required for this method`",
         "diffusers-needs-peft", 2),
        ("  raise AttributeError(name) AttributeError: 'SentenceTransformer' object has no attribute 'model_body'",
         "model-lacks-attribute", 1),
        ("In `torch.load' it appears `Segmentation fault (core dumped)'.", "segmentation-fault", 1),
        ("Target modules [gate_proj, up_proj] not found in the base model. Please check the target modules.\n"
         '  File "/srv/model.py", line 39, in __init__', "target-modules-list-as-text", 1),
        ("Using `bitsandbytes` 4-bit quantization requires the latest version of bitsandbytes: `pip install -U "
         'bitsandbytes`\n\n  File "/srv/ui/execution.py", line 323, in execute', "quantization-needs-package", 1),
        ("dpo训练报错AttributeError: 'CustomDPOTrainer' object has no attribute '_peft_has_been_casted_to_bf16'",
         "trainer-subclass-lacks-attribute", 1),
        ('With DeepSpeed-Infinity I ran into "AssertionError: param 7 already assigned swap buffer id 4".',
         "refused-by-deepspeed", 1),
        ("TypeError: Unwrapping the module did not yield a `LightningModule`\n\n"
         '  File "/srv/site-packages/pytorch_lightning/trainer/trainer.py", line 7, in fit\n    self._run',
         "refused-by-lightning", 1),
        ("With optimum: ValueError: Trying to export a qwen model, that is a custom or unsupported architecture, but "
         "no custom onnx configuration was passed as custom_onnx_configs.\n...", "onnx-export-architecture-unknown", 1),
        ("errors like `KeyError: 'mixtral'` which means that it is too old", "model-type-unknown", 1),
        ("Then I got a KeyError: 'qwen3' when loading it from the hub.", "model-type-unknown", 1),
        ("prepare gives the error:\n'AcceleratorState' object has no attribute  'fork_launched'",
         "accelerator-state-reset", 2),
        ("evaluating after training:\n\nraise IndexError('piece id is out of range.')", "token-id-impossible", 3),
        ('# raise ValueError(f"{tensor_name} is on the meta device, we need a `value` to put in on {device}.")',
         "meta-tensor-copied", 1),
        ("# `KeyError`: 'self_attn.q_proj' (line 46, in get_layers_for_scaling from `awq.models.mistral`)\n\nHow?",
         "awq-meets-other-layers", 1),
        ("**ValueError**: The generation config is outdated", "whisper-task-or-language", 1),
        ("AttributeError: 'list' object has no attribute 'keys'\n"
         '    File "transformers/modeling_utils.py", line 2489, in get_expanded_tied_weights_keys',
         "tied-weights-as-list", 1),
        ("# No module named sentencepiece\n\nWhat now?", "stack-package-missing", 1),
        ("It gives `Accelerator.__init__() got an unexpected keyword argument deepspeed_plugins`.",
         "accelerator-keyword", 1),
        ("ImportError: cannot import name DPOConfig from trl", "package-lacks-name", 1),
        ("# AttributeError: 'Block' object has no attribute 'ls1'\n\nWith timm 0.9 the model of my colleague fails.",
         "timm-model-older", 1),
        ("The run was killed with message `killed`.", "killed", 1),
        ("RuntimeError: The size of tensor a (0) must match the size of tensor b (5120) at dimension 1\n\n"
         'Traceback (most recent call last):\n  File "/srv/env/lib/python3.8/site-packages/torch/nn/init.py", line 4, '
         "in f\n    return tensor.uniform_(-bound, bound)\nKeyboardInterrupt", "weights-sharded-away", 1),
        ('"ValueError: Linear4() does not have a parameter or a buffer named weight." / "TypeError: nothing of it"\n\n'
         'Traceback (most recent call last):\n  File "/srv/env/bin/accelerate", line 8, in <module>\n'
         "subprocess.CalledProcessError: Command '['python3', 'finetune.py']' returned non-zero exit status 1.",
         "layer-lacks-parameter", 1),
        ("PyTorch-Lightning: `MisconfigurationException: No 'test_dataloader()' method defined to run 'Trainer.test'`.",
         "lightning-loader-missing", 1),
        ("\u4f1a\u663e\u793a\u201ckilled\u201d\u5e76\u9000\u51fa", "killed", 1),
        ("After a minute the shell says `Killed`, and no more.", "killed", 1),
        ("# Segmentation fault (core dumped) when a GPU model is loaded\n\ntorch 2.1, Linux", "segmentation-fault", 1),
        ("With transformers it crashes with SIGSEGV in the first step.", "segmentation-fault", 1),
        ("python: it fails with an access violation inside amdhip64_6.dll", "segmentation-fault", 1),
        ("# torch training quits with signal 9 after an epoch", "killed", 1),
        ("SIGBUS received on an M2 with torch", "bus-error", 1),
        ("# from torch._C import * (ImportError: DLL load failed)", "windows-dll-missing", 1),
        ("# version `GLIBCXX_3.4.29' not found\n\nflash-attn beside torch", "libstdcxx-too-old", 1),
        ("Merging fails:\n\nError(s) in loading state_dict for PeftModelForCausalLM:\n\tsize mismatch for "
         "base_model.model.model.embed_tokens.weight: copying a param with shape torch.Size([9, 2]) from checkpoint, "
         "the shape in current model is torch.Size([8, 2]).\n\tsize mismatch for base_model.model.lm_head.weight: "
         "copying a param with shape torch.Size([9, 2]) from checkpoint, the shape in current model is "
         "torch.Size([8, 2]).", "adapter-other-shape", 3),
        ("With prefix tuning it got an error: 'tuple' object has no attribute 'update'", "cache-tuple-lacks-update", 1),
        ("# AttributeError: 'dict' object has no attribute 'to_dict'\n\nTraceback (most recent call last):\n"
         '  File "/srv/site-packages/peft/peft_model.py", line 162, in save_pretrained\n    self.create_or',
         "config-is-a-dict", 1),
        ("# FSDP Must flatten tensors with uniform dtype but got torch.bfloat16 and torch.float32\n\n"
         'Traceback (most recent call last):\n  File "/srv/site-packages/accelerate/accelerator.py", line 1293, in '
         "<genexpr>\n    self._prepare_one(obj, first_pass=True", "fsdp-mixed-requires-grad", 1),
        ('Finetuning met "Expected all tensors to be on the same device"\n\nRuntimeError: Caught RuntimeError in '
         'replica 1 on device 1.\nOriginal Traceback (most recent call last):\n  File "/srv/site-packages/torch/nn/'
         'modules/module.py", line 15, in _call_impl\n    result = forward_call(', "tensors-on-two-devices", 1),
    ],
)  # fmt: skip
def test_a_sentence_that_quotes_a_failure_is_recognised(text: str, signature: str, line: int) -> None:
    found = explain(text)
    assert found.signature is not None and found.signature.id == signature and found.line == line
    assert found.diagnosis is not None and found.diagnosis.confidence < 0.9


@pytest.mark.parametrize(
    "text",
    [
        "There was an error in my cache of errors, and the build failed.",
        "My server in Go crashes with SIGSEGV once a day.",
        "make: *** [Makefile:12: run] Segmentation fault (core dumped)\n(for a program beside torch)",
        "In Python the handler gets called when SIGTERM comes, and signal 15 ends it.",
        "The exception says that the DLL failed.",
        "The torch release notes speak of a fix for an exception in generate.",
        "error: no rule to make target 'all'",
        "We say so when target modules are not found in the base model.",
        "Using bitsandbytes 4-bit quantization requires the latest version of bitsandbytes: so I have it.\n\n"
        'Traceback (most recent call last):\n  File "/srv/ui/execution.py", line 323, in execute',
        "ValueError: The following things are not used",
        "ValueError: You have to do something else first",
        "RuntimeError: Failed to import optimum.onnxruntime.modeling_decoder because of the following error (look up "
        "to see its traceback):",
        'I ran into "AssertionError: param 7 already assigned swap buffer id 4" in our file server.',
        'With DeepSpeed I ran into "KeyError: param 7 already assigned swap buffer id 4".',
        "ValueError: nothing to do\nAttributeError: 'list' object has no attribute 'keys'\n"
        '    File "transformers/modeling_utils.py", line 2489, in get_expanded_tied_weights_keys',
        "I got a KeyError: 'labels' of my own table.",
        "raise IndexError(f'piece id {i} is out of range.')",
        "except ValueError: return None  # the following `model_kwargs` are not used by the model",
        "",
    ],
)
def test_talk_of_errors_names_nothing(text: str) -> None:
    assert explain(text).signature is None


CUT_OFF = """{heading}

Traceback (most recent call last):
  File "/srv/run.py", line 9, in <module>
    model.update()
  File "/srv/env/lib/python3.11/site-packages/torch/nn/modules/module.py", line 1931, in __getattr__
    raise AttributeError(
AttributeError: 'LlamaForCausalLM' object has no attr"""


@pytest.mark.parametrize(
    "text",
    [
        "My shop got an error: 'tuple' object has no attribute 'update'",
        "AttributeError: 'dict' object has no attribute 'to_dict'\n\nIt is used beside transformers.",
    ],
)
def test_what_any_program_may_say_is_no_name_where_nothing_around_it_speaks_of_the_stack(text: str) -> None:
    assert explain(text).signature is None


def test_a_message_that_was_cut_off_is_taken_from_the_heading() -> None:
    found = explain(CUT_OFF.format(heading="AttributeError: 'LlamaForCausalLM' object has no attribute 'update'"))
    assert found.signature is not None and found.signature.id == "model-lacks-attribute"
    assert found.diagnosis is not None and found.diagnosis.captures["name"] == "update"
    assert found.diagnosis.exception is not None and found.diagnosis.exception.frames


def test_a_message_that_was_cut_off_behind_a_word_is_taken_from_the_heading() -> None:
    text = (
        "AttributeError: module 'diffusers' has no attribute 'LatentDiffusionPipeline'\n\n"
        "Traceback (most recent call last):\n"
        '  File "/srv/env/lib/python3.10/site-packages/diffusers/pipeline_utils.py", line 153, in from_pretrained\n'
        '    pipeline_class = getattr(diffusers_module, config_dict["_class_name"])\n'
        "AttributeError: module 'diffusers' has"
    )
    found = explain(text)
    assert found.signature is not None and found.signature.id == "name-in-no-release"
    assert explain(text.partition("\n\n")[2]).signature.id == "attribute-missing-in-package"


@pytest.mark.parametrize(
    "text",
    [
        CUT_OFF.format(heading="It does not work"),
        CUT_OFF.format(heading="TypeError: 'LlamaForCausalLM' object has no attribute 'update'"),
        CUT_OFF.format(heading="AttributeError: 'LlamaForCausalLM' object has no attribute 'update'") + "\nand more",
    ],
)
def test_a_heading_that_tells_of_something_else_completes_nothing(text: str) -> None:
    found = explain(text)
    assert found.signature is None or found.diagnosis is None or not found.diagnosis.captures.get("name")


RAY = """{heading}

Traceback (most recent call last):
  File "/srv/train.py", line 9, in <module>
    ray.get(refs)
  File "/srv/env/lib/python3.11/site-packages/ray/_private/worker.py", line 919, in get_objects
    raise value.as_instanceof_cause()
ray.exceptions.RayTaskError(RuntimeError): ray::Actor.fit() (pid=1, ip=10.0.0.1"""


def test_a_heading_tells_what_the_exception_below_keeps_for_itself() -> None:
    found = explain(RAY.format(heading="# RuntimeError: CUDA error: unspecified launch failure"))
    assert found.signature is not None and found.signature.id == "cuda-kernel-failed"
    assert found.line == 1


@pytest.mark.parametrize(
    "heading",
    [
        "# ValueError: CUDA error: unspecified launch failure",
        "RuntimeError: CUDA error: unspecified launch failure",
        "# Training stops",
    ],
)
def test_a_heading_of_another_class_or_form_tells_nothing_of_the_exception_below(heading: str) -> None:
    assert explain(RAY.format(heading=heading)).signature is None


def test_a_heading_with_an_exception_comes_before_words_without_one() -> None:
    below = "\n\nERROR 10-18 03:20:36 [multiproc_executor.py:628] WorkerProc failed to start.\n"
    named = explain("# [Bug] It fails with KeyError: 'blocks.0.attn.qkv.weight'" + below).signature
    plain = explain("# [Bug] It does not start" + below).signature
    assert named is not None and named.id == "weight-name-missing"
    assert plain is not None and plain.id != named.id


def test_a_key_behind_a_script_without_blanks_is_read() -> None:
    found = explain(
        "# vllm 部署 GLM-4V报错KeyError: 'transformer.vision.transformer.layers.45.mlp.fc2.weight'"
    ).signature
    assert found is not None and found.id == "weight-name-missing"


def test_what_xinference_sets_before_a_message_is_no_part_of_it() -> None:
    found = explain("AttributeError: [address=0.0.0.0:44013, pid=69] module 'torchaudio' has no attribute 'io'")
    assert found.signature is not None and found.signature.id == "package-lacks-name"
    assert found.diagnosis is not None and found.diagnosis.captures["package"] == "torchaudio"


OWN = """Traceback (most recent call last):
  File "/srv/run.py", line 9, in <module>
    shop.open()
RuntimeError: the shop is closed
"""
HALF = "RuntimeError: \"slow_conv2d_cpu\" not implemented for 'Half'\n"


def test_a_known_line_below_an_unknown_traceback_is_what_ended_the_run() -> None:
    below, above = explain(f"{OWN}\nIt runs now, and then:\n{HALF}"), explain(f"{HALF}\n{OWN}")
    assert below.signature is not None and below.signature.id == "half-on-cpu"
    assert above.signature is None


def test_a_warning_is_not_the_failure_where_the_heading_names_an_unknown_exception() -> None:
    warning = "UserWarning: None of the inputs have requires_grad=True. Gradients will be None\n"
    assert explain("# TypeError: mine() takes 2 positional arguments\n\n" + warning).signature is None
    found = explain("# Training does not learn\n\n" + warning).signature
    assert found is not None and found.weak


def test_a_long_log_is_not_read_as_prose() -> None:
    line = b"Error loading model: Due to a serious vulnerability issue in `torch.load`\n"
    assert explain_stream(io.BytesIO(b"step 1 of 10\n" * CAP + line)).signature is None
    assert explain_stream(io.BytesIO(line)).signature is not None


def test_the_beginning_of_a_long_log_is_not_lost() -> None:
    text = b"RuntimeError: element 0 of tensors does not require grad and does not have a grad_fn\n\n\n"
    found = explain_stream(io.BytesIO(text + b"step 1 of 10\n" * CAP))
    assert found.signature is not None and found.signature.id == "nothing-requires-grad"


HEADED = (
    "AttributeError: 'BartConfig' object has no attribute '_own'\n\nTraceback (most recent call last):\n"
    '  File "/srv/env/lib/python3.8/{file}", line 126, in _main\n    {code}\n  File "/srv/env/lib/python3.8/site-pac'
)


@pytest.mark.parametrize("between", ["\n\n", "\n", "\n\nThis comes up whenever I start it.\n\n"])
def test_a_first_line_without_a_mark_is_a_heading_above_a_traceback_that_is_cut_off(between: str) -> None:
    told = "tokenizer.chat_template is not set and no template argument was passed"
    cut = (
        "Traceback (most recent call last):\n"
        '  File "/srv/env/lib/python3.11/site-packages/trl/extras/dataset_formatting.py", line 47, in format_dataset\n'
        "    return tokenizer.apply_chat_template(examples[messages_field], tokenize=False, tools=tools)\n"
    )
    found = explain(told + between + cut).signature
    assert found and found.id == "chat-template-missing"
    assert explain("As in the last run.\n\n" + told + ".\n" + cut).signature is None, "it must speak of an error there"


def test_a_heading_is_known_by_the_traceback_that_is_cut_off_below_it() -> None:
    sent = HEADED.format(file="multiprocessing/spawn.py", code="self = reduction.pickle.load(from_parent)")
    other = HEADED.format(file="site-packages/someapp/start.py", code="run()")
    assert [explain(text).signature.id for text in (sent, other)] == [  # type: ignore[union-attr]
        "patched-object-sent-to-process",
        "stack-class-lacks-attribute",
    ]


@pytest.mark.parametrize("colon", [": ", ":", " : ", "："])
def test_a_colon_behind_an_exception_is_read_in_every_form(colon: str) -> None:
    found = explain(f"训练报错 ValueError{colon}paged_adamw_32bit is not a valid OptimizerNames, 怎么办")
    assert found.signature is not None and found.signature.id == "enumeration-value"
    assert found.diagnosis is not None and found.diagnosis.exception is not None
    assert found.diagnosis.exception.type == "ValueError"


PIPELINES = (
    "Traceback (most recent call last):\n"
    '  File "/srv/env/lib/python3.7/site-packages/transformers/pipelines.py", line 1821, in pipeline\n'
    '    raise KeyError("Unknown task {}, available tasks are {}".format(task, list(TASKS)))\n'
)


@pytest.mark.parametrize("end", ["", 'KeyError: "Unknown task'])
def test_what_the_code_says_that_raised_stands_for_a_message_that_is_cut_off(end: str) -> None:
    explanation = explain(PIPELINES + end)
    assert explanation.signature and explanation.signature.id == "pipeline-task-unknown"
    assert explanation.line == (4 if end else 3)


def test_a_message_that_ends_within_a_gap_of_its_wording_is_completed() -> None:
    text = PIPELINES.replace("/srv/env/lib/python3.7/site-packages/", "") + 'KeyError: "Unknown task zero-sh'
    explanation = explain(text)
    assert explanation.signature and explanation.signature.id == "pipeline-task-unknown"


def test_a_message_that_is_no_beginning_of_its_wording_stays_as_it_is() -> None:
    explanation = explain(PIPELINES + "KeyError: 'translation'")
    assert explanation.signature is None or explanation.signature.id != "pipeline-task-unknown"


@pytest.mark.parametrize(
    ("title", "signature"),
    [
        ("# Question: Object of type EncoderDecoderConfig is not JSON serializable", "value-not-json"),
        ("# [Bug] cannot import name 'get_peft_config' from 'peft' (unknown location)", "package-lacks-name"),
        ("# KeyError: 'rope_type'", "rope-field-missing"),
        ("# ImportError: cannot import name 'MODEL_WITH_LM_HEAD_MAPPING'", "imported-name-not-there"),
    ],
)
def test_a_label_before_what_a_title_tells_does_not_hide_it(title: str, signature: str) -> None:
    explanation = explain(title)
    assert explanation.signature and explanation.signature.id == signature


def test_an_import_of_a_name_that_no_package_of_the_stack_has_is_not_named() -> None:
    assert explain("ImportError: cannot import name 'make_my_own_thing'").signature is None


def test_a_class_that_says_all_is_read_where_its_message_is_quoted() -> None:
    found = explain(
        '# "InternalTorchDynamoError: source code not available" when using `torch.compile` in a notebook\n'
    )
    assert found.signature is not None and found.signature.id == "compile-failed"


def test_an_exception_that_only_hides_another_is_no_name_in_a_heading() -> None:
    told = "Could not import module 'Mistral3Model'. Are this object's requirements defined correctly?"
    text = f"# ModuleNotFoundError: {told}\n\nfrom transformers import Mistral3Model\n"
    assert explain(text).signature is None


@pytest.mark.parametrize(
    ("heading", "signature"),
    [
        ("RuntimeError: DataLoader worker (pid 22822) is killed by signal: Aborted.", "worker-crashed"),
        ("RuntimeError: DataLoader worker is killed by signal", "worker-crashed"),
        ("RuntimeError: what nobody knows of", None),
    ],
)
def test_what_a_good_run_may_say_too_counts_where_the_heading_says_the_same(
    heading: str, signature: str | None
) -> None:
    found = explain(
        f"# {heading}\n\nTraceback (most recent call last):\n"
        '  File "/srv/lib/python3.9/site-packages/torch/utils/data/_utils/signal_handling.py", line 66, in handler\n'
        "    _error_if_any_worker_fails()\n"
        "RuntimeError: DataLoader worker (pid 22822) is killed by signal: Aborted.\n"
    )
    assert (found.signature and found.signature.id) == signature


def test_a_message_that_was_cut_off_is_taken_from_what_a_logger_wrote_before() -> None:
    begun = "org/model-8K-interim does not appear to have file"
    found = explain(
        f"01:00:35 [ERROR] Quantization failed: {begun}s named ('model-00001-of-00006.safetensors').\n"
        "Traceback (most recent call last):\n"
        '  File "/srv/env/lib/python3.12/site-packages/transformers/utils/hub.py", line 543, in cached_files\n'
        "    raise OSError(\n"
        f"OSError: {begun}"
    )
    assert found.signature is not None and found.signature.id == "weights-shard-missing", found.as_text()


def test_the_underscores_that_markdown_took_off_a_functions_name_are_not_missed() -> None:
    found = explain(
        "Traceback (most recent call last):\n"
        'File "", line 1, in\n'
        'File "/transformers/models/auto/configuration_auto.py", line 1022, in from_pretrained\n'
        'config_class = CONFIG_MAPPING[config_dict["model_type"]]\n'
        'File "/transformers/models/auto/configuration_auto.py", line 723, in getitem\n'
        "raise KeyError(key)\n"
        "KeyError: 'mistral'\n"
    )
    assert found.signature is not None and found.signature.id == "model-type-unknown"


CUT_IMPORT = (
    "Traceback (most recent call last):\n"
    '  File "/srv/env/lib/python3.12/site-packages/setfit/training_args.py", line 13, in <module>\n'
    "    from transformers.training_args import {names}\n"
    "ImportError: ca"
)


def test_an_import_tells_the_end_of_a_message_that_is_cut_off() -> None:
    found = explain(CUT_IMPORT.format(names="default_logdir"))
    assert found.signature is not None and found.signature.id == "name-not-in-transformers"
    assert found.diagnosis is not None and found.diagnosis.exception is not None
    assert found.diagnosis.exception.message == "cannot import name 'default_logdir' from 'transformers.training_args'"


def test_an_import_of_several_names_does_not_tell_which_one_is_missing() -> None:
    found = explain(CUT_IMPORT.format(names="default_logdir, TrainingArguments"))
    assert found.signature is None or found.signature.within


ABOVE = "ImportError: FlashAttention2 has been toggled on, but it cannot be used due to the following error: x.\n\n"
CUT_RAISE = (
    '  File "/srv/env/lib/python3.10/site-packages/transformers/modeling_utils.py", line 1551, in _check\n'
    "    raise ImportError(\nImportError: Fla"
)


def test_a_few_letters_of_a_message_are_enough_where_the_first_line_has_all_of_it() -> None:
    found = explain(ABOVE + CUT_RAISE)
    assert found.signature is not None and found.signature.id == "flash-attention-missing"


NARROWER = "Loading raises: `OSError: org/model does not appear to have a file named config.json.`\n\n"
CUT_CHAIN = (
    "Traceback (most recent call last):\n"
    '  File "/srv/env/lib/python3.10/site-packages/requests/models.py", line 1021, in raise_for_status\n'
    "    raise HTTPError(http_error_msg, response=self)\n"
    "requests.exceptions.HTTPError: 404 Client Error: Not Found for url: https://huggingface.co/o/m/resolve/main/a.json\n\n"
    "The above exception was the direct cause of the following exception:\n\n"
    "Traceback (most recent call last):\n"
    '  File "/srv/env/lib/python3.10/site-packages/transformers/utils/hub.py", line 429, in cached_file\n'
)


def test_a_heading_tells_more_than_a_last_resort_of_a_chain_that_is_cut_off() -> None:
    names = [explain(text).signature for text in (CUT_CHAIN, NARROWER + CUT_CHAIN)]
    assert [name and name.id for name in names] == ["hub-not-found", "hub-config-missing"]


QUANTIZER = """    File /usr/dist-packages/transformers/quantizers/quantizer_bnb_4bit.py:62, in Q.validate_environment()
         60 def validate_environment(self, *args, **kwargs):
         61     if not (is_accelerate_available() and is_bitsandbytes_available()):
    ---> 62         raise ImportError(
"""


def test_where_a_message_is_cut_off_all_that_its_function_raises_tells_it() -> None:
    found = explain(f'{QUANTIZER}         63             "Using `bitsand\n')
    assert found.signature
    assert found.signature.id == "quantization-needs-package"
    assert explain(f'{QUANTIZER}         63             "Something\n').signature is None


TITLED = """{title}

{kind}                                   Traceback (most recent call last)
Cell In[3], line 2
----> 2 AutoModel.from_pretrained("org/model")

File ~/.local/lib/python3.10/site-packages/transformers/models/auto/auto_factory.py:526, in from_pretrained(cls, path)
--> 526 config, kwargs = AutoConfig.from_pretrained(
"""


def test_a_title_that_is_the_message_alone_is_read_with_the_class_of_the_traceback_below() -> None:
    found = explain(TITLED.format(title="org/model does not appear to have a file named config.json", kind="OSError"))
    assert found.signature
    assert (found.signature.id, found.line) == ("hub-config-missing", 1)


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("org/model does not appear to have a file named config.json", "KeyError"),
        ("My org/model does not appear to have a file named config.json", "OSError"),
        ("Error with a file", "OSError"),
    ],
)
def test_a_title_of_another_class_or_of_a_person_is_no_message(title: str, kind: str) -> None:
    assert explain(TITLED.format(title=title, kind=kind)).signature is None


@pytest.mark.parametrize(
    ("title", "signature"),
    [
        ("Expected all tensors to be on the same device, but found cuda:0 and cpu", "tensors-on-two-devices"),
        ("Expected all tensors to be on the same device, and so they are now", None),
    ],
)
def test_a_title_above_a_cut_traceback_may_go_on_with_what_was_found(title: str, signature: str | None) -> None:
    cut = (
        "\n\n   1063         return self.base_model(\n-> 1073     return self.base_model(\n   1074         input_ids,\n"
    )
    found = explain(
        f"{title}{cut}\nFile /opt/lib/python3.10/site-packages/torch/nn/modules/module.py:1501, in Module._call(self)\n"
    )
    assert (found.signature and found.signature.id) == signature
