"""Settings that follow from the number of pairs: nothing at the present sizes, and what is chosen above."""

import pytest

from jobs.analysis.settled import settled
from tda.config.analysis import AnalysisConfig, ClustersConfig, UmapConfig


@pytest.mark.parametrize("pairs", [2, 2000, 5000])
def test_nothing_changes_up_to_ten_thousand_rows(pairs: int) -> None:
    found = settled(AnalysisConfig(), pairs)
    assert (found.clusters.min_cluster_size, found.clusters.min_samples, found.umap.radius) == (10, None, None)


def test_what_is_chosen_for_many_rows() -> None:
    found = settled(AnalysisConfig(), 1_000_000)
    assert (found.clusters.min_cluster_size, found.clusters.min_samples) == (32, 10)
    assert found.umap.radius == pytest.approx(10**0.5)
    raw = settled(AnalysisConfig(clusters=ClustersConfig(space="raw")), 1_000_000)
    assert raw.clusters.min_cluster_size == 10, "its hierarchy is of 10,000 rows"


def test_what_is_given_stays() -> None:
    given = AnalysisConfig(clusters=ClustersConfig(min_cluster_size=7), umap=UmapConfig(radius=1.5))
    found = settled(given, 1_000_000)
    assert (found.clusters.min_cluster_size, found.clusters.min_samples, found.umap.radius) == (7, None, 1.5)
    assert settled(AnalysisConfig(umap=UmapConfig(output="plane")), 1_000_000).umap.radius is None
