"""What a text is about: which packages it names, and whether it speaks of models at all."""

from __future__ import annotations

import re

from .source_packages import PACKAGES, folder_of

_NAME = re.compile(r"[A-Za-z]\w{2,40}(?:-\w{2,20}){0,3}")
_OF_MODELS = re.compile(
    r"(?i)torch|hugging ?face|transformers|\bcuda\b|\bl?lama|bert\b|\bgpt|lora\b|\bllms?\b|tokeniz|fine-?tun|pretrain"
    r"|diffusion|embedding|dataloader|whisper|mistral|qwen|chatglm|tensor|\bneural|epoch\b|\bnltk\b|\bspacy\b|sklearn"
    r"|kaggle|colab|\bmodel(?:s|ing)?_\w|\bGPUs?\b|\bAI\b|machine learning"
    r"|(?:site|dist)-packages[/\\]+(?:accelerate|adapters|datasets|evaluate|flair|kernels|outlines|petals)\b"
)


_ANYBODYS = frozenset(
    {"accelerate", "adapters", "datasets", "evaluate", "flair", "kernels", "outlines", "petals", "ray"}
)
"""Packages with the name of a thing that any text may speak of."""


def packages_named(text: str) -> frozenset[str]:
    """The packages whose sources were read that a text names, in whatever spelling."""
    found = _NAME.findall(text)
    words = {part.lower().replace("-", "_") for word in found for part in (word, *word.split("-"))}
    joined = {word.replace("_", "") for word in words}
    return frozenset(
        package for package in PACKAGES
        for name in (package, folder_of(package).lower())
        if name in words or name.replace("_", "") in joined
    )  # fmt: skip


def of_models(text: str) -> bool:
    """Whether a text speaks of models, of training, or of the libraries for them: many a failure is any program's."""
    return bool(_OF_MODELS.search(text) or packages_named(text) - _ANYBODYS)
