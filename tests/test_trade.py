"""What a text is about, and that what any program may meet is named only where it is about models."""

from __future__ import annotations

import pytest

from compatcheck.explanation import explain, shipped_catalogue
from compatcheck.trade import of_models, packages_named


def test_packages_are_known_in_any_spelling() -> None:
    named = packages_named("We use Sentence-Transformers, FlagEmbedding and hugging_face's peft.")
    assert {"sentence_transformers", "flagembedding", "peft"} <= named and "torch" not in named


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("I fine-tune a model with PyTorch", True),
        ("File 'chatglm3-finetune/train.py'", True),
        ("lmdeploy serve", True),
        ("django.db.utils.OperationalError: could not connect to server: Connection refused", False),
        ("The order service reads /etc/orders.yaml", False),
    ],
)
def test_a_text_is_about_models_or_not(text: str, about: bool) -> None:
    assert of_models(text) is about


FAILURE = """Traceback (most recent call last):
  File "/srv/{where}/views.py", line 31, in load
    return open(path).read()
UnicodeDecodeError: 'utf-8' codec can't decode byte 0x80 in position 64: invalid start byte
"""


def test_what_any_program_may_meet_has_a_name_only_beside_models() -> None:
    common = [each for each in shipped_catalogue() if each.common]
    assert common and not any(each.common for each in shipped_catalogue().of_models)
    shop, tuner = explain(FAILURE.format(where="shop")), explain(FAILURE.format(where="llama-tuner"))
    assert shop.signature is None and shop.diagnosis is not None and shop.diagnosis.fingerprint
    assert tuner.signature is not None and tuner.signature.id == "text-not-utf-8"
