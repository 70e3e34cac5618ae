"""What the packages raise themselves, and how much of it `explain` has a name for.

    pip download --no-deps --ignore-requires-python -d wheels peft==0.17.0 accelerate==1.8.0
    python benchmarks/own_raises.py wheels/*.whl

Every message of a wheel's source gets words in the place of its values, and is asked about twice: at the end of a
traceback whose last frame is the place that raises it, and as a line by itself. Take releases that the table of sources
(the last one of each minor line) has not read. What the reader of sources cannot see is not asked about.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from compatcheck.explanation import explain, shipped_catalogue
from compatcheck.raise_site import HOLE
from compatcheck.signatures import Signature
from compatcheck.source_archives import name_of
from compatcheck.source_messages import Said
from compatcheck.source_reader import read_wheel

VALUES = ("default", "4", "['q_proj', 'v_proj']", "torch.float16")
KINDS = ("of its own", "by its source", "by its place", "none")


def filled(template: str) -> str:
    """The template with values in its holes, one after the other."""
    first, *rest = template.split(HOLE)
    return first + "".join(VALUES[place % len(VALUES)] + part for place, part in enumerate(rest))


def traceback_of(said: Said) -> str:
    """The end of a script that was refused there."""
    return (
        'Traceback (most recent call last):\n  File "/home/me/train.py", line 31, in <module>\n    main()\n'
        f'  File "/srv/env/lib/python3.11/site-packages/{said.file}", line 100, in {said.function or "f"}\n'
        f"    raise {said.exception}(\n{said.exception}: {filled(said.template)}\n"
    )


def kind_of(signature: Signature | None) -> str:
    """How closely a name tells what it is."""
    if signature is None:
        return "none"
    if signature in shipped_catalogue().places:
        return "by its place"
    return "by its source" if signature.raised_by else "of its own"


def row(package: str, messages: Iterable[Said]) -> str:
    """A line of the table: the shares of the kinds, in a traceback and alone."""
    asked = list(messages)
    framed = Counter(kind_of(explain(traceback_of(said)).signature) for said in asked)
    alone = Counter(kind_of(explain(f"{said.exception}: {filled(said.template)}\n").signature) for said in asked)
    shares = (f"{each[kind] / len(asked):.1%}" for each in (framed, alone) for kind in KINDS)
    return f"| {package} | {len(asked)} | {' | '.join(shares)} |"


def main(wheels: Iterable[str]) -> None:
    messages: dict[str, set[tuple[str, str]]] = {}
    said_by: dict[str, list[Said]] = {}
    for wheel in sorted(wheels):
        package, _ = name_of(Path(wheel).name)
        known = messages.setdefault(package, set())
        for said in sorted(read_wheel(Path(wheel), package).messages):
            if (said.exception, said.template) not in known:
                known.add((said.exception, said.template))
                said_by.setdefault(package, []).append(said)
    print(f"| package | messages | {' | '.join(f'{at}: {kind}' for at in ('traceback', 'alone') for kind in KINDS)} |")
    print("|---|" + "---:|" * (1 + 2 * len(KINDS)))
    for package, each in said_by.items():
        print(row(package, each), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
