"""Shards whose names hold signs with a meaning elsewhere: each is read by its literal name, from every store, by any way to name it."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote, unquote

import pytest
from bad_shards import good_pairs, write_tar
from faulty_store import faulty_google, faulty_store

from tda.store.files import publish_bytes
from tda.store.shards import check_shard, read_shard
from tda.store.shards.expand import expand_shards, name_shards

NAMES = [
    "x[1].tar",
    "x{0..1}.tar",
    "a=b.tar",
    "a&b.tar",
    "a#b.tar",
    "a#c.tar",
    "a b.tar",
    "a+b.tar",
    "a%20b.tar",
    "Kätzchen.tar",
    "東京.tar",
]
LIMITS = {"max_member_bytes": 2**20, "max_caption_bytes": 2**10}


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("literal")
    for number, name in enumerate(NAMES):
        write_tar(folder / name, good_pairs(2, first=2 * number))
    return {name: (folder / name).read_bytes() for name in NAMES}


@pytest.fixture(scope="module", params=["local", "s3", "gs", "memory"])
def folder(request: pytest.FixtureRequest, shards: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param in ("s3", "gs"):
        with faulty_store() if request.param == "s3" else faulty_google() as store:
            yield _filled(f"{store.root}/literal", shards)
    else:
        yield _filled(str(tmp_path_factory.mktemp("names")) if request.param == "local" else "memory://literal", shards)


def _filled(folder: str, shards: dict[str, bytes]) -> str:
    for name, data in shards.items():
        publish_bytes(f"{folder}/{name}", data)
    return folder


def _captions(url: str) -> list[str]:
    check_shard(url, ("image", "text"))
    return [pair.caption for pair in read_shard(url, ("image", "text"), **LIMITS)]


def test_each_is_read_by_its_name(folder: str, shards: dict[str, bytes], tmp_path: Path) -> None:
    seen: dict[str, list[str]] = {}
    for name, data in shards.items():
        (url,) = expand_shards(f"{folder}/{name}")
        assert url.endswith(name)
        (tmp_path / "one.tar").write_bytes(data)
        seen[name] = _captions(url)
        assert seen[name] == _captions(str(tmp_path / "one.tar"))
    assert len({tuple(captions) for captions in seen.values()}) == len(NAMES)


def test_all_ways_to_name_them_find_the_same(folder: str, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("".join(f"{folder}/{name}\n" for name in NAMES))
    by_pattern, by_list = expand_shards(f"{folder}/*.tar"), expand_shards(f"@{tmp_path}/list.txt")
    ends = sorted(url.rpartition("/")[2] for url in by_pattern)
    assert ends == sorted(NAMES) == sorted(url.rpartition("/")[2] for url in by_list)
    assert sorted(name_shards(by_pattern)) == sorted(name_shards(by_list))
    assert len(name_shards(by_pattern)) == len(NAMES)


def test_over_http_an_address_is_written_as_addresses_are(shards: dict[str, bytes], tmp_path: Path) -> None:
    handler = type("Handler", (_Ranges,), {"files": shards})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name, data in shards.items():
            (tmp_path / "one.tar").write_bytes(data)
            assert _captions(f"http://127.0.0.1:{server.server_port}/{quote(name)}") == _captions(str(tmp_path / "one.tar"))
        server.shutdown()


class _Ranges(BaseHTTPRequestHandler):
    """Serves `files` by name, whole or by ranges."""

    files: ClassVar[dict[str, bytes]] = {}

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self.wfile.write(self._answer())

    def _answer(self) -> bytes:
        data = self.files.get(unquote(self.path[1:]))
        if data is None:
            self.send_error(404)
            return b""
        asked = self.headers.get("Range")
        first, last = (int(n) for n in asked[6:].split("-")) if asked else (0, len(data) - 1)
        part = data[first : last + 1]
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Accept-Ranges", "bytes")
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(data)}")
        self.end_headers()
        return part

    def log_message(self, *_: Any) -> None:
        return
