"""The parts `umap` and `mixing`: options that reach the layout, shares counted by hand, the table. M pairs, N = 2M rows, images first."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tda.config.analysis import AnalysisConfig, MixingConfig, UmapConfig
from tda.geometry.mixing import trustworthiness
from tda.geometry.neighbors.graph import Knn, knn_graph
from tda.geometry.parts.layout import (
    ONE_THREAD_ROWS,
    layout_in,
    layout_of,
    layout_table,
    layouts_again,
    mixing_metrics,
    model_of,
    neighbours_wanted,
    umap_metrics,
)
from tda.geometry.sphere.fuzzy_graph import fuzzy_graph
from tda.geometry.sphere.umap import SphereUMAP


def rows(count: int = 120, dim: int = 8, seed: int = 0) -> Any:
    x_ND = np.random.default_rng(seed).standard_normal((count, dim))
    x_ND[: count // 2, 0] += 2.0  # images apart from texts, but not wholly
    return x_ND


def analysis(k: int = 15, seed: int = 0, **umap: Any) -> AnalysisConfig:
    return replace(AnalysisConfig(umap=UmapConfig(**{"n_epochs": 20, **umap}), mixing=MixingConfig(k=k), device="cpu"), seed=seed)


def same_share(x_NC: Any, k: int) -> float:
    """Share of the k nearest by chord that are of the row's own modality, by sorting all distances."""
    distance_NN = np.linalg.norm(x_NC[:, None].astype(np.float64) - x_NC[None], axis=2)
    np.fill_diagonal(distance_NN, np.inf)
    image_N = np.arange(len(x_NC)) < len(x_NC) // 2
    return float((image_N[np.argsort(distance_NN, axis=1)[:, :k]] == image_N[:, None]).mean())


def test_one_search_serves_layout_mixing_and_sweep() -> None:
    assert neighbours_wanted(1000, analysis(k=15, knn_k=100, n_neighbors=15)) == 100
    assert neighbours_wanted(1000, analysis(k=15, knn_k=10, n_neighbors=40)) == 39  # UMAP's number counts the row itself
    assert neighbours_wanted(1000, analysis(k=200, knn_k=10)) == 200
    assert neighbours_wanted(20, analysis(k=15, knn_k=100)) == 19


def test_every_option_reaches_the_model() -> None:
    options: dict[str, Any] = {
        "n_neighbors": 7,
        "min_dist": 0.3,
        "n_epochs": 11,
        "spread": 1.5,
        "negative_sample_rate": 2,
        "learning_rate": 0.4,
        "init": "random",
        "output": "plane",
    }
    model = model_of(analysis(**options), 5, ONE_THREAD_ROWS)
    assert {name: getattr(model, name) for name in options} == options
    assert (model.seed, model.device, model.threads) == (5, "cpu", 1)
    assert model_of(analysis(), 5, ONE_THREAD_ROWS + 1).threads is None
    assert model_of(analysis(**options), 5, 100, n_neighbors=4).n_neighbors == 4


@pytest.mark.parametrize("output", ["sphere", "plane"])
def test_the_layout_is_the_models(output: str) -> None:
    x_ND, config = rows(), analysis(output=output, seed=3, n_neighbors=10)
    knn = knn_graph(x_ND, 30)
    layout_NC, notes = layout_of(x_ND, knn, config)
    wanted_NC = SphereUMAP(10, n_epochs=20, seed=3, output=output, device="cpu", threads=1).fit_transform(x_ND, knn)
    assert layout_NC.tobytes() == wanted_NC.tobytes()
    assert notes == []
    few, notes = layout_of(x_ND[:6], knn_graph(x_ND[:6], 5), config)
    assert len(few) == 6
    assert notes == ["n_neighbors=10 is cut to 5: there are 6 rows"]


def test_layouts_from_other_seeds_are_of_the_same_graph() -> None:
    x_ND = rows()
    knn, config = knn_graph(x_ND, 30), analysis(n_neighbors=10)
    again = layouts_again(x_ND, knn, config, [3, 4])
    graph = fuzzy_graph(knn, 10, device="cpu")
    for seed, found_N3 in zip((3, 4), again, strict=True):
        assert found_N3.tobytes() == SphereUMAP(10, n_epochs=20, seed=seed, device="cpu", threads=1).layout(graph).tobytes()
    assert len(layouts_again(x_ND[:8], knn_graph(x_ND[:8], 7), config, [0])[0]) == 8  # n_neighbors is cut to the rows there are


def test_umap_metrics_hold_the_options_and_what_the_layout_shows() -> None:
    x_ND, config = rows(), analysis(k=9, trust_k=12, trust_rows=50, seed=2, min_dist=0.2)
    layout_N3 = rows(120, 3, seed=1)
    found = umap_metrics(x_ND, layout_N3, config, ["a note"])
    assert found["mixing"] == pytest.approx(1 - same_share(layout_N3, 9))
    assert found["trustworthiness"] == trustworthiness(x_ND, layout_N3, 12, max_rows=50, seed=2)
    assert (found["pairs_used"], found["min_dist"], found["n_epochs"], found["notes"]) == (60, 0.2, 20, ["a note"])
    names = ("output", "n_neighbors", "spread", "negative_sample_rate", "learning_rate", "init")
    assert {name: found[name] for name in names} == {name: getattr(config.umap, name) for name in names}


def test_few_rows_cut_the_neighbours_and_a_note_says_so() -> None:
    x_ND, layout_N3 = rows(20), rows(20, 3, seed=1)
    found = umap_metrics(x_ND, layout_N3, analysis(trust_k=15), [])
    assert found["trustworthiness"] == trustworthiness(x_ND, layout_N3, 9)
    assert found["notes"] == ["trustworthiness looks at 9 neighbours, not 15: there are 20 rows"]
    mixing = mixing_metrics(knn_graph(x_ND, 12), layout_N3, analysis(k=15))
    assert (mixing["k"], mixing["notes"]) == (12, ["12 neighbours, not 15: there are 20 rows"])


def test_mixing_by_counting() -> None:
    x_ND, layout_N3 = rows(), rows(120, 3, seed=1)
    unit_ND = x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True)
    found = mixing_metrics(knn_graph(x_ND, 30), layout_N3, analysis(k=9))
    assert found["ambient"] == pytest.approx(same_share(unit_ND, 9))
    assert found["layout"] == pytest.approx(same_share(layout_N3, 9))
    assert found["chance"] == pytest.approx(59 / 119)
    assert np.mean(list(found["ambient_by_modality"].values())) == pytest.approx(found["ambient"])
    assert set(found["layout_by_modality"]) == {"image", "text"}
    assert (found["k"], found["exact_neighbours"], found["notes"]) == (9, True, [])
    knn = knn_graph(x_ND, 30)
    approximate = Knn(index_NK=knn.index_NK, distance_NK=knn.distance_NK, exact=False)
    assert mixing_metrics(approximate, layout_N3, analysis())["exact_neighbours"] is False


def test_the_table_gives_the_layout_back() -> None:
    layout_N3 = rows(8, 3)
    layout_N3 /= np.linalg.norm(layout_N3, axis=1, keepdims=True)
    columns = layout_table(layout_N3, np.array([4, 5, 7, 9]))
    assert list(columns["modality"]) == ["image"] * 4 + ["text"] * 4
    assert columns["row"].tolist() == [4, 5, 7, 9] * 2
    np.testing.assert_array_equal(layout_in(columns), layout_N3.astype(np.float32))
    ring_N = np.sin(columns["colatitude"])
    np.testing.assert_allclose(ring_N * np.cos(columns["longitude"]), layout_N3[:, 0], atol=1e-6)
    np.testing.assert_allclose(np.cos(columns["colatitude"]), layout_N3[:, 2], atol=1e-6)
    plane = layout_table(layout_N3[:, :2], np.array([4, 5, 7, 9]))
    assert list(plane) == ["modality", "row", "x", "y"]
    assert layout_in(plane).shape == (8, 2)


class TestEqualRows:
    """Equal rows, also of different modalities, have one place."""

    @staticmethod
    def repeated() -> Any:
        x_ND = rows()
        x_ND[70:100] = x_ND[3]  # more copies than a row has neighbours: texts of an image
        x_ND[5] = x_ND[6]
        x_ND[7] = -0.0 * x_ND[6] + x_ND[6]
        return x_ND

    @pytest.mark.parametrize("output", ["sphere", "plane"])
    def test_one_place(self, output: str) -> None:
        x_ND, options = self.repeated(), analysis(output=output)
        layout_NC, notes = layout_of(x_ND, knn_graph(x_ND, 20, device="cpu"), options)
        assert np.isfinite(layout_NC).all()
        assert (layout_NC[70:100] == layout_NC[3]).all()
        assert (layout_NC[[5, 7]] == layout_NC[6]).all()
        assert len(np.unique(layout_NC, axis=0)) == 120 - 32
        assert notes[-1] == "88 distinct rows of 120 are laid out: equal rows have one place"

    def test_it_is_the_layout_of_the_distinct_rows(self) -> None:
        x_ND, options = self.repeated(), analysis()
        kept = [row for row in range(120) if row not in {*range(70, 100), 6, 7}]  # 6 and 7 repeat 5
        alone_UC, _ = layout_of(x_ND[kept], knn_graph(x_ND[kept], 14, device="cpu"), options)
        layout_NC, _ = layout_of(x_ND, knn_graph(x_ND, 20, device="cpu"), options)
        np.testing.assert_array_equal(layout_NC[kept], alone_UC)

    def test_layouts_of_other_seeds_too(self) -> None:
        x_ND, options = self.repeated(), analysis()
        knn = knn_graph(x_ND, 20, device="cpu")
        again, first = layouts_again(x_ND, knn, options, [1, 0])
        assert (again[70:100] == again[3]).all()
        np.testing.assert_array_equal(first, layout_of(x_ND, knn, options)[0])

    def test_rows_that_differ_are_laid_out_as_before(self) -> None:
        x_ND, options = rows(), analysis()
        knn = knn_graph(x_ND, 20, device="cpu")
        layout_NC, notes = layout_of(x_ND, knn, options)
        np.testing.assert_array_equal(layout_NC, model_of(options, 0, 120).fit_transform(x_ND, knn))
        assert not [note for note in notes if "distinct" in note]

    def test_of_two_distinct_rows_all_are_laid_out_and_share_the_places(self) -> None:
        x_ND = np.tile(np.eye(2, 8), (10, 1))
        layout_NC, _ = layout_of(x_ND, knn_graph(x_ND, 15, device="cpu"), analysis())
        assert len(np.unique(layout_NC, axis=0)) == 2
