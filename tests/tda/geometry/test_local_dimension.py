"""Correlations over clusters against scipy, the confounding by size, pooled models, and verdicts that can go either way."""

import numpy as np
import pytest
from scipy.stats import pearsonr, rankdata, spearmanr

from tda.errors import UserError
from tda.geometry.local_dimension import Clusters, associate, cluster_table, pooled
from tda.geometry.spectrum.per_cluster import GroupMoments, cluster_spectra

PARTIAL = "partial_spearman_given_size"


def drawn(count: int = 120, slope: float = 0.0, seed: int = 0) -> Clusters:
    """Size moves dimension and top-1; `slope` is what dimension adds to top-1 beyond that."""
    rng = np.random.default_rng(seed)
    log_K = rng.uniform(np.log(20), np.log(2000), count)
    own_K = rng.standard_normal(count)
    top1_K = 1 / (1 + np.exp(log_K - 5.3 - slope * own_K + 0.5 * rng.standard_normal(count)))
    return Clusters(dimension_K=log_K + own_K, top1_K=top1_K, size_K=np.exp(log_K).round())


def test_values_are_scipys() -> None:
    clusters = drawn(60, 0.5)
    found = associate(clusters, draws=10)
    dimension_K, top1_K, size_K = clusters.dimension_K, clusters.top1_K, clusters.size_K
    assert found.pearson == pytest.approx(pearsonr(dimension_K, top1_K).statistic)
    assert found.spearman == pytest.approx(spearmanr(dimension_K, top1_K).statistic)
    design = np.c_[np.ones(60), rankdata(size_K)]
    left = [rankdata(column) - design @ np.linalg.lstsq(design, rankdata(column), rcond=None)[0] for column in (dimension_K, top1_K)]
    assert found.partial_spearman_given_size == pytest.approx(pearsonr(*left).statistic)


def test_size_confounds_and_is_taken_out() -> None:
    """Clusters of one and the same local dimension, of 4 to 250 rows; top-1 falls with size alone."""
    rng = np.random.default_rng(0)
    size_K = np.exp(rng.uniform(np.log(4), np.log(250), 120)).astype(int)
    label_N = np.repeat(np.arange(120), size_K)
    x_ND = rng.standard_normal((120, 48))[label_N] + 0.1 * rng.standard_normal((len(label_N), 48))
    spectra = [spectrum for spectrum in GroupMoments.of(x_ND, label_N, 120).spectra() if spectrum is not None]
    top1_K = rng.binomial(size_K, 1 / (1 + size_K / 60)) / size_K
    for name in ("auc", "effective_rank"):
        found = associate(Clusters(dimension_K=[getattr(one, name) for one in spectra], top1_K=top1_K, size_K=size_K))
        assert found.spearman is not None
        assert found.spearman < -0.6
        low, high = found.ci95[PARTIAL] or (np.nan, np.nan)
        assert low < 0 < high
        assert abs(low - high) < 0.5


def test_an_influence_beyond_size_is_found() -> None:
    found = associate(drawn(slope=1.0))
    assert (found.ci95[PARTIAL] or [0])[0] > 0.5
    assert found.spearman is not None
    assert found.spearman < (found.partial_spearman_given_size or 0) - 0.3


def test_intervals_hold_zero_as_often_as_they_say() -> None:
    """Of 95 % intervals of no influence, at least 34 of 40 hold it (fewer: 1 in 1,000)."""
    held = 0
    for seed in range(40):
        low, high = associate(drawn(60, seed=seed), draws=400, seed=seed).ci95[PARTIAL] or (1, 1)
        held += low <= 0 <= high
    assert held >= 34


def test_pooling_takes_out_what_differs_between_models() -> None:
    """Two models without any influence inside, one of which has more of both: a mixture would correlate."""
    rng = np.random.default_rng(0)
    models = {
        name: Clusters(
            dimension_K=rng.standard_normal(80) + shift, top1_K=rng.uniform(size=80) / 4 + shift / 8, size_K=rng.integers(5, 99, 80)
        )
        for name, shift in (("clip", 0.0), ("cloob", 5.0))
    }
    found = pooled(models)
    assert (found.models, found.n_clusters) == (["clip", "cloob"], 160)
    for name in ("pearson", "spearman", PARTIAL):
        low, high = found.ci95[name] or (1, 1)
        assert low < 0 < high
    both = pooled({"clip": drawn(slope=1.0), "cloob": drawn(80, slope=1.0, seed=1)})
    assert (both.ci95[PARTIAL] or [0])[0] > 0.5


def test_same_seed_same_interval() -> None:
    assert associate(drawn(), draws=50, seed=2) == associate(drawn(), draws=50, seed=2) != associate(drawn(), draws=50, seed=3)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_too_few_clusters_have_no_correlation(count: int) -> None:
    found = associate(drawn(count))
    assert (found.pearson, found.spearman, found.partial_spearman_given_size, found.n_clusters) == (None, None, None, count)
    assert "too few" in found.notes[0]


def test_what_does_not_vary_and_what_is_missing_has_a_note() -> None:
    rng = np.random.default_rng(0)
    constant = associate(Clusters(dimension_K=np.ones(20), top1_K=rng.uniform(size=20), size_K=np.arange(1, 21)))
    assert constant.spearman is None
    assert "does not vary" in constant.notes[0]
    dimension_K = rng.uniform(size=20)
    same_size = associate(Clusters(dimension_K=dimension_K, top1_K=dimension_K**2, size_K=np.full(20, 7)))
    assert same_size.partial_spearman_given_size == pytest.approx(1)
    dimension_K[:3] = np.nan
    missing = associate(Clusters(dimension_K=dimension_K, top1_K=rng.uniform(size=20), size_K=np.arange(20)))
    assert (missing.n_clusters, missing.notes) == (17, ["3 cluster(s) without a dimension, top-1 or size left out"])
    with pytest.raises(UserError, match="draws=0"):
        associate(drawn(), draws=0)


def test_the_table_of_clusters_in_the_words_of_the_metrics() -> None:
    rng = np.random.default_rng(0)
    image_ND, text_ND = rng.standard_normal((6, 4)), rng.standard_normal((6, 4))
    image_label_N, text_label_N = np.asarray([0, 0, 0, 1, 1, -1]), np.asarray([0, 0, -1, -1, 2, 2])
    spectra = cluster_spectra(GroupMoments.of(image_ND, image_label_N, 3), GroupMoments.of(text_ND, text_label_N, 3))
    ranks_N = {"image_to_text": np.asarray([1, 1, 2, 1, 5, 1]), "text_to_image": np.asarray([1, 4, 1, 1, 1, 1])}
    first, second, third = cluster_table(spectra, image_label_N, text_label_N, ranks_N)
    assert {name: first[name] for name in ("id", "size", "images", "texts")} == {"id": 0, "size": 5, "images": 3, "texts": 2}
    assert first["top1_image_to_text"] == pytest.approx(2 / 3)
    assert first["top1_text_to_image"] == 0.5
    assert (second["top1_text_to_image"], second["auc_text"], third["auc_image"]) == (None, None, None)
    assert second["auc"] == second["auc_image"]
    columns = Clusters.of([first, second, third], "auc_image")
    np.testing.assert_array_equal(np.isnan(columns.dimension_K), [False, False, True])
