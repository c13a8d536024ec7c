"""A hub of data sets on this machine, with the answers that huggingface_hub asks for: `hf://datasets/me/set/...`."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

SET = "hf://datasets/me/set"
API, RESOLVE = "/api/datasets/me/set", "/datasets/me/set/resolve/main/"


@contextmanager
def fake_hub(files: dict[str, bytes]) -> Iterator[None]:
    """Inside the block `SET` holds these files, by path; they may be changed meanwhile."""
    from huggingface_hub import HfFileSystem

    begin = HfFileSystem.__init__
    handler = type("Handler", (_Hub,), {"files": files})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, pytest.MonkeyPatch.context() as patch:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        patch.setattr(HfFileSystem, "__init__", lambda fs, *given, **options: begin(fs, *given, **{"endpoint": endpoint, **options}))
        patch.setenv("LACUNA_STORE_ATTEMPTS", "2")
        HfFileSystem.clear_instance_cache()
        try:
            yield
        finally:
            HfFileSystem.clear_instance_cache()
            server.shutdown()


class _Hub(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    files: ClassVar[dict[str, bytes]] = {}

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if path.startswith(f"{API}/paths-info/"):
            self._json([one for name in _paths(sent) if (one := self._entry(name))])
        elif path.startswith(f"{API}/tree/main"):
            folder = path.removeprefix(f"{API}/tree/main").strip("/")
            found = {name.removeprefix(f"{folder}/").split("/")[0] for name in self.files if name.startswith(f"{folder}/") or not folder}
            self._json([self._entry(f"{folder}/{name}".strip("/")) for name in sorted(found)])
        elif path.startswith(API):
            self._json({"id": "me/set", "sha": "c" * 40, "siblings": [], "private": False, "downloads": 0, "likes": 0, "tags": []})
        elif (data := self.files.get(path.removeprefix(RESOLVE))) is not None:
            self._file(data)
        else:
            self._json({"error": "Entry not found"}, 404)

    do_POST = do_HEAD = do_GET

    def _entry(self, name: str) -> dict[str, Any] | None:
        if name in self.files:
            return {"type": "file", "oid": sha1(self.files[name]).hexdigest(), "size": len(self.files[name]), "path": name}  # noqa: S324 (git's)
        inside = any(path.startswith(f"{name}/") for path in self.files)
        return {"type": "directory", "oid": "d" * 40, "size": 0, "path": name} if inside else None

    def _file(self, data: bytes) -> None:
        asked = self.headers.get("Range")
        first, last = (int(n) if n else len(data) - 1 for n in asked[6:].split("-")) if asked else (0, len(data) - 1)
        part = data[first : last + 1]
        ranged = {"Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(data)}"} if asked else {}
        self._send(206 if asked else 200, part, {"ETag": '"x"', "X-Repo-Commit": "c" * 40, **ranged})

    def _json(self, content: Any, status: int = 200) -> None:
        self._send(status, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        return


def _paths(sent: bytes) -> list[str]:
    try:
        found: list[str] = json.loads(sent)["paths"]
    except ValueError:
        found = parse_qs(sent.decode())["paths"]
    return found
