"""A model of the hub against a stand-in on the loopback interface: cold, resumed, damaged, refused, slow, no room.

The real hub was not tried.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from compatcheck.domain import Scenario
from compatcheck.errors import DiskFull, MachineError, UsageError
from compatcheck.scenario import TINY_BLOOM, hub
from compatcheck.scenario.hub import BLOOMZ, Pinned, fetched_file, fetched_folder, pinned, pinned_data
from compatcheck.scenario.material import material

COMMIT = "a" * 40
MODEL = Pinned("some/model", "main")
WEIGHTS = "model.safetensors"


class StandIn(ThreadingHTTPServer):
    """As much of a model hub as a download needs."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.files = {path.name: path.read_bytes() for path in TINY_BLOOM.iterdir()} | {"pytorch_model.bin": b"pickle"}
        self.asked: Counter[str] = Counter()
        self.ranges: list[str] = []
        self.status = 200
        self.spoil = 0
        """So many times the weights are sent with a bit turned."""
        self.cut = 0
        """So many times the connection is dropped in the middle of the weights."""
        self.pause = 0.0
        """Seconds between the blocks of an answer."""

    def etag(self, name: str) -> str:
        content = self.files[name]
        if name == WEIGHTS:
            return hashlib.sha256(content).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    def entry(self, name: str) -> dict[str, Any]:
        size = len(self.files[name])
        told: dict[str, Any] = {"size": size, "oid": self.etag(name), "blobId": self.etag(name)}
        if name == WEIGHTS:
            told["lfs"] = {"oid": self.etag(name), "sha256": self.etag(name), "size": size, "pointerSize": 100}
        return told


class _Answer(BaseHTTPRequestHandler):
    server: StandIn
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET(body=False)

    def do_GET(self, body: bool = True) -> None:
        served, name = self.server, self.path.rsplit("/", 1)[-1].partition("?")[0]
        served.asked[f"{self.command} {name}"] += 1
        headers = {"X-Repo-Commit": COMMIT}
        status, content = served.status, b"{}"
        if status != 200:
            headers["X-Error-Code"] = {401: "GatedRepo", 404: "RepoNotFound"}.get(status, "")
        elif "/tree/" in self.path:
            content = json.dumps(
                [{"type": "file", "path": each, **served.entry(each)} for each in served.files]
            ).encode()
        elif name not in served.files and "/resolve/" in self.path:
            status, headers["X-Error-Code"] = 404, "EntryNotFound"
        elif "/api/models/" in self.path:
            siblings = [{"rfilename": each, **served.entry(each)} for each in served.files]
            content = json.dumps({"id": "some/model", "sha": COMMIT, "siblings": siblings}).encode()
        else:
            content = served.files[name]
            headers |= {"ETag": f'"{served.etag(name)}"', "Accept-Ranges": "bytes"}
            if name == WEIGHTS:
                headers |= {"X-Linked-Etag": f'"{served.etag(name)}"', "X-Linked-Size": str(len(content))}
        weights = self.command == "GET" and name == WEIGHTS and status == 200
        if weights and (wanted := self.headers.get("Range")):
            served.ranges.append(wanted)
            start = int(wanted.removeprefix("bytes=").partition("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            content, status = content[start:], 206
        self.send_response(status)
        for header, value in headers.items():
            self.send_header(header, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body and self.command == "GET":
            self.send(content, weights)

    def send(self, content: bytes, weights: bool) -> None:
        served = self.server
        if weights and served.spoil:
            served.spoil -= 1
            content = content[:-1] + bytes([content[-1] ^ 1])
        if weights and served.cut:
            served.cut -= 1
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(2)
            return
        for start in range(0, len(content), 2**16):
            time.sleep(served.pause)
            self.wfile.write(content[start : start + 2**16])

    def log_message(self, format: str, *arguments: object) -> None: ...


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """The hub's client talks to the stand-in, and keeps its cache here."""
    from huggingface_hub import constants

    with StandIn() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        # so that the small file comes in several pieces too
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 2**14)
        yield server
        server.shutdown()


def fetched(tmp_path: Path, wanted: Pinned = MODEL, told: list[str] | None = None) -> Path:
    return fetched_folder(wanted, tmp_path / "stamps", (told if told is not None else []).append)


def whole(folder: Path) -> bool:
    """Whether the folder holds exactly what the tiny model has, and no pickle."""
    return {path.name: path.read_bytes() for path in folder.iterdir()} == {
        path.name: path.read_bytes() for path in TINY_BLOOM.iterdir()
    }


def test_a_model_is_fetched_once_said_before_and_without_pickles(served: StandIn, tmp_path: Path) -> None:
    told: list[str] = []
    folder = fetched(tmp_path, told=told)
    assert whole(folder) and folder.is_relative_to(tmp_path / "hub")
    size = sum(path.stat().st_size for path in TINY_BLOOM.iterdir())
    assert told == [f"fetching some/model@main: at most {size / 2**30:.2f} GiB into {tmp_path / 'hub'}"]
    before = served.asked.total()
    assert fetched(tmp_path, told=told) == folder and len(told) == 1
    assert served.asked.total() == before, "what is there asks nothing"
    assert served.asked[f"GET {WEIGHTS}"] == 1 and not served.asked["GET pytorch_model.bin"]


def test_a_scenario_names_it(served: StandIn, tmp_path: Path) -> None:
    found = material(replace(Scenario(), model="some/model"), tmp_path / "cache")
    assert whole(found.model)
    assert found.digest != material(Scenario()).digest, "the name is part of the scenario"


def test_an_interrupted_download_goes_on_where_it_was(served: StandIn, tmp_path: Path) -> None:
    served.cut = 1
    assert whole(fetched(tmp_path))
    (start,) = served.ranges
    assert 0 < int(start.removeprefix("bytes=").rstrip("-")) <= len(served.files[WEIGHTS]) // 2


def test_a_download_that_was_killed_is_not_taken_for_whole(served: StandIn, tmp_path: Path) -> None:
    folder = fetched(tmp_path)
    (folder / WEIGHTS).resolve().unlink()
    (folder / WEIGHTS).unlink()
    assert whole(fetched(tmp_path)) and served.asked[f"GET {WEIGHTS}"] == 2


def test_what_was_damaged_on_disk_is_found_and_fetched_again(served: StandIn, tmp_path: Path) -> None:
    told: list[str] = []
    blob = (fetched(tmp_path, told=told) / WEIGHTS).resolve()
    content = bytearray(blob.read_bytes())
    content[-1] ^= 1
    blob.write_bytes(content)
    assert whole(fetched(tmp_path, told=told))
    assert told[1] == "some/model@main: model.safetensors is damaged and is fetched again"


def test_what_comes_damaged_is_never_used(served: StandIn, tmp_path: Path) -> None:
    served.spoil = 9
    with pytest.raises(MachineError, match=r"model.safetensors of some/model@main is not what the hub says it is"):
        fetched(tmp_path)
    served.spoil = 0
    assert whole(fetched(tmp_path))


def test_weights_that_are_not_the_pinned_ones_are_never_used(served: StandIn, tmp_path: Path) -> None:
    """A hub, or a mirror, that has something else under the same name."""
    with pytest.raises(MachineError, match=r"model.safetensors of some/model@a{12} is not what"):
        fetched(tmp_path, Pinned("some/model", COMMIT, {WEIGHTS: "0" * 64}))
    right = hashlib.sha256(served.files[WEIGHTS]).hexdigest()
    assert whole(fetched(tmp_path, Pinned("some/model", COMMIT, {WEIGHTS: right})))


def test_a_slow_hub_is_waited_for(served: StandIn, tmp_path: Path) -> None:
    served.pause = 0.05
    assert whole(fetched(tmp_path))


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (401, "ask for access on its page"),
        (404, "no such repository, revision or file"),
        (500, "hf download some/model"),
    ],
)
def test_a_hub_that_refuses_says_what_to_do(served: StandIn, tmp_path: Path, status: int, remedy: str) -> None:
    served.status = status
    with pytest.raises(MachineError, match="the model some/model@main cannot be fetched") as caught:
        fetched(tmp_path)
    assert caught.value.exit_code == 4 and remedy in caught.value.remedy and "directory" in caught.value.remedy


def test_without_a_network_it_says_exactly_what_to_do(served: StandIn, tmp_path: Path) -> None:
    served.shutdown()
    served.server_close()
    with pytest.raises(MachineError, match="cannot be fetched") as caught:
        fetched(tmp_path, BLOOMZ)
    assert f"hf download bigscience/bloomz-560m --revision {BLOOMZ.revision}" in caught.value.remedy
    assert f"copy models--bigscience--bloomz-560m into {tmp_path / 'hub'}" in caught.value.remedy
    assert "--model bloomz-560m:random" in caught.value.remedy


def test_what_was_fetched_needs_no_network(served: StandIn, tmp_path: Path) -> None:
    folder = fetched(tmp_path)
    served.shutdown()
    served.server_close()
    assert fetched(tmp_path) == folder
    shutil.rmtree(tmp_path / "stamps")
    assert fetched(tmp_path) == folder, "checked once more, by the names of the files"


def test_a_disk_that_is_too_small_is_told_before(
    served: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub.shutil, "disk_usage", lambda place: SimpleNamespace(free=1000))
    with pytest.raises(DiskFull, match=r"some/model@main needs 0.00 GiB in .*, 0.00 GiB are free"):
        fetched(tmp_path)
    assert not served.asked[f"GET {WEIGHTS}"]


def test_a_disk_that_fills_up_is_the_machines_fault(
    served: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    kept = huggingface_hub.snapshot_download

    def full(*arguments: Any, **named: Any) -> str:
        if named.get("local_files_only"):
            return str(kept(*arguments, **named))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", full)
    with pytest.raises(DiskFull, match="the disk is full"):
        fetched(tmp_path)


def test_a_repository_of_pickles_alone_is_refused(served: StandIn, tmp_path: Path) -> None:
    del served.files[WEIGHTS]
    with pytest.raises(UsageError, match=r"has no safetensors weights \(pytorch_model.bin would run code"):
        fetched(tmp_path)
    assert not served.asked["GET pytorch_model.bin"]


# ---------------------------------------------------------------------- data

CSV = b'act,prompt\n"Clerk","I want you to act as a clerk"\n"Poet","I want you to act as a poet"\n'


def test_a_data_file_is_fetched_once_and_read_here(
    served: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served.files["prompts.csv"] = CSV
    served.files["quotes.jsonl"] = b'{"quote": "So", "author": "A"}\n{"quote": "it goes", "author": "B"}\n'
    for name, texts in (
        ("awesome-chatgpt-prompts", ("I want you to act as a clerk", "I want you to act as a poet")),
        ("english_quotes", ("So", "it goes")),
        ("hub:some/data/prompts.csv", ("I want you to act as a clerk", "I want you to act as a poet")),
    ):
        assert material(replace(Scenario(), data=name, texts=2), tmp_path / "cache").texts == texts
    assert "fetching prompts.csv of fka/awesome-chatgpt-prompts@main into" in capsys.readouterr().err
    named = replace(Scenario(), data="hub:some/data/prompts.csv", texts=2, column="act")
    before = served.asked.total()
    assert material(named, tmp_path / "cache").texts == ("Clerk", "Poet")
    assert served.asked.total() == before, "what is there asks nothing"


def test_a_data_file_that_is_damaged_is_fetched_again(
    served: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served.files["prompts.csv"] = CSV
    wanted = pinned_data("some/data/prompts.csv")
    path = fetched_file(wanted)
    path.resolve().write_bytes(CSV.replace(b"poet", b"post"))
    assert fetched_file(wanted).read_bytes() == CSV
    assert "prompts.csv of some/data@main is damaged and is fetched again" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "remedy"),
    [(401, "ask for access on its page"), (404, "no such repository, revision or file"), (500, "--repo-type dataset")],
)
def test_a_hub_that_refuses_data_says_what_to_do(served: StandIn, status: int, remedy: str) -> None:
    served.status = status
    with pytest.raises(MachineError, match="the data set some/data@main cannot be fetched") as caught:
        fetched_file(pinned_data("some/data/train.csv"))
    assert remedy in caught.value.remedy and "file" in caught.value.remedy


def test_a_file_that_the_data_set_has_not_is_told(served: StandIn) -> None:
    with pytest.raises(MachineError, match="the data set some/data@main cannot be fetched") as caught:
        fetched_file(pinned_data("some/data/nothing.csv"))
    assert "no such repository, revision or file" in caught.value.remedy


def test_a_data_file_has_a_full_name() -> None:
    assert pinned_data("owner/name/in/folder.csv@abc") == Pinned("owner/name", "abc", file="in/folder.csv")
    for name in ("owner", "owner/name", "owner/name/", "/name/file"):
        with pytest.raises(UsageError, match="names no file of a data set"):
            pinned_data(name)


# ---------------------------------------------------------------------- a model's own code


def test_code_is_fetched_only_where_it_is_asked_for(served: StandIn, tmp_path: Path) -> None:
    config = json.loads(served.files["config.json"])
    config["auto_map"] = {"AutoModelForCausalLM": "modeling_mine.Mine"}
    served.files |= {"config.json": json.dumps(config).encode(), "modeling_mine.py": b"raise SystemExit(1)"}
    with pytest.raises(UsageError, match=r"brings code of its own \(modeling_mine.Mine\)"):
        material(replace(Scenario(), model="some/model"), tmp_path / "cache")
    assert not served.asked["GET modeling_mine.py"]
    trusted = replace(Scenario(), model="some/model", trust_remote_code=True)
    assert (material(trusted, tmp_path / "cache").model / "modeling_mine.py").is_file()
    before = served.asked.total()
    material(trusted, tmp_path / "cache")
    assert served.asked.total() == before


def test_a_name_that_no_hub_can_have_is_the_askers_mistake(served: StandIn, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no model"):
        fetched(tmp_path, Pinned("a//b//c", "main"))


def test_a_revision_may_be_named_and_bloomz_has_one() -> None:
    assert pinned("owner/name@abc") == Pinned("owner/name", "abc")
    assert pinned("owner/name") == Pinned("owner/name", "main")
    assert pinned("bloomz-560m") is BLOOMZ and len(BLOOMZ.revision) == 40
