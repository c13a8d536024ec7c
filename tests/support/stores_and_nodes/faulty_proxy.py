"""A proxy before a store on this machine that does to requests what networks and busy stores do."""

import http.client
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

ERRORS = {403: "AccessDenied", 404: "NoSuchKey", 412: "PreconditionFailed", 429: "TooManyRequests", 500: "InternalError", 503: "SlowDown"}
PASSED_ON = ("content-type", "etag", "last-modified", "content-range", "accept-ranges", "location", "range")


@dataclass
class Fault:
    """What befalls the first `times` requests of `method` whose path holds `part`.

    method: GET, PUT, DELETE, or HEAD for what asks whether and how a name is there; a store says which of its requests are such.
    kind: a status, or reset | stall (half of the answer, then silence) | cut (half of it, then the end) | short (half of it, as if whole)
    | lost (done, but the answer does not arrive).
    """

    part: str
    kind: int | str
    method: str = "GET"
    times: int = 1_000_000


@dataclass
class Weather:
    """Faults of any request that none is meant for: `share` of all, drawn."""

    share: float
    draw: random.Random
    struck: Counter[int | str] = field(default_factory=Counter)

    def fault(self) -> int | str | None:
        if self.draw.random() >= self.share:
            return None
        kind: int | str = self.draw.choices([503, 429, 500, "reset", "cut", "short", "stall"], weights=[3, 2, 1, 3, 3, 3, 1])[0]
        self.struck[kind] += 1
        return kind


class Dialect(Protocol):
    """What the proxy has to know of a store."""

    def about(self, method: str, path: str, body: bytes) -> tuple[str, str]:
        """(method as `Fault` has it, text that holds the names which the request is about)."""
        ...

    def error(self, status: int, name: str) -> tuple[str, bytes]:
        """(content type, body) of a refusal."""
        ...

    def refused(self, proxy: "Proxy", path: str, body: bytes) -> bool:
        """Whether a precondition of the request that the server behind does not know is not met."""
        ...


@dataclass
class Proxy:
    """Forwards to `target` (host, port); `faults` may be changed while it runs."""

    target: tuple[str, int]
    dialect: Dialect
    root: str  # URL of the bucket
    faults: list[Fault] = field(default_factory=list)
    weather: Weather | None = None
    seen: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)
    writing: threading.Lock = field(default_factory=threading.Lock)  # a store sees to it that of two who create one is first

    def fault(self, method: str, path: str) -> int | str | None:
        with self.lock:
            self.seen[method] += 1
            for one in self.faults:
                if one.times and one.method == method and one.part in path:
                    one.times -= 1
                    return one.kind
            return self.weather.fault() if self.weather else None

    def ask(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> tuple[int, Any, bytes]:
        """Status, headers and body of the store's own answer."""
        inner = http.client.HTTPConnection(*self.target, timeout=60)
        inner.request(method, path, body=body, headers={**(headers or {}), "Content-Length": str(len(body))})
        answer = inner.getresponse()
        data = answer.read()
        inner.close()
        return answer.status, answer.headers, data


class _Handler(BaseHTTPRequestHandler):
    proxy: Proxy
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        body = self._body()
        method, subject = self.proxy.dialect.about(self.command, self.path, body)
        kind = self.proxy.fault(method, subject)
        if isinstance(kind, int):
            self._refuse(kind)
        elif kind == "reset":
            self._reset()
        else:
            self._forward(body, method, kind)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _forward(self, body: bytes, method: str, kind: str | None) -> None:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("transfer-encoding", "content-length")}
        guard: AbstractContextManager[Any] = self.proxy.writing if method == "PUT" else nullcontext()
        with guard:
            refused = self.proxy.dialect.refused(self.proxy, self.path, body)
            status, found, data = (412, {}, b"") if refused else self.proxy.ask(self.command, self.path, body, headers)
        if kind == "lost":
            self._reset()
        elif refused:
            self._refuse(status)
        else:
            self._answer(status, found, data, kind)

    def _answer(self, status: int, headers: Any, data: bytes, kind: str | None) -> None:
        reported = {name: value for name, value in headers.items() if name.lower() in PASSED_ON or name.lower().startswith("x-")}
        if self.command == "HEAD" and kind == "short":
            kind = None  # it would say that the file is empty
        half = data[: len(data) // 2] if kind in ("stall", "cut", "short") else data
        self._send(status, reported, half, len(half) if kind == "short" else int(headers.get("Content-Length") or len(data)))
        if kind == "stall":
            time.sleep(8)
        if kind in ("stall", "cut"):
            self.close_connection = True

    def _refuse(self, status: int) -> None:
        form, data = self.proxy.dialect.error(status, ERRORS.get(status, "Error"))
        self._send(status, {"Content-Type": form}, b"" if self.command == "HEAD" else data, len(data))

    def _send(self, status: int, headers: dict[str, str], data: bytes, length: int) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(length)}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def handle(self) -> None:
        try:
            super().handle()
        except (OSError, ValueError):  # a client that was cut off hangs up
            self.close_connection = True

    def finish(self) -> None:
        with suppress(OSError, ValueError):
            super().finish()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(proxy: Proxy) -> Iterator[str]:
    """The proxy's own address, for as long as the block lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": proxy}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
