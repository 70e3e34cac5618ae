"""The words of the failure classes, for a person who has never looked inside a language model."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from .context import Context
from .entry import FailureClass


@dataclass(frozen=True)
class Term:
    name: str
    meaning: str
    found: str
    """A regular expression: texts that fit it need the term."""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(self.found)


TERMS = (
    Term(
        "prompt tuning",
        "A cheap way to teach a finished language model a task: the model stays as it is, and only a few virtual "
        "tokens in front of every text are trained.",
        r"(?i)prompt.tun|virtual token|adapter|without the prompt",
    ),
    Term(
        "virtual tokens",
        "The rows of numbers that prompt tuning trains. The model reads them like words at the beginning of the text; "
        "where they are left out or put in twice, the training is lost or does harm.",
        r"(?i)virtual token|without the prompt|puts? the prompt",
    ),
    Term(
        "adapter", "What training leaves behind: a small file that peft lays over the unchanged model.", r"(?i)adapter"
    ),
    Term(
        "token",
        "A piece of text as the model sees it, about a word or a part of one. A model writes one token at a time.",
        r"(?i)\btokens?\b",
    ),
    Term(
        "generate",
        "The function of transformers that lets a model write: it asks the model for the next token, again and again. "
        "At every step peft may change what the model is given, and that is where it puts the virtual tokens in.",
        r"\bgenerates?\b|prepare_inputs_for_generation|every step|first step",
    ),
    Term(
        "cache (KV cache)",
        "The notes that generate keeps of what the model has read so far, so that a new token does not cost reading "
        "everything again. At the first step it is empty, and peft looks at it to see whether this is the first step. "
        "transformers changed its form several times; a peft that does not know the form misreads it. In code it is "
        "called past_key_values, lately also cache; its classes are DynamicCache, EncoderDecoderCache, HybridCache.",
        r"(?i)cache(?!-)|past_key_values",
    ),
    Term(
        "use_cache=False",
        "An option of generate: keep no notes and read everything again at each step. Slower, and the same text where "
        "all is well.",
        r"use_cache|[Ww]ithout the cache",
    ),
    Term(
        "layer",
        "A language model is a stack of like parts, its layers; the cache has a place for the notes of each.",
        r"(?i)\blayers?\b",
    ),
    Term(
        "attention mask",
        "A row of ones and zeros that tells the model which tokens to look at. It must be exactly as long as what the "
        "model reads: with virtual tokens counted but not put in, it is too long.",
        r"(?i)\bmask\b",
    ),
    Term(
        "forward",
        "One pass of a text through the model. A keyword is a named value that the caller hands over with it; one that "
        "the receiver does not know is an error.",
        r"\bforward\b|(?i:\bkeywords?\b)|num_items_in_batch",
    ),
    Term(
        "Trainer and accelerate",
        "The Trainer is the part of transformers that runs a training. It leaves the work with processors and data to "
        "accelerate, another package, which pip brings along in its newest version.",
        r"\bTrainer\b|accelerate|DataLoaderConfiguration",
    ),
    Term(
        "configuration",
        "The settings of a model, such as its number of layers, as an object of transformers.",
        r"(?i)\bconfigurations?\b|get_text_config|\bconfig\b",
    ),
    Term(
        "metadata",
        "What a package declares about itself, above all which versions of other packages it wants. pip believes it: "
        "what is missing there, pip cannot know.",
        r"(?i)\bmetadata\b|declared",
    ),
    Term(
        "import",
        "Loading a package's code before it is used. A name that the code wants from another package and that is not "
        "there (any more) is an error at once.",
        r"(?i)\bimport",
    ),
)


def needed(each: FailureClass) -> tuple[Term, ...]:
    """The terms that the texts of a failure class use, in the order of the glossary."""
    if each.signature is None:
        return ()
    return terms_in([each.signature.title, each.signature.cause, each.signature.remedy])


def needed_by(context: Context) -> tuple[Term, ...]:
    """The terms that any of the context's failure classes uses."""
    found = {term for each in context.classes for term in needed(each)}
    return tuple(term for term in TERMS if term in found)


def terms_in(texts: Iterable[str]) -> tuple[Term, ...]:
    whole = "\n".join(texts)
    return tuple(term for term in TERMS if term.pattern.search(whole))
