"""What a scenario names, made real: local directories, text files, and a model of the hub, fetched once."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from compatcheck.domain import Scenario
from compatcheck.errors import InputError, MachineError, UsageError
from compatcheck.scenario import TINY_BLOOM
from compatcheck.scenario.material import material

SHIPPED = Scenario()
COMMIT = "a" * 40


def test_the_shipped_model_and_texts() -> None:
    found = material(SHIPPED)
    assert found.model == TINY_BLOOM and len(found.texts) == SHIPPED.texts
    assert material(replace(SHIPPED, data="quotations")).texts != found.texts


def test_the_digest_is_of_the_contents_and_not_of_the_place(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(TINY_BLOOM, copy)
    here = replace(SHIPPED, model=str(copy))
    before = material(here).digest
    moved = tmp_path / "moved"
    shutil.copytree(copy, moved)
    assert material(here).digest == before
    (copy / "config.json").write_text((copy / "config.json").read_text().replace('"n_layer"', '"n_layers"'))
    assert material(here).digest != before
    assert material(replace(SHIPPED, seed=21)).digest != material(SHIPPED).digest


def test_texts_of_ones_own(tmp_path: Path) -> None:
    lines = tmp_path / "mine.txt"
    lines.write_text("one\n\ntwo\nthree\n", encoding="utf-8")
    assert material(replace(SHIPPED, data=str(lines), texts=3)).texts == ("one", "two", "three")
    objects = tmp_path / "mine.jsonl"
    objects.write_text('{"text": "one"}\n{"text": "zwei ü"}\n', encoding="utf-8")
    assert material(replace(SHIPPED, data=str(objects), texts=2)).texts == ("one", "zwei ü")


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"model": "./nowhere"}, UsageError, "is not a model directory"),
        ({"model": "/nowhere/at/all"}, UsageError, "is not a model directory"),
        ({"data": "nowhere.txt"}, UsageError, "cannot be read"),
        ({"data": "bad.jsonl"}, InputError, "line 2: not a JSON object with a string 'text'"),
        ({"texts": 999}, UsageError, "wants 999 texts, role-prompts has 24"),
    ],
)
def test_what_is_wrong_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, object], error: type[Exception], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.jsonl").write_text('{"text": "one"}\n{"txt": 1}\n')
    with pytest.raises(error, match=said):
        material(replace(SHIPPED, **changed))  # type: ignore[arg-type]


class Hub(ThreadingHTTPServer):
    """As much of a model hub as a download needs, on the loopback interface."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.files = {path.name: path.read_bytes() for path in TINY_BLOOM.iterdir()} | {"pytorch_model.bin": b"pickle"}
        self.asked: Counter[str] = Counter()
        self.status = 200


class _Answer(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET(body=False)

    def do_GET(self, body: bool = True) -> None:
        hub, name = self.server, self.path.rsplit("/", 1)[-1].partition("?")[0]
        hub.asked[f"{self.command} {name}"] += 1
        headers = {"X-Repo-Commit": COMMIT}
        if hub.status != 200:
            content = b"{}"
            headers["X-Error-Code"] = "GatedRepo" if hub.status == 401 else "RepoNotFound"
        elif "/tree/" in self.path:
            tree = [
                {"type": "file", "path": path, "size": len(each), "oid": hashlib.sha1(each).hexdigest()}
                for path, each in hub.files.items()
            ]
            content = json.dumps(tree).encode()
        elif "/api/models/" in self.path:
            siblings = [{"rfilename": each} for each in hub.files]
            content = json.dumps({"id": "some/model", "sha": COMMIT, "siblings": siblings}).encode()
        else:
            content = hub.files[name]
            headers["ETag"] = f'"{hashlib.sha1(content).hexdigest()}"'
        self.send_response(hub.status)
        for header, value in headers.items():
            self.send_header(header, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body and self.command == "GET":
            self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None: ...


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The hub's client talks to a stand-in and keeps its cache here. The real hub was not tried."""
    from huggingface_hub import constants

    with Hub() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        yield server
        server.shutdown()


def test_a_model_of_the_hub_is_fetched_once_and_without_pickles(hub: Hub) -> None:
    wanted = replace(SHIPPED, model="some/model")
    found = material(wanted)
    names = {path.name for path in found.model.iterdir()}
    assert names == {path.name for path in TINY_BLOOM.iterdir()}, "no pickle"
    assert (found.model / "config.json").read_bytes() == (TINY_BLOOM / "config.json").read_bytes()
    fetched = hub.asked["GET model.safetensors"]
    assert material(wanted).digest == found.digest
    assert hub.asked["GET model.safetensors"] == fetched == 1


def test_a_fetched_model_is_used_where_the_hub_is_not_reached(hub: Hub) -> None:
    wanted = replace(SHIPPED, model="some/model")
    found = material(wanted)
    hub.shutdown()
    hub.server_close()
    assert material(wanted).model == found.model


@pytest.mark.parametrize("status", [401, 404, 500])
def test_a_hub_that_refuses_is_the_machines_fault(hub: Hub, status: int) -> None:
    hub.status = status
    with pytest.raises(MachineError, match="the model some/model cannot be fetched") as caught:
        material(replace(SHIPPED, model="some/model"))
    assert caught.value.exit_code == 4 and "directory" in caught.value.remedy


def test_a_name_that_no_hub_can_have_is_the_askers_mistake(hub: Hub) -> None:
    with pytest.raises(UsageError, match="is no model"):
        material(replace(SHIPPED, model="a//b//c"))
