"""What carries a log, known or unknown, does not change what it is recognised as: every log of the corpus with a
traceback is put into the guises in which tracebacks come, and keeps its name or loses it, and never gets another one.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_corpus import Case, read_corpus
from test_logs import allowed, verdict

from compatcheck.logcarrier import LearnedPrefix, lines_within
from compatcheck.logtext import read_text


def by_heading(case: Case) -> bool:
    """Whether an issue's heading decides, which no program prints."""
    return case.line is not None and case.text.splitlines()[case.line - 1].startswith("# ")


@cache
def cases() -> list[Case]:
    return [
        case
        for case in read_corpus()
        if case.expect and read_text(case.text).findings and "Traceback (most recent call last)" in case.text
        if not by_heading(case)
    ]


def each_line(form: str) -> Callable[[str], str]:
    return lambda text: "".join(f"{form}{line}\n" for line in text.split("\n"))


def record(**fields: str) -> str:
    return json.dumps(fields)


GUISES: dict[str, Callable[[str], str]] = {
    "docker compose": each_line("trainer-1  | "),
    "kubernetes": each_line("2026-01-02T03:04:05.123456Z stderr F "),
    "GitHub Actions": each_line("2026-01-02T03:04:05.1234567Z "),
    "GitLab": each_line("2026-01-02T03:04:05.123456Z 01E "),
    "Jenkins": each_line("[2026-01-02T03:04:05.123Z] "),
    "Airflow": each_line("[2026-01-02, 03:04:05 UTC] {subprocess.py:93} INFO - "),
    "Celery": each_line("[2026-01-02 03:04:05,678: ERROR/MainProcess] "),
    "loguru": each_line("2026-01-02 03:04:05.678 | ERROR    | __main__:main:12 - "),
    "logging": each_line("2026-01-02 03:04:05,678 - my.module - ERROR - "),
    "vLLM": each_line("(EngineCore_DP0 pid=99) ERROR 10-27 18:38:45 [core.py:708] "),
    "Ray": each_line("\x1b[36m(TrainActor pid=4711, ip=10.0.0.1)\x1b[0m "),
    "torchrun": each_line("[rank0]: "),
    "SageMaker": each_line("[1,mpirank:0,algo-1]<stderr>:"),
    "srun with labels": each_line("3: "),
    "pdsh": each_line("worker-1: "),
    "docker buildx": each_line("#9 24.04 "),
    "nobody has heard of": each_line("<7>[node 12/b] ~ "),
    "a patch": each_line("+"),
    "numbered lines": lambda text: "".join(f"{i:>5}  {line}\n" for i, line in enumerate(text.split("\n"), 1)),
    "a record of JSON": lambda text: record(level="error", message=text) + "\n",
    "docker's records": lambda text: "".join(
        record(log=f"{line}\n", stream="stderr", time="2026") + "\n" for line in text.split("\n")
    ),
    "Kaggle's records": lambda text: (
        "[" + "\n,".join(record(stream_name="stderr", data=f"{line}\n") for line in text.split("\n")) + "]\n"
    ),
    "HTML": html.escape,
    "colours spelled out": each_line("\\u001b[31m"),
    "colours of a pager": each_line("^[[31m"),
    "indented": each_line("        "),
    "padded": lambda text: "".join(f"{line}{' ' * 60}\n" for line in text.split("\n")),
}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.deferred(lambda: st.sampled_from(cases())), st.sampled_from(sorted(GUISES)))
def test_a_log_in_any_guise_keeps_its_name_or_loses_it(case, guise) -> None:  # type: ignore[no-untyped-def]
    assert verdict(GUISES[guise](case.text)) in allowed(case), (case.path.name, guise)


WELL_KNOWN = (
    "docker compose",
    "docker buildx",
    "kubernetes",
    "GitHub Actions",
    "Ray",
    "torchrun",
    "vLLM",
    "docker's records",
    "HTML",
)


@pytest.mark.parametrize("guise", WELL_KNOWN)
def test_a_log_in_a_well_known_guise_keeps_its_name(guise: str) -> None:
    lost = [case.path.name for case in cases() if verdict(GUISES[guise](case.text)) != case.expect]
    assert not lost


TRACEBACK = """\
Traceback (most recent call last):
  File "/home/me/train.py", line 9, in <module>
    trainer.train()
  File "/srv/env/lib/python3.11/site-packages/peft/peft_model.py", line 1156, in prepare_inputs_for_generation
    cache[0]
KeyError: 'Cache only has 0 layers, attempted to access layer with index 0'
"""


@pytest.mark.parametrize("guise", GUISES)
def test_every_guise_is_seen_through(guise: str) -> None:
    assert verdict(GUISES[guise](TRACEBACK)) == "cache-layers-empty"


IN_A_NOTEBOOK = """\
KeyError                                  Traceback (most recent call last)
<ipython-input-7-d477193005ba> in <module>
----> 1 model.generate(**inputs)

/srv/env/lib/python3.11/site-packages/peft/peft_model.py in prepare_inputs_for_generation(self, *args)
   1155         past = model_kwargs["past_key_values"]
-> 1156         cache[0]

KeyError: 'Cache only has 0 layers, attempted to access layer with index 0'
"""


@pytest.mark.parametrize("guise", ["Airflow", "GitLab", "kubernetes", "nobody has heard of"])
def test_a_notebooks_heading_is_no_part_of_what_stands_before_every_line(guise: str) -> None:
    assert [len(found.chain) for found in read_text(GUISES[guise](IN_A_NOTEBOOK)).findings] == [1]
    assert verdict(GUISES[guise](IN_A_NOTEBOOK)) == "cache-layers-empty"


def test_a_prefix_counts_once_the_next_line_has_it_too() -> None:
    prefix = LearnedPrefix()
    assert prefix.off("n7/1 > Traceback (most recent call last):") == "n7/1 > Traceback (most recent call last):"
    assert prefix.off('n7/12 >   File "a.py", line 1, in f') == '  File "a.py", line 1, in f'
    assert prefix.off("n8/1 > KeyError: 'x'") == "KeyError: 'x'"
    assert prefix.off("something else") == "something else"
    once = LearnedPrefix()
    once.off("INFO now Traceback (most recent call last):")
    once.off('  File "a.py", line 1, in f')
    assert once.off("INFO now and then") == "INFO now and then"


@pytest.mark.parametrize(
    ("raw", "lines"),
    [
        ('{"log": "a\\nb\\n"}', ["a", "b"]),
        ('  ,{"msg": "a", "time": 1}', ["a"]),
        ('{"error": {"message": "m", "stack": ["s", "t"]}}', ["m", "s", "t"]),
        ('{"loss": 3.1}', ['{"loss": 3.1}']),
        ("{'loss': 3.1, 'epoch': 1}", ["{'loss': 3.1, 'epoch': 1}"]),
        ("'a\\nb \\'c\\'\\nd d\\ne'", ["'a", "b 'c'", "d d", "e'"]),
        ("C:\\new\\nodes.py and C:\\n\\nodes\\x.py", ["C:\\new\\nodes.py and C:\\n\\nodes\\x.py"]),
        ("f&#x27;x&#x27; &lt;module&gt; &amp;", ["f'x' <module> &"]),
        ("^[[31mred", ["\x1b[31mred"]),
    ],
)
def test_lines_within_a_line(raw: str, lines: list[str]) -> None:
    assert lines_within(raw) == lines


def test_a_long_line_is_not_looked_into_for_ever() -> None:
    raw = '{"log": "' + "x" * 300_000
    assert lines_within(raw) == [raw]
    assert len(re.sub("x", "", "".join(lines_within("{" * 100_000)))) == 100_000
