"""Pairs that clusters of several encoders share: a copy shares them all, whatever pairs either set dropped."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from recorded_rows import paired_spaces, write_set

from jobs.analysis.across.cluster_overlaps import cluster_overlaps
from tda.store.datasets.embedding_set import EmbeddingSet


def plant(root: Path, encoder: str, label_N: Any) -> dict[str, Any]:
    write_set(root, "d", *paired_spaces(gap=0.1, seed=1), encoder=encoder)
    count = len(EmbeddingSet(str(root), "d", encoder))
    folder = root / "analysis" / "d" / encoder
    folder.mkdir(parents=True)
    label_2N = np.tile(label_N[:count], 2)
    pq.write_table(pa.table({"row": np.tile(np.arange(count), 2), "label": label_2N}), folder / "clusters.parquet")
    return {"per_cluster": [{}] * (int(label_2N.max()) + 1)}


def test_a_copy_shares_all_and_other_labels_some(tmp_path: Path) -> None:
    label_N = np.arange(500) % 4 - 1
    metrics = {name: plant(tmp_path, name, labels) for name, labels in (("a", label_N), ("b", label_N), ("c", np.arange(500) % 2))}
    sets = {name: EmbeddingSet(str(tmp_path), "d", name) for name in metrics}
    found = cluster_overlaps(str(tmp_path), "d", sets, metrics)
    assert found is not None
    np.testing.assert_allclose(found[:3, 3:6], np.eye(3), atol=1e-6)
    assert found.shape == (8, 8)
    assert 0.6 < found[0, 7] < 0.8, "every fourth row, all of them odd"
    assert found[0, 6] == 0
    assert cluster_overlaps(str(tmp_path), "d", sets, metrics | {"b": {}}).shape == (5, 5)  # type: ignore[union-attr]


def test_without_tables_there_are_none(tmp_path: Path) -> None:
    metrics = {"a": plant(tmp_path, "a", np.zeros(500, int))}
    sets = {"a": EmbeddingSet(str(tmp_path), "d", "a")}
    (tmp_path / "analysis/d/a/clusters.parquet").unlink()
    assert cluster_overlaps(str(tmp_path), "d", sets, metrics) is None
    assert cluster_overlaps(str(tmp_path), "d", sets, {"a": {}}) is None
