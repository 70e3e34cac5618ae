"""A package index on the loopback interface, that can be made to fail in the ways in which real ones do."""

from __future__ import annotations

import fnmatch
import html
import json
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from .releases import RELEASES
from .wheels import Release, sha256, wheel

JSON_TYPE = "application/vnd.pypi.simple.v1+json"


@dataclass
class Trouble:
    """What goes wrong with requests for paths that match the glob `pattern`, as `/files/peft-*` does."""

    pattern: str
    status: int = 0
    """Answer with this HTTP status and nothing else; 0: the right one."""
    body: bytes | None = None
    """Answer with this instead of the right body."""
    tampered: bool = False
    """Answer with another body; for a wheel a valid one of the same size, whose hash does not match."""
    cut: bool = False
    """Announce the whole length, send half, and close the connection."""
    delay: float = 0.0
    """Seconds to wait before answering."""
    times: int | None = None
    """How often; None: always."""


class LocalIndex:
    """Serves stub releases at `url`: JSON (PEP 691, 700 and 658) or HTML (PEP 503), as is asked for.

    with LocalIndex() as index:
        run("uv", "pip", "compile", "--default-index", index.url, ...)
        index.publish(DRIFT)
        index.disturb("*.whl", cut=True, times=1)
    """

    def __init__(self, releases: Iterable[Release] = RELEASES) -> None:
        self.releases = list(releases)
        self.requests: Counter[str] = Counter()
        """Path to the number of requests for it."""
        self._troubles: list[Trouble] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/simple/"

    def __enter__(self) -> LocalIndex:
        self.come_up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.go_down()

    def come_up(self) -> None:
        """Listen, on the same port as before where there was one."""
        self._closing.clear()
        handler = type("Handler", (_Handler,), {"index": self})
        self._server = _Server(("127.0.0.1", self._port), handler)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def go_down(self) -> None:
        """Stop listening: connections are refused until come_up."""
        self._closing.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def publish(self, *releases: Release) -> None:
        with self._lock:
            self.releases = [*self.releases, *releases]

    def withdraw(self, package: str, version: str) -> None:
        with self._lock:
            self.releases = [each for each in self.releases if (each.package, each.version) != (package, version)]

    def disturb(
        self,
        pattern: str,
        *,
        status: int = 0,
        body: bytes | None = None,
        tampered: bool = False,
        cut: bool = False,
        delay: float = 0.0,
        times: int | None = None,
    ) -> None:
        """From now on, let requests that match `pattern` go wrong; see Trouble."""
        with self._lock:
            self._troubles.append(Trouble(pattern, status, body, tampered, cut, delay, times))

    def calm(self) -> None:
        """No more trouble."""
        with self._lock:
            self._troubles.clear()

    def count(self, pattern: str = "*") -> int:
        """How many requests there were for paths that match `pattern`."""
        with self._lock:
            return sum(number for path, number in self.requests.items() if fnmatch.fnmatchcase(path, pattern))

    def trouble(self, path: str) -> Trouble | None:
        """Count a request for `path`, and say what goes wrong with it."""
        with self._lock:
            self.requests[path] += 1
            for each in self._troubles:
                if each.times != 0 and fnmatch.fnmatchcase(path, each.pattern):
                    if each.times is not None:
                        each.times -= 1
                    return each
            return None

    def wait(self, seconds: float) -> None:
        """Sleep, but not beyond the end of the index."""
        self._closing.wait(seconds)

    def forged(self, path: str, body: bytes) -> bytes:
        """Something else that would do in the place of `body`."""
        for each in self.releases:
            if path == f"/files/{each.filename}":
                return wheel(each, year=2024)
        return body + b"\n"

    def answer(self, path: str, as_json: bool) -> tuple[str, bytes] | None:
        """Content type and body for `path`; None where there is nothing."""
        kind = JSON_TYPE if as_json else "text/html; charset=utf-8"
        parts = path.strip("/").split("/")
        if parts == ["simple"]:
            names = sorted({each.package for each in self.releases})
            return kind, _root_json(names) if as_json else _root_html(names)
        if len(parts) == 2 and parts[0] == "simple":
            found = [each for each in self.releases if each.package == parts[1]]
            body = _project_json(parts[1], found) if as_json else _project_html(found)
            return (kind, body) if found else None
        if len(parts) == 2 and parts[0] == "files":
            for each in self.releases:
                if parts[1] == each.filename:
                    return "application/octet-stream", wheel(each)
                if parts[1] == f"{each.filename}.metadata":
                    return "text/plain", each.metadata
        return None


def _root_json(names: list[str]) -> bytes:
    return json.dumps({"meta": {"api-version": "1.1"}, "projects": [{"name": name} for name in names]}).encode()


def _root_html(names: list[str]) -> bytes:
    return _page(f'<a href="/simple/{name}/">{name}</a>' for name in names)


def _project_json(name: str, releases: list[Release]) -> bytes:
    files: list[dict[str, Any]] = [
        {
            "filename": each.filename,
            "url": f"/files/{each.filename}",
            "hashes": {"sha256": sha256(wheel(each))},
            "size": len(wheel(each)),
            "upload-time": each.uploaded.strftime("%Y-%m-%dT%H:%M:%S.000000Z"),
            "requires-python": each.requires_python,
            "yanked": each.yanked or False,
            "core-metadata": {"sha256": sha256(each.metadata)},
        }
        for each in releases
    ]
    versions = [each.version for each in releases]
    page = {"meta": {"api-version": "1.1"}, "name": name, "versions": versions, "files": files}
    return json.dumps(page).encode()


def _project_html(releases: list[Release]) -> bytes:
    def link(each: Release) -> str:
        attributes = {
            "href": f"/files/{each.filename}#sha256={sha256(wheel(each))}",
            "data-requires-python": each.requires_python,
            "data-core-metadata": f"sha256={sha256(each.metadata)}",
        }
        if each.yanked:
            attributes["data-yanked"] = each.yanked
        written = " ".join(f'{key}="{html.escape(value)}"' for key, value in attributes.items())
        return f"<a {written}>{each.filename}</a>"

    return _page(link(each) for each in releases)


def _page(links: Iterable[str]) -> bytes:
    return ("<!DOCTYPE html><html><body>\n" + "<br>\n".join(links) + "\n</body></html>\n").encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are expected here."""


class _Handler(BaseHTTPRequestHandler):
    index: LocalIndex

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        trouble = self.index.trouble(path) or Trouble("")
        if trouble.delay:
            self.index.wait(trouble.delay)
        answer = self.index.answer(path, JSON_TYPE in self.headers.get("Accept", ""))
        if trouble.status or answer is None:
            self.send_error(trouble.status or 404)
            return
        kind, body = answer
        body = trouble.body if trouble.body is not None else body
        if trouble.tampered:
            body = self.index.forged(path, body)
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-cache")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if trouble.cut else body)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *arguments: Any) -> None:
        """Silent: tests look at `requests`."""
