"""What a console did to a text is undone: lines broken at its width, rich's panels; and nothing else is touched."""

from __future__ import annotations

import random

import pytest
from log_corpus import FOLDER, read_case, read_corpus

from compatcheck.console import broken_at_its_width, unbroken, without_panels
from compatcheck.explanation import explain
from compatcheck.logtext import RESOLVER, read_text

TRACEBACK = """\
Some words before it
Traceback (most recent call last):
  File "/home/me/work/train.py", line 30, in <module>
    model = AutoModelForCausalLM.from_pretrained("meta-llama/Llama-2-7b-hf")
  File "/home/me/envs/llm/lib/python3.10/site-packages/transformers/models/auto/auto_factory.py", line 566, in from_pretrained
    return model_class.from_pretrained(
  File "/home/me/envs/llm/lib/python3.10/site-packages/transformers/modeling_utils.py", line 3577, in from_pretrained
    config = cls._check_and_enable_flash_attn_2(config, torch_dtype=torch_dtype, device_map=device_map)
ImportError: FlashAttention2 has been toggled on, but it cannot be used due to the following error: the package flash_attn seems to be not installed.
"""  # noqa: E501


def broken(text: str, width: int, *, padded: bool = False) -> str:
    lines = []
    for line in text.split("\n"):
        parts = [line[place : place + width] for place in range(0, len(line), width)] or [""]
        lines += [part.ljust(width) for part in parts] if padded else parts
    return "\n".join(lines)


@pytest.mark.parametrize("width", [60, 80, 100])
def test_lines_that_a_console_broke_are_whole_again(width: int) -> None:
    text = broken(TRACEBACK, width)
    assert broken_at_its_width(text) and not broken_at_its_width(TRACEBACK)
    whole = unbroken(text)
    assert whole is not None and whole.text == TRACEBACK
    lines = text.split("\n")
    for number, line in enumerate(TRACEBACK.split("\n"), 1):
        assert line.startswith(lines[(whole.place(number) or 0) - 1])
    assert whole.place(None) is None and whole.place(500) == 500


@pytest.mark.parametrize("width", [60, 80])
def test_a_console_that_fills_every_line_with_blanks(width: int) -> None:
    whole = unbroken(broken(TRACEBACK, width, padded=True))
    assert whole is not None
    assert [line.rstrip() for line in whole.text.split("\n")] == TRACEBACK.split("\n")


def test_two_lines_that_ran_together_are_two() -> None:
    text = TRACEBACK.replace(')\n  File "', ')    File "')
    whole = unbroken(broken(text, 90))
    assert whole is not None and whole.text == TRACEBACK


@pytest.mark.parametrize("width", [80, 120])
def test_an_explanation_is_the_same_and_tells_the_line_of_the_broken_text(width: int) -> None:
    text, plain = broken(TRACEBACK, width), explain(TRACEBACK)
    found = explain(text)
    assert plain.signature is not None and found.signature is plain.signature
    assert found.line is not None and text.split("\n")[found.line - 1].startswith("ImportError: ")


def test_what_no_console_broke_stays_as_it_is() -> None:
    for text in (TRACEBACK, "", "one line", "a\nb\n", 'File "', 'I open File "x\nand more of it", line 3, in words'):
        assert not broken_at_its_width(text) and unbroken(text) is None
    table = "\n".join(["│ " + "x" * 80 + " │"] * 5)
    assert unbroken(table) is None


def test_most_logs_keep_their_name_when_a_console_breaks_them() -> None:
    """0.73 at 80 columns before lines were made whole again."""
    logs = [case for case in read_corpus() if case.expect and 'File "' in case.text]
    chosen = [case for case in random.Random(5).sample(logs, 200) if broken(case.text, 80) != case.text]
    named = [(case, explain(broken(case.text, 80)).signature) for case in chosen]
    kept = [case for case, signature in named if signature and signature.id == case.expect]
    assert len(chosen) > 150 and len(kept) / len(chosen) > 0.94


PANEL = """\
╭──────────────────────────────────────────────────────────────────────────────────────────────────╮
│  /home/me/.cache/huggingface/modules/transformers_modules/chatglm-6b/tokenization_chatglm_and_on │
│ .py:1                                                                                            │
│ <!DOCTYPE html>                                                                                  │
│ ▲                                                                                                │
╰──────────────────────────────────────────────────────────────────────────────────────────────────╯
SyntaxError: invalid syntax
"""


def test_richs_panel_around_a_line_that_python_cannot_read() -> None:
    text = without_panels(PANEL)
    assert text.count("\n") == PANEL.count("\n")
    assert 'chatglm-6b/tokenization_chatglm_and_on.py", line 1\n    <!DOCTYPE html>\n    ^\n' in text
    assert without_panels(TRACEBACK) is TRACEBACK and without_panels("▲ up") == "▲ up"
    no_place = PANEL.replace(":1 ", "   ")
    assert without_panels(no_place) == no_place
    found = explain(PANEL)
    assert found.signature is not None and found.signature.id == "code-is-a-web-page" and found.line == 7


@pytest.mark.parametrize("name", ["thread-alpaca-cot-40", "thread-peft-893"])
def test_logs_out_of_a_console(name: str) -> None:
    case = read_case(FOLDER / f"{name}.txt")
    assert (found := explain(case.text)).signature is not None and found.line == case.line


def test_two_reasons_of_a_conflict_tell_of_it_without_the_sentence_above() -> None:
    reasons = ["sentence-transformers 0.4.0 depends on torch>=1.6.0", "    torchvision==0.5.0 depends on torch==1.4.0"]
    (found,) = read_text("\n".join(["Installing fails:", *reasons])).findings
    assert found.line == 2 and found.chain[0].type == RESOLVER
    assert not read_text("\n".join([reasons[0], "", reasons[1]])).findings  # not one below the other
    assert not read_text("\n".join([reasons[0], reasons[0]])).findings  # the same wish twice
    assert not read_text("\n".join([reasons[0], "torchvision 0.5.0 depends on numpy==1.4.0"])).findings
    sentence = "ERROR: Cannot install a and b because these package versions have conflicting dependencies."
    assert len(read_text("\n".join([sentence, *reasons, "ERROR: ResolutionImpossible", *reasons])).findings) == 1
