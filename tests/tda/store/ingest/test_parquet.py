"""Parquet as a source: its columns of vectors and captions, by their usual names or by those that are given."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_rows import SOURCE, identity, small_rows
from vector_sources import CAPTIONS, IMAGE, TEXT, gather

from tda.errors import UserError
from tda.store.commit.transaction import publish_shard
from tda.store.ingest.sources import open_source
from tda.store.paths import RootPaths


def test_columns_that_are_missing_or_unequal_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"image": list(IMAGE)}), path)
    with pytest.raises(UserError, match="no column 'text'; it has: image"):
        open_source(str(path))
    pq.write_table(pa.table({"image": list(IMAGE), "text": list(TEXT[:, :5].copy())}), path)
    with pytest.raises(UserError, match="5 and 8 dimensions"):
        open_source(str(path))


def test_our_own_table_is_a_source(tmp_path: Path) -> None:
    publish_shard(RootPaths(str(tmp_path)), "d", "e", "0", rows=small_rows(50), drops=[], identity=identity(), source=SOURCE)
    image, _, batches = gather(open_source(RootPaths(str(tmp_path)).embedding("d", "e", "0")))
    assert np.array_equal(image, small_rows(50).image_ND)
    assert batches[0].side["key"][3] == "000000003"


def test_a_file_without_captions_says_so_and_a_named_column_is_read(tmp_path: Path) -> None:
    columns = {"image": list(IMAGE[:5]), "text": list(TEXT[:5]), "alt": CAPTIONS[:5]}
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    source = open_source(str(tmp_path / "x.parquet"))
    assert source.notes == [
        f"source={tmp_path}/x.parquet has no column caption, TEXT, text: captions stay empty; caption_column= names one"
    ]
    named = open_source(str(tmp_path / "x.parquet"), side={"caption": "alt"})
    assert named.notes == []
    assert next(named.batches()).side["caption"] == CAPTIONS[:5]
    with pytest.raises(UserError, match=r"source=.*x\.parquet: caption_column=none is no column; there are: image, text, alt"):
        open_source(str(tmp_path / "x.parquet"), side={"caption": "none"})


def test_a_vector_column_twice_is_one_line(tmp_path: Path) -> None:
    table = pa.table([list(IMAGE[:5]), list(IMAGE[:5]), list(TEXT[:5])], names=["image", "image", "text"])
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(UserError, match=r"source=.*x\.parquet: column image stands in the file 2 times"):
        open_source(str(tmp_path / "x.parquet"))
