"""Values of closest cosines: those of the stored rows, made once for the same rows."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from planted_nearest import plant_nearest
from planted_report import plant, strip

from tda.geometry.shift import histogram
from tda.report.data import closest
from tda.report.data.closest import closest_of
from tda.store.datasets.nearest import NearestSet

CELL = ("toy_heldout", "toy_cloob")
COUNTS = "report/closest/toy_heldout-toy_cloob-toy_train.parquet"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    plant(tmp_path, CELL[:1], CELL[1:])
    strip(tmp_path)
    plant_nearest(tmp_path, *CELL)
    return tmp_path


def test_counts_are_those_of_the_stored_cosines(root: Path) -> None:
    stored = NearestSet(str(root), *CELL, "toy_train")
    found = closest_of(str(root), *CELL)["toy_train"]
    assert (found.reference, found.rows, found.digest) == ("toy_train", len(stored), stored.digest)
    assert len(stored) == 400
    for modality in ("image", "text"):
        assert np.array_equal(found.counts[modality], histogram(stored.cosines(modality)))
        assert found.median(modality) == np.median(stored.cosines(modality).astype(np.float64))


def test_a_set_is_counted_once_until_its_rows_change(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = closest_of(str(root), *CELL)["toy_train"]
    with monkeypatch.context() as patch:
        patch.setattr(closest, "_values_of", lambda *_: pytest.fail("counted again"))
        again = closest_of(str(root), *CELL)["toy_train"]
    assert again.digest == before.digest
    assert all(np.array_equal(again.counts[modality], before.counts[modality]) for modality in before.counts)
    plant_nearest(root, *CELL, seed=1)
    after = closest_of(str(root), *CELL)["toy_train"]
    assert after.digest != before.digest
    assert not np.array_equal(after.counts["image"], before.counts["image"])


def test_stored_counts_that_are_cut_or_unmarked_are_made_again(root: Path) -> None:
    before = closest_of(str(root), *CELL)["toy_train"]
    file = root / COUNTS
    data = file.read_bytes()
    counts = pa.table({modality: before.counts[modality] for modality in before.counts}).replace_schema_metadata(
        pq.read_table(file).schema.metadata
    )
    for damage in (
        lambda: file.write_bytes(data[:-20]),
        lambda: pq.write_table(pq.read_table(file).replace_schema_metadata(None), file),
        lambda: pq.write_table(counts, file),  # as earlier versions stored them
    ):
        damage()
        assert np.array_equal(closest_of(str(root), *CELL)["toy_train"].counts["text"], before.counts["text"])
        assert file.read_bytes() == data


def test_every_reference_is_found_but_the_set_itself(root: Path) -> None:
    plant_nearest(root, *CELL, reference="another", centres=(0.2, 0.3))
    (root / "nearest/toy_heldout/toy_cloob/toy_heldout").mkdir()
    found = closest_of(str(root), *CELL)
    assert list(found) == ["another", "toy_train"]
    assert found["another"].median("image") == pytest.approx(0.2, abs=0.01)
    assert closest_of(str(root), "toy_heldout", "unknown") == {}


def test_stale_rows_are_left_out(root: Path) -> None:
    plant(root, CELL[:1], CELL[1:])
    assert set(closest_of(str(root), *CELL)) == {"toy_train"}  # the same bytes again: not stale
    (root / "nearest/toy_heldout/toy_cloob/toy_train/_records/00000.json").unlink()
    assert closest_of(str(root), *CELL) == {}
