"""A shard read whole is what was published, and what its record promises; else it is refused by name."""

from pathlib import Path

import numpy as np
import pytest
from nearest_rows import clustered, publish_set, scale_first_row

from tda.errors import ShardError
from tda.store.datasets.shard import read_shard
from tda.store.paths import RootPaths


@pytest.fixture
def root(tmp_path: Path) -> Path:
    publish_set(str(tmp_path), "d", clustered(6, 8, 0), clustered(6, 8, 1), 6)
    return tmp_path


def test_what_was_published_is_read(root: Path) -> None:
    rows = read_shard(RootPaths(str(root)), "d", "e", "d-00000")
    assert len(rows) == 6
    np.testing.assert_array_equal(rows.vectors["image"], clustered(6, 8, 0))
    np.testing.assert_array_equal(rows.vectors["text"], clustered(6, 8, 1))
    assert read_shard(RootPaths(str(root)), "d", "e", "d-00000", ("text",)).vectors.keys() == {"text"}


@pytest.mark.parametrize(("by", "reason"), [(np.nan, "not_finite"), (0, "zero_vector"), (3, "not_normalised")])
def test_vectors_that_mean_nothing_are_refused(root: Path, by: float, reason: str) -> None:
    scale_first_row(root, "d", "d-00000", by)
    with pytest.raises(ShardError, match=rf"shard d-00000: {reason} \(norm .* in the image row of ordinal 0, 1 such rows\)"):
        read_shard(RootPaths(str(root)), "d", "e", "d-00000")
    assert len(read_shard(RootPaths(str(root)), "d", "e", "d-00000", ("text",))) == 6, "the other side is whole"


def test_a_file_that_is_gone_or_damaged_is_named(root: Path) -> None:
    path = root / "embeddings/d/e/d-00000.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(ShardError, match=r"shard d-00000: damaged \(.*d-00000\.parquet: "):
        read_shard(RootPaths(str(root)), "d", "e", "d-00000")
    path.unlink()
    with pytest.raises(ShardError, match=r"shard d-00000: missing \(.*d-00000\.parquet is recorded but not there"):
        read_shard(RootPaths(str(root)), "d", "e", "d-00000")
