"""Parts that are measured on a layout or a sample: what is placed, what a search of many rows compares, and what is warned of."""

import pytest
from costs_of_parts import costs

from tda.config.analysis import AnalysisConfig, ClustersConfig, HomologyConfig, UmapConfig
from tda.geometry.neighbors.graph import EXACT_ROWS
from tda.geometry.neighbors.sizes import cell_count


def test_rows_are_placed_up_to_a_million_and_on_demand() -> None:
    placed, sampled = costs(1_000_000)["placement"], costs(1_000_001)["placement"]
    assert placed.flops > 5 * sampled.flops
    everywhere = costs(100_000_000, AnalysisConfig(rows="all"))["placement"]
    assert "analysis.rows=sample" in everywhere.warning
    assert sampled.warning == ""


def test_landmarks_cost_their_cube_and_are_warned_of() -> None:
    few, many = (costs(50_000, AnalysisConfig(homology=HomologyConfig(landmarks=n)))["homology"] for n in (1000, 4000))
    assert many.core_seconds > 20 * few.core_seconds
    assert "analysis.homology.landmarks=4,000" in many.warning
    assert few.warning == ""


def test_few_rows_are_compared_with_all_and_many_with_those_of_the_nearest_cells() -> None:
    def compared(rows: int) -> float:
        umap = UmapConfig(trust_rows=1, max_pairs=rows // 2)
        return (
            costs(rows // 2, AnalysisConfig(umap=umap))["umap, mixing"].flops / (2 * rows * 512) - 1
        )  # without the row of trustworthiness

    assert compared(EXACT_ROWS) == EXACT_ROWS
    many = EXACT_ROWS + 2
    assert compared(many) == pytest.approx(many / 8 + cell_count(many))


def test_more_epochs_and_edges_take_longer_in_proportion() -> None:
    def seconds(**settings: int) -> float:
        return costs(50_000, AnalysisConfig(umap=UmapConfig(**settings)))["umap, mixing"].core_seconds

    once, twice, thrice = (seconds(n_epochs=n) for n in (100, 200, 300))
    assert twice - once == pytest.approx(thrice - twice)
    assert twice > once


def test_a_layout_of_millions_is_warned_of() -> None:
    warned = costs(10_000_000, AnalysisConfig(umap=UmapConfig(max_pairs=3_000_000)))["umap, mixing"]
    assert "lower analysis.umap.max_pairs" in warned.warning
    assert costs(10_000_000)["umap, mixing"].warning == ""


def test_clusters_on_the_layout_lay_out_again_for_each_further_seed() -> None:
    def clusters(space: str, seeds: int) -> str:
        config = ClustersConfig(space=space, stability_seeds=seeds, sample=1_000)
        return costs(5_000, AnalysisConfig(clusters=config))["clusters"].formulas["work"]

    assert "2 further layouts" in clusters("layout", 3)
    assert "further layouts" not in clusters("layout", 1)
    assert "further layouts" not in clusters("raw", 3)


def test_homology_holds_the_rows_and_the_distances_of_its_landmarks_for_each_of_three_sets() -> None:
    config = HomologyConfig(landmarks=100, max_pairs=2_000)
    assert costs(50_000, AnalysisConfig(homology=config))["homology"].memory == 3 * (8 * 2_000 * 512 + 64 * 100**2)
