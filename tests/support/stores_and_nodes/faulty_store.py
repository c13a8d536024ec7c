"""Amazon's and Google's store on this machine, each behind a proxy (`faulty_proxy`) through which alone it is reached."""

import json
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import HTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from faulty_proxy import Fault, Proxy, serving

__all__ = ["BUCKET", "Fault", "Proxy", "faulty_google", "faulty_store"]

BUCKET = "bucket"
IMPATIENT = {"LACUNA_STORE_TIMEOUT": "2", "LACUNA_STORE_ATTEMPTS": "4"}


class S3:
    """moto knows preconditions itself."""

    def about(self, method: str, path: str, _: bytes) -> tuple[str, str]:
        return method, path

    def error(self, _: int, name: str) -> tuple[str, bytes]:
        return "application/xml", f"<?xml version='1.0'?><Error><Code>{name}</Code><Message>{name}</Message></Error>".encode()

    def refused(self, *_: Any) -> bool:
        return False


class Google:
    """Uploads are POSTs; those in one piece have the name in their body. The emulator knows no `ifGenerationMatch`, so it is kept here.

    An upload of several pieces is held to it when it ends, as Google does.
    """

    def about(self, method: str, path: str, body: bytes) -> tuple[str, str]:
        reported = unquote(path)
        if "/upload/" in path and method == "POST":
            return "PUT", f"{reported}/{_name(path, body)}"
        return ("HEAD" if method == "GET" and "/download/" not in path else method), reported

    def error(self, status: int, name: str) -> tuple[str, bytes]:
        return "application/json", json.dumps({"error": {"code": status, "message": name}}).encode()

    def refused(self, proxy: Proxy, path: str, body: bytes) -> bool:
        asked = parse_qs(urlsplit(path).query)
        if "ifGenerationMatch" not in asked or ("uploadType=resumable" in path and "upload_id" not in asked):
            return False
        status, _, data = proxy.ask("GET", f"/storage/v1/b/{BUCKET}/o/{quote(_name(path, body), safe='')}")
        return asked["ifGenerationMatch"][0] != (json.loads(data)["generation"] if status == 200 else "0")


def _name(path: str, body: bytes) -> str:
    """The object that a POST uploads, by its address or else by the JSON before its content."""
    reported = parse_qs(urlsplit(path).query).get("name")
    if reported:
        return reported[0]
    found: dict[str, str] = json.JSONDecoder().raw_decode(body[body.index(b"{") :].decode(errors="replace"))[0]
    return found["name"]


@contextmanager
def faulty_store() -> Iterator[Proxy]:
    """A bucket behind a proxy, empty at first; inside the block this process and its children find it as their S3."""
    import boto3
    from moto.backends import get_backend
    from moto.server import ThreadedMotoServer
    from s3fs import S3FileSystem

    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # else a line a request
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    get_backend("s3").reset()  # one process keeps one content for all its servers
    moto.start()
    proxy = Proxy(moto.get_host_and_port(), S3(), f"s3://{BUCKET}")
    account = {"AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "something", "AWS_DEFAULT_REGION": "us-east-1"}
    try:
        with serving(proxy) as url, _pointed_at({"AWS_ENDPOINT_URL": url, **account}, S3FileSystem):
            boto3.client("s3").create_bucket(Bucket=BUCKET)
            yield proxy
    finally:
        moto.stop()


@contextmanager
def faulty_google() -> Iterator[Proxy]:
    """As `faulty_store`, of Google's store, without credentials."""
    from gcp_storage_emulator.handlers.buckets import create_bucket
    from gcp_storage_emulator.server import RequestHandler
    from gcp_storage_emulator.storage import Storage

    from tda.store.remote.google import GoogleFileSystem

    storage = Storage(use_memory_fs=True)
    create_bucket(BUCKET, storage)
    server = HTTPServer(("127.0.0.1", 0), partial(RequestHandler, storage))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    proxy = Proxy(("127.0.0.1", server.server_port), Google(), f"gs://{BUCKET}")
    nobody = {"NO_GCE_CHECK": "true", "GOOGLE_APPLICATION_CREDENTIALS": os.devnull + "/none"}  # else Google's metadata server is looked for
    try:
        with serving(proxy) as url, _pointed_at({"STORAGE_EMULATOR_HOST": url, **nobody}, GoogleFileSystem):
            yield proxy
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def _pointed_at(variables: dict[str, str], kind: Any) -> Iterator[None]:
    """Set environment variables. fsspec keeps its file systems, with the endpoint that they began with: they are forgotten."""
    variables = {**variables, **IMPATIENT}
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    kind.clear_instance_cache()
    try:
        yield
    finally:
        kind.clear_instance_cache()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
