"""BLOOM's byte-level BPE: learnt from texts, applied to a text, and written as a tokenizer.json.

Plain Python throughout, so that the same texts give the same bytes whatever release of `tokenizers` is
installed. The tokenizer.json is in the format of bloomz-560m's own: merges are strings ("Ġ t"), the special
tokens head the vocabulary, there is no normaliser.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

SPECIAL_TOKENS = ("<unk>", "<s>", "</s>", "<pad>")
"""Ids 0 to 3, in this order, as in every BLOOM."""

SPLIT = r" ?[^(\s|[.,!?…。，、।۔،])]+"
"""BLOOM's pre-tokenization as tokenizer.json spells it: the inner brackets are a class within a class."""

_WORDS = re.compile(r" ?[^(\s|.,!?…。，、।۔،)]+")
"""`SPLIT` for `re`, which has no nested classes: the same characters in one class."""


@dataclass(frozen=True)
class Vocabulary:
    """Tokens in the order of their ids, and the merges in the order in which they were learnt."""

    tokens: tuple[str, ...]
    merges: tuple[tuple[str, str], ...]


def _byte_letters() -> dict[int, str]:
    """Byte -> the printable character that stands for it in byte-level BPE (GPT-2's table)."""
    printable = {byte for low, high in ("!~", "¡¬", "®ÿ") for byte in range(ord(low), ord(high) + 1)}
    letters = {byte: chr(byte) for byte in sorted(printable)}
    for byte in range(256):
        if byte not in letters:
            letters[byte] = chr(256 + len(letters) - len(printable))
    return letters


_LETTERS = _byte_letters()


def _pieces(text: str) -> Iterator[tuple[str, ...]]:
    """A text cut at the split's matches (what lies between two matches is a piece too), as byte letters."""
    end = 0
    for word in _WORDS.finditer(text):
        for piece in (text[end : word.start()], word.group()):
            if piece:
                yield tuple(_LETTERS[byte] for byte in piece.encode("utf-8"))
        end = word.end()
    if end < len(text):
        yield tuple(_LETTERS[byte] for byte in text[end:].encode("utf-8"))


def _merged(symbols: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    """The symbols with every occurrence of the pair joined, from the left."""
    joined: list[str] = []
    at = 0
    while at < len(symbols):
        if symbols[at : at + 2] == pair:
            joined.append(pair[0] + pair[1])
            at += 2
        else:
            joined.append(symbols[at])
            at += 1
    return tuple(joined)


def learn(texts: Iterable[str], size: int) -> Vocabulary:
    """A vocabulary of `size` tokens: the special ones, the 256 bytes, and then the most frequent pairs.

    Of equally frequent pairs the first in code-point order is merged first.
    """
    words = Counter(piece for text in texts for piece in _pieces(text))
    tokens = [*SPECIAL_TOKENS, *sorted(_LETTERS.values())]
    merges: list[tuple[str, str]] = []
    while len(tokens) < size:
        pairs: Counter[tuple[str, str]] = Counter()
        for symbols, count in words.items():
            for pair in pairwise(symbols):
                pairs[pair] += count
        if not pairs:
            raise ValueError(f"the texts yield {len(tokens)} tokens, fewer than the {size} asked for")
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        tokens.append(best[0] + best[1])
        rewritten: Counter[tuple[str, ...]] = Counter()
        for symbols, count in words.items():
            rewritten[_merged(symbols, best)] += count
        words = rewritten
    if len(set(tokens)) != len(tokens):
        raise ValueError("two different pairs spell the same token")
    return Vocabulary(tuple(tokens), tuple(merges))


def encode(text: str, vocabulary: Vocabulary) -> list[int]:
    """The ids of a text, without special tokens: what a BLOOM tokenizer returns as input_ids."""
    ids = {token: number for number, token in enumerate(vocabulary.tokens)}
    ranks = {pair: rank for rank, pair in enumerate(vocabulary.merges)}
    found: list[int] = []
    for symbols in _pieces(text):
        while known := [pair for pair in pairwise(symbols) if pair in ranks]:
            symbols = _merged(symbols, min(known, key=ranks.__getitem__))
        found += [ids[symbol] for symbol in symbols]
    return found


def tokenizer_json(vocabulary: Vocabulary) -> bytes:
    """The tokenizer.json, on one line, as bloomz-560m ships it."""
    content = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": number,
                "special": True,
                "content": token,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
            }
            for number, token in enumerate(SPECIAL_TOKENS)
        ],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": SPLIT}, "behavior": "Isolated", "invert": False},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
            ],
        },
        "post_processor": {
            "type": "ByteLevel",
            "add_prefix_space": True,
            "trim_offsets": False,
            "use_regex": False,
        },
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": False},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "vocab": {token: number for number, token in enumerate(vocabulary.tokens)},
            "merges": [f"{left} {right}" for left, right in vocabulary.merges],
        },
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
