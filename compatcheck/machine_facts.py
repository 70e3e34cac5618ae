"""What a machine has, read from the system: processor, memory and their limits in a container, disks, accelerators."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .machine import this_machine

TOOL_SECONDS = 10
CGROUP = Path("/sys/fs/cgroup")
_FLAGS = (
    "sse4_2",
    "avx",
    "avx2",
    "avx512f",
    "avx512_bf16",
    "avx512_vnni",
    "amx_bf16",
    "amx_int8",
    "asimd",
    "sve",
    "bf16",
)


def machine() -> Mapping[str, Any]:
    """Processor, memory, system. Limits of a container where it has any: they are what a run dies of."""
    import psutil

    here = this_machine()
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    told: dict[str, Any] = {
        "system": here.system,
        "platform": platform.platform(),
        "libc": here.libc or None,
        "processor": here.cpu,
        **_processor_details(),
        "architecture": platform.machine(),
        "vector instructions": " ".join(_flags()) or None,
        "cores": here.cores,
        "cores this process may use": _usable_cores(),
        "memory": f"{here.memory_mib} MiB, {memory.available // 2**20} MiB available",
        "swap": f"{swap.total // 2**20} MiB",
        "container": _container(),
    }
    if limit := _cgroup_memory():
        told["memory limit of the container"] = f"{limit // 2**20} MiB"
    if cores := _cgroup_cores():
        told["processor limit of the container"] = f"{cores:g} cores"
    if Path("/dev/shm").is_dir():
        told["shared memory (/dev/shm)"] = f"{shutil.disk_usage('/dev/shm').total // 2**20} MiB"
    return told


def _processor_details() -> dict[str, str]:
    """What lscpu says besides, as far as the kernel tells it."""
    lines = _first_word(Path("/proc/cpuinfo")).partition("\n\n")[0].splitlines()
    fields = {name.strip(): value.strip() for name, colon, value in (line.partition(":") for line in lines) if colon}
    model = [fields[name] for name in ("vendor_id", "cpu family", "model", "stepping", "microcode") if name in fields]
    folders = sorted(Path("/sys/devices/system/cpu").glob("cpu[0-9]*/topology"))
    sockets = {_first_word(each / "physical_package_id") for each in folders}
    threads = [len(_first_word(each / "thread_siblings_list").replace("-", ",").split(",")) for each in folders]
    caches = [
        f"L{_first_word(each / 'level')} {_first_word(each / 'type').lower()} {_first_word(each / 'size')}"
        for each in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"))
    ]
    nodes = list(Path("/sys/devices/system/node").glob("node[0-9]*"))
    told = {
        "processor model": " ".join(model),
        "sockets, threads a core": f"{len(sockets)}, {max(threads)}" if threads else "",
        "caches": ", ".join(caches),
        "NUMA nodes": str(len(nodes)) if nodes else "",
        "virtual machine": "yes" if "hypervisor" in fields.get("flags", "").split() else "no",
    }
    return {name: text for name, text in told.items() if text}


def _flags() -> list[str]:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return []
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    there = set(found[1].split()) if found else set()
    return [flag for flag in _FLAGS if flag in there]


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _container() -> str:
    if Path("/.dockerenv").exists():
        return "docker"
    if Path("/run/.containerenv").exists():
        return "podman"
    if "microsoft" in platform.release().lower():
        return "WSL"
    return "kubernetes" if os.environ.get("KUBERNETES_SERVICE_HOST") else "none that is known"


def _first_word(*paths: Path) -> str:
    for path in paths:
        try:
            return path.read_text().strip()
        except OSError:
            continue
    return ""


def _cgroup_memory() -> int | None:
    """The memory limit of the control group, bytes; None where there is none."""
    told = _first_word(CGROUP / "memory.max", CGROUP / "memory" / "memory.limit_in_bytes")
    return int(told) if told.isdigit() and int(told) < 2**60 else None


def _cgroup_cores() -> float | None:
    quota, _, period = _first_word(CGROUP / "cpu.max").partition(" ")
    if quota.isdigit() and period.isdigit() and int(period):
        return int(quota) / int(period)
    return None


def disks(places: Iterable[tuple[str, Path]]) -> Mapping[str, Any]:
    """Free space at `places`, and what a test of locking says: on some shared disks file locks do not work."""
    told: dict[str, Any] = {}
    for name, path in places:
        there = next((each for each in (path, *path.parents) if each.is_dir()), None)
        if there is None:
            told[name] = f"{path}: not there"
            continue
        usage = shutil.disk_usage(there)
        writable = "" if os.access(there, os.W_OK) else ", not writable"
        locks = _locks(there) if not writable else ""
        kind = f", {_file_system(there)}" if sys.platform.startswith("linux") else ""
        told[name] = (
            f"{path}: {usage.free / 2**30:.1f} GiB free of {usage.total / 2**30:.1f} GiB{kind}{writable}{locks}"
        )
    return told


def _locks(folder: Path) -> str:
    """The hub and datasets lock files while they download; where that fails, they hang or raise."""
    import tempfile

    from filelock import FileLock, Timeout

    try:
        with tempfile.TemporaryDirectory(prefix=".compatcheck-", dir=folder) as scratch:
            lock = FileLock(Path(scratch, "lock"), timeout=2)
            with lock:
                return ", file locks work"
    except Timeout:
        return ", file locks DO NOT WORK (timed out)"
    except (OSError, NotImplementedError) as error:
        return f", file locks DO NOT WORK ({type(error).__name__})"


def _file_system(path: Path) -> str:
    best, kind = "", "unknown file system"
    try:
        lines = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return kind
    target = str(path.resolve())
    for line in lines:
        words = line.split()
        if len(words) < 3:
            continue
        point = words[1].replace("\\040", " ")
        below = target == point or target.startswith(point.rstrip("/") + "/")
        if below and len(point) >= len(best):
            best, kind = point, words[2]
    return kind


def accelerators() -> Mapping[str, Any]:
    """GPUs, drivers and CUDA, asked of the system and not of torch."""
    return {
        "GPUs": _gpus(),
        "NVIDIA driver": _nvidia_driver(),
        "CUDA of the driver": _driver_cuda(),
        "CUDA toolkit": _toolkit(),
        "ROCm": _first_word(Path("/opt/rocm/.info/version")) or None,
        "CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "not set"),
    }


def _gpus() -> list[str]:
    asked = "--query-gpu=name,memory.total,compute_cap"
    told = _said("nvidia-smi", asked, "--format=csv,noheader").splitlines()
    if not told and shutil.which("rocm-smi"):
        told = [line for line in _said("rocm-smi", "--showproductname").splitlines() if "Card" in line]
    if not told and sys.platform == "darwin" and platform.machine() == "arm64":
        told = ["Apple silicon (MPS)"]
    return told[:16]


def _nvidia_driver() -> str | None:
    found = re.search(r"Module\s+(?:for \S+\s+)?([\d.]+)", _first_word(Path("/proc/driver/nvidia/version")))
    if found:
        return found[1]
    return _said("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader").partition("\n")[0] or None


def _driver_cuda() -> str | None:
    """The newest CUDA that the installed driver supports."""
    for name in ("libcuda.so.1", "nvcuda.dll"):
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        version = ctypes.c_int(0)
        if library.cuDriverGetVersion(ctypes.byref(version)) == 0:
            return f"{version.value // 1000}.{version.value % 1000 // 10}"
    return None


def _toolkit() -> str | None:
    found = re.search(r"release ([\d.]+)", _said("nvcc", "--version"))
    return found[1] if found else None


def tools() -> Mapping[str, Any]:
    """What builds and installs: first lines of their own version output."""
    names = ("gcc", "clang", "cmake", "ninja", "git", "conda", "uv", "pip")
    return {name: (_said(name, "--version").partition("\n")[0] or None) for name in names}


def _said(name: str, *arguments: str) -> str:
    """What a program writes; empty where it is not there, fails or does not answer."""
    program = shutil.which(name)
    if program is None:
        return ""
    try:
        answer = subprocess.run(
            [program, *arguments],
            capture_output=True,
            text=True,
            timeout=TOOL_SECONDS,
            stdin=subprocess.DEVNULL,
            errors="replace",
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
