"""A conda environment.yml: its words in those of the package index, with their lines, and what pip adds."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_table import table

from compatcheck import cli, own_runs
from compatcheck.conda_files import conda_spec, read_conda
from compatcheck.errors import InputError
from compatcheck.lock_files import read_lock
from compatcheck.nox import working_cells
from compatcheck.request import request_of
from compatcheck.requirement_files import marker_environment, python_of_environment, read_requirements

ENVIRONMENT = """\
name: tuning
channels: [pytorch, conda-forge]
dependencies:
  - python=3.10          # a text, not the number 3.1
  - pytorch::pytorch=2.6.0=py3.10_cuda12.4_0
  - pytorch-cuda=12.4
  - conda-forge/linux-64::transformers >=4.44,<5
  - _libgcc_mutex=0.1=main
  - openssl=1.1.1w
  - numpy 2.1.*
  - pip
  - pip:
      - peft==0.12.0
      - -r more.txt
      - accelerate==1.0; python_version < "3.9"
      - trl>=0.9  # of PyPI alone
"""


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    (tmp_path / "more.txt").write_text("\nsafetensors==0.4.5\n")
    path = tmp_path / "environment.yml"
    path.write_text(ENVIRONMENT)
    return path


def test_an_environment_is_read_with_its_lines(environment: Path) -> None:
    found = read_conda(environment)
    assert [(each.name, str(each.specifier), each.file.name, each.line) for each in found.wanted] == [
        ("torch", "==2.6.0", "environment.yml", 5),
        ("pytorch-cuda", "==12.4.*", "environment.yml", 6),
        ("transformers", "<5,>=4.44", "environment.yml", 7),
        ("openssl", "", "environment.yml", 9),
        ("numpy", "==2.1.*", "environment.yml", 10),
        ("pip", "", "environment.yml", 11),
        ("peft", "==0.12.0", "environment.yml", 13),
        ("safetensors", "==0.4.5", "more.txt", 2),
        ("accelerate", "==1.0", "environment.yml", 15),
        ("trl", ">=0.9", "environment.yml", 16),
    ]
    assert str(found.python) == "==3.10.*" and python_of_environment(environment) == "3.10"


@pytest.mark.parametrize(
    ("text", "name", "specifier"),
    [
        ("pytorch", "torch", ""),
        ("pytorch=*=*cuda*", "torch", ""),
        ("pytorch=2", "torch", "==2.*"),
        ("pytorch=2.6", "torch", "==2.6.*"),
        ("pytorch = 2.6", "torch", "==2.6.*"),
        ("pytorch=2.6.0", "torch", "==2.6.0"),
        ("pytorch==2.6", "torch", "==2.6"),
        ("pytorch=2.6=py3.11_0", "torch", "==2.6"),
        ("pytorch 2.6.0 py3.11_0", "torch", "==2.6.0"),
        ("pytorch 2.6.* cuda*", "torch", "==2.6.*"),
        ("pytorch 2.6*", "torch", "==2.6.*"),
        ("pytorch-gpu >= 2.5, !=2.6.*, <2.8.*", "torch", "!=2.6.*,<2.8,>=2.5"),
        ("conda-forge::pytorch[version='>=2.5,<3', build=*cuda*]", "torch", "<3,>=2.5"),
        ("pytorch [build=*cpu*]", "torch", ""),
        ("https://conda.anaconda.org/conda-forge::peft~=0.12.0", "peft", "~=0.12.0"),
        ("huggingface_hub=0.24", "huggingface-hub", "==0.24.*"),
        ("jpeg=9e", "jpeg", ""),
        ("libsomething 1.2|1.3", "libsomething", ""),
    ],
)
def test_condas_words_are_those_of_the_index(text: str, name: str, specifier: str) -> None:
    assert (told := conda_spec(text, Path("environment.yml"), 1))[0] == name
    assert ",".join(sorted(str(told[1]).split(","))) == specifier


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dependencies:\n  - pytorch=2.5|2.6\n", "line 2: 'pytorch=2.5|2.6' names alternatives (|), which are not"),
        ("dependencies:\n  - peft=new\n", "line 2: 'peft=new': its version is not read"),
        ("dependencies:\n  - peft=\n", "line 2: 'peft=': its version is not read"),
        ("dependencies:\n  - '@peft'\n", "line 2: '@peft' is not a dependency of conda's"),
        ("dependencies:\n  - pip:\n    - peft >> 1\n", "line 3: 'peft >> 1' is not a requirement"),
        ("dependencies: [peft\n", "not YAML: "),
        ("a: *b\n", "not YAML: "),
        ("services:\n  web: {}\n", "has no list of dependencies: no environment.yml of conda's"),
        ("", "has no list of dependencies"),
        ("[" * 100000, "is nested too deep"),
    ],
)
def test_a_bad_environment_gives_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "environment.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_requirements(path)
    assert said in caught.value.what and "\n" not in caught.value.what and caught.value.remedy


def test_an_environment_is_no_lock(environment: Path) -> None:
    with pytest.raises(InputError, match=r"is no lock file\n.*compatcheck check -r FILE"):
        read_lock(environment)


def test_markers_of_what_pip_adds_are_judged(environment: Path) -> None:
    names = [[each.name for each in read_requirements(environment, marker_environment(v))] for v in ("3.8", "3.10")]
    assert "accelerate" in names[0] and "accelerate" not in names[1]


def test_check_judges_an_environment_for_its_own_python(
    environment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(environment.parent)
    monkeypatch.setattr(own_runs, "load_table", lambda source=None: table())
    bad = "dependencies:\n  - python=3.11.4\n  - pytorch=2.6.0\n  - transformers=4.44.2\n  - peft=0.7.1\n"
    environment.write_text(bad)
    for words in (["environment.yml"], ["-r", "environment.yml"]):
        assert cli.main(["check", *words, "--format", "github"]) == 1
        assert capsys.readouterr().out.startswith("::error file=environment.yml,line=5,title=compatcheck::")
    environment.write_text(bad.replace("3.11.4", "3.12"))
    assert cli.main(["check", "environment.yml"]) == 0
    assert "on Python 3.12: unknown" in capsys.readouterr().out
    assert cli.main(["check", "environment.yml", "--python-version", "3.11"]) == 1
    environment.write_text(bad.replace("=3.11.4", ">=3.9"))
    assert cli.main(["check", "environment.yml"]) == 1


def test_recommend_takes_the_ranges_and_the_python_and_asks_the_index_for_pips_packages_alone(
    environment: Path,
) -> None:
    asked = request_of(files=[environment])
    assert (
        not asked.admits("torch", "2.5.1") and not asked.admits("peft", "0.20.0") and not asked.admits("numpy", "1.26")
    )
    assert asked.admits("python", "3.10") and not asked.admits("python", "3.11")
    assert asked.others == ("safetensors==0.4.5", "trl>=0.9")
    assert asked.origins["transformers"] == "environment.yml line 7" and asked.origins["python"] == "environment.yml"
    assert request_of(python="3.11", files=[environment]).admits("python", "3.11")


def test_a_noxfile_may_name_one(environment: Path) -> None:
    assert [str(cell) for cell in working_cells([str(environment)], table())] == [
        "torch2.6.0-transformers4.44.2-peft0.12.0"
    ]
