"""What a random model must be like for the checks on generated tokens to mean something, and which seed is.

The criterion, on the first words of each shipped data set, over `STEPS` greedy steps, with and without a
random soft prompt of `VIRTUAL_TOKENS`:

1. no special token is generated, so that every run has the same length;
2. every step's best logit leads the second by `MARGIN` or more, so that rounding, which differs between
   releases and platforms, cannot change a token;
3. the tokens vary (`VARIETY` distinct ones), so that the same tokens are not the same by default;
4. the soft prompt changes the very first tokens, so that a prompt that is ignored shows;
5. so does a lost cache.

The seed is the smallest one that meets it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

from compatcheck.scenario.forward import Reader, Step, greedy
from compatcheck.scenario.vocabulary import SPECIAL_TOKENS
from compatcheck.scenario.weights import Shape, normal, random_tensors

STEPS = 16
VIRTUAL_TOKENS = 8
MARGIN = 0.02
"""Of a logit. Rounding in float32 moves logits by some 0.00001."""
VARIETY = 7
EARLY = 3
"""Within how many steps a fault must show."""


def soft_prompt(hidden: int) -> list[list[float]]:
    """A random soft prompt: standard normal rows, as PEFT's RANDOM init draws them."""
    values = normal("soft prompt", VIRTUAL_TOKENS * hidden)
    return [values[at : at + hidden] for at in range(0, len(values), hidden)]


def flaws(shape: Shape, tensors: dict[str, list[float]], prompts: Sequence[Sequence[int]]) -> Iterator[str]:
    """What keeps a model from being fit, one sentence each; nothing if it is fit. Lazy: the first may do."""
    reader = Reader(shape, tensors)
    virtual = soft_prompt(shape.hidden)
    for number, prompt in enumerate(prompts):
        plain = greedy(reader, prompt, STEPS)
        yield from _flaws_of(f"prompt {number}", plain)
        soft = greedy(reader, prompt, STEPS, virtual=virtual)
        yield from _flaws_of(f"prompt {number} behind a soft prompt", soft)
        if _tokens(plain)[:EARLY] == _tokens(soft)[:EARLY]:
            yield f"prompt {number}: the soft prompt does not change the first {EARLY} tokens"
        for what, tokens, before in (("", plain, ()), (" behind a soft prompt", soft, virtual)):
            lost = greedy(reader, prompt, EARLY, virtual=before, forgetful=True)
            if _tokens(tokens)[:EARLY] == _tokens(lost):
                yield f"prompt {number}{what}: a lost cache does not change the first {EARLY} tokens"


def smallest_fit_seed(shape: Shape, prompts: Sequence[Sequence[int]]) -> int:
    """The smallest seed without a flaw. Takes half a minute."""
    return next(seed for seed in count() if not any(flaws(shape, random_tensors(shape, seed), prompts)))


def _tokens(steps: Sequence[Step]) -> list[int]:
    return [step.token for step in steps]


def _flaws_of(what: str, steps: Sequence[Step]) -> Iterator[str]:
    if any(step.token < len(SPECIAL_TOKENS) for step in steps):
        yield f"{what}: a special token is generated"
    if (margin := min(step.margin for step in steps)) < MARGIN:
        yield f"{what}: a step is decided by {margin:.4f}, less than {MARGIN}"
    if (variety := len(set(_tokens(steps)))) < VARIETY:
        yield f"{what}: {variety} distinct tokens, fewer than {VARIETY}"
