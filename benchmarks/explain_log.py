"""How long `compatcheck explain` takes for a large log, and how much memory, and how both grow with it.

    python benchmarks/explain_log.py [MEBIBYTES]

Several kinds of log are made up: one line of training output after another, progress bars, tracebacks without end, one
line without an end, and lines of many ranks. Every kind ends with the same traceback, which must be found.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

END = """\
Traceback (most recent call last):
  File "/srv/app/train.py", line 40, in <module>
    model.generate(**inputs)
  File "/srv/env/lib/python3.11/site-packages/peft/peft_model.py", line 1156, in prepare_inputs_for_generation
  File "/srv/env/lib/python3.11/site-packages/transformers/cache_utils.py", line 334, in __getitem__
KeyError: 'Cache only has 0 layers, attempted to access layer with index 0'
"""
EXPECTED = "cache-layers-empty"

CAUGHT = """\
Traceback (most recent call last):
  File "/srv/app/fetch.py", line {number}, in fetch
    raise Odd(number)
OddError: attempt {number} did not work
"""


def plain(size: int) -> Iterator[str]:
    number = 0
    while size > 0:
        number += 1
        text = f"2026-01-01 12:00:00,{number % 1000:03} INFO step {number} loss {1 / number:.6f} lr 0.1 grad_norm 0.5\n"
        size -= len(text)
        yield text


def progress(size: int) -> Iterator[str]:
    number = 0
    while size > 0:
        number += 1
        text = f"\r{number % 100:3}%|{'#' * (number % 40):40}| {number}/9999 [00:01<00:09, 3.1it/s]"
        size -= len(text)
        yield text
    yield "\n"


def tracebacks(size: int) -> Iterator[str]:
    number = 0
    while size > 0:
        number += 1
        text = CAUGHT.format(number=number)
        size -= len(text)
        yield text


def words(size: int) -> Iterator[str]:
    """Lines in which every word stands that explain looks for."""
    number = 0
    while size > 0:
        number += 1
        text = (
            f"[INFO|trainer.py:{number}] 2026-01-01 12:00:00,000 >> transformers: torch Error {number} Package x==y\n"
        )
        size -= len(text)
        yield text


def one_line(size: int) -> Iterator[str]:
    while size > 0:
        size -= 1000
        yield "Error: File x.py == Traceback " * 33 + "x" * 10
    yield "\n"


def ranks(size: int) -> Iterator[str]:
    for number, text in enumerate(tracebacks(size)):
        yield "".join(f"[rank{number % 8}]: {line}\n" for line in text.splitlines())


KINDS = {
    "plain": plain,
    "words": words,
    "progress": progress,
    "tracebacks": tracebacks,
    "one line": one_line,
    "ranks": ranks,
}

CHILD = """
import resource, sys, time
from compatcheck.explanation import explain_stream, shipped_catalogue
shipped_catalogue()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.process_time()
with open(sys.argv[1], "rb") as stream:
    found = explain_stream(stream)
print(time.process_time() - began, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024,
      found.signature.id if found.signature else None)
"""


def measured(path: Path) -> tuple[float, float, str]:
    """Processor seconds, MiB of memory besides what the interpreter and the catalogue take, and the verdict."""
    done = subprocess.run([sys.executable, "-c", CHILD, str(path)], capture_output=True, text=True, check=True)
    seconds, mib, name = done.stdout.split()
    return float(seconds), float(mib), name


def main() -> None:
    mebibytes = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    print(f"{'log':12} {'MiB':>5} {'seconds':>8} {'MiB/s':>7} {'memory MiB':>11} {'time x10':>9}  verdict")
    with tempfile.TemporaryDirectory() as folder:
        for name, lines in KINDS.items():
            results = []
            for size in (mebibytes / 10, mebibytes):
                path = Path(folder, "log.txt")
                with path.open("w", newline="") as file:
                    file.writelines(lines(int(size * 2**20)))
                    file.write(END)
                results.append(measured(path))
            (small, _, _), (seconds, memory, verdict) = results
            print(
                f"{name:12} {mebibytes:5} {seconds:8.2f} {mebibytes / seconds:7.1f} {memory:11.1f} "
                f"{seconds / max(small, 1e-9):9.1f}  {verdict}"
            )
            assert verdict == EXPECTED, "the end of the log was not found"


if __name__ == "__main__":
    main()
