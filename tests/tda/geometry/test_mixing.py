"""Mixing of modalities and trustworthiness of layouts. N rows, K neighbours."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tda.errors import UserError
from tda.geometry import mixing
from tda.geometry.mixing import layout_neighbors, modality_mixing, trustworthiness, trustworthiness_among
from tda.geometry.neighbors.graph import knn_graph


def unit(count: int, dim: int, seed: int = 0) -> Any:
    x_ND = np.random.default_rng(seed).normal(size=(count, dim))
    return x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True)


def test_mixing_of_a_graph_counted_by_hand() -> None:
    found = modality_mixing(np.array([[1, 2], [0, 3], [3, 0], [2, 1]]), np.array(["image", "image", "text", "text"]), k=2)
    assert (found.same, found.other) == (0.5, 0.5)
    assert found.by_modality == {"image": 0.5, "text": 0.5}
    assert found.chance == pytest.approx(1 / 3)
    assert modality_mixing(np.array([[1, 2], [0, 3], [3, 0], [2, 1]]), np.array([0, 0, 1, 1]), k=1).same == 1.0


def test_unrelated_labels_mix_as_chance_says() -> None:
    found = modality_mixing(knn_graph(unit(600, 8), 15).index_NK, np.arange(600) % 2)
    assert found.same == pytest.approx(found.chance, abs=0.03)  # 9,000 dependent draws: a standard error near 0.01


def test_real_models_keep_their_modalities_apart(shared_data: Path) -> None:
    for name in ("clip_vitb16_coco500", "clip_vitb16_random_coco500"):
        file = np.load(shared_data / f"{name}.npz")
        knn = knn_graph(np.concatenate([file["image"], file["text"]]), 15)
        assert modality_mixing(knn.index_NK, np.repeat([0, 1], 500)).other < 0.001


def test_layout_neighbours_go_by_geodesic_angle() -> None:
    layout_N3 = unit(200, 3)
    angle_NN = np.arccos(np.clip(layout_N3 @ layout_N3.T, -1, 1))
    np.fill_diagonal(angle_NN, np.inf)
    assert np.array_equal(layout_neighbors(layout_N3, 6), np.argsort(angle_NN, axis=1)[:, :6])


def test_rows_at_one_place_have_others_for_neighbours() -> None:
    index_NK = layout_neighbors(np.repeat(unit(2, 3), 30, axis=0), 4)
    assert not (index_NK == np.arange(60)[:, None]).any()
    assert index_NK.shape == (60, 4)


@pytest.mark.parametrize("k", [1, 5, 30])
def test_trustworthiness_is_scikit_learns(k: int) -> None:
    from sklearn.manifold import trustworthiness as reference

    x_ND, layout_N3 = unit(250, 10), unit(250, 3, seed=1)
    layout_N3[:125] = x_ND[:125, :3] / np.linalg.norm(x_ND[:125, :3], axis=1, keepdims=True)
    # Ranks are integers of float32 similarities: a tie may move one of them by 1.
    assert trustworthiness(x_ND, layout_N3, k) == pytest.approx(reference(x_ND, layout_N3, n_neighbors=k, metric="cosine"), abs=1e-5)


def test_trustworthiness_of_the_data_itself_is_one_and_tiles_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    x_N3 = unit(300, 3)
    assert trustworthiness(x_N3, x_N3) == 1.0
    whole = trustworthiness(x_N3, unit(300, 3, seed=2))
    monkeypatch.setattr(mixing, "TILE_BYTES", 1)
    assert trustworthiness(x_N3, unit(300, 3, seed=2)) == pytest.approx(whole, abs=1e-6)


def test_drawn_rows_estimate_all() -> None:
    x_ND, layout_N3 = unit(800, 3), unit(800, 3, seed=1)
    layout_N3[:600] = x_ND[:600]
    assert trustworthiness(x_ND, layout_N3, max_rows=300) == pytest.approx(trustworthiness(x_ND, layout_N3), abs=0.05)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: trustworthiness(unit(20, 4), unit(20, 3), k=10), "below half"),
        (lambda: trustworthiness(unit(20, 4), unit(19, 3), k=3), "rows must agree"),
        (lambda: layout_neighbors(unit(5, 3), 5), "ask for 1 to 4"),
        (lambda: layout_neighbors(np.full((5, 3), np.nan), 2), "row 0 of the layout is not finite"),
        (lambda: modality_mixing(np.zeros((4, 2), int), np.zeros(4), k=3), "hold no 3 neighbours"),
    ],
)
def test_mistakes_are_one_clear_line(call: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        call()


@pytest.mark.parametrize("most", [None, 90])
def test_very_many_rows_are_ranked_by_blocks(most: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    x_ND, layout_N3 = unit(250, 10).astype(np.float16), unit(250, 3, seed=1)
    x_ND[40:50] = x_ND[30]  # equal rows tie
    layout_N3[:125] = unit(125, 3, seed=2)
    new_MD, placed_M3 = unit(60, 10, seed=3), unit(60, 3, seed=4)
    whole = trustworthiness(x_ND, layout_N3, 5, max_rows=most), trustworthiness_among(new_MD, placed_M3, x_ND, layout_N3, 5)
    for name, value in {"AT_ONCE": 100, "RANKED": 32, "TILE_BYTES": 4 * 32 * 70}.items():
        monkeypatch.setattr(mixing, name, value)
    cut = trustworthiness(x_ND, layout_N3, 5, max_rows=most), trustworthiness_among(new_MD, placed_M3, x_ND, layout_N3, 5)
    assert cut == pytest.approx(whole, abs=2e-5), "a tie may move a rank by 1"
