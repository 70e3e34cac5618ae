"""What is installed beside an interpreter, told without importing any of it: `python -I interpreter_facts.py`.

Like the probe it runs inside an environment that is not compatcheck's: it imports nothing of compatcheck, needs
nothing but the standard library and runs on Python 3.8 and later. Prints one JSON object.
"""

from __future__ import annotations

import json
import platform
import re
import site
import struct
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

TORCH_BUILD = ("__version__", "cuda", "hip", "xpu", "debug", "git_version")
"""What torch/version.py says of the build, one assignment a line."""


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def installed(path: list[str]) -> dict[str, Any]:
    """Distributions with their versions: the first on `path` is the one that imports find, others stand behind it."""
    versions: dict[str, str] = {}
    doubled, broken, sources = set(), set(), {}
    for distribution in metadata.distributions(path=path):
        try:
            name, version = distribution.metadata["Name"], distribution.version
        except Exception:
            name = version = ""
        if not name or not version:
            broken.add(Path(str(getattr(distribution, "_path", "?"))).name)
            continue
        name = normalised(name)
        if name in versions:
            if versions[name] != version:
                doubled.add(f"{name} {version} (behind {versions[name]})")
            continue
        versions[name] = str(version)
        source = direct_source(distribution)
        if source:
            sources[name] = source
    return {
        "packages": dict(sorted(versions.items())),
        "doubled": sorted(doubled),
        "broken": sorted(broken),
        "sources": sources,
    }


def direct_source(distribution: metadata.Distribution) -> str:
    """Where a distribution came from, if not from an index: a repository, an archive, or a folder (editable)."""
    try:
        told = json.loads(distribution.read_text("direct_url.json") or "{}")
    except ValueError:
        return ""
    url = str(told.get("url", ""))
    commit = (told.get("vcs_info") or {}).get("commit_id")
    if commit:
        return f"{url}@{commit}"
    return url + (" (editable)" if (told.get("dir_info") or {}).get("editable") else "")


def torch_build(path: list[str]) -> dict[str, str]:
    """What torch/version.py says, read as text: importing torch takes seconds and may be what is broken."""
    for folder in path:
        file = Path(folder, "torch", "version.py")
        if file.is_file():
            text = file.read_text(encoding="utf-8", errors="replace")
            found = {}
            for name in TORCH_BUILD:
                line = re.search(rf"^{name}\b[^=\n]*=\s*(.+?)\s*$", text, re.MULTILINE)
                if line:
                    found[name.strip("_")] = line.group(1).strip("'\"")
            return found
    return {}


def environment_manager() -> str:
    """`venv`, `conda`, `system` ...: what made this environment."""
    if Path(sys.prefix, "conda-meta").is_dir():
        return "conda"
    settings = Path(sys.prefix, "pyvenv.cfg")
    if settings.is_file():
        text = settings.read_text(encoding="utf-8", errors="replace")
        for name in ("uv", "virtualenv"):
            if re.search(rf"^{name}\s*=", text, re.MULTILINE):
                return f"venv, made by {name}"
        return "venv"
    return "system" if sys.prefix == sys.base_prefix else "unknown"


def searched_path() -> list[str]:
    """sys.path without this script's folder and without what is not there."""
    here = Path(__file__).resolve().parent
    return [each for each in dict.fromkeys(sys.path) if each and Path(each).is_dir() and Path(each).resolve() != here]


def facts() -> dict[str, Any]:
    path = searched_path()
    return {
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "compiler": platform.python_compiler(),
        "bits": struct.calcsize("P") * 8,
        "executable": sys.executable,
        "prefix": sys.prefix,
        "base": sys.base_prefix,
        "manager": environment_manager(),
        "user_site": bool(site.ENABLE_USER_SITE),
        "free_threaded": not getattr(sys, "_is_gil_enabled", lambda: True)(),
        "torch": torch_build(path),
        **installed(path),
    }


if __name__ == "__main__":
    print(json.dumps(facts()))
