"""`compatcheck cache`: what environments and caches cost on disk, and how to make room."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from .common import add_cache, cache_folder

if TYPE_CHECKING:
    from ..disk import KeptSlot

EPILOG = """\
Every file is counted once, however many names it has: the files of an environment are links to those of uv's cache
where both lie on one file system. So removing environments frees little as long as uv's cache keeps the wheels.

  compatcheck cache info
  compatcheck cache prune --days 14              environments that were not used for two weeks
  compatcheck cache prune --most 20G             the longest unused, until the rest takes at most 20 GiB
  compatcheck cache prune --days 14 --uv         and what uv itself finds to be of no more use in its cache
"""
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "cache", help="what environments and caches cost on disk; make room", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    info = actions.add_parser("info", help="what there is, and what it costs")
    info.add_argument("--json", action="store_true", help="plain data")
    add_cache(info)
    info.set_defaults(execute=execute_info)
    prune = actions.add_parser("prune", help="remove environments that no run holds")
    prune.add_argument("--days", type=days, default=0.0, help="only those not used for so many days")
    prune.add_argument("--most", type=size, metavar="SIZE", help="only until the rest takes at most so much: 20G, 500M")
    prune.add_argument("--uv", action="store_true", help="prune uv's cache too (uv cache prune)")
    prune.add_argument("--dry-run", action="store_true", help="say what would be removed, and remove nothing")
    add_cache(prune)
    prune.set_defaults(execute=execute_prune)


def days(text: str) -> float:
    """A number of days, which a slip of the pen must not make all of time."""
    if not re.fullmatch(r"\d+(\.\d*)?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days")
    return float(text)


def size(text: str) -> int:
    """`20G` in bytes."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 20G")
    return int(float(found[1]) * 1024 ** " KMGT".index(found[2].upper() or " "))


def execute_info(arguments: argparse.Namespace) -> int:
    import json
    from datetime import datetime, timezone

    from ..disk import can_link, free_bytes, gib, kept_slots, usage
    from ..environment import Uv

    cache = cache_folder(arguments)
    environments, uv_cache = cache / "environments", Uv().cache_folder()
    slots = kept_slots(environments)
    together = usage([environments, uv_cache])
    linked = can_link(environments, uv_cache)
    if arguments.json:
        document = {
            "environments": str(environments),
            "uv_cache": str(uv_cache),
            "linked": linked,
            "bytes": {
                "environments": usage([environments]).bytes,
                "uv_cache": usage([uv_cache]).bytes,
                "rest": _others(cache),
                "together": together.bytes + _others(cache),
                "free": free_bytes(cache),
            },
            "slots": [
                {"name": slot.name, "bytes": slot.usage.bytes, "alone": slot.usage.alone, "busy": slot.busy}
                for slot in slots
            ],
        }
        print(json.dumps(document, indent=2))
        return 0
    for slot in slots:
        day = datetime.fromtimestamp(slot.used, timezone.utc)
        print(f"{slot.name:<32} {gib(slot.usage.bytes):>9}  used {day:%Y-%m-%d}" + ("  in use" if slot.busy else ""))
    total = gib(usage([environments]).bytes)
    print(f"environments {total} in {len(slots)} slots, each file counted once: {environments}")
    print(f"uv's cache   {gib(usage([uv_cache]).bytes)}: {uv_cache}")
    if rest := _others(cache):
        print(f"else         {gib(rest)}: models built, learned layers")
    how = "files are linked" if linked else "NOT linked: put --cache on the file system of uv's cache"
    print(f"together     {gib(together.bytes + _others(cache))} ({how}); free: {gib(free_bytes(cache))}")
    return 0


def _others(cache: Path) -> int:
    from ..disk import usage

    return usage(path for path in cache.glob("*") if path.is_dir() and path.name != "environments").bytes


def execute_prune(arguments: argparse.Namespace) -> int:
    from ..disk import gib, prune, usage
    from ..environment import Uv

    environments, uv = cache_folder(arguments) / "environments", Uv()
    before = usage([environments, uv.cache_folder()]).bytes
    removed = prune(environments, most=arguments.most, idle_days=arguments.days, dry=arguments.dry_run)
    for slot in removed:
        print(_told(slot, arguments.dry_run))
    if arguments.dry_run:
        print(f"{len(removed)} environments would be removed")
        return 0
    if arguments.uv:
        uv.prune()
    freed = before - usage([environments, uv.cache_folder()]).bytes
    print(f"{len(removed)} environments removed, {gib(freed)} freed")
    if removed and not arguments.uv and freed < sum(slot.usage.bytes for slot in removed) / 2:
        print("(uv's cache keeps the files of the wheels; --uv prunes it, `uv cache clean PACKAGE` empties it)")
    return 0


def _told(slot: KeptSlot, dry: bool) -> str:
    from ..disk import gib

    return f"{'would remove' if dry else 'removed'} {slot.name} ({gib(slot.usage.alone)} of its own)"
