"""`compatcheck env`: complete, readable by `explain`, and without anybody's secrets."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pytest

from compatcheck import cli, environment_facts, interpreter_facts, machine_facts
from compatcheck.environment_facts import variables
from compatcheck.errors import UsageError
from compatcheck.explanation import explain
from compatcheck.installation import told_of
from compatcheck.masking import MASK, masked_text, masked_value

SECRETS = {
    "HF_TOKEN": "hf_QwErTyUiOpAsDfGhJkLzXcVb",
    "HUGGING_FACE_HUB_TOKEN": "plainword",
    "WANDB_API_KEY": "0123456789abcdef0123456789abcdef01234567",
    "UV_INDEX_URL": "https://planteduser:plantedpass@index.example/simple?token=plantedquery",
    "PIP_EXTRA_INDEX_URL": "https://__token__:pypi-AgEIcHlwaS5vcmcCJDplanted@host.example/simple",
    "HTTPS_PROXY": "http://proxyuser:proxypass@proxy.example:8080",
    "PYTHONSTARTUP": "Bearer plantedbearer.value",
    "TORCH_REMOTE": "ghp_plantedplantedplantedplantedplanted1",
    "UV_SOMETHING": "Zm9vYmFy123QUJDREVGplantedopaque99",
    "UNRELATED_DATABASE_URL": "postgres://unrelated",
}
SPOILS = [
    "hf_QwErTyUiOpAsDfGhJkLzXcVb",
    "plainword",
    "0123456789abcdef0123456789abcdef01234567",
    "planteduser",
    "plantedpass",
    "plantedquery",
    "pypi-AgEIcHlwaS5vcmcCJDplanted",
    "proxyuser",
    "proxypass",
    "plantedbearer",
    "ghp_plantedplanted",
    "plantedopaque",
    "postgres",
    "UNRELATED_DATABASE_URL",
    "filetoken",
    "filepass",
]


@pytest.mark.parametrize("words", [["env"], ["env", "--json"]])
def test_no_planted_secret_is_told(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONUSERBASE", f"{tmp_path}/base")
    (tmp_path / ".config" / "pip").mkdir(parents=True)
    (tmp_path / ".config" / "pip" / "pip.conf").write_text("[global]\nindex-url = https://me:filepass@host/simple\n")
    accelerate = tmp_path / ".cache" / "huggingface" / "accelerate"
    accelerate.mkdir(parents=True)
    (accelerate / "default_config.yaml").write_text("mixed_precision: bf16\nsagemaker_token: filetoken\n")
    (tmp_path / ".cache" / "huggingface" / "token").write_text("filetoken")
    assert cli.main(words) == 0
    said = capsys.readouterr().out
    assert not [spoil for spoil in SPOILS if spoil in said]
    assert str(tmp_path) + "/base" not in said and "~/base" in said
    for told in ("mixed_precision: bf16", "index.example/simple", "proxy.example:8080", "HF_TOKEN"):
        assert told in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKENIZERS_PARALLELISM", "false"),
        ("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True,garbage_collection_threshold:0.6"),
        ("OMP_NUM_THREADS", "4"),
        ("KMP_AFFINITY", "granularity=fine,compact,1,0"),
        ("CUDA_HOME", "/usr/local/cuda-12.4"),
        ("PYTHONHASHSEED", "0"),
        ("LD_LIBRARY_PATH", "/opt/nvidia/lib64:/usr/lib/x86_64-linux-gnu"),
        ("UV_INDEX_URL", "https://index.example/simple"),
    ],
)
def test_what_is_no_secret_stays(name: str, value: str) -> None:
    assert variables({name: value}) == {name: value}


def test_masking_is_by_the_name_or_by_the_shape() -> None:
    assert masked_value("MY_SECRET", "x") == masked_value("aws_access_key_id", "x") == MASK
    assert masked_value("MY_SECRET", "") == ""
    assert masked_text("commit 2.6.0+cu124 of torch") == "commit 2.6.0+cu124 of torch"
    assert masked_text("api_key='abc', mode=1") == f"api_key='{MASK}', mode=1"


def environment(folder: Path, *distributions: tuple[str, str]) -> Path:
    """A site-packages folder with nothing but metadata, and what torch says of its build."""
    for name, version in distributions:
        info = folder / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return folder


def test_packages_are_read_without_importing_them(tmp_path: Path) -> None:
    first = environment(tmp_path / "first", ("torch", "2.6.0"), ("Some_Thing", "1.0"))
    second = environment(tmp_path / "second", ("torch", "2.5.1"), ("peft", "0.12.0"))
    (first / "broken-1.0.dist-info").mkdir()
    (first / "torch").mkdir()
    (first / "torch" / "__init__.py").write_text("raise ImportError('must not be imported')")
    (first / "torch" / "version.py").write_text(
        "from typing import Optional\n__version__ = '2.6.0+cu124'\ncuda: Optional[str] = '12.4'\nhip = None\n"
    )
    (second / "peft-0.12.0.dist-info" / "direct_url.json").write_text(
        json.dumps({"url": "https://github.com/huggingface/peft", "vcs_info": {"commit_id": "abc"}})
    )
    told = interpreter_facts.installed([str(first), str(second)])
    assert told["packages"] == {"peft": "0.12.0", "some-thing": "1.0", "torch": "2.6.0"}
    assert told["doubled"] == ["torch 2.5.1 (behind 2.6.0)"]
    assert told["broken"] == ["broken-1.0.dist-info"]
    assert told["sources"] == {"peft": "https://github.com/huggingface/peft@abc"}
    assert interpreter_facts.torch_build([str(first)]) == {"version": "2.6.0+cu124", "cuda": "12.4", "hip": "None"}


def test_another_interpreter_is_asked_with_the_standard_library_alone(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    told = told_of(python)
    assert told["packages"] == {} and told["manager"] == "venv" and told["prefix"] == str(tmp_path / "venv")
    site = next((tmp_path / "venv" / "lib").glob("python3*")) / "site-packages"
    environment(site, ("peft", "0.12.0"), ("transformers", "4.44.2"))
    (site / "peft").mkdir()
    (site / "peft" / "__init__.py").write_text("import nothing_of_that_name")
    facts = environment_facts.environment_facts(python, imports=True)
    assert facts.sections["packages"]["peft"] == "0.12.0"
    assert facts.sections["packages"]["torch"] is None
    assert facts.sections["imports"]["peft"] == (
        "DOES NOT IMPORT: ModuleNotFoundError: No module named 'nothing_of_that_name'"
    )
    assert explain(facts.as_text()).versions.items() >= {"peft": "0.12.0", "transformers": "4.44.2"}.items()


@pytest.mark.parametrize("name", ["nowhere/python", "file", "true"])
def test_what_is_no_python_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "true").write_text("#!/bin/sh\necho '[1]'\n")
    (tmp_path / "true").chmod(0o755)
    with pytest.raises(UsageError, match="Name the python of an environment"):
        told_of(tmp_path / name)


def test_the_limits_of_a_container_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "memory.max").write_text("2147483648\n")
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    monkeypatch.setattr(machine_facts, "CGROUP", tmp_path)
    told = machine_facts.machine()
    assert told["memory limit of the container"] == "2048 MiB"
    assert told["processor limit of the container"] == "1.5 cores"
    (tmp_path / "memory.max").write_text("max\n")
    assert "memory limit of the container" not in machine_facts.machine()


def test_locks_are_tried_where_the_hub_would_lock(tmp_path: Path) -> None:
    told = machine_facts.disks([("here", tmp_path), ("later", tmp_path / "not" / "yet")])
    assert "file locks work" in told["here"] and "GiB free of" in told["later"]
    assert list(tmp_path.iterdir()) == []


def test_it_tells_what_compatcheck_itself_runs_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["env", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["packages"]["packaging"] == importlib.metadata.version("packaging")
    assert told["python"]["version"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}.")
    assert {"machine", "disks", "accelerators", "tools", "variables", "torch build", "settings"} <= set(told)


TORCH = """
__version__ = "2.6.0+cu124"
from types import SimpleNamespace as Space
cuda = Space(is_available=lambda: True)
import torch.backends as backends
backends.cudnn = Space(version=lambda: 90100)
__config__ = Space(show=lambda: "PyTorch built with:\\n  - CuDNN 90.1\\n  - MIOpen 3.2\\n  - MKL-DNN v3\\n")
def get_num_threads():
    return 7
"""

THEIRS = {
    # `transformers env` of 5.20.2
    "`transformers` version": ("packages", "transformers"),
    "Platform": ("machine", "platform"),
    "Python version": ("python", "version"),
    "Huggingface_hub version": ("packages", "huggingface-hub"),
    "Safetensors version": ("packages", "safetensors"),
    "Accelerate version": ("packages", "accelerate"),
    "Accelerate config": ("settings", "accelerate's default config"),
    "DeepSpeed version": ("packages", "deepspeed"),
    "PyTorch version (accelerator?)": ("imports", "torch"),
    # `accelerate env` of 1.15.0
    "`accelerate` bash location": ("settings", "accelerate's program"),
    "Numpy version": ("packages", "numpy"),
    "PyTorch accelerator": ("imports", "torch"),
    "System RAM": ("machine", "memory"),
    # torch's collect_env of 2.6.0
    "PyTorch version": ("torch build", "version"),
    "Is debug build": ("torch build", "debug"),
    "CUDA used to build PyTorch": ("torch build", "cuda"),
    "ROCM used to build PyTorch": ("torch build", "hip"),
    "OS": ("machine", "system"),
    "GCC version": ("tools", "gcc"),
    "Clang version": ("tools", "clang"),
    "CMake version": ("tools", "cmake"),
    "Libc version": ("machine", "libc"),
    "Python build": ("python", "compiler"),
    "Python bits": ("python", "bits"),
    "Is CUDA available": ("imports", "torch"),
    "CUDA runtime version": ("accelerators", "CUDA toolkit"),
    "CUDA_MODULE_LOADING": ("variables", "CUDA_MODULE_LOADING"),
    "GPU models and configuration": ("accelerators", "GPUs"),
    "Nvidia driver version": ("accelerators", "NVIDIA driver"),
    "cuDNN version": ("imports", "torch"),
    "HIP runtime version": ("accelerators", "ROCm"),
    "MIOpen runtime version": ("imports", "torch"),
    "Is XNNPACK available": ("imports", "torch"),
    "CPU": ("machine", "processor"),
    "CPU: vendor, family, model, stepping": ("machine", "processor model"),
    "CPU: sockets, threads per core": ("machine", "sockets, threads a core"),
    "CPU: caches": ("machine", "caches"),
    "CPU: flags": ("machine", "vector instructions"),
    "CPU: hypervisor": ("machine", "virtual machine"),
    "Versions of relevant libraries [pip3]": ("packages", "nvidia-cudnn-cu12"),
    "Versions of relevant libraries [conda]": ("tools", "conda"),
}
"""What three other tools tell, read from their output beside torch 2.6.0, and where it stands here. Left out: the
processor's weaknesses and its full list of flags, which say nothing of a failure."""


def test_all_that_the_others_tell_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    site = next((tmp_path / "venv" / "lib").glob("python3*")) / "site-packages"
    environment(site, ("torch", "2.6.0"), ("nvidia-cudnn-cu12", "9.1.0.70"))
    (site / "torch" / "backends").mkdir(parents=True)
    (site / "torch" / "__init__.py").write_text(TORCH)
    (site / "torch" / "backends" / "__init__.py").write_text("")
    (site / "torch" / "backends" / "xnnpack.py").write_text("enabled = True\n")
    (site / "torch" / "version.py").write_text(
        "__version__ = '2.6.0+cu124'\ndebug = False\ncuda = '12.4'\nhip = None\n"
    )
    monkeypatch.setenv("CUDA_MODULE_LOADING", "LAZY")
    facts = environment_facts.environment_facts(tmp_path / "venv" / "bin" / "python", imports=True)
    where_told = {(section, key) for section, told in facts.sections.items() for key in told}
    assert not {theirs: ours for theirs, ours in THEIRS.items() if ours not in where_told}
    assert facts.sections["imports"]["torch"] == (
        "imports: 2.6.0+cu124, CUDA available, cuDNN 90100, 7 threads, accelerators cuda, XNNPACK available, "
        "CuDNN 90.1, MIOpen 3.2"
    )
    (site / "torch" / "backends" / "xnnpack.py").unlink()
    told = environment_facts.environment_facts(tmp_path / "venv" / "bin" / "python", imports=True).sections["imports"]
    assert told["torch"].startswith("imports: 2.6.0+cu124, CUDA available") and "and no more: " in told["torch"]
    # and what they leave out
    for ours in (("packages", "peft"), ("packages", "tokenizers"), ("machine", "cores"), ("disks", "hub cache"),
                 ("packaging", "lock and requirement files here"), ("machine", "swap")):  # fmt: skip
        assert ours in where_told
