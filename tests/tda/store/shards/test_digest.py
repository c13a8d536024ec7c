"""The digest of a shard is that of its bytes, however it is read, and of nothing less."""

import hashlib
from io import BytesIO
from pathlib import Path

import pytest
from bad_shards import good_pairs, write_tar
from hypothesis import given
from hypothesis import strategies as st

from tda.errors import ShardError
from tda.store.shards import digest, read_shard
from tda.store.shards.digest import HashedFile, Seen

LIMITS = {"max_member_bytes": 2**20, "max_caption_bytes": 2**16}
STEPS = st.lists(st.tuples(st.sampled_from(["read", "line", "seek"]), st.integers(0, 300)), max_size=20)


@given(st.binary(max_size=400), STEPS, st.integers(1, 64))
def test_it_is_that_of_what_was_read_up_to_the_furthest_byte(data: bytes, steps: list[tuple[str, int]], buffer: int) -> None:
    plain, hashed, furthest = BytesIO(data), HashedFile(BytesIO(data)), 0
    before, digest.BUFFER = digest.BUFFER, buffer
    try:
        for what, n in steps:
            if what == "seek":
                assert hashed.seek(n) == plain.seek(n)
            else:
                name = "read" if what == "read" else "readline"
                assert getattr(hashed, name)(n) == getattr(plain, name)(n)
            assert hashed.tell() == plain.tell()
            furthest = max(furthest, min(plain.tell(), len(data)))
    finally:
        digest.BUFFER = before
    assert hashed.digest(furthest) == hashlib.sha256(data[:furthest]).hexdigest()
    assert hashed.digest(furthest + 1) is None


def test_of_a_tar_it_comes_with_the_last_pair(tmp_path: Path) -> None:
    shard = write_tar(tmp_path / "0.tar", good_pairs(20))
    seen = Seen()
    stream = read_shard(str(shard), ("image", "text"), **LIMITS, seen=seen)
    next(stream)
    assert seen.sha256 is None
    assert len(list(stream)) == 19
    assert seen.sha256 == hashlib.sha256(shard.read_bytes()).hexdigest()


@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
def test_of_tables_of_texts(tmp_path: Path, ending: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / f"0{ending}"
    if ending == ".jsonl":
        path.write_text('{"passage": "a", "review": "b"}\n\n{"passage": "c", "review": "d"}')
    else:
        pq.write_table(pa.table({"passage": ["a", "c"], "review": ["b", "d"]}), path)
    seen = Seen()
    assert len(list(read_shard(str(path), ("passage", "review"), **LIMITS, seen=seen))) >= 2
    assert seen.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_cannot_be_read_whole_has_none(tmp_path: Path) -> None:
    shard = write_tar(tmp_path / "0.tar", good_pairs(20))
    shard.write_bytes(shard.read_bytes().replace(b"000007.jpg", b"000007.jpx", 1))  # the header's sum is wrong now
    seen = Seen()
    with pytest.raises(ShardError):
        list(read_shard(str(shard), ("image", "text"), **LIMITS, seen=seen))
    assert seen.sha256 is None
