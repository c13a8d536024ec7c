import pickle
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from small_rows import SOURCE, identity, small_rows

from tda.errors import ShardError, UserError
from tda.store import EmbeddingSet
from tda.store.commit import transaction
from tda.store.commit.parquet import ROW_GROUP
from tda.store.commit.records import publish_record, read_record
from tda.store.commit.transaction import publish_shard
from tda.store.paths import RootPaths

SIZES = {"00000": ROW_GROUP + 700, "00001": 0, "00002": 5000, "00010": 3}
N = sum(SIZES.values())


def publish(root: str, shard: str, n: int, dtype: str = "float16", dim: int = 8) -> None:
    rows = small_rows(n, seed=int(shard), dtype=dtype, dim=dim)
    publish_shard(RootPaths(root), "d", "e", shard, rows=rows, drops=[], identity=identity(dtype), source=SOURCE)


@pytest.fixture(scope="module", params=["local", "memory"])
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("set")
    root = str(folder) if request.param == "local" else f"memory://{folder.name}-embeddings"
    for shard in sorted(SIZES, reverse=True):
        publish(root, shard, SIZES[shard])
    return root


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.concatenate([small_rows(n, seed=int(shard)).image_ND for shard, n in SIZES.items()])


@pytest.fixture(scope="module")
def texts() -> np.ndarray:
    return np.concatenate([small_rows(n, seed=int(shard)).text_ND for shard, n in SIZES.items()])


def test_rows_come_in_order_of_shard_and_ordinal(root: str, images: np.ndarray, texts: np.ndarray) -> None:
    embeddings = EmbeddingSet(root, "d", "e")
    assert (len(embeddings), embeddings.dim, embeddings.dtype) == (N, 8, "float16")
    assert embeddings.shards == list(SIZES)
    assert embeddings.rows_per_shard == list(SIZES.values())
    assert embeddings.meta["config_hash"] == identity().config_hash
    assert np.array_equal(embeddings.image(), images)
    assert np.array_equal(embeddings.text(), texts)
    assert embeddings.image().flags.writeable


@pytest.mark.parametrize(
    "rows", [slice(0, 1), slice(ROW_GROUP - 1, ROW_GROUP + 1), slice(-4, None), slice(ROW_GROUP + 600, N - 1), slice(7, 7), slice(9, 3)]
)
def test_any_run_of_rows(root: str, images: np.ndarray, rows: slice) -> None:
    assert np.array_equal(EmbeddingSet(root, "d", "e").image(rows), images[rows])


def test_a_step_is_refused(root: str) -> None:
    with pytest.raises(ValueError, match="step"):
        EmbeddingSet(root, "d", "e").image(slice(0, 10, 2))


@pytest.mark.parametrize("size", [999, 4096, N - 1, N, N + 1])
def test_blocks_cover_everything_once(root: str, images: np.ndarray, texts: np.ndarray, size: int) -> None:
    blocks = list(EmbeddingSet(root, "d", "e").blocks(size))
    assert [block.start for block in blocks] == list(range(0, N, size))
    assert all(len(block.image_ND) == size for block in blocks[:-1])
    assert np.array_equal(np.concatenate([block.image_ND for block in blocks]), images)
    assert np.array_equal(np.concatenate([block.text_ND for block in blocks]), texts)
    assert not any(np.shares_memory(a.image_ND, b.image_ND) for a, b in pairwise(blocks))


def test_the_table_has_lists_of_numbers_for_other_tools(root: str, images: np.ndarray) -> None:
    table = EmbeddingSet(root, "d", "e").table()
    assert str(table.schema.field("image").type) == "fixed_size_list<item: halffloat>[8]"
    lists = np.concatenate([chunk.flatten().to_numpy(zero_copy_only=True) for chunk in table["image"].chunks if len(chunk)])
    assert np.array_equal(lists.reshape(N, 8), images)
    assert EmbeddingSet(root, "d", "e").table(["key", "ordinal"]).column_names == ["key", "ordinal"]


def test_captions(root: str) -> None:
    captions = EmbeddingSet(root, "d", "e").captions()
    assert len(captions) == N
    assert captions[SIZES["00000"]] == "caption 0"


def test_a_set_travels_to_other_processes(root: str, images: np.ndarray) -> None:
    assert np.array_equal(pickle.loads(pickle.dumps(EmbeddingSet(root, "d", "e"))).image(slice(0, 5)), images[:5])  # noqa: S301  # our own bytes


def test_float32_is_handed_out_as_stored(tmp_path: Path) -> None:
    publish(str(tmp_path), "0", 10, "float32")
    embeddings = EmbeddingSet(str(tmp_path), "d", "e")
    assert embeddings.dtype == "float32"
    assert np.array_equal(embeddings.text(), small_rows(10, dtype="float32").text_ND)


def test_nothing_there_is_a_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"root={tmp_path} .* dataset.name=d .* encoder.name=e"):
        EmbeddingSet(str(tmp_path), "d", "e")


def test_what_no_record_names_is_not_read(tmp_path: Path) -> None:
    for shard in ("0", "1"):
        publish(str(tmp_path), shard, 5)
    (tmp_path / "embeddings/d/e/_records/1.json").unlink()
    (tmp_path / "embeddings/d/e/junk.parquet").write_bytes(b"PAR1 half")
    assert len(EmbeddingSet(str(tmp_path), "d", "e")) == 5


def test_a_file_that_is_gone_or_spoilt_is_named(tmp_path: Path) -> None:
    for shard in ("0", "1"):
        publish(str(tmp_path), shard, 5)
    path = tmp_path / "embeddings/d/e/1.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    with pytest.raises(ShardError, match="shard 1: damaged"):
        EmbeddingSet(str(tmp_path), "d", "e").image()
    path.write_bytes((tmp_path / "embeddings/d/e/0.parquet").read_bytes())
    embeddings = EmbeddingSet(str(tmp_path), "d", "e")
    path.unlink()
    with pytest.raises(ShardError, match="shard 1: missing"):
        embeddings.image()
    with pytest.raises(ShardError, match="shard 1: missing"):
        EmbeddingSet(str(tmp_path), "d", "e")


def test_rows_that_differ_from_the_record_are_named(tmp_path: Path) -> None:
    publish(str(tmp_path), "0", 5)
    paths = RootPaths(str(tmp_path))
    publish_record(paths, replace(read_record(paths, "d", "e", "0"), rows_in=6, rows_out=6))
    with pytest.raises(ShardError, match="5 rows, its record has 6"):
        EmbeddingSet(str(tmp_path), "d", "e").image()


def test_shards_of_different_content_are_not_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(str(tmp_path), "0", 5)
    publish(str(tmp_path), "1", 5, dim=4)
    with pytest.raises(ShardError, match="shard 1: mixed"):
        EmbeddingSet(str(tmp_path), "d", "e").image()
    (tmp_path / "embeddings/d/e/_records/1.json").unlink()
    monkeypatch.setattr(transaction, "claim_identity", lambda *_: None)  # as a root may hold from before it was asked
    publish(str(tmp_path), "1", 5, "float32")
    with pytest.raises(ShardError, match="shard 1: mixed"):
        EmbeddingSet(str(tmp_path), "d", "e")
