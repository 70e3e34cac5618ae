"""What releases say, joined: who raises a message, which releases have a name, and since when a keyword is taken."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from compatcheck.catalogues import load_catalogue
from compatcheck.classify import diagnose_chain
from compatcheck.cli import main
from compatcheck.domain import Frame, Raised
from compatcheck.source_reader import SourceFacts, read_source, read_wheel
from compatcheck.source_table import gathered, read_folder, written
from compatcheck.sources import SHIPPED, Sources, shipped_sources, sources_of

OLD = """
def load_it(path):
    raise ValueError(f"The adapter file {path} is not one of this library")

class OldThing:
    pass
"""
NEW = (
    "def load_it(path, strict=True):\n"
    '    raise ValueError(f"The adapter file {path} is not one of this library: {strict}")\n\n'
    "class NewThing:\n    def fit(self):\n        self.done = 1\n"
)


def facts(text: str, file: str = "peft/load.py") -> SourceFacts:
    return read_source(text, file)


def moved() -> SourceFacts:
    both = facts(NEW)
    both.add(read_source("class OldThing:\n    pass\n", "peft/legacy.py"))
    return both


@pytest.fixture(name="sources")
def made() -> Sources:
    read = {"peft": {"0.1.0": facts(OLD), "0.2.0": facts(OLD), "0.3.0": moved()}}
    return sources_of(json.loads(written(gathered(read))))


def raised(message: str, *files: str, kind: str = "ValueError") -> Raised:
    return Raised(kind, "", message, tuple(Frame(file, 1, "f") for file in files))


def test_a_message_is_found_by_its_words_around_the_values(sources: Sources) -> None:
    site = sources.site(raised("The adapter file /x/y.bin is not one of this library"))
    assert site is not None
    assert (site.package, site.file, site.function) == ("peft", "peft/load.py", "load_it")
    assert sources.lifetime(site).as_text() == "peft up to 0.2.0"


def test_the_longer_wording_wins(sources: Sources) -> None:
    site = sources.site(raised("The adapter file x is not one of this library: True"))
    assert site is not None
    assert sources.lifetime(site).as_text() == "peft 0.3.0 and later"


def test_a_key_errors_text_is_read_out_of_its_quotes() -> None:
    site = shipped_sources().site(
        raised("'Cache only has 0 layers, attempted to access layer with index 0'", kind="KeyError")
    )
    assert site is not None and (site.file, site.function) == ("transformers/cache_utils.py", "__getitem__")


@pytest.mark.parametrize(
    "other",
    [
        raised("The adapter file x is not one of this library", kind="KeyError"),
        raised("Sorry: The adapter file x is not one of this library"),
        raised("The adapter file x is not one of that library"),
        raised("The adapter file x is not one of this library", "otherpackage/load.py"),
    ],
    ids=["another class", "words before it", "other words", "raised by another package"],
)
def test_what_another_program_says_is_not_the_packages(other: Raised, sources: Sources) -> None:
    assert sources.site(other) is None


def test_frames_of_the_package_or_of_a_script_agree(sources: Sources) -> None:
    for file in ("peft/load.py", "/home/me/src/peft/load.py", "/home/me/copied.py"):
        assert sources.site(raised("The adapter file x is not one of this library", "mine.py", file)) is not None


def test_names_with_their_releases_and_where_they_went(sources: Sources) -> None:
    found = sources.name("peft.load", "OldThing")
    assert found is not None
    life, where = found
    assert (life.as_text(), life.specifier, where) == ("peft up to 0.2.0", "<=0.2.0", "peft.legacy")
    new = sources.name("peft.load", "NewThing")
    assert new is not None and new[0].specifier == ">=0.3.0"
    assert sources.name("peft.load", "load_it") is None, "every release has it"
    assert sources.name("numpy", "x") is None


def test_keywords_members_modules_and_classes(sources: Sources) -> None:
    keyword = sources.keyword("load_it", "strict")
    assert keyword is not None and keyword.as_text() == "peft 0.3.0 and later"
    assert sources.keyword("load_it", "path") is None
    module = sources.module("peft.legacy")
    assert module is not None and module.specifier == ">=0.3.0"
    assert sources.class_of("NewThing") == "peft" and sources.class_of("Thing") is None


def test_the_shipped_table_is_whole_and_says_what_its_sources_say() -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    data = json.loads(text)
    assert written(data) == text
    sources = shipped_sources()
    for package in ("transformers", "peft", "accelerate", "trl", "huggingface_hub", "datasets", "bitsandbytes"):
        each = sources.packages[package]
        assert len(each.releases) > 9 and len(each.raised) > 50
        assert all(0 <= first <= last < len(each.releases) for *_, first, last in each.raised)
    life = sources.name("transformers", "HybridCache")
    assert life is not None and life[0].as_text() == "transformers 4.44.2 to 4.57.6"
    for owner, keyword, specifier in (
        ("TrainingArguments", "evaluation_strategy", ">=3.2.0,<=4.50.3"),
        ("Trainer", "tokenizer", ">=3.1.0,<=4.57.6"),
        ("LoraConfig", "use_dora", ">=0.9.0"),
    ):
        life_of = sources.keyword(owner, keyword)
        assert life_of is not None and life_of.specifier == specifier
    for name, specifier in (
        ("AutoModelForVision2Seq", ">=4.13.0,<=4.57.6"),
        ("AutoModelForImageTextToText", ">=4.46.3"),
    ):
        found = sources.name("transformers", name)
        assert found is not None and found[0].specifier == specifier


def test_the_command_reads_wheels_into_a_table_and_keeps_the_other_packages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for version, text in (("0.10.0", NEW), ("0.9.0", OLD)):
        with zipfile.ZipFile(tmp_path / f"peft-{version}-py3-none-any.whl", "w") as archive:
            archive.writestr("peft/load.py", text)
    (tmp_path / "django-5.0-py3-none-any.whl").write_bytes(b"not looked at")
    out = tmp_path / "sources.json"
    assert main(["catalogue", "read", str(tmp_path), "--out", str(out)]) == 0
    assert capsys.readouterr().err.splitlines() == ["peft 0.9.0", "peft 0.10.0"]
    life = sources_of(json.loads(out.read_text())).keyword("load_it", "strict")
    assert life is not None and life.specifier == ">=0.10.0"
    other = tmp_path / "other"
    other.mkdir()
    with zipfile.ZipFile(other / "trl-0.9.0-py3-none-any.whl", "w") as archive:
        archive.writestr("trl/load.py", NEW)
    assert main(["catalogue", "read", str(other), "--out", str(out)]) == 0
    assert set(sources_of(json.loads(out.read_text())).packages) == {"peft", "trl"}
    capsys.readouterr()
    empty = tmp_path / "empty"
    empty.mkdir()
    assert main(["catalogue", "read", str(empty), "--out", str(out)]) != 0
    assert "no wheel of a package of the stack" in capsys.readouterr().err


def test_a_source_distribution_is_read_where_its_modules_lie(tmp_path: Path) -> None:
    path = tmp_path / "ms_swift-1.0.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in ("src/swift/load.py", "swift/again.py", "tests/swift/no.py", "setup.py"):
            content = NEW.replace("this library", name).encode()
            member = tarfile.TarInfo(f"ms_swift-1.0.0/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    (tmp_path / "ms_swift-1.0.0.zip").write_bytes(b"not looked at")
    read = read_folder(tmp_path, lambda text: None)
    assert {each.file for each in read["ms_swift"]["1.0.0"].messages} == {"swift/load.py", "swift/again.py"}
    found = sources_of(json.loads(written(gathered(read))))
    site = found.site(raised("The adapter file x is not one of src/swift/load.py: True", "/venv/swift/load.py"))
    assert site is not None and found.lifetime(site).as_text() == "every ms_swift that was read"


KERNEL = """
Tensor svd(const Tensor& x) {
  TORCH_CHECK(x.dim() > 1, "svd: the matrix has only ", x.dim(), " dimensions", " and not the two that it must have");
  TORCH_CHECK(x.ok(), "svd: this one is only said where another system is");
}
"""
LIBRARY = b"\x7fELF\x00\x01svd: the matrix has only \x00 dimensions\x00\x02 and not the two that it must have\x00"


def torch_folder(folder: Path) -> Path:
    """Two releases as wheels, of which the second one's library has words that the archive of the first one has."""
    with tarfile.open(folder / "pytorch-v2.0.0.tar.gz", "w:gz") as archive:
        for name in ("aten/src/ATen/native/Svd.cpp", "aten/src/ATen/test/Svd.cpp", "third_party/x/Svd.cpp"):
            member = tarfile.TarInfo(f"pytorch-v2.0.0/{name}")
            member.size = len(KERNEL)
            archive.addfile(member, io.BytesIO(KERNEL.encode()))
    for version, library in (("2.0.0", b"\0other words than those\0"), ("2.1.0", LIBRARY), ("2.2.0", LIBRARY)):
        with zipfile.ZipFile(folder / f"torch-{version}-cp311-cp311-linux_x86_64.whl", "w") as wheel:
            wheel.writestr("torch/hub.py", NEW)
            wheel.writestr("torch/lib/libtorch_cpu.so", library)
            wheel.writestr("torch/include/c10/util/Check.h", KERNEL.replace("svd: the", "header: the"))
            wheel.writestr("torch/lib/libcudnn.so", b"\0svd: this one is only said where another system is\0")
    return folder


def test_what_is_raised_in_cpp_holds_for_the_releases_whose_libraries_have_the_words(tmp_path: Path) -> None:
    told: list[str] = []
    read = read_folder(torch_folder(tmp_path), told.append)
    assert told == ["torch 2.0.0", "torch 2.1.0", "torch 2.2.0"], "the archive by itself is no release"
    found = sources_of(json.loads(written(gathered(read))))
    message = "svd: the matrix has only 1 dimensions and not the two that it must have"
    site = found.site(raised(message, kind="RuntimeError"))
    assert site is not None and site.native
    assert (site.file, site.function) == ("aten/src/ATen/native/Svd.cpp", "svd")
    assert found.lifetime(site).as_text() == "torch 2.1.0 and later"
    for other in ("svd: this one is only said where another system is", message.replace("svd", "header")):
        assert found.site(raised(other, kind="RuntimeError")) is None, "no library of torch's has it"


def test_no_frame_shows_what_is_raised_in_cpp_but_a_line_that_raises_by_itself(tmp_path: Path) -> None:
    found = sources_of(json.loads(written(gathered(read_folder(torch_folder(tmp_path), lambda text: None)))))
    message = "svd: the matrix has only 1 dimensions and not the two that it must have"
    called = raised(message, "transformers/models/x.py", kind="RuntimeError")
    assert found.site(called) is not None
    assert found.site(replace(called, code="    return torch.svd(x)")) is not None
    assert found.site(replace(called, code="    raise RuntimeError(message)")) is None


def test_a_class_is_known_by_the_name_that_torch_gives_it_in_a_traceback() -> None:
    each = {
        "releases": ["2.6.0"],
        "messages": [["LinAlgError", "{}: The solver failed for a matrix that has no inverse", "a.cpp f", 0, 0]],
        "names": {}, "modules": {}, "classes": "", "keywords": {}, "members": {},
    }  # fmt: skip
    sources = sources_of({"packages": {"torch": each}})
    for kind in ("LinAlgError", "_LinAlgError"):
        assert sources.site(raised("solve: The solver failed for a matrix that has no inverse", kind=kind)) is not None


@pytest.mark.parametrize(
    ("template", "plain"),
    [
        ("Required field {} is missing", True),
        ("Only one of the two may be given", True),
        ("{} is not in the list of allowed values", True),
        ("Checkpoint {} is missing", False),
        ("`load_in_8bit` is missing", False),
        ("Required field {} is missing in the {} that was given to this function", False),
    ],
)
def test_what_any_program_may_say_counts_only_where_the_traceback_ends_in_the_package(
    template: str, plain: bool
) -> None:
    each = {
        "releases": ["1.0"], "messages": [["ValueError", template, "peft/load.py f", 0, 0]], "names": {}, "modules": {},
        "classes": "", "keywords": {}, "members": {},
    }  # fmt: skip
    sources = sources_of({"packages": {"peft": each}})
    said = template.replace("{}", "x")
    tool = sources_of({"packages": {"axolotl": each}})
    assert (tool.site(raised(said)) is None) == (len(said) < 60), "of a tool every short one is plain"
    assert sources.site(raised(said, "peft/load.py")) is not None
    assert (sources.site(raised(said)) is None) == plain
    assert (sources.site(raised(said, "/home/me/shop/views.py")) is None) == plain


@pytest.mark.parametrize("spoken_of", [(), ("axolotl",)])
def test_a_plain_message_counts_where_its_package_is_spoken_of(spoken_of: tuple[str, ...]) -> None:
    each = {
        "releases": ["1.0"], "messages": [["ValueError", "no {} rows are left over", "axolotl/load.py f", 0, 0]],
        "names": {}, "modules": {}, "classes": "", "keywords": {}, "members": {},
    }  # fmt: skip
    sources = sources_of({"packages": {"axolotl": each}})
    assert (sources.site(raised("no 3 rows are left over"), spoken_of) is not None) == bool(spoken_of)
    assert sources.site(raised("no 3 rows are left over", kind="TypeError"), spoken_of) is None
    assert sources.site(raised("no 3 rows are left over", kind=""), spoken_of) is None


def test_quotes_in_the_place_of_backticks_and_a_missing_full_stop_are_read() -> None:
    each = {
        "releases": ["1.0"], "names": {}, "modules": {}, "classes": "", "keywords": {}, "members": {},
        "messages": [["ValueError", "No `{}()` method defined to run `Trainer.{}`.", "peft/x.py f", 0, 0]],
    }  # fmt: skip
    sources = sources_of({"packages": {"peft": each}})
    for said in ("No 'a()' method defined to run 'Trainer.b'", "No `a()` method defined to run `Trainer.b`."):
        assert sources.site(raised(said, "peft/x.py")) is not None, said
    assert sources.site(raised("No a() method defined to run Runner.b", "peft/x.py")) is None


def test_a_name_alone_tells_of_the_one_package_that_had_it(sources: Sources) -> None:
    assert shipped_sources().home_of("AudioMetaData") == "torchaudio"
    assert shipped_sources().home_of("quantize") is None
    assert sources.home_of("NoSuchName") is None


def test_of_torch_only_what_speaks_of_files_devices_and_processes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "torch-2.6.0-cp311-none-any.whl"
    said = "def f():\n    raise ValueError('this is said by {0} and by nobody else')\n"
    with zipfile.ZipFile(path, "w") as archive:
        for part in ("nn/modules/linear.py", "distributed/store.py", "serialization.py"):
            archive.writestr(f"torch/{part}", said.format(part))
    found = {each.file for each in read_wheel(path, "torch").messages}
    assert found == {"torch/distributed/store.py", "torch/serialization.py"}


def test_of_sglang_its_server_is_read_and_not_its_kernels(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "sglang-0.5.0-py3-none-any.whl", "w") as archive:
        for file in ("srt/lora/lora.py", "srt/layers/attention/backend.py", "srt/layers/linear.py", "kernels/ops.py"):
            archive.writestr(f"sglang/{file}", 'raise ValueError("What stands in this file is not to be had at all")\n')
    read = read_folder(tmp_path, lambda text: None)["sglang"]["0.5.0"]
    assert {said.file for said in read.messages} == {"sglang/srt/layers/linear.py", "sglang/srt/lora/lora.py"}


def test_of_a_program_built_on_the_stack_only_the_exceptions_are_its_classes(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "speechbrain-1.0.0-py3-none-any.whl", "w") as archive:
        text = "class LatentDiffusion:\n    pass\n\nclass FetchingError(Exception):\n    pass\n"
        archive.writestr("speechbrain/core.py", text)
    found = sources_of(gathered(read_folder(tmp_path, lambda text: None)))
    assert found.class_of("FetchingError") == "speechbrain"
    assert found.class_of("LatentDiffusion") is None


def test_where_two_packages_raise_the_same_words_the_stacks_own_is_meant() -> None:
    said = "these are the very same words in two packages"
    one = sources_of(
        {
            "packages": {
                name: {
                    "releases": ["1.0"], "messages": [["ValueError", said, f"{name}/x.py f", 0, 0]], "names": {},
                    "modules": {}, "classes": "", "keywords": {}, "members": {},
                }
                for name in ("diffusers", "transformers")
            }
        }
    )  # fmt: skip
    found = one.site(Raised("ValueError", "", said))
    assert found is not None and found.package == "transformers"


def table(template: str, classes: str = "", kind: str = "ValueError") -> Sources:
    each = {
        "releases": ["1.0"], "messages": [[kind, template, "peft/load.py f", 0, 0]], "names": {}, "modules": {},
        "classes": classes, "keywords": {}, "members": {},
    }  # fmt: skip
    return sources_of({"packages": {"peft": each}})


def test_the_beginning_of_a_message_counts_in_the_file_that_raises_it() -> None:
    sources = table("The adapter has keys too many! They are listed below. unexpected_keys={}")
    begun = "The adapter has keys too many! They are listed below."
    site = sources.site(raised(begun, "/home/me/train.py", "peft/load.py"))
    assert site is not None and site.package == "peft"
    for files in ((), ("peft/save.py",), ("torch/load.py",), ("/home/me/load.py",)):
        assert sources.site(raised(begun, *files)) is None, files
    assert sources.site(raised("The adapter has", "peft/load.py")) is None, "too little of it"


def test_a_class_of_the_package_tells_of_it_where_the_words_do_not() -> None:
    sources = table("{} is not in the list of allowed values", "AdapterLoadError", "AdapterLoadError")
    said = "x is not in the list of allowed values"
    assert sources.site(raised(said, kind="AdapterLoadError")) is not None
    assert sources.site(raised(said, "/home/me/shop/views.py", kind="AdapterLoadError")) is not None
    assert sources.site(raised(said, "django/views.py", kind="AdapterLoadError")) is None
    assert table("{} is not in the list of allowed values").site(raised(said)) is None


@pytest.mark.parametrize(
    ("said", "known"),
    [
        ("The `vera_A` and `vera_B` buffers are empty. This should not happen. Please report this issue.", True),
        ("This should not happen, says a script of its own.", False),
    ],
)
def test_a_message_beside_a_package_is_searched_for_in_the_sources_wording(said: str, known: bool) -> None:
    found = diagnose_chain((raised(said),), load_catalogue(), whole=True)
    assert (found.signature == "case-not-handled") is known


def test_of_two_packages_with_the_same_words_the_one_that_still_has_them_is_meant() -> None:
    said = "Cannot generate a cpu tensor from a generator of type cuda."
    template = "Cannot generate a {} tensor from a generator of type {}."
    both = {
        name: {
            "releases": ["1.0", "2.0"], "messages": [["ValueError", template, f"{name}/x.py f", 0, last]], "names": {},
            "modules": {}, "classes": "", "keywords": {}, "members": {},
        }
        for name, last in (("trl", 0), ("diffusers", 1))
    }  # fmt: skip
    site = sources_of({"packages": both}).site(raised(said))
    assert site is not None and site.package == "diffusers"


@pytest.mark.parametrize(
    ("said", "known"), [("rows are missing in the 3 files", True), ("load() missing 3 rows in the files", False)]
)
def test_what_python_says_of_any_call_is_nobodys(said: str, known: bool) -> None:
    template = "f'rows are missing in the {n} files'" if known else "f'{name}() missing {n} rows in the files'"
    read = {"axolotl": {"0.1.0": facts(f"def f(name, n):\n    raise TypeError({template})\n", "axolotl/rows.py")}}
    sources = sources_of(json.loads(written(gathered(read))))
    assert (sources.site(raised(said, kind="TypeError"), ("axolotl",)) is not None) == known
