"""What this machine is: its description for observations, and the Python interpreters found on it."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from .domain import Machine
from .errors import InterpreterMissing


@functools.cache
def this_machine() -> Machine:
    import psutil

    return Machine(
        platform=platform_key(),
        system=_system_name(),
        cpu=_cpu_name(),
        cores=os.cpu_count() or 1,
        memory_mib=psutil.virtual_memory().total // 2**20,
        libc=" ".join(platform.libc_ver()).strip(),
    )


def platform_key() -> str:
    """`linux-x86_64`: what an observation's result may depend on, and so a part of its key."""
    return f"{sys.platform}-{platform.machine().lower()}"


def _system_name() -> str:
    try:
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {platform.system()} {platform.release()}"
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()}"


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def not_installed(version: str) -> str:
    return f"Python {version} is not installed on this machine"


@functools.cache
def interpreter(version: str) -> Path:
    """The path of a Python `version` (`3.11`): on PATH, of pyenv, or the one that runs compatcheck.

    It is the path that the interpreter gives of itself: uv would start a shim of pyenv's before each of its answers.
    Raises InterpreterMissing.
    """
    for candidate in _candidates(version):
        if found := _python_behind(candidate, version):
            return found
    raise InterpreterMissing(
        not_installed(version),
        f"Install it (for example: uv python install {version}, or pyenv install {version}), "
        "or take it out of the matrix.",
    )


def _candidates(version: str) -> Iterator[Path]:
    for entry in os.environ.get("PATH", "").split(os.pathsep):
        if entry:
            yield Path(entry, f"python{version}")
    for root in (Path(os.environ.get("PYENV_ROOT", "~/.pyenv")), Path("~/.local/share/uv/python")):
        folder = root.expanduser() / ("versions" if "pyenv" in root.name else "")
        if folder.is_dir():
            yield from sorted(folder.glob(f"*{version}.*/bin/python{version}"), reverse=True)
    yield Path(sys.executable)


def _python_behind(path: Path, version: str) -> Path | None:
    """The interpreter that `path` starts, where it is that version. A pyenv shim exists and still may not run."""
    if not path.is_file():
        return None
    question = "import sys; print('%d.%d' % sys.version_info[:2]); print(sys.executable)"
    try:
        answer = subprocess.run([path, "-E", "-s", "-c", question], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    told, _, executable = answer.stdout.strip().partition("\n")
    return Path(executable or path) if told == version else None
