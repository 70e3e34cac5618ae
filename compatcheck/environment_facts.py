"""What an issue report needs to know of an environment and its machine, gathered without importing the packages.

A superset of what `transformers env`, `accelerate env` and torch's collect_env print, which import the very packages
that may be broken, leave out peft and its neighbours, and do not look at the limits of a container.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import __version__
from .domain import CORE, digest_of, printable
from .errors import MachineError
from .installation import told_of
from .machine_facts import accelerators, disks, machine, tools
from .masking import masked_text, masked_value, without_home

STACK = (
    *CORE, "accelerate", "tokenizers", "huggingface-hub", "safetensors", "datasets", "bitsandbytes", "deepspeed",
    "numpy", "sentencepiece", "trl", "sentence-transformers", "diffusers", "torchvision", "torchaudio", "triton",
    "flash-attn", "xformers", "torchao", "tensorflow", "jax", "flax",
    "hf-xet", "hf-transfer", "filelock", "fsspec", "pyarrow", "protobuf", "psutil",
    "packaging", "regex", "requests", "httpx", "tqdm", "pyyaml", "jinja2", "compatcheck", "pip", "uv",
)  # fmt: skip
"""The distributions told by name, in this order; those before `sentencepiece` also where they are missing."""

TOLD_MISSING = STACK[: STACK.index("sentencepiece")]

VARIABLES = re.compile(
    r"(?:HF_|HUGGING|TRANSFORMERS_|TOKENIZERS_|SAFETENSORS_|ACCELERATE_|PEFT_|BNB_|BITSANDBYTES_|DIFFUSERS_|DATASETS_"
    r"|TORCH|PYTORCH_|CUDA|CUBLAS|CUDNN|NVIDIA_|NCCL_|ROCM|ROCR_|HIP_|HSA_|XLA_|PJRT_|TPU_|XPU_|ONEAPI_|ZE_|TRITON_"
    r"|OMP_|MKL_|KMP_|GOMP_|OPENBLAS_|NUMEXPR_|BLAS|MALLOC_|LD_LIBRARY_PATH$|LD_PRELOAD$|DYLD_|PYTHON|PIP_|UV_|CONDA_"
    r"|VIRTUAL_ENV|PYENV_VERSION$|WANDB_|MLFLOW_|MASTER_|WORLD_SIZE$|RANK$|LOCAL_RANK$|SLURM_JOB|DEEPSPEED_|DS_"
    r"|HTTPS?_PROXY$|NO_PROXY$|ALL_PROXY$|SSL_CERT_|REQUESTS_CA_|CURL_CA_|XDG_CACHE_HOME$|TMPDIR$|LANG$|LC_ALL$|CI$"
    r"|COMPATCHECK_)",
    re.IGNORECASE,
)
"""Environment variables that change what the packages do. No others are told."""

LOCK_FILES = (
    "uv.lock", "pylock.toml", "poetry.lock", "pdm.lock", "Pipfile.lock", "conda-lock.yml", "pixi.lock",
    "requirements.txt", "constraints.txt", "environment.yml", "pyproject.toml",
)  # fmt: skip

IMPORT_SECONDS = 120
_IMPORT = """
import importlib, json, sys

def more(torch):
    cuda = torch.cuda.is_available()
    yield "CUDA " + ("available, cuDNN %s" % torch.backends.cudnn.version() if cuda else "not available")
    yield "%d threads" % torch.get_num_threads()
    kinds = ("cuda", "xpu", "mps", "npu", "mlu", "hpu", "musa", "mtia")
    ready = [name for name in kinds if getattr(getattr(torch, name, None), "is_available", bool)()]
    yield "accelerators " + (" ".join(ready) or "none")
    xnnpack = importlib.import_module("torch.backends.xnnpack").enabled
    yield "XNNPACK " + ("available" if xnnpack else "not available")
    for line in torch.__config__.show().splitlines():
        if "MIOpen" in line or "CuDNN" in line:
            yield line.strip(" -")

try:
    module = importlib.import_module(sys.argv[1])
    told = str(getattr(module, "__version__", "?"))
    try:
        for each in more(module) if sys.argv[1] == "torch" else ():
            told += ", " + each
    except Exception as error:
        told += ", and no more: %s: %s" % (type(error).__name__, str(error)[:200])
    print(json.dumps("imports: " + told))
except BaseException as error:
    text = (str(error).strip().splitlines() or [""])[-1]
    print(json.dumps("DOES NOT IMPORT: %s: %s" % (type(error).__name__, text[:300])))
"""

Section = Mapping[str, Any]
"""What is told, under its name: a text, a number, a list of texts, or None where it is not there."""


@dataclass(frozen=True)
class EnvironmentFacts:
    """Sections by name, in the order in which they are shown. All texts are masked."""

    sections: Mapping[str, Section]

    def as_json(self) -> dict[str, Any]:
        return {"schema": 1, **{name: dict(section) for name, section in self.sections.items()}}

    def as_text(self) -> str:
        """Lines that a person pastes into an issue, and that `compatcheck explain` reads versions from."""
        lines = []
        for name, section in self.sections.items():
            lines += ["", name]
            for key, value in section.items():
                lines += _lines(key, value, version=name == "packages")
        return "\n".join(lines[1:]) + "\n"


def _lines(key: str, value: Any, *, version: bool) -> list[str]:
    if version and isinstance(value, str):
        return [f"- `{key}` version: {value}"]
    if isinstance(value, (list, tuple)):
        return [f"- {key}: {'none' if not value else ''}".rstrip(), *(f"    {each}" for each in value)]
    return [f"- {key}: {'not installed' if version else 'none' if value is None else value}"]


def environment_facts(python: Path | None = None, *, imports: bool = False) -> EnvironmentFacts:
    """Everything about the environment of `python` (None: this interpreter) and the machine.

    `imports` also imports the core packages, each in a process of its own. Raises UsageError where `python` is none.
    """
    told = told_of(python)
    sections: dict[str, Section] = {
        "compatcheck": {"version": __version__},
        "python": _python(told),
        "packages": _packages(told["packages"]),
        "packaging": _packaging(told),
        "torch build": told["torch"] or {"torch": "not installed"},
    }
    if imports:
        sections["imports"] = {name: _imported(Path(told["executable"]), name) for name in (*CORE, "accelerate")}
    sections["accelerators"] = accelerators()
    sections["machine"] = machine()
    sections["disks"] = disks(_places(told))
    sections["tools"] = tools()
    sections["settings"] = _settings(told)
    sections["variables"] = variables(os.environ)
    return EnvironmentFacts({name: _masked(section) for name, section in sections.items()})


def _python(told: Mapping[str, Any]) -> Section:
    chosen = ("version", "implementation", "compiler", "bits", "executable", "prefix", "base", "manager")
    section = {name: told[name] for name in chosen}
    section["user site"] = "on" if told["user_site"] else "off"
    if told["free_threaded"]:
        section["free-threaded"] = "yes"
    return section


def _packages(versions: Mapping[str, str]) -> Section:
    named = {name: versions.get(name) for name in STACK if name in versions or name in TOLD_MISSING}
    nvidia = {name: version for name, version in versions.items() if name.startswith(("nvidia-", "intel-", "mkl"))}
    return {**named, **nvidia}


def _packaging(told: Mapping[str, Any]) -> Section:
    versions = told["packages"]
    listed = "\n".join(f"{name}=={version}" for name, version in sorted(versions.items()))
    section: dict[str, Any] = {
        "distributions": len(versions),
        "digest of all of them": digest_of(listed),
        "installed twice": told["doubled"],
        "not readable": told["broken"],
        "not from an index": [f"{name}: {source}" for name, source in sorted(told["sources"].items())],
    }
    folder = Path()
    section["lock and requirement files here"] = [name for name in LOCK_FILES if (folder / name).is_file()]
    return section


def _imported(python: Path, name: str) -> str:
    try:
        answer = subprocess.run(
            [python, "-I", "-c", _IMPORT, name],
            capture_output=True,
            text=True,
            timeout=IMPORT_SECONDS,
            errors="replace",
            stdin=subprocess.DEVNULL,
        )
        return printable(str(json.loads(answer.stdout.strip().splitlines()[-1])))
    except subprocess.TimeoutExpired:
        return f"DOES NOT IMPORT: still importing after {IMPORT_SECONDS} s"
    except OSError as error:
        raise MachineError(f"{python} cannot be run: {error}", "Name another --python.") from None
    except (ValueError, IndexError):
        return f"DOES NOT IMPORT: the process ended with code {answer.returncode}"


def _places(told: Mapping[str, Any]) -> Iterable[tuple[str, Path]]:
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface").expanduser()
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub").expanduser()
    return (("environment", Path(told["prefix"])), ("hub cache", hub), ("working folder", Path.cwd()), ("tmp", _tmp()))


def _tmp() -> Path:
    import tempfile

    return Path(tempfile.gettempdir())


def _settings(told: Mapping[str, Any]) -> Section:
    """Files that change what the packages do: accelerate's defaults, pip's and uv's settings, the hub's login."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface").expanduser()
    section: dict[str, Any] = {}
    accelerate = home / "accelerate" / "default_config.yaml"
    section["accelerate's default config"] = _file_lines(accelerate)
    program = Path(told["executable"]).parent / "accelerate"
    section["accelerate's program"] = str(program) if program.is_file() else None
    logged_in = bool(os.environ.get("HF_TOKEN")) or (home / "token").is_file()
    section["logged in to the hub"] = "yes" if logged_in else "no"
    for name, path in (
        ("pip.conf", Path.home() / ".config" / "pip" / "pip.conf"),
        ("pip.conf of the environment", Path(told["prefix"], "pip.conf")),
        ("uv.toml", Path.home() / ".config" / "uv" / "uv.toml"),
    ):
        if path.is_file():
            section[name] = _file_lines(path)
    return section


def _file_lines(path: Path) -> list[str] | None:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[:60]
    except OSError:
        return None
    return [_setting(line) for line in lines if line.strip()]


def _setting(line: str) -> str:
    """A line of a settings file, its value masked where its name says so."""
    parts = re.match(r"(\s*[\w.-]+\s*[:=]\s*)(.+)$", line)
    if parts is None:
        return masked_text(line)
    return parts[1] + masked_value(re.sub(r"[\s:=]", "", parts[1]), parts[2])


def variables(environment: Mapping[str, str]) -> Section:
    """The environment variables that matter, secrets masked."""
    return {
        name: masked_value(name, value)[:400] for name, value in sorted(environment.items()) if VARIABLES.match(name)
    }


def _masked(section: Section) -> Section:
    """Every text of `section` safe to show: no control characters, no home folder, no credentials."""

    def safe(value: Any) -> Any:
        if isinstance(value, str):
            return without_home(printable(re.sub(r"(?<=://)[^/\s@]+@", "***@", value)))
        return [safe(each) for each in value] if isinstance(value, (list, tuple)) else value

    return {name: safe(value) for name, value in section.items()}
