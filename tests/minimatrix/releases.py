"""The releases of the minimatrix. The newest torch, transformers, tokenizers, accelerate and peft are good.

Faulty releases come in families of one minor version (peft 0.2.x raises, 0.3.x is wrong, 0.4.x dies).
Tests should ask for a fault by name, `with_fault("segfault-in-train")`, and not by number.
"""

from __future__ import annotations

from .wheels import Release, day

CACHE_MESSAGE = "KeyError: Cache only has 0 layers, attempted to access layer with index 0"
"""What releases of peft before the new cache say beside releases of transformers that have it."""

_OLD = day("2024-07-01")

GOOD = (
    Release("torch", "2.0.0", _OLD, note="good, old"),
    Release("torch", "2.0.1", note="good"),
    Release("torch", "2.1.0", note="good; the newest that counts"),
    Release("torch", "2.1.1", yanked="broken on some machines", note="yanked"),
    Release("torch", "2.2.0rc1", note="a pre-release"),
    Release("tokenizers", "0.19.0", day("2024-01-10"), note="good, old"),
    Release("tokenizers", "0.20.0", day("2024-05-10"), note="good"),
    Release("tokenizers", "0.21.0", day("2024-12-10"), note="good, newest"),
    Release("accelerate", "0.1.0", day("2024-01-05"), note="good, old"),
    Release(
        "accelerate",
        "0.2.0",
        day("2024-06-05"),
        "raise-in-train",
        note="a cell of OLD versions gets this one under `contemporary` and fails; under `today` it passes",
    ),
    Release("accelerate", "0.3.0", day("2025-01-05"), note="good, newest"),
    Release("transformers", "4.0.0", _OLD, note="good, old"),
    Release("transformers", "4.44.0", day("2025-02-01"), note="good, the last before the change"),
    Release(
        "transformers",
        "5.0.0",
        day("2025-02-20"),
        requires=("tokenizers>=0.20", "torch", "accelerate"),
        note="good, but peft 0.1.0 fails beside it, and peft 0.9.1 cannot be installed with it",
    ),
    Release(
        "transformers",
        "5.1.0",
        day("2025-03-20"),
        requires=("tokenizers>=0.20", "torch", "accelerate"),
        note="good, newest",
    ),
    Release(
        "peft",
        "0.1.0",
        _OLD,
        "raise-in-generate-cached",
        when="transformers>=5",
        message=CACHE_MESSAGE,
        note="good before transformers 5; from there on generate with the cache raises, without it works",
    ),
    Release("peft", "0.1.1", day("2025-02-25"), note="good with every transformers"),
    Release("peft", "0.10.0", day("2025-03-25"), note="good, newest"),
)

OLD = {"torch": "2.0.0", "transformers": "4.0.0", "peft": "0.1.0"}
"""A cell whose outcome depends on the policy (see accelerate 0.2.0)."""
NEW = {"torch": "2.1.0", "transformers": "5.1.0", "peft": "0.10.0"}
"""A cell that passes."""
DRIFT = Release("accelerate", "0.4.0", day("2025-06-05"), "raise-in-train", note="not in RELEASES: publish it later")
"""The world moves on: once an index holds it, new locks under `today` take it and fail in train."""


def _family(package: str, minor: str, faults: tuple[str, ...]) -> tuple[Release, ...]:
    return tuple(Release(package, f"{minor}.{patch}", fault=fault) for patch, fault in enumerate(faults))


RAISING = (
    *_family(
        "peft",
        "0.2",
        (
            "raise-in-train",
            "raise-in-save",
            "raise-in-reload",
            "raise-in-generate",
            "raise-in-generate-cached",
            "raise-in-generate-uncached",
            "raise-in-verify",
            "raise-in-import",
            "sys-exit-in-train",
        ),
    ),
    *_family("transformers", "4.2", ("raise-in-import", "raise-in-load", "raise-in-tokenize", "raise-in-train")),
    *_family("torch", "1.2", ("raise-in-import",)),
)

CHECKS_FAILED: dict[str, frozenset[str]] = {
    "adapter-ignored": frozenset({"prompt-has-effect"}),
    "generate-ignores-adapter": frozenset({"cached-equals-reference", "uncached-equals-reference"}),
    "embedding-frozen": frozenset({"only-prompt-changed", "loss-fell"}),
    "reload-other-weights": frozenset({"reload-equals-save"}),
    "cache-off-by-one": frozenset({"cached-equals-reference"}),
    "uncached-wrong": frozenset({"uncached-equals-reference"}),
    "base-changed": frozenset({"only-prompt-changed", "reload-equals-save"}),
    "gradient-ascent": frozenset({"loss-fell"}),
}
"""Errors in the arithmetic, and exactly the checks that find them. With `uncached-wrong` the cell passes."""

WRONG = (
    *_family(
        "peft",
        "0.3",
        ("adapter-ignored", "generate-ignores-adapter", "embedding-frozen", "reload-other-weights"),
    ),
    *_family("transformers", "4.3", ("cache-off-by-one", "uncached-wrong", "base-changed", "gradient-ascent")),
)

DYING = (
    *_family(
        "peft",
        "0.4",
        (
            "segfault-in-train",
            "abort-in-train",
            "illegal-instruction-in-train",
            "sigkill-in-train",
            "exit-zero-in-train",
            "exit-seven-in-train",
            "segfault-in-import",
            "segfault-in-generate-cached",
        ),
    ),
    *_family("torch", "1.4", ("illegal-instruction-in-import",)),
)

HANGING = (
    *_family(
        "peft",
        "0.5",
        (
            "hang-in-train",
            "hang-ignoring-sigterm-in-train",
            "spin-in-train",
            "hang-in-import",
            "hang-in-save",
            "hang-in-reload",
            "hang-in-generate",
            "hang-in-verify",
        ),
    ),
    *_family("transformers", "4.5", ("hang-in-load", "hang-in-tokenize")),
)

GREEDY = _family("peft", "0.6", ("allocate-memory-in-train", "slow-leak-in-train", "allocate-in-child-in-train"))
"""10 GiB each if nobody stops them."""

LOUD = _family(
    "peft",
    "0.7",
    (
        "flood-stdout-in-train",
        "flood-stderr-in-train",
        "flood-protocol-in-train",
        "flood-protocol-lines-in-train",
        "garbage-protocol-in-train",
        "torn-protocol-in-train",
        "enormous-line-in-train",
        "lies-in-numbers-in-train",
        "torrent-stdout-in-train",
        "torrent-stderr-in-train",
    ),
)
"""64 MiB each for the floods, 1 GiB for the torrents, and then the cycle goes on."""

LYING = _family("transformers", "4.6", ("lies-and-dies-in-train", "lies-and-leaves-in-train"))
"""A pass is forged."""

PARTIAL = _family("peft", "0.0", ("segfault-in-lora", "generate-ignores-adapter-of-llama"))
"""Good for some methods or models: what dies with LoRA, and what is silent on Llama and raises on the others."""

UNTIDY = _family(
    "peft",
    "0.8",
    (
        "daemonised-child-in-train",
        "fork-storm-in-train",
        "closes-pipes-in-train",
        "writes-into-site-packages-in-train",
        "spoils-neighbour-in-train",
        "deletes-own-files-in-train",
        "chdir-in-train",
        "unmarked-daemon-in-train",
        "endless-storm-in-train",
        "fills-disk-in-train",
        "deletes-work-in-train",
        "spoils-torch-in-train",
        "spoils-settings-in-train",
    ),
)

UNINSTALLABLE = (
    Release(
        "peft",
        "0.9.0",
        requires=("torch", "transformers<4", "accelerate"),
        note="there is no such transformers",
    ),
    Release(
        "peft",
        "0.9.1",
        requires=("torch", "transformers", "accelerate", "tokenizers<0.20"),
        note="conflicts with transformers 5 by way of tokenizers; passes with transformers 4",
    ),
    Release("peft", "0.9.2", requires_python=">=3.99", note="for no Python there is"),
    Release(
        "peft",
        "0.9.3",
        requires=("torch", "transformers", "accelerate", "no-such-package"),
        note="what it requires does not exist",
    ),
    Release("torch", "1.9.0", tag="cp39-cp39-win_arm64", note="no wheel for this platform"),
    Release("transformers", "4.9.0", requires_python=">=3.12", note="for newer Pythons only"),
)

RELEASES = (*GOOD, *RAISING, *WRONG, *DYING, *HANGING, *GREEDY, *LOUD, *LYING, *PARTIAL, *UNTIDY, *UNINSTALLABLE)


def find(package: str, version: str) -> Release:
    """The release of `package` that has `version`."""
    return next(each for each in RELEASES if (each.package, each.version) == (package, version))


def with_fault(fault: str) -> Release:
    """The release that has `fault`; the first, where several packages have it."""
    return next(each for each in RELEASES if each.fault == fault)


def cell_with(release: Release) -> dict[str, str]:
    """NEW with `release` in it: the versions of a cell in which nothing else is wrong."""
    return {**NEW, release.package: release.version}
