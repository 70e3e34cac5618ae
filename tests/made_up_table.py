"""A small table of measurements that were never made, for tests of what answers from one."""

from __future__ import annotations

import json
from datetime import datetime, timezone

from compatcheck.domain import Outcome, Policy
from compatcheck.shipped import KIND, SCHEMA, KnownCell, KnownTable, Source

DAY = datetime.now(timezone.utc).date()
"""Measured today: what is old is stale, and that is not what these tests are about."""
SOURCE = Source("made-up", Policy.TODAY, "linux-x86_64", "tiny-bloom", DAY)
TORCH, TRANSFORMERS, PEFT = ("2.5.1", "2.6.0"), ("4.40.0", "4.44.2", "5.0.0"), ("0.7.1", "0.12.0", "0.20.0")


def outcome_of(transformers: str, peft: str) -> tuple[Outcome, str | None]:
    """peft 0.7.1 fails from transformers 4.44 on, 0.12.0 fails with 5.0.0, and the newest of both is wrong."""
    if peft == "0.7.1" and transformers != "4.40.0":
        return Outcome.FAIL, "cache-layers-empty"
    if peft == "0.12.0" and transformers == "5.0.0":
        return Outcome.FAIL, "cache-key-missing"
    if peft == "0.20.0" and transformers == "5.0.0":
        return Outcome.WRONG, None
    return Outcome.PASS, None


def table_text(python: str) -> str:
    """The same table as a file, measured on another Python."""
    source = {"matrix": "made-up", "policy": "today", "platform": "linux-x86_64", "model": "tiny-bloom"}
    cells = []
    for cell in table().cells:
        row = {"source": 0, "python": python, "versions": dict(cell.versions), "outcome": str(cell.outcome)}
        told = {"signature": cell.signature, "fingerprint": cell.fingerprint}
        cells.append({**row, **told, "measured": DAY.isoformat()})
    whole = {"kind": KIND, "schema": SCHEMA, "compatcheck": "0", "released": {}, "cells": cells}
    return json.dumps({**whole, "sources": [{**source, "generated": DAY.isoformat()}]})


def table(*, without: tuple[tuple[str, str, str], ...] = ()) -> KnownTable:
    """Every combination of the versions above on Python 3.11, but those named in `without`."""
    cells = []
    for torch in TORCH:
        for transformers in TRANSFORMERS:
            for peft in PEFT:
                if (torch, transformers, peft) in without:
                    continue
                outcome, signature = outcome_of(transformers, peft)
                versions = {"torch": torch, "transformers": transformers, "peft": peft}
                unknown = None if signature or outcome is Outcome.PASS else "feedfeedfeedfeed"
                cells.append(
                    KnownCell(
                        "3.11", versions, outcome, SOURCE, signature, unknown, measured=DAY, beside={"numpy": "2.1.0"}
                    )
                )
    return KnownTable("a made-up table", tuple(cells))
