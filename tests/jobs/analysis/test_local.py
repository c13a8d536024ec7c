"""Spectra and dimensions inside clusters: those of each cluster's rows taken alone, however the rows are cut."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from measured_topics import folder_of, measured, table_of

from tda.geometry.arrays.namespace import unit_rows
from tda.geometry.dimension import two_nn
from tda.geometry.spectrum.moments import Moments
from tda.store.datasets.embedding_set import EmbeddingSet


@pytest.fixture(scope="module")
def found(world: tuple[Path, Any], ray_cluster: None) -> dict[str, Any]:
    del ray_cluster
    return measured(world[0])


def test_inside_clusters(found: dict[str, Any], world: tuple[Path, Any]) -> None:
    root, _ = world
    clusters, ranks, spectra = (table_of(root, name) for name in ("clusters", "ranks", "cluster_spectra"))
    embeddings = EmbeddingSet(str(root), "world", "tiny")
    label_2N = clusters["label"].reshape(2, 300)
    assert [row["id"] for row in found["per_cluster"]] == list(range(12))
    for row in found["per_cluster"]:
        inside = [label_N == row["id"] for label_N in label_2N]
        x_ND = unit_rows(np.concatenate([embeddings.image()[inside[0]], embeddings.text()[inside[1]]]))
        expected = Moments.of(x_ND)
        assert (row["size"], row["images"], row["texts"]) == (len(x_ND), inside[0].sum(), inside[1].sum())
        of_both = (spectra["cluster"] == row["id"]) & (spectra["modality"] == "both")
        np.testing.assert_allclose(spectra["singular_value"][of_both], expected.principal()[0], rtol=1e-9, atol=1e-18)
        assert set(spectra["rows"][of_both]) == {len(x_ND)}
        assert row["effective_rank"] == pytest.approx(expected.spectrum(stored="float16").effective_rank, rel=1e-9)
        assert row["two_nn"] == pytest.approx(two_nn(x_ND).value, rel=1e-6)
        hits = np.concatenate([ranks["image_to_text"][inside[0]], ranks["text_to_image"][inside[1]]]) == 1
        assert row["top1"] == pytest.approx(hits.mean())
    part = found["local_dimension"]
    assert part["n_clusters"] == 12
    assert part["ci95"]["spearman"][0] <= part["spearman"] <= part["ci95"]["spearman"][1]
    for dimension in ("auc", "effective_rank"):
        assert set(part["by"][dimension]) == {"image_to_text", "text_to_image"}


def plain(row: dict[str, Any]) -> dict[str, float]:
    return {name: np.nan if value is None else value for name, value in row.items()}


@pytest.mark.usefixtures("ray_cluster")
def test_blocks_lanes_and_chunks_give_the_numbers_of_one(world: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs.analysis import local as measure_local

    root, _ = world
    whole = measured(root, parts=["local_dimension"])["per_cluster"]
    (folder_of(root) / "cluster_spectra.parquet").unlink()
    monkeypatch.setattr(measure_local, "LANE_BLOCKS", 1)
    monkeypatch.setattr(measure_local, "CHUNK_BYTES", 5 * 16 * 16**2)
    assert len(list(measure_local._lanes(300, 70))) == 5
    pieces = measured(root, parts=["local_dimension"], block_rows=70)["per_cluster"]
    for one, two in zip(whole, pieces, strict=True):
        assert plain(two) == pytest.approx(plain(one), rel=1e-9, nan_ok=True)
