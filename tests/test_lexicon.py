"""The words of the stack's sources: what no release has, and what none can be said to lack."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from minimatrix.index import LocalIndex

from compatcheck.cli import main
from compatcheck.explanation import explain
from compatcheck.index_wheels import IndexWheel, WheelText
from compatcheck.lexicon import Lexicon, gathered, read, renewed, shipped_lexicon, written


def wheel(package: str, release: str, **files: str) -> IndexWheel:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{package}/{name.replace('_dot_', '.')}", text)
    return IndexWheel(package, release, "", WheelText(zipfile.ZipFile(raw), f"{package}-{release}.whl"))


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    wheels = (
        wheel("peft", "0.1", a_dot_py='class LoraConfig: "a\\nword in \\tstrings"', b_dot_txt="unread"),
        wheel("peft", "0.2", a_dot_pyi="rank_pattern: int  # old_name"),
        wheel("trl", "1.0", a_dot_py="def reward(): ..."),
    )
    return read(written(gathered(wheels)))


def test_a_word_of_any_release_counts_also_in_a_comment_or_a_string(lexicon: Lexicon) -> None:
    assert not any(
        lexicon.never("peft", each) for each in ("LoraConfig", "rank_pattern", "old_name", "word", "strings")
    )
    assert lexicon.never("peft", "unread") and lexicon.never("peft", "reward")
    assert (lexicon.packages["peft"].first, lexicon.packages["peft"].last) == ("0.1", "0.2")


def test_what_is_read_anew_stands_in_the_place_of_the_same_packages_words(lexicon: Lexicon) -> None:
    now = renewed(lexicon, gathered((wheel("peft", "0.3", a_dot_py="fresh = 1"),)))
    assert now.never("peft", "rank_pattern") and not now.never("peft", "fresh")
    assert now.packages["trl"] == lexicon.packages["trl"] and renewed(None, lexicon) == lexicon


def test_nothing_is_said_of_packages_that_were_not_read_or_of_words_cut_off(lexicon: Lexicon) -> None:
    assert not lexicon.never("django", "rank_pattern")
    assert not lexicon.never("peft", "rank_patt"), "may be the beginning of rank_pattern"
    assert not lexicon.never("peft", "ab"), "shorter than what is kept"
    assert lexicon.nowhere("frobnicate") and not lexicon.nowhere("reward")


def test_a_wheel_gives_the_text_of_what_it_has() -> None:
    text = wheel("peft", "0.1", a_dot_py="x = 1").text
    assert text("peft/a.py") == "x = 1" and text("peft/b.py") is None


def test_the_command_reads_the_index_and_leaves_other_packages_as_they_were(
    index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    out = tmp_path / "lexicon.json"
    out.write_text(written(gathered((wheel("trl", "1.0", a_dot_py="def reward(): ..."),))))
    assert main(["catalogue", "words", "--out", str(out), "--of", "peft"]) == 0
    found = read(out.read_text())
    assert list(found.packages) == ["peft", "trl"] and not found.never("trl", "reward")
    assert not found.never("peft", "PromptTuningConfig") and found.never("peft", "frobnicate")
    assert f"peft {found.packages['peft'].first} to {found.packages['peft'].last}" in capsys.readouterr().err


def test_the_shipped_words_agree_with_what_is_known_of_the_stack() -> None:
    shipped = shipped_lexicon()
    known = {
        "torch": "bfloat16",
        "transformers": "EncoderDecoderCache",
        "peft": "PromptTuningConfig",
        "trl": "DPOTrainer",
    }
    assert not any(shipped.never(package, word) for package, word in known.items())
    assert shipped.never("transformers", "AutoModelWithHeads"), "a name of adapter-transformers'"
    assert shipped.never("peft", "BottleneckConfig"), "a name of LLM-Adapters' own peft"


@pytest.mark.parametrize(
    ("text", "signature"),
    [
        ("ImportError: cannot import name 'frobnicated_model' from 'peft.utils'", "name-in-no-release"),
        ("AttributeError: module 'transformers.models' has no attribute 'FrobnicatedModel'", "name-in-no-release"),
        ("ImportError: cannot import name 'frobnicated' from 'transformers' (unknown location)", "package-lacks-name"),
        ("AttributeError: 'LoraConfig' object has no attribute 'frobnicated_rank'", "attribute-in-no-release"),
        ("AttributeError: type object 'SFTTrainer' has no attribute 'frobnicated'", "attribute-in-no-release"),
        ("TypeError: SFTTrainer.__init__() got an unexpected keyword argument 'frobnicated'", "keyword-in-no-release"),
    ],
)
def test_what_no_release_ever_had_is_told_from_what_another_one_has(text: str, signature: str) -> None:
    explanation = explain(text)
    assert explanation.signature is not None and explanation.signature.id == signature
    other = explain(text.replace("frobnicated", "get").replace("Frobnicated", "Auto"))
    assert other.signature is None or other.signature.id not in (
        "name-in-no-release", "attribute-in-no-release", "keyword-in-no-release",
    )  # fmt: skip


def test_the_source_says_which_releases_were_read() -> None:
    read_of_peft = shipped_lexicon().packages["peft"]
    says = f"no release of peft from {read_of_peft.first} to {read_of_peft.last} has the word frobnicated in its source"
    for text in (
        "ImportError: cannot import name 'frobnicated' from 'peft'",
        "AttributeError: 'LoraConfig' object has no attribute 'frobnicated'",
        "TypeError: LoraConfig.__init__() got an unexpected keyword argument 'frobnicated'",
    ):
        sources = explain(text).sources
        assert sources is not None and sources.says == says and not sources.pins
