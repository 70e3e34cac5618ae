"""The loopback index of the minimatrix, as the real uv and a plain client see it."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uv
from minimatrix import releases
from minimatrix.index import JSON_TYPE, LocalIndex
from minimatrix.wheels import Release, sha256, wheel, write

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
Uv = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def index() -> Iterator[LocalIndex]:
    with LocalIndex() as running:
        yield running


@pytest.fixture
def run_uv(tmp_path: Path) -> Uv:
    """uv with a cache of its own, no configuration and no second try."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    settings = {"UV_CACHE_DIR": str(tmp_path / "cache"), "UV_NO_CONFIG": "1", "UV_HTTP_RETRIES": "0"}

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [uv.find_uv_bin(), *map(str, arguments)]
        return subprocess.run(command, env=kept | settings, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    return run


def compiled(run_uv: Uv, index: LocalIndex, cell: dict[str, str], *more: str) -> subprocess.CompletedProcess[str]:
    wanted = Path(run_uv("cache", "dir").stdout.strip()).parent / "wanted.in"
    wanted.write_text("".join(f"{name}=={version}\n" for name, version in cell.items()))
    fixed = (
        "--python-version",
        PYTHON,
        "--only-binary",
        ":all:",
        "--default-index",
        index.url,
        "--no-annotate",
    )
    return run_uv("pip", "compile", wanted, *fixed, *more)


def get(url: str, accept: str = "*/*") -> tuple[str, bytes]:
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=10) as answer:
        return answer.headers["Content-Type"], answer.read()


def test_uv_resolves_and_installs_from_it(index: LocalIndex, run_uv: Uv, tmp_path: Path) -> None:
    lock = tmp_path / "pylock.toml"
    done = compiled(run_uv, index, releases.NEW, "--format", "pylock.toml", "-o", str(lock))
    assert done.returncode == 0, done.stderr
    assert index.count("*.whl") == 0, "metadata alone must do to resolve"
    text = lock.read_text()
    for package, version in {**releases.NEW, "tokenizers": "0.21.0", "accelerate": "0.3.0"}.items():
        body = wheel(releases.find(package, version))
        assert sha256(body) in text and f"size = {len(body)}" in text
    assert "upload-time" in text
    assert run_uv("venv", "--python", sys.executable, "env").returncode == 0
    python = tmp_path / "env" / "bin" / "python"
    done = run_uv("pip", "sync", "--python", python, "--require-hashes", lock)
    assert done.returncode == 0, done.stderr
    assert index.count("*.whl") == 5
    shown = subprocess.run(
        [python, "-I", "-c", "import peft; print(peft.__version__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.strip() == releases.NEW["peft"]

    index.disturb("/files/peft-*.whl", tampered=True)
    done = run_uv("pip", "sync", "--python", python, "--require-hashes", "--reinstall", "--no-cache", lock)
    assert done.returncode != 0 and "Hash mismatch" in done.stderr


def test_exclude_newer_and_drift_change_what_is_chosen(index: LocalIndex, run_uv: Uv) -> None:
    then = compiled(run_uv, index, releases.OLD, "--exclude-newer", "2024-07-10T00:00:00Z")
    assert "accelerate==0.2.0" in then.stdout and "tokenizers==0.20.0" in then.stdout
    assert "accelerate==0.3.0" in compiled(run_uv, index, releases.OLD).stdout
    index.publish(releases.DRIFT)
    assert "accelerate==0.4.0" in compiled(run_uv, index, releases.OLD).stdout
    index.withdraw("accelerate", "0.4.0")
    assert "accelerate==0.3.0" in compiled(run_uv, index, releases.OLD).stdout


@pytest.mark.parametrize(
    "release",
    [pytest.param(each, id=each.requirement) for each in releases.UNINSTALLABLE if each.package != "transformers"],
)
def test_what_conflicts_does_not_resolve(index: LocalIndex, run_uv: Uv, release: Release) -> None:
    done = compiled(run_uv, index, releases.cell_with(release))
    assert done.returncode == 1 and "No solution found" in done.stderr


def test_yanked_and_pre_releases_are_not_chosen(index: LocalIndex, run_uv: Uv, tmp_path: Path) -> None:
    (tmp_path / "wanted.in").write_text("torch\n")
    done = run_uv("pip", "compile", "wanted.in", "--default-index", index.url)
    assert "torch==2.1.0\n" in done.stdout


def test_html_and_json_tell_the_same(index: LocalIndex) -> None:
    kind, body = get(f"{index.url}torch/", JSON_TYPE)
    assert kind == JSON_TYPE
    page = json.loads(body)
    assert [each["yanked"] for each in page["files"] if "2.1.1" in each["filename"]] == ["broken on some machines"]
    kind, html = get(f"{index.url}torch/")
    assert kind.startswith("text/html")
    for each in page["files"]:
        assert f"{each['filename']}#sha256={each['hashes']['sha256']}" in html.decode()
        assert sha256(get(index.url.replace("/simple/", each["url"]))[1]) == each["hashes"]["sha256"]
    assert {each["name"] for each in json.loads(get(index.url, JSON_TYPE)[1])["projects"]} == {
        "torch", "transformers", "peft", "accelerate", "tokenizers",
    }  # fmt: skip
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(f"{index.url}no-such-package/")


def test_trouble_comes_as_often_as_was_asked(index: LocalIndex) -> None:
    page = f"{index.url}peft/"
    index.disturb("/simple/peft/", status=503, times=1)
    with pytest.raises(urllib.error.HTTPError, match="503"):
        get(page)
    assert get(page)[1]
    index.disturb("/simple/peft/", body=b"garbage")
    assert get(page)[1] == b"garbage"
    index.calm()
    index.disturb("/simple/peft/", cut=True, times=1)
    with pytest.raises(http.client.IncompleteRead):
        get(page)
    assert index.count("/simple/peft/") == 4


def test_it_goes_down_and_comes_up_on_the_same_port(index: LocalIndex) -> None:
    url = index.url
    index.go_down()
    with pytest.raises(urllib.error.URLError, match="refused"):
        get(url)
    index.come_up()
    assert index.url == url and get(url)[1]


def test_wheels_are_the_same_every_time(tmp_path: Path) -> None:
    first = write(tmp_path / "one", releases.GOOD)
    wheel.cache_clear()
    second = write(tmp_path / "two", releases.GOOD)
    assert [each.read_bytes() for each in first] == [each.read_bytes() for each in second]
    assert len({each.filename for each in releases.RELEASES}) == len(releases.RELEASES)
