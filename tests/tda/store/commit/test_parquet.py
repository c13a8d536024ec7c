from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_rows import identity, small_rows, unit

from tda.errors import ShardError, UserError
from tda.store.commit.parquet import check_file, embedding_table, from_binary, iter_rows, read_meta, to_binary, to_list, write_table


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_vectors_go_through_binary_without_a_change_or_a_copy(dtype: str) -> None:
    x_ND = unit(10, dtype=dtype)
    array = to_binary(x_ND)
    assert array.buffers()[1].address == x_ND.ctypes.data
    assert np.array_equal(from_binary(array, 8, dtype), x_ND)
    assert np.array_equal(from_binary(array.slice(3, 4), 8, dtype), x_ND[3:7])
    assert to_list(array.slice(3, 4), 8, dtype).to_pylist() == x_ND[3:7].tolist()


def test_other_dtypes_are_not_stored() -> None:
    with pytest.raises(UserError, match="float64"):
        to_binary(np.zeros((1, 2)))


def test_the_table_has_its_columns_and_says_what_it_is(tmp_path: Path) -> None:
    rows = small_rows(5, ordinals=[4, 0, 2, 7, 1], widths=[1, None, 3, 4, 5], urls=["u", None, "w", "x", "y"])
    table = embedding_table("00007", rows, identity().meta())
    with (tmp_path / "t.parquet").open("wb") as file:
        write_table(table, file)
    read = pq.read_table(tmp_path / "t.parquet")
    assert read.schema.field("image").type == pa.binary(16)
    assert read.schema.field("shard").type == pa.dictionary(pa.int32(), pa.string())
    assert read["ordinal"].to_pylist() == [0, 1, 2, 4, 7]
    assert read["caption"].to_pylist() == ["caption 1", "caption 4", "caption 2", "caption 0", "caption 3"]
    assert read["width"].to_pylist() == [None, 5, 3, 1, 4]
    assert set(read["shard"].to_pylist()) == {"00007"}
    assert np.array_equal(from_binary(read["text"].chunk(0), 8, "float16"), rows.text_ND[[1, 4, 2, 0, 3]])
    meta = read_meta(read.schema)
    assert meta["config_hash"] == identity().config_hash
    assert {name: meta[name] for name in ("dim", "dtype", "normalised", "encoder", "weights_sha256", "preprocessing", "modalities")} == {
        "dim": 8,
        "dtype": "float16",
        "normalised": True,
        "encoder": "small",
        "weights_sha256": "w",
        "preprocessing": {"size": 32},
        "modalities": ["image", "text"],
    }


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with (tmp_path / name).open("wb") as file:
            write_table(embedding_table("0", small_rows(100), identity().meta()), file)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_written_file_is_held_to_its_schema_and_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table = embedding_table("0", small_rows(5), identity().meta())
    with path.open("wb") as file:
        write_table(table, file)
    check_file(path, "0", table.schema, 5)
    with pytest.raises(ShardError, match="5 rows of 6"):
        check_file(path, "0", table.schema, 6)
    with pytest.raises(ShardError, match="another schema"):
        check_file(path, "0", embedding_table("0", small_rows(5), identity(weights="other").meta()).schema, 5)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ShardError, match="does not open"):
        check_file(path, "0", table.schema, 5)


@pytest.mark.parametrize(("start", "stop"), [(0, 0), (0, 1), (99, 101), (100, 200), (0, 950), (949, 950), (5, 9000)])
def test_any_run_of_rows(tmp_path: Path, start: int, stop: int) -> None:
    pq.write_table(pa.table({"i": range(950)}), tmp_path / "t.parquet", row_group_size=100)
    with pq.ParquetFile(tmp_path / "t.parquet") as file:
        found = [value for batch in iter_rows(file, ["i"], start, stop) for value in batch.column("i").to_pylist()]
    assert found == list(range(950))[start:stop]
