"""What the newest releases' classes have: read from wheels, looked up by class and by name."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from compatcheck.cli import main
from compatcheck.domain import Frame, Raised
from compatcheck.members import Members, read, read_newest, renewed, written
from compatcheck.source_word import source_word

TUNERS = """
class BaseTuner:
    def merge_and_unload(self): ...
    def __init__(self):
        self.active_adapter = "default"

class LoraModel(BaseTuner):
    prefix: str = "lora_"

class IA3Model(BaseTuner):
    scaling_name = "x"
"""


def wheel(folder: Path, name: str, **files: str) -> None:
    with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path.replace("__", "/") + ".py", text)


@pytest.fixture
def members(tmp_path: Path) -> Members:
    wheel(tmp_path, "peft-0.9.0", peft__old="class LoraModel:\n    def gone(self): ...\n")
    wheel(tmp_path, "peft-0.10.0", peft__tuners=TUNERS, peft__tests__x="class TestX:\n    def y(self): ...\n")
    wheel(tmp_path, "trl-1.0.0", trl__config="class SFTConfig:\n    packing: bool = False\n    prefix: str = ''\n")
    wheel(tmp_path, "requests-1.0", requests__api="class Session:\n    pass\n")
    told: list[str] = []
    found = read_newest(tmp_path, told.append)
    assert told == ["peft 0.10.0", "trl 1.0.0"]
    return found


def test_the_newest_wheel_of_a_package_of_the_stack_is_read_without_its_tests(members: Members) -> None:
    assert {name: each.release for name, each in members.packages.items()} == {"peft": "0.10.0", "trl": "1.0.0"}
    assert set(members.packages["peft"].own) == {"BaseTuner", "LoraModel", "IA3Model"}
    assert members.packages["peft"].own["BaseTuner"] == ("active_adapter", "merge_and_unload")


def test_a_member_is_found_by_the_class_that_brings_it(members: Members) -> None:
    assert members.bearer("peft", "LoraModel", "prefix") == "LoraModel"
    assert members.bearer("peft", "LoraModel", "merge_and_unload") == "BaseTuner"
    assert members.bearer("peft", "LoraModel", "gone") is None
    assert members.bearer("peft", "LoraModel", "scaling_name") is None


def test_a_name_that_is_alike_is_found_in_the_class_and_its_bases(members: Members) -> None:
    assert members.nearest("peft", "LoraModel", "merge_and_unloaded") == "merge_and_unload"
    assert members.nearest("peft", "LoraModel", "active_adapters") == "active_adapter"
    assert members.nearest("peft", "LoraModel", "tokenizer") is None


def test_the_others_that_have_a_name(members: Members) -> None:
    assert members.others("prefix") == [("peft", "LoraModel"), ("trl", "SFTConfig")]
    assert members.others("nothing") == []


def test_the_file_gives_back_what_was_read_and_keeps_other_packages(members: Members, tmp_path: Path) -> None:
    assert read(written(members)) == members
    newer = tmp_path / "newer"
    newer.mkdir()
    wheel(newer, "trl-1.1.0", trl__config="class SFTConfig:\n    padding_free: bool = False\n")
    both = renewed(members, read_newest(newer, lambda _: None))
    assert both.packages["peft"] == members.packages["peft"]
    assert (both.packages["trl"].release, both.packages["trl"].own["SFTConfig"]) == ("1.1.0", ("padding_free",))


def test_the_command_writes_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel(tmp_path, "peft-0.10.0", peft__tuners=TUNERS)
    out = tmp_path / "members.json"
    assert main(["catalogue", "members", str(tmp_path), "--out", str(out)]) == 0
    assert "peft 0.10.0" in capsys.readouterr().err
    assert read(out.read_text()).bearer("peft", "IA3Model", "active_adapter") == "BaseTuner"


def says(message: str, *frames: str) -> str | None:
    word = source_word(Raised("AttributeError", "", message, tuple(Frame(each, 1, "f") for each in frames)), {})
    return word and word.says


@pytest.mark.parametrize(
    ("message", "part"),
    [
        ("'EvalPrediction' object has no attribute 'prediction'", "the nearest that it has is predictions"),
        ("'TrainingArguments' object has no attribute 'packing'", "SFTConfig of trl has it"),
        ("'UNet2DConditionModel' object has no attribute 'add_adapter'", "by its base PeftAdapterMixin"),
        ("type object 'PNDMScheduler' has no attribute 'from_pretrained'", "by its base SchedulerMixin"),
    ],
)
def test_the_shipped_table_tells_what_there_is_instead(message: str, part: str) -> None:
    assert part in (says(message) or "")


def test_a_copy_of_a_checkpoints_class_tells_nothing_of_the_checkpoint() -> None:
    message = "'ChatGLMTokenizer' object has no attribute 'tokenizer'"
    assert says(message) is None
    assert says(message, "transformers_modules/chatglm/tokenization_chatglm.py") is None
    assert says(message, "diffusers/pipelines/kolors/tokenizer.py") is not None


def test_a_name_that_any_class_may_have_is_not_looked_for_elsewhere() -> None:
    assert says("'DynamicCache' object has no attribute 'detach'") is None
