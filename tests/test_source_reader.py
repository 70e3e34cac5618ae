"""A release's source, read as text: what it raises, what it has, what its classes take."""

from __future__ import annotations

import zipfile
from pathlib import Path

from compatcheck.source_reader import of_a_model, read_source, read_wheel, skimmed

TEXT = """
import json
from .other import Moved as Shown
try:
    from fast import quick
except ImportError:
    quick = None

LIMIT: int = 3

def get_thing(model, adapter_name="default", *, deep=False):
    if deep:
        msg = f"The model {model} has no part that may be adapted deeply."
        raise ValueError(msg)
    assert model, "A model must be given before it can be adapted"

@dataclass
class ThingConfig:
    rank: int = 8
    kind = "thing"

    def check(self, **kwargs):
        self.checked = True
        if self.rank < 1:
            raise ValueError(
                "The rank must be at least one, "
                "and it is {}.".format(self.rank)
            )
        raise KeyError("short")
"""


def test_messages_have_their_words_and_holes_for_values() -> None:
    said = {(each.exception, each.template, each.function) for each in read_source(TEXT, "pkg/things.py").messages}
    assert said == {
        ("ValueError", "The model {} has no part that may be adapted deeply.", "get_thing"),
        ("AssertionError", "A model must be given before it can be adapted", "get_thing"),
        ("ValueError", "The rank must be at least one, and it is {}.", "check"),
    }


def test_names_are_what_can_be_imported() -> None:
    names = read_source(TEXT, "pkg/things.py").names["pkg.things"]
    assert names == {"json", "Shown", "quick", "LIMIT", "get_thing", "ThingConfig"}


def test_keywords_and_members_of_classes_and_functions() -> None:
    facts = read_source(TEXT, "pkg/things.py")
    assert facts.keywords == {
        "get_thing": {"model", "adapter_name", "deep"}, "ThingConfig": {"rank"}, "ThingConfig.check": set(),
    }  # fmt: skip
    assert facts.open_ended == {"ThingConfig.check"}
    assert facts.members == {"ThingConfig": {"rank", "kind", "check", "checked"}}
    assert facts.classes == {"ThingConfig": "pkg.things", "Shown": "pkg.things"}


def test_a_class_is_known_by_the_name_that_a_module_gives_it() -> None:
    text = "from .base import Reranker as FlagReranker, helper as run\nfrom json import JSONDecoder as ForeignDecoder\n"
    assert read_source(text, "pkg/__init__.py").classes == {"FlagReranker": "pkg"}


def test_a_lazy_package_has_what_it_lists() -> None:
    text = '_import_structure = {"things": ["ThingConfig"]}\n_import_structure["more"].append("Late")\n'
    assert read_source(text, "pkg/__init__.py").names["pkg"] >= {"ThingConfig", "Late"}


def test_a_file_that_cannot_be_parsed_holds_nothing() -> None:
    facts = read_source("print 'python two'", "pkg/old.py")
    assert not facts.messages and not facts.names


def test_a_models_file_is_skimmed_for_the_same_words() -> None:
    facts = skimmed('__all__ = ["M"]\n' + TEXT + "\nclass M:\n    pass\n", "pkg/models/m/modeling_m.py")
    assert {(each.exception, each.template) for each in facts.messages} == {
        ("ValueError", "The rank must be at least one, and it is {}."),
    }
    assert facts.public == {"M"}
    assert {"ThingConfig", "M", "get_thing"} <= facts.names["pkg.models.m.modeling_m"]


def test_a_wheel_without_tests_and_scripts_and_with_what_its_models_list(tmp_path: Path) -> None:
    path = tmp_path / "pkg-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("pkg/__init__.py", "from .lazy import define_import_structure\n")
        archive.writestr("pkg/models/m/modeling_m.py", '__all__ = ["M"]\nclass M:\n    pass\n')
        archive.writestr("pkg/tests/test_x.py", "class Hidden:\n    pass\n")
        archive.writestr("pkg/convert_x.py", "class Script:\n    pass\n")
        archive.writestr("pkg-1.0.dist-info/METADATA", "")
    facts = read_wheel(path, "pkg")
    assert set(facts.classes) == {"M"}
    assert "M" in facts.names["pkg"]


def test_a_wheel_that_keeps_its_modules_apart(tmp_path: Path) -> None:
    path = tmp_path / "pkg-1.0-cp311-cp311-manylinux1_x86_64.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("pkg-1.0.data/purelib/pkg/a.py", "class A:\n    pass\n")
        archive.writestr("pkg-1.0.data/platlib/pkg/b.py", "class B:\n    pass\n")
        archive.writestr("pkg-1.0.data/scripts/pkg/c.py", "class C:\n    pass\n")
    assert read_wheel(path, "pkg").classes == {"A": "pkg.a", "B": "pkg.b"}


def test_what_a_class_inherits_is_its_own_too(tmp_path: Path) -> None:
    path = tmp_path / "pkg-1.0-py3-none-any.whl"
    text = """
class Base:
    def __init__(self, deep=1):
        self.depth = deep

class Middle(Base):
    pass

class Thing(Middle):
    @deprecate_kwarg("old", new_name="new")
    def __init__(self, new=None):
        self.own = new
"""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("pkg/things.py", text)
    facts = read_wheel(path, "pkg")
    assert facts.keywords == {"Base": {"deep"}, "Middle": {"deep"}, "Thing": {"new", "old"}}
    assert facts.members["Thing"] == {"__init__", "depth", "own"}


def test_a_models_file_that_is_read_tells_what_its_classes_have_themselves() -> None:
    text = """
class MConfig(PretrainedConfig):
    attribute_map = {"hidden_size": "n_embd"}
    def __init__(self, n_embd=1):
        self.n_embd = n_embd
class MRotary(Module):
    def __init__(self, config):
        self.register_buffer("inv_freq", None)
class MModel(PreTrainedModel):
    def forward(self, ids, past=None):
        self.seen = ids
def rotate_half(x):
    return x
"""
    facts = of_a_model(text, "pkg/models/m/modeling_m.py")
    assert facts.members["MConfig"] == {"attribute_map", "hidden_size", "__init__", "n_embd"}
    assert facts.members["MRotary"] == {"__init__", "inv_freq"}
    assert facts.own == facts.members
    assert facts.keywords == {"MRotary": {"config"}, "MModel.forward": {"ids", "past"}}
    assert "rotate_half" in facts.names["pkg.models.m.modeling_m"]


def test_a_class_has_what_it_is_under_its_other_name_and_what_it_lists() -> None:
    text = """
class Base:
    SPECIAL_TOKENS_ATTRIBUTES = ["pad_token"]
    def save(self): pass
Old = Base
number = other
"""
    facts = read_source(text, "pkg/base.py")
    assert facts.bases["Old"] == ("Base",) and facts.classes == {"Base": "pkg.base", "Old": "pkg.base"}
    assert facts.members["Base"] >= {"pad_token", "pad_token_id", "save"}
