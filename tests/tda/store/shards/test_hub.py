"""Shards on `hf://`, by the file system of huggingface_hub: named in every way, read whole, noticed when they are replaced."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bad_shards import good_pairs, write_tar
from fake_hub import SET, fake_hub

from tda.errors import ShardError, UserError
from tda.store.files import publish_bytes, require_writable
from tda.store.shards import check_shard, read_shard
from tda.store.shards.changed import Standing, source_now, standing
from tda.store.shards.expand import expand_shards

LIMITS = {"max_member_bytes": 2**20, "max_caption_bytes": 2**10}


@pytest.fixture
def files(tmp_path: Path) -> Iterator[dict[str, bytes]]:
    found = {f"data/{i:05d}.tar": write_tar(tmp_path / f"{i}.tar", good_pairs(3, first=3 * i)).read_bytes() for i in range(3)}
    with fake_hub(found):
        yield found


def captions(url: str) -> list[str]:
    check_shard(url, ("image", "text"))
    return [pair.caption for pair in read_shard(url, ("image", "text"), **LIMITS)]


@pytest.mark.parametrize("spec", ["/data/0000{0..2}.tar", "/data/*.tar", "/data"])
def test_every_way_to_name_them(files: dict[str, bytes], spec: str) -> None:
    urls = expand_shards(SET + spec)
    assert urls == [f"{SET}/{name}" for name in files]
    assert [captions(url) for url in urls] == [[f"picture number {3 * i + j} of many" for j in range(3)] for i in range(3)]


def test_what_is_not_there_is_named(files: dict[str, bytes]) -> None:
    with pytest.raises(UserError, match=r"none\.tar is not there"):
        expand_shards(f"{SET}/data/none.tar")
    files["data/cut.tar"] = files["data/00000.tar"][:1500]
    with pytest.raises(ShardError, match="truncated"):
        check_shard(f"{SET}/data/cut.tar", ("image", "text"))


def test_a_shard_that_is_replaced_is_noticed_though_its_size_is_the_same(files: dict[str, bytes], tmp_path: Path) -> None:
    url = f"{SET}/data/00000.tar"
    before = check_shard(url, ("image", "text"))
    recorded = {"path": url, "size": before.size, "etag": before.etag}
    assert standing(recorded, source_now(url), "/root") is Standing.SAME
    files["data/00000.tar"] = write_tar(tmp_path / "other.tar", good_pairs(3, first=60)).read_bytes()
    assert len(files["data/00000.tar"]) == before.size
    assert standing(recorded, source_now(url), "/root") is Standing.TOUCHED, "its digest decides"
    assert captions(url)[0] == "picture number 60 of many"


def test_a_root_there_is_refused_in_one_line(files: dict[str, bytes]) -> None:
    assert files
    with pytest.raises(UserError, match=r"hf:// cannot keep two writers apart: use a folder of this machine"):
        require_writable(f"{SET}/root")
    with pytest.raises((UserError, OSError)):
        publish_bytes(f"{SET}/root/x.json", b"{}", once=True)
