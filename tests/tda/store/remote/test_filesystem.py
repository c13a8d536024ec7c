"""Reading and publishing on an S3 server and on Google's, with what networks and busy stores do in between."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from bad_shards import good_pairs, write_tar
from faulty_store import Fault, Proxy, faulty_google, faulty_store
from small_rows import SOURCE, drop, identity, small_rows

from tda.encoders.weights.local_copy import local_file
from tda.errors import ShardError, UserError
from tda.store.commit import records
from tda.store.commit.records import ShardRecord, read_record, renew_record
from tda.store.commit.transaction import publish_shard
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.files import exists, filesystem, list_files, list_folders, publish_bytes, read_bytes, remove, require_writable
from tda.store.paths import RootPaths
from tda.store.remote import filesystem as remote
from tda.store.shards.webdataset import check_archive, read_pairs

pytestmark = pytest.mark.usefixtures("calm")


@pytest.fixture(scope="module", params=[faulty_store, faulty_google], ids=["s3", "gs"])
def proxy(request: pytest.FixtureRequest) -> Iterator[Proxy]:
    with request.param() as found:
        yield found


@pytest.fixture
def shard(tmp_path: Path, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> tuple[str, list[object]]:
    """The URL of a shard that is read in several ranges, and its pairs."""
    assert not proxy.faults
    monkeypatch.setattr(remote, "RANGE", 16_384)
    path = write_tar(tmp_path / f"{tmp_path.name}.tar", good_pairs(40))
    url = f"{proxy.root}/{path.name}"
    publish_bytes(url, path.read_bytes())
    return url, list(read_pairs(str(path)))


@pytest.mark.parametrize(
    "faults",
    [
        [],
        [Fault(".tar", 503, times=2)],
        [Fault(".tar", 500, times=1), Fault(".tar", 503, "HEAD", times=2)],
        [Fault(".tar", 429, times=2)],
        [Fault(".tar", "reset", times=2), Fault(".tar", "reset", "HEAD", times=1)],
        [Fault(".tar", "cut", times=3)],
        [Fault(".tar", "short", times=3)],
        [Fault(".tar", "stall", times=1)],
        [Fault("_stats.json", 503, times=2)],
    ],
    ids=["none", "503 twice", "500", "429", "reset", "cut", "short", "stall", "stats"],
)
def test_faults_that_pass_change_nothing(shard: tuple[str, list[object]], proxy: Proxy, faults: list[Fault]) -> None:
    proxy.faults += faults
    assert list(read_pairs(shard[0])) == shard[1]
    assert all(fault.times == 0 for fault in faults), "all of them have struck"


@pytest.mark.parametrize(
    ("fault", "reason", "reported"),
    [
        (Fault(".tar", 404, "HEAD"), "missing", "no such file"),
        (Fault(".tar", 403, "HEAD"), "forbidden", "403"),
        (Fault(".tar", 403), "forbidden", "AccessDenied"),
        (Fault(".tar", 503), "unreadable", "tried 4 times"),
        (Fault(".tar", "reset"), "unreadable", "tried 4 times"),
        (Fault(".tar", "short"), "unreadable", "tried 4 times"),
    ],
    ids=["404", "403 head", "403", "503", "reset", "short"],
)
def test_faults_that_stay_are_named(shard: tuple[str, list[object]], proxy: Proxy, fault: Fault, reason: str, reported: str) -> None:
    proxy.faults.append(fault)
    before = proxy.seen.total()
    with pytest.raises(ShardError) as caught:
        list(read_pairs(shard[0]))
    assert (caught.value.reason, reported in str(caught.value)) == (reason, True), str(caught.value)
    assert "\n" not in str(caught.value)
    if reason in ("missing", "forbidden"):
        assert proxy.seen.total() - before <= 4, "nothing that stays is tried again"


def test_a_shard_of_a_store_is_known_as_it_is(shard: tuple[str, list[object]]) -> None:
    source = check_archive(shard[0])
    assert source.etag
    assert source.size % 512 == 0


@pytest.mark.parametrize("faults", [[], [503, 503], ["reset"], ["lost"]], ids=["none", "503 twice", "reset", "lost"])
def test_a_shard_is_published_whole(proxy: Proxy, faults: list[int | str], tmp_path: Path) -> None:
    root = f"{proxy.root}/{tmp_path.name}"
    for part in (".parquet", ".json"):
        proxy.faults += [Fault(part, kind, "PUT", times=1) for kind in faults]
    record = publish_shard(RootPaths(root), "d", "e", "0", rows=small_rows(5), drops=[drop(5)], identity=identity(), source=SOURCE)
    assert not any(fault.times for fault in proxy.faults)
    assert record == read_record(RootPaths(root), "d", "e", "0")
    assert record.file == "0.parquet", "an answer that was lost is not taken for another driver"
    assert np.array_equal(EmbeddingSet(root, "d", "e").image(), small_rows(5).image_ND)
    assert list_files(f"{root}/embeddings/d/e") == ["0.parquet"]


def test_of_two_drivers_the_first_record_wins(proxy: Proxy, tmp_path: Path) -> None:
    assert not proxy.faults
    root = f"{proxy.root}/{tmp_path.name}"
    made = [
        publish_shard(RootPaths(root), "d", "e", "0", rows=small_rows(n, seed=n), drops=[], identity=identity(), source=SOURCE)
        for n in (5, 4)
    ]
    assert made[0] == made[1]
    assert list_files(f"{root}/embeddings/d/e") == ["0.parquet"]
    assert len(EmbeddingSet(root, "d", "e")) == 5


@pytest.mark.parametrize("lost", [False, True], ids=["", "lost"])
def test_of_two_replays_the_first_renews_the_record(proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, lost: bool) -> None:
    paths = RootPaths(f"{proxy.root}/{tmp_path.name}")
    old = publish_shard(paths, "d", "e", "0", rows=small_rows(4), drops=[drop(4)], identity=identity(), source=SOURCE)
    mine, theirs = (replace(old, attempt=attempt) for attempt in (2, 3))
    if lost:
        proxy.faults.append(Fault("_records/0.json", "lost", "PUT", times=1))
        assert renew_record(paths, old, mine) == mine
        old, mine = mine, replace(old, attempt=4)
    parse = records._parse

    def and_then_comes_another(*args: Any) -> ShardRecord:
        found = parse(*args)
        monkeypatch.setattr(records, "_parse", parse)
        assert renew_record(paths, old, theirs) == theirs
        return found

    monkeypatch.setattr(records, "_parse", and_then_comes_another)
    assert renew_record(paths, old, mine) == theirs == read_record(paths, "d", "e", "0")


def test_a_name_is_taken_once(proxy: Proxy) -> None:
    assert not proxy.faults
    url = f"{proxy.root}/once"
    publish_bytes(url, b"first", once=True)
    with pytest.raises(FileExistsError):
        publish_bytes(url, b"second", once=True)
    assert read_bytes(url) == b"first"
    remove(url)
    remove(url)
    assert not exists(url)


def test_of_many_writers_at_once_one_takes_the_name(proxy: Proxy) -> None:
    url, start = f"{proxy.root}/raced", Barrier(8)

    def take(number: int) -> bool:
        start.wait()
        try:
            publish_bytes(url, b"%d" % number, once=True)
        except FileExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        (first,) = (number for number, taken in enumerate(pool.map(take, range(8))) if taken)
    assert read_bytes(url) == b"%d" % first


def test_a_folder_is_listed_as_it_is_now(proxy: Proxy) -> None:
    folder = f"{proxy.root}/folder"
    assert (list_files(folder), list_folders(folder), exists(folder)) == ([], [], False)
    for name in ("b.json", "a.json", "a.txt", "_private", "inner/c.json"):
        publish_bytes(f"{folder}/{name}", b"1")
    assert (list_files(folder), list_files(folder, ".json"), list_folders(folder)) == (
        ["a.json", "a.txt", "b.json"],
        ["a.json", "b.json"],
        ["inner"],
    )
    fs, path = filesystem(folder)
    type(fs.fs)(skip_instance_cache=True).rm_file(f"{path}/a.json")  # by another client, of whom this one knows nothing
    assert list_files(folder, ".json") == fs_names(fs.glob(f"{path}/*.json")) == ["b.json"]
    assert fs_names(fs.find(path)) == ["_private", "a.txt", "b.json", "c.json"]
    assert fs_names(fs.find(path, maxdepth=1)) == ["_private", "a.txt", "b.json"]
    assert (fs.isdir(path), fs.isdir(f"{path}/a.txt"), fs.size(f"{path}/a.txt")) == (True, False, 1)


def fs_names(paths: list[str]) -> list[str]:
    return sorted(path.rpartition("/")[2] for path in paths)


def test_a_checkpoint_is_fetched_whole_and_anew_where_it_was_replaced(
    proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "RANGE", 1000)
    monkeypatch.setenv("LACUNA_CACHE", str(tmp_path))
    url = f"{proxy.root}/weights.safetensors"
    for seed, faults in enumerate(["short", "cut", 503]):
        data = np.random.default_rng(seed).bytes(4_500)
        publish_bytes(url, data)
        proxy.faults += [Fault("weights", faults, times=2), Fault("weights", 503, "HEAD", times=1)]
        assert local_file(url, "encoder.checkpoint").read_bytes() == data
        assert not any(fault.times for fault in proxy.faults)


def test_a_root_that_is_forbidden_is_one_line(proxy: Proxy) -> None:
    proxy.faults.append(Fault("/closed", 403, "PUT"))
    with pytest.raises(UserError, match=rf"^root={proxy.root}/closed cannot be written: .*AccessDenied"):
        require_writable(f"{proxy.root}/closed")
    with pytest.raises(UserError, match="cannot be written"):
        require_writable(proxy.root.replace("bucket", "no-such-bucket"))


def test_a_reader_seeks_as_files_do(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not proxy.faults
    monkeypatch.setattr(remote, "RANGE", 1000)
    data = np.random.default_rng(0).bytes(5_500)
    publish_bytes(f"{proxy.root}/bytes", data)
    fs, path = filesystem(f"{proxy.root}/bytes")
    with fs.open(path, "rb") as file:
        assert file.read() == data
        for offset, whence, n in ((-100, 2, 300), (2_990, 0, 20), (500, 1, 1_700), (0, 0, 1), (9_000, 0, 5)):
            at = file.seek(offset, whence)
            assert file.read(n) == data[at : at + n]
    with pytest.raises(ValueError, match="publish"):
        fs.open(path, "wb")


def test_a_range_that_is_the_whole_file_is_asked_for_again_too(proxy: Proxy) -> None:
    publish_bytes(f"{proxy.root}/whole", b"0123456789")
    fs, path = filesystem(f"{proxy.root}/whole")
    proxy.faults.append(Fault("/whole", "short", times=2))  # S3 sends a checksum of the whole, so its client is first to see it
    assert fs.cat_file(path, start=0, end=10) == b"0123456789"
