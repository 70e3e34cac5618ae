"""Where running text tells the place of a failure, or nothing but its class, that is enough to name it; and no more."""

from __future__ import annotations

import pytest

from compatcheck.explanation import explain

LIST = "AttributeError: 'list' object has no attribute 'keys'"


def named(text: str) -> tuple[str | None, int | None]:
    found = explain(text)
    return (found.signature.id if found.signature else None), found.line


@pytest.mark.parametrize(
    ("text", "signature", "line"),
    [
        # a file with its line
        ('With peft 0.6 an IndexError occurs in "peft/tuners/adaption_prompt/utils.py:45":\n\n'
         "raises `IndexError: tuple index out of range`.", "index-in-package", 3),
        ("It ends with TypeError: 'NoneType' object is not subscriptable\n\n"
         "at `transformers/models/llama/modeling_llama.py:869`:\n\n    length = past_key_values[0][0].shape[2]",
         "past-key-values-taken-apart", 1),
        # a function that the signature asks for
        (f"Loading a tokenizer crashes in `_set_model_specific_special_tokens()`:\n\n```\n{LIST}\n```",
         "tokenizer-config-too-new", 4),
        # a private name that the signature is about
        (f"- `_tied_weights_keys` was a list in this transformers model\n- It says `{LIST}`",
         "tied-weights-as-list", 2),
        # a line of code
        ("Traceback:\ntokenizer = AutoTokenizer.from_pretrained(path)\n...\n"
         'with open(merges_file, encoding="utf-8") as merges_handle:\n'
         "TypeError: expected str, bytes or os.PathLike object, not NoneType", "tokenizer-vocabulary-missing", 5),
        # the class alone
        ("NonMatchingSplitsSizesError when loading a dataset of the hub", "data-checksum-differs", 1),
    ],
)  # fmt: skip
def test_a_text_tells_the_place(text: str, signature: str, line: int) -> None:
    assert named(text) == (signature, line)


@pytest.mark.parametrize(
    "text",
    [
        f"Loading a transformers tokenizer crashes:\n\n```\n{LIST}\n```",
        f"Loading crashes in `keys()` of transformers:\n\n```\n{LIST}\n```",
        "In train.py:12 and peft/utils/other.py:45, transformers raises `IndexError: tuple index out of range`.",
        "My own model/file.py:45 with transformers raises `IndexError: tuple index out of range`.",
        "ValueError when loading a dataset of the hub",
        "We catch NonMatchingSplitsSizesErrors of datasets in this class",
    ],
)
def test_what_tells_no_place_has_no_name(text: str) -> None:
    assert named(text)[0] is None


def test_a_private_name_that_a_signature_is_about_tells_as_much_as_a_place() -> None:
    told = "Loading fails: `AttributeError: 'list' object has no attribute 'keys'`"
    named = explain(f"{told} since the model sets `_tied_weights_keys`.").signature
    assert named is not None and named.id == "tied-weights-as-list"
    assert explain(f"{told} since the model sets `_other_weights_keys`.").signature is None
    assert explain(f"{told} since the model's weights are tied.").signature is None
