"""One failure, whatever printed its traceback and whatever carried the log: always the same verdict."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_corpus import FOLDER, read_case

from compatcheck.classify import diagnose_log
from compatcheck.explanation import explain, explain_stream, shipped_catalogue
from compatcheck.logtext import RESOLVER, read_text
from compatcheck.plain_words import Explanation

NAME = "cache-layers-empty"
LOG = read_case(FOLDER / f"{NAME}.txt").text
HOOK = '''
def prepare_inputs_for_generation(cache):
    """Asks the first layer of the cache for its length."""
    return cache[0]
'''
CALL = """
import sys
sys.path.insert(0, {folder!r})
from peft.peft_model import prepare_inputs_for_generation

class Cache(dict):
    def __missing__(self, key):
        raise KeyError("Cache only has 0 layers, attempted to access layer with index 0")

def main():
    prepare_inputs_for_generation(Cache())
"""


def verdict(text: str) -> str | None:
    found = explain(text)
    return found.signature.id if found.signature else None


# ---------------------------------------------------------------------- who carries logs


def each_line(form: str) -> Callable[[str], str]:
    return lambda text: "".join(form.format(line=line) + "\n" for line in text.splitlines())


CARRIERS: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "Windows line ends": lambda text: text.replace("\n", "\r\n"),
    "old Macintosh line ends": lambda text: text.replace("\n", "\r"),
    "no line end at the end": lambda text: text.rstrip("\n"),
    "GitHub Actions": each_line("2026-01-02T03:04:05.1234567Z {line}"),
    "gh run view --log": each_line("test (3.11)\tRun tests\t2026-01-02T03:04:05.1234567Z {line}"),
    "docker compose": each_line("trainer-1  | {line}"),
    "docker build": each_line("515.6 {line}"),
    "docker build with its step": each_line("#12 2.510 {line}"),
    "kubernetes": each_line("2026-01-02T03:04:05.123456789Z stderr F {line}"),
    "journald": each_line("Jan  2 03:04:05 host train[123]: {line}"),
    "logging": each_line("2026-01-02 03:04:05,678 - {line}"),
    "logging with a level": each_line("[2026-01-02 03:04:05,678] ERROR: {line}"),
    "torchrun": each_line("[rank3]: {line}"),
    "torchrun with tee": each_line("[default0]:{line}"),
    "MPI": each_line("[1,2]<stderr>:{line}"),
    "Ray": each_line("(TrainActor pid=4711, ip=10.0.0.1) {line}"),
    "a quotation in an issue": each_line("> {line}"),
    "an indented list item": each_line("    {line}"),
    "a fenced block": lambda text: f"It fails:\n\n```pytb\n{text}```\n\nAny idea?\n",
    "colours": each_line("\x1b[0;31m{line}\x1b[0m"),
    "colours of every word": lambda text: re.sub(r"(\w+)", "\x1b[1;32m\\1\x1b[0m", text),
    "colours that lost their escape": each_line("[0;31m{line}[0m"),
    "a JSON string of one line": lambda text: '{"log": "' + text.replace('"', '\\"').replace("\n", "\\n") + '"}\n',
    "Windows paths": lambda text: text.replace(
        "/srv/env/lib/python3.11/site-packages/", "C:\\Users\\A B\\venv\\Lib\\site-packages\\"
    ).replace("peft/peft_model", "peft\\peft_model").replace("transformers/", "transformers\\"),
    "conda": lambda text: text.replace("/srv/env/lib", "/opt/conda/envs/some env/lib"),
    "Debian's Python": lambda text: text.replace(
        "/srv/env/lib/python3.11/site-packages", "/usr/lib/python3/dist-packages"
    ),
    "carets of Python 3.11": lambda text: re.sub(
        r"(\n  File [^\n]+)", r"\1\n    some.code(here)\n         ^^^^^^^^^^", text
    ),
    "output of training before": lambda text: "{'loss': 3.1}\n" * 50 + text,
    "a launcher's summary behind": lambda text: text
    + "E0102 03:04:05.123000 99 torch/distributed/elastic/api.py:869] failed (exitcode: 1) local_rank: 0\n",
    "make's word behind": lambda text: text + "make: *** [Makefile:3: train] Error 1\n",
}  # fmt: skip


@pytest.mark.parametrize("name", CARRIERS)
def test_what_carries_a_log_does_not_change_its_verdict(name: str) -> None:
    assert verdict(CARRIERS[name](LOG)) == NAME


@pytest.mark.parametrize("name", CARRIERS)
def test_two_carriers_at_once(name: str) -> None:
    if "JSON" in name or "fenced" in name or "Macintosh" in name:
        return
    assert verdict(CARRIERS["GitHub Actions"](CARRIERS[name](LOG))) == NAME
    assert verdict(CARRIERS["colours"](CARRIERS[name](LOG))) == NAME


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings(encoding: str) -> None:
    found = explain_stream(io.BytesIO(LOG.encode(encoding)))
    assert found.signature is not None and found.signature.id == NAME


def test_bytes_that_are_no_text_do_no_harm() -> None:
    found = explain_stream(io.BytesIO(b"\xff\x00\x9f" * 100 + b"\n" + LOG.encode() + bytes(range(256))))
    assert found.signature is not None and found.signature.id == NAME
    assert "\x1b" not in explain("ValueError: \x1b[31m\x1b]0;title\x07 \u202e x\n").as_text()


# ---------------------------------------------------------------------- who prints tracebacks


@pytest.fixture
def printed(tmp_path: Path) -> Callable[..., Explanation]:
    """What explain says of the output of a real script in which a stand-in for peft raises."""
    (tmp_path / "peft").mkdir()
    (tmp_path / "peft" / "__init__.py").write_text("")
    (tmp_path / "peft" / "peft_model.py").write_text(HOOK)

    def run(end: str, *arguments: str, name: str = "script.py") -> Explanation:
        script = tmp_path / name
        script.write_text(CALL.format(folder=str(tmp_path)) + end)
        done = subprocess.run(
            [sys.executable, *arguments, str(script)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=tmp_path,
        )  # fmt: skip
        return explain_stream(io.BytesIO(done.stdout))

    return run


PRINTERS = {
    "Python": "main()",
    "rich": "from rich.traceback import install; install(); main()",
    "rich, wide, with locals": "from rich.traceback import install; install(show_locals=True, width=180); main()",
    "rich, narrow": "from rich.traceback import install; install(width=60); main()",
    "logging": "import logging\ntry:\n    main()\nexcept Exception:\n    logging.exception('it failed')",
    "logging with a time": (
        "import logging\nlogging.basicConfig(format='%(asctime)s %(levelname)s %(message)s')\n"
        "try:\n    main()\nexcept Exception:\n    logging.exception('it failed')"
    ),
    "a thread": "import threading; threading.Thread(target=main).start()",
    "a process pool": (
        "if __name__ == '__main__':\n    import multiprocessing\n"
        "    multiprocessing.get_context('fork').Pool(1).apply(main)"
    ),
    "raised from": "try:\n    main()\nexcept KeyError as error:\n    raise RuntimeError('training failed') from error",
    "raised while handling": "try:\n    main()\nexcept KeyError:\n    raise RuntimeError('training failed')",
    "an exit handler behind": "import atexit; atexit.register(lambda: 1 / 0); main()",
    "something ignored behind": (
        "class Noisy:\n    def __del__(self):\n        raise ValueError('late')\nnoisy = Noisy()\nmain()"
    ),
}


@pytest.mark.parametrize("name", PRINTERS)
def test_who_prints_a_traceback(printed: Callable[..., Explanation], name: str) -> None:
    found = printed(PRINTERS[name])
    assert found.signature is not None and found.signature.id == NAME, found.as_text()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups came with Python 3.11")
def test_an_exception_group(printed: Callable[..., Explanation]) -> None:
    found = printed("try:\n    main()\nexcept KeyError as error:\n    raise ExceptionGroup('several', [error])")
    assert found.signature is not None and found.signature.id == NAME


@pytest.mark.parametrize("style", ["auto", "long", "short", "native", "line"])
def test_pytest_prints(printed: Callable[..., Explanation], style: str) -> None:
    found = printed(
        "\ndef test_it():\n    main()\n", "-m", "pytest", "-p", "no:cacheprovider", f"--tb={style}", name="test_it.py"
    )
    if style == "line":  # names no place but the last one's line
        assert found.signature is None or found.signature.id == NAME
    else:
        assert found.signature is not None and found.signature.id == NAME, found.as_text()


NOTEBOOK = """\
---------------------------------------------------------------------------
KeyError                                  Traceback (most recent call last)
Cell In[7], line 1
----> 1 model.generate(**inputs)

File /srv/env/lib/python3.11/site-packages/peft/peft_model.py:1156, in PeftModelForCausalLM.prepare_inputs_for_generation(self, task_ids, *args, **kwargs)
   1155 if not past:
-> 1156     past_length = model_kwargs["past_key_values"][0][0].shape[2]

File /srv/env/lib/python3.11/site-packages/transformers/cache_utils.py:334, in DynamicCache.__getitem__(self, layer_idx)
    333 else:
--> 334     raise KeyError(f"Cache only has {len(self)} layers, attempted to access layer with index {layer_idx}")

KeyError: 'Cache only has 0 layers, attempted to access layer with index 0'
"""  # noqa: E501
OLD_NOTEBOOK = """\
---------------------------------------------------------------------------
KeyError                                  Traceback (most recent call last)
<ipython-input-7-0123456789ab> in <module>
----> 1 model.generate(**inputs)

/usr/local/lib/python3.8/dist-packages/peft/peft_model.py in prepare_inputs_for_generation(self, task_ids, *args)
   1155 if not past:
-> 1156     past_length = model_kwargs["past_key_values"][0][0].shape[2]

/usr/local/lib/python3.8/dist-packages/transformers/cache_utils.py in __getitem__(self, layer_idx)
--> 334     raise KeyError(f"Cache only has {len(self)} layers, attempted to access layer with index {layer_idx}")

KeyError: 'Cache only has 0 layers, attempted to access layer with index 0'
"""


COLAB = re.sub(r"^(/usr\S+\.py) in", r"[\1](https://localhost:8080/#) in", OLD_NOTEBOOK, flags=re.MULTILINE)


COLAB_SCRIPT = re.sub(r"(\w+\.py) in", r"[\1](javascript:void(0);) in", OLD_NOTEBOOK)
NOTEBOOKS = {"new": NOTEBOOK, "old": OLD_NOTEBOOK, "Colab in an issue": COLAB, "Colab's other link": COLAB_SCRIPT}


@pytest.mark.parametrize("text", NOTEBOOKS.values(), ids=NOTEBOOKS)
def test_notebooks(text: str) -> None:
    assert verdict(text) == NAME
    as_file = "".join(f'      "{line}\\n",\n' for line in text.replace('"', '\\"').splitlines())
    assert verdict(f'{{\n "cells": [\n    "traceback": [\n{as_file}    ]\n' + "}\n") == NAME
    coloured = re.sub(r"^(\S+Error)", "\x1b[0;31m\\1\x1b[0m", text, flags=re.MULTILINE)
    assert verdict(coloured) == NAME


@pytest.mark.parametrize("linked", [COLAB, COLAB_SCRIPT])
def test_a_link_about_a_files_name_leaves_its_frame(linked: str) -> None:
    frames = [[raised.frames for raised in found.chain] for found in read_text(OLD_NOTEBOOK).findings]
    assert frames and [[raised.frames for raised in found.chain] for found in read_text(linked).findings] == frames


# ---------------------------------------------------------------------- several of them

OTHER = """\
Traceback (most recent call last):
  File "/srv/app/fetch.py", line 3, in fetch
OddError: it did not answer
"""


def test_a_message_alone_is_not_listed_beside_itself() -> None:
    found = explain("AttributeError: 'DynamicCache' object has no attribute 'seen_tokens'\n")
    assert found.signature is not None and found.others == ()


def test_the_one_that_ended_the_run_decides_and_the_others_are_listed() -> None:
    found = explain(f"{OTHER}trying again\n{LOG}")
    assert found.signature is not None and found.signature.id == NAME
    (other,) = found.others
    assert (other.line, other.exception, other.signature) == (3, "OddError: it did not answer", None)
    turned = explain(f"{LOG}\ngoing on\n{OTHER}")
    assert turned.signature is None and turned.others[0].signature == NAME


def test_ranks_that_write_at_once_are_told_apart() -> None:
    lines = [(f"[rank{rank}]: {line}") for line in LOG.splitlines() for rank in range(8)]
    assert verdict("\n".join(lines)) == NAME
    mixed = []
    for one, two in zip(LOG.splitlines(), [*OTHER.splitlines(), *[""] * 99], strict=False):
        mixed += [f"[rank1]: {two}", f"[rank0]: {one}"]
    assert verdict("\n".join(mixed)) == NAME


LAUNCHER = """\
E0325 20:57:27.620000 2606 site-packages/torch/distributed/elastic/multiprocessing/api.py:869] failed (exitcode: 1)
Traceback (most recent call last):
  File "/opt/env/bin/torchrun", line 8, in <module>
    sys.exit(main())
  File "/opt/env/lib/python3.12/site-packages/torch/distributed/launcher/api.py", line 269, in launch_agent
    raise ChildFailedError(
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
train.py FAILED
------------------------------------------------------------
Failures:
  <NO_OTHER_FAILURES>
------------------------------------------------------------
Root Cause (first observed failure):
[0]:
  time      : 2025-03-25_20:57:27
  rank      : 0 (local_rank: 0)
  exitcode  : 1 (pid: 2630)
  error_file: <N/A>
  traceback : To enable traceback see: https://pytorch.org/docs/stable/elastic/errors.html
============================================================
"""
ACCELERATE = """\
Traceback (most recent call last):
  File "/opt/env/bin/accelerate", line 8, in <module>
    sys.exit(main())
  File "/opt/env/lib/python3.12/site-packages/accelerate/commands/launch.py", line 763, in simple_launcher
    raise subprocess.CalledProcessError(returncode=process.returncode, cmd=cmd)
subprocess.CalledProcessError: Command '['/opt/env/bin/python', 'train.py']' returned non-zero exit status 1.
"""
SPAWN = """\
Traceback (most recent call last):
  File "/opt/env/lib/python3.12/site-packages/torch/multiprocessing/spawn.py", line 188, in join
    raise ProcessRaisedException(msg, error_index, failed_process.pid)
torch.multiprocessing.spawn.ProcessRaisedException:

-- Process 0 terminated with the following error:
"""


@pytest.mark.parametrize("text", [LOG + LAUNCHER, LOG + ACCELERATE, LOG + LAUNCHER + ACCELERATE, SPAWN + LOG])
def test_a_launchers_report_is_not_what_ended_the_run(text: str) -> None:
    assert verdict(text) == NAME


def test_a_launchers_report_alone_says_nothing() -> None:
    found = explain(LAUNCHER)
    assert found.signature is None and found.diagnosis is not None and found.diagnosis.exception is not None
    assert found.diagnosis.exception.type == "ChildFailedError"


UNPRINTED = """
--- Logging error ---
Traceback (most recent call last):
  File "/opt/py/logging/__init__.py", line 377, in getMessage
    msg = msg % self.args
          ~~~~^~~~~~~~~~~
TypeError: not all arguments converted during string formatting
Call stack:
  File "/opt/env/lib/python3.11/site-packages/transformers/modeling_utils.py", line 1411, in __init__
    self.generation_config = GenerationConfig.from_model_config(config) if self.can_generate() else None
  File "/opt/env/lib/python3.11/site-packages/transformers/utils/logging.py", line 328, in warning_once
    self.warning(*args, **kwargs)
Message: 'You have set `use_cache` to `False`.'
Arguments: (<class 'UserWarning'>,)
"""


def test_a_message_that_logging_could_not_print_ends_nothing() -> None:
    """Neither the traceback of `logging` nor the call stack below it is the run's end."""
    (finding,) = read_text(UNPRINTED).findings
    assert finding.ignored and explain(UNPRINTED).signature is None
    cut = UNPRINTED[: UNPRINTED.index("Message: ")]
    assert verdict(UNPRINTED + LOG) == verdict(LOG + UNPRINTED) == verdict(cut + "step 1\n" + LOG) == NAME


def test_a_progress_bar_before_the_head() -> None:
    assert verdict("  0%|          | 0/10 [00:00<?, ?it/s]" + LOG) == NAME
    assert verdict("\r 10%|#         | 1/10\r 20%|##        | 2/10" + LOG.replace("\n", "\r\n")) == NAME


def test_a_refusal_of_pip_and_of_uv_is_a_finding() -> None:
    pip = (
        "ERROR: Cannot install peft==0.18.0 and transformers==4.30.0 because these package versions have conflicting "
        "dependencies.\n\nThe conflict is caused by:\n    a 1 depends on b\n\n"
        "ERROR: ResolutionImpossible: for help visit https://pip.pypa.io\n"
    )
    uv = "  × No solution found when resolving dependencies:\n  ╰─▶ Because a==1 depends on b<1, it is unsatisfiable.\n"
    for text in (pip, uv):
        (finding,) = read_text(text).findings
        assert finding.chain[0].type == "ResolutionImpossible"


def test_a_log_is_read_in_blocks_and_lines_are_counted_through() -> None:
    filler = "step 1 loss 0.5\n" * 30_000
    found = explain(filler + LOG + filler)
    assert found.signature is not None and found.signature.id == NAME
    assert found.line == 30_000 + len(LOG.splitlines())


@pytest.mark.parametrize("code", ["-9", "-11", "137", "0", "-1", "13"])
def test_lines_that_differ_in_their_numbers_alone_are_told_apart(code: str) -> None:
    """A block's lines are looked through in one form for all their numbers first."""
    filler = [f"worker {number} ended with code {-number}" for number in range(20, 60)]
    wanted = ("with code -9", "with code -11", "with code 137")
    found = read_text("\n".join([*filler, f"worker 1 ended with code {code}", *filler]), wanted).findings
    expected = [41] if f"with code {code}" in wanted else []
    assert [finding.line for finding in found] == expected


def test_a_line_without_end_is_read_in_bounded_time() -> None:
    assert verdict("Error: x " * 300_000 + "\n" + LOG) == NAME
    assert verdict("Traceback (most recent call last): " * 30_000 + "\n" + LOG) == NAME


# ---------------------------------------------------------------------- whatever stands in it

FRAGMENTS = (
    "Traceback (most recent call last):", '  File "a/b.py", line 3, in f', "    code()", "    ^^^^^", "KeyError: 'x'",
    "ValueError", "E   ValueError: x", "peft/peft_model.py:3: ValueError", "", "  ", "Fatal Python error: Aborted",
    "Current thread 0x1 (most recent call first):", '  File "a.py", line 1 in f', "Timeout (0:00:01)!", '"""', "...",
    "The above exception was the direct cause of the following exception:", "  + Exception Group Traceback", "│ a.py:3",
    "During handling of the above exception, another exception occurred:", "[rank1]: x", "\x1b[31m", "> File",
    "KeyError   Traceback (most recent call last)", "Cell In[3], line 1", "----> 1 x", "ERROR: Cannot install a",
    "error: No solution found when resolving", "Name: torch", "Version: 2.6.0", "Package   Version", "torch   2.6.0",
    "torch==2.6.0", "___ test_x ___", "Exception ignored in: x", "FAILED a.py::t - ValueError: x", '{"log": "x\\n"}',
)  # fmt: skip


@given(st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=30)), max_size=40), st.sampled_from("\n\r"))
@settings(max_examples=400, deadline=None)
def test_no_text_breaks_it(lines: list[str], end: str) -> None:
    text = end.join(lines)
    found = explain(text)
    assert found.line is None or 1 <= found.line <= text.count("\n") + text.count("\r") + 1
    assert found.as_text().endswith("\n") and isinstance(found.as_json()["versions"], dict)
    assert found == explain(text)


def test_the_second_paragraph_of_the_hubs_messages_is_read() -> None:
    text = (
        "huggingface_hub.errors.GatedRepoError: 401 Client Error. (Request ID: Root=1-66;54f5)\n\n"
        "Cannot access gated repo for url https://huggingface.co/x/y/resolve/main/config.json.\n\nand more\n"
    )
    (finding,) = read_text(text).findings
    assert "Cannot access gated repo" in finding.chain[0].message and "and more" not in finding.chain[0].message


def test_a_list_of_weights_that_do_not_fit_may_have_empty_lines_between() -> None:
    text = (
        "RuntimeError: Error(s) in loading state_dict for PeftModelForCausalLM:\n\n"
        "    size mismatch for base_model.a.lora_A.default.weight: copying a param with shape torch.Size([32, 5]) from "
        "checkpoint, the shape in current model is torch.Size([128, 5]).\n\n"
        "    size mismatch for base_model.b.lora_A.default.weight: copying a param with shape torch.Size([32, 5]) from "
        "checkpoint, the shape in current model is torch.Size([128, 5]).\n\nand more\n"
    )
    (finding,) = read_text(text).findings
    assert finding.chain[0].message.count("size mismatch") == 2


@pytest.mark.parametrize("end", [")", "\nRoot=1-66;54f5)"])
def test_the_second_paragraph_is_read_where_the_first_was_broken(end: str) -> None:
    text = (
        f"RepositoryNotFoundError: 404 Client Error. (Request ID: {end}\n\nRepository Not Found for url: https://h/x.\n"
    )
    (finding,) = read_text(text).findings
    assert "Repository Not Found for url" in finding.chain[0].message


@pytest.mark.parametrize(
    "text",
    [
        'Traceback (most recent call last):\n  File "/me/a.py", line 2, in f\n    x = tokenizer.encode(\n'
        "        ^^^^^^^^^^^^^^^^\n        text)\nValueError: no\n",
        "ValueError          Traceback (most recent call last)\nFile /me/a.py:12, in f(text)\n     10 def f(text):\n"
        "     11     # over it\n---> 12     x = tokenizer.encode(\n     13         text)\n\nValueError: no\n",
        "╭──── Traceback (most recent call last) ────╮\n│ /me/a.py:12 in f   │\n│                    │\n"
        "│    10 def f(text):  │\n│ ❱  12 │   x = tokenizer.encode( │\n│    13 │   │   text)  │\n"
        "╰────╯\nValueError: no\n",
        "/me/a.py:12: in f\n    x = tokenizer.encode(\nE   ValueError: no\n",
    ],
    ids=["Python", "notebook", "rich", "pytest"],
)
def test_the_line_of_code_that_raised_is_read(text: str) -> None:
    (finding,) = read_text(text).findings
    assert finding.chain[0].code == "x = tokenizer.encode("


def test_the_line_of_code_is_that_of_the_last_frame() -> None:
    text = (
        'Traceback (most recent call last):\n  File "/me/a.py", line 2, in f\n    g()\n'
        '  File "/me/b.pyx", line 3, in b.g\nValueError: no\n'
    )
    (finding,) = read_text(text).findings
    assert finding.chain[0].code == ""


def test_an_exceptions_name_may_stand_in_bold_type() -> None:
    (finding,) = read_text("**HTTPError**: 404 Client Error: Not Found for url: https://h/x\n").findings
    assert (finding.chain[0].type, finding.chain[0].message[:3]) == ("HTTPError", "404")


def test_a_traceback_without_its_heading_may_be_indented_as_a_whole() -> None:
    text = (
        "  It crashes:\n\n"
        '  File "transformers/modeling_utils.py", line 341, in _keys\n'
        "      names = tied.keys()\n"
        "  AttributeError: 'list' object has no attribute 'keys'\n\n"
        "  The model has a list.\n"
    )
    (finding,) = read_text(text).findings
    assert (finding.chain[0].type, finding.chain[0].code) == ("AttributeError", "names = tied.keys()")


def test_the_end_of_a_block_of_code_ends_a_message() -> None:
    (finding,) = read_text("```\nAttributeError: 'list' object has no attribute 'keys'\n```\nmore words\n").findings
    assert finding.chain[0].message == "'list' object has no attribute 'keys'"


def test_the_end_of_code_within_a_sentence_ends_a_message() -> None:
    log = read_text(
        '` File "train.py", line 9, in <module>\n    first = ids[0]\nIndexError: list index out of range\n`\nhelp!\n'
    )
    assert [raised.message for finding in log.findings for raised in finding.chain] == ["list index out of range"]


@pytest.mark.parametrize("end", ["AssertionError\n```", "AssertionError", "AssertionError: \n```"])
def test_what_follows_an_exception_without_a_message_is_not_its_message(end: str) -> None:
    frame = '  File "/srv/a.py", line 1, in f\n    assert x'
    log = read_text(f"Traceback (most recent call last):\n{frame}\n{end}\n\nThen it went well:\n")
    assert [raised.message for finding in log.findings for raised in finding.chain] == [""]


def test_an_exception_as_the_hubs_viewer_shows_it() -> None:
    log = read_text(
        "Error code:   StreamingRowsError\nException:    FileNotFoundError\nMessage:      [Errno 2] No such file: 'a'\n"
        "Traceback:    Traceback (most recent call last):\n"
        '               File "/srv/worker/first_rows.py", line 337, in rows\n'
    )
    (finding,) = log.findings
    assert (finding.chain[0].type, finding.chain[0].message) == ("FileNotFoundError", "[Errno 2] No such file: 'a'")
    assert finding.line == 3


def test_a_class_that_was_made_in_a_function_is_known_by_its_name() -> None:
    (finding,) = read_text("cutlass._mlir._site_initialize.<locals>.MLIRError: Verification failed:\n").findings
    assert (finding.chain[0].type, finding.chain[0].message) == ("MLIRError", "Verification failed:")


def test_an_exceptions_message_may_begin_below_its_colon() -> None:
    log = read_text(
        'Traceback (most recent call last):\n  File "/srv/a.py", line 1, in f\n    check()\nRuntimeError: \n\n'
        "    CUDA Setup failed despite GPU being available.\n"
    )
    assert "CUDA Setup failed" in log.findings[0].chain[0].message


def test_a_backtick_that_closes_a_traceback_is_not_of_the_message() -> None:
    told = [
        read_text(text).findings[0].chain[0].message
        for text in (
            "`Traceback (most recent call last):\n  File \"/me/a.py\", line 2, in f\n    g()\nKeyError: 'gptj'`\n",
            "ValueError: unknown type `a`\n",
        )
    ]
    assert told == ["'gptj'", "unknown type `a`"]


def test_underscores_that_markdown_took_for_bold_type_are_put_back() -> None:
    (finding,) = read_text("TypeError: LoraConfig.init() got an unexpected keyword argument 'use_dora'\n").findings
    assert finding.chain[0].message == "LoraConfig.__init__() got an unexpected keyword argument 'use_dora'"


@pytest.mark.parametrize(
    ("text", "signature"),
    [
        ("OfflineModeIsEnabled: Cannot reach\nhttps://huggingface.co/api/models/me/x: offline mode\nis enabled.",
         "hub-offline-mode"),
        ("_ImportError: cannot import name 'is_npu_available' from 'accelerate.utils'\n(/env/utils/__init__.py)_",
         "name-not-in-accelerate"),
        ('`  File "/opt/conda/lib/python3.6/site-packages/torch/__init__.py", line 53, in <module>\n'
         "    from torch._C import *`  \n`  ImportError: libcuda.so.1: cannot open shared object file: No such file`",
         "cuda-driver-library-missing"),
    ],
)  # fmt: skip
def test_lines_that_a_terminal_broke_and_marks_that_an_issue_set(text: str, signature: str) -> None:
    assert verdict(text) == signature


CUT = """Traceback (most recent call last):
  File "/srv/run.py", line 9, in <module>
    model.enable_input_require_grads()
  File "/srv/env/lib/python3.11/site-packages/transformers/modeling_utils.py", line 1225, in get_input_embeddings
    {code}
"""


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("raise NotImplementedError", "NotImplementedError", ""),
        ("raise NotImplementedError()", "NotImplementedError", ""),
        ("raise ValueError('no embeddings here')", "ValueError", "no embeddings here"),
        ('raise errors.Missing("no embeddings")', "Missing", "no embeddings"),
    ],
)
def test_the_last_line_of_code_says_what_was_raised_where_the_rest_is_cut_off(
    code: str, kind: str, message: str
) -> None:
    log = read_text(CUT.format(code=code))
    (raised,) = log.findings[0].chain
    assert (raised.type, raised.message, len(raised.frames)) == (kind, message, 2)
    assert log.findings[0].line == 5 and log.unfinished is None


@pytest.mark.parametrize(
    "code", ["raise ValueError(", "raise ValueError(f'no {name}')", "raise ValueError('no %s' % n)"]
)
def test_what_code_would_say_with_values_that_are_not_known_is_no_message(code: str) -> None:
    log = read_text(CUT.format(code=code))
    assert not log.findings
    assert log.unfinished is not None and log.unfinished.type == "ValueError" and len(log.unfinished.frames) == 2


@pytest.mark.parametrize(
    ("code", "wording"),
    [
        ("raise ValueError(f'no {name} here')", "no x here"),
        ("raise ValueError('no %s, only %d' % (a, b))", "no x, only x"),
        ("raise ValueError('no {} in {{}}'.format(n))", "no x in {}"),
        ("raise ValueError('no ' f'{name}' \" here\")", "no x here"),
        ("raise ValueError(f\"no {name} of {self.get('", "no x of x"),
        ("raise ValueError(message)", ""),
    ],
)
def test_the_wording_of_what_code_raises_is_kept_with_its_gaps(code: str, wording: str) -> None:
    unfinished = read_text(CUT.format(code=code)).unfinished
    assert unfinished is not None and (unfinished.type, unfinished.message) == ("ValueError", wording)


def test_strings_below_the_marked_line_go_on_with_what_it_raises() -> None:
    text = (
        "/srv/env/lib/python3.10/site-packages/transformers/modeling_utils.py in can_dispatch(self, version)\n"
        "-> 1749             raise ValueError(\n"
        '   1750                 f"{self.name} does not support Flash Attention {version} yet. Ask"\n'
        '   1751                 f" where the model is hosted: {self.url}"\n'
        "   1752             )\n"
        '   1753         logger.info("not raised")\n'
    )
    unfinished = read_text(text).unfinished
    assert unfinished is not None
    assert unfinished.message == "x does not support Flash Attention x yet. Ask where the model is hosted: x"


def test_a_sentence_under_what_raises_is_the_message_where_the_class_was_not_copied() -> None:
    text = CUT.format(code="raise errors.Missing(") + "The model has no embeddings\nand no head.\n"
    (raised,) = read_text(text).findings[0].chain
    assert (raised.type, raised.module) == ("Missing", "errors")
    assert raised.message == "The model has no embeddings\nand no head."
    assert not read_text(CUT.format(code="call(") + "The model has no embeddings\n").findings


def test_an_exception_as_far_in_as_the_frames_ends_an_excerpt_that_began_without_its_blanks() -> None:
    text = 'File "/srv/a/torch/serialization.py", line 9, in f\n return g(\n File "/srv/b.py", line 2, in g\n h()\n'
    (raised,) = read_text(text + " RuntimeError: Initialize: code 5\n").findings[0].chain
    assert (raised.type, raised.message, len(raised.frames)) == ("RuntimeError", "Initialize: code 5", 2)
    whole = 'Traceback (most recent call last):\n  File "/srv/b.py", line 2, in g\n  RuntimeError: no\nKeyError: 1\n'
    assert [each.chain[0].type for each in read_text(whole).findings] == ["KeyError"]


def test_a_bar_in_front_of_an_exception_is_no_part_of_it() -> None:
    bar = "  0%|          | 0/60 [00:00<?, ?it/s]"
    (raised,) = read_text(f"{bar}RuntimeError: invalid argument\n").findings[0].chain
    assert (raised.type, raised.message) == ("RuntimeError", "invalid argument")
    assert not read_text(f"{bar}step 1\n").findings


def test_a_traceback_that_is_whole_is_not_unfinished() -> None:
    text = CUT.format(code="raise ValueError(") + "ValueError: no embeddings\n"
    assert read_text(text).unfinished is None and read_text(text).findings[0].chain[0].message == "no embeddings"


EDITORS = r"""{
    "name": "RuntimeError",
    "message": "Failed to import transformers.training_args because of the following error (look up to see its traceback):
[WinError 182] The operating system cannot run %1. Error loading \"d:\\env\\torch\\lib\\fbgemm.dll\".",
    "stack": "---------------------------------------------------------------------------
OSError                                   Traceback (most recent call last)
File ~\\site-packages\\transformers\\utils\\import_utils.py:1282, in _LazyModule._get_module(self, module_name)
"""  # noqa: E501


def test_an_exception_as_an_editor_copies_it() -> None:
    (finding,) = read_text(EDITORS).findings
    assert finding.chain[0].type == "RuntimeError" and finding.line == 3
    assert finding.chain[0].message.endswith('fbgemm.dll\\".",')
    assert verdict(EDITORS) == "windows-dll-other-release"


def test_a_notebooks_heading_is_no_prefix_of_the_next_line() -> None:
    text = (
        "HTTPError                                 Traceback (most recent call last)\n"
        "File /srv/env/lib/python3.9/site-packages/huggingface_hub/utils/_errors.py:259, in hf_raise_for_status(r)\n\n"
        "HTTPError: 404 Client Error\n\nThe above exception was the direct cause of the following exception:\n\n"
        "EntryNotFoundError                        Traceback (most recent call last)\n"
        "EntryNotFoundError: 404 Client Error. (Request ID: Root=1-6414\n"
    )
    assert [raised.type for raised in read_text(text).findings[0].chain] == ["HTTPError", "EntryNotFoundError"]


def test_links_that_an_editor_made_of_paths_are_taken_out_of_a_message() -> None:
    link = "https://vscode-remote.example/env/x.so"
    (finding,) = read_text(f"ImportError: [/env/x.so]({link}): undefined symbol: _ZN2at4_ops5zeros4call\n").findings
    assert finding.chain[0].message == "/env/x.so: undefined symbol: _ZN2at4_ops5zeros4call"


def test_pips_conflict_is_read_without_its_first_line() -> None:
    text = "The conflict is caused by:\n    The user requested torch\n    peft 0.2.0 depends on torch>=1.13.0\n"
    (finding,) = read_text(text).findings
    assert finding.chain[0].type == RESOLVER and "peft 0.2.0" in finding.chain[0].message


FLAT = (
    'Traceback (most recent call last): File "/home/me/train.py", line 9, in <module> trainer.train() '
    'File "/srv/env/lib/python3.10/site-packages/peft/peft_model.py", line 1156, in prepare_inputs_for_generation '
    "[rank0]: cache[0] KeyError: 'Cache only has 0 layers, attempted to access layer with index 0'"
)


@pytest.mark.parametrize("start", ["Traceback", 'File "/srv', "peft/peft_model.py"])
def test_a_traceback_without_its_line_breaks_is_read(start: str) -> None:
    found = explain(FLAT[FLAT.index(start) :])
    assert found.signature is not None and found.signature.id == NAME, found.as_text()
    assert found.diagnosis is not None and found.diagnosis.exception is not None
    assert found.diagnosis.exception.frames[-1].function == "prepare_inputs_for_generation"
    assert all(frame.file != "train.py" or frame.line == 9 for frame in found.diagnosis.exception.frames)


def test_a_traceback_without_its_line_breaks_may_have_a_forums_quotation_marks() -> None:
    found = explain(re.sub(r'"([^"]*)"', "\u201c\\1\u201d", FLAT))
    assert found.signature is not None and found.signature.id == NAME, found.as_text()
    assert found.diagnosis is not None and found.diagnosis.exception is not None
    assert found.diagnosis.exception.frames[-1].function == "prepare_inputs_for_generation"


def test_quotation_marks_of_a_forum_are_those_of_python() -> None:
    curly = re.sub(r'File "([^"]*)"', "File \u201c\\1\u201d", LOG).replace("'", "\u2019")
    assert "\u201c" in curly
    found = explain(curly)
    assert found.signature is not None and found.signature.id == NAME, found.as_text()


def test_an_exception_is_known_by_its_module_and_not_stripped_of_its_class() -> None:
    for text, kind in (
        ("torch._dynamo.exc.Unsupported: call_function", "Unsupported"),
        ("torch._inductor.exc.InductorError: CppCompileError: C++ compile error", "InductorError"),
    ):
        found = explain(text).diagnosis
        assert found is not None and found.exception is not None and found.exception.type == kind


def test_the_exception_that_a_message_announces_is_the_root_and_has_the_places() -> None:
    frame = '  File "/srv/env/lib/python3.11/site-packages/torch/utils/cpp_extension.py", line 11, in <module>'
    for outer, kinds in (
        ("BackendCompilerFailed: backend='inductor' raised:", ["ModuleNotFoundError", "BackendCompilerFailed"]),
        ("ValueError: nothing of it:", ["ValueError"]),
    ):
        lines = (
            "Traceback (most recent call last):",
            frame,
            outer,
            "ModuleNotFoundError: No module named 'setuptools'",
        )
        finding = read_text("\n".join((*lines, "", "Set TORCH_LOGS"))).findings[0]
        assert [raised.type for raised in finding.chain] == kinds
        assert all(raised.frames[-1].file.endswith("torch/utils/cpp_extension.py") for raised in finding.chain)
        assert finding.line_of(finding.chain[0]) == len(kinds) + 2


def test_what_nccl_calls_its_error_belongs_to_torchs_message() -> None:
    text = (
        "torch.distributed.DistBackendError: NCCL error in: NCCLUtils.hpp:317, unhandled system error\n"
        "ncclSystemError: System call (e.g. socket, malloc) or external library call failed or device error.\n"
        "Last error:\n"
        "Error while creating shared memory segment /dev/shm/nccl-EoOvZr (size 7340384)\n"
    )
    (raised,) = read_text(text).findings[0].chain
    assert raised.type == "DistBackendError"
    assert raised.message.endswith("/dev/shm/nccl-EoOvZr (size 7340384)")


def test_a_path_that_a_terminal_broke_is_one_path() -> None:
    wide = LOG.replace("peft_model.py", "peft_m" + " " * 77 + "odel.py")
    assert wide != LOG
    assert verdict(wide) == NAME


def test_the_folder_of_an_egg_is_no_part_of_the_place() -> None:
    old = LOG.replace("site-packages/transformers/", "site-packages/transformers-4.36.2-py3.11.egg/transformers/")
    assert old != LOG
    assert read_text(old).findings[-1].chain == read_text(LOG).findings[-1].chain


def test_a_crash_right_below_the_exception_that_ended_the_run_came_with_the_shutting_down() -> None:
    crash = "Segmentation fault (core dumped)\n"
    assert verdict(LOG.rstrip("\n") + "\n" + crash) == NAME
    assert verdict(LOG.rstrip("\n") + "\n\nepoch 2\n" + crash) == "segmentation-fault"


ABORTED = """terminate called after throwing an instance of 'c10::Error'
  what():  {what}
Exception raised from c10_cuda_check_implementation at ../c10/cuda/CUDAException.cpp:43 (most recent call first):
frame #0: c10::Error::Error(c10::SourceLocation, std::string) + 0x96 (0x7f in /srv/env/torch/lib/libc10.so)
run.sh: line 3: 19058 Aborted                 (core dumped) python train.py
"""


@pytest.mark.parametrize(
    ("what", "signature", "line"),
    [
        ("CUDA error: device-side assert triggered", "cuda-device-assert", 2),
        ("[PG 0 Rank 0] NCCL watchdog thread terminated with exception: NCCL error: internal error", "nccl-failed", 2),
        ("something that nobody knows", "aborted", 5),
    ],
)
def test_what_a_cpp_exception_says_comes_before_the_abort_that_follows_from_it(
    what: str, signature: str, line: int
) -> None:
    found = explain(ABORTED.format(what=what))
    assert (found.signature.id if found.signature else None, found.line) == (signature, line)


def test_an_abort_that_repeats_pythons_exception_leaves_that_its_place() -> None:
    text = """Traceback (most recent call last):
  File "/srv/env/lib/python3.11/site-packages/transformers/trainer.py", line 3147, in training_step
    self.accelerator.backward(loss)
RuntimeError: CUDA error: device-side assert triggered
"""
    found = explain(text + ABORTED.format(what="CUDA error: device-side assert triggered"))
    assert found.signature is not None and (found.signature.id, found.line) == ("cuda-device-assert", 4)


def test_an_abort_right_below_an_exception_follows_from_it_and_one_further_down_does_not() -> None:
    raised, abort = "RuntimeError: CUDA error: an illegal memory access was encountered\n", ABORTED.partition("\n")[0]
    for between, signature in (("", "cuda-kernel-failed"), ("epoch 4\n" * 9, "aborted")):
        found = explain(raised + between + abort).signature
        assert found is not None and found.id == signature


def test_a_cpp_exception_in_another_programs_log_is_no_finding() -> None:
    text = """server.cpp:12: start
terminate called after throwing an instance of 'std::runtime_error'
  what():  [Errno 24] Too many open files
"""
    assert diagnose_log(read_text(text), shipped_catalogue())[1] is None
    assert diagnose_log(read_text("python train.py\n" + text), shipped_catalogue())[1] is not None


CELL = "---------------------------------------------------------------------------\n"
FAILED = (
    CELL
    + """OSError                                   Traceback (most recent call last)
/tmp/ipykernel_11/1.py in <cell line: 0>()
----> 1 model = AutoModel.from_pretrained("nobody/nothing")

/srv/env/lib/python3.11/site-packages/transformers/utils/hub.py in cached_files(path_or_repo_id, filenames)
--> 543                 raise OSError(

OSError: nobody/nothing is not a local folder and is not a valid model identifier listed on 'https://huggingface.co/models'

"""
)
MISSED = (
    CELL
    + """NameError                                 Traceback (most recent call last)
/tmp/ipykernel_11/2.py in <cell line: 0>()
----> 1 trainer = Trainer(model)

NameError: name '{}' is not defined

"""
)


def test_a_name_that_a_later_cell_misses_follows_from_the_cell_that_failed() -> None:
    first = explain(FAILED).signature
    explanation = explain(FAILED + MISSED.format("model") + MISSED.format("trainer"))
    assert first is not None
    assert explanation.signature is first
    assert [other.exception for other in explanation.others] == [
        "NameError: name 'model' is not defined",
        "NameError: name 'trainer' is not defined",
    ]


def test_a_name_that_is_missing_at_first_or_in_a_script_is_what_failed() -> None:
    alone = explain(MISSED.format("model"))
    assert alone.diagnosis is not None
    assert alone.diagnosis.exception is not None
    assert alone.diagnosis.exception.message == "name 'model' is not defined"
    script = 'Traceback (most recent call last):\n  File "/home/me/train.py", line 3, in <module>\n    model.train()\n'
    told = explain(FAILED + script + "NameError: name 'model' is not defined\n")
    assert told.signature is None
    assert told.diagnosis is not None
    assert told.diagnosis.exception is not None
    assert told.diagnosis.exception.type == "NameError"


def test_what_was_raised_over_a_message_of_paragraphs_leads_to_that_message() -> None:
    text = """Traceback (most recent call last):
  File "/srv/env/lib/python3.12/site-packages/bitsandbytes/cextension.py", line 269, in throw_on_call
    raise RuntimeError(self.formatted_error)
RuntimeError: Configured ROCm binary not found at /srv/env/libbitsandbytes_rocm71.so

Run this command for detailed diagnostics:
python -m bitsandbytes

{}During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/home/me/node.py", line 204, in speak
    raise Exception("speaking failed")
Exception: speaking failed
"""
    explanation = explain(text.format(""))
    assert explanation.signature is not None
    assert explanation.signature.id == "bitsandbytes-cuda-setup"
    apart = text.replace("During handling of the above exception, another exception occurred:", "Retried.")
    assert explain(apart.format("")).signature is None


def test_a_secret_that_hides_digits_of_a_lines_number_hides_no_frame() -> None:
    text = LOG.replace(", line ", ", line 1***")
    assert "line 1***" in text
    assert verdict(text) == NAME


@pytest.mark.parametrize(
    "prompt",
    [
        "(LLM_test) me@host:~/ETU$ ^C",
        "(base) me@gpu-7:/srv/my folder# python train.py",
        "[root@host llama]# ls",
        "PS C:\\Users\\me\\peft> python run.py",
        "(venv) C:\\Users\\me>",
    ],
)
def test_a_shells_prompt_is_no_part_of_the_message_above_it(prompt: str) -> None:
    told = "Traceback (most recent call last):\n  File \"run.py\", line 3, in <module>\n    f()\nKeyError: 'a'\n"
    (found,) = read_text(told + prompt + "\n").findings
    assert found.chain[-1].message == "'a'"


def test_a_message_and_a_traceback_cut_before_its_exception_are_read_together() -> None:
    told = "AttributeError: LlamaTokenizer has no attribute tokenizer\n\n"
    cut = 'File "/srv/env/lib/python3.12/site-packages/trl/trainer/dpo_trainer.py", line 765, in __init__\n    x(\n'
    narrow, wide = explain(told + cut).signature, explain(told).signature
    assert narrow is not None and wide is not None
    assert narrow.id != wide.id and wide.id in narrow.beside


def test_a_traceback_behind_pytests_margin_is_read_where_its_beginning_is_cut_off() -> None:
    told = LOG.splitlines()
    frames = told[next(place for place, line in enumerate(told) if "peft_model.py" in line) :]
    assert verdict("".join(f"E   {line}\n" for line in frames)) == NAME


def test_an_exception_may_be_as_deep_as_the_code_above_it() -> None:
    head = 'Traceback (most recent call last):\n  File "/srv/train.py", line 9, in main\n    length = outer[0]\n'
    for end in ("    TypeError: 'NoneType' object is not subscriptable", "  ...\n  TypeError: not a number"):
        (finding,) = read_text(head + end).findings
        assert finding.chain[-1].type == "TypeError"
        assert len(finding.chain[-1].frames) == 1
    # an exception that a docstring names stands further below
    shown = "    ---> 3 def f():\n    Raises\n    ValueError: Not this.\nKeyError: 'x'"
    (finding,) = read_text(head + shown).findings
    assert finding.chain[-1].type == "KeyError"


def test_a_class_as_python_shows_it_tells_an_exception() -> None:
    (finding,) = read_text("## Exception summary\n<class 'torch.cuda.OutOfMemoryError'>: CUDA out of memory.").findings
    assert (finding.chain[-1].module, finding.chain[-1].type) == ("torch.cuda", "OutOfMemoryError")


def test_a_frame_that_a_terminal_broke_within_the_files_name() -> None:
    text = (
        'Traceback (most recent call last):\n  File "/home/me/src/open_r1/grpo.p\ny", line 259, in <module>\n'
        "    main()\nValueError: x"
    )
    (finding,) = read_text(text).findings
    assert [(frame.file, frame.line) for frame in finding.chain[-1].frames] == [("/home/me/src/open_r1/grpo.py", 259)]


def test_frames_without_marks_or_without_a_functions_name() -> None:
    (finding,) = read_text(" File callbacks.py, line 493, in __restore_from\n    mod.restore()\nTypeError: x").findings
    assert [frame.function for frame in finding.chain[-1].frames] == ["__restore_from"]
    flat = '`File "/srv/site-packages/llama_index/huggingface.py", line 90, in ValueError: Unable to find it`'
    (finding,) = read_text(flat).findings
    assert (finding.chain[-1].type, finding.chain[-1].message) == ("ValueError", "Unable to find it")
    assert finding.chain[-1].frames[-1].file == "llama_index/huggingface.py"


@pytest.mark.parametrize(
    ("source", "foreign"),
    [("/__w/tokenizers/tokenizers/tokenizers/src/tokenizer/normalizer.rs:698:30", False), ("src/main.rs:12:5", True)],
)
def test_a_panic_of_the_tokenizers_library_is_the_stacks_own(source: str, foreign: bool) -> None:
    assert read_text(f"thread '<unnamed>' panicked at 'NormalizedString bad split', {source}\n").foreign is foreign
