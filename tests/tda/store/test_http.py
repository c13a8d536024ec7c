"""Files behind plain HTTP, as checkpoints are published: by way of an address that is signed anew each time, with or without a length."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tda.store.files import filesystem

DATA = np.random.default_rng(0).bytes(300_000)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    signed = 0

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        if "broken" in self.path or "absent" in self.path:
            self._head(500 if "broken" in self.path else 404, {"Content-Length": "0"})
        elif not self.path.startswith("/signed"):
            type(self).signed += 1
            self._head(302, {"Location": f"/signed{self.path}?signature={self.signed}", "Content-Length": "0"})
        elif "unknown" in self.path:
            self._head(200, {"Transfer-Encoding": "chunked"})
            self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(DATA), DATA) if body else b"")
        else:
            first, last = (int(n or len(DATA) - 1) for n in self.headers.get("Range", f"bytes=0-{len(DATA) - 1}")[6:].split("-"))
            part = DATA[first : last + 1]
            status = 206 if "Range" in self.headers else 200
            reported = {"Content-Range": f"bytes {first}-{last}/{len(DATA)}"} if status == 206 else {}
            self._head(status, {"Content-Length": str(len(part)), "ETag": '"one"', "Accept-Ranges": "bytes", **reported})
            self.wfile.write(part if body else b"")

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_signed_address_is_the_same_file(site: str) -> None:
    fs, path = filesystem(f"{site}/model.pt")
    assert fs.ukey(path) == fs.ukey(path)
    assert _Handler.signed >= 2
    assert fs.ukey(path) != fs.ukey(f"{site}/other.pt")


@pytest.mark.parametrize("name", ["known.pt", "unknown.pt"])
def test_a_file_is_fetched_whole(site: str, tmp_path: Path, name: str) -> None:
    fs, path = filesystem(f"{site}/{name}")
    fs.get_file(path, str(tmp_path / name))
    assert (tmp_path / name).read_bytes() == DATA


def test_an_error_of_the_server_is_a_fault_and_not_a_file_that_is_not_there(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LACUNA_STORE_ATTEMPTS", "2")
    for call in ("info", "exists", "size", "cat_file"):
        fs, path = filesystem(f"{site}/broken.pt")
        with pytest.raises(OSError, match=r"500.*\(tried 2 times\)") as fault:
            getattr(fs, call)(path)
        assert not isinstance(fault.value, FileNotFoundError), call
    fs, path = filesystem(f"{site}/absent.pt")
    assert not fs.exists(path)
    with pytest.raises(FileNotFoundError):
        fs.cat_file(path)


def test_a_server_that_does_not_answer_is_a_fault_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LACUNA_STORE_ATTEMPTS", "1")
    fs, path = filesystem("http://127.0.0.1:9/model.pt")
    with pytest.raises(OSError, match=r"127.0.0.1") as fault:
        fs.exists(path)
    assert not isinstance(fault.value, FileNotFoundError)
