"""What a source raises: the words of a message, however the text is made."""

from __future__ import annotations

import ast

import pytest

from compatcheck.source_messages import messages_of

LIMIT = 'TOO_SMALL = "A rank of {} is too small for this model, {}"\n'


@pytest.mark.parametrize(
    ("body", "exception", "template"),
    [
        ('raise ValueError("The model has no part to adapt")', "ValueError", "The model has no part to adapt"),
        (
            "raise ValueError(TOO_SMALL.format(rank, name))",
            "ValueError",
            "A rank of {} is too small for this model, {}",
        ),
        (
            'text = "the adapter " + "file of {} has {name} parts"\nraise KeyError(text.format(1, name=2))',
            "KeyError",
            "the adapter file of {} has {} parts",
        ),
        (
            'raise ValueError(textwrap.dedent("""\n  A model must be\n  given before it is adapted\n"""))',
            "ValueError",
            "A model must be given before it is adapted",
        ),
        (
            'raise ValueError(f"  the model {m} has no part to adapt  ".strip())',
            "ValueError",
            "the model {} has no part to adapt",
        ),
        (
            'raise OSError("The weights are not where they should be", path)',
            "OSError",
            "{}The weights are not where they should be",
        ),
        ('raise OSError(f"{path} holds none of the weights", path)', "OSError", "{} holds none of the weights"),
        (
            'assert ok, "The layers do not %s with %d heads" % (a, b)',
            "AssertionError",
            "The layers do not {} with {} heads",
        ),
    ],
)
def test_a_message_is_read_however_it_is_made(body: str, exception: str, template: str) -> None:
    lines = "\n".join(f"    {line}" for line in body.split("\n"))
    said = list(messages_of(ast.parse(f"{LIMIT}def check(rank):\n{lines}\n"), "pkg/x.py"))
    assert [(each.exception, each.template, each.function) for each in said] == [(exception, template, "check")]


def test_of_two_texts_both_are_read() -> None:
    text = """
def check(model):
    hint = "the model has no heads to prune" if model else "there is no model to be pruned"
    raise ValueError(hint)
"""
    said = {each.template for each in messages_of(ast.parse(text), "pkg/x.py")}
    assert said == {"the model has no heads to prune", "there is no model to be pruned"}


def test_a_class_of_exceptions_has_a_message_of_its_own() -> None:
    text = """
class AdapterError(ValueError):
    def __init__(self, name):
        text = f"The adapter {name} belongs to another model"
        super().__init__(text)

class Adapter:
    def __init__(self, name):
        super().__init__("nothing that is raised by anybody")
"""
    said = [(each.exception, each.template) for each in messages_of(ast.parse(text), "pkg/x.py")]
    assert said == [("AdapterError", "The adapter {} belongs to another model")]


def test_few_words_and_what_is_raised_again_are_left_out() -> None:
    text = 'def f(x):\n    raise ValueError("no")\n    raise x\n    raise error("a text that is long enough for it")\n'
    assert list(messages_of(ast.parse(text), "pkg/x.py")) == []
