import numpy as np
import pytest
from small_rows import unit

from tda.errors import UserError
from tda.store.commit.rows import assert_unit
from tda.store.ingest.batch import Batch
from tda.store.ingest.builder import ShardBuilder
from tda.store.types import Reason


def batch(image_BD: np.ndarray, text_BD: np.ndarray | None = None, start: int = 0, **side: list[object]) -> Batch:
    return Batch(start=start, image_BD=image_BD, text_BD=unit(len(image_BD), dtype="float32") if text_BD is None else text_BD, side=side)


def test_batches_are_put_together() -> None:
    builder = ShardBuilder(10, 8, "float32", normalise=False)
    x_ND = unit(7, dtype="float32")
    builder.add(batch(x_ND[:4], start=20, caption=["a", None, "c", "d"], key=["k", None, "m", "n"], width=[1, 2, 3, None]))
    builder.add(batch(x_ND[4:], start=24))
    rows = builder.rows()
    assert len(builder) == len(rows) == 7
    assert np.allclose(rows.image_ND, x_ND, atol=1e-6)
    assert list(rows.ordinals) == list(range(7))
    assert list(rows.keys) == ["k", "000000021", "m", "n", "000000024", "000000025", "000000026"]
    assert list(rows.captions) == ["a", "", "c", "d", "", "", ""]
    assert list(rows.widths) == [1, 2, 3, None, None, None, None]


def test_rows_without_a_direction_are_dropped_by_name_once() -> None:
    image_BD, text_BD = unit(6, dtype="float32"), unit(6, seed=1, dtype="float32")
    image_BD[1, 0], image_BD[3], text_BD[3], text_BD[5] = np.nan, 0, np.inf, 0
    builder = ShardBuilder(6, 8, "float16", normalise=False)
    builder.add(batch(image_BD, text_BD))
    assert [(drop.ordinal, drop.reason, drop.detail) for drop in sorted(builder.drops, key=lambda drop: drop.ordinal)] == [
        (1, Reason.NOT_FINITE, "image"),
        (3, Reason.ZERO_VECTOR, "image"),
        (5, Reason.ZERO_VECTOR, "text"),
    ]
    assert list(builder.rows().ordinals) == [0, 2, 4]
    assert_unit(builder.rows().text_ND)


def test_half_precision_origins_are_taken_as_they_are() -> None:
    image_BD = unit(5, dtype="float32") * np.float32(1.0006)
    builder = ShardBuilder(5, 8, "float32", normalise=False)
    builder.add(batch(image_BD))
    assert_unit(builder.rows().image_ND)


def test_rows_that_were_never_normalised_are_refused_unless_asked_for() -> None:
    image_BD = unit(5, dtype="float32")
    image_BD[3] *= 10
    with pytest.raises(UserError, match=r"image rows are not normalised: norms from 1 to 10, farthest from 1 in row 103; normalise=true"):
        ShardBuilder(5, 8, "float32", normalise=False).add(batch(image_BD, start=100))
    builder = ShardBuilder(5, 8, "float32", normalise=True)
    builder.add(batch(image_BD))
    assert np.allclose(builder.rows().image_ND, unit(5, dtype="float32"), atol=1e-6)
