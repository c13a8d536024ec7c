"""The tasks behind gap, cosine, retrieval and separability: on blocks of any size they give what the whole arrays give."""

from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recorded_rows import spoil, write_set

from jobs.analysis import pairs
from jobs.analysis.pairs import _counts_of, _pair_stats_of, _separate_of
from tda.config.analysis import AnalysisConfig, RetrievalConfig, SeparabilityConfig
from tda.errors import UserError
from tda.geometry import separability
from tda.geometry.arrays.namespace import row_blocks
from tda.geometry.cosine import QUANTILES
from tda.geometry.parts.pair_stats import PairStats
from tda.store.datasets.embedding_set import EmbeddingSet

N, DIM = 101, 12


def drawn(seed: int = 0, gap: float = 0.4) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    image_ND = rng.standard_normal((N, DIM)) + gap
    return image_ND, image_ND - 2 * gap + rng.standard_normal((N, DIM))


@pytest.fixture
def embeddings(tmp_path: Path) -> EmbeddingSet:
    write_set(tmp_path, "world", *drawn())
    return EmbeddingSet(str(tmp_path), "world", "tiny")


def unit(x_ND: Any) -> Any:
    return x_ND.astype(np.float64) / np.linalg.norm(x_ND.astype(np.float64), axis=1, keepdims=True)


@pytest.mark.parametrize("rows", [1, 7, 50, 51, N])
def test_partners_are_half_the_set_away_whatever_the_blocks(embeddings: EmbeddingSet, rows: int) -> None:
    parts = [_pair_stats_of(embeddings, block.start, block.stop) for block in row_blocks(N, rows)]
    found = reduce(PairStats.merge, parts)
    image_ND, text_ND = unit(embeddings.image()), unit(embeddings.text())
    shifted = [float(image_ND[i] @ text_ND[(i + N // 2) % N]) for i in range(N)]
    metrics = found.cosine_metrics()
    np.testing.assert_allclose(list(metrics["random"]["quantiles"].values()), np.quantile(shifted, QUANTILES), atol=1e-6)
    assert metrics["pair"]["mean"] == pytest.approx(np.einsum("nd,nd->n", image_ND, text_ND).mean(), abs=1e-6)
    centroids = image_ND.mean(axis=0) - text_ND.mean(axis=0)
    assert found.gap_metrics()["centroid_distance"] == pytest.approx(np.linalg.norm(centroids), abs=1e-6)


@pytest.mark.parametrize("block_rows", [9, 40, 1000])
def test_counts_of_blocks_add_up_to_the_ranks(embeddings: EmbeddingSet, block_rows: int) -> None:
    positions_M = np.sort(np.random.default_rng(1).permutation(N)[:60])
    analysis = AnalysisConfig(block_rows=block_rows, retrieval=RetrievalConfig(tile=16))
    cosine_MM = unit(embeddings.image()[positions_M]) @ unit(embeddings.text()[positions_M]).T
    own_M = np.diag(cosine_MM)
    for best, raised in ((None, 0.0), ((own_M + 0.1, own_M + 0.1), 0.1)):  # of shared partners the best one counts
        blocks = [_counts_of(embeddings, positions_M, best, rows.start, rows.stop, analysis) for rows in row_blocks(60, 25)]
        wanted_MM = cosine_MM >= own_M[:, None] + raised
        np.testing.assert_array_equal(np.concatenate([from_image for from_image, _ in blocks]), wanted_MM.sum(axis=1))
        np.testing.assert_array_equal(sum(from_text for _, from_text in blocks), (cosine_MM >= own_M + raised).sum(axis=0))


def test_separability_of_a_sample_and_of_another_set(embeddings: EmbeddingSet, tmp_path: Path) -> None:
    write_set(tmp_path, "other", *drawn(seed=5, gap=-0.4))
    other = EmbeddingSet(str(tmp_path), "other", "tiny")
    analysis = AnalysisConfig(block_rows=16, separability=SeparabilityConfig(max_pairs=40))
    metrics, columns = _separate_of(embeddings, {"other": other}, analysis)
    at_M = (np.arange(40) * N) // 40
    rows = [(one.image()[at_M], one.text()[at_M]) for one in (embeddings, other)]
    assert metrics == separability.metrics(*rows[0], {"other": rows[1]}, analysis.separability.c)
    np.testing.assert_array_equal(columns["row"], at_M)


def test_the_plane_is_that_of_all_rows_and_few_of_them_are_kept(embeddings: EmbeddingSet, monkeypatch: pytest.MonkeyPatch) -> None:
    _, whole = _separate_of(embeddings, {}, AnalysisConfig())
    monkeypatch.setattr(pairs, "PCA_POINTS", 10)
    _, few = _separate_of(embeddings, {}, AnalysisConfig())
    at = (np.arange(10) * N) // 10
    assert set(few) == {"row", "image_pc1", "image_pc2", "text_pc1", "text_pc2"}
    for name, column in few.items():
        np.testing.assert_array_equal(column, whole[name][at])


def test_a_row_that_is_not_finite_is_named_by_its_place_in_the_set(embeddings: EmbeddingSet, tmp_path: Path) -> None:
    spoil(tmp_path, "world", drawn()[0][77])
    with pytest.raises(UserError, match=r"image.*77"):
        _pair_stats_of(embeddings, 70, 80)
