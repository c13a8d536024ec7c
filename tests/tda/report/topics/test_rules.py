"""The rules by which sentences choose their words, at their thresholds."""

import numpy as np
import pytest
from drawn_axes import cell_of

from tda.report.data.load import Cell
from tda.report.topics import rules


def _gap(distance: float, pairs: int = 10**8, pair: float = 0.5) -> Cell:
    return cell_of(pairs=pairs, gap={"centroid_distance": distance}, cosine={"pair": {"mean": pair}})


def _top1(one: float, other: float, pairs: int = 100) -> Cell:
    return cell_of(retrieval={"image_to_text": {"top1": one}, "text_to_image": {"top1": other}, "pairs_used": pairs})


def test_gaps_are_equal_within_a_ratio_or_within_chance() -> None:
    assert rules.same_gap(_gap(0.2), _gap(0.25))
    assert not rules.same_gap(_gap(0.2), _gap(0.2501))
    assert rules.gap_by_chance(_gap(0, 100)) == pytest.approx(0.1)
    assert rules.same_gap(_gap(0.01, 100), _gap(0.19, 100))
    assert not rules.same_gap(_gap(0.01, 100), _gap(0.21, 100))
    assert rules.gap_ratio(_gap(0.4), _gap(0.1)) == pytest.approx(0.25)


def test_the_gap_is_a_part_of_the_distance_of_partners() -> None:
    rng = np.random.default_rng(0)
    image, text = rng.normal(size=(2, 500, 6)) + np.array([[1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0]])[:, None]
    image, text = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (image, text))
    gap, pair = float(np.linalg.norm(image.mean(0) - text.mean(0))), float((image * text).sum(1).mean())
    assert rules.shared_part(_gap(gap, pair=pair)) == pytest.approx(gap**2 / (np.linalg.norm(image - text, axis=1) ** 2).mean())


def test_the_other_modalitys_share_is_of_the_space_or_the_layout() -> None:
    cell = cell_of(mixing={"ambient": 0.9, "layout": 0.7}, umap={"mixing": 0.5})
    assert rules.other_share(cell, "ambient") == pytest.approx(0.1)
    assert rules.other_share(cell, "layout") == pytest.approx(0.3)
    alone = cell_of(umap={"mixing": 0.5})
    assert [rules.other_share(alone, space) for space in ("layout", "ambient")] == [0.5, None]


def test_d_prime_is_in_pooled_standard_deviations() -> None:
    cell = cell_of(cosine={"pair": {"mean": 0.7, "std": 0.3}, "random": {"mean": 0.2, "std": 0.4}})
    assert rules.d_prime(cell) == pytest.approx(0.5 / np.sqrt((0.09 + 0.16) / 2))


def test_candidates_are_those_of_retrieval_else_all_pairs() -> None:
    assert [rules.candidates(cell) for cell in (_top1(1, 1, 30), cell_of(pairs=50), cell_of())] == [30, 50, 1]


@pytest.mark.parametrize(("pairs", "other", "same"), [(100, 0.63, True), (100, 0.65, False), (10**6, 0.509, True), (10**6, 0.52, False)])
def test_top1_is_equal_within_two_errors_and_always_within_a_hundredth(pairs: int, other: float, same: bool) -> None:
    one = _top1(0.4, 0.6, pairs)
    assert rules.mean_top1(one) == pytest.approx(0.5)
    assert rules.same_top1(one, _top1(other, other, pairs)) is same


def test_ends_of_a_loss_are_medians_of_a_twentieth() -> None:
    loss = np.concatenate([[9, 8, 100], np.full(54, 5.0), [1, 2, -100]])
    assert rules.loss_ends({"loss": loss}) == (9.0, 1.0)
    assert rules.loss_ends({"loss": np.array([3.0, 4.0])}) == (3.0, 4.0)


def test_values_under_the_floor_are_counted() -> None:
    cell = cell_of(spectrum={"image": {"singular_values": [1, 0.1, 0.01], "floor": 0.05}, "text": {"singular_values": [1], "floor": None}})
    assert [rules.under_the_floor(cell, modality) for modality in ("image", "text", "both")] == [1, 0, 0]


def test_few_rows_bound_the_dimension() -> None:
    assert rules.few_rows([cell_of(pairs=100, dim=128)], "image") == "100 rows span at most 99 dimensions, whatever the model"
    few = "200 rows are not 10 a dimension: the smallest values show the sample"
    assert rules.few_rows([cell_of(pairs=100, dim=128)], "both") == few  # image and text rows are 200
    assert rules.few_rows([cell_of(pairs=1281, dim=128)], "image") == ""
    assert rules.few_rows([cell_of(pairs=1200, dim=2000), cell_of(pairs=1100, dim=1100), cell_of()], "text").startswith("1,100 rows")
