"""Rows that are whole in memory stream as any source's."""

import numpy as np
import pytest
from small_rows import unit

from tda.errors import UserError
from tda.store.commit.parquet import BATCH
from tda.store.ingest.memory import MemorySource

N = BATCH + 7


def test_batches_hold_every_row_once_from_any_start() -> None:
    image_ND, text_ND = unit(N), unit(N, seed=1)
    source = MemorySource("pt", ["x.pt"], image_ND, text_ND, [str(i) for i in range(N)])
    assert (source.rows, source.dim, source.files, source.notes) == (N, image_ND.shape[1], ["x.pt"], [])
    for start in (0, 5, BATCH, N):
        batches = list(source.batches(start))
        assert [batch.start for batch in batches] == list(range(start, N, BATCH))
        assert sum(map(len, batches)) == N - start
        assert [caption for batch in batches for caption in batch.side["caption"]] == [str(i) for i in range(start, N)]
        for batch in batches:
            assert np.array_equal(batch.image_BD, image_ND[batch.start : batch.start + len(batch)])
            assert np.array_equal(batch.text_BD, text_ND[batch.start : batch.start + len(batch)])


def test_what_are_no_pairs_is_refused() -> None:
    for image, text in ((unit(3), unit(4)), (unit(3)[0], unit(3)[0]), (unit(3)[:0], unit(3)[:0])):
        with pytest.raises(UserError, match=r"source=x\.pt has images and texts of shapes"):
            MemorySource("pt", ["x.pt"], image, text)
    with pytest.raises(UserError, match=r"has 2 captions for 3 pairs"):
        MemorySource("pt", ["x.pt"], unit(3), unit(3), ["a", "b"])
