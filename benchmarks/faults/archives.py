"""Wheels and matrices whose names lead out of their folders: nothing is written where they point to."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from minimatrix.index import LocalIndex
from minimatrix.wheels import Release

from compatcheck.errors import CompatcheckError
from compatcheck.matrix import load_matrix

from .stub_world import StubWorld
from .trials import Trials

SIGN = "escaped"
"""Part of the name of every file that must not be."""
BODY = b"escaped = True\n"
FILE, LINK = 0o100644, 0o120777
NAMES = ("../x", "..", "/tmp/x", "a/../../x", "~/x", "a\\..\\x", "a\nb", "C:x", ".", "a b; rm x", "$(x)", "a\x00b")


def archives(rng: random.Random) -> list[Trials]:
    wheels = Trials("wheels with paths and links that lead out of the environment")
    with tempfile.TemporaryDirectory() as name, LocalIndex() as index:
        folder = Path(name)
        (folder / "outside").mkdir()
        for number, (kind, further) in enumerate(_hostile(folder / "outside").items()):
            with wheels.clock():
                wheels.count(_wheel(StubWorld(folder / f"w{number}", index.url, folder / "uv"), index, kind, further))
    return [wheels, _names_of_matrices()]


def _hostile(outside: Path) -> dict[str, tuple[tuple[str, bytes, int], ...]]:
    """Further entries of a wheel, all of which want to write below `outside` or far above the environment."""
    up = "../" * 12
    return {
        "a path upwards": ((f"{'../' * 5}{SIGN}-up.py", BODY, FILE),),
        "a path upwards, from within": ((f"peft/{'../' * 7}{SIGN}-within.py", BODY, FILE),),
        "a path upwards to the root": ((f"{up.rstrip('/')}{outside}/{SIGN}-root.py", BODY, FILE),),
        "an absolute path": ((f"{outside}/{SIGN}-absolute.py", BODY, FILE),),
        "backslashes": ((f"..\\..\\..\\..\\..\\{SIGN}-back.py", BODY, FILE),),
        "a link, and a file through it": (
            ("peft/link", str(outside).encode(), LINK),
            (f"peft/link/{SIGN}-through.py", BODY, FILE),
        ),
        "a program with a path": ((f"peft-0.9.9.data/scripts/../../../../../../{SIGN}-program", BODY, FILE),),
        "data with a path": ((f"peft-0.9.9.data/data/../../../../../../{SIGN}-data", BODY, FILE),),
        "an entry point with a path": (
            ("peft-0.9.9.dist-info/entry_points.txt",
             f"[console_scripts]\n../../../../../../{SIGN}-entry = peft:x\n".encode(), FILE),
        ),
    }  # fmt: skip


def _wheel(world: StubWorld, index: LocalIndex, kind: str, further: tuple[tuple[str, bytes, int], ...]) -> str:
    """A release with such a wheel beside a good one; the index tells its right hash, so that it is unpacked."""
    index.withdraw("peft", "0.9.9")
    index.publish(Release("peft", "0.9.9", further=further))
    text = world.matrix.read_text().replace('"0.1.0", "0.1.1", "0.2.0", "newest"', '"0.1.1", "0.9.9"')
    world.matrix.write_text(text.replace('"4.44.0", "5.0.0"', '"5.0.0"'))
    done = world.run()
    said = done.stdout + done.stderr
    problems = [f"found {path}" for path in _escaped(world)]
    if "Traceback" in said or done.returncode not in (0, 4):
        problems.append(f"exit code {done.returncode}: {said[-300:]}")
    if world.outcomes().count("pass") < 1:
        problems.append(f"the other cell: {world.outcomes()}")
    return "; ".join(problems) and f"{kind}: {'; '.join(problems)}"


def _escaped(world: StubWorld) -> Iterator[Path]:
    """Files that stand neither in an environment nor in uv's cache, or are links that lead out of these."""
    for path in world.folder.parent.rglob(f"*{SIGN}*"):
        homes = [world.uv_cache, *world.folder.parent.glob("*/cache/environments/*/env")]
        if not any(home.resolve() in path.resolve().parents for home in homes):
            yield path


def _names_of_matrices() -> Trials:
    """A matrix file is refused before anything is made of such a name."""
    trials = Trials("names and versions in a matrix that lead out of their folders")
    with trials.clock(), tempfile.TemporaryDirectory() as name:
        path = Path(name) / "m.toml"
        for odd in NAMES:
            quoted = odd.replace("\\", "\\\\").replace("\n", "\\n").replace("\x00", "\\u0000")
            include = f'[[include]]\npython = "{quoted}"\n[include.versions]\n'
            core = 'transformers = "4.51.3"\npeft = "0.15.2"\n'
            axes = '[axes]\ntorch = ["2.6.0"]\ntransformers = ["4.51.3"]\npeft = ["0.15.2"]\n'
            for text in (
                f'python = ["3.11"]\n{axes}"{quoted}" = ["1.0"]\n',
                f'python = ["3.11"]\n{axes.replace("0.15.2", quoted)}',
                f'python = ["{quoted}"]\n{axes}',
                f'python = ["3.11"]\n{axes}[[include]]\npython = "3.11"\nversions.torch = "{quoted}"\n{core}',
                f'python = ["3.11"]\n{axes}{include}torch = "2.6.0"\n{core}',
            ):
                path.write_text(text, encoding="utf-8")
                try:
                    load_matrix(path)
                except CompatcheckError:
                    trials.count()
                else:
                    trials.count(f"taken: {text!r}")
    return trials
