"""Size and etag by listings, and what they say of a recorded shard."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import fsspec
import pytest
from faulty_store import faulty_store

from tda.store.files import filesystem, publish_bytes
from tda.store.shards import changed
from tda.store.shards.changed import Standing, current_sources, same_place, source_now, standing
from tda.store.shards.tar import stat_shard
from tda.store.types import Source


@pytest.fixture
def memory() -> str:
    for i in range(12):
        publish_bytes(f"memory://sources/d/{i:02d}.tar", bytes(i + 1))
    return "memory://sources/d"


def test_a_listing_says_what_a_shard_itself_says(tmp_path: Path, memory: str) -> None:
    for i in range(3):
        (tmp_path / f"{i}.tar").write_bytes(bytes(1024 * (i + 1)))
    urls = [str(tmp_path / f"{i}.tar") for i in range(3)] + [f"{memory}/{i:02d}.tar" for i in range(12)]
    found = current_sources(urls)
    assert list(found) == sorted(urls) or set(found) == set(urls)
    for url in urls:
        assert found[url] == stat_shard(url)[0] == source_now(url)


def test_one_listing_a_folder_and_no_call_a_shard(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    kind = type(fsspec.filesystem("memory"))
    for name in ("ls", "info"):
        real = getattr(kind, name)
        monkeypatch.setattr(kind, name, lambda *a, _real=real, _name=name, **k: calls.append(_name) or _real(*a, **k))
    assert len(current_sources(f"{memory}/{i:02d}.tar" for i in range(12))) == 12
    assert calls.count("ls") == 1
    assert calls.count("info") == 0
    calls.clear()
    assert len(current_sources([f"{memory}/03.tar"])) == 1
    assert calls.count("ls") == 0


def test_what_is_not_there_is_left_out(tmp_path: Path, memory: str) -> None:
    folder = tmp_path / "folder.tar"
    folder.mkdir()
    urls = [str(folder), str(tmp_path / "no.tar"), str(tmp_path / "none" / "0.tar"), f"{memory}/99.tar", "memory://nowhere/0.tar"]
    assert current_sources(urls) == {}
    assert source_now(str(folder)) is None


def test_on_s3_the_etag_is_that_of_the_listing() -> None:
    with faulty_store() as store:
        urls = [f"{store.root}/shards/{i}.tar" for i in range(changed.FEW + 2)]
        for i, url in enumerate(urls):
            publish_bytes(url, bytes(1024 + i))
        found = current_sources(urls)
        assert found == {url: stat_shard(url)[0] for url in urls}
        publish_bytes(urls[0], b"\1" * 1024)
        assert current_sources(urls)[urls[0]].etag != found[urls[0]].etag


NOW = Source("/data/00000.tar", 100, "7.5")


@pytest.mark.parametrize(
    ("recorded", "now", "what"),
    [
        ({}, NOW, Standing.SAME),
        ({}, None, Standing.UNKNOWN),
        ({"size": 99}, NOW, Standing.CHANGED),
        ({"size": 99, "etag": "8"}, NOW, Standing.CHANGED),
        ({"etag": "8"}, NOW, Standing.TOUCHED),
        ({"etag": ""}, NOW, Standing.TOUCHED),
        ({}, replace(NOW, etag=""), Standing.SAME),  # a store that gives none
        ({"path": "/old/00000.tar"}, NOW, Standing.MOVED),
        ({"path": "/old/00000.tar", "etag": "8"}, NOW, Standing.ELSEWHERE),
        ({"path": "/old/00000.tar", "size": 1}, NOW, Standing.ELSEWHERE),
        ({"path": "/old/00000.tar", "etag": ""}, replace(NOW, etag=""), Standing.ELSEWHERE),
    ],
)
def test_what_became_of_a_recorded_shard(recorded: dict[str, Any], now: Source | None, what: Standing) -> None:
    assert standing(asdict(NOW) | recorded, now, "/root") is what


@pytest.mark.parametrize(
    ("before", "now", "same"),
    [
        ("/a/0.tar", "/a/0.tar", True),
        ("/a/0.tar", "/b/0.tar", False),
        ("https://h/0.tar?X-Sig=1", "https://h/0.tar?X-Sig=2", True),
        ("https://h/0.tar", "https://g/0.tar", False),
        ("/odd?name/0.tar", "/odd?other/0.tar", False),
        ("file:///a/0.tar", "/a/0.tar", True),
        ("/home/old/root/data/toy/0.tar", "/new/root/data/toy/0.tar", True),  # below the root, which was moved
        ("/home/old/root/data/toy/0.tar", "/new/root/data/other/0.tar", False),
    ],
)
def test_one_place_by_two_urls(before: str, now: str, same: bool) -> None:
    assert same_place(before, now, "/new/root") is same


def test_a_link_is_known_by_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "real.tar").write_bytes(bytes(2048))
    (tmp_path / "link.tar").symlink_to(tmp_path / "real.tar")
    found = source_now(str(tmp_path / "link.tar"))
    assert found is not None
    assert found.size == 2048
    assert filesystem(str(tmp_path / "link.tar"))[0].info(str(tmp_path / "link.tar"))["size"] == 2048
