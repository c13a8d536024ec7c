"""A server on this machine that publishes one file, and every fault that such servers have."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Publisher:
    """`faults` are used up one a request; after them the file is served as it should be."""

    url: str = ""
    content: bytes = CONTENT
    etag: str = '"one"'
    ranges: bool = True
    faults: list[str] = field(default_factory=list)
    asked: list[str | None] = field(default_factory=list)  # the range of each request
    stalled: threading.Event = field(default_factory=threading.Event)


@contextmanager
def published(*faults: str, **settings: Any) -> Iterator[Publisher]:
    publisher = Publisher(faults=list(faults), **settings)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"publisher": publisher}))
    publisher.url = f"http://127.0.0.1:{server.server_address[1]}/model-{SHA256[:8]}.pt"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield publisher
    finally:
        publisher.stalled.set()
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    publisher: Publisher

    def do_GET(self) -> None:
        own, fault = self.publisher, self.publisher.faults.pop(0) if self.publisher.faults else ""
        own.asked.append(self.headers.get("Range"))
        if fault.isdigit():
            self.send_error(int(fault))
            return
        if fault.startswith("to "):
            self.send_response(302)
            self.send_header("Location", fault.removeprefix("to "))
            self.end_headers()
            return
        start = self._start()
        self.send_response(206 if start else 200)
        self.send_header("ETag", own.etag)
        self.send_header("Content-Length", str(len(own.content) - start))
        self.end_headers()
        end = start + (len(own.content) - start) // 2 if fault in ("cut", "stall") else len(own.content)
        self.wfile.write(own.content[start:end])
        if fault == "stall":
            self.wfile.flush()
            own.stalled.wait(10)

    def _start(self) -> int:
        wanted = self.headers.get("Range")
        if not wanted or not self.publisher.ranges or self.headers.get("If-Range") != self.publisher.etag:
            return 0
        return int(wanted.removeprefix("bytes=").removesuffix("-"))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the library's name)
        _ = format, args
