"""What bears a name of the stack's and is the script's own, and what is the stack's all the same."""

from __future__ import annotations

import pytest

from compatcheck.explanation import explain

SCRIPT = 'Traceback (most recent call last):\n  File "/srv/run/train.py", line 9, in <module>\n    {code}\n{error}\n'
WITHIN = (
    'Traceback (most recent call last):\n  File "/srv/run/train.py", line 9, in <module>\n    trainer.train()\n'
    '  File "/srv/env/lib/python3.11/site-packages/{library}", line 9, in {function}\n    call(x)\n'
    '  File "/srv/run/own.py", line 9, in own\n    {code}\n{error}\n'
)


def name(text: str) -> str | None:
    found = explain(text).signature
    return found.id if found else None


@pytest.mark.parametrize(
    ("code", "error", "expected"),
    [
        ("m = load_model(device='cuda')", "TypeError: load_model() got an unexpected keyword argument 'device'", None),
        ("m = whisperx.load_model('x', device='cuda')",
         "TypeError: load_model() got an unexpected keyword argument 'device'", "stack-function-arguments"),
        ("cfg.data_path", "AttributeError: 'ModelConfig' object has no attribute 'data_path'", None),
        ("self.num_iterations = args.num_iterations",
         "AttributeError: 'GRPOConfig' object has no attribute 'num_iterations'", "stack-class-lacks-attribute"),
        ("self.layers[0]", "AttributeError: 'LlamaModel' object has no attribute 'tok_embeddings'",
         "model-lacks-attribute"),
        ("self.tok_embeddings(x)", "AttributeError: 'LlamaModel' object has no attribute 'tok_embeddings'", None),
    ],
)  # fmt: skip
def test_a_name_that_anybody_may_choose_is_the_scripts_where_the_script_calls(
    code: str, error: str, expected: str | None
) -> None:
    assert name(SCRIPT.format(code=code, error=error)) == expected


def test_what_a_library_s_own_method_misses_of_itself_is_not_the_scripts() -> None:
    text = WITHIN.format(
        library="transformers/models/llama/modeling_llama.py",
        function="forward",
        code="self.tok_embeddings(x)",
        error="AttributeError: 'LlamaModel' object has no attribute 'tok_embeddings'",
    )
    assert name(text) == "model-lacks-attribute"


@pytest.mark.parametrize(
    ("url", "expected"),
    [("https://api.example.com/v1", None), ("https://huggingface.co/api/models/x/y", "hub-unauthorized")],
)
def test_a_library_that_calls_a_script_has_no_part_in_what_that_asks_of_others(url: str, expected: str | None) -> None:
    text = WITHIN.format(
        library="transformers/trainer_callback.py",
        function="call_event",
        code="r.raise_for_status()",
        error=f"requests.exceptions.HTTPError: 401 Client Error: Unauthorized for url: {url}",
    )
    assert name(text) == expected


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("/srv/run/train.py", None),
        ("/srv/env/lib/python3.11/site-packages/diffusers/models/x.py", "assertion-in-package"),
    ],
)
def test_few_words_that_a_script_raises_itself_are_its_own(file: str, expected: str | None) -> None:
    error = "AssertionError: nheads must be divisible by ngroups"
    text = f'Traceback (most recent call last):\n  File "{file}", line 9, in f\n    assert a % b == 0\n{error}\n'
    assert name(text) == expected
