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
        ('File "/usr/lib/python3.11/site-packages/datasets/arrow_dataset.py", line 9', True),
        ("The datasets of the shop are evaluated", False),
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


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("RuntimeError: Could not infer dtype of NoneType", "value-no-tensor"),
        ("TypeError: can't convert np.ndarray of type numpy.object_. The only", "value-no-tensor"),
        ("RuntimeError: grad can be implicitly created only for scalar outputs", "tensor-not-one-number"),
        ("ValueError: ffmpeg was not found but is required to load audio files from filename", "ffmpeg-missing"),
        ("ValueError: setting an array element with a sequence", "array-of-uneven-rows"),
        ("ValueError: The truth value of an array with more than one element is ambiguous.", "array-not-one-number"),
        ("soundfile.LibsndfileError: Error opening 'speech.m4a': Format not recognised.", "sound-not-decoded"),
    ],
)
def test_what_torch_or_transformers_says_is_theirs_and_what_numpy_says_is_anybodys(message: str, name: str) -> None:
    of_all = {each.id for each in shipped_catalogue() if each.common}
    script = f'Traceback (most recent call last):\n  File "/srv/shop/views.py", line 31, in load\n{message}\n'
    told = explain(script).signature
    assert (told.id if told else None) == (None if name in of_all else name)
    beside = explain(script.replace("shop", "llama-tuner")).signature
    assert beside is not None and beside.id == name
