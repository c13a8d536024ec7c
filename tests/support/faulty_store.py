"""An S3 server on this machine, and a proxy before it that does to requests what networks and busy stores do."""

import http.client
import os
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BUCKET = "bucket"
ERRORS = {403: "AccessDenied", 404: "NoSuchKey", 429: "TooManyRequests", 500: "InternalError", 503: "SlowDown"}
PASSED_ON = ("content-type", "etag", "last-modified", "content-range", "accept-ranges", "x-amz-request-id")


@dataclass
class Fault:
    """What befalls the first `times` requests of `method` whose path holds `part`.

    kind: a status, or reset | stall (half of the answer, then silence) | cut (half of it, then the end) | short (half of it, as if whole)
    | lost (done, but the answer does not arrive).
    """

    part: str
    kind: int | str
    method: str = "GET"
    times: int = 1_000_000


@dataclass
class Proxy:
    """Forwards to `target` (host, port); `faults` may be changed while it runs."""

    target: tuple[str, int]
    faults: list[Fault] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self, method: str, path: str) -> int | str | None:
        with self.lock:
            self.seen[method] += 1
            for one in self.faults:
                if one.times and one.method == method and one.part in path:
                    one.times -= 1
                    return one.kind
        return None


class _Handler(BaseHTTPRequestHandler):
    proxy: Proxy
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        body = self._body()
        kind = self.proxy.fault(self.command, self.path)
        if isinstance(kind, int):
            name = ERRORS.get(kind, "Error")
            data = f"<?xml version='1.0'?><Error><Code>{name}</Code><Message>{name}</Message></Error>".encode()
            self._send(kind, {"Content-Type": "application/xml"}, b"" if self.command == "HEAD" else data, len(data))
        elif kind == "reset":
            self._reset()
        else:
            self._forward(body, kind)

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

    def _forward(self, body: bytes, kind: str | int | None) -> None:
        inner = http.client.HTTPConnection(*self.proxy.target, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("transfer-encoding", "content-length")}
        inner.request(self.command, self.path, body=body, headers={**headers, "Content-Length": str(len(body))})
        answer = inner.getresponse()
        data = answer.read()
        told = {name: value for name, value in answer.getheaders() if name.lower() in PASSED_ON or name.lower().startswith("x-amz")}
        length = int(answer.headers.get("Content-Length") or len(data))
        inner.close()
        if kind == "lost":
            self._reset()
            return
        half = data[: len(data) // 2] if kind in ("stall", "cut", "short") else data
        self._send(answer.status, told, half, len(half) if kind == "short" else length)
        if kind == "stall":
            time.sleep(8)
        if kind in ("stall", "cut"):
            self.close_connection = True

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
def faulty_store() -> Iterator[Proxy]:
    """A bucket behind a proxy; inside the block this process and its children find it as their S3."""
    import boto3
    from moto.server import ThreadedMotoServer

    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    proxy = Proxy(moto.get_host_and_port())
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": proxy}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_address[1]}",
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "something",
        "AWS_DEFAULT_REGION": "us-east-1",
        "LACUNA_STORE_TIMEOUT": "2",
        "LACUNA_STORE_ATTEMPTS": "4",
    }
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    _forget()
    try:
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield proxy
    finally:
        _forget()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        server.shutdown()
        server.server_close()
        moto.stop()


def _forget() -> None:
    """fsspec keeps its file systems, with the endpoint that they began with."""
    from s3fs import S3FileSystem

    S3FileSystem.clear_instance_cache()
