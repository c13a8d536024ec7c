"""Single rows by identity, whatever their order, their shard, or whether they are there."""

from pathlib import Path

import numpy as np
from repeated_rows import N, drawn, side, write_set

from tda.store import EmbeddingSet
from tda.store.datasets.row_lookup import RowId, rows_of


def test_rows_come_in_the_order_asked_and_none_where_there_is_none(tmp_path: Path) -> None:
    image_ND, text_ND = drawn(N, 0), drawn(N, 1)
    write_set(tmp_path, "d", (image_ND, text_ND), side(N, "d"), sizes=(10, 12, 18))
    wanted = [RowId("00002", 17), RowId("00000", 3), RowId("00002", 17), RowId("00000", 99), RowId("nowhere", 0), RowId("00001", 0)]
    found = rows_of(EmbeddingSet(str(tmp_path), "d", "e"), wanted, ["caption", "image"])
    assert [row and row["caption"] for row in found] == ["d caption 39", "d caption 3", "d caption 39", None, None, "d caption 10"]
    assert found[0] is not None
    assert np.array_equal(found[0]["image"], image_ND[39])


def test_nothing_asked_is_nothing_found(tmp_path: Path) -> None:
    write_set(tmp_path, "d", (drawn(4, 0), drawn(4, 1)), side(4, "d"))
    assert rows_of(EmbeddingSet(str(tmp_path), "d", "e"), [], ["caption"]) == []
